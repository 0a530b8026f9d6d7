"""The names of everything in a run directory, spelled here and nowhere else.

run/
tokenizer.model             a joint SentencePiece model, or tokenizer.source.model + tokenizer.target.model
data/                       prepared data: data.json, train/, valid/, the text of the held-out sets, and a shortlist
checkpoints/step-000500/    training state
model/                      the best model, self-contained: config.json, model.safetensors, tokenizers, shortlist
eval/                       the translation of the test set and its scores
metrics.jsonl               the training log
config.toml                 the settings of the last `nmt train`
tensorboard/                the log for TensorBoard, with --tensorboard
"""

import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from nmt.errors import NmtError, UsageError
from nmt.files.atomic import is_stream

JOINT_TOKENIZER = "tokenizer.model"
SOURCE_TOKENIZER, TARGET_TOKENIZER = "tokenizer.source.model", "tokenizer.target.model"
DATA_DESCRIPTION, MODEL_CONFIG, WEIGHTS = "data.json", "config.json", "model.safetensors"
EXPORTED_MODEL, VOCABULARY_MAP = "model.bin", "vmap.txt"  # of CTranslate2
SHORTLIST = "shortlist.txt"  # in data and models
OPTIMIZER, STATE, MANIFEST = "optimizer.safetensors", "state.json", "manifest.json"
SIDES = ("source", "target")
TRAIN, VALID, TEST = "train", "valid", "test"  # the sets of prepared data; the last two are held out


class RunDirectory:
    """The paths of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / "data"
        self.shortlist = self.data / SHORTLIST
        self.model = path / "model"
        self.checkpoints = path / "checkpoints"
        self.metrics = path / "metrics.jsonl"
        self.settings = path / "config.toml"
        self.tensorboard = path / "tensorboard"
        self.translation = path / "eval" / "test.translation"
        self.scores = path / "eval" / "test.json"

    def has_tokenizer(self) -> bool:
        """Whether the run has a tokenizer."""
        return any((self.path / name).exists() for name in (JOINT_TOKENIZER, SOURCE_TOKENIZER))

    def is_trained(self) -> bool:
        """Whether the run has a model or checkpoints, to which its data and its tokenizer belong."""
        return is_model(self.model) or bool(list_checkpoints(self.checkpoints))

    def check_untrained(self, part: str) -> None:
        """Raise NmtError where the run is trained, and would lose a part that it was trained with."""
        if self.is_trained():
            hint = "use another --run, or add --force: the model can still translate, but training cannot be resumed"
            raise NmtError(f"{self.path}: was trained with another {part}, which would be lost", hint)

    def held_out(self, name: str, side: str) -> Path:
        """The text of one side of the `valid` or `test` set."""
        return held_out_text(self.data, name, side)


def held_out_text(data: Path, name: str, side: str) -> Path:
    """The text of one side of a held-out set in a directory of prepared data."""
    return data / f"{name}.{side}"


def token_arrays(directory: Path, side: str) -> tuple[Path, Path]:
    """The arrays of token ids and row offsets of one side of a set."""
    return directory / f"{side}.ids.npy", directory / f"{side}.offsets.npy"


def is_model(directory: Path) -> bool:
    """Whether a directory holds a model."""
    return (directory / MODEL_CONFIG).exists()


def is_data(directory: Path) -> bool:
    """Whether a directory holds prepared data."""
    return (directory / DATA_DESCRIPTION).exists()


_RUN, _NAMES = (
    r"(data(.shards)?|model|checkpoints|tensorboard)(/.*)?|eval(/test.*)?|metrics.jsonl|config.toml|.lock|tokenizer[.\w]*model",
    r"(data|config|vocab|\w+_vocabulary|\w+_config).json|(source|target).spm|README.md|(model|tokenizer|valid|test|shortlist|vmap)\.\w+(.model)?|(train|valid)(/\w+.\w+.npy)?|\.[^/]*",
)
"""The parts of a run; and what is in data, models and exports, hidden files aside."""


def is_output(marker: str, directory: Path) -> bool:
    """Whether nmt wrote a directory with the file `marker` in it, and nobody has put anything else there."""
    config = directory / MODEL_CONFIG
    ours = (directory / marker).is_file() and (not config.exists() or b'"nmt":' in config.read_bytes())
    return ours and _has_only_our_names(directory)


def _has_only_our_names(directory: Path) -> bool:
    """Whether all in a directory has names of data, a model or an export; a tokenizer alone is that of a run."""
    ours = all(re.fullmatch(_NAMES, path.relative_to(directory).as_posix()) for path in directory.rglob("*"))
    return ours and (is_model(directory) or not RunDirectory(directory).has_tokenizer())


OUR_DATA, OUR_MODEL, OUR_EXPORT, OUR_MARIAN = (
    partial(is_output, marker) for marker in (f"{TRAIN}/source.ids.npy", WEIGHTS, EXPORTED_MODEL, "source.spm")
)


def check_output(
    path: Path,
    is_own: Callable[[Path], bool],
    *,
    force: bool = False,
    of_run: bool = False,
    new: Path | None = None,
    inputs: Iterable[Path] = (),
) -> None:
    """Check the place of an output before the work for it: NmtError where writing there would destroy something.

    What is empty or a pipe may be written to, and an older output, which `is_own` recognizes, is replaced; with `force`
    any file is, and a directory of nothing but names of outputs, but never an input. The places of parts of a run, also
    of one that is `new`, are only for outputs `of_run`.
    """
    run = None if of_run or is_stream(path) else _run_of(path.absolute(), new) or _run_of(path.resolve(), new)
    if run:
        raise UsageError(f"{path}: a part of the run {run}, so nothing else is written there", "name another place")
    if not path.exists() or is_stream(path):
        return
    if any(other.exists() and path.samefile(other) for other in inputs):
        raise UsageError(f"{path}: would replace an input", "name another file")
    path = path.resolve()
    if Path.cwd().is_relative_to(path):
        raise NmtError(f"{path}: the current directory, so it is not replaced", "name another place, or leave it")
    empty = not (any(path.iterdir()) if path.is_dir() else path.stat().st_size)
    replaceable = not path.is_dir() or _has_only_our_names(path)
    if not (empty or is_own(path) or (force and replaceable)):
        but, more = ("", ", or add --force") if replaceable else (", not even by --force", "")
        raise NmtError(f"{path}: something else is there, so it is not replaced{but}", f"name another place{more}")


def _run_of(path: Path, new: Path | None) -> Path | None:
    """The run of which a path is a part: the new one, or an older one."""
    for run in map(RunDirectory, path.parents):
        if re.fullmatch(_RUN, path.relative_to(run.path).as_posix()):
            own = is_data(run.data) or is_model(run.model) or (path.is_file() and path.parent == run.path)
            if (own and run.has_tokenizer()) or (new and run.path.resolve() == new.resolve()):
                return run.path
    return None


def checkpoint_name(step: int) -> str:
    """The name of a checkpoint's directory."""
    return f"step-{step:06d}"


def list_checkpoints(directory: Path) -> list[Path]:
    """The checkpoints in a directory, oldest first."""
    matches = {path: re.fullmatch(r"step-(\d+)", path.name) for path in directory.glob("step-*")}
    steps = {path: int(match[1]) for path, match in matches.items() if match and path.is_dir()}
    return sorted(steps, key=steps.__getitem__)
