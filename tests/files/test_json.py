"""JSON files and checksums: what is malformed, damaged or of the wrong shape is refused with its place."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import NmtError
from nmt.files.checksum import sha256
from nmt.files.json import Shape, check_shape, parse_json, read_json, write_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"3", b"\xff", b'{"a": 1} x', b"[" * 100_000])
def test_anything_but_a_json_object_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(NmtError, match=r"config\.json"):
        read_json(path)


def test_a_missing_file_and_a_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match=r"x\.json: no such file"):
        read_json(tmp_path / "x.json")
    with pytest.raises(NmtError, match=f"{tmp_path}: Is a directory"):
        read_json(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    (tmp_path / "x.json").chmod(0)
    with pytest.raises(NmtError, match=r"x\.json: Permission denied"):
        read_json(tmp_path / "x.json")


def test_json_is_written_readable_and_read_back(tmp_path: Path) -> None:
    value = {"languages": {"source": "한국어"}, "counts": [1, 2.5, None, True]}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value
    assert "한국어" in (tmp_path / "x.json").read_text(encoding="utf-8")


@given(VALUES)
def test_values_are_parsed_as_by_the_standard_library(value: object) -> None:
    for ascii_only in (True, False):
        assert parse_json(json.dumps(value, ensure_ascii=ascii_only)) == value


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity]", '{"a": -Infinity}', r'"\ud800"', r'{"a": "x\uDC80"}', "1e999", "[-1e400]"]
)
def test_values_that_no_utf8_json_file_can_hold_are_refused(text: str) -> None:
    """Python reads all of them: a log with NaN, or a translation with half a character, would break other readers."""
    json.loads(text)
    with pytest.raises(ValueError, match=r"is not a JSON number|surrogates not allowed|is too large"):
        parse_json(text)


def test_a_surrogate_pair_is_a_character() -> None:
    assert parse_json(r'"\ud83d\ude42"') == "🙂"


@pytest.mark.parametrize(
    ("value", "shape", "problem"),
    [
        ({"pairs": 3, "more": []}, {"pairs": int}, None),
        ({"language": None}, {"language": (str, type(None))}, None),
        ({"sets": {"train": {"pairs": 3}}}, {"sets": {"train": {"pairs": int}}}, None),
        ({}, {"pairs": int}, "data.json: pairs is missing"),
        ({"pairs": "3"}, {"pairs": int}, "data.json: pairs: unexpected value '3'"),
        ({"pairs": True}, {"pairs": int}, "data.json: pairs: unexpected value 'True'"),  # a bool is an int in Python
        ({"sets": []}, {"sets": {"train": dict}}, "data.json: sets is not a JSON object"),
        ({"sets": {"train": {}}}, {"sets": {"train": {"pairs": int}}}, "data.json: sets: train: pairs is missing"),
        ({"sets": {"valid": {}}}, {"sets": {"train": dict}}, "data.json: sets: train is missing"),
        ("x" * 100, int, f"data.json: unexpected value '{'x' * 40}'"),
    ],
)
def test_shapes_are_checked_key_by_key(value: object, shape: Shape, problem: str | None) -> None:
    if problem is None:
        check_shape(value, shape, "data.json", "prepare it again")
        return
    with pytest.raises(NmtError) as caught:
        check_shape(value, shape, "data.json", "prepare it again")
    assert (caught.value.problem, caught.value.hint) == (problem, "prepare it again")


@given(st.binary())
def test_a_checksum_is_that_of_the_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes"
    path.write_bytes(content)
    assert sha256(path) == hashlib.sha256(content).hexdigest()
