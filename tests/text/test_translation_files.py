"""The dialects of XLIFF and TMX: of each small file, the pairs that a person would read in it."""

import os
import re
from pathlib import Path
from threading import Thread

import pytest

from nmt.config.corpus import CorpusConfig
from nmt.errors import NmtError
from nmt.text.corpus import Corpus, format_of, languages_of
from nmt.text.corpus import read_pairs as read_corpus

OASIS = "urn:oasis:names:tc:xliff:document:"
SDL = 'xmlns:sdl="http://sdl.com/FileTypes/SdlXliff/1.0"'
NOT_READ = "<source>Nein</source><target>Nope</target>"
"""A pair that no file means."""


def read(folder: Path, content: str | bytes, name: str = "x.xlf", **settings: str) -> list[tuple[str, str]]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [(pair.source, pair.target) for pair in read_corpus(Corpus((path,), name), CorpusConfig(**settings))]


def unit(source: str, target: str, attributes: str = "", rest: str = "") -> str:
    return f"<trans-unit {attributes}><source>{source}</source><target>{target}</target>{rest}</trans-unit>"


def xliff(body: str, namespaces: str = "", header: str = "", file: str = "") -> str:
    start = f'<?xml version="1.0"?>\n<xliff version="1.2" xmlns="{OASIS}1.2" {namespaces}>'
    file = f'<file source-language="nl" target-language="sv" original="a.txt" datatype="plaintext" {file}>'
    return f"{start}{file}{header}<body>{body}</body></file></xliff>"


def xliff_2(body: str, namespaces: str = "", file: str = "") -> str:
    start = f'<xliff version="2.0" xmlns="{OASIS}2.0" srcLang="nl" trgLang="sv" {namespaces}>'
    return f'{start}<file id="f" {file}>{body}</file></xliff>'


def segment(source: str, target: str, attributes: str = "") -> str:
    return f"<segment {attributes}><source>{source}</source><target>{target}</target></segment>"


def parts(**texts: str) -> str:
    """Segments within a side; `a1` has the id 1."""
    return " ".join(f'<mrk mtype="seg" mid="{name[1:]}">{text}</mrk>' for name, text in texts.items())


def segmented(source: str, target: str) -> str:
    whole = re.sub("<[^>]*>", "", source)
    return f"<trans-unit id='a'><source>{whole}</source><seg-source>{source}</seg-source>{target}</trans-unit>"


def prefixed(content: str, prefix: str = "x") -> str:
    """The same file with a prefix for its namespace."""
    content = re.sub(r"(</?)(?=[a-z])(?!\w+:)", rf"\1{prefix}:", content)
    return content.replace("xmlns=", f"xmlns:{prefix}=")


X5_SOURCE, X5_TARGET = parts(a1='Een <x id="5"/>fiets.'), parts(a1='En cykel <x id="5"/>.')
FIETS = [("Fiets", "Cykel")]
TRANSLATED = [
    *("needs-adaptation", "needs-review-translation", "needs-review-l10n", "needs-review-adaptation"),
    *("translated", "signed-off", "final", "x-custom"),
]
"""States of targets with text in the target language."""

BIKE = unit("Fiets", "Cykel")
BIKE_ANYWAY = unit("Fiets", "Cykel", 'translate="yes"')
STAYS = unit("X", "X", 'translate="no"')
FOREIGN = f'<note xmlns="urn:example:other"><trans-unit>{NOT_READ}</trans-unit></note>'
TRADOS_TAGS = (
    '<header><tag-defs xmlns="http://sdl.com/FileTypes/SdlXliff/1.0">'
    '<tag id="4"><bpt name="b">&lt;b&gt;</bpt><bpt-props><value key="x">1</value></bpt-props>\n<ept>&lt;/b&gt;</ept>'
    '</tag><tag id="7"><ph name="br">&lt;br /&gt;</ph></tag></tag-defs></header>'
)

PAIRS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    # namespaces
    "no namespace": (xliff(BIKE).replace(f'xmlns="{OASIS}1.2"', ""), FIETS),
    "a default namespace": (xliff(BIKE), FIETS),
    "version 1.1": (xliff(BIKE).replace("1.2", "1.1"), FIETS),
    "version 1.0 with a document type": (
        xliff(BIKE).replace(
            f'<xliff version="1.2" xmlns="{OASIS}1.2" >',
            '<!DOCTYPE xliff PUBLIC "-//XLIFF//DTD XLIFF//EN" "xliff.dtd"><xliff version="1.0">',
        ),
        FIETS,
    ),
    "a prefix": (prefixed(xliff(BIKE)), FIETS),
    "a prefix in XLIFF 2": (prefixed(xliff_2(f"<unit id='1'>{segment('Fiets', 'Cykel')}</unit>"), "xlf"), FIETS),
    "one prefixed unit among others": (
        xliff(BIKE + prefixed(unit("Trein", "Tåg"), "p"), f'xmlns:p="{OASIS}1.2"'),
        [*FIETS, ("Trein", "Tåg")],
    ),
    "prefixes, but not for what a program added": (
        prefixed(xliff("<trans-unit><source>Fiets</source></trans-unit>")).replace(
            "</x:source>", "</x:source><target>Cykel</target>"
        ),
        FIETS,
    ),
    "a unit that a program added without a namespace": (
        xliff(BIKE + unit("Trein", "Tåg", 'xmlns=""')),
        [*FIETS, ("Trein", "Tåg")],
    ),
    "inline elements with a prefix": (
        prefixed(xliff(unit('Een <g id="1">rode</g> fiets<ph id="2">%s</ph>', 'En <g id="1">röd</g> cykel'))),
        [("Een rode fiets", "En röd cykel")],
    ),
    "a foreign source after the pair": (
        xliff(unit("Fiets", "Cykel", rest='<o:source xmlns:o="urn:o">Nein</o:source><o:target xmlns:o="urn:o"/>')),
        FIETS,
    ),
    "a foreign source before the pair": (
        xliff(f'<trans-unit><o:source xmlns:o="urn:o">Nein</o:source>{BIKE[13:]}'),
        FIETS,
    ),
    "units inside foreign elements": (xliff(FOREIGN + BIKE + FOREIGN), FIETS),
    "a namespace of its own for the root": (xliff(BIKE).replace(f"{OASIS}1.2", "http://example.org/files"), FIETS),
    # units, groups, and what is not one
    "suggestions": (xliff(unit("Fiets", "Cykel", rest=f"<alt-trans>{NOT_READ}</alt-trans>")), FIETS),
    "suggestions before the pair in XLIFF 2": (
        xliff_2(
            '<unit id="u"><m:matches xmlns:m="urn:oasis:names:tc:xliff:matches:2.0"><m:match ref="#1">'
            f"{NOT_READ}</m:match></m:matches>{segment('Fiets', 'Cykel')}</unit>"
        ),
        FIETS,
    ),
    "older versions in memoQ": (
        xliff(
            unit(
                "Fiets",
                "Cykel",
                'mq:status="ManuallyConfirmed"',
                f"<mq:minorversions><mq:historical-unit>{NOT_READ}</mq:historical-unit></mq:minorversions>",
            )
            + unit("Trein", "Trein", 'mq:status="NotStarted"'),
            'xmlns:mq="MQXliff"',
        ),
        FIETS,
    ),
    "metadata in Phrase": (
        xliff(
            '<group id="1" m:para-id="1"><context-group><context context-type="x-key">k</context></context-group>'
            + unit(
                "Klik {1}hier{2}", "Klicka {1}här{2}", 'm:confirmed="1"', "<m:tunit-metadata><m:mark id='1'>"
            ).replace(
                "</trans-unit>", "<m:content>&lt;b></m:content></m:mark></m:tunit-metadata></trans-unit></group>"
            ),
            'xmlns:m="http://www.memsource.com/mxlf/2.0"',
        ),
        [("Klik {1}hier{2}", "Klicka {1}här{2}")],
    ),
    "notes and contexts": (
        xliff(unit("Fiets", "Cykel", rest="<note>Nein</note><context-group><context>x</context></context-group>")),
        FIETS,
    ),
    "plural forms in groups of gettext": (
        xliff(
            '<group restype="x-gettext-plurals">'
            + unit("%d fiets", "%d cykel", "id='1[0]'")
            + unit("%d fietsen", "%d cyklar", "id='1[1]'")
            + "</group>"
        ),
        [("%d fiets", "%d cykel"), ("%d fietsen", "%d cyklar")],
    ),
    "files of Xcode": (
        xliff(
            unit("Fiets", "Cykel", 'id="a.title"', "<note>Class</note>"), header='<header><tool tool-id="x"/></header>'
        ),
        FIETS,
    ),
    "ignorable text between segments": (
        xliff_2(
            f"<unit id='1'>{segment('Een.', 'Ett.')}<ignorable>{NOT_READ}</ignorable>{segment('Twee.', 'Två.')}</unit>"
        ),
        [("Een.", "Ett."), ("Twee.", "Två.")],
    ),
    # what is to be translated
    "a unit that stays": (xliff(BIKE + STAYS), FIETS),
    "a yes inside a no": (xliff(f'<group translate="no">{unit("X", "X")}{BIKE_ANYWAY}</group>'), FIETS),
    "a no inside a yes inside a no": (
        xliff(f'<group translate="no"><group translate="yes">{BIKE}{STAYS}</group></group>'),
        FIETS,
    ),
    "a file that stays": (
        xliff(unit("X", "X"), file='translate="no"').replace("</xliff>", xliff(BIKE)[xliff(BIKE).index("<file") :]),
        FIETS,
    ),
    "a file that stays with a unit that does not": (
        xliff_2(
            f"<unit id='1'>{segment('X', 'X')}</unit><group id='g'><unit id='2' translate='yes'>"
            f"{segment('Fiets', 'Cykel')}</unit></group>",
            file='translate="no"',
        ),
        FIETS,
    ),
    "a term that stays within a text": (
        xliff(unit('Een <mrk mtype="protected" translate="no">BMX</mrk>', "En BMX")),
        [("Een BMX", "En BMX")],
    ),
    # states
    "states of XLIFF 1": (
        xliff(
            "".join(
                f'<trans-unit><source>{state}</source><target state="{state}">T {state}</target></trans-unit>'
                for state in ["new", "needs-translation", "needs-l10n", *TRANSLATED]
            )
        ),
        [(state, f"T {state}") for state in TRANSLATED],
    ),
    "states of XLIFF 2": (
        xliff_2(
            "<unit id='1'>"
            + "".join(segment(state, f"T {state}", f"state='{state}'") for state in ("initial", "translated", "final"))
            + segment("Fiets", "Cykel")
            + "</unit>"
        ),
        [("translated", "T translated"), ("final", "T final"), *FIETS],
    ),
    # segments within units
    "segments in another order": (
        xliff(segmented(parts(a1="Een.", a2="Twee."), f"<target>{parts(a2='Två.', a1='Ett.')}</target>")),
        [("Een.", "Ett."), ("Twee.", "Två.")],
    ),
    "segments that only the source has": (
        xliff(segmented(parts(a1="Een.", a2="Twee.", a3="Drie."), f"<target>{parts(a1='Ett.', a3='Tre.')}</target>")),
        [("Een.", "Ett."), ("Drie.", "Tre.")],
    ),
    "segments that only the target has": (
        xliff(segmented(parts(a1="Een."), f"<target>{parts(a1='Ett.', a2='Två.')}</target>")),
        [("Een.", "Ett.")],
    ),
    "segments that are empty in the target": (
        xliff(segmented(parts(a1="Een.", a2="Twee."), f"<target>{parts(a1='Ett.', a2='')}</target>")),
        [("Een.", "Ett.")],
    ),
    "a target without segments": (
        xliff(segmented(parts(a1="Een.", a2="Twee."), "<target>Ett. Två.</target>")),
        [("Een. Twee.", "Ett. Två.")],
    ),
    "segments within the source itself": (
        xliff(unit(parts(a0="Een.", a1="Twee."), parts(a0="Ett.", a1="Två."))),
        [("Een.", "Ett."), ("Twee.", "Två.")],
    ),
    "segments with tags around them in Trados": (
        xliff(
            segmented(
                f'<g id="4"><mrk mtype="x-sdl-location" mid="9"/>{X5_SOURCE}</g>',
                f'<target><g id="4">{X5_TARGET}</g></target>'
                '<sdl:seg-defs><sdl:seg id="1" conf="Translated"><sdl:prev-origin/></sdl:seg></sdl:seg-defs>',
            )
            + '<trans-unit id="lockTU_1" translate="no" sdl:locktype="Manual"><source>12</source></trans-unit>',
            SDL,
        ),
        [("Een fiets.", "En cykel .")],
    ),
    "tracked changes and comments in Trados": (
        xliff(
            segmented(
                parts(a1='Een <mrk mtype="x-sdl-deleted" sdl:revid="1">oude </mrk>fiets.'),
                "<target>"
                + parts(
                    a1='En <mrk mtype="x-sdl-added" sdl:revid="2">fin </mrk><mrk mtype="x-sdl-deleted" sdl:revid="3">'
                    'gammal <g id="4">bil</g></mrk><mrk mtype="x-sdl-comment" sdl:cid="5">cykel</mrk>.'
                )
                + "</target>",
            ),
            SDL,
        ),
        [("Een fiets.", "En fin cykel.")],
    ),
    "feedback in Trados": (
        xliff(
            unit(
                "Fiets",
                '<mrk mtype="x-sdl-feedback-deleted">Bil</mrk><mrk mtype="x-sdl-feedback-added">Cykel</mrk>'
                '<mrk mtype="x-sdl-feedback-comment"/>',
            )
        ),
        FIETS,
    ),
    # line breaks
    "a line break by its type": (
        xliff(unit('Een<x id="1" ctype="lb"/>twee', 'Ett<x id="1" ctype="lb"/>två')),
        [("Een twee", "Ett två")],
    ),
    "no second space beside a line break": (
        xliff(unit('Een <x id="1" ctype="lb"/> twee<x ctype="lb"/>', '<x ctype="lb"/>Ett <x id="1" ctype="lb"/>två')),
        [("Een twee", "Ett två")],
    ),
    "tags that are not line breaks": (
        xliff(
            unit(
                'fiets<g id="1" ctype="bold">en</g><x id="2"/>',
                'cykl<bpt id="1">&lt;b></bpt>ar<ept id="1">&lt;/b></ept>',
            )
        ),
        [("fietsen", "cyklar")],
    ),
    "line breaks of Angular": (
        xliff(
            unit(
                'Hallo<x id="LINE_BREAK" ctype="lb" equiv-text="&lt;br/&gt;"/>wereld '
                '<x id="INTERPOLATION" equiv-text="{{n}}"/>',
                'Hej<x id="LINE_BREAK"/>världen <x id="INTERPOLATION" equiv-text="{{n}}"/>',
            )
        ),
        [("Hallo wereld", "Hej världen")],
    ),
    "paragraphs of Angular": (
        xliff(
            unit(
                '<x id="START_PARAGRAPH" ctype="x-p"/>Een<x id="CLOSE_PARAGRAPH" ctype="x-p"/>'
                '<x id="START_PARAGRAPH" ctype="x-p"/>twee<x id="CLOSE_PARAGRAPH" ctype="x-p"/>',
                '<x id="START_PARAGRAPH" equiv-text="&lt;p&gt;"/>Ett<x id="CLOSE_PARAGRAPH" equiv-text="&lt;/p&gt;"/>'
                '<x id="START_PARAGRAPH" equiv-text="&lt;p class=&quot;a&quot;&gt;"/>två'
                '<x id="CLOSE_PARAGRAPH" equiv-text="&lt;/p&gt;"/>',
            )
        ),
        [("Een twee", "Ett två")],
    ),
    "line breaks of Angular in XLIFF 2": (
        xliff_2(
            "<unit id='1'>"
            + segment(
                'Een<ph id="0" equiv="LINE_BREAK" type="fmt" disp="&lt;br/&gt;"/>twee',
                '<pc id="1" equivStart="START_PARAGRAPH" dispStart="&lt;p&gt;" dispEnd="&lt;/p&gt;">Ett</pc>'
                '<pc id="2" dispStart="&lt;p&gt;">två</pc>',
            )
            + "</unit>"
        ),
        [("Een twee", "Ett två")],
    ),
    "a line break by its subtype": (
        xliff_2("<unit id='1'>" + segment('Een<ph id="1" type="fmt" subType="xlf:lb"/>twee', "Ett två") + "</unit>"),
        [("Een twee", "Ett två")],
    ),
    "a line break whose code stands elsewhere in the unit": (
        xliff_2(
            '<unit id="1"><originalData><data id="d1">&lt;br></data><data id="d2">&lt;i></data></originalData>'
            + segment('Een<ph id="1" dataRef="d1"/>twee<ph id="2" dataRef="d2"/>en', "Ett tvåor")
            + '</unit><unit id="2"><originalData><data id="d1">&lt;u></data></originalData>'
            + segment('Fiets<ph id="1" dataRef="d1"/>en', "Cyklar")
            + "</unit>"
        ),
        [("Een tweeen", "Ett tvåor"), ("Fietsen", "Cyklar")],
    ),
    "a line break whose code stands in the header of Trados": (
        xliff(
            segmented(
                parts(a1='Een<x id="7"/>twee<g id="4">en</g>'), "<target>" + parts(a1='Ett<x id="7"/>två') + "</target>"
            ),
            SDL,
            TRADOS_TAGS,
        ),
        [("Een tweeen", "Ett två")],
    ),
    "line breaks of memoQ": (
        xliff(
            unit(
                'Een<ph id="1">&lt;mq:ch val="&#10;" /&gt;</ph>twee<ph id="2">&lt;mq:ch val="&amp;#9;" /&gt;</ph>drie'
                '<ph id="3">&lt;mq:rxt displaytext="x" val="y" /&gt;</ph>s',
                'Ett<ph id="1">&lt;br /&gt;</ph>två'
                '<ph id="2">&lt;mq:rxt displaytext="&amp;lt;br&amp;gt;" val="" /&gt;</ph>tre',
            ),
            'xmlns:mq="MQXliff"',
        ),
        [("Een twee dries", "Ett två tre")],
    ),
    "line breaks of Qt and Okapi": (
        xliff(
            unit(
                r'Een<ph id="ph1" ctype="x-ch-lf">\n</ph>twee<ph id="2">\n</ph>drie',
                'Ett<ph id="1" ctype="x-html-br">&lt;br></ph>två<it id="2" ctype="lb" pos="open"/>tre',
            )
        ),
        [("Een twee drie", "Ett två tre")],
    ),
    "list items around text": (
        xliff(unit('<g id="1" ctype="x-html-li">Een</g><g id="2" ctype="x-html-li">twee</g>', "Ett två")),
        [("Een twee", "Ett två")],
    ),
    "tags of HTML as elements": (
        xliff(unit('Een<h:br xmlns:h="http://www.w3.org/1999/xhtml"/>twee <b>drie</b>', "Ett<br/>två <b>tre</b>")),
        [("Een twee drie", "Ett två tre")],
    ),
    "paths are not line breaks": (xliff(unit(r"In<ph id='1'>C:\new</ph>s", "I")), [("Ins", "I")]),
    # languages
    "a target in another language": (
        xliff(
            '<trans-unit><source>Fiets</source><target xml:lang="da">Cykel (da)</target>'
            '<target xml:lang="sv">Cykel</target></trans-unit>'
        ),
        FIETS,
    ),
    "only a target in another language": (
        xliff(BIKE + '<trans-unit><source>Trein</source><target xml:lang="fi">Juna</target></trans-unit>'),
        FIETS,
    ),
    "a target in a region of the language": (
        xliff(
            '<trans-unit><source xml:lang="nl-BE">Fiets</source><target xml:lang="sv-SE">Cykel</target></trans-unit>'
        ),
        FIETS,
    ),
    "languages that only the sides declare": (
        xliff(
            '<trans-unit><source xml:lang="nl">Fiets</source><target xml:lang="sv">Cykel</target></trans-unit>'
            '<trans-unit><source xml:lang="nl">Trein</source><target xml:lang="fi">Juna</target></trans-unit>'
        ).replace('source-language="nl" target-language="sv"', ""),
        FIETS,
    ),
    "white space of pretty printing": (
        xliff(unit("\n   Een\n   fiets\n  ", "\n   En\n   cykel\n  ")),
        [("Een fiets", "En cykel")],
    ),
    "text in CDATA and character references": (
        xliff(unit("<![CDATA[A & B <c>]]>", "&#65; &amp; B&#xA0;&lt;c&gt;")),
        [("A & B <c>", "A & B\u00a0<c>")],
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_files_of_many_programs_have_the_pairs_that_a_person_reads(tmp_path: Path, name: str) -> None:
    content, expected = PAIRS[name]
    assert read(tmp_path, content) == expected
    swapped = [(target, source) for source, target in expected]
    assert read(tmp_path, content, source_language="sv", target_language="nl") == swapped


def test_a_file_without_languages_is_not_in_those_of_the_file_before(tmp_path: Path) -> None:
    others = f'<file source-language="fi" target-language="et"><body>{unit("Juna", "Rong")}</body></file>'
    content = xliff(BIKE).replace("</xliff>", f"{others}<file><body>{unit('Trein', 'Tåg')}</body></file></xliff>")
    assert read(tmp_path, content) == [*FIETS, ("Trein", "Tåg")]


COLOURS = unit("color", "colour", 'id="1"'), 'source-language="en-US" target-language="en-GB"'


@pytest.mark.parametrize(
    ("languages", "swapped"),
    [
        (("en-US", "en-GB"), False),
        (("en", "en-GB"), False),
        (("en-US", "en"), False),
        (("en-US", None), False),
        ((None, "en-GB"), False),
        ((None, None), False),
        (("en-GB", "en-US"), True),
        (("en-GB", "en"), True),
        (("en", "en-US"), True),
        (("en-GB", None), True),
        ((None, "en-US"), True),
    ],
)
def test_two_regions_of_a_language_are_two_sides(
    tmp_path: Path, languages: tuple[str | None, str | None], swapped: bool
) -> None:
    given = {f"{side}_language": code for side, code in zip(("source", "target"), languages, strict=True) if code}
    expected = [("colour", "color") if swapped else ("color", "colour")]
    file = xliff(COLOURS[0]).replace('source-language="nl" target-language="sv"', COLOURS[1])
    assert read(tmp_path, file, **given) == expected
    for texts in (("en-US", "color"), ("en-GB", "colour")), (("en-GB", "colour"), ("en-US", "color")):
        assert read(tmp_path, tmx(*texts, header="en-US"), "x.tmx", **given) == expected


@pytest.mark.parametrize(
    ("content", "name", "given", "expected"),
    [
        (xliff(BIKE), "x.xlf", {}, ("nl", "sv")),
        (xliff(BIKE), "x.xlf", {"source_language": "sv"}, ("sv", "nl")),
        (xliff(BIKE), "x.xlf", {"target_language": "sv-FI"}, ("nl", "sv-FI")),
        (xliff_2(f"<unit id='1'>{segment('Fiets', 'Cykel')}</unit>"), "x.xlf", {}, ("nl", "sv")),
        (PAIRS["languages that only the sides declare"][0], "x.xlf", {}, ("nl", "sv")),
        (xliff("").replace(' target-language="sv"', ""), "x.xlf", {}, ("nl", None)),
        ("<xliff", "x.xlf", {"target_language": "sv"}, (None, "sv")),
        ('msgid ""\nmsgstr "Language: is\\n"\nmsgid "Bike"\nmsgstr "Hjól"\n', "x.po", {}, (None, "is")),
        ('msgid ""\nmsgstr "Language: is\\n"\n', "x.po", {"source_language": "is-IS"}, ("is-IS", None)),
        ('msgid ""\nmsgstr "Language: \\n"\n', "x.po", {}, (None, None)),
        ("Fiets\tCykel\n", "x.tsv", {"source_language": "nl"}, ("nl", None)),
    ],
)
def test_languages_that_a_file_declares_are_known_before_its_pairs_are_read(
    tmp_path: Path, content: str, name: str, given: dict[str, str], expected: tuple[str | None, str | None]
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert languages_of(Corpus((tmp_path / name,), name), CorpusConfig(**given)) == expected


def test_languages_that_nothing_declares_are_those_by_default(tmp_path: Path) -> None:
    for content, expected in (("Fiets\tCykel\n", ("fi", "et")), (xliff(BIKE), ("nl", "sv"))):
        (tmp_path / "x").write_text(content, encoding="utf-8")
        assert languages_of(Corpus((tmp_path / "x",), "x"), CorpusConfig(), ("fi", "et")) == expected


def test_looking_for_languages_neither_warns_nor_takes_from_a_pipe(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = xliff(BIKE + "<trans-unit><source>Trein</source></trans-unit>")
    (tmp_path / "x.xlf").write_text(content, encoding="utf-8")
    languages_of(Corpus((tmp_path / "x.xlf",), "x"), CorpusConfig())
    assert not caplog.records
    os.mkfifo(pipe := tmp_path / "pipe")
    Thread(target=pipe.write_text, args=(content,), daemon=True).start()
    assert languages_of(corpus := Corpus((pipe,), "x"), CorpusConfig()) == ("nl", "sv")
    assert [pair[:2] for pair in read_corpus(corpus, CorpusConfig())] == FIETS


# ------------------------------------------------------------------------------------------------------------------ TMX


def tmx(*texts: tuple[str, str], header: str = "nl", start: str = '<tmx version="1.4">', rest: str = "") -> str:
    sides = "".join(f'<tuv xml:lang="{code}">{rest}<seg>{text}</seg></tuv>' for code, text in texts)
    return f'{start}<header srclang="{header}"/><body><tu><prop type="x">p</prop>{sides}{rest}</tu></body></tmx>'


BICYCLE = ("nl", "Fiets"), ("sv", "Cykel")
ALIEN = (
    '<o:tuv xmlns:o="urn:o" xml:lang="nl"><o:seg>Nein</o:seg><seg>Nein</seg></o:tuv><o:seg xmlns:o="urn:o">N</o:seg>'
)
MEMORIES = {
    "no namespace": (tmx(*BICYCLE), FIETS),
    "a default namespace": (tmx(*BICYCLE, start='<tmx version="1.4" xmlns="http://www.lisa.org/tmx14">'), FIETS),
    "a prefix": (prefixed(tmx(*BICYCLE, start='<tmx xmlns="http://www.lisa.org/tmx14" version="1.4">')), FIETS),
    "foreign elements": (tmx(*BICYCLE, rest=ALIEN), FIETS),
    "a segment in a property": (tmx(*BICYCLE, rest="<prop><seg>Nein</seg></prop><note>Nein</note>"), FIETS),
    "the same language twice": (tmx(*BICYCLE, ("nl", "Rijwiel")), FIETS),
    "a line break by its type": (
        tmx(("nl", 'Een<ph type="lb"/>twee'), ("sv", 'Ett<ph x="1" type="x-br"/>två')),
        [("Een twee", "Ett två")],
    ),
    "a line break by its code": (
        tmx(("nl", "Een<ph>&lt;br/></ph>twee"), ("sv", "Ett<it pos='begin'>\n</it>två")),
        [("Een twee", "Ett två")],
    ),
    "codes that are not line breaks": (
        tmx(("nl", "fiets<bpt i='1'>&lt;b></bpt>en<ept i='1'/>"), ("sv", "cykl<ut>{\\b </ut>ar")),
        [("fietsen", "cyklar")],
    ),
    "text within a code": (
        tmx(("nl", "Een <ph>&lt;img alt='<sub>foto</sub>'></ph>fiets"), ("sv", "En cykel")),
        [("Een fiets", "En cykel")],
    ),
}


@pytest.mark.parametrize("name", MEMORIES)
def test_memories_have_the_pairs_that_a_person_reads(tmp_path: Path, name: str) -> None:
    content, expected = MEMORIES[name]
    assert read(tmp_path, content, "x.tmx") == expected
    swapped = [(target, source) for source, target in expected]
    assert read(tmp_path, content, "x.tmx", source_language="sv") == swapped


@pytest.mark.parametrize(
    ("codes", "given", "swapped"),
    [
        (("nl", "sv"), ("nl-BE", "sv-SE"), False),
        (("nl", "sv"), ("sv_FI", None), True),
        (("nl", "sv"), (None, "sv-FI"), False),
        (("nl-NL", "sv"), ("nl", "sv-SE"), False),
        (("pt", "pt-BR"), ("pt-BR", "pt-PT"), True),
        (("pt", "pt-BR"), ("pt-BR", "pt"), True),
    ],
)
def test_a_language_fits_where_the_file_does_not_state_its_region(
    tmp_path: Path, codes: tuple[str, str], given: tuple[str | None, str | None], swapped: bool
) -> None:
    settings = {f"{side}_language": code for side, code in zip(("source", "target"), given, strict=True) if code}
    texts = (codes[0], "Fiets"), (codes[1], "Cykel")
    expected = [("Cykel", "Fiets")] if swapped else FIETS
    assert read(tmp_path, tmx(*texts, header=codes[0]), "x.tmx", **settings) == expected
    attributes = f'source-language="{codes[0]}" target-language="{codes[1]}"'
    file = xliff(BIKE).replace('source-language="nl" target-language="sv"', attributes)
    assert read(tmp_path, file, **settings) == expected


def test_regions_that_are_stated_stay_apart(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match="no unit has both nl-BE and another language; its languages are nl-NL, sv"):
        read(tmp_path, tmx(("nl-NL", "Fiets"), BICYCLE[1]), "x.tmx", source_language="nl-BE")


def test_a_memory_declares_its_two_languages(tmp_path: Path) -> None:
    cases = {(): ("nl", "sv"), (("source_language", "sv-FI"),): ("sv-FI", "nl")}
    for given, expected in cases.items():
        (tmp_path / "x.tmx").write_text(tmx(*BICYCLE), encoding="utf-8")
        assert languages_of(Corpus((tmp_path / "x.tmx",), "x"), CorpusConfig(**dict(given))) == expected
    (tmp_path / "x.tmx").write_text(tmx(*BICYCLE, ("fi", "Pyörä")), encoding="utf-8")
    assert languages_of(Corpus((tmp_path / "x.tmx",), "x"), CorpusConfig()) == (None, None)


def test_languages_that_a_memory_does_not_have_are_not_replaced_by_others(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match="no unit has both fr and another language; its languages are nl, sv"):
        read(tmp_path, tmx(*BICYCLE), "x.tmx", source_language="fr")


# ---------------------------------------------------------------------------------------------------------------- tags


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ('Een <ph id="1"/>fiets', 'Een <ph id="1"/>fiets'),
        ('<bpt id="1"/>Fiets<ept id="1"></ept>', '<bpt id="1"/>Fiets<ept id="1"/>'),
        ('<bpt id="1">&lt;b></bpt>Fiets<ept id="1">&lt;/b></ept>', "<b>Fiets</b>"),
        ('Fiets<x id="LINE_BREAK"/><it id="2"/>en', 'Fiets<x id="LINE_BREAK"/><it id="2"/>en'),
        ('<g id="1">Fiets <g id="2"/></g>', '<g id="1">Fiets <g id="2"/></g>'),
        ('<ph i="1"/><hi x="2">Fiets</hi><ut/>', '<ph i="1"/><hi x="2">Fiets</hi><ut/>'),
        ('Een <mrk mtype="x-sdl-deleted">oude <g id="1">fiets</g></mrk><mrk mtype="term">fiets</mrk>', "Een fiets"),
        ('Een <h:b xmlns:h="urn:h">fiets</h:b>', "Een <b>fiets</b>"),
    ],
)
def test_kept_tags_are_all_there(tmp_path: Path, source: str, kept: str) -> None:
    """A code without text would be lost: the translation of the file could not hold it."""
    assert read(tmp_path, xliff(unit(source, "Cykel")), inline_tags="keep") == [(kept, "Cykel")]
    assert read(tmp_path, prefixed(xliff(unit(source, "Cykel"))), inline_tags="keep") == [(kept, "Cykel")]


# ------------------------------------------------------------------------------------------------------------ messages


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (xliff("<trans-unit><source>Fiets</source></trans-unit>" * 3), "3 segments, none translated from nl to sv"),
        (xliff(unit("Fiets", "") * 2 + unit("Fiets", " ")), "3 segments, none translated from nl to sv"),
        (xliff(segmented(parts(a1="Een.", a2="Twee."), "")), "2 segments, none translated from nl to sv"),
        (xliff_2("<unit id='1'>" + segment("a", "b", "state='initial'") + "</unit>"), "1 segment, none translated"),
        (f'<xliff version="1.2"><file><body>{unit("Fiets", "")}</body></file></xliff>', "1 segment, none translated"),
        (xliff("").replace("xliff", "xlf"), "the root element is <xlf>, not <xliff>"),
        ('<tmx><body><tu><tuv xml:lang="nl"><seg>a</seg></tuv></tu></body></tmx>', "the root element is <tmx>"),
        (xliff(BIKE).replace("<source>", "<q:source>", 1), "line 2: broken XML: unbound prefix"),
    ],
)
def test_a_file_without_pairs_says_why(tmp_path: Path, content: str, problem: str) -> None:
    with pytest.raises(NmtError, match=re.escape(problem)):
        read(tmp_path, content)


def test_a_file_without_segments_has_no_pairs(tmp_path: Path) -> None:
    assert read(tmp_path, xliff("")) == read(tmp_path, xliff(STAYS)) == []


def test_untranslated_segments_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read(tmp_path, xliff(BIKE + unit("Trein", "") + unit("Bus", "Buss") + STAYS))
    assert caplog.messages == [f"{tmp_path / 'x.xlf'}: 1 of 3 segments have no translation from nl to sv"]


@pytest.mark.parametrize(
    ("codes", "problem"),
    [
        (["nl"], "no unit has two languages; its languages are nl"),
        ([""], "no unit has two languages; its languages are not declared"),
    ],
)
def test_a_memory_of_one_language_is_named_as_such(tmp_path: Path, codes: list[str], problem: str) -> None:
    with pytest.raises(NmtError, match=problem):
        read(tmp_path, tmx(*((code, "Fiets") for code in codes)), "x.tmx")


# --------------------------------------------------------------------------------------------------------- recognition

STARTS = {
    "nothing": "",
    "a declaration": "<?xml version='1.0'?>\n",
    "blank lines": "\n\n",
    "a document type": '<!DOCTYPE xliff PUBLIC "-//XLIFF//DTD XLIFF//EN" "http://example.org/xliff.dtd">\n',
    "a document type with a part inside": '<!DOCTYPE xliff SYSTEM "x.dtd" [<!ATTLIST x a CDATA "b>">] >',
    "comments and instructions": "<!-- <tmx> > --><?xml-stylesheet href='a>b'?> <!----><!-- - -->",
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["xliff", "tmx"])
def test_a_file_is_recognized_by_its_root_in_any_encoding(tmp_path: Path, name: str, encoding: str, start: str) -> None:
    for root in (name, f"x:{name}", f"a-b.c:{name}"):
        path = tmp_path / "file"
        if start == "blank lines" and encoding in ("utf-16-le", "utf-16-be"):
            continue  # without a mark, only a "<" shows the encoding
        path.write_bytes(f'{STARTS[start]}<{root} version="1"/>'.encode(encoding))
        assert format_of(path) == name
        path.write_bytes(f"{STARTS[start]}<{root}er/>".encode(encoding))
        assert format_of(path) == "plain"


def test_many_comments_do_not_slow_recognition_down(tmp_path: Path) -> None:
    (tmp_path / "page").write_text("<!-- a -->" * 6000 + "<html>")
    assert format_of(tmp_path / "page") == "plain"


@pytest.mark.parametrize("declared", ["utf-8", "utf-16", "UTF-16", "iso-8859-1", None])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_byte_order_mark_is_believed_more_than_the_declaration(
    tmp_path: Path, encoding: str, declared: str | None
) -> None:
    """Programs that convert a file, or write it from memory, often leave a declaration that is not true."""
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    content = (declaration + xliff(unit("Fiets é 🚲", "Cykel å")).partition("?>")[2].strip()).encode(encoding)
    assert read(tmp_path, content, "file") == [("Fiets é 🚲", "Cykel å")]


def test_a_file_in_utf_8_that_declares_utf_16_is_read(tmp_path: Path) -> None:
    content = xliff(unit("Fiets é", "Cykel å")).replace("?>", ' encoding="utf-16"?>', 1)
    assert read(tmp_path, content) == [("Fiets é", "Cykel å")]


def test_files_in_declared_encodings_of_one_byte_are_read(tmp_path: Path) -> None:
    content = xliff(unit("Fiets é", "Cykel å")).replace("?>", ' encoding="windows-1252"?>', 1)
    assert read(tmp_path, content.encode("cp1252")) == [("Fiets é", "Cykel å")]
