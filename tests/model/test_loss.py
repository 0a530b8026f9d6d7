"""The projected loss against torch's own cross-entropy with label smoothing."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nmt.config.model import ModelConfig
from nmt.data.batches import Collator
from nmt.model.kernels import projected_loss
from nmt.model.loss import label_smoothed_loss
from nmt.model.transformer import Transformer
from nmt.text.tokenizer import PAD


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("piece", [1 << 22, 64])
def test_loss_and_gradients_equal_torch(smoothing: float, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one piece and in many."""
    monkeypatch.setattr(projected_loss, "PIECE", piece)
    torch.manual_seed(0)
    hidden = torch.randn(3, 7, 16, dtype=torch.float32, requires_grad=True)
    weight = torch.randn(30, 16, requires_grad=True)
    target = torch.randint(1, 30, (3, 7))
    target[1, 4:] = PAD
    ours = label_smoothed_loss(hidden, weight, target, smoothing)
    gradients = torch.autograd.grad(2.5 * ours.smoothed, [hidden, weight])
    logits = (hidden @ weight.T).flatten(0, 1)
    expected = F.cross_entropy(logits, target.flatten(), ignore_index=PAD, label_smoothing=smoothing, reduction="sum")
    torch.testing.assert_close(ours.smoothed, expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(gradients, torch.autograd.grad(2.5 * expected, [hidden, weight]), rtol=1e-4, atol=1e-4)
    plain = F.cross_entropy(logits, target.flatten(), ignore_index=PAD, reduction="sum")
    torch.testing.assert_close(ours.cross_entropy, plain, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("piece", [1 << 22, 64])
def test_r_drop_equals_the_papers_equations_by_torch(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of equation 4 of Wu et al. 2021, its divergences by torch's kl_div and gradients by torch's autograd."""
    monkeypatch.setattr(projected_loss, "PIECE", piece)
    torch.manual_seed(0)
    hidden = torch.randn(6, 7, 16, requires_grad=True)
    weight = (torch.randn(30, 16) / 4).requires_grad_()
    target = torch.randint(1, 30, (3, 7))
    target[1, 4:] = PAD
    alpha, smoothing = 5.0, 0.1
    ours = label_smoothed_loss(hidden, weight, torch.cat([target, target]), smoothing, alpha)
    gradients = torch.autograd.grad(ours.smoothed, [hidden, weight])
    first, second = (half.flatten(0, 1)[target.flatten() != PAD] @ weight.T for half in hidden.chunk(2))
    gold = target.flatten()[target.flatten() != PAD]
    nll = sum(F.cross_entropy(logits, gold, label_smoothing=smoothing, reduction="sum") for logits in (first, second))
    p, q = first.log_softmax(-1), second.log_softmax(-1)
    divergences = F.kl_div(q, p, reduction="sum", log_target=True) + F.kl_div(p, q, reduction="sum", log_target=True)
    expected = (nll + alpha * divergences / 2) / 2
    torch.testing.assert_close(ours.smoothed, expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(gradients, torch.autograd.grad(expected, [hidden, weight]), rtol=1e-4, atol=1e-4)


def test_r_drop_without_dropout_is_the_loss_of_a_single_pass() -> None:
    config = ModelConfig(
        source_vocabulary=20, target_vocabulary=20, shared_vocabulary=True, dim=16, feed_forward=16, dropout=0.0
    )
    model = Transformer(config)
    rows = np.random.default_rng(0).integers(4, 20, (3, 6))
    batch = Collator(20, 20)(rows[:, :5], [rows[0], rows[1, :2], rows[2]])
    with torch.no_grad():
        once, twice = model.loss(batch, 0.1), model.loss(batch, 0.1, 5.0)
    torch.testing.assert_close(twice, once, rtol=1e-5, atol=1e-5)


def test_a_batch_of_padding_alone_has_no_loss() -> None:
    hidden = torch.randn(2, 3, 8, requires_grad=True)
    loss = label_smoothed_loss(hidden, torch.randn(10, 8), torch.full((2, 3), PAD), 0.1)
    assert loss.smoothed.item() == 0
