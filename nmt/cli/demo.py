"""`nmt demo`: the whole pipeline on the embedded corpus."""

from nmt.cli.options import Common


def demo(common: Common) -> None:
    """Placeholder."""
    raise NotImplementedError
