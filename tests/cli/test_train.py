"""`nmt train` and `nmt average` as commands: run again, they go on, or say why they do not."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import Corpus, Program, environment

from nmt.config import presets
from nmt.config.presets import MEDIUM, auto_batch_tokens, auto_dropout, auto_r_drop
from nmt.training.trainer import Trainer

SMALL = [
    "--dim",
    "16",
    "--feed-forward",
    "16",
    "--heads",
    "2",
    "--encoder-layers",
    "1",
    "--decoder-layers",
    "1",
    "--batch-tokens",
    "200",
    "--log-every",
    "1",
]
QUICK = [*SMALL, "--validate-every", "3", "--save-every", "3", "--precision", "float32"]


@pytest.fixture
def trained(run_copy: Path, command: Program) -> Path:
    """A run that was trained for six steps."""
    done = command("train", "--run", run_copy, "--steps", 6, *QUICK)
    assert done.returncode == 0, done.stderr
    return run_copy


def steps(run: Path) -> list[int]:
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [line["step"] for line in map(json.loads, lines) if line["kind"] == "train"]


def test_a_finished_run_is_left_alone_and_says_so(trained: Path, command: Program) -> None:
    before = {path: path.stat().st_mtime_ns for path in (trained / "model").iterdir()}
    again = command("train", "--run", trained, "--steps", 6, *QUICK)
    assert again.returncode == 0
    assert "nothing to do: this run reached --steps 6" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in (trained / "model").iterdir()} == before


def test_a_run_goes_on_with_its_own_settings_and_tells_what_changed(trained: Path, command: Program) -> None:
    """Elsewhere the defaults come back when the flags are not typed again."""
    again = command("train", "--run", trained, "--steps", 8)
    assert again.returncode == 0, again.stderr
    assert "resuming from step 6" in again.stderr
    assert "settings changed since this run began: steps 6 -> 8" in again.stderr
    assert steps(trained) == list(range(1, 9))


def test_another_model_under_a_run_is_refused(trained: Path, command: Program) -> None:
    again = command("train", "--run", trained, "--steps", 8, "--dim", 32)
    assert again.returncode == 1
    assert "dim 16 -> 32" in again.stderr
    assert "--run" in again.stderr


def test_other_data_under_a_run_is_refused(trained: Path, corpus: Corpus, command: Program) -> None:
    prepare = ("prepare", *corpus.train, "--valid", *corpus.test, "--run", trained)
    before = {path: path.read_bytes() for path in (trained / "data").rglob("*") if path.is_file()}
    refused = command(*prepare)
    assert refused.returncode == 1
    assert "was trained with another data set, which would be lost" in refused.stderr
    assert {path: path.read_bytes() for path in (trained / "data").rglob("*") if path.is_file()} == before
    assert command(*prepare, "--force").returncode == 0
    assert command("translate", "--run", trained, stdin=b"ich sehe\n").returncode == 0  # the model is still usable
    again = command("train", "--run", trained, "--steps", 8)
    assert again.returncode == 1
    assert "has changed since this run began" in again.stderr


def test_where_model_data_and_tokenizer_do_not_belong_together_is_told(
    trained: Path, corpus: Corpus, command: Program
) -> None:
    """A score on sentences that the model was trained on is worth nothing, and looks best."""
    words = "was trained on other data than"
    again = command("prepare", *corpus.train, "--valid", *corpus.valid, "--test", *corpus.test, "--run", trained)
    assert words not in again.stderr
    assert words not in command("eval", "--beam", 1, "--run", trained).stderr
    changed = command(
        "prepare", *corpus.train, "--valid", *corpus.test, "--test", *corpus.valid, "--run", trained, "--force"
    )
    assert words in changed.stderr
    assert words in command("eval", "--beam", 1, "--run", trained, "--quiet").stderr
    train = ("tokenizer", "train", *corpus.train, "--vocab-size", 350, "--run", trained)
    assert "was trained with another tokenizer" in command(*train).stderr
    retrained = command(*train, "--force")
    assert retrained.returncode == 0
    assert "prepared with another tokenizer" in retrained.stderr


def test_the_preset_is_told_with_what_it_sets_and_kept(run_copy: Path, command: Program) -> None:
    shutil.rmtree(run_copy / "model")
    done = command("train", "--run", run_copy, "--steps", 1, "--dim", 16, "--average", 1)
    assert done.returncode == 0, done.stderr
    assert "--preset auto: for 200 pairs tiny, with batch tokens 1024" in done.stderr
    again = command("train", "--run", run_copy, "--steps", 2)
    assert again.returncode == 0, again.stderr
    assert "changed since this run began: steps 1 -> 2\n" in again.stderr
    settings = tomllib.loads((run_copy / "config.toml").read_text(encoding="utf-8"))["train"]
    assert (settings["preset"], settings["dropout"], settings["dim"]) == ("auto", 0.05, 16)
    named = command("train", "--run", run_copy, "--steps", 2, "--preset", "big")
    assert named.returncode == 1
    assert "preset" in named.stderr


TOLD = re.compile(r"about ([0-9,]+) steps \(([0-9.]+) epochs\) of [0-9,]+ tokens; dropout ([0-9.]+)")


@pytest.mark.parametrize("limit", [["--minutes", "0.02"], ["--epochs", "1"], ["--steps", "2"]])
def test_auto_makes_a_plan_and_chooses_the_dropout_by_how_often_that_reads_the_text(
    limit: list[str], run_copy: Path, command: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.training.trainer.TRIAL_SECONDS", 0.2)
    shutil.rmtree(run_copy / "model")
    options = ["--run", run_copy, "--dim", 16, "--average", 1, *limit]
    done = command("train", *options)
    assert done.returncode == 0, done.stderr
    told = TOLD.search(done.stderr)
    assert told is not None
    settings = tomllib.loads((run_copy / "config.toml").read_text(encoding="utf-8"))["train"]
    assert settings["dropout"] == auto_dropout(200, float(told[2])) == float(told[3])
    assert (settings["schedule"], settings["patience"]) == ("linear", 0)
    if limit[0] == "--epochs":
        assert float(told[2]) == pytest.approx(1, abs=0.2)
    shutil.rmtree(run_copy / "checkpoints")
    chosen = command("train", "--dropout", 0.12, *options)
    assert chosen.returncode == 0, chosen.stderr
    assert "tokens; dropout 0.12\n" in chosen.stderr


@pytest.mark.parametrize(
    ("pairs", "passes", "pays"),
    [
        (presets.SMALL, 8.5, True),
        (presets.SMALL, 7, False),
        (presets.SMALL - 1, 60, False),
        (MEDIUM - 1, 12, True),
        (MEDIUM, 12, False),
    ],
)
def test_r_drop_pays_where_a_text_of_middling_size_is_read_often(pairs: int, passes: float, *, pays: bool) -> None:
    assert bool(auto_r_drop(pairs, passes)) is pays


@pytest.mark.parametrize(
    ("pairs", "passes", "steps", "tokens"),
    [
        (presets.SMALL, 10, 2400, 4096),
        (presets.SMALL, 10, 1000, 2048),
        (presets.SMALL, 5, 2400, 2048),
        (presets.SMALL - 1, 10, 2400, 2048),
        (MEDIUM, 10, 2400, 2048),
    ],
)
def test_a_text_of_middling_size_is_read_in_larger_batches_where_there_is_time_for_many(
    pairs: int, passes: float, steps: int, tokens: int
) -> None:
    assert auto_batch_tokens(2048, pairs, passes, steps) == tokens


def test_auto_makes_half_as_many_updates_of_larger_batches_unless_told_otherwise(
    run_copy: Path, command: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.config.presets.SMALL", 100)
    monkeypatch.setattr("nmt.training.recipe.auto_batch_tokens", lambda *reading: 256)
    shutil.rmtree(run_copy / "model")
    options = ["--run", run_copy, "--dim", 16, "--average", 1, "--r-drop", 0]
    steps = []
    for chosen, tokens in (([], 256), (["--batch-tokens", 128], 128)):
        done = command("train", *options, "--epochs", 4, *chosen)
        assert done.returncode == 0, done.stderr
        assert f" epochs) of {tokens:,} tokens; " in done.stderr
        settings = tomllib.loads((run_copy / "config.toml").read_text(encoding="utf-8"))["train"]
        assert settings["batch_tokens"] == tokens
        steps.append(settings["steps"])
        shutil.rmtree(run_copy / "checkpoints")
    assert steps[1] / steps[0] == pytest.approx(2, abs=0.3)
    exact = command("train", *options, "--steps", 5)
    assert re.search(r"about 5 steps \([0-9.]+ epochs\) of 2,048 tokens; ", exact.stderr)


@pytest.mark.parametrize("limit", [["--minutes", "0.1"], ["--epochs", "9"]])
def test_auto_takes_r_drop_where_the_text_is_read_often_unless_told_otherwise(
    limit: list[str], run_copy: Path, command: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.config.presets.SMALL", 100)
    if limit[0] == "--minutes":
        monkeypatch.setattr("nmt.config.presets._R_DROP_EPOCHS", 0.5)  # however slow the machine is
    monkeypatch.setattr("nmt.training.trainer.TRIAL_SECONDS", 0.2)
    shutil.rmtree(run_copy / "model")
    options = ["--run", run_copy, "--dim", 16, "--feed-forward", 16, "--batch-tokens", 1024, "--average", 1, *limit]
    done = command("train", *options)
    assert done.returncode == 0, done.stderr
    told = TOLD.search(done.stderr)
    assert told is not None
    assert "R-Drop 3\n" in done.stderr
    settings = tomllib.loads((run_copy / "config.toml").read_text(encoding="utf-8"))["train"]
    assert settings["r_drop"] == 3
    assert settings["dropout"] == auto_dropout(200, 2 * float(told[2])) == float(told[3])
    shutil.rmtree(run_copy / "checkpoints")
    plain = command("train", "--r-drop", 0, *options)
    assert plain.returncode == 0, plain.stderr
    assert "R-Drop" not in plain.stderr
    assert tomllib.loads((run_copy / "config.toml").read_text(encoding="utf-8"))["train"]["r_drop"] == 0


def test_without_a_limit_auto_reads_the_text_often_enough_and_the_rate_is_zero_then(
    run_copy: Path, command: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.config.presets._EPOCHS", ((1000, 2),))
    shutil.rmtree(run_copy / "model")
    done = command("train", "--run", run_copy, "--dim", 16, "--batch-tokens", 200, "--average", 1, "--log-every", 1)
    assert done.returncode == 0, done.stderr
    told = TOLD.search(done.stderr)
    assert told is not None
    lines = [json.loads(line) for line in (run_copy / "metrics.jsonl").read_text("utf-8").splitlines()]
    last = [line for line in lines if line["kind"] == "train"][-1]
    assert last["step"] == int(told[1])
    assert last["learning_rate"] < 0.2 * max(line["learning_rate"] for line in lines if line["kind"] == "train")
    assert last["epoch"] in (1, 2)


def test_a_schedule_that_is_asked_for_stands(run_copy: Path, command: Program) -> None:
    shutil.rmtree(run_copy / "model")
    done = command("train", "--run", run_copy, "--dim", 16, "--schedule", "inverse-sqrt", "--steps", 2, "--average", 1)
    assert done.returncode == 0, done.stderr
    assert TOLD.search(done.stderr) is None
    assert 'schedule = "inverse-sqrt"' in (run_copy / "config.toml").read_text("utf-8")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_with_its_code_after_saving_and_the_next_start_goes_on(
    run_copy: Path, command: Program, number: int, code: int
) -> None:
    arguments = [
        "train",
        "--run",
        str(run_copy),
        "--steps",
        "100000",
        *SMALL,
        "--schedule",
        "inverse-sqrt",
        "--save-every",
        "50000",
        "--patience",
        "0",
    ]
    process = subprocess.Popen([sys.executable, "-m", "nmt", *arguments], env=environment(), stderr=subprocess.PIPE)
    log = run_copy / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while not (log.exists() and '"train"' in log.read_text("utf-8")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert b"run the same command to resume from step-" in err
    saved = steps(run_copy)[-1]
    again = command("train", "--run", run_copy, "--steps", saved + 3)
    assert again.returncode == 0, again.stderr
    assert steps(run_copy) == list(range(1, saved + 4))


@pytest.mark.skipif(os.name != "posix", reason="terminals elsewhere send no signal")
def test_a_lost_terminal_ends_training_after_saving(run_copy: Path) -> None:
    """The connection breaks: SIGHUP comes, and each message to the terminal is an error from then on."""
    import fcntl
    import pty
    import termios

    master, terminal = pty.openpty()
    options = ["--run", str(run_copy), "--steps", "100000", *SMALL, "--schedule", "inverse-sqrt", "--patience", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "nmt", "train", *options, "--save-every", "50000"],
        env=environment(),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=lambda: (signal.signal(signal.SIGHUP, signal.SIG_DFL), fcntl.ioctl(0, termios.TIOCSCTTY, 0)),
    )
    os.close(terminal)
    deadline = time.monotonic() + 60
    while not (run_copy / "metrics.jsonl").exists() or not steps(run_copy):
        assert time.monotonic() < deadline
        os.set_blocking(master, False)
        with suppress(BlockingIOError):
            os.read(master, 1 << 16)
        time.sleep(0.05)
    os.close(master)
    assert process.wait(timeout=60) == 129
    assert [path.name for path in (run_copy / "checkpoints").iterdir()] == [f"step-{steps(run_copy)[-1]:06d}"]


def test_a_second_signal_stops_at_once_and_says_what_is_lost(
    run_copy: Path, command: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Trainer.save

    def interrupted(trainer: Trainer) -> None:
        if trainer.state.step > 2:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        save(trainer)

    monkeypatch.setattr(Trainer, "save", interrupted)
    options = ["--run", run_copy, "--steps", 9, *SMALL, "--average", 1]
    done = command("train", *options, "--save-every", 2)
    assert done.returncode == 130
    end = "stopped at once, losing the steps since step-000002; run the same command to resume from step-000002"
    assert done.stderr.splitlines()[-1] == end
    shutil.rmtree(run_copy / "checkpoints")
    done = command("train", *options, "--save-every", 3)
    assert "losing the steps since the start; run the same command to resume from the start" in done.stderr


def test_average_gives_the_mean_of_the_checkpoints(trained: Path, command: Program, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    names = ("step-000003", "step-000006")
    paths = [trained / "checkpoints" / name for name in names]
    done = command("average", *paths, "--run", trained, "--output", tmp_path / "mean")
    assert done.returncode == 0, done.stderr
    first, second, mean = (load_file(path / "model.safetensors") for path in (*paths, tmp_path / "mean"))
    assert all((mean[name] - (first[name] + second[name]) / 2).abs().max() < 1e-6 for name in mean)
    assert command("translate", "--model", tmp_path / "mean", stdin=b"a\n").stdout.count(b"\n") == 1
    assert json.loads((tmp_path / "mean" / "config.json").read_bytes())["made"]["averaged"] == list(names)


def test_average_makes_a_model_before_the_first_validation_did(run_copy: Path, command: Program) -> None:
    shutil.rmtree(run_copy / "model")
    done = command("train", "--run", run_copy, "--steps", 4, *SMALL, "--save-every", 2, "--average", 3)
    assert done.returncode == 0, done.stderr
    trained = json.loads((run_copy / "model" / "config.json").read_bytes())
    shutil.rmtree(run_copy / "model")  # as in a run that was stopped before its first validation
    for output in (run_copy / "averaged", run_copy / "model"):
        done = command("average", "--run", run_copy, "--output", output)
        assert done.returncode == 0, done.stderr
        content = json.loads((output / "config.json").read_bytes())
        assert content["model"] == trained["model"]
        assert content["made"]["languages"] == trained["made"]["languages"]
        assert (content["made"]["step"], content["made"]["averaged"]) == (4, ["step-000002", "step-000004"])
        assert command("translate", "--model", output, stdin=b"ich sehe\n").stdout.count(b"\n") == 1


def test_info_tells_of_run_model_and_data(trained: Path, command: Program) -> None:
    found = json.loads(command("info", trained, "--json").stdout)
    assert found.keys() == {"model", "data", "training"}
    assert found["training"]["newest"]["step"] == 6
    assert found["data"]["sets"]["train"]["pairs"] > 0
    text = command("info", "--run", trained).stdout.decode()
    assert "encoder_layers: 1" in text
    assert "best: step 3 score" in text or "best: step 6 score" in text
    assert "tied: yes" in text
    assert "dropped: none" in text


@pytest.fixture
def two_corpora(run_copy: Path, corpus: Corpus, command: Program, tmp_path: Path) -> Path:
    """A run whose data is made of two corpora, the second of ten pairs."""
    small = tmp_path / "small.tsv"
    small.write_text("".join(f"klein {i}\tsmall {i}\n" for i in range(10)), encoding="utf-8")
    done = command("prepare", *corpus.train, small, "--valid", *corpus.test, "--run", run_copy, "--force")
    assert done.returncode == 0, done.stderr
    return run_copy


def test_corpora_are_read_by_weight_and_a_stopped_run_goes_on_exactly(two_corpora: Path, command: Program) -> None:
    shutil.copytree(two_corpora, two_corpora.with_name("whole"))
    for run, ends in ((two_corpora, (4, 9)), (two_corpora.with_name("whole"), (9,))):
        for end in ends:
            options = ["--steps", end, "--corpus-weights", "small.tsv=7.5" if end == 9 else "1,7.5", *QUICK]
            done = command("train", "--run", run, *options, "--schedule", "inverse-sqrt", "--save-every", 1)
            assert done.returncode == 0, done.stderr
            assert "75 of 10 in small.tsv" in done.stderr
    states = [run / "checkpoints" / "step-000009" for run in (two_corpora, two_corpora.with_name("whole"))]
    for name in ("model.safetensors", "optimizer.safetensors"):
        assert (states[0] / name).read_bytes() == (states[1] / name).read_bytes()


@pytest.mark.parametrize(
    ("weights", "problem"),
    [("1,2,3", "3 weights for 2 corpora: 1. "), ("0,0", "leaves nothing"), ("web=1", "no corpus is called web")],
)
def test_weights_that_do_not_fit_the_corpora_are_refused(
    two_corpora: Path, command: Program, weights: str, problem: str
) -> None:
    done = command("train", "--run", two_corpora, "--corpus-weights", weights, *QUICK)
    assert done.returncode == 2
    assert problem in done.stderr


def test_a_config_of_other_software_in_the_working_directory_does_not_matter(
    run_copy: Path, command: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "marian"}', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    done = command("train", "--run", run_copy, "--steps", 1, *QUICK)
    assert done.returncode == 0, done.stderr


def test_batches_that_fit_are_found_once_and_kept(run_copy: Path, command: Program) -> None:
    """A run that goes on on another machine must not read its data in other batches."""
    options = [*QUICK, "--batch-tokens", "auto", "--run", run_copy]
    first = command("train", "--steps", 3, *options)
    assert first.returncode == 0, first.stderr
    assert "--batch-tokens auto: " in first.stderr
    found = tomllib.loads((run_copy / "config.toml").read_text("utf-8"))["train"]["batch_tokens"]
    assert isinstance(found, int)
    again = command("train", "--steps", 6, *options)
    assert again.returncode == 0, again.stderr
    assert "batch_tokens" not in again.stderr
    assert tomllib.loads((run_copy / "config.toml").read_text("utf-8"))["train"]["batch_tokens"] == found


def test_a_training_with_minutes_alone_has_a_rate_that_is_zero_when_time_is_up(
    run_copy: Path, command: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the machine, and however its speed changes."""
    monkeypatch.setattr("nmt.training.trainer.TRIAL_SECONDS", 0.2)
    shutil.rmtree(run_copy / "model")
    options = [*SMALL, "--precision", "float32", "--average", 3, "--log-every", 1, "--run", run_copy]
    done = command("train", "--minutes", 0.05, *options)
    assert done.returncode == 0, done.stderr
    assert "--minutes: linear schedule, the learning rate is zero when time is up" in done.stderr
    told = TOLD.search(done.stderr)
    assert told is not None
    foreseen = int(told[1].replace(",", ""))
    settings = tomllib.loads((run_copy / "config.toml").read_text("utf-8"))["train"]
    assert (settings["schedule"], settings["minutes"]) == ("linear", 0.05)
    assert settings["validate_every"] == -(-foreseen * 3 // 5)
    assert settings["warmup"] <= max(1, foreseen // 8)
    lines = [json.loads(line) for line in (run_copy / "metrics.jsonl").read_text("utf-8").splitlines()]
    for line in (line for line in lines if line["kind"] == "train"):
        rise, fall = line["step"] / settings["warmup"], max(0, 1 - line["seconds"] / 3) / 0.8
        assert line["learning_rate"] == pytest.approx(settings["learning_rate"] * min(1, rise, fall))
    longer = command("train", "--minutes", 0.06, *options)
    assert longer.returncode == 0, longer.stderr
    assert "reached --minutes 0.06" in longer.stderr


def test_a_run_that_began_before_there_was_a_setting_goes_on_with_its_default(run_copy: Path, command: Program) -> None:
    shutil.rmtree(run_copy / "model")
    options = ["--preset", "tiny", "--dim", 16, "--run", run_copy]
    assert command("train", "--optimizer", "adam", "--steps", 1, *options).returncode == 0
    kept = (run_copy / "config.toml").read_text("utf-8")
    (run_copy / "config.toml").write_text(kept.replace('optimizer = "adam"\n', ""), "utf-8")
    again = command("train", "--steps", 2, *options)
    assert again.returncode == 0, again.stderr
    assert 'optimizer = "adam"' in (run_copy / "config.toml").read_text("utf-8")


def test_when_nobody_reads_the_log_any_more_training_goes_on(run_copy: Path) -> None:
    """`nmt train 2>&1 | head` must not end it half-way, least of all with the exit code of a training that is done."""
    options = [*QUICK, "--steps", "40", "--run", run_copy]
    command = [sys.executable, "-m", "nmt", "train", *map(str, options)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment())
    assert process.stderr is not None
    process.stderr.readline()
    process.stderr.close()
    assert process.wait(timeout=120) == 0
    assert (run_copy / "checkpoints" / "step-000040").is_dir()


def test_a_run_without_its_settings_does_not_go_on_with_others(trained: Path, command: Program) -> None:
    (trained / "config.toml").unlink()
    again = command("train", "--run", trained, "--steps", 8, *QUICK)
    assert again.returncode == 1
    assert "config.toml is missing" in again.stderr
    (trained / "config.toml").write_text("")
    again = command("train", "--run", trained, "--steps", 8, *QUICK)
    assert again.returncode == 1
    assert "config.toml: decoder_layers, dim, encoder_layers" in again.stderr


def test_a_run_that_is_a_file_is_refused(command: Program, corpus: Corpus) -> None:
    done = command("train", "--run", corpus.train[0])
    assert done.returncode == 2
    assert "is a file" in done.stderr
