"""Maps of attention: shares that add up, by piece and by word, and lines up on a terminal."""

import re
from pathlib import Path

import pytest
import torch
from rich.cells import cell_len

from nmt.cli.heatmap import draw
from nmt.decoding.translate import Translator
from nmt.evaluation.attention_maps import AttentionMap, by_word, cross_attention


@pytest.fixture(scope="module")
def found(run: Path) -> AttentionMap:
    return cross_attention(Translator.load(run / "model"), "ich sehe den Hund", "I see the dog")


def test_each_output_spreads_all_its_attention_over_the_source(found: AttentionMap) -> None:
    assert found.weights.shape[2:] == (len(found.target), len(found.source))
    torch.testing.assert_close(found.weights.sum(-1), torch.ones(found.weights.shape[:3]))
    assert found.source[-1] == found.target[-1] == "</s>"


def test_words_are_whole_and_their_attention_still_adds_up(found: AttentionMap) -> None:
    words = by_word(found)
    assert words.source == ["ich", "sehe", "den", "Hund", "</s>"]
    assert words.target == ["I", "see", "the", "dog", "</s>"]
    torch.testing.assert_close(words.weights.sum(-1), torch.ones(words.weights.shape[:3]))


def test_by_word_adds_over_source_pieces_and_averages_over_target_pieces() -> None:
    weights = torch.tensor([[0.5, 0.2, 0.3], [0.1, 0.1, 0.8], [0.0, 0.0, 1.0]])[None, None]
    words = by_word(AttentionMap(["▁a", "b", "</s>"], ["▁x", "y", "</s>"], weights))
    torch.testing.assert_close(words.weights[0, 0], torch.tensor([[0.45, 0.55], [0.0, 1.0]]))


def test_looking_leaves_the_model_as_it_was(run: Path) -> None:
    translator = Translator.load(run / "model")
    before = [one.text for one in translator.translate(["ich sehe den Hund"], beam_size=2)]
    cross_attention(translator, "ich sehe", "I see")
    assert [one.text for one in translator.translate(["ich sehe den Hund"], beam_size=2)] == before


@pytest.mark.parametrize("colour", [True, False])
def test_columns_line_up_under_double_width_words(colour: bool) -> None:
    source, target = ["고양이가", "자요", "</s>"], ["The", "cat", "sleeps.", "고양이"]
    lines = draw(source, target, torch.rand(4, 3).softmax(-1), colour=colour)
    starts = [match.start() for match in re.finditer(r"\S+", lines[0].plain)]
    assert len(starts) == 3
    assert {cell_len(line.plain.rstrip()) <= cell_len(lines[0].plain) for line in lines} == {True}
    assert len({cell_len(line.plain) for line in lines[1:]}) == 1
