"""The report of `nmt check` in the terminal."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nmt.cli.views.console import Page
from nmt.errors import counted
from nmt.files.lines import conversion
from nmt.text.control_characters import visible

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_SHOWN = 2  # examples of each problem
_CUT = 80  # characters of an example
_DUPLICATES = {
    "pair": "duplicate pair",
    "near": "near-duplicate pair (differs in case, digits or punctuation)",
    "source": "duplicate source",
    "target": "duplicate target",
}


def draw_check(report: dict[str, Any]) -> None:
    """Draw the report on stdout."""
    console = Page()
    languages = [language or "?" for language in report["languages"]]
    for corpus in report["corpora"]:
        name = f"{corpus['set']} set" if "set" in corpus else f"corpus {corpus['name']}"
        console.rule(Text.assemble((name, "bold"), f"  {counted(corpus['pairs'], 'pair')}"), align="left")
        _draw_files(console, corpus)
        if corpus["pairs"]:
            _draw_histograms(console, corpus, languages)
            _draw_problems(console, corpus)
        for side, vocabulary in zip(languages, corpus.get("vocabulary", ()), strict=False):
            console.print(f"tokenizer, {side}: {vocabulary_line(vocabulary)}")
        console.print()


def _draw_files(console: Console, corpus: dict[str, Any]) -> None:
    for file in corpus["files"]:
        notes = [counted(file["lines"], "line")]
        if file["format"] != "plain":
            notes.append(file["format"])
        if file.get("utf16"):
            notes.append("[red]UTF-16[/red]: convert it to UTF-8")
        for key, problem in (("invalid_utf8", "with invalid UTF-8"), ("controls", "with control characters")):
            if file[key]["count"]:
                lines = ", ".join(map(str, file[key]["lines"]))
                notes.append(f"[red]{file[key]['count']:,} {problem}[/red] (line {lines})")
        if file.get("encoding"):
            notes.append(conversion(file["encoding"]))
        if file["blank"]:
            notes.append(f"{file['blank']:,} blank")
        if file["crlf"]:
            notes.append("Windows line endings")
        console.print(Text("  ").append(file["path"]).append(Text.from_markup(": " + ", ".join(notes))))
    if "drift" in corpus:
        places = ", ".join(f"{extra['lines']} at line {extra['line']:,}" for extra in corpus["drift"]["extra"])
        longer = f"the {corpus['drift']['longer']} has more, by their lengths {places}"
        console.print(f"[red]the files have different numbers of lines[/red]: {longer}")


def _draw_histograms(console: Console, corpus: dict[str, Any], languages: Sequence[str]) -> None:
    """Draw the distributions of lengths and of length ratios."""
    table = Table(box=None, padding=(0, 1), header_style="bold")
    table.add_column("characters", justify="right", no_wrap=True)
    for language in languages:
        table.add_column(language, no_wrap=True)
    table.add_column("target / source", justify="right", no_wrap=True)
    table.add_column("")
    width = max(4, min(24, (console.width - 58) // 3))
    lengths, ratios = corpus["length_histogram"], corpus["ratio_histogram"]
    used = max((i for side in lengths["counts"] for i, count in enumerate(side) if count), default=0) + 1
    columns = (
        [f"from {start}" for start in lengths["from"][:used]],
        *(_bars(side[:used], width) for side in lengths["counts"]),
        [f"from {start:g}" for start in ratios["from"]],
        _bars(ratios["counts"], width),
    )
    for row in zip_longest(*columns, fillvalue=""):
        table.add_row(*row)
    console.print(table)


def _bars(counts: Sequence[int], width: int) -> list[str]:
    """A bar for each count, the longest of this width, and the count.

    >>> _bars([4, 1], 8)
    ['████████ 4', '██ 1']
    """
    largest = max([1, *counts])
    bars = []
    for count in counts:
        full, rest = divmod(round(8 * width * count / largest), 8)
        bar = ("█" * full + _EIGHTHS[rest]).strip()
        bars.append(f"{bar or '▏'} {count:,}" if count else "")
    return bars


def _draw_problems(console: Console, corpus: dict[str, Any]) -> None:
    """Draw the number of pairs with each problem, and examples."""
    problems = [(f"{rule}: dropped by prepare", group) for rule, group in corpus["rules"].items()]
    problems += [(_DUPLICATES[kind], group) for kind, group in corpus["duplicates"].items()]
    for name, overlap in corpus["leakage"].items():
        problems.append((f"overlap with the {name} set", overlap["exact"]))
        problems.append((f"near-overlap with the {name} set", overlap["nearly"]))
    repaired = corpus["repaired"]
    if repaired["count"]:
        problems.append(("encoding: repaired by prepare", {"count": repaired["count"], "examples": []}))
    for problem, group in problems:
        if group["count"]:
            numbers = f"{group['count']:>9,}  {group['count'] / corpus['pairs']:6.2%}  "
            console.print(Text(numbers).append(problem, style="bold"))
        for example in group["examples"][:_SHOWN]:
            text = f"{'':19}line {example['line']:,}: {_cut(example['source'])} ||| {_cut(example['target'])}"
            console.print(Text(text, style="dim"), no_wrap=True, overflow="ellipsis", crop=True)
    for example in repaired["examples"][:_SHOWN]:
        text = f"{'':19}line {example['line']:,}: {visible(example['repair'])}"
        console.print(Text(text, style="dim"), no_wrap=True, overflow="ellipsis", crop=True)
    if not any(group["count"] for _, group in problems) and "drift" not in corpus:
        console.print("no problems found")


def _cut(text: str) -> str:
    text = visible(text)
    return text if len(text) <= _CUT else text[: _CUT - 1] + "…"


def vocabulary_line(report: dict[str, Any]) -> str:
    """A vocabulary report in one line."""
    examples = ", ".join(f"{visible(character)} {count:,}" for character, count in report["lost_characters"].items())
    return (
        f"{counted(int(report['sentences']), 'sentence')}, {counted(int(report['words']), 'word')}, "
        f"{report['pieces_per_word']:.2f} pieces per word, at most {counted(int(report['longest']), 'token')}; "
        f"{report['unknown']:.3%} unknown, {report['bytes']:.3%} spelled as bytes; "
        f"{report['used']:.0%} of the vocabulary used"
        + (f"; {report['lost']:.3%} of the characters lost ({examples})" if examples else "")
    )
