"""Prepared data of the other direction: the same arrays and texts, with source and target exchanged."""

import os
import shutil
from pathlib import Path
from typing import Any

from nmt.data.description import read_description, save_tokenizers
from nmt.errors import NmtError, UsageError
from nmt.files.atomic import atomic_directory
from nmt.files.json import write_json
from nmt.files.run_directory import DATA_DESCRIPTION, SHORTLIST, SIDES, RunDirectory, is_data
from nmt.text.tokenizer import Tokenizers


def reverse_data(run: RunDirectory, of: RunDirectory) -> None:
    """Make the data of a run those of another in the other direction; files are linked where the file system can.

    Nothing is done where that was done before. Raises UsageError where the run has other data, and NmtError as reading
    them does.
    """
    if not is_data(of.data):
        hint = "name the run of the other direction, or leave out --reverse-of to continue"
        raise NmtError(f"{of.path}: has no prepared data to reverse", hint)
    tokenizers = Tokenizers.load(of.path)
    described = read_description(of.data, tokenizers)
    description = _reversed({key: value for key, value in described.items() if key != "lengths"})
    if is_data(run.data):
        if read_description(run.data) != description:
            hint = "use another --run, or leave out --reverse-of to train on what it has"
            raise UsageError(f"{run.data} is not {of.data} reversed", hint)
        return
    save_tokenizers(run, Tokenizers(*tokenizers[::-1]))
    with atomic_directory(run.data) as directory:
        for path in of.data.rglob("*"):
            name = _other_side(path.relative_to(of.data).as_posix())
            if path.is_file() and path.name not in (DATA_DESCRIPTION, SHORTLIST):
                (directory / name).parent.mkdir(exist_ok=True)
                _link(path, directory / name)
        write_json(directory / DATA_DESCRIPTION, description)


def _other_side(name: str) -> str:
    source, target = SIDES
    return name.replace(source, target) if source in name else name.replace(target, source)


def _reversed(value: Any) -> Any:
    """A description with what belongs to a side exchanged: entries of dictionaries, and pairs of files."""
    if isinstance(value, dict):
        reversed_ = {_other_side(key): _reversed(item) for key, item in value.items()}
        return {key: reversed_[key] for key in value} if value.keys() == reversed_.keys() else reversed_
    if isinstance(value, list) and len(value) == 2 and all(isinstance(item, str) for item in value):
        return value[::-1]
    return [_reversed(item) for item in value] if isinstance(value, list) else value


def _link(path: Path, new: Path) -> None:
    try:
        os.link(path, new)
    except OSError:  # another file system, or one without links
        shutil.copyfile(path, new)
