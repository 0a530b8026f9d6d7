"""`nmt eval` gives sacrebleu's numbers for any files, and refuses to score lines that do not pair up."""

import json
import random
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import Program, environment
from sacrebleu.metrics import BLEU, CHRF

from nmt.errors import counted

METRICS = ("BLEU", "chrF2", "TER")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A hypothesis and two references: English-like sentences with some words changed."""
    draw = random.Random(3)
    words = ["the", "a", "dog's", "cat", ",", "sees", "3.5", "times", "-", "green", "today", "&", "?", "Grüße", "漢字"]
    reference = [[draw.choice(words) for _ in range(draw.randint(1, 15))] for _ in range(60)]
    sides = [
        [[draw.choice(words) if draw.random() < share else word for word in line] for line in reference]
        for share in (0.25, 0.0, 0.4)
    ]
    sides[0][5] = []
    paths = [tmp_path_factory.mktemp("scores") / name for name in ("hypothesis", "reference", "reference.2")]
    for path, lines in zip(paths, sides, strict=True):
        path.write_text("".join(" ".join(line) + "\n" for line in lines), encoding="utf-8")
    return paths[0], paths[1], paths[2]


def sacrebleu(hypothesis: Path, *references: Path, options: Sequence[str] = ()) -> dict[str, tuple[float, str]]:
    """Score and signature of each metric as the sacrebleu command prints them."""
    metrics = ("-m", "bleu", "chrf", "ter", "-w", "8")
    done = subprocess.run(
        [sys.executable, "-m", "sacrebleu", *references, "-i", hypothesis, *metrics, *options],
        env=environment(),
        capture_output=True,
        check=True,
    )
    return {one["name"]: (one["score"], one["signature"]) for one in json.loads(done.stdout)}


def same_as_sacrebleu(output: bytes, expected: dict[str, tuple[float, str]]) -> bool:
    found = json.loads(output)
    return all(
        (round(found[name]["score"], 8), found[name]["signature"]) == (round(score, 8), signature)
        for name, (score, signature) in expected.items()
    )


def test_numbers_and_signatures_are_those_of_the_sacrebleu_command(
    command: Program, files: tuple[Path, Path, Path]
) -> None:
    """JoeyNMT and fairseq score tokenised or lower-cased text by their own code, and nobody can compare."""
    hypothesis, reference, other = files
    expected = sacrebleu(hypothesis, reference)
    assert set(expected) == set(METRICS)
    from_file = command("eval", hypothesis, "--reference", reference, "--json")
    from_stdin = command("eval", "--reference", reference, "--json", stdin=hypothesis.read_bytes())
    from_dash = command("eval", "-", "--reference", reference, "--json", stdin=hypothesis.read_bytes())
    assert from_file.returncode == from_stdin.returncode == 0
    assert from_file.stdout == from_stdin.stdout == from_dash.stdout
    assert json.loads(from_file.stdout)["lines"] == 60
    assert same_as_sacrebleu(from_file.stdout, expected)
    plain = command("eval", hypothesis, "--reference", reference).stdout.decode()
    for line, name in zip(plain.splitlines(), METRICS, strict=True):
        score, signature = expected[name]
        assert re.fullmatch(rf"{name} +{score:.2f} +{re.escape(signature)}", line)
    two = command("eval", hypothesis, "--reference", reference, "--reference", other, "--json")
    assert same_as_sacrebleu(two.stdout, sacrebleu(hypothesis, reference, other))


def test_it_is_a_pipe(nmt: Program, files: tuple[Path, Path, Path]) -> None:
    done = nmt("eval", "--reference", files[1], stdin=files[1].read_bytes())
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[1] for line in done.stdout.decode().splitlines()] == ["100.00", "100.00", "0.00"]


@pytest.mark.parametrize("lines", [b"", b"one\n", b"x\n" * 61])
def test_unequal_counts_are_refused_with_both(command: Program, files: tuple[Path, Path, Path], lines: bytes) -> None:
    """sacrebleu's own interface scores two lines against one as BLEU 100."""
    done = command("eval", "--reference", files[1], stdin=lines)
    assert done.returncode == 1
    assert done.stdout == b""
    assert f"stdin has {counted(lines.count(10), 'line')}, but the reference has 60" in done.stderr


def test_the_reference_that_is_too_short_is_named_by_its_number(
    command: Program, files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "short").write_text("x\n", encoding="utf-8")
    done = command("eval", files[0], "--reference", files[1], "--reference", tmp_path / "short")
    assert done.returncode == 1
    assert "1 line in reference 2" in done.stderr


def test_nothing_to_score_is_no_score(command: Program, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    done = command("eval", tmp_path / "empty", "--reference", tmp_path / "empty")
    assert (done.returncode, done.stdout) == (1, b"")
    assert "nothing to score" in done.stderr


def test_strange_separators_do_not_shift_the_lines(command: Program, tmp_path: Path) -> None:
    text = "a\u2028b c d\ne\x85f g h\ni\fj k l\rm\n".encode()
    (tmp_path / "reference").write_bytes(text)
    done = command("eval", "--reference", tmp_path / "reference", "--json", stdin=text)
    assert done.returncode == 0
    assert json.loads(done.stdout)["lines"] == 3
    assert json.loads(done.stdout)["BLEU"]["score"] == pytest.approx(100)


def test_without_arguments_the_runs_model_translates_its_test_set(command: Program, run_copy: Path) -> None:
    """What was scored is kept, so that the number can be checked by anyone."""
    done = command("eval", "--run", run_copy, "--json", "--beam", 1, "--max-length", 8, "--threads", 1)
    assert done.returncode == 0
    translation = run_copy / "eval" / "test.translation"
    assert translation.read_bytes().count(b"\n") == 8
    assert same_as_sacrebleu(done.stdout, sacrebleu(translation, run_copy / "data" / "test.target"))


def test_perturbed_sources_are_translated_and_scored_without_case(command: Program, run: Path, tmp_path: Path) -> None:
    options = ["--run", run, "--beam", 1, "--max-length", 8, "--threads", 1]
    done = command("eval", *options, "--perturb", "upper,no-punctuation", "--json")
    scores = json.loads(done.stdout)
    assert list(scores) == ["clean", "upper", "no-punctuation"]
    source, reference = ((run / "data" / f"test.{side}").read_text(encoding="utf-8") for side in ("source", "target"))
    for kind, changed in {
        "clean": source,
        "upper": source.upper(),
        "no-punctuation": source.replace(".\n", "\n"),
    }.items():
        translation = command("translate", *options, stdin=changed.encode()).stdout.decode()
        files = [tmp_path / name for name in ("translation", "reference")]
        for file, text in zip(files, (translation, reference), strict=True):
            text = re.sub(r"(?<=\w)[.!?]+\n", "\n", text) if kind == "no-punctuation" else text
            file.write_text(text.casefold(), encoding="utf-8")
        assert same_as_sacrebleu(
            json.dumps(scores[kind]).encode(), sacrebleu(*files, options=["--lowercase", "--chrf-lowercase"])
        )


def test_an_unknown_perturbation_is_refused(command: Program, run: Path) -> None:
    done = command("eval", "--run", run, "--perturb", "upper,tpyos")
    assert (done.returncode, done.stdout) == (2, b"")
    assert "--perturb: tpyos is not one of upper, title" in done.stderr
    assert command("eval", "--run", run, "--perturb", "upper", "--details").returncode == 2


def test_a_file_alone_is_scored_against_the_runs_test_set(command: Program, run: Path) -> None:
    done = command("eval", run / "data" / "test.target", "--run", run)
    assert [line.split()[1] for line in done.stdout.decode().splitlines()] == ["100.00", "100.00", "0.00"]


# ------------------------------------------------------------------------------------------------------ several systems


def sacrebleu_output(*arguments: object) -> list[dict[str, object]]:
    command = [sys.executable, "-m", "sacrebleu", *map(str, arguments), "--format", "json", "-w", "8"]
    found = json.loads(subprocess.run(command, env=environment(), capture_output=True, check=True).stdout)
    return found if isinstance(found, list) else [found]


@pytest.fixture(scope="module")
def other_system(files: tuple[Path, Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system that is somewhat worse: some words of each line left out."""
    draw = random.Random(8)
    path = tmp_path_factory.mktemp("systems") / "worse"
    lines = files[0].read_text("utf-8").split("\n")[:-1]
    path.write_text(
        "".join(" ".join(word for word in line.split() if draw.random() < 0.85) + "\n" for line in lines), "utf-8"
    )
    return path


def test_intervals_are_those_of_the_sacrebleu_command(command: Program, files: tuple[Path, Path, Path]) -> None:
    hypothesis, reference, _ = files
    done = command(
        "eval", hypothesis, "--reference", reference, "--confidence", "--json", "--metric", "bleu", "--metric", "chrf++"
    )
    found = json.loads(done.stdout)
    expected = sacrebleu_output(
        reference, "-i", hypothesis, "-m", "bleu", "chrf", "--chrf-word-order", 2, "--confidence"
    )
    for one, name in zip(expected, ("BLEU", "chrF2++"), strict=True):
        ours = found[name]
        assert ours["score"] == pytest.approx(one["score"], abs=1e-7)
        assert ours["mean"] == pytest.approx(one["confidence_mean"], abs=1e-7)
        assert ours["interval"] == pytest.approx(one["confidence_var"], abs=1e-7)
        assert ours["signature"] == one["signature"]


@pytest.mark.parametrize(("test", "option"), [("bootstrap", "--paired-bs"), ("randomization", "--paired-ar")])
def test_significance_is_that_of_the_sacrebleu_command(
    command: Program, files: tuple[Path, Path, Path], other_system: Path, test: str, option: str
) -> None:
    """To the last digit that it prints."""
    options = ["--reference", files[1], "--significance", test, "--samples", 500, "--json"]
    done = command("eval", files[0], other_system, *options)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    arguments = [files[1], "-i", files[0], other_system, "-m", "bleu", "chrf", "ter", option, f"{option}-n", 500]
    table = subprocess.run(
        [sys.executable, "-m", "sacrebleu", *map(str, arguments), "--format", "text", "-w", "4"],
        env=environment(),
        capture_output=True,
        check=True,
    ).stdout.decode()
    rows = [line.split("│")[2:5] for line in table.splitlines() if line.startswith("│")][1:4]
    for system, cells in zip(found, rows[:2], strict=True):
        for name, cell in zip(METRICS, cells, strict=True):
            one = found[system][name]
            numbers = [one["score"], one["mean"], one["interval"]] if test == "bootstrap" else [one["score"]]
            assert re.findall(r"[\d.]+", cell) == [f"{number:.4f}" for number in numbers]
    for name, cell in zip(METRICS, rows[2], strict=True):
        assert re.findall(r"\d[\d.]*", cell) == [f"{found['worse'][name]['p_value']:.4f}"]
    assert found["worse"]["BLEU"]["p_value"] < 0.05


def test_a_system_never_differs_from_itself(command: Program, files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(files[0].read_bytes())
    for test in ("bootstrap", "randomization"):
        done = command(
            "eval", files[0], copy, "--reference", files[1], "--significance", test, "--samples", 200, "--json"
        )
        assert all(json.loads(done.stdout)["copy"][name]["p_value"] > 0.5 for name in METRICS)


def test_several_systems_make_a_table(command: Program, files: tuple[Path, Path, Path], other_system: Path) -> None:
    done = command(
        "eval", files[0], other_system, "--reference", files[1], "--significance", "bootstrap", "--samples", 100
    )
    text = done.stdout.decode()
    assert "hypothesis" in text
    assert re.search(r"0\.0\d+\*", text)
    assert "nrefs:1|bs:100|seed:12345" in text
    alone = command("eval", files[0], "--reference", files[1], "--significance", "bootstrap")
    assert (alone.returncode, alone.stdout) == (2, b"")
    assert "needs at least two files; got 1" in alone.stderr


def test_scores_of_lines_and_what_bleu_is_made_of(command: Program, files: tuple[Path, Path, Path]) -> None:
    hypothesis, reference, _ = files
    done = command("eval", hypothesis, "--reference", reference, "--sentence", "--metric", "bleu", "--metric", "chrf")
    rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
    assert len(rows) == 60
    for column, metric in enumerate(("bleu", "chrf")):
        arguments = [reference, "-i", hypothesis, "-m", metric, "-sl", "-w", "2", "-b"]
        expected = subprocess.run(
            [sys.executable, "-m", "sacrebleu", *arguments], env=environment(), capture_output=True, check=True
        ).stdout.decode()
        assert [row[column] for row in rows] == [line.split()[0] for line in expected.splitlines()]
    details = command("eval", hypothesis, "--reference", reference, "--details", "--metric", "bleu").stdout.decode()
    assert "brevity penalty" in details


def test_unknown_metrics_and_tokenizers_are_refused_before_anything_is_done(command: Program, run: Path) -> None:
    done = command("eval", "--run", run, "--metric", "meteor")
    assert (done.returncode, done.stdout) == (2, b"")
    assert "--metric meteor is not one of bleu" in done.stderr
    try:
        import mecab_ko  # noqa: F401
    except ImportError:
        done = command("eval", "--run", run, "--target-language", "ko")
        assert done.returncode == 1
        assert "pip install 'sacrebleu[ko]'" in done.stderr


def test_scores_of_each_direction_are_those_of_its_lines_alone(command: Program, tmp_path: Path) -> None:
    """A mean over languages hides the one that fails; and Chinese has a tokenizer of its own."""
    cs = [("vidím velkého psa", "vidím malého psa dnes"), ("ano , dnes ne .", "ano , dnes ne .")]
    zh = [("今天我看见一只狗。", "今天我看见一只狗。"), ("我们寻找一棵大树。", "我们寻找一棵小树。")]
    rows = [("<2cs> a", *cs[0]), ("<2zh> b", *zh[0]), ("<2cs> c", *cs[1]), ("<2zh> d", *zh[1])]
    paths = [tmp_path / name for name in ("source", "hypothesis", "reference")]
    for path, column in zip(paths, zip(*rows, strict=True), strict=True):
        path.write_text("".join(f"{line}\n" for line in column), "utf-8")
    arguments = ("eval", paths[1], "--reference", paths[2], "--metric", "bleu", "--metric", "chrf")
    whole = json.loads(command(*arguments, "--source", paths[0], "--json").stdout)
    assert "directions" not in json.loads(command(*arguments, "--json").stdout)
    assert list(whole["directions"]) == ["<2cs>", "<2zh>"]
    for scores, pairs, tokenizer in zip(whole["directions"].values(), (cs, zh), ("13a", "zh"), strict=True):
        hypotheses, references = map(list, zip(*pairs, strict=True))
        for name, metric in ("BLEU", BLEU(tokenize=tokenizer)), ("chrF2", CHRF()):
            assert scores[name]["score"] == pytest.approx(metric.corpus_score(hypotheses, [references]).score)
    lines = command(*arguments, "--source", paths[0]).stdout.decode().splitlines()
    for tag, scores in whole["directions"].items():
        row = next(line for line in lines if f"hypothesis {tag}" in line)
        assert f"{scores['BLEU']['score']:.2f}" in row
    assert sum("tok:zh" in line for line in lines) == 1  # both signatures are given


def test_several_systems_are_scored_by_direction(command: Program, tmp_path: Path) -> None:
    for name, text in {"source": "<2de> a\n<2nl> b\n", "one": "ein Hund\nx y\n", "two": "x\neen hond\n"}.items():
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "reference").write_text("ein Hund\neen hond\n", "utf-8")
    sides = ("--reference", tmp_path / "reference", "--source", tmp_path / "source", "--metric", "chrf")
    done = command("eval", tmp_path / "one", tmp_path / "two", *sides, "--json")
    scores = {name: row["directions"] for name, row in json.loads(done.stdout).items()}
    best = {name: [tag for tag, row in tags.items() if row["chrF2"]["score"] > 99] for name, tags in scores.items()}
    assert best == {"one": ["<2de>"], "two": ["<2nl>"]}
