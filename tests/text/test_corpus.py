"""Reading sentence pairs in any format: what was written is what is read, and what cannot be read is named."""

import bz2
import gzip
import json
import lzma
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pytest
from backports.zstd import compress as zstd
from hypothesis import given
from hypothesis import strategies as st

from nmt.config.corpus import CorpusConfig
from nmt.errors import NmtError
from nmt.text.corpus import Corpus, corpora, format_of, warn_of_markup
from nmt.text.corpus import read_pairs as read_corpus
from nmt.text.pair import SentencePair

STRANGE = "a\rb\u2028c\x85d\fe\0f"

Pairs = Sequence[tuple[str, str]]


def write(folder: Path, **contents: str | bytes) -> tuple[Path, ...]:
    paths = []
    for name, content in contents.items():
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        paths.append(path)
    return tuple(paths)


def read_pairs(files: tuple[Path, ...], **settings: str) -> list[SentencePair]:
    return list(read_corpus(Corpus(files, "corpus"), CorpusConfig(**settings)))


def read(path: Path, **settings: str) -> list[tuple[str, str]]:
    return [(pair.source, pair.target) for pair in read_pairs((path,), **settings)]


# ---------------------------------------------------------------------------------------------------------- plain files


def test_two_files_are_paired_line_by_line(tmp_path: Path) -> None:
    files = write(tmp_path, de=f"eins\n{STRANGE}\ndrei", en="one\ntwo\nthree\n")
    assert read_pairs(files) == [
        SentencePair("eins", "one", 1),
        SentencePair(STRANGE, "two", 2),
        SentencePair("drei", "three", 3),
    ]


def test_each_file_may_be_compressed_on_its_own(tmp_path: Path) -> None:
    files = write(tmp_path, de=gzip.compress(b"eins\nzwei\n"), en=lzma.compress(b"one\ntwo\n"))
    assert [pair[:2] for pair in read_pairs(files)] == [("eins", "one"), ("zwei", "two")]


@given(st.integers(0, 40), st.integers(0, 40))
def test_unequal_files_are_refused_with_both_counts(
    tmp_path_factory: pytest.TempPathFactory, sources: int, targets: int
) -> None:
    """zip() stops at the shorter file: all lines after the first missing one are lost or wrong, silently."""
    files = write(tmp_path_factory.getbasetemp(), longer="x\n" * sources, other="y\n" * targets)
    if sources == targets:
        assert len(read_pairs(files)) == sources
        return
    with pytest.raises(NmtError) as caught:
        read_pairs(files)
    lines = "line" if sources == 1 else "lines"
    assert caught.value.problem == f"{files[0]} has {sources} {lines} but {files[1]} has {targets}"


def test_large_counts_are_right_too(tmp_path: Path) -> None:
    files = write(tmp_path, de="x\n" * 12_345, en="y\n" * 5)
    with pytest.raises(NmtError) as caught:
        read_pairs(files)
    assert caught.value.problem == f"{files[0]} has 12,345 lines but {files[1]} has 5"


def test_files_from_windows_lose_their_mark_and_carriage_returns(tmp_path: Path) -> None:
    """A byte order mark would be the first word of the corpus, and \\r the last of every sentence."""
    files = write(tmp_path, de="\ufeffeins\r\nzw\rei\r\n\ufeffdrei\r\n", en=b"one\r\ntwo\r\nthree")
    assert [pair[:2] for pair in read_pairs(files)] == [
        ("eins", "one"),
        ("zw\rei", "two"),
        ("\ufeffdrei", "three"),  # only the file's first character is a mark
    ]
    (table,) = write(tmp_path, table="\ufeffeins\tone\r\nzwei\ttwo\r\n")
    assert read(table) == [("eins", "one"), ("zwei", "two")]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (there,) = write(tmp_path, there="x\n")
    for files in ((there, tmp_path / "nothing"), (tmp_path / "nothing", there), (tmp_path / "nothing",)):
        with pytest.raises(NmtError, match="nothing: no such file"):
            read_pairs(files)


# --------------------------------------------------------------------------------------------------------------- tables


def test_a_table_gives_its_first_two_columns(tmp_path: Path) -> None:
    """Tatoeba's files have the licence in a third column."""
    (table,) = write(tmp_path, table=f'eins\t"one"\tCC-BY 2.0\n{STRANGE}\t{STRANGE}\n\tempty source\nleer\t\n')
    assert read(table) == [("eins", '"one"'), (STRANGE, STRANGE), ("", "empty source"), ("leer", "")]


def test_columns_are_chosen_by_number_and_by_name(tmp_path: Path) -> None:
    (table,) = write(tmp_path, table="id\ten\tde\n1\tone\teins\n2\ttwo\tzwei\n")
    assert read(table, columns="3,2")[1:] == [("eins", "one"), ("zwei", "two")]
    assert read(table, columns="de,en") == [("eins", "one"), ("zwei", "two")]
    assert read_pairs((table,), columns="de,en")[0].line == 2


@pytest.mark.parametrize(
    ("content", "columns", "problem"),
    [
        ("eins\tone\nzwei two\n", "1,2", "line 2: no tab"),
        ("a\tb\tc\na\tb\n", "1,3", "line 2: 2 columns, and no column 3"),
        ("de\ten\n", "de,fr", "line 1: no column 'fr'; there are de, en"),
    ],
)
def test_a_line_without_its_columns_is_named(tmp_path: Path, content: str, columns: str, problem: str) -> None:
    (table,) = write(tmp_path, table=content)
    with pytest.raises(NmtError) as caught:
        read(table, columns=columns)
    assert caught.value.problem == f"{table}, {problem}"


@pytest.mark.parametrize(
    ("line", "settings"),
    [
        ('{"source": "eins", "target": "one", "n": 1}', {}),
        ('{"tgt": "one", "src": "eins"}', {}),
        ('{"de": "eins", "en": "one"}', {"source_language": "de", "target_language": "en"}),
        ('{"translation": {"en": "one", "de": "eins"}}', {"source_language": "de", "target_language": "en"}),
        ('{"a": {"x": "eins"}, "b.c": "one"}', {"columns": "a.x,b.c"}),
    ],
)
def test_objects_on_lines(tmp_path: Path, line: str, settings: dict[str, str]) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(f"{line}\n\n{line}\n", encoding="utf-8")
    assert read(path, **settings) == [("eins", "one")] * 2


def test_null_is_an_empty_side(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"source": "eins", "target": null}\n{"source": "zwei", "target": "two"}\n', encoding="utf-8")
    assert read(path) == [("eins", ""), ("zwei", "two")]


def test_text_in_utf_16_is_refused(tmp_path: Path) -> None:
    files = write(tmp_path, de="eins\n".encode("utf-16"), en="one\n")
    with pytest.raises(NmtError, match=r"de: is in UTF-16"):
        read_pairs(files)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("[1]", "no source and target among list"),
        ('{"a": "b"}', "no source and target among a"),
        ('{"source": "a", "target": 3}', "no source and target among source, target"),
        ("{", "not readable as JSON"),
        ("[" * 100_000, "not readable as JSON"),
    ],
)
def test_lines_without_both_sides_are_named(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(NmtError, match=f"line 2: {problem}"):
        read(path)


# ------------------------------------------------------------------------------------------------------------------ TMX

TMX = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="{srclang}" segtype="sentence"/><body>
{units}
</body></tmx>
"""
THREE = """<tu><tuv xml:lang="EN-US"><seg>one</seg></tuv><tuv xml:lang="de-DE"><seg>eins</seg></tuv>
<tuv xml:lang="fr"><seg>un</seg></tuv></tu>
<tu><tuv xml:lang="en-GB"><seg>two</seg></tuv><tuv xml:lang="fr"><seg>deux</seg></tuv></tu>
<tu><tuv lang="de"><seg>drei</seg></tuv><tuv lang="en"><seg>three</seg></tuv></tu>"""


def tmx(folder: Path, units: str, srclang: str = "en") -> Path:
    path = folder / "memory.tmx"
    path.write_text(TMX.format(units=units, srclang=srclang), encoding="utf-8")
    return path


def test_languages_of_a_memory_are_chosen_by_code(tmp_path: Path) -> None:
    path = tmx(tmp_path, THREE)
    assert read(path, source_language="de", target_language="en") == [("eins", "one"), ("drei", "three")]
    assert read(path, source_language="en-gb", target_language="FR") == [("two", "deux")]
    pairs = read_pairs((path,), source_language="de", target_language="en")
    assert [pair.line for pair in pairs] == [4, 7]


def test_languages_that_are_not_given_are_inferred_from_a_memory_of_two(tmp_path: Path) -> None:
    units = "".join(
        f'<tu><tuv xml:lang="de"><seg>{i} Hund</seg></tuv><tuv xml:lang="en"><seg>{i} dog</seg></tuv></tu>'
        for i in "12"
    )
    german_first, english_first = [("1 Hund", "1 dog"), ("2 Hund", "2 dog")], [("1 dog", "1 Hund"), ("2 dog", "2 Hund")]
    assert read(tmx(tmp_path, units, "en-US")) == english_first
    assert read(tmx(tmp_path, units, "*all*")) == german_first
    assert read(tmx(tmp_path, units, "en"), source_language="de") == german_first
    assert read(tmx(tmp_path, units, "en"), target_language="de") == english_first
    with pytest.raises(NmtError, match="no source and target among EN-US, de-DE, fr"):
        read(tmx(tmp_path, THREE))
    assert read(tmx(tmp_path, THREE), target_language="fr") == read(
        tmx(tmp_path, THREE), source_language="en", target_language="fr"
    )
    with pytest.raises(NmtError, match="no unit has both de and it; its languages are EN-US, de-DE, fr"):
        read(tmx(tmp_path, THREE), source_language="de", target_language="it")


def test_entities_of_html_are_read_where_the_dtd_that_declares_them_is_elsewhere(tmp_path: Path) -> None:
    unit = '<tu><tuv lang="de"><seg>1&nbsp;m&auml;h</seg></tuv><tuv lang="en"><seg>1 moo</seg></tuv></tu>'
    path = tmp_path / "memory.tmx"
    path.write_text(f'<!DOCTYPE tmx SYSTEM "tmx14.dtd"><tmx><body>{unit}</body></tmx>', encoding="utf-8")
    assert read(path, source_language="de", target_language="en") == [("1\xa0mäh", "1 moo")]


def test_tags_in_a_memory_are_left_out_or_kept(tmp_path: Path) -> None:
    segment = 'A <bpt i="1">&lt;b></bpt><hi>bold</hi><ept i="1">&lt;/b></ept> word'
    segment += "<ph>&lt;br/><sub>alt</sub></ph> &amp;\n  more"
    unit = f'<tu><tuv xml:lang="en"><seg>{segment}</seg></tuv><tuv xml:lang="de"><seg>\n  x\n</seg></tuv></tu>'
    assert read(tmx(tmp_path, unit)) == [("A bold word & more", "x")]
    kept = read(tmx(tmp_path, unit), inline_tags="keep")
    assert kept == [("A <b><hi>bold</hi></b> word<br/><sub>alt</sub> & more", "x")]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("<tmx><body><tu>", r"line 1: broken XML"),
        (
            '<!DOCTYPE t [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>\n<tmx>&b;</tmx>',
            "declares entities, such as a",
        ),
        (
            '<!DOCTYPE t [<!ENTITY a SYSTEM "file:///etc/hostname">]>\n<tmx><seg>&a;</seg></tmx>',
            "declares entities, such as a",
        ),
        ('<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n<tmx><seg>&dog;</seg></tmx>', "line 2: unknown entity dog"),
        ("", "broken XML"),
        ("not XML", "broken XML"),
        ("<html><body/></html>", "the root element is <html>, not <tmx>"),
    ],
)
def test_broken_and_dangerous_memories_are_refused(tmp_path: Path, content: str, problem: str) -> None:
    (path,) = write(tmp_path, **{"x.tmx": content})
    with pytest.raises(NmtError, match=problem):
        read(path)
    assert not list(tmp_path.glob("*.tmp"))


# ---------------------------------------------------------------------------------------------------------------- XLIFF

XLIFF_1 = """<?xml version="1.0"?>
<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">
<file source-language="en-US" target-language="de" original="x" datatype="plaintext"><body>
<trans-unit id="1"><source>Open <g id="1">file</g><x id="2"/></source>
<target><g id="1">Datei</g> öffnen<x id="2"/></target>
<alt-trans><source>Open</source><target>Auf</target></alt-trans></trans-unit>
<trans-unit id="2"><source>Not yet</source><target state="needs-translation">Not yet</target></trans-unit>
<trans-unit id="3"><source>None</source></trans-unit>
<group><trans-unit id="4" translate="no"><source>Name</source><target>Name</target></trans-unit></group>
<trans-unit id="5"><source>One. Two.</source>
<seg-source><mrk mtype="seg" mid="1">One.</mrk> <mrk mtype="seg" mid="2">Two <ph id="1">%d</ph>.</mrk>
</seg-source><target><mrk mtype="seg" mid="2">Zwei <ph id="1">%d</ph>.</mrk>
<mrk mtype="seg" mid="1">Eins.</mrk></target></trans-unit>
<trans-unit id="6"><source>Empty</source><target> </target></trans-unit>
</body></file></xliff>
"""
XLIFF_2 = """<xliff xmlns="urn:oasis:names:tc:xliff:document:2.0" version="2.0" srcLang="en" trgLang="de"><file id="f">
<unit id="1"><segment><source>Hello <pc id="1">world</pc><ph id="2"/></source>
<target>Hallo <pc id="1">Welt</pc></target></segment>
<ignorable><source> </source></ignorable>
<segment state="initial"><source>New</source><target>New</target></segment>
<segment><source>A<cp hex="0001"/>b</source><target>A<cp hex="E4"/>b</target></segment></unit>
<unit id="2" translate="no"><segment><source>X</source><target>X</target></segment></unit>
</file></xliff>
"""


def test_translated_units_of_xliff_1(tmp_path: Path) -> None:
    (path,) = write(tmp_path, **{"x.xlf": XLIFF_1})
    pairs = [("Open file", "Datei öffnen"), ("One.", "Eins."), ("Two .", "Zwei .")]
    assert read(path) == read(path, source_language="en", target_language="de") == pairs
    assert read(path, source_language="de", target_language="en") == [(target, source) for source, target in pairs]
    assert read_pairs((path,))[0].line == 4
    kept = read(path, inline_tags="keep")
    assert kept[0] == ('Open <g id="1">file</g><x id="2"/>', '<g id="1">Datei</g> öffnen<x id="2"/>')
    assert kept[2] == ("Two %d.", "Zwei %d.")


def test_files_of_other_languages_in_xliff_are_left_out(tmp_path: Path) -> None:
    part = '<file source-language="{}" target-language="{}"><body><trans-unit><source>{}</source><target>{}</target>'
    parts = [("de", "en", "Drei", "Three"), ("en", "de", "Four", "Vier"), ("de", "fr", "Fünf", "Cinq")]
    content = "".join(part.format(*unit) + "</trans-unit></body></file>" for unit in parts)
    (path,) = write(tmp_path, **{"x.xlf": f'<xliff version="1.2">{content}</xliff>'})
    pairs = [("Drei", "Three"), ("Vier", "Four")]
    assert read(path) == read(path, source_language="de", target_language="en") == pairs
    assert read(path, source_language="fr", target_language="de") == [("Cinq", "Fünf")]
    with pytest.raises(NmtError, match="no translation from it to en, only de to en, en to de, de to fr"):
        read(path, source_language="it", target_language="en")


def test_translated_segments_of_xliff_2(tmp_path: Path) -> None:
    (path,) = write(tmp_path, **{"x.xliff": XLIFF_2})
    assert read(path) == [("Hello world", "Hallo Welt"), ("A b", "Aäb")]
    assert read(path, inline_tags="keep")[0] == (
        'Hello <pc id="1">world</pc><ph id="2"/>',
        'Hallo <pc id="1">Welt</pc>',
    )


# -------------------------------------------------------------------------------------------------------------- gettext

PO = r"""
msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\nLanguage: de\nPlural-Forms: nplurals=2; plural=(n != 1);\n"

#: a.c:1
msgid "&Open \"file\"\n"
"now"
msgstr "&Öffne „Datei“\n"
"jetzt"

#, fuzzy
msgid "Fuzzy"
msgstr "Unklar"

msgid "Untranslated"
msgstr ""

msgctxt "menu"
msgid "%d file"
msgid_plural "%d files"
msgstr[0] "%d Datei"
msgstr[1] "%d Dateien"

#~ msgid "Old"
#~ msgstr "Alt"
"""


def test_translated_messages_of_a_catalogue(tmp_path: Path) -> None:
    (path,) = write(tmp_path, **{"de.po": PO})
    pairs = [('Open "file" now', "Öffne „Datei“ jetzt"), ("%d file", "%d Datei"), ("%d files", "%d Dateien")]
    assert read(path) == pairs
    assert read(path, source_language="de", target_language="en") == [(target, source) for source, target in pairs]
    assert [pair.line for pair in read_pairs((path,))] == [5, 18, 18]


def test_catalogues_in_other_encodings(tmp_path: Path) -> None:
    content = PO.replace("UTF-8", "ISO-8859-1").replace("„", "'").replace("“", "'")
    (path,) = write(tmp_path, **{"de.po": content.encode("latin-1")})
    assert read(path)[0][1] == "Öffne 'Datei' jetzt"
    (path,) = write(tmp_path, **{"de.po": PO.encode("latin-1", "replace").replace(b"?", b"\xff")})
    with pytest.raises(NmtError, match=r"de.po, line 8: invalid UTF-8"):
        read(path)
    (path,) = write(tmp_path, **{"de.po": PO.replace("UTF-8", "klingon")})
    with pytest.raises(NmtError, match="declares the unknown charset klingon"):
        read(path)


def test_a_file_that_is_not_a_catalogue_is_refused(tmp_path: Path) -> None:
    (path,) = write(tmp_path, **{"x.po": 'msgid "a"\nmsgstr "b"\nnonsense\n'})
    with pytest.raises(NmtError, match=r"x.po, line 3: not a readable PO file"):
        read(path)


# ------------------------------------------------------------------------------------------------------- any and all


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.tsv.gz", b"x", "tsv"),
        ("a.de", b"ein Satz\n", "plain"),
        ("a.xlf", b"", "xliff"),
        ("noname", TMX.format(units="", srclang="en").encode(), "tmx"),
        ("utf16", TMX.format(units="", srclang="en").encode("utf-16"), "tmx"),
        ("noname", XLIFF_2.encode(), "xliff"),
        ("noname", gzip.compress(PO.encode()), "po"),
        ("noname", b'{"source": "a"}\n', "jsonl"),
        ("text", b"{} is a pair of braces\n", "plain"),
        ("text", b"<tmx is how a memory begins\n" * 0 + b"<b>bold</b>\n", "plain"),
        ("empty", b"", "plain"),
    ],
)
def test_formats_are_recognized_by_name_and_content(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (path,) = write(tmp_path, **{name: content})
    assert format_of(path) == expected


def test_files_are_grouped_and_named(tmp_path: Path) -> None:
    write(tmp_path, **{"a": "x", "b": "y", "c.tmx": "", "x=y": "z"})
    grouped = corpora(
        [tmp_path / "a", tmp_path / "b", f"web={tmp_path / 'c.tmx'}", f"gold={tmp_path / 'a'}", tmp_path / "b"]
    )
    assert [(corpus.name, len(corpus.files)) for corpus in grouped] == [("a", 2), ("web", 1), ("gold", 2)]
    assert corpora([tmp_path / "x=y"])[0].files == (tmp_path / "x=y",)
    with pytest.raises(NmtError, match=r"got 2 files: .*b has no translation"):
        corpora([tmp_path / "c.tmx", tmp_path / "b"])


def as_tsv(pairs: Pairs) -> str:
    return "".join(f"{source}\t{target}\n" for source, target in pairs)


def as_json(pairs: Pairs) -> str:
    return "".join(json.dumps({"source": source, "target": target}) + "\n" for source, target in pairs)


def as_tmx(pairs: Pairs) -> str:
    units = (
        f'<tu><tuv xml:lang="de"><seg>{escape(source)}</seg></tuv>'
        f"<tuv xml:lang={quoteattr('en')}><seg>{escape(target)}</seg></tuv></tu>"
        for source, target in pairs
    )
    return TMX.format(units="\n".join(units), srclang="de")


def as_xliff(pairs: Pairs) -> str:
    units = (
        f'<trans-unit id="{i}"><source>{escape(source)}</source><target>{escape(target)}</target></trans-unit>'
        for i, (source, target) in enumerate(pairs)
    )
    return f'<xliff version="1.2"><file source-language="de"><body>{"".join(units)}</body></file></xliff>'


def as_po(pairs: Pairs) -> str:
    quoted = [[f'"{text.replace(chr(34), chr(92) + chr(34))}"' for text in pair] for pair in pairs]
    header = r'msgid "" msgstr "Content-Type: text/plain; charset=UTF-8\n"'
    return header + "".join(f"\n\nmsgid {source}\nmsgstr {target}" for source, target in quoted)


# no control characters, which XML cannot hold, and no accelerators, which are removed from PO; some text on both sides
side = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="&_\\")).map(
    lambda text: f"x {text}"
)
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd,
}


@given(st.lists(st.tuples(side, side), min_size=1, max_size=8), st.sampled_from(sorted(PACK)))
@pytest.mark.parametrize(
    ("name", "written"), [("tsv", as_tsv), ("jsonl", as_json), ("tmx", as_tmx), ("xlf", as_xliff), ("po", as_po)]
)
def test_pairs_written_are_pairs_read(
    tmp_path_factory: pytest.TempPathFactory, name: str, written: Callable[[Pairs], str], pairs: Pairs, packing: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"pairs.{name}{packing}"
    path.write_bytes(PACK[packing](written(pairs).encode()))
    assert read(path, source_language="de", target_language="en") == pairs


@given(st.binary(max_size=300), st.sampled_from(["tsv", "jsonl", "tmx", "xlf", "po", "de", "tmx.gz", "po.xz"]))
def test_any_bytes_give_pairs_or_an_error_of_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"anything.{name}"
    path.write_bytes(content)
    try:
        for pair in read_pairs((path,)):
            assert "\n" not in pair.source + pair.target
    except NmtError as error:
        assert "\n" not in error.problem


# ---------------------------------------------------------------------------------------------------------- properties

lines = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r\t\ufeff")), max_size=9)


@given(lines, st.booleans(), st.booleans(), st.booleans())
def test_line_n_of_one_file_meets_line_n_of_the_other(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], mark: bool, windows: bool, ends: bool
) -> None:
    """U+2028 or a form feed taken for a line end would shift all the translations after it."""
    end = "\r\n" if windows else "\n"
    content = ("\ufeff" if mark else "") + end.join(texts) + (end if texts and (ends or not texts[-1]) else "")
    files = write(tmp_path_factory.getbasetemp(), left=content, right=end.join(map(str, range(len(texts)))) + end)
    if texts:
        assert read_pairs(files) == [SentencePair(line, str(i), i + 1) for i, line in enumerate(texts)]


@given(st.permutations(["de", "en", "fr", "id"]), lines)
def test_columns_by_name_and_by_number_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, header: list[str], texts: list[str]
) -> None:
    cells = {"de": texts, "en": texts[::-1], "fr": ["x"] * len(texts), "id": [str(i) for i in range(len(texts))]}
    rows = [header, *zip(*(cells[name] for name in header), strict=True)]
    (table,) = write(tmp_path_factory.getbasetemp(), table="".join("\t".join(row) + "\n" for row in rows))
    expected = list(zip(texts, texts[::-1], strict=True))
    assert read(table, columns="de, en") == expected
    assert read(table, columns=f"{header.index('de') + 1},{header.index('en') + 1}")[1:] == expected


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4), st.text(st.characters(codec="utf-8")))
def test_a_dotted_key_leads_into_objects(tmp_path_factory: pytest.TempPathFactory, names: list[str], text: str) -> None:
    value: object = text
    for name in reversed(names):
        value = {name: value, "other": 1}
    path = tmp_path_factory.getbasetemp() / "nested.jsonl"
    path.write_text(json.dumps({"deep": value, "flat": "x"}) + "\n", encoding="utf-8")
    (pair,) = read(path, columns=f"deep.{'.'.join(names)},flat")
    assert pair[0].split() == text.split()
    assert "\n" not in pair[0]


UNITS = st.lists(
    st.dictionaries(st.sampled_from(["de", "de-AT", "en", "en-US", "fr"]), side, min_size=1, max_size=4), max_size=6
)


@given(UNITS, st.sampled_from(["de", "fr"]))
def test_a_memory_yields_the_units_that_have_both_languages(
    tmp_path_factory: pytest.TempPathFactory, units: list[dict[str, str]], source: str
) -> None:
    """Of several regions of a language, the first in the unit is taken."""
    expected, content = [], []
    for unit in units:
        sides = [[text for code, text in unit.items() if code.startswith(language)] for language in (source, "en")]
        if all(sides):
            expected.append((sides[0][0], sides[1][0]))
        texts = (f'<tuv xml:lang="{code.upper()}"><seg>{escape(text)}</seg></tuv>' for code, text in unit.items())
        content.append(f"<tu>{''.join(texts)}</tu>")
    path = tmx(tmp_path_factory.getbasetemp(), "".join(content))
    if expected or not units:
        assert read(path, source_language=source, target_language="en") == expected
    else:
        with pytest.raises(NmtError, match=f"no unit has both {source} and en; its languages are"):
            read(path, source_language=source, target_language="en")


def test_a_memory_warns_of_units_without_both_languages(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmx(tmp_path, THREE)
    read(path, source_language="en", target_language="fr")
    assert caplog.messages == [f"{path}: 1 of 3 units do not have both en and fr"]


# ------------------------------------------------------------------------------------------------------------- details


def test_two_corpora_of_one_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path, a="x", b="y")
    files = [f"web={tmp_path / 'a'}", tmp_path / "b"]
    with pytest.raises(NmtError, match="two corpora have the name web"):
        corpora([*files, *files])


def test_files_of_the_same_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    """`--corpus-weights` names corpora: with one name for two, both would get the same weight."""
    files = [tmp_path / place / name for place in ("web", "talks") for name in ("x.de", "x.en")]
    names = [corpus.name for corpus in corpora([*files, tmp_path / "y.tsv"])]
    assert names == [str(tmp_path / "web" / "x.de"), str(tmp_path / "talks" / "x.de"), "y.tsv"]
    assert [corpus.name for corpus in corpora([f"web={files[0]}", *files[1:]])] == ["web", "x.de"]


@pytest.mark.parametrize(
    "first_line",
    [
        '{"name": "Hund"}',
        '{"a": 1, "b": [2]}',
        'msgid "Hund"',
        'msgctxt "menu"',
        '# a comment\nmsgid "Hund"',
        "#, fuzzy",
    ],
)
def test_two_files_of_lines_are_plain_however_their_lines_look(tmp_path: Path, first_line: str) -> None:
    """A corpus of programs or their messages, whose first line happens to be like JSON or PO."""
    files = write(tmp_path, de=f"{first_line}\neins\n", en=f"{first_line}\none\n")
    (corpus,) = corpora(files)
    assert [pair[:2] for pair in read_corpus(corpus, CorpusConfig())][-1] == ("eins", "one")
    (mixed,) = corpora([files[0], *write(tmp_path, fr="x\ny\n")])
    assert len(mixed.files) == 2


def test_files_of_pairs_without_a_suffix_are_known_by_content_beside_others(tmp_path: Path) -> None:
    po, xliff, tsv = write(
        tmp_path,
        first='msgid "Hund"\nmsgstr "dog"\n',
        second='<xliff xmlns="urn:oasis:names:tc:xliff:document:1.2"/>',
        tsv="eins\tone\n",
    )
    tsv = tsv.rename(tmp_path / "third.tsv")
    assert [corpus.files for corpus in corpora([xliff, po, tsv])] == [(xliff,), (po,), (tsv,)]
    assert [corpus.files for corpus in corpora([po])] == [(po,)]


def test_a_format_that_is_given_goes_over_name_and_content(tmp_path: Path) -> None:
    content = 'msgid "Hund"\tmsgid "dog"\n'
    path, other = write(tmp_path, **{"x.po": content, "y.po": content})
    assert read(path, format="tsv") == [('msgid "Hund"', 'msgid "dog"')]
    (corpus,) = corpora([path, other], "plain")
    assert [pair[:2] for pair in read_corpus(corpus, CorpusConfig(format="plain"))] == [(content[:-1], content[:-1])]
    assert [corpus.files for corpus in corpora([path, other], "tsv")] == [(path,), (other,)]
    with pytest.raises(NmtError, match=r"got 1 file: .*x.po has no translation"):
        corpora([path], "plain")


def test_standard_input_is_one_corpus_at_most() -> None:
    with pytest.raises(NmtError, match="standard input is given twice"):
        corpora(["-", "-"])


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ('# Deutsch\nmsgid ""\nmsgstr ""\n', "PO"),
        ('<?xml version="1.0"?>\n<!-- a memory -->\n<tmx version="1.4">\n', "TMX"),
        ('<?xml version="1.0"?><x:xliff xmlns:x="urn:oasis:names:tc:xliff:document:2.0">\n', "XLIFF"),
        ("<!doctype HTML>\n<html>\n", "HTML"),
        ("\n<html lang='de'>\n", "HTML"),
        ("1\n00:00:01,000 --> 00:00:03,500\nHallo\n", "SRT"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\nHallo\n", "WEBVTT"),
        ('{"text": "Hallo"}\n{"text": "Welt"}\n', "JSONL"),
        ("<b>Hallo</b> Welt\n", ""),
        ("1\n2\n3\n", ""),
        ("# Titel\n\nHallo\n", ""),
        ("{Hallo} Welt\n", ""),
        ("Hallo\n<html>\n", ""),
    ],
)
def test_a_text_with_markup_is_named_once_and_stays_as_it_is(
    content: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    lines = content.split("\n") * 20
    assert list(warn_of_markup(iter(lines), "standard input")) == lines
    warnings = [f"standard input looks like {kind}, and all of it is translated as text"] if kind else []
    assert caplog.messages == warnings


def test_a_corpus_is_shown_by_its_files() -> None:
    assert str(Corpus((Path("a.de"), Path("a.en")), "web")) == "a.de and a.en"


@pytest.mark.parametrize("name", ["noname", "x.gz"])
def test_a_damaged_compressed_file_is_plain_until_it_is_read(tmp_path: Path, name: str) -> None:
    (path,) = write(tmp_path, **{name: gzip.compress(TMX.encode() * 9)[:40]})
    assert format_of(path) == "plain"
    with pytest.raises(NmtError, match=name):
        read(path)


def test_xml_in_an_unknown_encoding_is_an_error(tmp_path: Path) -> None:
    (path,) = write(tmp_path, **{"x.tmx": b'<?xml version="1.0" encoding="klingon"?><tmx/>'})
    with pytest.raises(NmtError, match=r"x\.tmx: not readable as XML: unknown encoding: klingon"):
        read(path)


def test_text_of_the_wrong_type_is_named_by_line_and_key(tmp_path: Path) -> None:
    (path,) = write(tmp_path, **{"x.jsonl": '{"source": "a", "target": "b"}\n{"source": "a", "target": [1]}\n'})
    with pytest.raises(NmtError, match=r"x\.jsonl, line 2: no text at 'target'"):
        read(path)


def test_half_a_character_in_json_is_replaced(tmp_path: Path) -> None:
    """A lone surrogate cannot be written as UTF-8: it would stop the training much later."""
    (path,) = write(tmp_path, **{"x.jsonl": r'{"source": "a\ud83d", "target": "\ud83d\ude42"}' + "\n"})
    assert read(path) == [("a\ufffd", "🙂")]


def test_a_message_with_a_single_plural_form_is_one_pair(tmp_path: Path) -> None:
    """Korean has one form for all numbers: it translates the plural, and the singular has none."""
    entry = 'msgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] "파일 %d개"\n'
    (path,) = write(tmp_path, **{"ko.po": 'msgid ""\nmsgstr "Language: ko\\n"\n\n' + entry})
    assert read(path) == [("%d files", "파일 %d개")]


def test_units_inside_suggestions_and_groups_that_stay_are_skipped(tmp_path: Path) -> None:
    unit = "<trans-unit><source>{0}</source><target>{0}!</target></trans-unit>"
    suggestion = "<alt-trans><source>b</source><target>c</target></alt-trans>"
    body = f'<group translate="no">{unit.format("a")}</group>{unit.format("d")}{suggestion}{unit.format("e")}'
    (path,) = write(tmp_path, **{"x.xlf": f'<xliff version="1.2"><file><body>{body}</body></file></xliff>'})
    assert read(path) == [("d", "d!"), ("e", "e!")]


def test_segments_of_one_side_alone_are_left_out(tmp_path: Path) -> None:
    """The second one is not translated yet: together, the source would say what its target does not."""
    source = '<seg-source><mrk mtype="seg" mid="1">One.</mrk><mrk mtype="seg" mid="2">Two.</mrk></seg-source>'
    target = '<target><mrk mtype="seg" mid="1">Eins.</mrk></target>'
    unit = f"<trans-unit><source>One.Two.</source>{source}{target}</trans-unit>"
    (path,) = write(tmp_path, **{"x.xlf": f'<xliff version="1.2"><file><body>{unit}</body></file></xliff>'})
    assert read(path) == [("One.", "Eins.")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_pipe_is_recognized_by_content_and_then_read_from_its_start(tmp_path: Path, size: int) -> None:
    """`nmt score <(zcat memory.tmx.gz)`: a pipe can be opened only once, and gives as much as was written to it."""
    content = as_tmx([("eins", "one"), ("zwei", "two")]).encode()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def write() -> None:
        with open(pipe, "wb", buffering=0) as stream:
            for start in range(0, len(content), size):
                stream.write(content[start : start + size])

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    assert format_of(pipe) == "tmx"
    assert format_of(pipe) == "tmx"
    assert read(pipe) == [("eins", "one"), ("zwei", "two")]
    writer.join()
