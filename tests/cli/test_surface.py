"""What scripts rely on: the commands, their options, and that --help does not make anyone wait."""

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from conftest import ROOT, Program, environment

import nmt as package
from nmt.cli.app import app
from nmt.config.setting import COMMANDS as TABLES

COMMON = "--run --quiet -q --debug"
WITHOUT_SETTINGS = (
    "tokenizer import",
    "tokenizer encode",
    "tokenizer decode",
    "report",
    "average",
    "info",
    "demo",
    "import",
    "export argos",
    "export ctranslate2",
    "export transformers",
)  # so --config has no meaning
RUNTIME = "--device --precision --threads"
SEARCH = (
    "--beam --protect --length-penalty --max-length --n-best --batch-tokens "
    "--split-sentences --no-split-sentences "
    "--length-normalization --max-ratio --min-length --min-ratio --coverage-penalty --no-repeat-ngram "
    "--repetition-penalty --forbid --loop-guard --no-loop-guard --beam-groups --diversity --mbr --candidates --sample "
    "--no-sample --temperature --top-k --top-p --seed --shortlist --no-shortlist --fold-case --no-fold-case"
)
MODEL = (
    "--activation --projection-bias --no-projection-bias "
    "--dim --feed-forward --heads --encoder-layers --decoder-layers --norm --tied --no-tied --max-length --dropout "
    "--attention-dropout --activation-dropout --embedding-dropout"
)
TRAINING = (
    "--preset --steps --epochs --minutes --patience --batch-tokens --accumulate --optimizer --learning-rate --warmup "
    "--schedule --decay-start --beta1 --beta2 --epsilon --weight-decay --clip-norm --label-smoothing --validate-every "
    "--metric --valid-beam --save-every --keep --average --average-of --log-every --seed --init-from --freeze "
    "--schedule-start --compile --no-compile --cuda-graphs --no-cuda-graphs --corpus-weights --corpus-temperature "
    "--ema --r-drop --subword-sampling --token-masking --robust --no-robust --tensorboard --no-tensorboard"
)

READING = "--format --source-language --target-language --columns --inline-tags"
SETS = "files --valid --test --valid-file --valid-tsv --test-file --test-tsv"
CLEANING = (
    "--clean --no-clean --max-length --min-length --max-ratio --max-deviation --keep-identical --no-keep-identical "
    "--deduplicate --check-scripts --no-check-scripts --check-languages --no-check-languages --check-placeholders "
    "--no-check-placeholders --repair --no-repair --normal-form --plain-quotes --no-plain-quotes"
)

SURFACE = {
    "tokenizer train": f"{READING} files --vocab-size --type --separate --no-separate --character-coverage "
    "--byte-fallback --no-byte-fallback --normalization --symbol --protect --no-protect --sample --force",
    "tokenizer report": f"{READING} files --json",
    "tokenizer import": "files --force",
    "tokenizer encode": "file --side --strict",
    "tokenizer decode": "file --side --strict",
    "prepare": f"{SETS} {READING} {CLEANING} --split --shard --merge --rejects --tokenizer --force",
    "check": f"{SETS} {READING} {CLEANING} --json",
    "train": f"--reverse-of {TRAINING} {MODEL} {RUNTIME}",
    "export ctranslate2": "--output --model --quantization --sample --force",
    "import": "foreign --output --force",
    "export argos": "--output --model --quantization --source-language --target-language --source-name --target-name "
    "--force",
    "export transformers": "--output --model --sample --force",
    "translate": "file --output -o --format --model --average --engine --scores --align --json --prefix --tag "
    "--glossary --retranslate --fuzzy --no-fuzzy --allow-incomplete --strict "
    f"--buffer-lines --line-buffered {SEARCH} {RUNTIME}",
    "synthesize": f"method files --output -o --model --forward --backward --teacher-command --rejects --tag "
    f"--noise --length-ratio --min-score --keep-copies --no-keep-copies --keep-duplicates --no-keep-duplicates "
    f"{READING} {SEARCH} {RUNTIME}",
    "score": f"{READING} files --model --tokens --json --length-penalty --length-normalization --batch-tokens "
    f"{RUNTIME}",
    "eval": "hypothesis --reference --source --model --strict --sentence --alignment --perturb --comet-model --json "
    f"--metric --tokenize --target-language --confidence --no-confidence --details --no-details {SEARCH} {RUNTIME}",
    "compare": "systems --reference --source --strict --json --metric --tokenize --target-language --details "
    "--no-details --significance --samples --show",
    "attention": f"text --target --model --kind --layer --head --pieces --html --json --force {RUNTIME}",
    "report": "runs --html --json --force",
    "average": "checkpoints --last --output --force",
    "info": "directory --json",
    "demo": "--threads",
}
"""Every command's arguments and options, COMMON left out. A change here is a decision: scripts rely on them."""

LATE = ("torch", "numpy", "sentencepiece", "sacrebleu", "safetensors")


def leaves(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The commands that do something, by their whole name."""
    if hasattr(command, "commands"):
        for word, inner in command.commands.items():
            yield from leaves(inner, f"{name} {word}".strip())
    else:
        yield name, command


COMMANDS = dict(leaves(typer.main.get_command(app)))


def names(command: Any) -> list[str]:
    """Its arguments by name and its options as they are typed."""
    return sorted(set(texts(command, hidden=False)) - {"--help", "-h"})


def texts(command: Any, *, hidden: bool) -> list[str]:
    shown = [option for option in command.params if getattr(option, "hidden", False) is hidden]
    return [text for option in shown for text in (*option.opts, *option.secondary_opts)]


def test_there_are_these_commands() -> None:
    assert sorted(COMMANDS) == sorted(SURFACE)


def test_a_settings_file_has_a_table_for_each_command_with_settings() -> None:
    assert set(TABLES) == {name.split()[0] for name in SURFACE if name not in WITHOUT_SETTINGS}


@pytest.mark.parametrize("name", sorted(SURFACE))
def test_a_command_has_these_arguments_and_options(name: str) -> None:
    config = "" if name in WITHOUT_SETTINGS else "--config"
    assert names(COMMANDS[name]) == sorted(f"{SURFACE[name]} {COMMON} {config}".split())


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_explains_every_option(command: Program, name: str) -> None:
    done = command(*name.split(), "--help")
    assert done.returncode == 0
    text = done.stdout.decode()
    assert [one for one in names(COMMANDS[name]) if one.startswith("--") and one not in text] == []
    assert COMMANDS[name].help
    assert all(one.help for one in COMMANDS[name].params if one.param_type_name == "option")


FORMER = {
    "train": "--peak-rate --clip --compiled --no-compiled",
    "eval": "--diff --significance --samples --show",
}
"""Options of release 0.1 that have another name or place now: scripts may still give them."""


@pytest.mark.parametrize("name", sorted(SURFACE))
def test_former_options_are_still_taken_but_not_shown(command: Program, name: str) -> None:
    assert sorted(texts(COMMANDS[name], hidden=True)) == sorted(FORMER.get(name, "").split())
    shown = command(*name.split(), "--help").stdout.decode().split()
    assert not set(FORMER.get(name, "").split()) & set(shown)


def test_help_lists_the_commands_in_the_order_of_use(command: Program) -> None:
    text = command("--help").stdout.decode()
    listed = [line.split()[1] for line in text.splitlines() if re.match("│ [a-z]", line)]
    assert " ".join(listed) == (
        "demo tokenizer check prepare train report average translate synthesize score import export eval compare "
        "attention info"
    )
    assert {name.split()[0] for name in COMMANDS} == set(listed)


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["translate", "--help"], ["--version"]])
def test_help_comes_without_importing_what_takes_long(arguments: list[str]) -> None:
    """fairseq takes seconds to print its help, because it imports torch and all of itself."""
    code = f"""
import sys
sys.argv = ["nmt", *{arguments!r}]
from nmt.cli.app import main
try:
    main()
except SystemExit as end:
    assert not end.code
late = [name for name in {LATE!r} if name in sys.modules]
sys.exit(f"imported {{late}}" if late else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], env=environment(), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_version_is_the_packages(nmt: Program) -> None:
    assert nmt("--version").stdout.decode() == f"nmt {package.__version__}\n"


def test_the_translator_is_at_the_front_door() -> None:
    from nmt import Translator
    from nmt.decoding import translator

    assert Translator is translator.Translator
    with pytest.raises(AttributeError, match="no attribute 'Translater'"):
        package.Translater  # noqa: B018


@pytest.mark.parametrize("name", ["train", "check", "tokenizer train"])
def test_words_in_brackets_are_shown(command: Program, name: str) -> None:
    assert "as [train]" in " ".join(command(*name.split(), "--help").stdout.decode().replace("│", " ").split())


def test_a_setting_by_both_of_its_names_is_a_usage_error(command: Program) -> None:
    done = command("train", "--peak-rate", "1e-3", "--learning-rate", "2e-3")
    assert done.returncode == 2
    assert "--learning-rate is given twice, also by its former name" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["train", "--stesp", "3"], ["translate", "--beam", "many"], ["prepare"], ["tokenizer", "x"]],
)
def test_wrong_usage_is_exit_code_2(command: Program, arguments: list[str]) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert done.stdout == b""
    assert "Traceback" not in done.stderr
