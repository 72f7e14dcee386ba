"""A date, whatever the model would like to write."""

import re

import constrain


def main() -> None:
    """Print three dates, drawn at random with different seeds."""
    model = constrain.load("embedded")
    pattern = r"20\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
    for seed in range(3):
        date = constrain.generate(model, "The meeting is on ", constrain.regex(pattern), sampler="sample", seed=seed)
        print(date.text, f"(log-weight {date.log_weight:.2f})")
        assert re.fullmatch(pattern, date.text)


if __name__ == "__main__":
    main()
