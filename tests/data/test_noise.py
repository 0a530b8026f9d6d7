"""What is read otherwise each time spells the same text, is drawn from the seed alone, and keeps to its rate."""

from typing import Any

import numpy as np
import pytest
import torch
from conftest import Corpus
from hypothesis import given
from hypothesis import strategies as st

from nmt.config import TokenizerConfig
from nmt.data.batches import make_batch
from nmt.data.noise import Noise, SubwordSampler, mask_tokens
from nmt.text.tokenizer import BEGIN, END, PAD, UNKNOWN, Tokenizer, train_tokenizers


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def tokenizer(request: pytest.FixtureRequest, corpus: Corpus) -> Tokenizer:
    config = TokenizerConfig(vocab_size=380, type=request.param, symbol=["<2de>"])
    return train_tokenizers(corpus.train, config).source


@given(st.sampled_from(["ich sehe den großen Hund heute.", "you seek a small bird", "wir", "ˇ <2de> we"]), st.data())
def test_other_pieces_spell_the_same_text(tokenizer: Tokenizer, line: str, data: st.DataObject) -> None:
    sampler, seed = SubwordSampler(tokenizer), data.draw(st.integers(0, 2**32))
    row = np.array([*tokenizer.encode([line])[0], END], dtype=np.uint16)
    found = sampler.sample(row, data.draw(st.floats(0, 1)), 1000, np.random.default_rng(seed))
    assert tokenizer.decode([found.tolist()]) == tokenizer.decode([row.tolist()])
    assert found[-1] == END
    assert len(found) >= len(row)
    assert found.dtype == row.dtype


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
    batch = make_batch(rows, rows, 400, 400)
    found = mask_tokens(batch, 0.2, np.random.default_rng(1))
    assert torch.equal(found.target_output, batch.target_output)
    assert torch.equal(found.source_mask, batch.source_mask)
    for masked, whole in ((found.source, batch.source), (found.target_input, batch.target_input)):
        hidden = masked != whole
        assert (masked[hidden] == UNKNOWN).all()
        for kept in (PAD, BEGIN, END):
            assert torch.equal(masked == kept, whole == kept)
        assert 0.15 < float(hidden.sum()) / 750 < 0.25


def test_without_rates_nothing_is_done(tokenizer: Tokenizer) -> None:
    noise = Noise([tokenizer, tokenizer], 0.0, 0.0, 100)
    rows = [np.array([7, 8, END])]
    random: Any = None  # is not even asked
    assert noise.resegment([rows, rows], random) == [rows, rows]
    batch = make_batch(rows, rows, 20, 20)
    assert noise.mask(batch, random) is batch
