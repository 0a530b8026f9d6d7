"""PO and XLIFF files filled in place: what is filled, with what, and that no other byte changes."""

import random
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from nmt.errors import NmtError
from nmt.text.accelerators import take_accelerator
from nmt.text.formats.filling import apply
from nmt.text.formats.po import PoFile
from nmt.text.formats.po_filling import PoFilling
from nmt.text.formats.xliff_filling import XliffFilling
from nmt.text.inline_codes import find_codes, is_nested

MSGFMT, MSGCAT, XMLLINT, POFILTER = map(shutil.which, ("msgfmt", "msgcat", "xmllint", "pofilter"))
SCHEMAS = Path("/usr/share/php/Symfony/Component/Translation/Resources/schemas")  # Debian's php-symfony-translation
OASIS = "urn:oasis:names:tc:xliff:document:"
HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n'
FORMS = {
    "de": "nplurals=2; plural=(n != 1);",
    "ja": "nplurals=1; plural=0;",
    "ru": "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);",
}

Translate = Callable[[str], str]


def fill_po(data: str | bytes, translate: Translate = str.upper, **options: bool) -> str:
    data = data.encode() if isinstance(data, str) else data
    filling = PoFilling(data, Path("x.po"), **options)
    edits = [edit for slot in filling for edit in slot.fill([translate(text) for text in slot.texts])]
    return apply(data, edits).decode(filling.file.charset)


def fill_xliff(data: str | bytes, translate: Translate = str.upper, **options: bool) -> str:
    data = data.encode() if isinstance(data, str) else data
    filling = XliffFilling(data, Path("x.xlf"), **options)
    edits = [edit for slot in filling for edit in slot.fill([translate(text) for text in slot.texts])]
    filled = filling.filled(edits)
    ElementTree.fromstring(filled)
    return filled.decode(filling.charset)


# --------------------------------------------------------------------------------------------------------------- PO


@pytest.mark.parametrize(
    ("entry", "filled"),
    [
        ('msgid "save"\nmsgstr ""\n', '#, fuzzy\nmsgid "save"\nmsgstr "SAVE"\n'),
        ('#, c-format\nmsgid "a"\nmsgstr ""\n', '#, fuzzy, c-format\nmsgid "a"\nmsgstr "A"\n'),
        ('# x\n#: y\nmsgctxt "c"\nmsgid "a"\nmsgstr ""', '# x\n#: y\n#, fuzzy\nmsgctxt "c"\nmsgid "a"\nmsgstr "A"'),
        ('#| msgid "b"\nmsgid "a"\nmsgstr ""\n', '#, fuzzy\n#| msgid "b"\nmsgid "a"\nmsgstr "A"\n'),
        ('msgid ""\n"a\\n"\n"b\\n"\nmsgstr ""\n', '#, fuzzy\nmsgid ""\n"a\\n"\n"b\\n"\nmsgstr ""\n"A\\n"\n"B\\n"\n'),
        ('msgid "a\\n"\nmsgstr ""\n', '#, fuzzy\nmsgid "a\\n"\nmsgstr "A\\n"\n'),
        ('msgid"a"msgstr""', '#, fuzzy\nmsgid"a"msgstr"A"'),
        ('msgid "\\t\\"a\\\\"\nmsgstr "" ""\n', '#, fuzzy\nmsgid "\\t\\"a\\\\"\nmsgstr "\\t\\"A\\\\"\n'),
    ],
)
def test_an_empty_string_becomes_a_translation_and_its_entry_fuzzy(entry: str, filled: str) -> None:
    assert fill_po(HEADER + "\n" + entry) == HEADER + "\n" + filled


@pytest.mark.parametrize(
    "entry",
    [
        'msgid "a"\nmsgstr "b"\n',
        '#, fuzzy\nmsgid "a"\nmsgstr "b"\n',
        '#~ msgid "a"\n#~ msgstr ""\n',
        'msgid "a"\nmsgid_plural "as"\nmsgstr[0] "b"\nmsgstr[1] ""\n',
    ],
)
def test_other_entries_stay_as_they_are(entry: str) -> None:
    assert fill_po(HEADER + "\n" + entry) == HEADER + "\n" + entry


def test_retranslation_replaces_translations_but_not_obsolete_ones() -> None:
    entries = 'msgid "a"\nmsgstr "b"\n\n#~ msgid "c"\n#~ msgstr "d"\n'
    filled = fill_po(HEADER + "\n" + entries, retranslate=True, fuzzy=False)
    assert filled == HEADER + "\n" + entries.replace('"b"', '"A"')


@pytest.mark.parametrize(
    ("language", "message", "plural", "forms"),
    [
        ("de", "%d file", "%d files", ["%D FILE", "%D FILES"]),
        ("de", "One file", "%d files", ["ONE FILE", "%D FILES"]),
        ("ja", "One file", "%d files", ["%D FILES"]),
        ("ru", "%d file", "%d files", ["%D FILE", "%D FILES", "%D FILES"]),
        ("ru", "One file", "%d files", ["%D FILES", "%D FILES", "%D FILES"]),  # its first form is also that of 21
    ],
)
def test_plural_forms_are_those_of_the_header(language: str, message: str, plural: str, forms: list[str]) -> None:
    header = HEADER + f'"Plural-Forms: {FORMS[language]}\\n"\n'
    for given in (1, 2):
        strings = "".join(f'msgstr[{form}] ""\n' for form in range(min(given, len(forms))))
        filled = fill_po(f'{header}\nmsgid "{message}"\nmsgid_plural "{plural}"\n{strings}', fuzzy=False)
        entry = list(PoFile(filled.encode(), Path("x.po")))[1]
        assert entry.translations == forms


def test_a_charset_that_lacks_a_character_says_so() -> None:
    header = HEADER.replace("UTF-8", "ISO-8859-1")
    data = (header + '\nmsgid "ä"\nmsgstr ""\n').encode("latin-1")
    assert 'msgstr "Ä"' in fill_po(data)
    (slot,) = PoFilling(data, Path("x.po"))
    with pytest.raises(UnicodeEncodeError):
        slot.fill(["한국어"])


def test_line_ends_and_a_byte_order_mark_stay() -> None:
    data = ("\ufeff" + HEADER + '\nmsgid "a\\nb"\nmsgstr ""\n').replace("\n", "\r\n").encode()
    filled = fill_po(data)
    assert filled.replace("\r\n", "") == filled.replace("\r", "").replace("\n", "")
    assert filled.startswith("\ufeffmsgid")


@pytest.mark.skipif(not MSGFMT or not MSGCAT, reason="gettext is not installed")
@pytest.mark.parametrize("wrap", ["--no-wrap", "--width=79"])
def test_what_was_emptied_is_refilled_byte_for_byte(wrap: str, tmp_path: Path) -> None:
    """Against msgcat, which wraps lines by Unicode's rules: these here are those of plain text."""
    draw = random.Random(5)
    words = [
        "file",
        "größer",
        "%d",
        "\\n",
        "user-defined",
        "<b>bold</b>",
        "日本語",
        "and/or",
        "naïve",
        "\\t",
        '\\"quoted\\"',
    ]
    texts = [" ".join(draw.choices(words, k=draw.randrange(1, 40))) for _ in range(200)]
    catalogue = HEADER + "".join(f'\nmsgid "{n} source"\nmsgstr "{text}"\n' for n, text in enumerate(texts))
    (tmp_path / "x.po").write_text(catalogue, encoding="utf-8")
    command = [str(MSGCAT), wrap, "--no-location", str(tmp_path / "x.po")]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    entries = {entry.texts["msgid"]: entry for entry in list(PoFile(data, Path("x.po")))[1:]}
    empty = apply(
        data, [(entry.offsets["msgstr"][1], entry.offsets["msgstr"][-1], b'""') for entry in entries.values()]
    )
    filling = PoFilling(empty, Path("x.po"), fuzzy=False)
    filling.width = PoFilling(data, Path("x.po")).width
    edits = [edit for slot in filling for edit in slot.fill([entries[slot.texts[0]].texts["msgstr"]])]
    refilled = apply(empty, edits)
    if wrap == "--no-wrap":
        assert refilled == data
    else:
        before, after = data.split(b"\n"), refilled.split(b"\n")
        assert sum(map(before.__contains__, after)) / len(after) > 0.95


@pytest.mark.skipif(not MSGFMT, reason="gettext is not installed")
def test_msgfmt_checks_a_filled_file(tmp_path: Path) -> None:
    header = HEADER + f'"Plural-Forms: {FORMS["de"]}\\n"\n"Language: de\\n"\n'
    body = """
#, c-format
msgid "%d file in %s\\n"
msgid_plural "%d files in %s\\n"
msgstr[0] ""
msgstr[1] ""

#, python-brace-format
msgid "\\n{name} and {}"
msgstr ""
"""
    filled = fill_po(header + body, lambda text: text, fuzzy=False)
    (tmp_path / "x.po").write_text(filled, encoding="utf-8")
    command = [str(MSGFMT), "--check-format", "--check-domain", "-o", "/dev/null", str(tmp_path / "x.po")]
    assert subprocess.run(command, check=False).returncode == 0


@pytest.mark.skipif(not POFILTER, reason="translate-toolkit is not installed")
def test_pofilter_finds_no_error_in_a_filled_file(tmp_path: Path) -> None:
    messages = ["_Open", "%d of %s", "<b>x</b> at https://a.org", "a\\n\\tb", "{x} \\\\n", "E_xit --help", "a@b.org"]
    filled = fill_po(
        HEADER + "".join(f'\nmsgid "{message}"\nmsgstr ""\n' for message in messages), lambda text: text, fuzzy=False
    )
    (tmp_path / "x.po").write_text(filled, encoding="utf-8")
    tests = (
        "accelerators",
        "printf",
        "variables",
        "xmltags",
        "newlines",
        "tabs",
        "escapes",
        "urls",
        "emails",
        "options",
    )
    options = [option for test in tests for option in ("-t", test)]
    command = [str(POFILTER), "--progress=none", "--gnome", *options, str(tmp_path / "x.po"), str(tmp_path / "out.po")]
    subprocess.run(command, check=True)
    assert not (tmp_path / "out.po").exists() or "msgid" not in (tmp_path / "out.po").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("message", "plain", "translation", "marked"),
    [
        ("&Open", "Open", "Ouvrir", "&Ouvrir"),
        ("_Save as...", "Save as...", "Sichern als...", "_Sichern als..."),
        ("E_xit", "Exit", "Beenden", "_Beenden"),
        ("~File", "File", "파일", "파일(~F)"),
        ("Save _all:", "Save all:", "すべて保存:", "すべて保存(_A):"),
        ("&Go to %s", "Go to %s", "%s öffnen", "%s &öffnen"),
        ("R&D report", None, "", ""),
        ("Bad value for ai_flags", None, "", ""),
        ("file_name", None, "", ""),
        ("__init__ of _x", None, "", ""),
        ("see ~user for it", None, "", ""),
        ("a &amp; b", None, "", ""),
        ("%(a_b)s &c", "%(a_b)s c", "%(a_b)s d", "%(a_b)s &d"),
        ("~Two dogs run in the wide park", "Two dogs run in the wide park", "Tiere", "~Tiere"),
        ("Two ~dogs run", "Two dogs run", "Die Hunde", "~Die Hunde"),
        ("<b>_Two</b>", "<b>Two</b>", "<b>Two</b>", "<b>_Two</b>"),
        ("_1 dog", "1 dog", "1 Hund", "_1 Hund"),
        ("&Two && _dogs", "Two && _dogs", "Zwei && _Hunde", "&Zwei && _Hunde"),
        ("&Save\tCtrl+S", "Save\tCtrl+S", "Ablegen\tCtrl+S", "&Ablegen\tCtrl+S"),
    ],
)
def test_an_accelerator_is_taken_and_set_again(message: str, plain: str | None, translation: str, marked: str) -> None:
    text, mark = take_accelerator(message)
    assert text == (message if plain is None else plain)
    assert mark(translation) == marked


# ------------------------------------------------------------------------------------------------------------- XLIFF


def xliff(body: str, version: str = "1.2", namespaces: str = "") -> str:
    start = f'<?xml version="1.0"?>\n<xliff version="{version}" xmlns="{OASIS}{version}" {namespaces}'
    if version >= "2":
        return f'{start} srcLang="en" trgLang="de"><file id="f">{body}</file></xliff>'
    file = '<file source-language="en" target-language="de" original="x" datatype="plaintext">'
    return f"{start}>{file}<body>{body}</body></file></xliff>"


STATE = 'state="needs-review-translation" state-qualifier="mt-suggestion"'


@pytest.mark.parametrize(
    ("source", "target", "content"),
    [
        ("a", "", "A"),
        ("a", "<target/>", "A"),
        ("a", "<target></target>", "A"),
        ("a", '<target state="new">a</target>', "A"),
        ("a", "<target>b</target>", None),
        ("a &amp; <![CDATA[<]]>", "", "A &amp; &lt;"),
        ("\n   a\n   b\n  ", "", " A B "),
        ('a <g id="1">b</g>', "", 'A <g id="1">B</g>'),
        ('<ph id="1">&lt;x></ph> a<x id="2" />', "", '<ph id="1">&lt;x></ph> A<x id="2" />'),
        ('<mrk mtype="protected">a</mrk> b', "", '<mrk mtype="protected">a</mrk> B'),
        ('<mrk mtype="term">a</mrk> b', "", '<mrk mtype="term">A</mrk> B'),
    ],
)
@pytest.mark.parametrize("gap", ["", "\n  "])
def test_a_target_that_is_missing_or_untranslated_is_filled(
    source: str, target: str, content: str | None, gap: str
) -> None:
    unit = '<trans-unit id="1">{gap}<source>{source}</source>{target}<alt-trans>{alternative}</alt-trans></trans-unit>'
    texts = {"gap": gap, "source": source, "alternative": "<target>no</target>"}
    filled = f"<target {STATE}>{content}</target>" if content else target
    before = unit.format(target=target and gap + target, **texts)
    assert fill_xliff(xliff(before)) == xliff(unit.format(target=gap + filled, **texts))


def test_other_attributes_of_a_target_stay() -> None:
    unit = '<trans-unit id="1"><source>a</source><target {}>{}</target></trans-unit>'
    filled = fill_xliff(xliff(unit.format('state="new" xml:lang="de"', "b")))
    assert filled == xliff(unit.format(f'xml:lang="de" {STATE}', "A"))


def test_what_must_not_be_translated_is_not() -> None:
    body = '<group translate="no"><trans-unit id="1"><source>a</source></trans-unit></group><note>b</note>'
    assert fill_xliff(xliff(body)) == xliff(body)


@pytest.mark.parametrize(
    ("source", "target", "filled"),
    [
        ("{a} {b}", "<target>{} {}</target>", "<target>{A} {B}</target>"),
        ("{a} {b}", '<target>{x} <mrk mtype="seg" mid="2"/></target>', "<target>{x} {B}</target>"),
        ('<g id="7">{a} {b}</g>', "", f'<target {STATE}><g id="7">{{A}} {{B}}</g></target>'),
        ('{a <x id="7"/>c} {b}', "<target/>", f'<target {STATE}>{{A <x id="7"/>C}} {{B}}</target>'),
        ("{a} {b}", '<target state="new">{x} {}</target>', f"<target {STATE}>{{A}} {{B}}</target>"),
    ],
)
def test_each_segment_of_a_segmented_unit_is_filled(source: str, target: str, filled: str) -> None:
    def marks(text: str) -> str:
        numbers = iter("12")
        return re.sub(r"{(.*?)}", lambda match: f'<mrk mtype="seg" mid="{next(numbers)}">{match[1]}</mrk>', text)

    unit = f'<trans-unit id="1"><source>a b</source><seg-source>{marks(source)}</seg-source>'
    assert fill_xliff(xliff(f"{unit}{marks(target)}</trans-unit>")) == xliff(f"{unit}{marks(filled)}</trans-unit>")


def test_xliff_2_states_that_a_segment_is_translated() -> None:
    unit = (
        '<unit id="1"><segment id="s" {}><source xml:space="preserve">a\n <pc id="1">b</pc></source>{}</segment></unit>'
    )
    filled = unit.format('state="translated"', '<target>A\n <pc id="1">B</pc></target>')
    assert fill_xliff(xliff(unit.format('state="initial" subState="x:y"', ""), "2.1")) == xliff(filled, "2.1")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1"])
def test_encodings_and_prefixes_stay(encoding: str) -> None:
    body = "<x:trans-unit id='1'>\r\n<x:source>größe</x:source>\r\n</x:trans-unit>"
    text = xliff(body, namespaces="").replace(
        '<?xml version="1.0"?>', f'<?xml version="1.0" encoding="{encoding[:10].replace("-sig", "")}"?>'
    )
    text = re.sub(r"(</?)(?=xliff|file|body)", r"\1x:", text).replace("xmlns=", "xmlns:x=")
    filled = fill_xliff(text.encode(encoding), lambda source: source + " 한")
    hangul = "한" if encoding.startswith("utf") else "&#54620;"
    added = f"\r\n<x:target {STATE}>größe {hangul}</x:target>"
    assert filled.lstrip("\ufeff") == text.replace("</x:source>", "</x:source>" + added)


@pytest.mark.skipif(not XMLLINT or not SCHEMAS.exists(), reason="xmllint or the schemas of XLIFF are not installed")
@pytest.mark.parametrize(("version", "schema"), [("1.2", "xliff-core-1.2-strict.xsd"), ("2.0", "xliff-core-2.0.xsd")])
def test_a_filled_file_obeys_the_schema_of_the_standard(version: str, schema: str, tmp_path: Path) -> None:
    for name in ("xml.xsd", schema):
        text = (SCHEMAS / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(re.sub('schemaLocation="[^"]*xml.xsd"', 'schemaLocation="xml.xsd"', text))
    if version == "2.0":
        body = """<unit id="1">
            <segment state="initial" subState="a:b"><source>a <pc id="1">b</pc> <ph id="2"/></source></segment>
            <segment><source>c <sc id="3"/>d<ec startRef="3"/></source><target>e</target></segment></unit>"""
    else:
        segments = '<mrk mtype="seg" mid="1">a</mrk> <mrk mtype="seg" mid="2">b</mrk>'
        body = f"""<trans-unit id="1"><source>a <g id="1">b <x id="2"/></g></source><note>n</note></trans-unit>
            <trans-unit id="2"><source>a b</source><seg-source>{segments}</seg-source></trans-unit>
            <trans-unit id="3"><source><bpt id="1">(</bpt>b<ept id="1">)</ept></source><target/></trans-unit>"""
    for number, content in enumerate((xliff(body, version), fill_xliff(xliff(body, version)))):
        (tmp_path / f"{number}.xlf").write_text(content, encoding="utf-8")
        command = [
            str(XMLLINT),
            "--noout",
            "--nonet",
            "--schema",
            str(tmp_path / schema),
            str(tmp_path / f"{number}.xlf"),
        ]
        subprocess.run(command, check=True, capture_output=True)


def test_halves_of_pairs_belong_together() -> None:
    source = '<bpt id="1" rid="1">{</bpt>a<ept id="2" rid="1">}</ept> <sc id="3"/>b<ec startRef="3"/>'
    (slot,) = XliffFilling(xliff(f'<trans-unit id="1"><source>{source}</source></trans-unit>').encode(), Path("x"))
    codes = find_codes(slot.texts[0])
    assert [code.kind for code in codes] == ["open", "close"] * 2
    assert is_nested(codes)


def test_what_is_beside_a_segment_stays() -> None:
    """<ignorable> holds the white space between segments, also where it has a target."""
    beside = "<ignorable><source> </source>{}</ignorable>"
    unit = '<unit id="1">{beside}<segment{state}><source>a</source>{target}</segment>{beside}</unit>'
    for ignorable in (beside.format(""), beside.format("<target> </target>")):
        before = unit.format(beside=ignorable, state="", target="")
        after = unit.format(beside=ignorable, state=' state="translated"', target="<target>A</target>")
        assert fill_xliff(xliff(before, "2.0")) == xliff(after, "2.0")


@pytest.mark.parametrize("unit", ['m:locked="true"', 'mq:locked="locked"', 'translate="no"'])
def test_locked_segments_stay(unit: str) -> None:
    namespaces = 'xmlns:m="http://www.memsource.com/mxlf/2.0" xmlns:mq="MQXliff"'
    data = xliff(f'<trans-unit id="1" {unit}><source>a</source></trans-unit>', namespaces=namespaces)
    assert fill_xliff(data) == data


def test_private_characters_of_a_file_are_no_tags_of_it() -> None:
    source = 'a \U000f0000 b \U000f0001 <g id="1">c</g> \U000f0002'
    filled = fill_xliff(xliff(f'<trans-unit id="1"><source>{source}</source></trans-unit>'))
    assert f"<target {STATE}>{source.replace('a', 'A').replace('b', 'B').replace('>c', '>C')}</target>" in filled


def test_white_space_alone_is_not_filled() -> None:
    data = xliff('<trans-unit id="1" xml:space="preserve"><source>  </source></trans-unit>')
    assert fill_xliff(data) == data
    entries = HEADER + '\nmsgid " "\nmsgstr ""\n\nmsgid "\\n"\nmsgstr ""\n'
    assert fill_po(entries) == entries


def test_many_plural_forms_are_in_their_order() -> None:
    header = HEADER + '"Plural-Forms: nplurals=12; plural=n;\\n"\n'
    filled = fill_po(header + '\nmsgid "a"\nmsgid_plural "b"\nmsgstr[0] ""\nmsgstr[1] ""\n')
    assert re.findall(r"msgstr\[(\d+)\]", filled) == list(map(str, range(12)))


def test_dialects_of_cat_tools_are_filled() -> None:
    sdl = 'xmlns:sdl="http://sdl.com/FileTypes/SdlXliff/1.0"'
    trados = """<trans-unit id="1"><source>a b</source><seg-source><mrk mtype="seg" mid="1">a</mrk></seg-source>
<target><mrk mtype="seg" mid="1"/></target><sdl:seg-defs><sdl:seg id="1" conf="Draft"/></sdl:seg-defs></trans-unit>"""
    assert '<target><mrk mtype="seg" mid="1">A</mrk></target><sdl:' in fill_xliff(xliff(trados, namespaces=sdl))
    phrase = (
        """<group><trans-unit id="1" m:confirmed="0"><source>a {1}</source><target></target></trans-unit></group>"""
    )
    assert f"<target {STATE}>A {{1}}</target>" in fill_xliff(
        xliff(phrase, namespaces='xmlns:m="http://www.memsource.com/mxlf/2.0"')
    )


@pytest.mark.parametrize(
    "data", [b"\xff<xliff/>", b'<?xml version="1.0" encoding="x-none"?><xliff/>', b"<xliff><file>", b"<tmx/>"]
)
def test_a_file_that_is_no_xliff_is_an_error(data: bytes) -> None:
    with pytest.raises(NmtError):
        list(XliffFilling(data, Path("x.xlf")))


def test_damaged_files_are_errors_or_change_in_targets_only() -> None:
    """Five hundred files, cut and altered at random; what is read is filled, and the rest of it stays."""
    draw = random.Random(3)
    po = (HEADER + '\n#, c-format\nmsgctxt "x"\nmsgid "a %d"\nmsgid_plural "b"\nmsgstr[0] ""\nmsgstr[1] ""\n').encode()
    unit = '<trans-unit id="1"><source>a <g id="1">b</g></source><target></target></trans-unit>'
    for number in range(500):
        is_po = number % 2
        data = bytearray(po if is_po else xliff(unit).encode())
        for _ in range(draw.randrange(1, 4)):
            place = draw.randrange(len(data))
            data[place : place + draw.randrange(3)] = draw.randbytes(draw.randrange(3))
        try:
            slots = list(PoFilling(bytes(data), Path("x")) if is_po else XliffFilling(bytes(data), Path("x")))
            edits = [edit for slot in slots for edit in slot.fill([text.upper() for text in slot.texts])]
        except (NmtError, UnicodeEncodeError):
            continue
        assert all(before[1] <= after[0] for before, after in zip(sorted(edits), sorted(edits)[1:], strict=False))
