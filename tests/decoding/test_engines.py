"""The choice of an engine, as the table in docs/translating.md has it; and both engines side by side."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import Program, environment

from nmt import Translator
from nmt.config.search import SearchConfig
from nmt.decoding.engines import AutoEngine
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translation import Line
from nmt.errors import NmtError, UsageError

pytest.importorskip("ctranslate2")

GOLDEN = Path(__file__).parents[1] / "golden"
LINES = ["ich sehe den Hund", "du suche einen Baum heute", "wir höre den großen Vogel gestern", "ich", ""] * 3


@pytest.fixture(scope="module")
def both(run: Path) -> tuple[Translator, Translator]:
    """The same model on CTranslate2 and on torch."""
    return tuple(Translator.load(run / "model", engine=engine, threads=1) for engine in ("ctranslate2", "torch"))


# ------------------------------------------------------------------------------------------------------- the choice


@pytest.mark.parametrize(
    ("options", "on_torch"),
    [
        ({}, False),
        ({"beam": 1}, False),
        ({"n_best": 3}, False),
        ({"mbr": "chrf"}, False),
        ({"max_ratio": 1.5, "min_ratio": 0.5, "max_length": 9, "min_length": 3}, False),
        ({"length_penalty": 0.6, "length_normalization": "wu"}, False),
        ({"no_repeat_ngram": 3}, False),
        ({"split_sentences": True}, False),
        ({"forbid": ["dog"]}, True),
        ({"sample": True, "beam": 5}, True),
        ({"beam": 4, "beam_groups": 2}, True),
        ({"coverage_penalty": 0.2}, True),
        ({"repetition_penalty": 1.2}, True),
    ],
)
def test_auto_takes_ctranslate2_for_what_it_can_do(run: Path, options: dict[str, Any], on_torch: bool) -> None:
    engine = Translator.load(run / "model", threads=1).engine
    chosen = engine.choose(SearchConfig(**options))
    assert isinstance(chosen, TorchEngine if on_torch else AutoEngine)


def test_ctranslate2_attends_to_the_source_as_torch_does(both: tuple[Translator, Translator]) -> None:
    config = SearchConfig(loop_guard=False, max_length=12)
    sources = both[0].tokenizers.source.encode(LINES[:3], end=True)
    found = both[1].translate(LINES[:3], search=config)
    targets = [both[0].tokenizers.target.ids(translation.best.tokens) for translation in found]
    theirs, ours = (translator.engine.attention(sources, targets) for translator in both)
    for one, other in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_alignments_need_no_torch(both: tuple[Translator, Translator], run: Path) -> None:
    auto = Translator.load(run / "model", threads=1)
    config = SearchConfig(loop_guard=False, beam=1, max_length=4)
    found, expected = (list(one.stream(LINES[:4], config, alignments=True)) for one in (auto, both[1]))
    same = [(one, other) for one, other in zip(found, expected, strict=True) if one.text == other.text != ""]
    assert same
    assert all(one.best.alignment == other.best.alignment for one, other in same)
    assert "torch" not in vars(auto.engine)


@pytest.mark.parametrize(
    "options",
    [{"engine": "torch"}, {"precision": "bfloat16"}, {"models": 2}, {"average": "log-probabilities", "models": 2}],
)
def test_ensembles_and_other_precisions_are_on_torch_from_the_start(run: Path, options: dict[str, Any]) -> None:
    models = [run / "model"] * options.pop("models", 1)
    assert isinstance(Translator.load(*models, threads=1, **options).engine, TorchEngine)


def test_a_gpu_is_for_torch(run: Path) -> None:
    with pytest.raises(NmtError, match="no such GPU"):
        Translator.load(run / "model", device="cuda:7", threads=1)


def test_without_ctranslate2_torch_translates(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    translator = Translator.load(run / "model", threads=1)
    assert isinstance(translator.engine, TorchEngine)
    assert len(translator.translate(LINES)) == len(LINES)
    with pytest.raises(NmtError, match="CTranslate2 is not installed") as caught:
        Translator.load(run / "model", engine="ctranslate2", threads=1)
    assert "--engine torch" in caught.value.hint


def test_ctranslate2_refuses_several_models_and_other_precisions(run: Path) -> None:
    with pytest.raises(UsageError, match="takes one model"):
        Translator.load(run / "model", run / "model", engine="ctranslate2")
    with pytest.raises(UsageError, match="float32 or int8 on a CPU"):
        Translator.load(run / "model", engine="ctranslate2", precision="bfloat16")


# --------------------------------------------------------------------------------------------------- the same lines


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"beam": 1},
        {"n_best": 3, "beam": 4},
        {"max_length": 7},
        {"min_ratio": 1.0},
        {"no_repeat_ngram": 2},
        {"length_penalty": 0.0},
    ],
)
def test_both_engines_give_the_same_translations_and_scores(
    both: tuple[Translator, Translator], options: dict[str, Any]
) -> None:
    """With random weights, of which byte pieces are cut in the midst of characters: those lines are left out."""
    config = SearchConfig(loop_guard=False, **options)
    theirs, ours = (translator.translate(LINES, search=config) for translator in both)
    same = 0
    for their, our in zip(theirs, ours, strict=True):
        if [one.text for one in their.alternatives] == [one.text for one in our.alternatives]:
            same += 1
            for one, other in zip(their.alternatives, our.alternatives, strict=True):
                assert one.score == pytest.approx(other.score, abs=1e-3)
                assert one.log_prob == pytest.approx(other.log_prob, abs=1e-3)
                if not one.truncated:
                    assert one.token_scores == pytest.approx(other.token_scores, abs=1e-3)
    assert same >= 3


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_line_does_not_depend_on_its_neighbours(run: Path, precision: str) -> None:
    """The run's model has no shortlist, with which int8 would depend on them."""
    translator = Translator.load(run / "model", precision=precision, threads=2)
    together = [one.text for one in translator.translate(LINES)]
    assert together == [translator.translate([line])[0].text for line in LINES]


def test_only_lines_with_terms_are_searched_by_torch(run: Path) -> None:
    translator = Translator.load(run / "model", threads=1)
    plain = translator.translate(LINES[:3])
    assert "torch" not in vars(translator.engine)
    mixed = translator.translate([Line(LINES[0]), Line(LINES[1], terms=("dog",)), Line(LINES[2])])
    assert "torch" in vars(translator.engine)
    assert [mixed[index].text for index in (0, 2)] == [plain[index].text for index in (0, 2)]
    assert "dog" in mixed[1].text.split()


def test_scores_of_tokens_are_left_out_where_nobody_needs_them() -> None:
    translator = Translator.load(GOLDEN / "model-0.1", engine="ctranslate2", threads=1)
    config = SearchConfig(n_best=5)
    fast, whole = ([*translator.stream(LINES[:4], config, token_scores=scored)] for scored in (False, True))
    fast, whole = ([one for line in lines for one in line.alternatives] for lines in (fast, whole))
    pairs = list(zip(fast, whole, strict=True))
    assert any(not one.truncated for one, _ in pairs)
    for one, scored in pairs:
        assert (one.text, one.token_scores, len(scored.token_scores)) == (scored.text, [], len(scored.tokens))
        if not one.truncated:
            assert one.score == pytest.approx(scored.score, abs=1e-4)
            assert one.log_prob == pytest.approx(scored.log_prob, rel=1e-3)


def test_an_n_best_list_of_ctranslate2_holds_each_text_once_and_no_empty_one() -> None:
    """CTranslate2's search is replaced by what it could find: `the` in two pieces and in one, and white space alone."""
    found = [["▁", "</s>"], ["▁t", "he", "</s>"], ["▁the", "</s>"], ["▁was", "</s>"]]
    result = SimpleNamespace(hypotheses=found, scores=[-0.1, -0.2, -0.3, -0.4])
    translator = Translator.load(GOLDEN / "model-0.1", engine="ctranslate2", threads=1)
    translator.engine.model = SimpleNamespace(
        translate_batch=lambda sources, **_: [SimpleNamespace(result=lambda: result) for _ in sources]
    )

    def texts(**options: Any) -> list[str]:
        search = translator.stream(["a"], SearchConfig(**options), token_scores=False)
        return [one.text for translation in search for one in translation.alternatives]

    assert texts(n_best=5) == ["the", "was"]
    assert texts() == ["the"]
    assert texts(n_best=5, min_length=1) == ["", "the", "was"]


# ------------------------------------------------------------------------------------------------------ cold starts

PROGRAM = """
import sys
from nmt.cli.app import main
sys.argv = ["nmt", *sys.argv[1:]]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
assert "torch" not in sys.modules
assert "rich" not in sys.modules or sys.argv[1] != "translate"
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["translate", "{text}", "--run", "{run}"],
        ["translate", "{text}", "--run", "{run}", "--json", "--n-best", "2", "--precision", "int8"],
        ["eval", "{text}", "--reference", "{text}"],
        ["compare", "{text}", "{other}", "--reference", "{text}"],
        ["info", "{run}"],
        ["check", "{text}", "{text}"],
        ["prepare", "{text}", "{other}", "--run", "{new}", "--tokenizer", "{run}"],
        ["tokenizer", "encode", "{text}", "--run", "{run}"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_command_that_needs_no_torch_does_not_import_it(run: Path, tmp_path: Path, arguments: list[str]) -> None:
    names = {"text": tmp_path / "text", "other": tmp_path / "other", "run": run, "new": tmp_path / "new"}
    for name in ("text", "other"):
        lines = (f'{{"text": "{name} sehe {i}"}}\n' if "--json" in arguments else f"{name} {i} x\n" for i in range(30))
        names[name].write_text("".join(lines), encoding="utf-8")
    given = [argument.format(**names) for argument in arguments]
    subprocess.run([sys.executable, "-c", PROGRAM, *given], env=environment(), check=True, timeout=60)


def test_the_former_name_of_torch_is_understood(command: Program, run: Path) -> None:
    outputs = [command("translate", "--run", run, "--engine", name, stdin=b"ich\n") for name in ("nmt", "torch")]
    assert outputs[0].returncode == 0
    assert outputs[0].stdout == outputs[1].stdout
