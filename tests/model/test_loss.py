"""The projected loss against torch's own cross-entropy with label smoothing."""

import pytest
import torch
import torch.nn.functional as F

from nmt.model import loss as loss_module
from nmt.model.loss import label_smoothed_loss
from nmt.text.tokenizer import PAD


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("piece", [1 << 22, 64])
def test_loss_and_gradients_equal_torch(smoothing: float, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one piece and in many."""
    monkeypatch.setattr(loss_module, "PIECE", piece)
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


def test_a_batch_of_padding_alone_has_no_loss() -> None:
    hidden = torch.randn(2, 3, 8, requires_grad=True)
    loss = label_smoothed_loss(hidden, torch.randn(10, 8), torch.full((2, 3), PAD), 0.1)
    assert loss.smoothed.item() == 0
