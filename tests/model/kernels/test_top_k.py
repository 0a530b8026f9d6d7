"""The largest entries of a row: the same as by torch.topk."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.model.kernels.top_k import top_k


@given(st.integers(1, 5), st.sampled_from([3, 64, 639, 640, 2560, 2600, 8000]), st.integers(1, 12), st.integers(0, 99))
def test_it_gives_what_topk_gives(rows: int, n: int, count: int, seed: int) -> None:
    scores = torch.randn(rows, n, generator=torch.Generator().manual_seed(seed))
    count = min(count, n)
    values, index = top_k(scores, count)
    expected = scores.topk(count, dim=1)
    assert torch.equal(values, expected.values)
    assert torch.equal(index, expected.indices)


@pytest.mark.parametrize("n", [8000, 5000])
def test_minus_infinity_is_a_score_like_others(n: int) -> None:
    scores = torch.full((2, n), -torch.inf)
    scores[0, n - 1], scores[1, 5] = 1.0, 2.0
    values, index = top_k(scores, 10)
    assert values[:, 0].tolist() == [1.0, 2.0]
    assert index[:, 0].tolist() == [n - 1, 5]
    assert index.amax() < n
    assert all(len(set(row)) == 10 for row in index.tolist())
