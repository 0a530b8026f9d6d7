"""The recipe: where each setting of a training comes from, once, for a new run and for one that is resumed."""

import logging
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.config.model import ModelConfig
from nmt.config.presets import PRESETS
from nmt.config.setting import Value, defaults
from nmt.config.training import TrainingConfig
from nmt.data.batches import BatchPlan
from nmt.errors import NmtError, UsageError
from nmt.files.run_directory import RunDirectory, list_checkpoints
from nmt.training import recipe as module
from nmt.training.distributed import Processes
from nmt.training.progress import Reporter
from nmt.training.recipe import CONFIGS, TrainingPlan, former_settings, new_recipe, open_training, resume_recipe
from nmt.training.setup import Setup

SHAPE: dict[str, Value] = dict(dim=16, feed_forward=16, heads=2, encoder_layers=1, decoder_layers=1)
QUICK: dict[str, Value] = SHAPE | dict(
    batch_tokens=200, device="cpu", precision="float32", threads=1, average=1, log_every=1, validate_every=100
)


@pytest.fixture
def setup(run: Path) -> Setup:
    return Setup.open(RunDirectory(run), torch.device("cpu"), torch.float32, Processes())


# ------------------------------------------------------------------------------------------------------------ a new run


def test_what_was_given_goes_over_the_plan_the_plan_over_the_preset_and_the_preset_over_the_default(
    setup: Setup,
) -> None:
    given: dict[str, Value] = {"warmup": 3, "epochs": 2}
    settings = new_recipe(setup, given).settings
    assert settings["warmup"] == 3  # given; the plan would say less than an eighth of the steps
    assert (settings["schedule"], settings["patience"]) == ("linear", 0)  # the plan of auto
    assert settings["dim"] == PRESETS["tiny"]["dim"]  # the preset that auto takes for 200 pairs
    assert settings["beta2"] == 0.98  # a default
    assert settings.keys() == defaults(CONFIGS).keys()


@pytest.mark.parametrize("preset", ["fast", "fastest"])
def test_a_student_is_planned_as_auto_is(setup: Setup, preset: str) -> None:
    auto, student = (
        new_recipe(setup, {"epochs": 2}).settings,
        new_recipe(setup, {"epochs": 2, "preset": preset}).settings,
    )
    assert {name for name in auto if auto[name] != student[name]} == {"preset", "encoder_layers", "decoder_layers"}


def test_a_named_preset_has_no_plan(setup: Setup) -> None:
    settings = new_recipe(setup, {"preset": "small", "steps": 70}).settings
    expected = defaults(CONFIGS) | PRESETS["small"] | {"preset": "small", "steps": 70}
    assert settings == expected


def test_a_schedule_that_was_given_leaves_no_plan(setup: Setup) -> None:
    settings = new_recipe(setup, {"schedule": "constant", "steps": 70}).settings
    assert (settings["schedule"], settings["steps"], settings["patience"]) == ("constant", 70, 10)


@pytest.mark.parametrize(("epochs", "batch_tokens"), [(2, 64), (3, 200), (1, 1024), (5, 5000)])
def test_a_plan_has_as_many_epochs_as_were_asked_for(setup: Setup, epochs: int, batch_tokens: int) -> None:
    """On tiny corpora an estimate of the steps ended training after 1.7 of 2 epochs."""
    settings = new_recipe(setup, {"epochs": epochs, "batch_tokens": batch_tokens}).settings
    data = setup.new_trainer(settings | SHAPE).data.train
    plan = BatchPlan(data.source.lengths, data.target.lengths, batch_tokens, 1, 1000, data.corpora)
    assert settings["steps"] == epochs * len(list(plan.epoch(0)))


def test_a_weight_for_two_corpora_of_one_name_is_refused(setup: Setup) -> None:
    """Runs of earlier versions have such names."""
    corpus = {"name": "x.de", "pairs": 50, "dropped": {}}
    train = setup.description["sets"]["train"] | {"corpora": [corpus, corpus | {"pairs": 150}]}
    described = setup._replace(description=setup.description | {"sets": {"train": train}})
    with pytest.raises(UsageError, match=r"--corpus-weights: several corpora are called x\.de"):
        described.steps_per_epoch(defaults(CONFIGS) | {"corpus_weights": "x.de=2"})


def test_an_unknown_preset_is_refused_with_the_known_ones(setup: Setup) -> None:
    with pytest.raises(UsageError, match="--preset huge is unknown") as caught:
        new_recipe(setup, {"preset": "huge"})
    assert caught.value.hint == "choose from tiny, small, base, big, auto, fast, fastest"


def test_the_shape_of_the_model_that_training_starts_from_is_taken_unless_another_is_given(setup: Setup) -> None:
    start = str(setup.run.model)
    settings = new_recipe(setup, {"init_from": start, "heads": 4, "steps": 5}).settings
    assert [settings[name] for name in ("dim", "feed_forward", "encoder_layers", "heads")] == [16, 16, 1, 4]
    assert settings["tied"] is False  # as in that model, against the default


def test_the_batch_size_that_fits_takes_the_place_of_auto(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: 200 pairs make fewer than 200 steps of 1,024 tokens, so that this is the most that auto takes."""
    monkeypatch.setattr(module, "fitting_batch_tokens", lambda *_: 5_000)
    settings = new_recipe(setup, SHAPE | {"batch_tokens": "auto", "steps": 5}).settings
    assert settings["batch_tokens"] == 1024
    monkeypatch.setattr(module, "fitting_batch_tokens", lambda *_: 700)
    assert new_recipe(setup, SHAPE | {"batch_tokens": "auto", "steps": 5}).settings["batch_tokens"] == 512


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (TrainingPlan(1000, 2048, 50_000, 20.0, 0.0, by_time=True), (500, 10.0, 3.0)),  # half the steps, twice as long
        (TrainingPlan(1000, 2048, 50_000, 15.0, 0.0, by_time=True), (1000, 15.0, 0.0)),  # 7.5 epochs would be too few
        (TrainingPlan(1000, 2048, 50_000, 12.0, 0.0, by_time=False), (1000, 12.0, 3.0)),
        (TrainingPlan(1000, 2048, 5_000, 60.0, 0.0, by_time=False), (1000, 60.0, 0.0)),  # too little text
    ],
)
def test_r_drop_is_planned_where_enough_epochs_are_left(plan: TrainingPlan, expected: tuple[int, float, float]) -> None:
    planned = module.with_r_drop(plan)
    assert (planned.steps, planned.epochs, planned.r_drop) == expected


def test_a_plan_by_the_clock_leaves_the_end_to_it(setup: Setup) -> None:
    plan = TrainingPlan(400, 2048, 5_000, 30.0, 0.0, by_time=True)
    settings = module.planned_settings(plan, TrainingConfig(steps=100_000, warmup=200, save_every=500, log_every=50))
    assert settings["steps"] == 100_000  # not 400, as the machine may be faster than it was
    assert (settings["warmup"], settings["save_every"], settings["log_every"]) == (50, 10, 20)
    assert settings["validate_every"] == 240  # three fifths, and the end
    assert settings["dropout"] == 0.2


# --------------------------------------------------------------------------------------------------- a run that resumes


FORMER: dict[str, Value] = {**defaults(CONFIGS), "dim": 16, "heads": 2, "steps": 10, "batch_tokens": 321}


def test_a_resumed_run_keeps_its_settings_and_says_what_changes() -> None:
    recipe = resume_recipe(FORMER, {"steps": 20, "epochs": 3, "heads": 2})
    assert recipe.changes == ("epochs unset -> 3", "steps 10 -> 20")
    assert recipe.settings == FORMER | {"steps": 20, "epochs": 3}


@pytest.mark.parametrize("change", [{"dim": 32}, {"preset": "big"}, {"optimizer": "muon"}, {"freeze": ["encoder"]}])
def test_a_model_and_its_optimizer_are_fixed_once_a_run_has_started(change: dict[str, Value]) -> None:
    with pytest.raises(NmtError, match=f"cannot change after a run has started: {next(iter(change))}"):
        resume_recipe(FORMER, change)


def test_auto_keeps_the_batch_size_of_a_resumed_run(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("nmt")
    logger.propagate = True
    logger.setLevel(logging.INFO)
    assert resume_recipe(FORMER, {"batch_tokens": "auto"}).settings["batch_tokens"] == 321
    assert "this run keeps 321" in caplog.text


def test_a_run_without_checkpoints_has_no_former_settings(run_copy: Path) -> None:
    (run_copy / "config.toml").write_text("[train]\nsteps = 7\n", encoding="utf-8")
    assert former_settings(RunDirectory(run_copy)) == {}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "is missing"),
        ("[train]\nsteps = 7\n", "dim, encoder_layers"),
        ("[train]\nsteps = 0\n", "below its minimum"),
    ],
)
def test_a_run_is_not_resumed_without_its_settings(run_copy: Path, content: str | None, problem: str) -> None:
    run = RunDirectory(run_copy)
    (run.checkpoints / "step-000007").mkdir(parents=True)
    if content is not None:
        run.settings.write_text(content, encoding="utf-8")
    with pytest.raises(NmtError) as caught:
        former_settings(run)
    assert problem in caught.value.problem


# --------------------------------------------------------------------------------------------------- one call in Python


def test_one_call_trains_and_the_next_resumes(run_copy: Path) -> None:
    run = RunDirectory(run_copy)
    with open_training(run, QUICK | {"steps": 3}) as trainer:
        assert (trainer.state.step, trainer.config.steps) == (0, 3)
        assert trainer.train(Reporter()) == "reached --steps 3"
    with open_training(run, {"steps": 4}) as trainer:
        assert (trainer.state.step, trainer.config.batch_tokens) == (3, 200)
        assert trainer.train(Reporter()) == "reached --steps 4"
    kept: dict[str, Any] = tomllib.loads(run.settings.read_text("utf-8"))["train"]
    assert (kept["steps"], kept["dim"], kept["learning_rate"]) == (4, 16, PRESETS["tiny"]["learning_rate"])
    assert [path.name for path in list_checkpoints(run.checkpoints)] == ["step-000003", "step-000004"]


def test_a_finished_run_keeps_its_settings_whatever_is_given(run_copy: Path) -> None:
    run = RunDirectory(run_copy)
    with open_training(run, QUICK | {"steps": 2}) as trainer:
        trainer.train(Reporter())
    before = run.settings.read_text("utf-8")
    with open_training(run, {"steps": 2, "dropout": 0.4}) as trainer:
        assert trainer.reason_to_stop() == "reached --steps 2"
    assert run.settings.read_text("utf-8") == before


def test_nobody_else_may_train_in_a_run_meanwhile(run_copy: Path) -> None:
    run = RunDirectory(run_copy)
    second = open_training(run, QUICK | {"steps": 2})
    with open_training(run, QUICK | {"steps": 2}), pytest.raises(NmtError, match=str(run_copy)), second:
        pass


def test_every_setting_of_a_training_belongs_to_one_config() -> None:
    assert set(CONFIGS) >= {TrainingConfig, ModelConfig}
    names = [name for config in CONFIGS for name in defaults([config])]
    assert len(names) == len(set(names))
