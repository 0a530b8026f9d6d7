"""A map of attention drawn in the terminal: a row for each query, such as a word written, a column for each key.

Where the keys do not fit beside each other they are numbered, and named below; where even the numbers do not fit, the
columns continue in further blocks.
"""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text
from torch import Tensor

from nmt.text.sentences import visible

_SHADES = " ░▒▓█"
_NARROW = 5  # cells of a column whose key is a number: two blocks of shade and a percentage


def draw(keys: Sequence[str], queries: Sequence[str], weights: Tensor, *, colour: bool, columns: int) -> list[Text]:
    """Lines of at most so many columns for `weights` [query, key]; shares are shades without colour."""
    keys, queries = ([visible(name) for name in names] for names in (keys, queries))
    margin = min(max(map(cell_len, queries)), columns // 3)
    width = max(3 if colour else _NARROW, *map(cell_len, keys))
    room = columns - margin
    if len(keys) * (width + 1) <= room:
        return _block(keys, queries, weights, width, margin, colour=colour)
    names = [str(number) for number in range(1, len(keys) + 1)]
    at_once = max(1, room // (_NARROW + 1))
    lines: list[Text] = []
    for start in range(0, len(keys), at_once):
        lines += [Text()] if start else []
        part = slice(start, start + at_once)
        lines += _block(names[part], queries, weights[:, part], _NARROW, margin, colour=colour)
    return lines + _legend(names, keys, columns)


def _block(
    keys: Sequence[str], queries: Sequence[str], weights: Tensor, width: int, margin: int, *, colour: bool
) -> list[Text]:
    """Neighbouring columns under their names."""
    lines = [Text(" " * (margin + 1) + " ".join(_padded(key, width) for key in keys))]
    for query, row in zip(queries, weights.tolist(), strict=True):
        line = Text(_padded(query, margin) + " ")
        for share in row:
            line.append(*_cell(share, width, colour=colour))
            line.append(" ")
        lines.append(line)
    return lines


def _legend(names: Sequence[str], keys: Sequence[str], columns: int) -> list[Text]:
    """What the numbers stand for, in as many lines as it takes."""
    lines, used = [Text()], 0
    for name, key in zip(names, keys, strict=True):
        taken = cell_len(name) + 1 + cell_len(key) + 2
        if used + taken - 2 > columns and used:
            lines.append(Text())
            used = 0
        lines[-1].append(name, "bold").append(f" {key}  ")
        used += taken
    return lines


def _cell(share: float, width: int, *, colour: bool) -> tuple[str, str]:
    number = f"{100 * share:.0f}" if share >= 0.005 else ""
    if colour:
        level = round(235 * share)
        ink = "black" if share > 0.5 else "white"
        return number.center(width), f"{ink} on rgb({level // 2 + 20},{level + 20},{level // 2 + 60})"
    return (_SHADES[min(4, int(share * 5))] * 2 + number.rjust(3)).ljust(width)[:width], ""


def _padded(word: str, width: int) -> str:
    """A word filled up or cut to a width in terminal cells, of which a Hangul syllable takes two."""
    if cell_len(word) > width:
        word = set_cell_size(word, width - 1).rstrip() + "…"
    return word + " " * (width - cell_len(word))
