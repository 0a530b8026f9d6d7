"""Rules of search, one by one, against the same in plain Python."""

import math
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.candidates import HOST_CANDIDATE
from nmt.decoding.constraints import Constraints, progress_of
from nmt.decoding.rules import block_ngrams, forbid_words, penalize_repetition
from nmt.decoding.text_rules import ForbiddenWords
from nmt.text.tokenizer import END

VOCAB = 6


@st.composite
def beams(draw: st.DrawFn) -> list[list[int]]:
    """Hypotheses of one length."""
    rows = st.lists(st.integers(0, VOCAB - 1), min_size=(length := draw(st.integers(0, 7))), max_size=length)
    return draw(st.lists(rows, min_size=1, max_size=4))


def random_scores(beam: int) -> torch.Tensor:
    draw = random.Random(beam)
    return torch.tensor([[[-draw.random() for _ in range(VOCAB)] for _ in range(beam)]])


@given(beam=beams(), n=st.integers(0, 4))
def test_a_token_is_blocked_if_it_repeats_an_ngram(beam: list[list[int]], n: int) -> None:
    before = random_scores(len(beam))
    scores = before.clone()
    block_ngrams(scores, torch.tensor([beam]).long().view(1, len(beam), -1), n)
    for row, tokens in enumerate(beam):
        for token in range(VOCAB):
            extended = [*tokens, token]
            ngrams = [extended[start : start + n] for start in range(len(extended) - n + 1)]
            repeated = n > 0 and len(ngrams) > 1 and ngrams[-1] in ngrams[:-1]
            assert scores[0, row, token] == (-math.inf if repeated else before[0, row, token])


@given(beam=beams(), penalty=st.sampled_from([1.0, 1.5, 3.0]))
def test_a_token_that_a_hypothesis_contains_is_penalized_once(beam: list[list[int]], penalty: float) -> None:
    before = random_scores(len(beam))
    scores = before.clone()
    penalize_repetition(scores, torch.tensor([beam]).long().view(1, len(beam), -1), penalty)
    for row, tokens in enumerate(beam):
        factors = [penalty if token in tokens else 1.0 for token in range(VOCAB)]
        assert torch.equal(scores[0, row], before[0, row] * torch.tensor(factors))


# ------------------------------------------------------------------------------------------------------ forbidden words

PIECES = ["<pad>", "<unk>", "<s>", "</s>", "▁c", "at", "▁cat", "▁cats", "s", "▁the", "t", "a", ".", "▁conc", "猫", "黒"]


def forbidden(phrases: list[str], written: str) -> set[str]:
    """The pieces that may not follow the written ones."""
    scores = torch.zeros(1, 1, len(PIECES))
    tokens = np.array([[[PIECES.index(piece) for piece in written.split()]]], dtype=np.int64)
    forbid_words(scores, tokens, ForbiddenWords(phrases, PIECES))
    return {PIECES[token] for token in scores[0, 0].isneginf().nonzero().flatten().tolist()}


@pytest.mark.parametrize(
    ("phrase", "written", "pieces"),
    [
        ("the cat", "▁the", {"▁cat"}),
        ("the cat", "▁the ▁c", {"at"}),
        ("the cat", "▁the ▁c a", {"t"}),
        ("THE  Cat", "▁the ▁c a", {"t"}),  # in any case and spacing
        ("the cat", "▁c", set()),
        ("the cat", "▁conc ▁the ▁cats", set()),
        ("cat", "", {"▁cat"}),
        ("cat", "▁conc a", {"▁cat"}),  # concat is another word
        ("a", "▁c", set()),
        ("a", ".", {"a"}),
        ("a", "", {"a"}),
        ("猫", "", {"猫"}),
        ("猫", "黒", {"猫"}),  # scripts without spaces have no word boundaries
        ("黒 猫", "黒", set()),
    ],
)
def test_a_forbidden_word_is_recognized_in_any_segmentation(phrase: str, written: str, pieces: set[str]) -> None:
    assert forbidden([phrase], written) == pieces


def test_each_hypothesis_of_a_batch_has_its_own_forbidden_tokens() -> None:
    scores = torch.zeros(2, 2, len(PIECES))
    the, c = PIECES.index("▁the"), PIECES.index("▁c")
    forbid_words(scores, np.array([[[the], [c]], [[c], [the]]]), ForbiddenWords(["the cat", "cat"], PIECES))
    blocked = [[PIECES[token] for token in row.isneginf().nonzero().flatten()] for row in scores.flatten(0, 1)]
    assert blocked == [["▁cat"], ["at", "▁cat"], ["at", "▁cat"], ["▁cat"]]


# ------------------------------------------------------------------------------------------------------- required terms

tokens = st.sampled_from([0, 1, 2, 4])
terms = st.lists(st.lists(tokens, min_size=1, max_size=3), max_size=3)


@given(hypothesis=st.lists(tokens, max_size=8), required=terms)
def test_the_next_tokens_of_a_term_lead_to_its_end(hypothesis: list[int], required: list[list[int]]) -> None:
    """One of them makes progress as long as a term is missing, so that any hypothesis can be completed."""
    size = sum(map(len, required))
    for _ in range(size):
        progress = progress_of(hypothesis, required)
        assert progress.tokens <= size
        assert progress.complete == all(
            any(hypothesis[start : start + len(term)] == term for start in range(len(hypothesis))) for term in required
        )
        if progress.complete:
            assert (progress.tokens, progress.next_tokens) == (size, frozenset())
            break
        after = [progress_of([*hypothesis, token], required).tokens for token in sorted(progress.next_tokens)]
        assert max(after) > progress.tokens
        hypothesis = [*hypothesis, sorted(progress.next_tokens)[after.index(max(after))]]
    assert progress_of(hypothesis, required).complete


def test_the_beam_is_filled_in_turn_from_each_degree_of_progress() -> None:
    """By hand: three candidates without a token of the term 1 2, two that begin it, one that completes it."""
    constraints = Constraints([[1, 2]], [[4], [1]], last=False)
    rows = [
        (-1.0, -1.0, 0, 4),  # 4 4: nothing
        (-2.0, -1.0, 1, 4),  # 1 4: nothing
        (-3.0, -1.0, 0, 0),  # 4 0: nothing
        (-4.0, -1.0, 0, 1),  # 4 1: one token
        (-5.0, -1.0, 1, 1),  # 1 1: one token
        (-6.0, -1.0, 1, 2),  # 1 2: complete
        (-0.5, -1.0, 0, END),  # may not end yet
        (-math.inf, -1.0, 1, 0),  # forbidden by a rule
    ]
    for width, expected in [(1, [2]), (3, [2, 1, 4]), (5, [2, 1, 4, 1, 4]), (9, [2, 1, 4, 1, 4, 0])]:
        finishing, continuing = constraints.choose(np.array(rows, HOST_CANDIDATE), width)
        assert len(finishing) == 0
        assert continuing["token"].tolist() == expected
    assert constraints.extensions(slice(0, 2)) == [(0, 1), (1, 1), (1, 2)]
    assert constraints.extensions(slice(1, 2)) == [(1, 1), (1, 2)]


def test_only_a_hypothesis_with_all_terms_may_end_and_at_the_last_position_it_can() -> None:
    constraints = Constraints([[1], [4, 4]], [[1, 4, 4], [4, 4], [1, 4]], last=True)
    rows = [(-1.0 - parent, -1.0, parent, token) for parent in range(3) for token in (0, END)]
    finishing, continuing = constraints.choose(np.array(rows, HOST_CANDIDATE), 3)
    assert finishing[["parent", "token"]].tolist() == [(0, END)]
    assert continuing["parent"].tolist() == [0, 1, 2]
    assert constraints.extensions(slice(0, 3)) == [(1, 1), (2, 4), (0, END)]
