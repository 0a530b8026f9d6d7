"""The names of everything in a run directory, spelled here and nowhere else.

run/
tokenizer.model             a joint SentencePiece model, or tokenizer.source.model + tokenizer.target.model
data/                       prepared data: data.json, train/, valid/, and the text of the held-out sets
checkpoints/step-000500/    training state
model/                      the best model, self-contained: config.json, model.safetensors, tokenizers
eval/                       the translation of the test set and its scores
metrics.jsonl               the training log
config.toml                 the settings of the last `nmt train`
tensorboard/                the log for TensorBoard, with --tensorboard
"""

import re
from pathlib import Path

JOINT_TOKENIZER = "tokenizer.model"
SOURCE_TOKENIZER, TARGET_TOKENIZER = "tokenizer.source.model", "tokenizer.target.model"
DATA_DESCRIPTION, MODEL_CONFIG, WEIGHTS = "data.json", "config.json", "model.safetensors"
EXPORTED_MODEL = "model.bin"  # of CTranslate2
OPTIMIZER, STATE, MANIFEST = "optimizer.safetensors", "state.json", "manifest.json"
SIDES = ("source", "target")
TRAIN, VALID, TEST = "train", "valid", "test"  # the sets of prepared data; the last two are held out


class RunDirectory:
    """The paths of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / "data"
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


def checkpoint_name(step: int) -> str:
    """The name of a checkpoint's directory."""
    return f"step-{step:06d}"


def list_checkpoints(directory: Path) -> list[Path]:
    """The checkpoints in a directory, oldest first."""
    matches = {path: re.fullmatch(r"step-(\d+)", path.name) for path in directory.glob("step-*")}
    steps = {path: int(match[1]) for path, match in matches.items() if match and path.is_dir()}
    return sorted(steps, key=steps.__getitem__)
