"""`nmt compare`: significance as sacrebleu computes it, differences by hand, and the former options of `nmt eval`."""

import json
import random
import re
from pathlib import Path

import pytest
from conftest import Corpus, Program
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.significance import PairedTest

METRICS = {"BLEU": BLEU, "chrF2": CHRF, "TER": TER}
WORDS = ["the", "a", "dog", "cat", "sees", "today", "green", "big", ",", "3.5"]


@pytest.fixture(scope="module")
def systems(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A reference and three systems: a good one, a somewhat worse one, and one much worse."""
    draw, folder = random.Random(5), tmp_path_factory.mktemp("systems")
    reference = [[draw.choice(WORDS) for _ in range(draw.randint(3, 12))] for _ in range(50)]
    paths = []
    for name, share in (("reference", 0.0), ("good", 0.1), ("worse", 0.2), ("bad", 0.6)):
        lines = [[draw.choice(WORDS) if draw.random() < share else word for word in line] for line in reference]
        paths.append(folder / name)
        paths[-1].write_text("".join(" ".join(line) + "\n" for line in lines), "utf-8")
    return paths


@pytest.fixture
def changed(corpus: Corpus, tmp_path: Path) -> tuple[Path, Path]:
    """The reference of the run's test set, and a system that has `cat` for `dog`."""
    right = corpus.test[1].read_text("utf-8")
    assert "dog" in right
    paths = tmp_path / "a", tmp_path / "b"
    for path, text in zip(paths, (right, right.replace("dog", "cat")), strict=True):
        path.write_text(text, "utf-8")
    return paths


def lines_of(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


@pytest.mark.parametrize(("test", "name"), [("bootstrap", "bs"), ("randomization", "ar")])
def test_significance_is_that_of_sacrebleu(command: Program, systems: list[Path], test: str, name: str) -> None:
    reference, *hypotheses = systems
    done = command("compare", *hypotheses, "--reference", reference, "--significance", test, "--samples", 200, "--json")
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout)
    named = [(path.name, lines_of(path)) for path in hypotheses]
    metrics = {metric: kind() for metric, kind in METRICS.items()}
    signatures, expected = PairedTest(named, metrics, [lines_of(reference)], name, 200)()
    for metric in METRICS:
        for (system, _), result in zip(named, expected[metric], strict=True):
            ours = scores[system][metric]
            assert ours["score"] == pytest.approx(result.score)
            assert ours["signature"] == str(signatures[metric])
            assert ours.get("p_value") == (None if result.p_value is None else pytest.approx(result.p_value))
            assert ours.get("mean") == (None if result.mean is None else pytest.approx(result.mean))
            assert ours.get("interval") == (None if result.ci is None else pytest.approx(result.ci))
    assert scores["bad"]["BLEU"]["p_value"] < 0.05
    assert scores["good"]["lines"] == 50


def test_the_table_has_a_row_for_each_system_and_stars_where_it_is_significant(
    command: Program, systems: list[Path]
) -> None:
    done = command("compare", *systems[1:], "--reference", systems[0], "--metric", "bleu", "--samples", 200)
    shown = done.stdout.decode().splitlines()
    assert shown[0].split() == ["system", "BLEU", "p"]
    assert [line.split()[0] for line in shown[1:4]] == ["good", "worse", "bad"]
    assert re.search(r"\d ± \d+\.\d\d$", shown[1].rstrip())  # the baseline has no p-value
    assert re.search(r"± \d+\.\d\d +0\.0\d{3}\*$", shown[3].rstrip())
    assert shown[4] == "p: p-value of the difference from good; * significant, below 0.05"
    assert shown[5].startswith("BLEU: nrefs:1|bs:200|seed:12345")
    assert len(shown) == 6  # differences are shown of two systems alone


def test_without_significance_only_scores_are_shown(command: Program, systems: list[Path]) -> None:
    options = ["--reference", systems[0], "--significance", "off", "--metric", "bleu", "--details"]
    shown = command("compare", *systems[1:], *options).stdout.decode()
    assert "±" not in shown
    assert "p:" not in shown
    for path in systems[1:]:
        bleu = BLEU().corpus_score(lines_of(path), [lines_of(systems[0])])
        (details,) = [line for line in shown.splitlines() if line.startswith(f"{path.name}: n-gram precisions")]
        assert " / ".join(f"{precision:.1f}" for precision in bleu.precisions) in details
        assert f"brevity penalty {bleu.bp:.3f}" in details
        assert f"({bleu.sys_len:,} words, {bleu.ref_len:,} in the reference)" in details


def test_two_systems_are_compared_by_part_word_and_sentence(
    command: Program, run: Path, changed: tuple[Path, Path]
) -> None:
    shown = command("compare", *changed, "--run", run, "--samples", 100).stdout.decode()
    for text in (
        "from a to b: the scores of a, and the change in b",
        "by source length in characters",
        "by training frequency of the rarest source word",
        "by test-set overlap with the training data",
        "reference words, by training frequency",
        "largest losses of b in sentence chrF",
    ):
        assert text in shown
    assert "largest gains" not in shown
    recall = re.search(r"10 and more +(\d+) +100\.0% +(-[\d.]+)", shown)
    assert recall
    references = " ".join(lines_of(changed[0])).casefold().replace(".", "").split()
    assert int(recall[1]) == len(references)
    assert float(recall[2]) == pytest.approx(-100 * references.count("dog") / len(references), abs=0.05)


def test_json_has_scores_and_differences(command: Program, run: Path, changed: tuple[Path, Path]) -> None:
    options = ["--run", run, "--show", 1, "--metric", "chrf", "--samples", 100, "--json"]
    content = json.loads(command("compare", *changed, *options).stdout)
    assert list(content) == ["scores", "systems", "parts", "words", "worse", "better"]
    assert content["systems"] == list(content["scores"]) == ["a", "b"]
    assert content["scores"]["a"]["chrF2"]["score"] == pytest.approx(100)
    assert (len(content["worse"]), content["better"]) == (1, [])
    worst = content["worse"][0]
    first, second = (lines_of(path)[worst["line"] - 1] for path in changed)
    assert (worst["reference"], worst["first"], worst["second"]) == (first, first, second)
    assert worst["change"] == pytest.approx(CHRF().sentence_score(second, [first]).score - 100)
    overlap = content["parts"]["what training has seen of the pair"]
    assert [(part["name"], part["lines"]) for part in overlap] == [("neither side in training", 8)]
    whole = CHRF().corpus_score(lines_of(changed[1]), [lines_of(changed[0])]).score
    assert overlap[0]["scores"]["chrF2"] == [pytest.approx(100), pytest.approx(whole)]


def test_a_missing_breakdown_is_explained(
    command: Program, run: Path, changed: tuple[Path, Path], tmp_path: Path
) -> None:
    options = ["--reference", changed[0], "--samples", 100]
    alone = command("compare", *changed, *options, "--run", run)
    assert "no breakdown by source length or training data: --source not given" in alone.stderr
    assert "largest losses of b in sentence chrF" in alone.stdout.decode()
    source = run / "data" / "test.source"
    elsewhere = command("compare", *changed, *options, "--source", source, "--run", tmp_path / "none")
    assert "has no training data, so there is no breakdown by it" in elsewhere.stderr
    assert "by source length in characters" in elsewhere.stdout.decode()


def test_control_characters_are_made_visible(command: Program, run: Path, changed: tuple[Path, Path]) -> None:
    """A translation must not be able to control the terminal."""
    first, *others = lines_of(changed[0])
    changed[1].write_text("".join(f"{line}\n" for line in [f"\x1b[31m{first}", *others]), "utf-8")
    for command_line in (["compare", *changed], ["eval", "--diff", *changed]):
        done = command(*command_line, "--run", run)
        assert "␛[31m" in done.stdout.decode()
        assert b"\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["a"], "compare needs at least two translation files; got one"),
        (["a", "b", "--significance", "off", "--samples", 200], "--samples"),
        (["a", "b", "--metric", "comet"], "--metric comet is not one of bleu, chrf, chrf++, ter"),
        (["a", "b", "--metric", "meteor"], "--metric meteor is not one of"),
        (["a", "b", "--samples", 5], "--samples 5"),
        (["a", "b", "--tokenize", "nothing"], "--tokenize nothing is unknown"),
        (["a", "a"], "the same file is given twice"),
    ],
)
def test_usage_errors_end_with_code_2_and_their_words(
    command: Program, run: Path, changed: tuple[Path, Path], options: list[object], message: str
) -> None:
    folder = changed[0].parent
    done = command("compare", *[folder / item if item in ("a", "b") else item for item in options], "--run", run)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr


def test_input_errors_end_with_code_1_and_their_words(
    command: Program, run: Path, changed: tuple[Path, Path], tmp_path: Path
) -> None:
    short = tmp_path / "short"
    short.write_text("x\n", "utf-8")
    for files, options, message in (
        ([changed[0], short], [], "short has 1 line, but the reference has 8"),
        ([changed[0], tmp_path / "none"], [], "none: no such file"),
        (list(changed), ["--reference", short], "lines, but the reference has 1"),
        (list(changed), ["--source", short], "short has 1 line, but the reference has 8"),
    ):
        done = command("compare", *files, *options, "--run", run)
        assert (done.returncode, done.stdout) == (1, b"")
        assert message in done.stderr


def test_the_former_options_of_eval_give_the_same_numbers(
    command: Program, run: Path, changed: tuple[Path, Path], systems: list[Path]
) -> None:
    """Scripts from before `nmt compare` keep working."""
    options = ["--samples", 100, "--json"]
    compared = json.loads(command("compare", *changed, "--run", run, *options).stdout)
    differences = json.loads(command("eval", "--diff", *changed, "--run", run, "--json").stdout)
    assert differences == {key: value for key, value in compared.items() if key != "scores"}
    significance = ["--significance", "bootstrap", *options]
    assert json.loads(command("eval", *changed, "--run", run, *significance).stdout) == compared["scores"]
    files = [*systems[1:], "--reference", systems[0]]
    assert command("eval", *files, *significance).stdout == command("compare", *files, *options).stdout
