"""The operations of a training step, counted by torch itself; the other figures are only checked for sense."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from nmt.config.model import ModelConfig
from nmt.model.transformer import Transformer
from nmt.runtime import peak_memory
from nmt.training.throughput import measure_peak_flops, training_flops


def test_operations_are_those_that_torch_counts() -> None:
    """In the forward pass of layers and projection; torch counts attention's products too, small at this length."""
    config = ModelConfig(
        source_vocabulary=500, target_vocabulary=700, shared_vocabulary=False, dim=64, feed_forward=128, heads=4
    )
    model, (batch, source, target) = Transformer(config), (8, 5, 3)
    tokens = torch.randint(4, 500, (batch, source)), torch.randint(4, 500, (batch, target))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.log_probs(model(tokens[0], torch.ones(batch, source, dtype=torch.bool), tokens[1]))
    counted = 3 * counter.get_total_flops()
    assert training_flops(config, batch * source, batch * target) == pytest.approx(counted, rel=0.03)


def test_rate_and_memory_are_numbers_of_this_machine() -> None:
    cpu = torch.device("cpu")
    assert 1e7 < measure_peak_flops(cpu, torch.float32, 64) < 1e14
    assert 50 < peak_memory(cpu) < 1e6
