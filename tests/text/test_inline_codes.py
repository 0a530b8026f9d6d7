"""Inline codes: what is one, which tags belong together, and what is left to translate between them."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.text.inline_codes import CodedText, find_codes, is_nested, pairs_of, separate_edges


def codes_of(text: str) -> list[str]:
    return [text[code.start : code.end] for code in find_codes(text)]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("%s of %d in %1$s at %5.2f %%", ["%s", "%d", "%1$s", "%5.2f", "%%"]),
        ("%d%s %-10s|%+d %'d %lu %hhx %*d", ["%d", "%s", "%-10s", "%+d", "%'d", "%lu", "%hhx", "%*d"]),
        ("%(name)s %(count)d ${home} $(pwd) $[officename] $HOME", None),
        ("{} {0} {name} {a.b} {0:>8} {x, number, integer} {{ name }} %{ruby} #{more}", None),
        ("{n, plural, one {# file} other {{x} files}} gone", ["{n, plural, one {# file} other {{x} files}}"]),
        ("%1 of %2, %L1, %n, %PRODUCTNAME", ["%1", "%2", "%L1", "%n", "%PRODUCTNAME"]),
        ("at https://example.org/a?b=c&d, or www.example.org.", ["https://example.org/a?b=c&d", "www.example.org"]),
        ("https://a.org/b에서 --help이 %1행 %s를", ["https://a.org/b", "--help", "%1", "%s"]),
        ("mail first.last+x@example.co.uk!", ["first.last+x@example.co.uk"]),
        ("a&nbsp;b &amp; &#8212; R&D &c", ["&nbsp;", "&amp;", "&#8212;"]),
        ("line\\nnext \\\"quoted\\\" \\u00e4", ["\\n", '\\"', '\\"', "\\u00e4"]),
        ('<a href="a > b" title=\'x\'>here</a>', ['<a href="a > b" title=\'x\'>', "</a>"]),
        ("50% of 100 % done, 3 < 4 > 2, a { b } c, 20 %s, $100, 5 & 6", []),
        ("{n, plural, one {never closed}", []),
    ],
)  # fmt: skip
def test_codes_are_found_and_ordinary_text_is_left_alone(text: str, codes: list[str] | None) -> None:
    assert codes_of(text) == (text.split() if codes is None and "," not in text else codes or codes_of(text))
    if codes is None:
        rest = text
        for code in codes_of(text):
            rest = rest.replace(code, "", 1)
        assert not rest.strip()


@pytest.mark.parametrize("tag", ["br", "p", "div", "li", "td", "h2", "BR"])
def test_tags_that_break_a_line_divide_the_text(tag: str) -> None:
    assert [code.kind for code in find_codes(f"one <{tag}/> two </{tag}>three\nFour")] == ["break"] * 3


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a line\nthat goes on", "point"),
        ("<i>a line</i>\n  <b>that</b> goes on", "point"),
        ("a line.\nthat ends", "break"),
        ("a line\nThat begins", "break"),
        ("a line\n\nand another", "break"),
        ("a line:\n- an item", "break"),
    ],
)
def test_a_line_break_within_a_sentence_is_set_in_its_translation(text: str, kind: str) -> None:
    assert [code.kind for code in find_codes(text) if text[code.start] == "\n"] == [kind]


def test_a_tag_that_nothing_closes_stands_for_a_word() -> None:
    assert [code.kind for code in find_codes("cp <source> <b>x</b> <img src='a'>")] == [
        "word",
        "open",
        "close",
        "point",
    ]


def test_tags_belong_together_as_they_are_nested() -> None:
    assert pairs_of(find_codes("<b>a<i>b</i>c</b>")) == {1: 2, 0: 3}
    assert is_nested(find_codes("<b>a</b> %s <x/>"))
    assert not is_nested(find_codes("<b>a<i>b</b>c</i>"))
    assert not is_nested(find_codes("a</b>"))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("<p><b>One two</b></p>", ("<p><b>", "One two", "</b></p>")),
        ("<b>One</b> two <i>three</i>", ("", "<b>One</b> two <i>three</i>", "")),
        ("<b>One", ("<b>", "One", "")),
        ("One</b>", ("", "One", "</b>")),
        ("<x/> One <y/>", ("<x/>", " One ", "<y/>")),
        ("<b></b>One", ("", "<b></b>One", "")),
        ("%s: 12", ("%s: 12", "", "")),
    ],
)
def test_tags_around_a_text_are_no_part_of_it(text: str, parts: tuple[str, str, str]) -> None:
    assert separate_edges(text) == parts


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Click <b>here</b>, now", "Click here, now"),
        ("Click <b> here </b> now", "Click here now"),
        ("Delete <x/>?", "Delete?"),
        ("a<x/>b <y/> c", "ab c"),
        ("<x/> a", "a"),
    ],
)
def test_text_without_tags_has_single_spaces(text: str, plain: str) -> None:
    assert CodedText(text, find_codes(text), lambda tag: False).plain == plain


def test_tags_that_the_model_knows_stay_in_the_text() -> None:
    text = "Click <b>here</b>"
    coded = CodedText(text, find_codes(text), {"<b>", "</b>"}.__contains__)
    assert (coded.plain, coded.tags) == (text, [])


@pytest.mark.parametrize(
    ("translation", "has_all"),
    [
        ("<b>%d</b> von {0}, %s", True),
        ("{0}: <b>%d</b> %s", True),
        ("%s <b>%d</b> {0}", False),  # their order says which is which
        ("<b>%d</b> {0}", False),
        ("<b>%d</b> {0} %s %s", False),
        ("</b>%d<b> {0} %s", False),
        ("<b>%d</b> {0} %s <br/>", False),
    ],
)
def test_a_translation_has_each_code_exactly_once(translation: str, has_all: bool) -> None:
    text = "<b>%d</b> of {0} in %s"
    assert CodedText(text, find_codes(text), lambda tag: False).has_all(translation) == has_all


@pytest.mark.parametrize(
    "part",
    [
        " ",
        "\n",
        " \n",
        "{",
        "{{",
        "{a,",
        "<",
        "<a ",
        "<b>",
        "x",
        "x.",
        "%",
        "&a",
        "--a",
        "http://",
        "\\",
        "$",
        "@",
        "a\nb",
    ],
)
def test_long_texts_take_no_time(part: str) -> None:
    text, start = part * (60_000 // len(part)), time.process_time()
    find_codes(text)
    assert time.process_time() - start < 1


@given(st.text(alphabet="ab <>/b{}%sd&;\\n\n$(1)\U000f0000\U000f0001\U000f0002", max_size=30))
def test_codes_are_in_order_and_do_not_overlap(text: str) -> None:
    codes = find_codes(text)
    assert all(code.start < code.end for code in codes)
    assert all(before.end <= after.start for before, after in pairwise(codes))
    assert "".join(separate_edges(text)) == text
