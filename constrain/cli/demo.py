"""``constrain demo``: the main job on the embedded model."""

__all__ = ["demo"]


def demo() -> None:
    """Show what constraining does, on the embedded model: no download, no GPU."""
    from constrain.demo import main

    main()
