"""Muon (Jordan et al., 2024): momentum whose matrices are made nearly orthogonal before they are applied.

PyTorch has the method too, but iterates in bfloat16, which processors without that arithmetic do a hundred times more
slowly; here it is float32, and matrices of one shape are treated together.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch

__all__ = ["Muon", "orthogonalised"]

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalised(matrices: torch.Tensor, iterations: int = 5) -> torch.Tensor:
    """Matrices (n, rows, columns) float32 with singular values moved towards one, about 0.7 to 1.2.

    A quintic Newton-Schulz iteration X ← aX + b(XXᵀ)X + c(XXᵀ)²X, on the wide side.
    """
    a, b, c = _COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x: torch.Tensor = matrices.mT if tall else matrices
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(iterations):
        square = x @ x.mT
        x = a * x + torch.baddbmm(square, square, square, beta=b, alpha=c) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Updates matrices by their orthogonalised Nesterov momentum, scaled so that an update has the size Adam's has."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(list(parameters), {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all matrices from their gradients."""
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for parameter in group["params"]:
                by_shape[parameter.shape].append(parameter)
            for shape, parameters in by_shape.items():
                updates = orthogonalised(torch.stack([self._momentum(p, group["momentum"]) for p in parameters]))
                size = group["lr"] * 0.2 * max(shape) ** 0.5
                for parameter, update in zip(parameters, updates, strict=True):
                    parameter.add_(update, alpha=-size)

    def _momentum(self, parameter: torch.nn.Parameter, momentum: float) -> torch.Tensor:
        assert parameter.grad is not None
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        mean = state["momentum"].lerp_(parameter.grad, 1 - momentum)
        return parameter.grad.lerp(mean, momentum)
