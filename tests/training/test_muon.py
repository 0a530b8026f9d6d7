"""Muon beside torch's own, and its orthogonal matrices beside those of the singular value decomposition."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nmt.config.model import ModelConfig
from nmt.config.training import TrainingConfig
from nmt.model.transformer import Transformer
from nmt.training.muon import LENGTH, Muon, orthogonalize
from nmt.training.optimizer import MasterWeights


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 40), columns=st.integers(1, 40), seed=st.integers(0, 99))
def test_a_step_has_the_singular_vectors_of_its_matrix_and_singular_values_near_one(
    rows: int, columns: int, seed: int
) -> None:
    torch.manual_seed(seed)
    matrices = torch.randn(3, rows, columns)
    u, values, v = torch.linalg.svd(matrices, full_matrices=False)
    norms = torch.linalg.matrix_norm(matrices)
    clear = values / norms[:, None] > 0.005  # smaller ones have not grown to 1 after five rounds
    found = (u.transpose(1, 2) @ orthogonalize(matrices) @ v.transpose(1, 2)).diagonal(dim1=1, dim2=2)
    assert ((found > 0.65) & (found < 1.25))[clear].all()
    assert torch.allclose(orthogonalize(100 * matrices), orthogonalize(matrices), atol=1e-4)  # however long it was


def test_a_matrix_of_zeros_stays_one() -> None:
    """That is the gradient of a part that is frozen."""
    assert torch.equal(orthogonalize(torch.zeros(2, 3, 4)), torch.zeros(2, 3, 4))


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch has Muon from 2.9 on")
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_steps_are_those_of_torch(decay: float) -> None:
    torch.manual_seed(1)
    shapes = [torch.Size(shape) for shape in ((8, 8), (16, 8), (8, 8), (8, 24))]
    start = torch.randn(sum(shape.numel() for shape in shapes))
    weights, gradient = start.clone(), torch.zeros_like(start)
    ours = Muon(weights, gradient, shapes, decay, torch.bfloat16)  # torch computes the products in bfloat16
    sizes = [shape.numel() for shape in shapes]
    theirs = [nn.Parameter(part.view(shape).clone()) for part, shape in zip(start.split(sizes), shapes, strict=True)]
    muon = torch.optim.Muon(theirs, weight_decay=2 * decay, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    for rate in (0.2, 0.4, 0.1):
        gradient.copy_(torch.randn_like(gradient))
        for parameter, part in zip(theirs, gradient.split(sizes), strict=True):
            parameter.grad = part.view(parameter.shape).clone()
        muon.param_groups[0]["lr"] = rate / 2  # see LENGTH
        muon.step()
        ours.step(rate, torch.tensor(1.0), torch.tensor(1.0))
    expected = torch.cat([parameter.detach().flatten() for parameter in theirs])
    moved = (expected - start).norm()
    assert moved > 1
    assert (weights - expected).norm() < 0.02 * moved  # of bfloat16


def test_a_step_is_half_as_long_as_one_of_adam() -> None:
    torch.manual_seed(1)
    shape = torch.Size([64, 32])
    weights, gradient = torch.zeros(shape.numel()), torch.randn(shape.numel())
    Muon(weights, gradient, [shape], 0.0, torch.float32).step(1.0, torch.tensor(1.0), torch.tensor(1.0))
    assert weights.square().mean().sqrt() == pytest.approx(LENGTH, rel=0.2)


@pytest.mark.parametrize("shared", [True, False])
def test_it_is_for_the_matrices_of_the_layers_and_each_head_has_its_own(shared: bool) -> None:
    shape = dict(dim=8, feed_forward=16, heads=2, encoder_layers=1, decoder_layers=1, max_length=32)
    config = ModelConfig(source_vocabulary=20, target_vocabulary=20, shared_vocabulary=shared, tied=shared, **shape)
    model = Transformer(config)
    master = MasterWeights(model, TrainingConfig(optimizer="muon"), torch.float32)
    hidden = {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.dim() == 2 and "embedding" not in name and "projection" not in name
    }
    assert master.muon is not None
    assert len(master.muon.momentum) == sum(parameter.numel() for parameter in hidden.values())
    stacks = {tuple(size): len(stack.weights) for size, stack in master.muon.stacks.items()}
    assert stacks == {(4, 8): 3 * 3 * 2, (8, 8): 3, (16, 8): 2, (8, 16): 2}  # three times attention, two feed-forward
    before = master.master.clone()
    master.muon.gradient.copy_(torch.randn_like(master.muon.gradient))
    master.muon.step(1.0, torch.tensor(1.0), torch.tensor(1.0))
    now = master.named(master.master)
    for name, old in master.named(before).items():
        assert torch.equal(old, now[name]) == (name not in hidden), name
