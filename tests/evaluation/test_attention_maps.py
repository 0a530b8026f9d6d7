"""Attention maps: weights that sum to 1, by piece and by word, and columns that line up in a terminal."""

import json
import re
from pathlib import Path

import pytest
import torch
from conftest import Program
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from nmt.cli.views.heatmap import draw
from nmt.decoding.translator import Translator
from nmt.errors import UsageError
from nmt.evaluation.attention_maps import AttentionMap, as_json, attention_maps, by_word


@pytest.fixture(scope="module")
def cross(run: Path) -> AttentionMap:
    return attention_maps(Translator.load(run / "model"), "ich sehe den Hund", "I see the dog")["cross"]


def test_the_weights_of_each_query_sum_to_one(cross: AttentionMap) -> None:
    assert cross.weights.shape[2:] == (len(cross.queries), len(cross.keys))
    torch.testing.assert_close(cross.weights.sum(-1), torch.ones(cross.weights.shape[:3]))
    assert cross.keys[-1] == cross.queries[-1] == "</s>"


def test_words_are_whole_and_their_weights_still_sum_to_one(cross: AttentionMap) -> None:
    words = by_word(cross)
    assert words.keys == ["ich", "sehe", "den", "Hund", "</s>"]
    assert words.queries == ["I", "see", "the", "dog", "</s>"]
    torch.testing.assert_close(words.weights.sum(-1), torch.ones(words.weights.shape[:3]))


def test_by_word_adds_over_source_pieces_and_averages_over_target_pieces() -> None:
    weights = torch.tensor([[0.5, 0.2, 0.3], [0.1, 0.1, 0.8], [0.0, 0.0, 1.0]])[None, None]
    words = by_word(AttentionMap(["▁x", "y", "</s>"], ["▁a", "b", "</s>"], weights))
    torch.testing.assert_close(words.weights[0, 0], torch.tensor([[0.45, 0.55], [0.0, 1.0]]))


def test_maps_leave_the_model_as_it_was(run: Path) -> None:
    translator = Translator.load(run / "model")
    (before,) = translator.translate(["ich sehe den Hund"], beam_size=2)
    attention_maps(translator, "ich sehe", "I see")
    assert translator.translate(["ich sehe den Hund"], beam_size=2) == [before]


def test_json_rounds_weights_to_four_decimals() -> None:
    weights = torch.tensor([[1 / 3, 2 / 3]])[None, None]
    maps = as_json({"cross": AttentionMap(["x"], ["a", "b"], weights)})
    assert maps == {"cross": {"queries": ["x"], "keys": ["a", "b"], "weights": [[[[0.3333, 0.6667]]]]}}


@pytest.mark.parametrize("color", [True, False])
def test_columns_line_up_under_double_width_words(color: bool) -> None:
    source, target = ["고양이가", "자요", "</s>"], ["The", "cat", "sleeps.", "고양이"]
    lines = draw(source, target, torch.rand(4, 3).softmax(-1), color=color, columns=80)
    starts = [match.start() for match in re.finditer(r"\S+", lines[0].plain)]
    assert len(starts) == 3
    assert {cell_len(line.plain.rstrip()) <= cell_len(lines[0].plain) for line in lines} == {True}
    assert len({cell_len(line.plain) for line in lines[1:]}) == 1


@given(
    keys=st.lists(st.sampled_from(["a", "Donaudampfschifffahrt", "고양이가", "of"]), min_size=1, max_size=40),
    queries=st.lists(st.sampled_from(["I", "Rindfleischetikettierung" * 3, "고양이"]), min_size=1, max_size=4),
    columns=st.integers(40, 120),
    color=st.booleans(),
)
def test_a_map_fits_into_the_terminal(keys: list[str], queries: list[str], columns: int, color: bool) -> None:
    weights = torch.full((len(queries), len(keys)), 1 / len(keys))
    lines = [line.plain.rstrip() for line in draw(keys, queries, weights, color=color, columns=columns)]
    assert max(map(cell_len, lines)) <= columns
    text = "\n".join(lines)
    assert all(key in text for key in keys)
    assert len(re.findall(rf"(?<!\d){100 / len(keys):.0f}(?!\d)", text)) >= len(keys) * len(queries)


def test_maps_have_all_kinds_of_attention(run: Path) -> None:
    maps = attention_maps(Translator.load(run / "model"), "ich sehe den Hund", "I see the dog")
    assert list(maps) == ["cross", "encoder", "decoder"]
    for attention in maps.values():
        assert attention.weights.shape[2:] == (len(attention.queries), len(attention.keys))
        torch.testing.assert_close(attention.weights.sum(-1), torch.ones(attention.weights.shape[:3]))
    assert maps["encoder"].queries == maps["encoder"].keys == maps["cross"].keys
    assert maps["decoder"].keys == ["<s>", *maps["cross"].queries[:-1]]
    future = torch.ones(maps["decoder"].weights.shape[2:]).triu(1) > 0
    assert (maps["decoder"].weights[..., future] == 0).all()
    assert (maps["decoder"].weights[..., 0, 0] == 1).all()  # the first position can only attend to itself


@pytest.mark.parametrize("side", ["", "ich sehe " * 300])
def test_sides_that_are_empty_or_too_long_are_refused(run: Path, side: str) -> None:
    translator = Translator.load(run / "model")
    for pair in (("ich", side), (side, "I")):
        with pytest.raises(UsageError, match="pieces; the model takes 1 to"):
            attention_maps(translator, *pair)


def test_a_map_in_the_terminal(command: Program, run: Path) -> None:
    done = command("attention", "ich sehe den Hund", "--target", "I see the dog", "--run", run)
    assert done.returncode == 0
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "cross attention, from the translation to the source"
    assert lines[1] == "layer 1 of 1, mean of 2 heads, in percent"
    assert lines[2].split() == ["ich", "sehe", "den", "Hund", "</s>"]
    assert [line.split()[0] for line in lines[3:]] == ["I", "see", "the", "dog", "</s>"]
    head = command("attention", "ich sehe", "--kind", "encoder", "--head", 2, "--pieces", "--run", run)
    assert "encoder attention, of the source to itself\nlayer 1 of 1, head 2 of 2" in head.stdout.decode()
    wrong = command("attention", "ich", "--head", 3, "--run", run)
    assert (wrong.returncode, wrong.stdout) == (2, b"")
    assert "--head 3: the model has heads 1 to 2" in wrong.stderr


def test_json_has_all_heads(command: Program, run: Path) -> None:
    done = command("attention", "ich sehe <b>", "--target", "I see", "--json", "--run", run)
    content = json.loads(done.stdout)
    assert (content["source"], content["target"]) == ("ich sehe <b>", "I see")
    for attention in content["attention"].values():
        for head in attention["weights"][0]:
            assert len(head) == len(attention["queries"])
            assert all(sum(row) == pytest.approx(1, abs=1e-3) for row in head)
