"""Neural machine translation from the command line: the encoder-decoder Transformer, small enough to read."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nmt.decoding.translator import Translator

__version__ = "0.1.0"
__all__ = ["Translator", "__version__"]


def __getattr__(name: str) -> object:
    """Import `Translator` on first use, so that `import nmt` and `nmt --help` do not import torch."""
    if name == "Translator":
        from nmt.decoding.translator import Translator

        return Translator
    raise AttributeError(f"module 'nmt' has no attribute {name!r}")
