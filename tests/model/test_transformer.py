"""Properties of the model whatever its weights: masks, caches, positions, tying."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.config.model import ModelConfig
from nmt.data.batches import Collator
from nmt.decoding.step import ModelStep
from nmt.model.positions import sinusoidal_positions
from nmt.model.transformer import Transformer
from nmt.text.tokenizer import PAD


def model(**changes: object) -> Transformer:
    shape = dict(source_vocabulary=40, target_vocabulary=40, shared_vocabulary=True, dropout=0.1, norm="post")
    shape |= dict(dim=32, feed_forward=64, heads=4, encoder_layers=2, decoder_layers=2, max_length=64)
    torch.manual_seed(0)
    return Transformer(ModelConfig(**{**shape, **changes})).eval()


@pytest.mark.parametrize("norm", ["post", "pre"])
@given(padding=st.integers(1, 20), data=st.data())
@settings(max_examples=20)
def test_padding_changes_nothing(norm: str, padding: int, data: st.DataObject) -> None:
    net = model(norm=norm)
    length = data.draw(st.integers(1, 12))
    source, target = torch.randint(4, 40, (1, length)), torch.randint(4, 40, (1, 7))
    alone = net(source, torch.ones(1, length, dtype=torch.bool), target)
    filler = torch.randint(0, 40, (1, padding))
    mask = torch.arange(length + padding)[None] < length
    padded = net(torch.cat([source, filler], 1), mask, torch.cat([target, filler], 1))
    torch.testing.assert_close(padded[:, :7], alone, rtol=0, atol=1e-6 * 5)


@given(position=st.integers(1, 9), token=st.integers(4, 39))
@settings(max_examples=20)
def test_a_future_target_token_never_changes_an_earlier_output(position: int, token: int) -> None:
    net = model()
    source, mask = torch.randint(4, 40, (2, 6)), torch.ones(2, 6, dtype=torch.bool)
    target = torch.randint(4, 40, (2, 10))
    changed = target.clone()
    changed[:, position:] = token
    torch.testing.assert_close(net(source, mask, changed)[:, :position], net(source, mask, target)[:, :position])


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("beam", [1, 3])
def test_decoding_with_a_cache_gives_the_outputs_of_decoding_at_once(norm: str, beam: int) -> None:
    net = model(norm=norm)
    source = torch.randint(4, 40, (4, 9))
    mask = torch.arange(9) < torch.tensor([9, 2, 5, 7])[:, None]
    target = torch.randint(4, 40, (4, beam, 11))
    memory = net.encode(source, mask)
    step = ModelStep(net, source, mask)
    stepwise = torch.stack([step(target[:, :, t]).log_probs() for t in range(11)], dim=2)
    for hypothesis in range(beam):
        whole = net.log_probs(net.decode(target[:, hypothesis], memory, mask))
        torch.testing.assert_close(stepwise[:, hypothesis], whole, rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_selecting_hypotheses_moves_their_caches() -> None:
    net = model()
    source, mask = torch.randint(4, 40, (3, 5)), torch.ones(3, 5, dtype=torch.bool)
    tokens = torch.randint(4, 40, (3, 2, 3))
    step = ModelStep(net, source, mask)
    for t in range(2):
        step(tokens[:, :, t])
    rows = torch.tensor([5, 4, 1, 1])  # sentence 2 swapped, sentence 0 twice its second hypothesis
    step.select(rows, torch.tensor([2, 0]))
    chosen = tokens.flatten(0, 1)[rows].view(2, 2, 3)
    fresh = ModelStep(net, source[[2, 0]], mask[[2, 0]])
    for t in range(3):
        expected = fresh(chosen[:, :, t]).log_probs()
    torch.testing.assert_close(step(chosen[:, :, 2]).log_probs(), expected, rtol=1e-5, atol=1e-5)


def test_positions_are_those_of_the_paper() -> None:
    table = sinusoidal_positions(50, 6)
    for position in (0, 1, 7, 49):
        for i in range(3):
            angle = position / 10000 ** (2 * i / 6)
            assert table[position, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[position, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_embeddings_are_scaled_by_the_square_root_of_the_width() -> None:
    net = model(dim=16)
    tokens = torch.tensor([[5, 6]])
    expected = net.source_embedding.weight[[5, 6]] * 4.0 + torch.from_numpy(sinusoidal_positions(2, 16))
    torch.testing.assert_close(net._embed(tokens, net.source_embedding)[0], expected)


@pytest.mark.parametrize(
    ("shared", "tied", "matrices"), [(True, True, 1), (True, False, 2), (False, True, 2), (False, False, 3)]
)
def test_tied_matrices_are_the_same(shared: bool, tied: bool, matrices: int) -> None:
    net = model(shared_vocabulary=shared, tied=tied)
    weights = {id(w) for w in (net.source_embedding.weight, net.target_embedding.weight, net.projection.weight)}
    assert len(weights) == matrices


def test_the_base_preset_has_the_paper_s_parameters() -> None:
    """Table 3 gives 65 million for base with a vocabulary of 37,000, counted here by hand."""
    from nmt.config.presets import PRESETS
    from nmt.config.setting import build

    shape = build(
        ModelConfig, PRESETS["base"], source_vocabulary=37000, target_vocabulary=37000, shared_vocabulary=True
    )
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in Transformer(shape).parameters())
    d, ff = 512, 2048
    attention, feed_forward, norm = 4 * (d * d + d), 2 * d * ff + ff + d, 2 * d
    assert count == 37000 * d + 6 * (attention + feed_forward + 2 * norm) + 6 * (
        2 * attention + feed_forward + 3 * norm
    )
    assert 62e6 < count < 66e6


def test_compiled_layers_compute_what_layers_compute() -> None:
    """As traced by torch.compile, without its backend; dropout draws the same."""
    config = ModelConfig(
        source_vocabulary=20,
        target_vocabulary=20,
        shared_vocabulary=True,
        dim=16,
        feed_forward=16,
        encoder_layers=1,
        decoder_layers=1,
        attention_dropout=0.1,
    )
    torch.manual_seed(0)
    model = Transformer(config)
    model.place_positions(torch.device("cpu"), torch.float32)
    rows = np.random.default_rng(0).integers(4, 20, (3, 6))
    batch, gradients = Collator(20, 20)(rows, rows), []
    for compiled in (False, True):
        if compiled:
            model.compile_layers(backend="aot_eager")
        model.zero_grad()
        torch.manual_seed(1)
        model.loss(batch, 0.1).smoothed.backward()  # type: ignore[no-untyped-call]
        own = (parameter.grad for parameter in model.parameters())
        gradients.append(torch.cat([gradient.flatten() for gradient in own if gradient is not None]))
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(("layers", "expected"), [(1, 0), (2, 1), (3, 1), (6, 4)])
def test_words_are_aligned_by_the_last_layer_but_one_and_of_two_by_the_last(layers: int, expected: int) -> None:
    """Garg et al. 2019, section 3.1, for six; benchmarks/results/alignment-error.txt for two."""
    assert model(decoder_layers=layers).config.alignment_layer == expected


def test_longer_sentences_extend_the_positions_and_change_none() -> None:
    net = model(max_length=20)
    before = net.positions
    net.extend_positions(10)
    assert net.positions is before
    net.extend_positions(100)
    assert len(net.positions) >= 100
    assert torch.equal(net.positions[: len(before)], before)
    net.place_positions(torch.device("cpu"), torch.bfloat16)
    net.extend_positions(100)
    assert net.positions.dtype == torch.bfloat16


def test_the_attention_weights_of_all_layers_are_those_that_decoding_uses() -> None:
    """[batch, heads, query, key] for each layer; hidden keys have none, and each query's weights sum to 1."""
    net = model(encoder_layers=3, decoder_layers=2)
    source, target = torch.randint(4, 40, (2, 6)), torch.randint(4, 40, (2, 5))
    mask = torch.arange(6) < torch.tensor([6, 4])[:, None]
    observed = net.attention(source, mask, target)
    shapes = [[tuple(weights.shape) for weights in layers] for layers in observed]
    assert shapes == [[(2, 4, 6, 6)] * 3, [(2, 4, 5, 5)] * 2, [(2, 4, 5, 6)] * 2]
    for weights in (*observed.encoder, *observed.decoder, *observed.cross):
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    for weights in (*observed.encoder, *observed.cross):
        assert (weights[1, ..., 4:] == 0).all()


def test_r_drop_compares_two_passes_with_other_dropout_masks() -> None:
    """The mean of both losses plus alpha / 4 of both divergences (half of equation 4 of Wu et al. 2021)."""
    net = model(dropout=0.3).train()
    rows = np.random.default_rng(0).integers(4, 40, (3, 6))
    batch = Collator(40, 40)(rows, [rows[0], rows[1, :2], rows[2]])
    torch.manual_seed(5)
    ours = net.loss(batch, 0.1, 4.0)
    torch.manual_seed(5)
    source, mask, target_input = (torch.cat([tensor, tensor]) for tensor in batch[:3])
    logits = net.projection(net(source, mask, target_input)).chunk(2)
    real = batch.target_output != PAD
    first, second = (half[real] for half in logits)
    gold = batch.target_output[real]
    losses = [F.cross_entropy(half, gold, label_smoothing=0.1, reduction="sum") for half in (first, second)]
    p, q = first.log_softmax(-1), second.log_softmax(-1)
    divergences = F.kl_div(q, p, reduction="sum", log_target=True) + F.kl_div(p, q, reduction="sum", log_target=True)
    assert divergences > 0.01
    torch.testing.assert_close(ours.smoothed, sum(losses) / 2 + divergences, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("impossible", [[], [3, 8, 4999]])
@pytest.mark.parametrize("count", [1, 5])
def test_the_best_tokens_are_those_of_the_whole_distribution(count: int, impossible: list[int]) -> None:
    net, x = model(target_vocabulary=5000, shared_vocabulary=False), torch.randn(3, 40, 32)
    log_probs, tokens = net.best_log_probs(x, count, torch.tensor(impossible, dtype=torch.long))
    possible = net.log_probs(x)
    possible[..., impossible] = -math.inf
    expected = possible.topk(count)
    assert torch.equal(tokens, expected.indices)
    torch.testing.assert_close(log_probs, expected.values)
