"""PO files of others, filled in: nothing else changes, and gettext and translate-toolkit find no error.

    python benchmarks/localisation.py DIRECTORY [--model run/model]

For each PO file under the directory, in its own encoding:

1. what is translated is emptied and filled with the same translations: is it the same file, byte for byte? Once as it
   is, wrapped by other programs, and once after `msgcat --no-wrap`;
2. what is untranslated is filled with the source itself, and `msgfmt --check-format` reads it;
3. with --model, 2,000 entries, drawn at random, are translated, and `pofilter` looks for errors in them. Its tests of
   what a translation must keep are counted for a catalogue with neither accelerators nor a project's rules.

Ten Debian packages, as in results/localisation.txt: `apt-get source` of bash, coreutils, diffutils, findutils, gawk,
grep, nano, sed, tar and wget.
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from nmt.errors import NmtError
from nmt.text.accelerators import take_accelerator
from nmt.text.formats.filling import apply
from nmt.text.formats.po import Entry, PoFile
from nmt.text.formats.po_filling import PoFilling
from nmt.text.inline_codes import placeholders

TESTS = (
    "printf",
    "pythonbraceformat",
    "variables",
    "xmltags",
    "newlines",
    "tabs",
    "escapes",
    "urls",
    "emails",
    "options",
)


def refilled(data: bytes, path: Path) -> bytes | None:
    """A file emptied and filled with its own translations; None where nothing in it is translated."""
    known = {key_of(entry): entry for entry in PoFile(data, path) if is_translated(entry)}
    edits = [
        (offsets[1], offsets[-1], b'""')
        for entry in known.values()
        for key, offsets in entry.offsets.items()
        if key.startswith("msgstr")
    ]
    empty = apply(data, edits)
    filling = PoFilling(empty, path, fuzzy=False)
    filling.width = PoFilling(data, path).width  # what is empty does not show it
    open_entries = (entry for entry in PoFile(empty, path) if is_open(entry))
    edits = []
    for entry, slot in zip(open_entries, filling, strict=True):
        if key_of(entry) in known:
            edits += slot.fill(known[key_of(entry)].translations)
    return apply(empty, edits) if known else None


def key_of(entry: Entry) -> tuple[str | None, str]:
    """What tells a message from others."""
    return entry.texts.get("msgctxt"), entry.texts["msgid"]


def is_translated(entry: Entry) -> bool:
    """Whether an entry is translated; plurals of other than two forms, and accelerators, are left out."""
    is_blank = not entry.texts["msgid"].strip()
    is_live = not (entry.is_header or entry.obsolete or b"fuzzy" in entry.flags or is_blank)
    forms = 1 if "msgid_plural" not in entry.texts else 2
    plain = all(take_accelerator(text)[0] == text for key, text in entry.texts.items() if key.startswith("msgid"))
    same = placeholders(entry.texts["msgid"]) == placeholders(entry.texts.get("msgid_plural", entry.texts["msgid"]))
    return is_live and all(entry.translations) and len(entry.translations) == forms and plain and same


def is_open(entry: Entry) -> bool:
    """Whether an entry is to be filled."""
    is_live = not (entry.is_header or entry.obsolete)
    return bool(is_live and entry.texts["msgid"].strip() and not any(entry.translations))


def unwrapped(path: Path) -> bytes:
    """A file as `msgcat --no-wrap` writes it."""
    return subprocess.run(["msgcat", "--no-wrap", str(path)], capture_output=True, check=True).stdout


def with_sources(data: bytes, path: Path) -> bytes:
    """A file in which each message that is not translated is its own translation."""
    return apply(data, [edit for slot in PoFilling(data, path, fuzzy=False) for edit in slot.fill(slot.texts)])


def passes_msgfmt(data: bytes, folder: Path) -> bool:
    """Whether msgfmt finds no error."""
    (folder / "x.po").write_bytes(data)
    command = ["msgfmt", "--check-format", "-o", "/dev/null", str(folder / "x.po")]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def compare(paths: list[Path], folder: Path) -> Iterator[str]:
    """The first two parts."""
    counts = Counter[str]()
    for path in paths:
        data = path.read_bytes()
        try:
            entries = list(PoFile(data, path))
        except NmtError as error:
            print(error, file=sys.stderr)
            continue
        counts["files"] += 1
        counts["translated"] += sum(map(is_translated, entries))
        counts["untranslated"] += sum(map(is_open, entries))
        counts["same"] += refilled(data, path) in (data, None)
        plain = unwrapped(path)
        counts["same without wrapping"] += refilled(plain, path) in (plain, None)
        counts["msgfmt before"] += passes_msgfmt(data, folder)
        counts["msgfmt after"] += passes_msgfmt(with_sources(data, path), folder)
    yield "{files} files, {translated:,} entries translated, {untranslated:,} not".format(**counts)
    yield "emptied and refilled, the same byte for byte: {same} files".format(**counts)
    yield "the same, after msgcat --no-wrap: {} files".format(counts["same without wrapping"])
    yield "msgfmt --check-format passes: {} files before, {} after".format(
        counts["msgfmt before"], counts["msgfmt after"]
    )


def translate(paths: list[Path], model: Path, folder: Path) -> Iterator[str]:
    """The third part."""
    messages = {
        key_of(entry)[1]: None
        for path in paths
        for entry in PoFile(path.read_bytes(), path)
        if "msgid_plural" not in entry.texts
    }
    drawn = random.Random(1).sample([message for message in messages if any(map(str.isalpha, message))], 2000)
    header = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n'
    quoted = (
        message.translate(str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"})) for message in drawn
    )
    source, target = folder / "source.po", folder / "target.po"
    source.write_text(header + "".join(f'\nmsgid "{message}"\nmsgstr ""\n' for message in quoted), encoding="utf-8")
    command = [sys.executable, "-m", "nmt", "translate", source, "-o", target, "--model", model, "--no-fuzzy"]
    done = subprocess.run([*map(str, command), "--allow-incomplete"], capture_output=True, text=True, check=True)
    yield done.stderr.strip().splitlines()[-1]
    for test in TESTS:
        found = folder / "found.po"
        subprocess.run(["pofilter", "--progress=none", "-t", test, str(target), str(found)], check=True)
        errors = sum(not entry.is_header for entry in PoFile(found.read_bytes(), found)) if found.exists() else 0
        yield f"pofilter {test}: {errors}"
        found.unlink(missing_ok=True)


def main() -> None:
    """Print what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--model", type=Path)
    arguments = parser.parse_args()
    paths = sorted(arguments.directory.rglob("*.po"))
    with tempfile.TemporaryDirectory() as folder:
        for line in compare(paths, Path(folder)):
            print(line)
        if arguments.model and shutil.which("pofilter"):
            for line in translate(paths, arguments.model, Path(folder)):
                print(line)


if __name__ == "__main__":
    main()
