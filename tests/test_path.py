"""How long is the way of one batch? Code that is read by following it must not lead through everything."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest
from conftest import Program

import nmt
from nmt.training.trainer import Trainer

PACKAGE = f"{Path(nmt.__file__).parent}/"


class Function(NamedTuple):
    """A function of the package, comprehensions and generator expressions not counted."""

    file: str
    name: str


def function_of(frame: FrameType) -> Function | None:
    code = frame.f_code
    inside = code.co_filename.startswith(PACKAGE) and not code.co_name.startswith("<")
    return Function(code.co_filename.removeprefix(PACKAGE), code.co_qualname) if inside else None


class Step(NamedTuple):
    """The functions that a step of `nmt train` ran, and the frames from the command to the first attention."""

    functions: set[Function]
    frames: list[Function]


@pytest.fixture
def step(command: Program, run_copy: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Step]:
    """A step in the midst of a training with the paper's optimizer, in bfloat16, with dropout and label smoothing."""
    shutil.rmtree(run_copy / "model")
    functions, frames = set[Function](), list[Function]()

    def profile(frame: FrameType, event: str, _: Any) -> None:
        function = function_of(frame) if event == "call" else None
        if function is None:
            return
        functions.add(function)
        if function.name == "MultiHeadAttention.attend" and not frames:
            caller: FrameType | None = frame
            while caller:
                frames.extend(filter(None, [function_of(caller)]))
                caller = caller.f_back

    reason_to_stop = Trainer.reason_to_stop

    def profiled(self: Trainer) -> str:
        reason = reason_to_stop(self)
        if self.state.step in (3, 4):  # the first steps fill caches
            sys.setprofile(profile if self.state.step == 3 else None)
        return reason

    monkeypatch.setattr(Trainer, "reason_to_stop", profiled)
    shape = "--preset base --dim 16 --feed-forward 16 --heads 2 --encoder-layers 1 --decoder-layers 1"
    options = "--steps 6 --batch-tokens 200 --precision bfloat16 --threads 1"
    try:
        done = command("train", "--run", run_copy, *shape.split(), *options.split())
    finally:
        sys.setprofile(None)
    assert done.returncode == 0, done.stderr
    yield Step(functions | {Function("training/trainer.py", "Trainer.reason_to_stop")}, frames)


def test_a_training_step_runs_through_few_files_and_functions(step: Step) -> None:
    """Sockeye 10 and 46, OpenNMT-py 15 and 40, fairseq 24 and 120."""
    listed = "\n".join(sorted(f"{function.file} {function.name}" for function in step.functions))
    assert len({function.file for function in step.functions}) <= 12, listed
    assert len(step.functions) <= 35, listed


def test_attention_is_few_calls_away_from_the_command(step: Step) -> None:
    """Sockeye 12 frames in 6 files, fairseq 13 in 9, eole 17 in 7."""
    listed = "\n".join(f"{function.file} {function.name}" for function in reversed(step.frames))
    assert step.frames[-1].file == "cli/options.py", listed
    assert len(step.frames) <= 12, listed
    assert len({function.file for function in step.frames}) <= 7, listed
