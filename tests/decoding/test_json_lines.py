"""The JSON lines protocol: an object comes back as it was, with its translation; errors name their line."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.json_lines import as_line, format_object, read_objects
from nmt.decoding.translation import Alternative, Line, Translation
from nmt.errors import NmtError

RESULTS = {"translation", "score", "log_prob", "tokens", "token_scores", "truncated", "loop", "unknown", "untranslated"}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=6,
)
objects = st.builds(
    lambda fields, known: {**fields, **known},
    st.dictionaries(st.text(), values, max_size=4),
    st.fixed_dictionaries(
        {"text": st.text()},
        optional={"prefix": st.none() | st.text(), "constraints": st.none() | st.lists(st.text(), max_size=3)},
    ),
)
blanks = st.sampled_from(["", " ", "\t", "\u3000", "\r"])
alternatives = st.builds(
    Alternative,
    text=st.text(),
    score=st.floats(-99, 0),
    log_prob=st.floats(-99, 0),
    tokens=st.lists(st.text(), max_size=3),
    token_scores=st.lists(st.floats(-99, 0), max_size=3),
    truncated=st.booleans(),
    loop=st.booleans(),
    unknown=st.booleans(),
    alignment=st.none() | st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=3),
)


def expected_fields(alternative: Alternative) -> dict[str, Any]:
    fields = {name: getattr(alternative, name) for name in RESULTS if name != "translation"}
    fields["translation"] = alternative.text
    if alternative.alignment is not None:
        fields["alignment"] = [list(link) for link in alternative.alignment]
    return fields


@given(content=objects, n_best=st.lists(alternatives, min_size=1, max_size=3), several=st.booleans())
def test_an_object_comes_back_with_its_fields_and_its_translation(
    content: dict[str, Any], n_best: list[Alternative], several: bool
) -> None:
    (parsed,) = read_objects([json.dumps(content)])
    assert parsed == content
    line = format_object(parsed, Translation(n_best), n_best=3 if several else 1)
    assert "\n" not in line
    expected = {**content, **expected_fields(n_best[0])}
    if several:
        expected["n_best"] = [expected_fields(alternative) for alternative in n_best]
    assert json.loads(line) == expected


@given(content=objects)
def test_an_object_asks_for_the_translation_of_its_text(content: dict[str, Any]) -> None:
    line = as_line(content)
    assert line.text == content["text"]
    assert line.prefix == (content.get("prefix") or "")
    assert list(line.terms) == (content.get("constraints") or [])


@given(contents=st.lists(objects | blanks, max_size=6))
def test_each_line_gives_an_object_and_each_blank_line_a_blank_line(contents: list[dict[str, Any] | str]) -> None:
    lines = [content if isinstance(content, str) else json.dumps(content, ensure_ascii=False) for content in contents]
    parsed = list(read_objects(lines))
    assert parsed == [None if isinstance(content, str) else content for content in contents]
    for content in parsed:
        formatted = format_object(content, Translation([Alternative()]), 1)
        assert (formatted == "") == (content is None)
    assert as_line(None) == Line("")


WRONG = [
    ("ich sehe", "not JSON"),
    ('{"text": "a"', "not JSON"),
    ('{"text": "a"} {}', "not JSON"),
    ('["ich"]', "not an object with a text"),
    ("{}", "not an object with a text"),
    ("null", "not an object with a text"),
    ('{"text": 3}', "text is not a string"),
    ('{"text": null}', "text is not a string"),
    ('{"text": "a", "x": NaN}', "not JSON: NaN is not a JSON number"),
    ('{"text": "a", "x": -Infinity}', "not JSON: -Infinity is not a JSON number"),
    ('{"text": "a", "x": [-2e308]}', "not JSON: -2e308 is too large"),
    ('{"text": "a", "prefix": 3}', "prefix is not a string"),
    ('{"text": "a", "prefix": ["b"]}', "prefix is not a string"),
    ('{"text": "a", "constraints": "b"}', "constraints are not a list of strings"),
    ('{"text": "a", "constraints": {"b": "c"}}', "constraints are not a list of strings"),
    ('{"text": "a", "constraints": ["b", 1]}', "constraints are not a list of strings"),
    ("[" * 100_000, "not JSON"),
]


@pytest.mark.parametrize(("line", "problem"), WRONG)
@pytest.mark.parametrize("before", [0, 1, 7])
def test_an_invalid_line_is_named_by_its_number_after_the_lines_before_it(line: str, problem: str, before: int) -> None:
    """Blank lines count; what came before has been answered by then."""
    valid = ['{"text": "a"}', "  "]
    parsed = read_objects([*(valid[index % 2] for index in range(before)), line])
    for index in range(before):
        assert next(parsed) == (None if index % 2 else {"text": "a"})
    with pytest.raises(NmtError) as error:
        next(parsed)
    assert str(error.value.problem).startswith(f"line {before + 1}: {problem}")


def test_halves_of_surrogate_pairs_are_replaced_because_utf_8_cannot_encode_them() -> None:
    (content,) = read_objects(['{"text": "a\\ud800b", "id": "\\udfff", "face": "\\ud83d\\ude42"}'])
    line = format_object(content, Translation([Alternative(text="x")]), 1)
    line.encode("utf-8")
    assert json.loads(line) | {"translation": "x"} == json.loads(line)
    assert (json.loads(line)["text"], json.loads(line)["id"], json.loads(line)["face"]) == ("a\ufffdb", "\ufffd", "🙂")


def test_a_failed_or_missing_alternative_has_a_score_of_minus_infinity_in_text_only() -> None:
    """JSON has no infinity: an n-best list holds what search found, and is not padded."""
    translation = Translation([Alternative(text="x", score=-1.0)])
    assert [alternative.score for alternative in translation.padded(3)] == [-1.0, -math.inf, -math.inf]
    assert len(json.loads(format_object({"text": "a"}, translation, 3))["n_best"]) == 1
