"""The kernel of projection and loss against torch.nn.functional, whatever the pieces, the dtype and the gradient."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.model.kernels import projected_loss
from nmt.model.kernels.projected_loss import ProjectedLoss

TOKENS, DIM, VOCAB = 11, 16, 24


def inputs(passes: int = 1, dtype: torch.dtype = torch.float32, scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden states of the tokens of each pass, projection, and gold tokens."""
    generator = torch.Generator().manual_seed(4)
    hidden = torch.randn(passes * TOKENS, DIM, generator=generator)
    weight = torch.randn(VOCAB, DIM, generator=generator) * scale
    tokens = torch.randint(0, VOCAB, (TOKENS,), generator=generator).repeat(passes)
    return hidden.to(dtype).requires_grad_(), weight.to(dtype).requires_grad_(), tokens


def by_torch(hidden: Tensor, weight: Tensor, tokens: Tensor, smoothing: float, r_drop: float) -> tuple[Tensor, Tensor]:
    """The smoothed loss, the mean over passes plus alpha / 4 of the two divergences, and the cross-entropy."""
    logits = (hidden @ weight.T).float()
    passes = 2 if r_drop else 1
    smoothed = F.cross_entropy(logits, tokens, label_smoothing=smoothing, reduction="sum") / passes
    plain = F.cross_entropy(logits, tokens, reduction="sum") / passes
    if r_drop:
        p, q = logits.log_softmax(-1).chunk(2)
        forward, backward = (F.kl_div(*pair, reduction="sum", log_target=True) for pair in ((q, p), (p, q)))
        smoothed = smoothed + r_drop / 4 * (forward + backward)
    return smoothed, plain


@pytest.mark.parametrize("r_drop", [0.0, 3.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("rows", [1, 4, TOKENS, 1000])
def test_losses_and_gradients_are_those_of_torch(
    rows: int, smoothing: float, r_drop: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pieces of one row, of some with a rest, of all, and of more than there are."""
    monkeypatch.setattr(projected_loss, "PIECE", rows * VOCAB)
    hidden, weight, tokens = inputs(2 if r_drop else 1)
    smoothed, cross_entropy = ProjectedLoss.apply(hidden, weight, tokens, smoothing, r_drop)
    expected, plain = by_torch(hidden, weight, tokens, smoothing, r_drop)
    torch.testing.assert_close(smoothed, expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(cross_entropy, plain, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(
        torch.autograd.grad(smoothed, [hidden, weight]),
        torch.autograd.grad(expected, [hidden, weight]),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize("r_drop", [0.0, 3.0])
def test_bfloat16_is_off_by_its_precision(r_drop: float) -> None:
    """8 bits of mantissa: a relative error of 2^-8 for each operation on the way."""
    hidden, weight, tokens = inputs(2 if r_drop else 1, torch.bfloat16, scale=0.3)
    smoothed, cross_entropy = ProjectedLoss.apply(hidden, weight, tokens, 0.1, r_drop)
    assert smoothed.dtype == cross_entropy.dtype == torch.float32
    exact = [tensor.detach().double().requires_grad_() for tensor in (hidden, weight)]
    expected, plain = by_torch(exact[0], exact[1], tokens, 0.1, r_drop)
    torch.testing.assert_close(smoothed, expected.float(), rtol=0.02, atol=0.1)
    torch.testing.assert_close(cross_entropy, plain.float(), rtol=0.02, atol=0.1)
    gradients = torch.autograd.grad(smoothed, [hidden, weight])
    assert [gradient.dtype for gradient in gradients] == [torch.bfloat16] * 2
    for gradient, reference in zip(gradients, torch.autograd.grad(expected, exact), strict=True):
        error = (gradient.double() - reference).norm() / reference.norm()
        assert error < 0.03


def test_the_gradient_is_scaled_by_that_of_the_loss() -> None:
    """Gradients are accumulated over batches and scaled for float16."""
    hidden, weight, tokens = inputs()
    once, scaled = (
        torch.autograd.grad(factor * ProjectedLoss.apply(hidden, weight, tokens, 0.1, 0.0)[0], [hidden, weight])
        for factor in (1.0, 1024.0)
    )
    torch.testing.assert_close(scaled, tuple(1024.0 * gradient for gradient in once))


def test_the_cross_entropy_carries_no_gradient() -> None:
    """It is for the log alone: a perplexity that was trained on by mistake would undo label smoothing."""
    smoothed, cross_entropy = ProjectedLoss.apply(*inputs(), 0.1, 0.0)
    assert smoothed.requires_grad
    assert not cross_entropy.requires_grad


def test_validation_computes_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, weight, tokens = inputs()
    expected, _ = ProjectedLoss.apply(hidden, weight, tokens, 0.1, 0.0)
    monkeypatch.setattr(torch, "mm", None)  # the product of the gradient
    with torch.no_grad():
        smoothed, _ = ProjectedLoss.apply(hidden.detach(), weight.detach(), tokens, 0.1, 0.0)
    assert smoothed == expected.detach()


def test_certain_and_impossible_tokens_have_finite_losses() -> None:
    """Logits of 200 and -200: exp overflows float32, and probabilities underflow to 0."""
    weight = torch.tensor([[200.0], [0.0], [-200.0]]).requires_grad_()
    hidden = torch.ones(3, 1, requires_grad=True)
    tokens = torch.tensor([0, 1, 2])
    smoothed, cross_entropy = ProjectedLoss.apply(hidden, weight, tokens, 0.0, 0.0)
    assert cross_entropy.item() == pytest.approx(0 + 200 + 400)
    gradients = torch.autograd.grad(smoothed, [hidden, weight])
    assert all(gradient.isfinite().all() for gradient in gradients)
    # d loss / d hidden = sum over v of (p_v - [v is gold]) w_v with p = (1, 0, 0)
    assert gradients[0].flatten().tolist() == pytest.approx([0.0, 200.0, 400.0])
