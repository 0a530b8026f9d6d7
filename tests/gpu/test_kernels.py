"""What a GPU computes beside float64 on the CPU: attention, the loss, and the gradient of a whole model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import nmt.model.kernels.projected_loss as projected_loss
from nmt.config.model import ModelConfig
from nmt.data.batches import Batch, Collator
from nmt.model.attention import MultiHeadAttention, padding_bias
from nmt.model.kernels.dropout import Dropout
from nmt.model.loss import label_smoothed_loss
from nmt.model.transformer import Transformer
from nmt.runtime import alignment, use_device
from nmt.text.tokenizer import END, PAD

ERROR = {torch.float32: 1e-5, torch.bfloat16: 0.03, torch.float16: 0.004}
"""The relative error of a sum of products, about, in each dtype."""


def config(**changes: Any) -> ModelConfig:
    shape = dict(dim=64, feed_forward=128, heads=2, encoder_layers=2, decoder_layers=2, dropout=0.0)
    return ModelConfig(source_vocabulary=200, target_vocabulary=200, shared_vocabulary=True, **{**shape, **changes})


def error(found: Tensor, expected: Tensor) -> float:
    return float((found.double().cpu() - expected).norm() / expected.norm())


def batch_of(lengths: Sequence[int], device: torch.device) -> Batch:
    random = np.random.default_rng(1)
    rows = [np.append(random.integers(4, 200, length - 1), END) for length in lengths]
    return Collator(200, 200, alignment(device))(rows, rows[::-1]).to(device)


@pytest.mark.parametrize("dtype", list(ERROR))
@pytest.mark.parametrize("length", [1, 7, 63, 64, 65])
@pytest.mark.parametrize("causal", [False, True])
def test_attention_and_its_gradient_are_those_of_the_equation(
    gpu: torch.device, dtype: torch.dtype, length: int, causal: bool
) -> None:
    """Kernels refuse or mishandle lengths that are not multiples of 8, and masks that are not aligned."""
    use_device(gpu)
    torch.manual_seed(1)
    module = MultiHeadAttention(config())
    x, real = torch.randn(3, length, 64), torch.arange(length) < torch.tensor([length, max(1, length // 2), 1])[:, None]
    expected, found = [], []
    for device, kind, results in ((torch.device("cpu"), torch.float64, expected), (gpu, dtype, found)):
        padded = -(-length // alignment(device)) * alignment(device) - length
        inputs = F.pad(x, (0, 0, 0, padded)).to(device, kind).requires_grad_()
        mask = F.pad(real, (0, padded)).to(device)
        bias = None if causal else padding_bias(mask, kind)
        output = module.to(device, kind)(inputs, inputs, bias, causal=causal)[:, :length]
        (gradient,) = torch.autograd.grad((output * output).sum(), inputs)
        results += [output.detach(), gradient[:, :length]]
    assert all(error(one, exact) < 2 * ERROR[dtype] for one, exact in zip(found, expected, strict=True))


def test_attention_does_not_use_the_kernel_that_plans_anew_for_each_shape(real_gpu: torch.device) -> None:
    use_device(real_gpu)
    assert not torch.backends.cuda.cudnn_sdp_enabled()


@pytest.mark.parametrize("dtype", list(ERROR))
@pytest.mark.parametrize("r_drop", [0.0, 3.0])
@pytest.mark.parametrize("piece", [1 << 27, 1000])
def test_the_loss_is_that_of_the_cpu_whole_or_in_pieces(
    gpu: torch.device, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, r_drop: float, piece: int
) -> None:
    monkeypatch.setattr(projected_loss, "GPU_PIECE", piece)
    torch.manual_seed(1)
    hidden, weight = torch.randn(4, 9, 16), torch.randn(50, 16) / 4
    target = torch.randint(4, 50, (4, 9))
    target[1::2, 7:] = PAD
    target[2:] = target[:2]
    expected, found = [], []
    for device, kind, results in ((torch.device("cpu"), torch.float64, expected), (gpu, dtype, found)):
        inputs = [one.to(device, kind).requires_grad_() for one in (hidden, weight)]
        loss = label_smoothed_loss(*inputs, target.to(device), 0.1, r_drop)
        results += [loss.smoothed.detach(), loss.cross_entropy, *torch.autograd.grad(loss.smoothed, inputs)]
    assert all(error(one, exact) < 2 * ERROR[dtype] for one, exact in zip(found, expected, strict=True))


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("lengths", [(63, 40, 63), (64, 64, 1), (65, 12, 30)])
@pytest.mark.parametrize("dtype", list(ERROR))
def test_the_gradient_of_a_model_is_that_of_the_cpu(
    gpu: torch.device,
    request: pytest.FixtureRequest,
    dtype: torch.dtype,
    lengths: Sequence[int],
    norm: str,
    compiled: bool,
) -> None:
    if compiled:
        request.getfixturevalue("real_gpu")
    use_device(gpu)
    torch.manual_seed(1)
    exact, model = Transformer(config(norm=norm)).double(), Transformer(config(norm=norm))
    exact.place_positions(torch.device("cpu"), torch.float64)
    model.load_state_dict(exact.state_dict())
    model = model.to(gpu, dtype)
    model.place_positions(gpu, dtype)
    if compiled:
        model.compile_layers()
    exact.loss(batch_of(lengths, torch.device("cpu")), 0.1).smoothed.backward()
    model.loss(batch_of(lengths, gpu), 0.1).smoothed.backward()
    expected, found = ([parameter.grad for parameter in one.parameters()] for one in (exact, model))
    assert all(one is not None and one.isfinite().all() for one in found)
    whole = [torch.cat([one.flatten().double().cpu() for one in side]) for side in (found, expected)]  # type: ignore[union-attr]
    assert error(*whole) < 5 * ERROR[dtype]  # it grows with the layers


def test_dropout_drops_its_share_and_keeps_the_mean(gpu: torch.device) -> None:
    torch.manual_seed(1)
    found = Dropout(0.25).train()(torch.ones(100, 1000).to(gpu)).cpu()
    assert float((found == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert float(found.mean()) == pytest.approx(1, abs=0.01)
