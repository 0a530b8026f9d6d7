"""Settings: where a value comes from, what is refused and in which words, and TOML that reads back."""

import math
import re
import tomllib
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.config import setting
from nmt.config.corpus import PrepareConfig, TokenizerConfig
from nmt.config.model import ModelConfig
from nmt.config.presets import PRESETS, auto_preset
from nmt.config.runtime import RuntimeConfig
from nmt.config.search import SearchConfig
from nmt.config.setting import (
    AUTO,
    build,
    described,
    format_settings,
    option_name,
    read_settings,
    settings_of,
)
from nmt.config.training import TrainingConfig
from nmt.errors import NmtError

CONFIGS = (ModelConfig, TrainingConfig, TokenizerConfig, PrepareConfig, SearchConfig, RuntimeConfig)
TRAIN = (TrainingConfig, ModelConfig, RuntimeConfig)
VOCABULARY: dict[str, Any] = dict(source_vocabulary=100, target_vocabulary=100, shared_vocabulary=True)


def resolve(configs: Iterable[type[Any]], flags: dict[str, Any], file: dict[str, Any] | None = None) -> dict[str, Any]:
    return setting.resolve(configs, {**(file or {}), **flags}, PRESETS)


def refused(config: type[Any], **values: Any) -> str:
    fixed = VOCABULARY if config is ModelConfig else {}
    with pytest.raises(NmtError) as caught:
        build(config, values, **fixed)
    return caught.value.problem


# --------------------------------------------------------------------------------------------- where a value comes from


def test_flags_win_over_the_file_and_the_file_over_the_preset_and_the_preset_over_the_default() -> None:
    file = {"preset": "tiny", "dim": 192, "heads": 6}
    found = resolve(TRAIN, {"heads": 3}, file)
    assert found["heads"] == 3  # flag; the file says 6, tiny 4
    assert found["dim"] == 192  # file; tiny says 128
    assert found["feed_forward"] == PRESETS["tiny"]["feed_forward"] == 256
    assert found["seed"] == settings_of(TrainingConfig)["seed"].default


def test_a_preset_given_as_a_flag_wins_over_that_of_the_file() -> None:
    assert resolve(TRAIN, {"preset": "base"}, {"preset": "tiny"})["dim"] == 512


def test_a_preset_named_in_the_file_is_applied() -> None:
    assert resolve(TRAIN, {}, {"preset": "tiny"})["feed_forward"] == PRESETS["tiny"]["feed_forward"]


def test_an_unknown_preset_lists_those_there_are() -> None:
    with pytest.raises(NmtError, match="--preset smal is unknown") as caught:
        resolve(TRAIN, {"preset": "smal"})
    assert all(name in caught.value.hint for name in PRESETS)


@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize("pairs", [0, 100, 9_999, 10_000, 149_999, 150_000, 1_500_000, 10**8])
def test_the_automatic_preset_builds_for_any_corpus_and_says_why(pairs: int, gpu: bool) -> None:
    values, reason = auto_preset(pairs, gpu=gpu)
    found = setting.resolve(TRAIN, {}, {**PRESETS, AUTO: values})
    model, training = build(ModelConfig, found, **VOCABULARY), build(TrainingConfig, found)
    assert f"{pairs:,} pairs" in reason
    assert (model.dim == 512) == (gpu and pairs >= 1_500_000)
    assert model.dropout > 0.1 or pairs >= 150_000
    assert f"batch tokens {training.batch_tokens}" in reason


@pytest.mark.parametrize(("pairs", "gpu", "layers"), [(5_000, False, 4), (50_000, False, 3), (10**7, True, 6)])
@pytest.mark.parametrize(("name", "decoder_layers"), [("fast", 2), ("fastest", 1)])
def test_the_presets_of_students_are_auto_with_a_deeper_encoder_and_a_shallow_decoder(
    pairs: int, gpu: bool, layers: int, name: str, decoder_layers: int
) -> None:
    values, reason = auto_preset(pairs, gpu=gpu, name=name)
    auto, _ = auto_preset(pairs, gpu=gpu)
    assert reason.startswith(f"--preset {name}: ") and f"decoder layers {decoder_layers}" in reason
    assert values == {**auto, "encoder_layers": 2 * layers, "decoder_layers": decoder_layers}


def test_base_and_big_are_the_papers() -> None:
    """Table 3 of Vaswani et al. 2017; the peak rate is d_model^-0.5 * warmup^-0.5 of its equation 3."""
    for name, (dim, feed_forward, heads, dropout) in {
        "base": (512, 2048, 8, 0.1),
        "big": (1024, 4096, 16, 0.3),
    }.items():
        values = resolve(TRAIN, {"preset": name})
        model, training = build(ModelConfig, values, **VOCABULARY), build(TrainingConfig, values)
        assert (model.dim, model.feed_forward, model.heads, model.dropout) == (dim, feed_forward, heads, dropout)
        assert (model.encoder_layers, model.decoder_layers, model.norm) == (6, 6, "post")
        assert (training.warmup, training.beta1, training.beta2, training.epsilon) == (4000, 0.9, 0.98, 1e-9)
        assert training.label_smoothing == 0.1
        assert training.learning_rate == pytest.approx((dim * 4000) ** -0.5, rel=0.03)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_builds_and_sets_only_what_there_is(preset: str) -> None:
    known = {name for config in TRAIN for name in settings_of(config)}
    assert PRESETS[preset].keys() <= known
    values = resolve(TRAIN, {"preset": preset})
    assert values.keys() == known
    model, training = build(ModelConfig, values, **VOCABULARY), build(TrainingConfig, values)
    build(RuntimeConfig, values)
    for name, value in PRESETS[preset].items():
        assert getattr(model if name in settings_of(ModelConfig) else training, name) == value


@pytest.mark.parametrize("config", CONFIGS)
def test_defaults_are_within_their_own_bounds_and_explained(config: type[Any]) -> None:
    fixed = VOCABULARY if config is ModelConfig else {}
    made = build(config, resolve([config], {}), **fixed)
    for name, one in settings_of(config).items():
        assert described(one).help
        if "preset" not in settings_of(config):
            assert getattr(made, name) == one.default


def test_no_two_settings_of_a_command_share_a_name() -> None:
    for together in (TRAIN, (SearchConfig, RuntimeConfig)):
        names = [name for config in together for name in settings_of(config)]
        assert len(names) == len(set(names))


# ------------------------------------------------------------------------------------------------------ what is refused


def test_all_problems_are_listed_at_once() -> None:
    """One problem a run is how an evening goes by: JoeyNMT and OpenNMT-py stop at the first."""
    problem = refused(TrainingConfig, steps=0, batch_tokens="many", schedule="cosine", beta2=1.0)
    assert [part.split(" ")[0] for part in problem.split("; ") if part.startswith("--")] == [
        "--steps",
        "--batch-tokens",
        "--schedule",
        "--beta2",
    ]


def test_problems_across_fields_are_listed_at_once() -> None:
    problem = refused(ModelConfig, dim=15, heads=4)
    assert "--heads 4 does not divide --dim 15" in problem
    assert "--dim 15 is odd" in problem


@pytest.mark.parametrize(
    ("config", "values", "words"),
    [
        (TrainingConfig, {"schedule": "linear", "warmup": 50, "steps": 20}, ("--warmup 50", "--steps 20")),
        (SearchConfig, {"beam": 2, "n_best": 3}, ("--n-best 3", "--beam 2")),
        (TokenizerConfig, {"vocab_size": "8k"}, ("--vocab-size 8k",)),
        (TokenizerConfig, {"vocab_size": 0}, ("--vocab-size 0",)),
        (TokenizerConfig, {"vocab_size": -5}, ("--vocab-size -5",)),
        (TokenizerConfig, {"character_coverage": 1.5}, ("--character-coverage 1.5",)),
        (TokenizerConfig, {"symbol": ["<a>", " "]}, ("--symbol ' '",)),
        (
            TokenizerConfig,
            {"symbol": ["<a b>", "▁c", "d\u3000e"]},
            ("'<a b>' is blank or contains a space", "'▁c'"),
        ),
        (TokenizerConfig, {"symbol": ["<a>", "<b>", "<a>"]}, ("--symbol '<a>' is given twice",)),
        (TokenizerConfig, {"symbol": ["<s>", "<pad>", "<0x0A>"]}, ("'<s>' is a control symbol", "'<pad>'", "'<0x0A>'")),
        (TokenizerConfig, {"symbol": ["a\x1b", "\ud800"]}, ("contains control characters", "ud800")),
        (TokenizerConfig, {"symbol": "<a>"}, ("--symbol", "a list of texts")),
        (TokenizerConfig, {"symbol": ["<a>", 3]}, ("--symbol", "a list of texts")),
        (RuntimeConfig, {"precision": "float64"}, ("--precision float64", "bfloat16")),
        (RuntimeConfig, {"threads": 10**6}, ("--threads 1000000", "maximum, 1,024")),
        (TrainingConfig, {"seed": 2**63}, ("--seed 9223372036854775808", "maximum")),
        (TrainingConfig, {"learning_rate": math.inf}, ("--learning-rate inf", "finite")),
        (RuntimeConfig, {"threads": -1}, ("--threads -1", "minimum, 0")),
        (PrepareConfig, {"max_ratio": 1}, ("--max-ratio 1", "above 1")),
        (PrepareConfig, {"clean": "no"}, ("--clean", "true or false")),
        (PrepareConfig, {"max_length": 2.5}, ("--max-length 2.5", "a whole number")),
        (PrepareConfig, {"max_length": True}, ("--max-length True", "a whole number")),
        (PrepareConfig, {"split": None}, ("--split None", "a whole number")),
        (ModelConfig, {"dropout": 1.0}, ("--dropout 1.0", "below 1")),
        (ModelConfig, {"dropout": float("nan")}, ("--dropout nan",)),
        (ModelConfig, {"dropout": "0.1"}, ("--dropout '0.1'", "a number")),
        (ModelConfig, {"tied": 1}, ("--tied 1", "true or false")),
    ],
)
def test_a_problem_is_told_in_the_users_words(
    config: type[Any], values: dict[str, Any], words: tuple[str, ...]
) -> None:
    problem = refused(config, **values)
    assert all(word in problem for word in words), problem


def is_within(value: float, bounds: str) -> bool:
    """Whether an interval as mathematicians write it, such as "[0, 1)", holds a number."""
    match = re.fullmatch(r"([\[(])(\S+), (\S+)([\])])", bounds)
    assert match, bounds
    above = value >= float(match[2]) if match[1] == "[" else value > float(match[2])
    below = value <= float(match[3]) if match[4] == "]" else value < float(match[3])
    return above and below


@given(st.data())
def test_bounds_hold_for_every_number_setting(data: st.DataObject) -> None:
    """Whatever the number, it is either within its bounds and taken as it is, or refused by name."""
    config = data.draw(st.sampled_from([TrainingConfig, SearchConfig, RuntimeConfig, PrepareConfig]))
    numbers = [name for name, one in settings_of(config).items() if type(one.default) in (int, float)]
    name = data.draw(st.sampled_from(numbers))
    kind = type(settings_of(config)[name].default)
    value = data.draw(st.integers(-3, 10**6) if kind is int else st.floats())
    beside: dict[str, Any] = {}
    if config is SearchConfig:  # what the setting needs beside it
        beside = {"beam": min(max(1, int(value)), 1000) if name == "beam_groups" else 1000}
        beside["sample"] = name in ("temperature", "top_k", "top_p")
        beside["max_length"] = 1 << 16
    if name == "min_length" and config is PrepareConfig:
        beside["max_length"] = 10**6
    values = {**beside, name: value}
    if math.isfinite(value) and is_within(value, described(settings_of(config)[name]).bounds):
        assert getattr(build(config, values), name) == value
    else:
        assert option_name(name) in refused(config, **values)


# --------------------------------------------------------------------------------------------------------------- TOML


def test_a_file_is_read_with_dashes_or_underscores(tmp_path: Path) -> None:
    path = tmp_path / "nmt.toml"
    path.write_text("[train]\nbatch-tokens = 512\nwarmup = 7\n[translate]\nbeam = 3\n", encoding="utf-8")
    assert read_settings(path, "train", TRAIN) == {"batch_tokens": 512, "warmup": 7}
    assert read_settings(path, "translate", (SearchConfig,)) == {"beam": 3}
    assert read_settings(path, "prepare", (PrepareConfig,)) == {}


def test_an_unknown_key_names_file_place_and_the_nearest_name(tmp_path: Path) -> None:
    """A misspelt key that is ignored costs a training run: OpenNMT-py and fairseq take it silently in places."""
    path = tmp_path / "nmt.toml"
    path.write_text("[train]\nbatch_token = 512\nstpes = 5\nsteps = 4\nxyzzy = 1\n", encoding="utf-8")
    with pytest.raises(NmtError) as caught:
        read_settings(path, "train", TRAIN)
    problem = caught.value.problem
    assert f"{path}: [train] batch_token: unknown setting; did you mean batch_tokens?" in problem
    assert "stpes: unknown setting; did you mean steps?" in problem
    assert "xyzzy: unknown setting" in problem


@pytest.mark.parametrize("text", ["steps = 5\n", "[trian]\nsteps = 5\n"])
def test_settings_outside_any_commands_table_are_refused(tmp_path: Path, text: str) -> None:
    """They would be ignored, and the run would be one with the defaults."""
    path = tmp_path / "nmt.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(NmtError, match=str(path)):
        read_settings(path, "train", TRAIN)


@pytest.mark.parametrize(
    "content",
    [b"[train\n", b"[train]\nsteps = \n", b"\xff\xfe", b"train = 3\n", b"\0", b"[train]\nsteps = 1\nsteps = 2\n"],
)
def test_what_is_no_settings_file_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "nmt.toml"
    path.write_bytes(content)
    with pytest.raises(NmtError, match=str(path)):
        read_settings(path, "train", TRAIN)


def test_a_missing_or_unreadable_settings_file_is_refused_with_its_name(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(NmtError, match=str(path)):
            read_settings(path, "train", TRAIN)


text = st.text(st.characters(exclude_categories=["Cs"]))
values = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), text, st.lists(text)
)


@given(st.dictionaries(st.sampled_from([one.name for one in fields(TrainingConfig)]), values))
def test_written_settings_read_back_the_same(settings: dict[str, Any]) -> None:
    """A run goes on from its config.toml, so a path with a quote or a rate of 1e-09 must survive it."""
    found = tomllib.loads(format_settings("train", settings))["train"]
    expected = {name: value for name, value in settings.items() if value is not None}
    assert found == expected
    assert {name: type(value) for name, value in found.items()} == {n: type(v) for n, v in expected.items()}


def test_all_settings_of_a_run_survive_its_file(tmp_path: Path) -> None:
    settings = resolve(TRAIN, {"preset": "tiny", "minutes": 1.5, "epsilon": 1e-9})
    path = tmp_path / "config.toml"
    path.write_text(format_settings("train", settings), encoding="utf-8")
    assert resolve(TRAIN, {}, read_settings(path, "train", TRAIN)) == settings


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"corpus_weights": "1;2"}, "is not a list of numbers"),
        ({"corpus_weights": "1,,2"}, "is not a list of numbers"),
        ({"corpus_weights": "1,-2"}, "a weight is from 0"),
        ({"corpus_weights": "a=1,2"}, "mixes corpora by name and by position"),
        ({"corpus_weights": "nan"}, "a weight is from 0"),
        ({"corpus_weights": "1, .5, 1e9"}, "a weight is from 0"),
        ({"corpus_weights": "1,2", "corpus_temperature": 5.0}, "cannot be combined"),
    ],
)
def test_how_corpora_are_weighted_is_said_once_and_in_numbers(settings: dict[str, Any], problem: str) -> None:
    assert problem in refused(TrainingConfig, **settings)
