"""Training on a GPU: to its end and on again, with all that changes what a step does, and without waiting for it."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import SMALL_MODEL, Corpus, Program, sets_of

from nmt.config.corpus import PrepareConfig, TokenizerConfig
from nmt.config.model import ModelConfig
from nmt.config.training import TrainingConfig
from nmt.data.batches import Batch, Position
from nmt.data.dataset import TrainingData
from nmt.data.prepare import prepare
from nmt.files.run_directory import RunDirectory, list_checkpoints
from nmt.model.loss import LossSum
from nmt.model.model_directory import load_tensors
from nmt.text.tokenizer import Tokenizers, train_tokenizers
from nmt.training.checkpoint import load_newest
from nmt.training.graphs import Graphs
from nmt.training.monitor import means
from nmt.training.optimizer import LossScale
from nmt.training.step import FEWER_PARTS, StepResult
from nmt.training.trainer import Trainer

SMALL = {
    **SMALL_MODEL,
    "dropout": 0,
    "preset": "tiny",
    "optimizer": "adam",
    "batch-tokens": 300,
    "warmup": 4,
    "steps": 6,
    "save-every": 2,
    "validate-every": 6,
    "max-length": 20,
    "log-every": 1,
    "precision": "float32",
}


def train(command: Program, run: Path, **changes: Any) -> str:
    options = {**SMALL, **{name.replace("_", "-"): value for name, value in changes.items()}}
    flags = [part for name, value in options.items() for part in (f"--{name}", value)]
    done = command("train", "--run", run, *flags)
    assert done.returncode == 0, done.stderr
    return done.stderr


def losses(run: Path) -> list[float]:
    lines = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return [line["loss"] for line in lines if line["kind"] in ("train", "valid", "mean")]


@pytest.fixture
def twin(run_copy: Path) -> Path:
    """The same run once more, to be trained on the CPU."""
    return Path(shutil.copytree(run_copy, run_copy.with_name("twin")))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "muon"},
        {"ema": 0.9, "average": 1},
        {"r_drop": 3.0},
        {"subword_sampling": 0.2, "token_masking": 0.1},
        {"accumulate": 3, "batch_tokens": 100},
        {"freeze": "encoder"},
        {"norm": "pre", "average_of": "best", "validate_every": 3},
        {"valid_beam": 3, "metric": "loss"},
    ],
    ids=lambda changes: "+".join(changes) or "default",
)
def test_a_training_gives_the_losses_of_the_cpu_and_the_mean_of_its_checkpoints(
    command: Program, run_copy: Path, twin: Path, gpu: torch.device, changes: dict[str, Any]
) -> None:
    """Every one of them died at its end: it added checkpoints on the host to weights on the device."""
    told = train(command, run_copy, device=gpu, **changes)
    train(command, twin, device="cpu", **changes)
    assert losses(run_copy) == pytest.approx(losses(twin), rel=1e-3)
    if changes.get("average") != 1:
        assert "averaging the weights of" in told
    assert command("translate", "--run", run_copy, "--device", "cpu", stdin=b"ich\n").returncode == 0


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_training_in_half_precision_learns(
    command: Program, run_copy: Path, gpu: torch.device, precision: str
) -> None:
    train(
        command, run_copy, device=gpu, precision=precision, steps=12, learning_rate=2e-2, validate_every=12, average=1
    )
    found = losses(run_copy)
    assert found[-1] < 0.9 * found[0]


def test_batch_tokens_auto_fills_the_memory_but_not_beyond_what_helps(
    command: Program, run_copy: Path, gpu: torch.device
) -> None:
    told = train(command, run_copy, device=gpu, batch_tokens="auto", steps=2)
    assert "--batch-tokens auto: 1,024 (room for" in told


def test_a_stopped_training_goes_on_as_if_it_had_not_been_stopped(
    command: Program, run_copy: Path, twin: Path, gpu: torch.device
) -> None:
    """With dropout, the moving average and Muon's momentum."""
    changes = {"dropout": 0.1, "ema": 0.9, "optimizer": "muon", "device": gpu}
    train(command, twin, **changes)
    train(command, run_copy, **changes, steps=4)
    train(command, run_copy, **changes)
    assert losses(run_copy)[-1] == pytest.approx(losses(twin)[-1], rel=1e-4)
    found, expected = (load_newest(one / "checkpoints") for one in (run_copy, twin))
    assert found is not None and expected is not None
    for name, weight in expected.weights.items():
        torch.testing.assert_close(found.weights[name], weight, rtol=1e-3, atol=1e-5)


def test_a_checkpoint_goes_from_the_cpu_to_the_gpu_and_back(
    command: Program, run_copy: Path, twin: Path, gpu: torch.device
) -> None:
    for device, steps in (("cpu", 2), (gpu, 4), ("cpu", 6)):
        train(command, run_copy, device=device, steps=steps, average=1)
    train(command, twin, device="cpu", average=1)
    expected, found = ({line["step"]: line for line in log(one)} for one in (twin, run_copy))
    assert [found[step]["loss"] for step in range(1, 7)] == pytest.approx(
        [expected[step]["loss"] for step in range(1, 7)], rel=1e-3
    )


def log(run: Path) -> list[dict[str, Any]]:
    lines = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line["kind"] == "train"]


def test_a_training_begins_with_a_model_of_the_same_or_another_vocabulary(
    command: Program, run_copy: Path, corpus: Corpus, tmp_path: Path, gpu: torch.device
) -> None:
    other = train_tokenizers(corpus.train, TokenizerConfig(vocab_size=300))
    directory = tmp_path / "other"
    other.save(directory)
    prepare(sets_of([corpus.train], corpus.valid), other, directory / "data", PrepareConfig())
    shape = {"steps": 3, "validate-every": 3, "average": 1, "max-length": 30, "device": gpu}
    train(command, run_copy, **shape)
    again = shutil.copytree(run_copy / "data", tmp_path / "again" / "data").parent
    Tokenizers.load(run_copy).save(again)
    begun = {}
    for run in (directory, again):
        train(command, run, **shape, init_from=run_copy / "model")
        begun[run.name] = losses(run)[0]
    assert begun["again"] < losses(run_copy)[0]


def test_the_checkpoints_of_a_gpu_are_averaged_by_the_command(
    command: Program, run_copy: Path, gpu: torch.device, tmp_path: Path
) -> None:
    train(command, run_copy, device=gpu, keep=3)
    done = command("average", "--run", run_copy, "--last", 2, "--output", tmp_path / "mean")
    assert done.returncode == 0, done.stderr
    last = [load_tensors(path / "model.safetensors") for path in list_checkpoints(run_copy / "checkpoints")[-2:]]
    for name, mean in load_tensors(tmp_path / "mean" / "model.safetensors").items():
        torch.testing.assert_close(mean, (last[0][name] + last[1][name]) / 2)


# ---------------------------------------------------------------------------------------------------- inside a step


def make_trainer(run: Path, device: torch.device, dtype: torch.dtype = torch.float32, **changes: Any) -> Trainer:
    tokenizers = Tokenizers.load(run)
    size = len(tokenizers.source)
    shape = dict(dim=16, feed_forward=16, heads=2, encoder_layers=1, decoder_layers=1, max_length=45, dropout=0.1)
    model = ModelConfig(source_vocabulary=size, target_vocabulary=size, shared_vocabulary=True, **shape)
    training = TrainingConfig(**{"batch_tokens": 300, "warmup": 4, **changes})
    return Trainer(
        RunDirectory(run), model, training, TrainingData.open(run / "data", 45), tokenizers, device, dtype, {}
    )


STEPS: list[dict[str, Any]] = [
    {"optimizer": "adam"},
    {"optimizer": "muon", "weight_decay": 0.1},
    {"ema": 0.9, "accumulate": 2},
    {"r_drop": 3.0, "clip_norm": 0.0},
    {"subword_sampling": 0.2, "token_masking": 0.1},
]


@pytest.mark.parametrize("changes", STEPS, ids=lambda changes: "+".join(changes))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_host_never_waits_for_the_device_in_a_step(
    run_copy: Path, gpu: torch.device, waits: Any, changes: dict[str, Any], dtype: torch.dtype
) -> None:
    """A GPU works while the next step is prepared; one look at a number on it, and it stands idle."""
    made = make_trainer(run_copy, gpu, dtype, cuda_graphs=False, **changes)
    made.model.train()
    shares = made.runner.batches(Position(0, 0))
    made.runner.run(shares, made.state)  # the first one fills caches
    made.state.parts = 2
    with waits() as found:
        for _ in range(3):
            made.runner.run(shares, made.state)
    assert not found


class CopyOfGraphs(Graphs):
    """Does as CUDA graphs do with its arguments and results, but runs the function each time."""

    def _record(self, arguments: Sequence[Any]) -> Any:
        inputs = [x.clone() if isinstance(x, torch.Tensor) else x for x in arguments]

        def replay(arguments: Sequence[Any]) -> torch.Tensor:
            for mine, given in zip(inputs, arguments, strict=True):
                if isinstance(mine, torch.Tensor):
                    mine.copy_(given)
            return self.function(*inputs)

        return SimpleNamespace(replay=replay)


@pytest.mark.parametrize("changes", STEPS, ids=lambda changes: "+".join(changes))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_recorded_steps_are_those_of_single_kernels(
    run_copy: Path, gpu: torch.device, waits: Any, changes: dict[str, Any], dtype: torch.dtype, monkeypatch: Any
) -> None:
    if gpu.type != "cuda":
        monkeypatch.setattr("nmt.training.step.can_record", lambda device: True)
        monkeypatch.setattr("nmt.training.step.Graphs", CopyOfGraphs)
    totals: list[list[torch.Tensor]] = []
    for recorded in (False, True):
        made = make_trainer(run_copy, gpu, dtype, cuda_graphs=recorded, **changes)
        made.model.train()
        shares = made.runner.batches(Position(0, 0))
        totals.append([])
        for step in range(40):
            with waits() as found:
                totals[-1].append(made.runner.run(shares, made.state).totals)
            made.state.step += 1
            if step == 20:  # what a longer sentence of the validation set does
                made.model.extend_positions(500)
        if recorded:
            assert made.runner.graphs is not None
            assert all(graphs.recordings and not graphs.complete for graphs in made.runner.graphs)
            assert not found
    plain, recorded_ones = (torch.stack(each).cpu() for each in totals)
    torch.testing.assert_close(recorded_ones, plain, rtol=0.02 if dtype == torch.float16 else 2e-3, atol=0)
    assert recorded_ones[-5:, 1].sum() / recorded_ones[-5:, 3].sum() < plain[:5, 1].sum() / plain[:5, 3].sum()


def test_no_shape_is_recorded_any_more_where_memory_does_not_suffice_or_there_are_many(monkeypatch: Any) -> None:
    attempts = []

    class Refused(Graphs):
        def _record(self, arguments: Sequence[Any]) -> None:
            attempts.append(len(arguments[0]))

    monkeypatch.setattr(CopyOfGraphs, "MOST", 1)
    for kind in (Refused, CopyOfGraphs):
        graphs = kind(lambda x, scale, add: x * scale + add, torch.device("cpu"), lambda: None)
        for size in (1, 1, 2, 2, 1, 2, 3):
            assert graphs(torch.ones(size), 2.0, True).tolist() == [3.0] * size
            assert graphs(torch.ones(size), 3.0, False).tolist() == [3.0] * size
        assert len(graphs.recordings) == (kind is CopyOfGraphs)
    assert attempts == [1]


def test_gradients_that_a_failure_left_behind_do_not_count(run_copy: Path, gpu: torch.device) -> None:
    norms = []
    for left in (False, True):
        made = make_trainer(run_copy, gpu, cuda_graphs=False)
        made.model.train()
        for parameter in made.model.parameters() if left else ():
            parameter.grad = torch.full_like(parameter, 9.0)
        norms.append(float(made.runner.run(made.runner.batches(Position(0, 0)), made.state).norm))
    assert norms[1] == pytest.approx(norms[0], rel=1e-3)


def test_a_line_of_the_log_takes_one_transfer(gpu: torch.device, waits: Any) -> None:
    steps = [StepResult(torch.ones(4).to(gpu), torch.ones(()).to(gpu)) for _ in range(3)]
    with waits() as found:
        assert means(steps).target_tokens == 3
    assert len(found) == 1


def test_memory_that_runs_out_divides_batches_for_some_time(run_copy: Path, gpu: torch.device) -> None:
    """CUDA says it in several ways, and that it happened once does not mean that it always will."""
    made = make_trainer(run_copy, gpu)
    made.model.train()
    loss, shares = made.model.loss, made.runner.batches(Position(0, 0))
    words = iter(["CUDA error: out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"])

    def limited(batch: Batch, *rest: Any) -> LossSum:
        found = loss(batch, *rest)
        if problem := next(words, ""):
            raise RuntimeError(problem)
        return found

    made.model.loss = limited  # type: ignore[method-assign]
    for _ in range(2):
        made.runner.run(shares, made.state)
        made.state.step += 1
    assert made.state.parts == 4
    made.state.step = FEWER_PARTS
    made.runner.run(shares, made.state)
    assert made.state.parts == 2


def test_the_scale_of_the_loss_is_halved_by_overflow_and_doubled_after_many_good_steps(gpu: torch.device) -> None:
    """By hand, as Micikevicius et al. 2018 describe it."""
    scale, good, bad = LossScale(gpu), torch.ones(()).to(gpu), torch.zeros(()).to(gpu)
    for _ in range(scale.GROW_AFTER - 1):
        scale.update(good)
    assert scale.state.tolist() == [1.0, scale.GROW_AFTER - 1]
    scale.update(good)
    assert scale.state.tolist() == [2.0, 0.0]
    scale.update(good)
    scale.update(bad)
    assert scale.state.tolist() == [1.0, 0.0]


def test_a_step_that_overflows_in_float16_changes_only_the_scale_which_a_checkpoint_keeps(
    run_copy: Path, gpu: torch.device
) -> None:
    made = make_trainer(run_copy, gpu, torch.float16)
    made.model.train()
    shares = made.runner.batches(Position(0, 0))
    assert made.master.loss_scale is not None
    made.master.loss_scale.state[0] = 2.0**15
    before = made.master.master.cpu()
    assert not bool(made.runner.run(shares, made.state).norm.isfinite())
    assert torch.equal(made.master.master.cpu(), before)
    made.state.step = 1
    made.save()
    again = make_trainer(run_copy, gpu, torch.float16)
    checkpoint = load_newest(run_copy / "checkpoints")
    assert checkpoint is not None
    again.restore(checkpoint)
    assert again.master.loss_scale is not None
    assert again.master.loss_scale.state.tolist() == [2.0**14, 0.0]
