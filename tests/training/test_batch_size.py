"""The largest batch that fits: reckoned from one small batch, checked against what the process really takes."""

import json
import subprocess
import sys

import pytest
import torch
from conftest import environment

from nmt.config.model import ModelConfig
from nmt.runtime import available_memory
from nmt.training import batch_size
from nmt.training.batch_size import fitting_batch_tokens

CPU = torch.device("cpu")
SHAPE = dict(source_vocabulary=1000, target_vocabulary=1000, shared_vocabulary=True, feed_forward=512, dim=128)


def test_free_memory_is_some_and_less_than_the_machine_has() -> None:
    assert 1 << 26 < available_memory(CPU) < 1 << 45


def test_twice_the_model_fits_half_the_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of a token is about proportional to the layers; of the memory nothing else is taken here."""
    monkeypatch.setattr(batch_size, "available_memory", lambda device: 1 << 34)
    few, many = (
        fitting_batch_tokens(ModelConfig(**SHAPE, encoder_layers=n, decoder_layers=n), CPU, torch.float32)
        for n in (4, 8)
    )
    assert 1.8 < few / many < 2.2


def test_r_drop_which_computes_each_batch_twice_fits_half_the_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_size, "available_memory", lambda device: 1 << 34)
    once, twice = (fitting_batch_tokens(ModelConfig(**SHAPE), CPU, torch.float32, r_drop) for r_drop in (0.0, 3.0))
    assert 1.8 < once / twice < 2.2


def test_a_model_that_does_not_fit_at_all_has_room_for_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_size, "available_memory", lambda device: 1 << 20)
    assert fitting_batch_tokens(ModelConfig(**SHAPE), CPU, torch.float32) == 0


def test_a_step_on_the_largest_batch_that_fits_takes_less_than_the_free_memory() -> None:
    """In a process of its own: what it takes at most is then what the step took."""
    program = """
import json, numpy as np, torch
from nmt.config.model import ModelConfig
from nmt.config.training import TrainingConfig
from nmt.data.batches import Collator
from nmt.model.transformer import Transformer
from nmt.training import batch_size
from nmt.runtime import peak_memory
from nmt.training.optimizer import MasterWeights
free, cpu = 600 << 20, torch.device("cpu")
batch_size.available_memory = lambda device: free
config = ModelConfig(source_vocabulary=1000, target_vocabulary=1000, shared_vocabulary=True, feed_forward=512, dim=128)
fitting = batch_size.fitting_batch_tokens(config, cpu, torch.float32)
before = peak_memory(cpu)
model = Transformer(config)
master = MasterWeights(model, TrainingConfig(), torch.float32)
rows = np.random.default_rng(0).integers(4, 1000, (fitting // 64, 64))
batch = Collator(1000, 1000)(rows, rows)
model.loss(batch, 0.1).smoothed.backward()
master.gradient.collect()
master.step(1e-3, torch.tensor(float(batch.tokens[1])), 1.0)
print(json.dumps([fitting, peak_memory(cpu) - before, free / 2**20]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment(), check=True, timeout=120
    )
    fitting, taken, free = json.loads(done.stdout)
    assert fitting > 1000
    assert 0.2 * free < taken < free
