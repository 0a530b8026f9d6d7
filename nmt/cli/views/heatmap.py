"""Attention maps in the terminal: a row for each query, a column for each key.

Keys that do not fit side by side are numbered and listed below; columns that still do not fit continue in blocks.
"""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text
from torch import Tensor

from nmt.text.control_characters import visible

_SHADES = " ░▒▓█"
_NARROW = 5  # width of a column under a number: two shade characters and a percentage


def draw(keys: Sequence[str], queries: Sequence[str], weights: Tensor, *, color: bool, columns: int) -> list[Text]:
    """Draw `weights` [query, key] in lines of at most `columns` cells, as shades where there is no color."""
    keys, queries = ([visible(name) for name in names] for names in (keys, queries))
    margin = min(max(map(cell_len, queries)), columns // 3)
    width = max(3 if color else _NARROW, *map(cell_len, keys))
    if len(keys) * (width + 1) <= columns - margin:
        return _block(keys, queries, weights, width, margin, color=color)
    names = [str(number) for number in range(1, len(keys) + 1)]
    at_once = max(1, (columns - margin) // (_NARROW + 1))
    lines: list[Text] = []
    for start in range(0, len(keys), at_once):
        lines += [Text()] if start else []
        part = slice(start, start + at_once)
        lines += _block(names[part], queries, weights[:, part], _NARROW, margin, color=color)
    return lines + _legend(names, keys, columns)


def _block(
    keys: Sequence[str], queries: Sequence[str], weights: Tensor, width: int, margin: int, *, color: bool
) -> list[Text]:
    """Draw adjacent columns under their names."""
    lines = [Text(" " * (margin + 1) + " ".join(_padded(key, width) for key in keys))]
    for query, row in zip(queries, weights.tolist(), strict=True):
        line = Text(_padded(query, margin) + " ")
        for weight in row:
            line.append(*_cell(weight, width, color=color)).append(" ")
        lines.append(line)
    return lines


def _legend(names: Sequence[str], keys: Sequence[str], columns: int) -> list[Text]:
    """The keys by their numbers, wrapped."""
    lines = [Text()]
    for name, key in zip(names, keys, strict=True):
        used = lines[-1].cell_len
        if used and used + cell_len(f"{name} {key}") > columns:
            lines.append(Text())
        lines[-1].append(name, "bold").append(f" {key}  ")
    return lines


def _cell(weight: float, width: int, *, color: bool) -> tuple[str, str]:
    """The text and style of a weight, in percent."""
    number = f"{100 * weight:.0f}" if weight >= 0.005 else ""
    if color:
        level = round(235 * weight)
        ink = "black" if weight > 0.45 else "white"
        return number.center(width), f"{ink} on rgb({level // 2 + 20},{level + 20},{level // 2 + 60})"
    return (_SHADES[min(4, int(weight * 5))] * 2 + number.rjust(3)).ljust(width)[:width], ""


def _padded(word: str, width: int) -> str:
    """Pad or cut a word to a width in terminal cells, of which a Hangul syllable takes two."""
    if cell_len(word) > width:
        word = set_cell_size(word, width - 1).rstrip() + "…"
    return word + " " * (width - cell_len(word))
