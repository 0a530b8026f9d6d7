"""A cross-attention map drawn in the terminal: a row for each word written, a column for each word read."""

from rich.cells import cell_len
from rich.text import Text
from torch import Tensor

_SHADES = " ░▒▓█"


def draw(source: list[str], target: list[str], weights: Tensor, *, colour: bool) -> list[Text]:
    """Lines of a map whose `weights` [target, source] are shares of attention; blocks of shade without colour."""
    width = max(3, *(cell_len(word) for word in source))
    margin = max(cell_len(word) for word in target)
    header = " ".join(_padded(word, width) for word in source)
    lines = [Text(" " * (margin + 1) + header)]
    for word, row in zip(target, weights.tolist(), strict=True):
        line = Text(_padded(word, margin) + " ")
        for share in row:
            line.append(*_cell(share, width, colour=colour))
            line.append(" ")
        lines.append(line)
    return lines


def _cell(share: float, width: int, *, colour: bool) -> tuple[str, str]:
    number = f"{100 * share:.0f}" if share >= 0.005 else ""
    if colour:
        level = round(235 * share)
        ink = "black" if share > 0.5 else "white"
        return number.center(width), f"{ink} on rgb({level // 2 + 20},{level + 20},{level // 2 + 60})"
    return (_SHADES[min(4, int(share * 5))] * 2 + number.rjust(3)).ljust(width)[:width], ""


def _padded(word: str, width: int) -> str:
    """A word filled up to a width in terminal cells, of which a Hangul syllable takes two."""
    return word + " " * (width - cell_len(word))
