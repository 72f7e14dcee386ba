"""``python -m constrain`` is the command `constrain`."""

from constrain.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
