"""Training learns, and a run that is stopped and started again is the same run."""

import json
import logging
import math
import random
import shutil
import signal
from collections.abc import Collection, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import sets_of

from nmt.config.corpus import PrepareConfig, TokenizerConfig
from nmt.config.model import ModelConfig
from nmt.config.training import TrainingConfig
from nmt.data.batches import Batch, Position
from nmt.data.dataset import TrainingData
from nmt.data.prepare import prepare
from nmt.decoding.translator import Translator
from nmt.errors import NmtError, StoppedBySignal, stopping_signals
from nmt.files.run_directory import RunDirectory, list_checkpoints
from nmt.model.loss import LossSum
from nmt.model.model_directory import load_tensors
from nmt.model.transformer import Transformer
from nmt.text.tokenizer import Tokenizers, train_tokenizers
from nmt.training.checkpoint import TrainingState, load_newest
from nmt.training.monitor import MOST_SKIPPED
from nmt.training.progress import Reporter
from nmt.training.step import StepResult
from nmt.training.trainer import Trainer
from nmt.training.validation import Validation

CPU = torch.device("cpu")


def write_task(folder: Path, pairs: int, task: str, seed: int) -> Tokenizers:
    """A data directory whose target is the source, or the source reversed: words of one letter."""
    draw = random.Random(seed)
    sources = [[draw.choice("abcdefgh") for _ in range(draw.randint(3, 8))] for _ in range(pairs)]
    targets = [words[::-1] if task == "reverse" else words for words in sources]
    folder.mkdir(exist_ok=True)
    for name, part in (("train", slice(20, None)), ("valid", slice(0, 20))):
        for side, lines in (("source", sources), ("target", targets)):
            (folder / f"{name}.{side}").write_text("".join(" ".join(x) + "\n" for x in lines[part]), encoding="utf-8")
    tokenizers = train_tokenizers([folder / "train.source"], TokenizerConfig(vocab_size=20, byte_fallback=False))
    tokenizers.save(folder)
    sets = sets_of(
        [(folder / "train.source", folder / "train.target")], (folder / "valid.source", folder / "valid.target")
    )
    prepare(sets, tokenizers, folder / "data", PrepareConfig(clean=False))
    return tokenizers


def trainer(folder: Path, training: TrainingConfig, **changes: object) -> Trainer:
    """A trainer that goes on from the run's newest checkpoint, as the command does."""
    tokenizers = Tokenizers.load(folder)
    size = len(tokenizers.source)
    shape = dict(dim=32, feed_forward=64, heads=4, encoder_layers=2, decoder_layers=2, max_length=32, dropout=0.1)
    config = ModelConfig(source_vocabulary=size, target_vocabulary=size, shared_vocabulary=True, **{**shape, **changes})
    made = Trainer(
        RunDirectory(folder),
        config,
        training,
        TrainingData.open(folder / "data", config.max_length),
        tokenizers,
        CPU,
        torch.float32,
        {},
    )
    if checkpoint := load_newest(folder / "checkpoints"):
        made.restore(checkpoint)
    return made


def exact_matches(folder: Path, lines: list[str], expected: list[str]) -> float:
    found = Translator.load(folder / "model").translate(lines, beam_size=1)
    return sum(one.text == right for one, right in zip(found, expected, strict=True)) / len(lines)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("task", ["copy", "reverse"])
def test_learns_to_copy_and_to_reverse(tmp_path: Path, task: str, seed: int) -> None:
    write_task(tmp_path, 3020, task, seed=0)
    training = TrainingConfig(
        steps=800, batch_tokens=1024, learning_rate=5e-3, warmup=100, schedule="linear", seed=seed, validate_every=800,
        save_every=800, average=1, label_smoothing=0.0,
    )  # fmt: skip
    trainer(tmp_path, training, dim=64, feed_forward=128, dropout=0.0).train(Reporter())
    draw = random.Random(99)
    words = [[draw.choice("abcdefgh") for _ in range(draw.randint(3, 8))] for _ in range(200)]
    expected = [" ".join(x[::-1] if task == "reverse" else x) for x in words]
    assert exact_matches(tmp_path, [" ".join(x) for x in words], expected) >= 0.98


def test_overfits_32_pairs(tmp_path: Path) -> None:
    write_task(tmp_path, 52, "reverse", seed=5)
    training = TrainingConfig(steps=200, batch_tokens=512, learning_rate=5e-3, warmup=40, validate_every=200, average=1)
    trainer(tmp_path, training, dim=64, feed_forward=128, dropout=0.0).train(Reporter())
    lines, expected = (
        (tmp_path / f"train.{side}").read_text(encoding="utf-8").splitlines() for side in ("source", "target")
    )
    assert exact_matches(tmp_path, lines, expected) == 1.0


RESUMABLE: dict[str, Any] = dict(
    steps=16, batch_tokens=400, warmup=4, validate_every=5, save_every=1, log_every=1, keep=20, average=20
)


OF_THE_MACHINE = {"seconds", "tokens_per_second", "mfu", "memory_mb"}


def final_state(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], str]:
    newest = list_checkpoints(folder / "checkpoints")[-1]
    log = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    kept = [line for line in log if line["kind"] != "start"]  # there is one for each time that it was started
    timeless = [{k: v for k, v in line.items() if k not in OF_THE_MACHINE} for line in kept]
    return load_tensors(newest / "model.safetensors"), load_tensors(newest / "optimizer.safetensors"), str(timeless)


@pytest.mark.parametrize(
    "settings",
    [
        {"accumulate": 1},
        {"accumulate": 3},
        {
            "accumulate": 1,
            "ema": 0.9,
            "subword_sampling": 0.3,
            "token_masking": 0.1,
            "robust": True,
            "optimizer": "muon",
        },
    ],
)
def test_a_run_that_was_stopped_at_any_step_is_bit_equal_to_one_that_was_not(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    """Mid-epoch, at the edge of an epoch (the data gives 7 batches), and right after a validation; dropout on."""
    write_task(tmp_path / "whole", 320, "reverse", seed=1)
    training = TrainingConfig(**RESUMABLE, **settings)
    whole = trainer(tmp_path / "whole", training, attention_dropout=0.1, activation_dropout=0.1)
    whole.train(Reporter())
    assert whole.state.epoch >= 2
    expected = final_state(tmp_path / "whole")
    for stop in (1, 5, 6, 7, 8, 15):
        part = tmp_path / f"stopped-{stop}"
        shutil.copytree(tmp_path / "whole", part)
        for checkpoint in list_checkpoints(part / "checkpoints")[stop:]:
            shutil.rmtree(checkpoint)
        torch.manual_seed(stop)  # what the process drew before must not matter
        again = trainer(part, training, attention_dropout=0.1, activation_dropout=0.1)
        assert again.state.step == stop
        again.train(Reporter())
        weights, moments, log = final_state(part)
        assert log == expected[2]
        for found, right in ((weights, expected[0]), (moments, expected[1])):
            assert found.keys() == right.keys()
            assert all(torch.equal(found[name], right[name]) for name in right)


def test_accumulating_batches_gives_the_update_of_one_large_batch(tmp_path: Path) -> None:
    """The gradient is divided by the target tokens of all batches, not averaged over batches of unequal size."""
    write_task(tmp_path, 320, "copy", seed=1)
    one = trainer(tmp_path, TrainingConfig(batch_tokens=100_000), dropout=0.0)
    many = trainer(tmp_path, TrainingConfig(batch_tokens=300), dropout=0.0)
    first = (share.end for share in many.runner.batches(Position(0, 0)))
    count = len(list(takewhile(lambda position: position.epoch == 0, first))) + 1
    many.runner.config = TrainingConfig(batch_tokens=300, accumulate=count)
    for each in (one, many):
        _, cross_entropy, _, tokens = each.runner.run(each.runner.batches(Position(0, 0)), each.state).totals
        each.summary = (float(cross_entropy), tokens)  # type: ignore[attr-defined]
    assert one.summary[1] == many.summary[1]  # type: ignore[attr-defined]
    assert one.summary[0] == pytest.approx(many.summary[0], rel=1e-5)  # type: ignore[attr-defined]
    gradients = [each.master.moments()["exp_avg"] for each in (one, many)]  # divided and clipped, as Adam got them
    assert float((gradients[0] - gradients[1]).norm() / gradients[0].norm()) < 1e-5


def test_a_sentence_longer_than_the_model_is_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Elsewhere one such sentence ends the run, or is cut without a word."""
    write_task(tmp_path, 320, "copy", seed=1)
    logging.getLogger("nmt").propagate = True
    made = trainer(tmp_path, TrainingConfig(epochs=1, batch_tokens=400, validate_every=1000, average=1), max_length=7)
    assert "longer than --max-length" in caplog.text
    made.train(Reporter())
    rows = list(made.data.train.plan(400, 1).epoch(0))
    read = [len(row) for row in made.data.train.source.read(np.concatenate(rows))]
    assert 0 < len(read) < len(made.data.train.source)
    assert max(read) == 7
    assert made.state.batch == 0
    with pytest.raises(NmtError, match="--max-length 2"):
        trainer(tmp_path, TrainingConfig(), max_length=2)


def test_epochs_end_at_their_edge(tmp_path: Path) -> None:
    write_task(tmp_path, 320, "copy", seed=1)
    made = trainer(tmp_path, TrainingConfig(epochs=2, batch_tokens=400, validate_every=1000, average=1))
    assert made.train(Reporter()) == "reached --epochs 2"
    assert (made.state.epoch, made.state.batch) == (2, 0)


def test_patience_ends_training_and_the_best_model_is_kept(tmp_path: Path) -> None:
    write_task(tmp_path, 320, "copy", seed=1)
    training = TrainingConfig(steps=500, patience=2, validate_every=1, metric="loss", learning_rate=1e-30, average=1)
    made = trainer(tmp_path, training)
    assert "patience" in made.train(Reporter())
    assert made.state.step == 3
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    assert config["made"]["step"] == made.state.ranking[0][-1] == 1


def test_equal_scores_are_decided_by_the_loss(tmp_path: Path) -> None:
    """At first every BLEU is 0: the model must not stay the first one, nor patience run out, while the loss falls.

    And what BLEU differs by in the second decimal is noise.
    """
    write_task(tmp_path, 320, "reverse", seed=1)
    training = TrainingConfig(steps=4, patience=2, validate_every=1, learning_rate=1e-4, warmup=1, average=1)
    made = trainer(tmp_path, training)

    def validate(model: Transformer, parts: int) -> Validation:
        bleu = 0.04 if made.state.step == 2 else 0.01
        return Validation({"loss": 5.0 - made.state.step, "perplexity": 1.0, "bleu": bleu, "chrf": 0.0}, [])

    made.best_model.validator.validate = validate  # type: ignore[method-assign, assignment]
    made.train(Reporter())
    assert (made.state.step, made.state.ranking[0][-1]) == (4, 4)


def spoil(made: Trainer, steps: Collection[int]) -> None:
    """Let the gradient of these updates be not a number, as an overflow would."""
    collect = made.runner.accumulate

    def spoiled(batches: Mapping[int, Batch], state: TrainingState) -> torch.Tensor | None:
        losses = collect(batches, state)
        if made.state.step + 1 in steps:
            made.master.gradient.flat[::7] = math.nan
        return losses

    made.runner.accumulate = spoiled  # type: ignore[method-assign]


@pytest.mark.parametrize(("ema", "optimizer"), [(0.0, "adam"), (0.9, "muon")])
def test_an_update_without_a_finite_gradient_changes_nothing_but_the_count(
    tmp_path: Path, ema: float, optimizer: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One run elsewhere went NaN after four days, and went on saving."""
    write_task(tmp_path, 320, "reverse", seed=1)
    logging.getLogger("nmt").propagate = True
    settings: dict[str, Any] = {"batch_tokens": 400, "warmup": 3, "log_every": 2, "average": 1}
    made = trainer(tmp_path, TrainingConfig(steps=9, ema=ema, optimizer=optimizer, **settings))
    spoil(made, {4, 5, 8})
    seen = []
    run = made.runner.run

    def updated(*arguments: Any) -> StepResult:
        found = run(*arguments)
        seen.append((made.master.master.clone(), {key: value.clone() for key, value in made.master.moments().items()}))
        return found

    made.runner.run = updated  # type: ignore[method-assign]
    made.train(Reporter())
    assert made.state.skipped == 3
    assert caplog.text.count("its gradient is not finite") == 3
    for skipped in (4, 5, 8):
        assert torch.equal(seen[skipped - 1][0], seen[skipped - 2][0])
        for key in seen[skipped - 1][1].keys() - {"average"}:  # which goes on nearing what the weights are
            assert torch.equal(seen[skipped - 1][1][key], seen[skipped - 2][1][key]), key
    for applied in (2, 3, 6, 7, 9):
        assert not torch.equal(seen[applied - 1][0], seen[applied - 2][0])
    assert {int(adam.steps) for adam in made.master.adam} == {6}
    checkpoint = load_newest(tmp_path / "checkpoints")
    assert checkpoint is not None
    assert all(tensor.isfinite().all() for tensor in (*checkpoint.weights.values(), *checkpoint.moments.values()))
    log = (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert math.isfinite(json.loads(log[-1])["loss"])


def test_many_such_updates_in_a_row_stop_the_run_and_name_the_last_good_checkpoint(tmp_path: Path) -> None:
    write_task(tmp_path, 320, "reverse", seed=1)
    made = trainer(tmp_path, TrainingConfig(steps=100, batch_tokens=400, save_every=3, log_every=1, average=1, keep=9))
    spoil(made, range(8, 100))
    with pytest.raises(NmtError, match=r"diverged; the last good checkpoint is .*step-000006"):
        made.train(Reporter())
    assert made.state.step == 7 + MOST_SKIPPED
    assert [path.name for path in list_checkpoints(tmp_path / "checkpoints")] == ["step-000003", "step-000006"]


def test_divergence_is_an_error_that_says_so(tmp_path: Path) -> None:
    write_task(tmp_path, 320, "reverse", seed=1)
    training = TrainingConfig(steps=50, learning_rate=1e30, warmup=1, log_every=5, average=1)
    with pytest.raises(NmtError, match="diverged"):
        trainer(tmp_path, training).train(Reporter())


def test_a_rising_loss_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_task(tmp_path, 320, "reverse", seed=1)
    logging.getLogger("nmt").propagate = True
    made = trainer(tmp_path, TrainingConfig(steps=30, warmup=1))
    for loss in (3.0, 2.0, 2.9, 3.1, 3.2, 3.0):
        made.monitor._check_divergence(loss, 2)
    assert caplog.text.count("the loss has risen from 2.00 to 3.10") == 1
    assert caplog.text.count("training diverges") == 1


def gradients_of(made: Trainer) -> list[torch.Tensor]:
    """A list that each update adds its gradient to."""
    found: list[torch.Tensor] = []
    step = made.master.step

    def stepped(*arguments: Any) -> torch.Tensor:
        found.append(made.master.gradient.flat.clone())
        return step(*arguments)

    made.master.step = stepped  # type: ignore[method-assign]
    return found


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_batch_too_large_for_the_memory_is_computed_in_parts_to_the_same_update(
    tmp_path: Path, accumulate: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Elsewhere the job dies, or the batch is left out without a word."""
    write_task(tmp_path, 320, "copy", seed=1)
    logging.getLogger("nmt").propagate = True
    training = TrainingConfig(batch_tokens=400, accumulate=accumulate, learning_rate=1e-30)
    plenty, little = (trainer(tmp_path, training, dropout=0.0) for _ in range(2))
    loss, gradients = little.model.loss, [gradients_of(plenty), gradients_of(little)]

    def limited(batch: Batch, *rest: Any) -> LossSum:
        found = loss(batch, *rest)
        if batch.source.numel() > 120:
            found.smoothed.backward()  # type: ignore[no-untyped-call]  # memory may run out late, gradients left behind
            raise torch.OutOfMemoryError("CUDA out of memory")
        return found

    little.model.loss = limited  # type: ignore[method-assign]
    batches, plenty_batches = (each.runner.batches(Position(0, 0)) for each in (little, plenty))
    for _ in range(3):
        found = little.runner.run(batches, little.state)
        right = plenty.runner.run(plenty_batches, plenty.state)
        assert torch.equal(found.totals[2:], right.totals[2:])
        torch.testing.assert_close(found.totals[:2], right.totals[:2], rtol=1e-5, atol=1e-5)
    assert len(gradients[0]) == 3
    for right_gradient, found_gradient in zip(*gradients, strict=True):
        assert right_gradient.norm() > 1
        torch.testing.assert_close(found_gradient, right_gradient, rtol=1e-5, atol=1e-5)
    assert little.state.parts == 4
    assert "computed in 4 parts" in caplog.text
    assert (little.state.epoch, little.state.batch) == (plenty.state.epoch, plenty.state.batch)


@pytest.mark.parametrize(
    ("cause", "raised", "words"),
    [
        ("DefaultCPUAllocator: can't allocate memory", NmtError, "not even one sentence pair fits"),
        ("mat1 and mat2 shapes cannot be multiplied", RuntimeError, "mat1 and mat2"),
    ],
)
def test_what_no_smaller_batch_can_help_is_raised(
    tmp_path: Path, cause: str, raised: type[Exception], words: str
) -> None:
    write_task(tmp_path, 320, "copy", seed=1)
    made = trainer(tmp_path, TrainingConfig(batch_tokens=400))

    def failing(*arguments: object) -> LossSum:
        raise RuntimeError(cause)

    made.model.loss = failing  # type: ignore[method-assign]
    with pytest.raises(raised, match=words):
        made.train(Reporter())


def test_the_moving_average_is_that_of_the_weights(tmp_path: Path) -> None:
    """By hand: a <- d a + (1 - d) w after each update, with d = min(decay, (1 + t) / (10 + t)) while it is young."""
    write_task(tmp_path, 320, "copy", seed=1)
    made = trainer(tmp_path, TrainingConfig(steps=30, batch_tokens=400, ema=0.5, warmup=2))
    expected, batches = made.master.master.clone(), made.runner.batches(Position(0, 0))
    for step in range(1, 31):
        made.runner.run(batches, made.state)
        made.state.step = step
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * made.master.master
    assert made.master.average is not None
    torch.testing.assert_close(made.master.average, expected, rtol=1e-5, atol=1e-6)
    working = made.master.working.clone()
    with made.master.replaced_by(made.master.best()):
        assert torch.equal(made.master.working, made.master.average)
    assert torch.equal(made.master.working, working)


def test_with_a_moving_average_it_is_the_model_and_a_run_goes_on_with_it(tmp_path: Path) -> None:
    write_task(tmp_path, 320, "copy", seed=1)
    training = TrainingConfig(steps=8, batch_tokens=400, validate_every=8, save_every=4, average=1, ema=0.9, keep=3)
    made = trainer(tmp_path, training)
    made.train(Reporter())
    assert made.master.average is not None
    published = load_tensors(tmp_path / "model" / "model.safetensors")
    assert torch.equal(made.master.flatten(published), made.master.average)
    shutil.rmtree(list_checkpoints(tmp_path / "checkpoints")[-1])
    again = trainer(tmp_path, training)
    assert again.state.step == 4
    again.train(Reporter())
    assert again.master.average is not None
    assert torch.equal(again.master.average, made.master.average)


def test_the_best_checkpoints_are_kept_and_averaged(tmp_path: Path) -> None:
    write_task(tmp_path, 320, "copy", seed=1)
    training = TrainingConfig(
        steps=7, batch_tokens=400, validate_every=1, save_every=100, average=3, average_of="best", keep=1, patience=0
    )
    made = trainer(tmp_path, training)
    losses = {1: 5.0, 2: 2.0, 3: 4.0, 4: 1.0, 5: 6.0, 6: 3.0, 7: 7.0}

    def validate(model: Transformer, parts: int) -> Validation:
        loss = losses[made.state.step]
        return Validation({"loss": loss, "perplexity": 1.0, "bleu": -loss, "chrf": 0.0}, [])

    made.best_model.validator.validate = validate  # type: ignore[method-assign, assignment]
    made.train(Reporter())
    found = {path.name: path for path in list_checkpoints(tmp_path / "checkpoints")}
    assert sorted(found) == ["step-000002", "step-000004", "step-000006", "step-000007"]
    assert [name for name, path in found.items() if (path / "optimizer.safetensors").exists()] == ["step-000007"]


@pytest.mark.parametrize(("loss", "averaged"), [(1.9, True), (2.1, False)])
def test_the_mean_of_checkpoints_becomes_the_model_where_its_loss_is_lower_whatever_bleu_says(
    tmp_path: Path, loss: float, averaged: bool
) -> None:
    write_task(tmp_path, 320, "copy", seed=1)
    made = trainer(tmp_path, TrainingConfig(steps=2, batch_tokens=400, validate_every=2, save_every=1, average=2))
    found = iter([(2.0, 30.0), (loss, 29.0 if averaged else 31.0)])  # of the last step, and of the mean

    def validate(model: Transformer, parts: int) -> Validation:
        loss, bleu = next(found)
        return Validation({"loss": loss, "perplexity": 1.0, "bleu": bleu, "chrf": 0.0}, [])

    made.best_model.validator.validate = validate  # type: ignore[method-assign, assignment]
    made.train(Reporter())
    kept = json.loads((tmp_path / "model" / "config.json").read_text("utf-8"))["made"]
    assert ("averaged" in kept) == averaged


def test_a_validation_shows_the_same_sentences_each_time(tmp_path: Path) -> None:
    write_task(tmp_path, 320, "copy", seed=1)
    made = trainer(tmp_path, TrainingConfig(steps=4, batch_tokens=400, validate_every=2, average=1))
    made.train(Reporter())
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    logged = [line["samples"] for line in lines if line["kind"] == "valid"]
    assert len(logged) == 2
    samples = made.best_model.validator.validate(made.model).samples
    assert [sample._asdict() for sample in samples] == logged[-1]
    assert [sample.source for sample in samples] == [made.data.valid_lines[i] for i in (0, 6, 12)]


def test_old_checkpoints_are_pruned_and_weights_kept_for_averaging(tmp_path: Path) -> None:
    write_task(tmp_path, 100, "copy", seed=1)
    training = TrainingConfig(steps=6, save_every=1, validate_every=6, keep=2, average=4, batch_tokens=400)
    trainer(tmp_path, training).train(Reporter())
    found = {
        path.name: (path / "optimizer.safetensors").exists() for path in list_checkpoints(tmp_path / "checkpoints")
    }
    assert found == {"step-000003": False, "step-000004": False, "step-000005": True, "step-000006": True}


@pytest.mark.parametrize("number", stopping_signals())
def test_a_signal_finishes_the_step_and_saves(tmp_path: Path, number: int) -> None:
    write_task(tmp_path, 320, "copy", seed=1)
    made = trainer(tmp_path, TrainingConfig(steps=50, batch_tokens=400, save_every=1000, validate_every=1000))
    run, handler = made.runner.run, signal.getsignal(number)

    def signalled(*arguments: Any) -> StepResult:
        if made.state.step == 3:
            signal.raise_signal(number)
        return run(*arguments)

    made.runner.run = signalled  # type: ignore[method-assign]
    with pytest.raises(StoppedBySignal) as stop:
        made.train(Reporter())
    assert stop.value.number == number
    assert signal.getsignal(number) is handler
    assert [path.name for path in list_checkpoints(tmp_path / "checkpoints")] == ["step-000004"]


def test_a_signal_that_other_processes_tell_first_and_that_comes_while_saving_does_not_stop_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second signal ends a process at once; one that was told and then sent is not a second one."""
    write_task(tmp_path, 320, "copy", seed=1)
    made = trainer(tmp_path, TrainingConfig(steps=50, batch_tokens=400, save_every=1000, validate_every=1000))
    monkeypatch.setattr(made, "_count_seconds", lambda: signal.SIGTERM)
    save = made.save

    def signalled() -> None:
        signal.raise_signal(signal.SIGTERM)
        save()

    monkeypatch.setattr(made, "save", signalled)
    with pytest.raises(StoppedBySignal) as stop:
        made.train(Reporter())
    assert stop.value.number == signal.SIGTERM
    assert [path.name for path in list_checkpoints(tmp_path / "checkpoints")] == ["step-000001"]


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before(
    tmp_path: Path, name: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_task(tmp_path, 100, "copy", seed=1)
    trainer(tmp_path, TrainingConfig(steps=2, save_every=1, validate_every=2, batch_tokens=400)).train(Reporter())
    path = list_checkpoints(tmp_path / "checkpoints")[-1] / name
    content = path.read_bytes()
    path.unlink()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    checkpoint = load_newest(tmp_path / "checkpoints")
    assert checkpoint is not None
    assert checkpoint.state.step == 1


def test_damage_to_every_checkpoint_is_an_error_and_not_a_fresh_start(tmp_path: Path) -> None:
    write_task(tmp_path, 100, "copy", seed=1)
    trainer(tmp_path, TrainingConfig(steps=2, save_every=1, validate_every=2, batch_tokens=400)).train(Reporter())
    for path in list_checkpoints(tmp_path / "checkpoints"):
        (path / "state.json").write_text("{}", encoding="utf-8")
    with pytest.raises(NmtError, match="every checkpoint"):
        load_newest(tmp_path / "checkpoints")
