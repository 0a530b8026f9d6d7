"""What `nmt check` found, as a page in the terminal."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nmt.cli.views.console import Page

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def draw_check(found: dict[str, Any], console: Console | None = None) -> None:
    """Draw the report on stdout."""
    console = console or Page()
    languages = [language or "?" for language in found["languages"]]
    for corpus in found["corpora"]:
        name = f"{corpus['set']} set" if "set" in corpus else f"corpus {corpus['name']}"
        console.rule(f"[bold]{name}[/bold]  {corpus['pairs']:,} pairs", align="left")
        _draw_files(console, corpus)
        if corpus["pairs"]:
            _draw_histograms(console, corpus, languages)
            _draw_problems(console, corpus)
        for side, one in zip(languages, corpus.get("vocabulary", ()), strict=False):
            console.print(f"tokenizer, {side}: {vocabulary_line(one)}")
        console.print()


def _draw_files(console: Console, corpus: dict[str, Any]) -> None:
    for file in corpus["files"]:
        notes = [f"{file['lines']:,} lines"]
        if file["format"] != "plain":
            notes.append(file["format"])
        if file.get("utf16"):
            notes.append("[red]UTF-16[/red]: convert it to UTF-8")
        for key, what in (("invalid_utf8", "with invalid UTF-8"), ("controls", "with control characters")):
            if file[key]["count"]:
                lines = ", ".join(map(str, file[key]["lines"]))
                notes.append(f"[red]{file[key]['count']:,} {what}[/red] (line {lines})")
        if file["blank"]:
            notes.append(f"{file['blank']:,} blank")
        if file["crlf"]:
            notes.append("Windows line ends")
        console.print(Text.from_markup("  ").append(file["path"]).append(Text.from_markup(": " + ", ".join(notes))))
    if "drift" in corpus:
        places = ", ".join(f"{one['lines']} at line {one['line']:,}" for one in corpus["drift"]["extra"])
        console.print(
            f"[red]the files have different numbers of lines[/red]: the {corpus['drift']['longer']} has more, by their "
            f"lengths {places}"
        )


def _draw_histograms(console: Console, corpus: dict[str, Any], languages: Sequence[str]) -> None:
    """How long the sides are, and how long targets are beside their sources."""
    table = Table(box=None, padding=(0, 1), header_style="bold")
    table.add_column("characters", justify="right", no_wrap=True)
    for language in languages:
        table.add_column(language, no_wrap=True)
    table.add_column("target / source", justify="right", no_wrap=True)
    table.add_column("")
    width = max(4, min(24, (console.width - 58) // 3))
    lengths, ratios = corpus["length_histogram"], corpus["ratio_histogram"]
    used = max((i for side in lengths["counts"] for i, count in enumerate(side) if count), default=0) + 1
    rows = zip_longest(
        _ranges(lengths["from"][:used]),
        *(_bars(side[:used], width) for side in lengths["counts"]),
        _ranges(ratios["from"]),
        _bars(ratios["counts"], width),
        fillvalue="",
    )
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _ranges(bounds: Sequence[float]) -> list[str]:
    return [f"from {start:g}" for start in bounds]


def _bars(counts: Sequence[int], width: int) -> list[str]:
    """A bar for each count, the longest of this width, and the count.

    >>> _bars([4, 1], 8)
    ['████████ 4', '██ 1']
    """
    most = max([1, *counts])
    made = []
    for count in counts:
        full, rest = divmod(round(8 * width * count / most), 8)
        bar = ("█" * full + _EIGHTHS[rest]).strip()
        made.append(f"{bar or '▏'} {count:,}" if count else "")
    return made


def _draw_problems(console: Console, corpus: dict[str, Any]) -> None:
    """What is wrong with how many pairs, each with some lines."""
    problems = [(f"{rule}: dropped by prepare", one) for rule, one in corpus["rules"].items()]
    problems += [(_DUPLICATES[kind], one) for kind, one in corpus["duplicates"].items()]
    for name, leak in corpus["leakage"].items():
        problems += [(f"stands in the {name} set", leak["exact"]), (f"nearly stands in the {name} set", leak["nearly"])]
    for what, one in problems:
        if one["count"]:
            console.print(
                Text(f"{one['count']:>9,}  {one['count'] / corpus['pairs']:6.2%}  ").append(what, style="bold")
            )
        for example in one["examples"][:_SHOWN]:
            text = f"{'':19}line {example['line']:,}: {_cut(example['source'])} ||| {_cut(example['target'])}"
            console.print(Text(text, style="dim"), no_wrap=True, overflow="ellipsis", crop=True)
    if not any(one["count"] for _, one in problems) and "drift" not in corpus:
        console.print("nothing to complain of")


_SHOWN = 2  # examples of each problem
_CUT = 80
_DUPLICATES = {
    "pair": "the same pair again",
    "near": "the same but for case, digits and punctuation",
    "source": "the same source again",
    "target": "the same target again",
}


def _cut(text: str) -> str:
    return text if len(text) <= _CUT else text[: _CUT - 1] + "…"


def vocabulary_line(found: dict[str, float]) -> str:
    """A vocabulary report in a line."""
    return (
        f"{found['sentences']:,.0f} sentences, {found['words']:,.0f} words, "
        f"{found['pieces_per_word']:.2f} pieces a word, "
        f"at most {found['longest']:,.0f} tokens; {found['unknown']:.3%} unknown, {found['bytes']:.3%} spelt as bytes; "
        f"{found['used']:.0%} of the vocabulary used"
    )
