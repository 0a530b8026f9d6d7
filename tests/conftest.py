"""What the tests share: a tiny corpus, a tiny run made of it, and two ways to call the program.

`corpus` and `run` are made once and must not be changed; `run_copy` is a run of one's own.
"""

import logging
import os
import random
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

if (worker := os.environ.get("PYTEST_XDIST_WORKER")) and hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))  # a core for each worker: its threads would wait for those of the others
    os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})

import torch
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]

settings.register_profile(
    "nmt",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("nmt")

# ------------------------------------------------------------------------------------------------------ the program


class Result(NamedTuple):
    """What a command did."""

    returncode: int
    stdout: bytes
    stderr: str


Program = Callable[..., Result]


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child process: this checkout's nmt, no run of the user's, one thread."""
    inherited = {key: value for key, value in os.environ.items() if key != "NMT_RUN"}
    return {**inherited, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "200", **(changes or {})}


@pytest.fixture(scope="session")
def nmt() -> Program:
    """`nmt(*arguments, stdin=b"", env=None, cwd=None)` runs the program as a process of its own."""

    def run(
        *arguments: object, stdin: bytes = b"", env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "nmt", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            env=environment(env),
            cwd=cwd,
            timeout=120,
        )
        return Result(done.returncode, done.stdout, done.stderr.decode())

    return run


@contextmanager
def untouched_logging() -> Iterator[None]:
    """Take back what a command changes of the library's logger."""
    logger = logging.getLogger("nmt")
    before = logger.handlers[:], logger.level, logger.propagate
    try:
        yield
    finally:
        logger.handlers[:], logger.level, logger.propagate = before


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Program:
    """`command(*arguments, stdin=b"")` runs the program in this process: without the seconds that importing takes."""
    from typer.testing import CliRunner

    from nmt.cli.app import app

    monkeypatch.delenv("NMT_RUN", raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object, stdin: bytes = b"") -> Result:
        with untouched_logging():
            done = CliRunner().invoke(app, [str(one) for one in arguments], input=stdin, prog_name="nmt")
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Result(done.exit_code, done.stdout_bytes, done.stderr)

    return run


# ----------------------------------------------------------------------------------------------------- the corpus


_WORDS = {
    "ich": "I",
    "du": "you",
    "wir": "we",
    "sehe": "see",
    "höre": "hear",
    "suche": "seek",
    "den": "the",
    "einen": "a",
    "Hund": "dog",
    "Baum": "tree",
    "Vogel": "bird",
    "großen": "big",
    "kleinen": "small",
    "heute": "today",
    "gestern": "yesterday",
}
_SHAPE = ("ich du wir", "sehe höre suche", "den einen", "großen kleinen", "Hund Baum Vogel", "heute gestern")


SMALL_MODEL = {"dim": 16, "feed-forward": 16, "heads": 2, "encoder-layers": 1, "decoder-layers": 1}
"""Options of `nmt train` for a model that takes milliseconds a step."""


class Corpus(NamedTuple):
    """Source and target file of each set."""

    train: tuple[Path, Path]
    valid: tuple[Path, Path]
    test: tuple[Path, Path]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """German and English, word for word: all 216 sentences that there are, 8 of them for each of valid and test."""
    folder = tmp_path_factory.mktemp("corpus")
    sentences: list[list[str]] = [[]]
    for words in _SHAPE:
        sentences = [[*sentence, word] for sentence in sentences for word in words.split()]
    random.Random(1).shuffle(sentences)
    cuts = {"valid": sentences[:8], "test": sentences[8:16], "train": sentences[16:]}
    made = {}
    for name, part in cuts.items():
        paths = folder / f"{name}.de", folder / f"{name}.en"
        paths[0].write_text("".join(" ".join(one) + ".\n" for one in part), encoding="utf-8")
        paths[1].write_text("".join(" ".join(_WORDS[word] for word in one) + ".\n" for one in part), encoding="utf-8")
        made[name] = paths
    return Corpus(**made)


@pytest.fixture(scope="session")
def tokenizers(corpus: Corpus) -> Any:
    """One tokenizer for both languages, with byte fallback."""
    from nmt.config.corpus import TokenizerConfig
    from nmt.text.tokenizer import train_tokenizers

    return train_tokenizers(corpus.train, TokenizerConfig(vocab_size=400))


def sets_of(
    train: Sequence[tuple[Path, ...]], valid: tuple[Path, ...] | None = None, test: tuple[Path, ...] | None = None
) -> Any:
    """The sets that prepare takes, of files alone."""
    from nmt.data.prepare import Sets
    from nmt.text.corpus import Corpus

    held_out = [Corpus(files, "held out") if files else None for files in (valid, test)]
    return Sets(tuple(Corpus(files, files[0].name) for files in train), *held_out)


@pytest.fixture(scope="session")
def run(corpus: Corpus, tokenizers: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a tokenizer, prepared data, and a model that was never trained. Not to be changed."""
    from nmt.config.corpus import PrepareConfig
    from nmt.config.model import ModelConfig
    from nmt.data.prepare import prepare
    from nmt.model.model_directory import save_model
    from nmt.model.transformer import Transformer

    directory = tmp_path_factory.mktemp("session") / "run"
    tokenizers.save(directory)
    prepare(sets_of([corpus.train], corpus.valid, corpus.test), tokenizers, directory / "data", PrepareConfig())
    config = ModelConfig(
        source_vocabulary=len(tokenizers.source),
        target_vocabulary=len(tokenizers.target),
        shared_vocabulary=True,
        tied=False,  # a tied projection that was never trained repeats what it reads
        dim=16,
        feed_forward=16,
        heads=2,
        encoder_layers=1,
        decoder_layers=1,
        max_length=48,
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = Transformer(config)
    save_model(directory / "model", config, dict(model.named_parameters()), tokenizers, {"step": 0})
    return directory


@pytest.fixture
def run_copy(run: Path, tmp_path: Path) -> Path:
    """A copy of the tiny run that a test may change."""
    return Path(shutil.copytree(run, tmp_path / "run"))


# ---------------------------------------------------------------------------------------------------------------- a GPU


REAL_GPU = torch.accelerator.is_available() and not os.environ.get("NMT_EMULATED_GPU")
"""torch offers one accelerator to a process: with a GPU the emulated one is tested where NMT_EMULATED_GPU is set."""

EMULATED_GPU = not REAL_GPU and hasattr(torch.utils.backend_registration, "_setup_privateuseone_for_python_backend")
if EMULATED_GPU:  # at once: the first backward pass of a process decides which devices autograd knows
    import emulated_gpu


@pytest.fixture
def real_gpu() -> torch.device:
    """The GPU of this machine; skips where there is none."""
    if not REAL_GPU:
        pytest.skip("there is no GPU here")
    return torch.accelerator.current_accelerator()


@pytest.fixture
def gpu() -> Iterator[torch.device]:
    """A GPU, real or emulated."""
    if REAL_GPU:
        yield torch.accelerator.current_accelerator()
    elif EMULATED_GPU:
        with emulated_gpu.emulated_gpu() as device:
            yield device
    else:
        pytest.skip("there is no GPU, and this torch is too old to emulate one")


@pytest.fixture
def waits(gpu: torch.device) -> Callable[[], AbstractContextManager[list[str]]]:
    """`with waits() as found:` says where the host waited for the device, when it is left."""

    @contextmanager
    def recorded() -> Iterator[list[str]]:
        found: list[str] = []
        if gpu.type == "cuda":
            torch.cuda.set_sync_debug_mode("warn")
            try:
                with warnings.catch_warnings(record=True, action="always") as told:
                    yield found
            finally:
                torch.cuda.set_sync_debug_mode("default")
            found += [
                f"{one.filename}:{one.lineno}" for one in told if "synchronizing CUDA operation" in str(one.message)
            ]
            return
        emulated_gpu.counts.clear()
        yield found
        found += emulated_gpu.counts.waits.elements()

    return recorded
