"""Augmentation: other segmentations spell the same text, depend on the seed alone, and keep to their rate."""

from typing import Any

import numpy as np
import pytest
import torch
from conftest import Corpus
from hypothesis import given
from hypothesis import strategies as st

from nmt.config.corpus import TokenizerConfig
from nmt.config.training import TrainingConfig
from nmt.data.augmentation import Augmentation, SubwordSampler, mask_tokens
from nmt.data.batches import Collator
from nmt.text.perturbation import RATES
from nmt.text.tokenizer import BEGIN, END, PAD, UNKNOWN, Tokenizer, train_tokenizers


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def tokenizer(request: pytest.FixtureRequest, corpus: Corpus) -> Tokenizer:
    config = TokenizerConfig(vocab_size=380, type=request.param, symbol=["<2de>"])
    return train_tokenizers(corpus.train, config).source


def augmentation_of(tokenizer: Tokenizer, **settings: Any) -> Augmentation:
    return Augmentation([tokenizer, tokenizer], TrainingConfig(**settings), 100)


@given(st.sampled_from(["ich sehe den großen Hund heute.", "you seek a small bird", "wir", "ˇ <2de> we"]), st.data())
def test_other_pieces_spell_the_same_text(tokenizer: Tokenizer, line: str, data: st.DataObject) -> None:
    sampler, seed = SubwordSampler(tokenizer), data.draw(st.integers(0, 2**32))
    row = np.array([*tokenizer.encode([line])[0], END], dtype=np.uint16)
    sampled = sampler.sample(row, data.draw(st.floats(0, 1)), 1000, np.random.default_rng(seed))
    assert tokenizer.decode([sampled.tolist()]) == tokenizer.decode([row.tolist()])
    assert sampled[-1] == END
    assert len(sampled) >= len(row)
    assert sampled.dtype == row.dtype


def test_symbols_bytes_and_control_tokens_are_never_cut(tokenizer: Tokenizer) -> None:
    pieces = tokenizer.divisible_pieces()
    assert "<2de>" not in pieces
    assert not {"<pad>", "<unk>", "<s>", "</s>", "<0x41>"} & pieces.keys()
    cut = SubwordSampler(tokenizer).halves
    assert cut
    for token, halves in cut.items():
        (spelled,) = tokenizer.pieces([token])
        for pair in halves:
            assert "".join(tokenizer.pieces(pair)) == spelled


def test_the_rate_is_kept_and_the_generator_decides(tokenizer: Tokenizer) -> None:
    sampler = SubwordSampler(tokenizer)
    divisible = np.array(sorted(sampler.halves), dtype=np.uint16)
    row = np.tile(divisible, 1 + 20_000 // len(divisible))
    never = sampler.sample(row, 0.0, 10**6, np.random.default_rng(1))
    assert never is row
    once, twice = (sampler.sample(row, 0.1, 10**6, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(once, twice)
    assert not np.array_equal(once, sampler.sample(row, 0.1, 10**6, np.random.default_rng(8)))
    assert 0.09 < (len(once) - len(row)) / len(row) < 0.15  # a tenth is cut, and of the halves some again


def test_a_row_that_would_be_too_long_stays_as_it_is(tokenizer: Tokenizer) -> None:
    row = np.array(tokenizer.encode(["ich sehe den großen Hund heute."])[0], dtype=np.uint16)
    assert SubwordSampler(tokenizer).sample(row, 0.99, len(row), np.random.default_rng(1)) is row


def test_masking_hides_inputs_at_its_rate_and_never_what_is_predicted() -> None:
    rows = [np.arange(4, 4 + n) for n in (300, 250, 200)]
    rows = [np.append(row, END) for row in rows]
    batch = Collator(400, 400)(rows, rows)
    masked_batch = mask_tokens(batch, 0.2, np.random.default_rng(1))
    assert torch.equal(masked_batch.target_output, batch.target_output)
    assert torch.equal(masked_batch.source_mask, batch.source_mask)
    for masked, whole in ((masked_batch.source, batch.source), (masked_batch.target_input, batch.target_input)):
        hidden = masked != whole
        assert (masked[hidden] == UNKNOWN).all()
        for kept in (PAD, BEGIN, END):
            assert torch.equal(masked == kept, whole == kept)
        assert 0.15 < float(hidden.sum()) / 750 < 0.25


def test_without_rates_nothing_is_done(tokenizer: Tokenizer) -> None:
    augmentation = augmentation_of(tokenizer)
    rows = [np.array([7, 8, END])]
    random: Any = None  # never called
    assert augmentation.augment([rows, rows], random) == [rows, rows]
    batch = Collator(20, 20)(rows, rows)
    assert augmentation.mask(batch, random) is batch


def test_both_kinds_of_augmentation_keep_what_is_predicted(tokenizer: Tokenizer) -> None:
    """The target output is segmented like the input, but never masked."""
    augmentation = augmentation_of(tokenizer, subword_sampling=0.5, token_masking=0.5)
    assert augmentation
    assert not augmentation_of(tokenizer)
    lines = ["ich sehe den großen Hund heute.", "you seek a small bird"]
    rows = [np.array(row) for row in tokenizer.encode(lines, end=True)]
    random = np.random.default_rng(1)
    source, target = augmentation.augment([rows, rows], random)
    assert [list(map(tokenizer.decode, ([row.tolist()] for row in side))) for side in (source, target)] == [
        [tokenizer.decode([row.tolist()]) for row in rows]
    ] * 2
    assert sum(map(len, source)) > sum(map(len, rows))
    masked = augmentation.mask(Collator(len(tokenizer), len(tokenizer))(source, target), random)
    assert (masked.source == UNKNOWN).any()
    assert (masked.target_input == UNKNOWN).any()
    assert not (masked.target_output == UNKNOWN).any()


@given(st.integers(0, 2**32))
def test_the_same_seed_augments_alike(tokenizer: Tokenizer, seed: int) -> None:
    """A resumed run must draw what the interrupted one would have drawn."""
    rows = [np.array(tokenizer.encode(["ich sehe den großen Hund heute."], end=True)[0])]
    augmentation = augmentation_of(tokenizer, subword_sampling=0.3, token_masking=0.3)
    drawn = []
    for _ in range(2):
        random = np.random.default_rng(seed)
        source, target = augmentation.augment([rows, rows], random)
        drawn.append(augmentation.mask(Collator(len(tokenizer), len(tokenizer))(source, target), random))
    assert all(map(torch.equal, drawn[0][:4], drawn[1][:4]))


def test_robust_training_reads_some_pairs_perturbed_and_the_seed_decides(tokenizer: Tokenizer) -> None:
    augmentation = augmentation_of(tokenizer, robust=True)
    pairs = ["ich sehe den großen Hund heute.", "I see the big dog today."]
    rows = [[np.array([*row, END], dtype=np.uint16) for row in tokenizer.encode([text] * 400)] for text in pairs]
    augmented = augmentation.augment(rows, np.random.default_rng(3))
    texts = [tokenizer.decode([row.tolist() for row in side]) for side in augmented]
    again = augmentation.augment(rows, np.random.default_rng(3))
    assert all(
        np.array_equal(one, other)
        for side, same in zip(augmented, again, strict=True)
        for one, other in zip(side, same, strict=True)
    )
    assert all(row[-1] == END and row.dtype == np.uint16 for side in augmented for row in side)
    changed = [pair for pair in zip(*texts, strict=True) if pair != tuple(pairs)]
    assert sum(RATES.values()) == pytest.approx(len(changed) / 400, abs=0.07)
    assert ("Ich Sehe Den Großen Hund Heute.", "I See The Big Dog Today.") in changed
    assert ("ich sehe den großen Hund heute", "I see the big dog today") in changed
    assert any(target == pairs[1] and source != pairs[0] for source, target in changed)
