"""PO files: what msgfmt compiles is read, what it refuses is refused, and every part is where it is said to be."""

import os
import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nmt.errors import NmtError
from nmt.text.formats.gettext import read_po
from nmt.text.formats.po import Entry, PoFile

MSGFMT = shutil.which("msgfmt")
HEADER = b'msgid ""\nmsgstr "Content-Type: text/plain; charset=%b\\n"\n\n'
UTF8 = HEADER % b"UTF-8"


def entries(data: bytes) -> list[Entry]:
    return list(PoFile(data, Path("x.po")))


def texts(body: str, charset: str = "UTF-8") -> list[dict[str, str]]:
    """The texts of all entries behind the header."""
    return [entry.texts for entry in entries((HEADER % charset.encode()) + body.encode(charset))[1:]]


# ------------------------------------------------------------------------------------------------------ line by line


@pytest.mark.parametrize(
    ("body", "message", "translation"),
    [
        ('msgid"Save"msgstr"Sichern"', "Save", "Sichern"),
        ('msgid\n"Save"\nmsgstr\n"Sichern"', "Save", "Sichern"),
        ('msgid "Save " "all" "" msgstr "Alles" " sichern"', "Save all", "Alles sichern"),
        ('\tmsgid "Save"\r\n\fmsgstr\v"Sichern"\r', "Save", "Sichern"),
        ('#:\n#:main.c:7\n#no space\n#= c-format\n#.\n#\nmsgid "Save"\nmsgstr "Sichern"# end', "Save", "Sichern"),
        ('#|msgid "Safe"\n#|"d"\nmsgid "Save"\nmsgstr "Sichern"', "Save", "Sichern"),
        (r'msgid "\101\60\0603\x42\x0043\x4142" msgstr "\a\b\t\v\f\r\"\\\n"', "A003BCB", '\a\b\t\v\f\r"\\\n'),
        (r'msgid "caf\303\251" msgstr "\xe2\x82\xac\x20\x35"', "café", "€ 5"),
        ('msgid "a\u2028b\u0085c" msgstr "\x0b\x0c\x1c\u2029\r"', "a\u2028b\u0085c", "\x0b\x0c\x1c\u2029\r"),
        ('msgid "Save \\\nall"\\\nmsgstr "Alles\\\n sichern"', "Save all", "Alles sichern"),
        (r'msgid "before\0after" "wards" msgstr "x"', "beforewards", "x"),
        ('domain "other"\nmsgid "Save"\nmsgstr "Sichern"', "Save", "Sichern"),
    ],
)
def test_a_message_is_read_however_it_is_written(body: str, message: str, translation: str) -> None:
    (fields,) = [{key: text for key, text in entry.items() if "#|" not in key} for entry in texts(body)]
    assert fields == {"msgid": message, "msgstr": translation}


def test_an_entry_has_all_its_parts() -> None:
    body = """
        #. Shown in the status bar.
        #, c-format, range: 0..9
        #, no-wrap
        #| msgctxt "bar"
        #| msgid "%d disk"
        #| msgid_plural "%d disks"
        msgctxt "status"
        msgid "%d drive"
        msgid_plural "%d drives"
        msgstr[0] "%d Laufwerk"
        msgstr [ 01 ] "%d "
        "Laufwerke"

        # gone
        #~| msgid "older"
        #~ msgid "old"
        #~ msgstr "al"
        #~ "t"

        msgid "last" msgstr ""
    """
    header, entry, obsolete, last = entries(UTF8 + body.encode())
    assert (header.is_header, header.line, header.texts["msgid"]) == (True, 1, "")
    assert entry.texts == {
        "#|msgctxt": "bar",
        "#|msgid": "%d disk",
        "#|msgid_plural": "%d disks",
        "msgctxt": "status",
        "msgid": "%d drive",
        "msgid_plural": "%d drives",
        "msgstr[0]": "%d Laufwerk",
        "msgstr[1]": "%d Laufwerke",
    }
    assert entry.translations == ["%d Laufwerk", "%d Laufwerke"]
    assert entry.flags == [b"c-format", b"range:", b"0..9", b"no-wrap"]
    assert (entry.line, obsolete.line, last.line) == (5, 18, 24)
    assert [item.obsolete for item in (header, entry, obsolete, last)] == [False, False, True, False]
    assert obsolete.texts == {"#|msgid": "older", "msgid": "old", "msgstr": "alt"}
    assert last.translations == [""]


@pytest.mark.parametrize(
    ("body", "line", "unexpected"),
    [
        ('msgid "a\nmsgstr "b"', 4, r"'msgid \"a'|'\"a'"),
        ('msgid "a"\nmsgstr "b" c"', 5, "'c\"'"),
        ('msgid "a"\nmsgstr "b\\"', 5, ""),
        ('msgid "a"\nmsgstr "\\q"', 5, ""),
        ('msgid "a"\nmsgstr "\\xg"', 5, ""),
        ('msgid "a"\n\nmsgid "b"\nmsgstr "c"', 6, "'msgid \"b\"'"),
        ('msgid "a"\n# comment\nmsgstr "c"', 5, "'# comment'"),
        ('msgstr "c"', 4, "'msgstr \"c\"'"),
        ('msgid msgstr "c"', 4, "'msgstr \"c\"'"),
        ('msgid "a"\nmsgstr\n', 6, "'end of file'"),
        ('msgid "a"\nmsgid_plural "b"\nmsgstr "c"', 6, "'msgstr \"c\"'"),
        ('msgid "a"\nmsgstr[0] "c"', 5, ""),
        ('msgid "a"\nmsgid_plural "b"\nmsgstr[0] "c"\nmsgstr[2] "d"', 7, ""),
        ('msgid "a"\nmsgid_plural "b"\nmsgstr[1] "c"', 6, ""),
        ('#~ msgid "a"\nmsgstr "c"', 5, "'msgstr \"c\"'"),
        ('#~ msgid "a"\n"b"\n#~ msgstr "c"', 5, "'\"b\"'"),
        ('#| msgid "a"\n\n# c\nmsgid "b"\nmsgstr "c"', 6, "'# c'"),
        ('#| msgstr "a"\nmsgid "b"\nmsgstr "c"', 4, ""),
        ('msgid "a"\u00a0\nmsgstr "b"', 4, ""),
        ('msgid "a\\4b"\nmsgstr "b"', 4, None),
    ],
)
def test_an_error_says_the_line_and_what_is_there(body: str, line: int, unexpected: str | None) -> None:
    what = ".*" if unexpected is None else f"unexpected {unexpected}"
    with pytest.raises(NmtError, match=rf"^x\.po, line {line}: not a readable PO file: {what}") as raised:
        texts(body)
    assert "\n" not in str(raised.value)
    if MSGFMT:
        assert compiled(UTF8 + body.encode()) is None


# -------------------------------------------------------------------------------------------------------------- charset


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("ISO-8859-1", "Größe\x85"),
        ("KOI8-R", "Размер"),
        ("EUC-KR", "크기"),
        ("EUC-JP", "表示"),
        ("Shift_JIS", "ソ表示能ｱﾝ"),  # 0x83 0x5C, 0x95 0x5C ...: the second byte is that of a backslash
        ("CP932", "ソ①"),
        ("BIG5", "功許蓋"),
        ("GBK", "乗俓"),
        ("GB18030", "乗ሴ€"),
        ("UTF-8", "크기🙂"),
    ],
)
def test_text_is_decoded_by_the_charset_of_the_header(charset: str, text: str) -> None:
    body = f'# {text}\nmsgid "{text}n"\nmsgstr "{text}\\n"\n#: {text}\n\nmsgid "next"\nmsgstr "\\"{text}"'
    assert texts(body, charset) == [
        {"msgid": f"{text}n", "msgstr": f"{text}\n"},
        {"msgid": "next", "msgstr": f'"{text}'},
    ]


def test_a_charset_may_be_wrapped_and_a_fuzzy_header_has_one() -> None:
    header = (
        '#, fuzzy\nmsgid ""\nmsgstr ""\n"Project: café\\n"\n"Content-Type: text/plain; "\n"char" "set=ISO-8859-15\\n"\n'
    )
    header, entry = entries(f'{header}msgid "price"\nmsgstr "5 €"'.encode("iso-8859-15"))
    assert header.translations == ["Project: café\nContent-Type: text/plain; charset=ISO-8859-15\n"]
    assert entry.translations == ["5 €"]


def test_a_byte_order_mark_is_skipped() -> None:
    assert [entry.texts["msgid"] for entry in entries(b"\xef\xbb\xbf" + UTF8 + b'msgid "a" msgstr "b"')] == ["", "a"]


def test_templates_and_files_without_header_are_in_utf_8() -> None:
    body = 'msgid "né"\nmsgstr "né"'.encode()
    for data in (HEADER % b"CHARSET" + body, b'msgid ""\nmsgstr ""\n' + body, body):
        assert entries(data)[-1].texts == {"msgid": "né", "msgstr": "né"}


@pytest.mark.parametrize("charset", ["klingon", "UTF-16", "rot13", "idna", "hex", "undefined", "punycode"])
def test_what_is_no_charset_of_text_is_named(charset: str) -> None:
    with pytest.raises(NmtError, match=f"x.po: declares the unknown charset {charset}"):
        entries(HEADER % charset.encode() + b'msgid "a" msgstr "b"')


def test_invalid_bytes_are_found_in_their_line() -> None:
    body = 'msgid "a"\nmsgstr "über"\n"all"\n"{}"\n"und"'.encode().replace(b"{}", b"\xfc\x62")
    with pytest.raises(NmtError, match=r"x.po, line 7: invalid UTF-8"):
        entries(UTF8 + body)
    assert entries(UTF8 + b'# \xfc\nmsgid "a"\nmsgstr "b"')[1].translations == ["b"]  # a comment may be anything


# --------------------------------------------------------------------------------------------------------------- pairs


def read(folder: Path, data: bytes) -> list[tuple[str, str]]:
    (folder / "x.po").write_bytes(data)
    return [(pair.source, pair.target) for pair in read_po(folder / "x.po", (None, None))]


def test_pairs_are_translated_messages(tmp_path: Path) -> None:
    body = """
        #, c-format,fuzzy
        msgid "guess" msgstr "geraten"
        #,fuzzy-not
        msgid "sure" msgstr "sicher"
        #~ msgid "old" msgstr "alt"
        msgid "none" msgstr ""
        msgid "%d leaf" msgid_plural "%d leaves" msgstr[0] "%d Blatt" msgstr[1] ""
        msgid "%d tree" msgid_plural "%d trees" msgstr[0] "%d Baum" msgstr[1] "%d Bäume" msgstr[2] "%d Baume"
        #, fuzzy
        domain "y"
        msgid "sure" msgstr "gewiss"
    """
    trees = [("%d tree", "%d Baum"), ("%d trees", "%d Baume")]
    assert read(tmp_path, UTF8 + body.encode()) == [("sure", "sicher"), *trees, ("sure", "gewiss")]


# -------------------------------------------------------------------------------------------------------------- msgfmt

NOT_COMPARED = re.compile(
    rb"duplicate message definition|this is the location of the first|both (begin|end) with|found \d+ fatal"
)
"""What msgfmt refuses although its form is right, and we read.

Duplicates: two catalogues in one file are more pairs. A line break at the end of a message and not of its translation:
line breaks are removed. Further differences that these tests leave out on purpose: a byte order mark is skipped, but
msgfmt refuses it; a charset that msgfmt does not know is decoded if Python does; text without a charset must be UTF-8,
also where octal escapes spell it, as a training reader needs characters, and msgfmt only bytes; the directive `domain`
may have several names; a backslash at the end of a line joins two lines between tokens and between characters of a
string, not in the middle of an escape or keyword; flags on several lines all count, for msgfmt those of the last one.
"""


def compiled(data: bytes, check_comparable: Callable[[bool], object] = bool) -> dict[bytes, bytes] | None:
    """Messages and translations that msgfmt makes of a file; None if it refuses it."""
    done = subprocess.run([MSGFMT, "-o", "-", "-"], input=data, capture_output=True, env={**os.environ, "LC_ALL": "C"})
    if done.returncode:
        check_comparable(not all(map(NOT_COMPARED.search, done.stderr.strip().split(b"\n"))))
        return None
    if not done.stdout:
        return {}
    count, *tables = struct.unpack("=3I", done.stdout[8:20])
    places = (struct.unpack_from(f"={2 * count}I", done.stdout, table) for table in tables)
    messages, translations = (
        [done.stdout[start : start + size] for size, start in zip(place[::2], place[1::2], strict=True)]
        for place in places
    )
    return dict(zip(messages, translations, strict=True))


def read_as_compiled(data: bytes) -> dict[bytes, bytes] | None:
    """The same from our reader."""
    read, file = {}, PoFile(data, Path("x.po"))
    try:
        for entry in file:
            is_used = not entry.obsolete and (entry.is_header or b"fuzzy" not in entry.flags)
            if is_used and entry.translations[0]:
                context = [entry.texts["msgctxt"], "\4"] if "msgctxt" in entry.texts else []
                plural = ["\0", entry.texts["msgid_plural"]] if "msgid_plural" in entry.texts else []
                message = "".join([*context, entry.texts["msgid"], *plural])
                read[message.encode(file.charset)] = "\0".join(entry.translations).encode(file.charset)
    except NmtError as error:
        assert "\n" not in str(error)
        return None
    return read


TEXTS = {
    "UTF-8": "aé크🙂\u0301\u2028\x85",
    "ISO-8859-1": "aé\x85\xa0",
    "KOI8-R": "aЖя",
    "EUC-KR": "a크기",
    "EUC-JP": "a表ソ",
    "SHIFT_JIS": "a表ソ能ｱ",
    "BIG5": "a功許",
    "GBK": "a乗俓",
    "GB18030": "a乗\u0e01",
}
BACKSLASHES = {"SHIFT_JIS", "BIG5", "GBK", "GB18030"}  # may be the second byte of a character
ESCAPES = [r"\n", r"\t", r"\"", r"\\", r"\a\b\v\f\r", r"\101", r"\60z", r"\x41 ", r"\x0000061 ", r"\0"]
RAW = ["\t", "\x0b", "\x0c", "\r", "\x1c", "#", "# ", "%d", "'", "msgid", "\\\n"]
WRONG = ['"', "\\q", "\\x", "\\", "\n", "\\4"]
SPACES = [" ", "", "\n", "\t", "\r\n", "\n\n", "\f", "\v\r", " \\\n "]
BETWEEN = {"": SPACES, "#~": [" ", "\t", "\n#~ ", "\n#~", "\r\n  #~ "], "#|": ["", " ", "\n#|", "\n\n #| "]}
BETWEEN["#~|"] = [space.replace("#|", "#~|") for space in BETWEEN["#|"]]
COMMENTS = [
    "",
    " text",
    ": a.c:1",
    ":a.c:1",
    ", c-format",
    ",fuzzy",
    "!fuzzy",
    ", fuzzy ,x",
    ", fuzzyx",
    "= fuzzy",
    ". {}",
    " {}",
    "#",
]
COMMENTS += [" |msgid", " ~ msgid", " fuzzy", ", range: 0..9, fuzzy\r", " a\\\n b", ",fuz\\\nzy", "msgid", "\u2028 x"]
OTHER_COMMENTS = [comment for comment in COMMENTS if comment[:1] not in (",", "!")]  # than flags
TOKENS = ["msgid", "msgstr", "msgstr[0]", "msgstr[1]", "msgctxt", "msgid_plural", "domain", '"x"', '"', "#", "#~", "#|"]
TOKENS += [
    "#~|",
    "\n",
    " ",
    "\\",
    "x",
    "[0]",
    "]",
    "\x00",
    ";",
    "# c\n",
    "#, fuzzy\n",
    '""',
    "\n#~ ",
    "\n#| ",
    "\u00a0",
]


@st.composite
def catalogues(draw: st.DrawFn) -> bytes:
    """Files written in all the ways that the grammar allows, every other one damaged in a place or two."""
    charset = draw(st.sampled_from(sorted(TEXTS)))
    characters, pick = TEXTS[charset], lambda items: draw(st.sampled_from(items))
    piece = st.one_of(st.text(characters, max_size=3), st.sampled_from(ESCAPES), st.sampled_from(RAW))

    def strings(mark: str, first: str = "") -> str:
        literals = [first + "".join(draw(st.lists(piece, max_size=3))) for _ in range(pick([1, 1, 2, 3]))]
        return pick(BETWEEN[mark]).join(f'"{literal}"' for literal in literals)

    def field(mark: str, keyword: str, first: str = "") -> str:
        return keyword + pick(BETWEEN[mark]) + strings(mark, first) + pick(BETWEEN[mark])

    def message(number: int) -> str:
        mark = pick(["", "", "", "#~"])
        chosen = [pick(OTHER_COMMENTS)] * pick([0, 0, 1]) + [pick(COMMENTS)] * pick([0, 1, 1])
        comments = "".join(f"#{comment.format(characters)}\n" for comment in chosen)
        old = (mark or "#") + "|"
        keywords = [["msgid"], ["msgctxt", "msgid"], ["msgid", "msgid_plural"]]
        previous = old + "".join(field(old, keyword) for keyword in pick(keywords)) + "\n" if pick([0, 0, 1]) else ""
        forms = pick(
            [["msgstr"], ["msgstr"], ["msgid_plural", "msgstr[0]"], ["msgid_plural", "msgstr[00 ]", "msgstr [1]"]]
        )
        context = field(mark, "msgctxt") if pick([0, 0, 1]) else ""
        rest = "".join(field(mark, keyword) for keyword in forms)
        return f"{comments}{previous}{mark}{context}{field(mark, 'msgid', str(number))}{rest}\n"

    cut = draw(st.integers(0, 40))
    declared = f"Content-Type: text/plain; charset={charset}\\n"
    header = f'msgid "" msgstr "{declared[:cut]}"\n"{declared[cut:]}"\n'
    header += "#\n" if charset in BACKSLASHES else ""  # msgfmt reads one more comment before it knows the charset
    data = (header + "".join(message(number) for number in range(pick([1, 2, 4])))).encode(charset, "ignore")
    for _ in range(pick([0, 0, 1, 2]) * (charset != "GB18030")):  # parts of whose characters we read as others
        at, size = draw(st.integers(len(header), len(data))), pick([0, 0, 1, 1, 5, 20])
        data = data[:at] + pick(["", *TOKENS, *WRONG]).encode(charset, "ignore") + data[at + size :]
    return data


@pytest.mark.skipif(not MSGFMT, reason="needs gettext's msgfmt")
@given(catalogues())
def test_what_msgfmt_compiles_is_what_is_read(data: bytes) -> None:
    assert read_as_compiled(data) == compiled(data, assume)
