"""Packed linear layers compute what plain ones do; without torch's private operators models stay as they are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from nmt.config.model import ModelConfig
from nmt.decoding.translator import Translator
from nmt.model.kernels import linear as kernel
from nmt.model.kernels.linear import PackedLinear, can_pack, pack_linear_layers
from nmt.model.transformer import Transformer

FLOAT32, BFLOAT16 = torch.float32, torch.bfloat16


@pytest.fixture(autouse=True)
def forget_probes() -> Iterator[None]:
    """`can_pack` remembers its answers; a test that takes away an operator must not leave its own."""
    can_pack.cache_clear()
    yield
    can_pack.cache_clear()


def layer(bias: bool = True) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(24, 40, bias=bias)


@pytest.mark.skipif(not can_pack(FLOAT32), reason="this torch has no packed products")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 24), (7, 24), (2, 3, 24)])
@torch.inference_mode()
def test_packed_layers_compute_what_plain_ones_do(bias: bool, shape: tuple[int, ...]) -> None:
    plain, x = layer(bias), torch.randn(shape)
    packed = PackedLinear(plain, [(0, 40), (0, 16), (16, 40)], int8=False)
    torch.testing.assert_close(packed(x), plain(x), rtol=1e-5, atol=1e-5)
    for start, stop in ((0, 16), (16, 40)):
        torch.testing.assert_close(packed.part(x, start, stop), plain(x)[..., start:stop], rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(not can_pack(FLOAT32, int8=True), reason="this torch has no products of 8-bit integers")
@torch.inference_mode()
def test_8_bit_weights_are_off_by_at_most_their_rounding() -> None:
    """Inputs are integers from -127 to 127, which 8 bits hold exactly, so that only weights are rounded.

    Each weight is then off by at most half a step, a step being the largest weight of its output over 127.
    """
    plain = layer()
    x = torch.randint(-127, 128, (5, 24)).float()
    x[:, 0], x[:, 1] = 127.0, -128.0  # the range that is quantized: steps of 1
    packed = PackedLinear(plain, [(0, 40)], int8=True)
    step = plain.weight.abs().amax(dim=1) / 127
    bound = (x.abs().sum(dim=1, keepdim=True) * step / 2) * (2 if packed.reduce_range else 1) + 1e-3
    if packed.reduce_range:  # inputs have 7 bits there: each may be off by 1, too
        bound = bound + plain.weight.abs().sum(dim=1)
    assert ((packed(x) - plain(x)).abs() <= bound).all()


def test_a_range_that_was_not_packed_cannot_be_computed() -> None:
    if not can_pack(FLOAT32):
        pytest.skip("this torch has no packed products")
    packed = PackedLinear(layer(), [(0, 40)], int8=False)
    with pytest.raises(KeyError):
        packed.part(torch.randn(1, 24), 0, 16)


# -------------------------------------------------------------------------------------------------------------- probing


class Lacking:
    """torch.ops without one of its libraries."""

    def __init__(self, missing: str, error: type[Exception] = AttributeError) -> None:
        self.missing, self.error = missing, error

    def __getattr__(self, name: str) -> Any:
        if name == self.missing:
            raise self.error(f"no {name}")
        return getattr(REAL_OPS, name)


REAL_OPS = torch.ops


@pytest.mark.parametrize("error", [AttributeError, RuntimeError, NotImplementedError])
def test_a_missing_operator_is_not_used(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    monkeypatch.setattr(kernel.torch, "ops", Lacking("mkldnn", error))
    assert not can_pack(FLOAT32)
    assert not can_pack(BFLOAT16)


def test_an_operator_that_computes_something_else_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are private: a later torch may give their arguments another meaning."""
    monkeypatch.setattr(PackedLinear, "forward", lambda self, x: torch.zeros(4, 32))
    assert not can_pack(FLOAT32)


def test_probing_leaves_the_random_numbers_as_they_were() -> None:
    """Whether a model is decoded with packed layers must not change what sampling draws."""
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    can_pack(FLOAT32)
    can_pack(FLOAT32, int8=True)
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize(("library", "precision"), [("mkldnn", "float32"), ("quantized", "int8")])
def test_without_the_operators_translations_are_those_of_plain_layers(
    run: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, library: str, precision: str
) -> None:
    lines = ["ich sehe den Hund", "du hörst heute einen Vogel"]
    expected = [
        translation.text for translation in Translator.load(run / "model", engine="torch").translate(lines, beam_size=2)
    ]
    can_pack.cache_clear()
    monkeypatch.setattr(kernel.torch, "ops", Lacking(library))
    translator = Translator.load(run / "model", engine="torch", precision=precision)
    assert not any(isinstance(module, PackedLinear) for module in translator.model.modules())
    assert [translation.text for translation in translator.translate(lines, beam_size=2)] == expected
    assert ("computing in float32" in caplog.text) is (precision == "int8")


# --------------------------------------------------------------------------------------------------------- whole models


def decoded(model: Transformer) -> torch.Tensor:
    """Log-probabilities after three tokens, one position at a time: all linear layers take part."""
    torch.manual_seed(1)
    source, mask = torch.randint(4, 30, (2, 6)), torch.arange(6) < torch.tensor([6, 4])[:, None]
    tokens = torch.randint(4, 30, (2, 1, 3))
    padding = torch.zeros(2, 1, 1, 6).masked_fill_(~mask[:, None, None], -torch.inf)
    caches = model.start(model.encode(source, mask))
    for t in range(3):
        output = model.step(tokens[:, :, t], t, caches, torch.zeros(2, 1, 1, t + 1), padding)
    return model.log_probs(output)


@pytest.mark.parametrize(("int8", "tolerance"), [(False, 1e-5), (True, 0.2)])
@torch.inference_mode()
def test_a_packed_model_decodes_as_before(int8: bool, tolerance: float) -> None:
    if not can_pack(FLOAT32, int8=int8):
        pytest.skip("this torch lacks the operators")
    torch.manual_seed(0)
    shape = dict(source_vocabulary=30, target_vocabulary=30, shared_vocabulary=True, dim=16, feed_forward=24, heads=2)
    model = Transformer(ModelConfig(**shape, encoder_layers=1, decoder_layers=2)).eval()
    expected = decoded(model)
    count = sum(isinstance(module, nn.Linear) for module in model.modules())
    pack_linear_layers(model, int8=int8)
    packed = [module for module in model.modules() if isinstance(module, PackedLinear)]
    assert len(packed) == count == 1 * 4 + 2 * 6 + 1  # per layer 2 of each attention and 2 of FFN; the projection
    assert not any(isinstance(module, nn.Linear) for module in model.modules())
    torch.testing.assert_close(decoded(model), expected, rtol=0, atol=tolerance)
