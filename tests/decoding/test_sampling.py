"""Sampling: a token drawn for a uniform number, and the tokens among which it is drawn."""

import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.config.search import SearchConfig
from nmt.decoding.engine import Request
from nmt.decoding.sampling import draw, uniform_numbers

CPU = torch.device("cpu")


def draw_by_hand(logits: list[float], number: float, config: SearchConfig) -> int:
    """The token at which the cumulative probability of the allowed tokens, in order of the draw, passes the number."""
    weights = {token: math.exp(logit / config.temperature) for token, logit in enumerate(logits)}
    order = list(range(len(logits)))
    if config.top_k or config.top_p < 1:
        order = sorted(order, key=lambda token: -logits[token])[: config.top_k or len(logits)]
        total, nucleus = sum(weights[token] for token in order), list[int]()
        while order and sum(weights[token] for token in nucleus) < config.top_p * total:
            nucleus.append(order.pop(0))
        order = nucleus
    threshold = number * sum(weights[token] for token in order)
    for token in order:
        threshold -= weights[token]
        if threshold < 0:
            return token
    return order[-1]


logits = st.lists(st.integers(-40, 40), min_size=1, max_size=8, unique=True).map(
    lambda drawn: [logit / 10 + 0.001 * math.sin(logit) for logit in drawn]
)


@given(
    logits=logits,
    number=st.integers(0, 996).map(lambda thousandth: (thousandth + 0.5) / 997),
    temperature=st.sampled_from([0.3, 1.0, 1.7]),
    top_k=st.integers(0, 9),
    top_p=st.sampled_from([1.0, 0.93, 0.61, 0.07]),
)
def test_a_token_is_drawn_as_by_hand(
    logits: list[float], number: float, temperature: float, top_k: int, top_p: float
) -> None:
    config = SearchConfig(sample=True, temperature=temperature, top_k=top_k, top_p=top_p)
    scores = torch.tensor(logits, dtype=torch.float64).log_softmax(0)
    token = draw(scores.expand(2, 3, len(logits)), torch.full((2, 3), number, dtype=torch.float64), config)
    assert token.tolist() == [[draw_by_hand(logits, number, config)] * 3] * 2


def test_uniform_numbers_depend_on_seed_sample_and_position_alone() -> None:
    requests = [Request(max_length=4, seed=7), Request(max_length=9, seed=8), Request(max_length=2, seed=7)]
    numbers = uniform_numbers(requests, SearchConfig(sample=True, n_best=3), CPU)
    assert numbers.shape == (3, 3, 9)
    assert torch.equal(numbers[0], numbers[2])
    assert not torch.equal(numbers[0], numbers[1])
    fewer = uniform_numbers(requests[:1], SearchConfig(sample=True, n_best=2), CPU)
    assert torch.equal(fewer[0], numbers[0, :2, :4])
    assert len(np.unique(numbers[:2].numpy())) == 2 * 3 * 9
    assert 0 <= float(numbers.min()) <= float(numbers.max()) < 1
