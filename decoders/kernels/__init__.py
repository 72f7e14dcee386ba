"""Masks and draws where the logits are: one file a backend, and what decides between them.

``bitmask``     apply_token_bitmask_inplace
``sampling``    sample_tokens: mask, temperature, cuts, draw and probabilities in one pass over the logits
``row_table``   masks that stay on the device and are named by numbers
``automaton``   finite constraints that live on the device altogether
``greedy``      greedy decoding by them
``backends``    which of ``reference`` (PyTorch), ``compiled`` (torch.compile), ``cpu`` (numba) and
                ``triton_backend`` does the work

All backends do what ``reference`` does; see docs/kernels.md.
"""
