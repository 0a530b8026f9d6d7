"""The learning rate against the paper's formula, computed by hand."""

import pytest

from nmt.config.training import TrainingConfig
from nmt.training.schedule import learning_rate


def test_inverse_square_root_is_equation_3_of_the_paper() -> None:
    d_model, warmup = 512, 4000
    config = TrainingConfig(learning_rate=(d_model * warmup) ** -0.5, warmup=warmup)
    for step in (1, 100, 3999, 4000, 4001, 100_000):
        expected = d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)
        assert learning_rate(step, config) == pytest.approx(expected, rel=1e-12)


def test_linear_rises_holds_and_falls_to_zero_behind_the_last_step() -> None:
    config = TrainingConfig(schedule="linear", learning_rate=1.0, warmup=10, steps=100, decay_start=0.5)
    assert learning_rate(5, config) == pytest.approx(0.5)
    assert [learning_rate(step, config) for step in (10, 30, 50)] == [1.0, 1.0, 1.0]
    assert learning_rate(76, config) == pytest.approx(0.5)
    assert learning_rate(100, config) == pytest.approx(1 / 50)
    assert learning_rate(101, config) == 0.0


def test_linear_falls_to_zero_when_time_is_up_where_that_is_before_the_last_step() -> None:
    config = TrainingConfig(schedule="linear", learning_rate=1.0, warmup=10, steps=1000, decay_start=0.2, minutes=10)
    assert [learning_rate(100, config, seconds) for seconds in (0, 60, 120)] == [1.0, 1.0, 1.0]
    assert learning_rate(100, config, 360) == pytest.approx(0.5)
    assert learning_rate(100, config, 600) == 0.0
    assert learning_rate(100, config, 601) == 0.0
    assert learning_rate(5, config, 540) == pytest.approx(0.125)  # still warming up, but the end is near
    assert learning_rate(601, config, 60) == pytest.approx(0.5)  # the steps end first


def test_constant_stays() -> None:
    config = TrainingConfig(schedule="constant", learning_rate=0.3, warmup=10)
    assert [learning_rate(step, config) for step in (10, 10_000)] == [0.3, 0.3]
