"""Dropout by random bytes."""

import pytest
import torch

from nmt.model.kernels.dropout import Dropout


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_drops_with_its_probability_and_keeps_the_mean(probability: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.ones(1001, 999, dtype=dtype, requires_grad=True)
    y = Dropout(probability)(x)
    assert (y == 0).float().mean().item() == pytest.approx(probability, abs=0.005)
    assert y.float().mean().item() == pytest.approx(1, abs=0.01)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_the_same_seed_drops_the_same_elements() -> None:
    masks = []
    for _ in range(2):
        torch.manual_seed(7)
        masks.append(Dropout(0.3)(torch.ones(100, 10)))
    assert torch.equal(*masks)


def test_neighbouring_elements_are_independent() -> None:
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(1 << 20)) > 0).float() - 0.5
    for distance in (1, 2, 7, 8, 9, 64):
        assert abs((kept[distance:] * kept[:-distance]).mean().item()) < 0.002


def test_nothing_is_dropped_outside_training() -> None:
    x = torch.randn(5, 5)
    assert Dropout(0.5).eval()(x) is x
