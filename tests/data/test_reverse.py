"""The other direction of prepared data: what `nmt prepare` would make of the exchanged files."""

from pathlib import Path

import numpy as np
import pytest
from conftest import Corpus, Program, sets_of

from nmt.config.corpus import PrepareConfig, TokenizerConfig
from nmt.data.description import read_description
from nmt.data.prepare import prepare
from nmt.data.reverse import reverse_data
from nmt.errors import NmtError, UsageError
from nmt.files.lock import locked
from nmt.files.run_directory import RunDirectory
from nmt.text.tokenizer import Tokenizers, train_tokenizers
from nmt.training.recipe import open_training


def test_it_is_what_prepare_makes_of_the_exchanged_files(
    run: Path, corpus: Corpus, tokenizers: Tokenizers, tmp_path: Path
) -> None:
    reverse_data(RunDirectory(tmp_path / "reverse"), RunDirectory(run))
    exchanged = [tuple(reversed(files)) for files in (corpus.train, corpus.valid, corpus.test)]
    expected = tmp_path / "expected"
    prepare(sets_of([exchanged[0]], *exchanged[1:]), tokenizers, expected, PrepareConfig())
    made = tmp_path / "reverse" / "data"
    names = {path.relative_to(expected).as_posix() for path in expected.rglob("*.npy")}
    assert names == {path.relative_to(made).as_posix() for path in made.rglob("*.npy")}
    for name in names:
        np.testing.assert_array_equal(np.load(made / name), np.load(expected / name))
    for name in ("valid.source", "valid.target", "test.source", "test.target"):
        assert (made / name).read_bytes() == (expected / name).read_bytes()
    ours, theirs = read_description(made), read_description(expected)
    for key in ("sets", "languages", "vocabulary", "tokenizer", "sha256"):
        assert ours[key] == theirs[key]
    assert list(ours["languages"]) == ["source", "target"]


def test_a_reverse_model_is_trained_and_evaluated(command: Program, run: Path, tmp_path: Path) -> None:
    reverse = tmp_path / "reverse"
    options = ("--preset", "tiny", "--batch-tokens", 256, "--threads", 1, "--dim", 16, "--feed-forward", 16, "-q")
    for steps in (2, 3):
        done = command("train", "--run", reverse, "--reverse-of", run, "--steps", steps, *options)
        assert done.returncode == 0, done.stderr
    languages = command("info", reverse, "--json").stdout.decode()
    assert languages.index('"source": "en"') >= 0
    assert command("eval", "--run", reverse, "--beam", 1, "--max-length", 4, "--threads", 1).returncode == 0


def test_a_new_run_is_locked_while_it_is_trained(run: Path, tmp_path: Path) -> None:
    reverse = RunDirectory(tmp_path / "reverse")
    with (
        open_training(reverse, {"preset": "tiny", "steps": 1}, RunDirectory(run)),
        pytest.raises(NmtError, match="in use"),
        locked(reverse.path),
    ):
        pass


def test_a_run_with_other_data_is_left_alone(run: Path, run_copy: Path) -> None:
    reverse_data(RunDirectory(run_copy.parent / "reverse"), RunDirectory(run))
    with pytest.raises(UsageError, match="reversed"):
        reverse_data(RunDirectory(run_copy), RunDirectory(run))


def test_a_run_without_data_cannot_be_reversed(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match="has no prepared data to reverse"):
        reverse_data(RunDirectory(tmp_path / "reverse"), RunDirectory(tmp_path / "missing"))


def test_separate_tokenizers_change_sides(corpus: Corpus, tmp_path: Path) -> None:
    separate = train_tokenizers(corpus.train, TokenizerConfig(vocab_size=300, separate=True))
    run, reverse = tmp_path / "run", tmp_path / "reverse"
    separate.save(run)
    prepare(sets_of([corpus.train], corpus.valid, corpus.test), separate, run / "data", PrepareConfig())
    reverse_data(RunDirectory(reverse), RunDirectory(run))
    assert Tokenizers.load(reverse) == separate[::-1]
