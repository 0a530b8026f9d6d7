"""Excess lines of parallel files, located by the lengths of the lines alone."""

import random

import pytest

from nmt.text.drift import Extra, extra_lines


def lengths(lines: int, seed: int) -> tuple[list[int], list[int]]:
    draw = random.Random(seed)
    source = [draw.randint(8, 250) for _ in range(lines)]
    return source, [max(3, round(1.2 * length + draw.gauss(0, 4))) for length in source]


@pytest.mark.parametrize("at", [0, 1, 500, 998, 1000])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("longer", ["source", "target"])
def test_one_place_is_found(at: int, count: int, longer: str) -> None:
    source, target = lengths(1000, at)
    extra = [120 + 40 * i for i in range(count)]
    if longer == "source":
        source[at:at] = extra
    else:
        target[at:at] = extra
    side, places = extra_lines(source, target)
    assert side == longer
    assert sum(place.lines for place in places) == count
    assert all(abs(place.line - 1 - at) <= 3 + count for place in places)  # neighbours may be as long


def test_several_places_are_found() -> None:
    source, target = lengths(2000, 1)
    source[400:400] = [200, 30]
    source[1500:1500] = [90]
    side, places = extra_lines(source, target)
    assert side == "source"
    assert [place.lines for place in places] == [2, 1]
    assert [round(place.line, -1) for place in places] == [400, 1500]


def test_files_of_one_length_have_no_extra_lines() -> None:
    source, target = lengths(50, 2)
    assert extra_lines(source, target)[1] == []


def test_very_different_files_and_empty_ones() -> None:
    assert extra_lines([5] * 1000, [5] * 10)[1] == [Extra(pytest.approx(11, abs=10), 990)]
    assert extra_lines([], [1, 2, 3]) == ("target", [Extra(1, 3)])
