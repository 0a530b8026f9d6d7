"""Lines with all that can be asked of their translations, through a real model and real processes."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import Program, environment
from torch import Tensor

from nmt import Translator
from nmt.config import SearchConfig
from nmt.decoding.align import align
from nmt.decoding.engine import TorchEngine
from nmt.decoding.hypotheses import Hypothesis, Request
from nmt.decoding.lines import Alternative, Glossary, Line
from nmt.decoding.loops import is_loop
from nmt.decoding.mbr import expected_utilities
from nmt.decoding.rules import ForbiddenWords
from nmt.errors import NmtError
from nmt.text.tokenizer import Tokenizers
from nmt.workers import Workers

LINES = ["ich sehe den Hund", "du suche einen Baum heute", "", "wir höre den großen Vogel gestern", "ich", "Hund Hund"]
CONFIG = SearchConfig(beam=4, max_length=12)


@pytest.fixture(scope="module")
def translator(run: Path) -> Translator:
    return Translator.load(run / "model", threads=1)


def close(one: Sequence[Alternative], other: Sequence[Alternative]) -> bool:
    texts = [a.text for a in one] == [b.text for b in other]
    return texts and [a.score for a in one] == pytest.approx([b.score for b in other], abs=1e-4)


# ------------------------------------------------------------------------------------------------------------ options

OPTIONS = [
    SearchConfig(beam=4, n_best=4, max_length=12, coverage_penalty=0.2, no_repeat_ngram=2, repetition_penalty=1.1),
    SearchConfig(beam=4, n_best=4, beam_groups=2, max_ratio=1.5, min_ratio=0.5, forbid=["dog", "the big"]),
    SearchConfig(sample=True, n_best=3, temperature=1.5, top_k=40, top_p=0.95, max_length=12),
    SearchConfig(sample=True, mbr="chrf", candidates=8, n_best=2, max_length=12),
    SearchConfig(beam=6, mbr="bleu", max_length=12, split_sentences=True),
]


@pytest.mark.parametrize("config", OPTIONS)
def test_neighbours_order_and_processes_change_nothing_with_any_options(run: Path, config: SearchConfig) -> None:
    lines = [Line(text, prefix="I" if index % 2 else "", terms=("tree",)) for index, text in enumerate(LINES)]
    if config.sample:
        lines = [replace(line, terms=()) for line in lines]
    alone = [Translator.load(run / "model", threads=1).translate([line], search=config)[0] for line in lines]
    for threads in (1, 3):
        order = random.Random(threads).sample(range(len(lines)), len(lines))
        shuffled = replace(config, batch_tokens=20 * config.hypotheses)
        stream = Translator.load(run / "model", threads=threads).stream([lines[i] for i in order], shuffled, 4)
        for index, found in zip(order, stream, strict=True):
            assert close(found.alternatives, alone[index].alternatives)


@pytest.mark.parametrize("average", ["probabilities", "log-probabilities"])
def test_an_ensemble_of_copies_is_the_model(run: Path, translator: Translator, average: str) -> None:
    copies = Translator.load(run / "model", run / "model", run / "model", threads=1, average=average)
    for one, other in zip(copies.stream(LINES, OPTIONS[0]), translator.stream(LINES, OPTIONS[0]), strict=True):
        assert close(one.alternatives, other.alternatives)


def test_an_ensemble_averages_probabilities(run: Path, tokenizers: Tokenizers) -> None:
    """By hand: the first token of two models, whose probabilities are averaged."""
    models = [Translator.load(run / "model", threads=1).model for _ in range(2)]
    torch.manual_seed(5)
    models[1].decoder_norm = torch.nn.LayerNorm(16).requires_grad_(False)  # another model by a new last layer
    models[1].decoder_norm.weight.copy_(torch.randn(16))
    source, mask = torch.tensor([[7, 8, 3]]), torch.ones(1, 3, dtype=torch.bool)
    begin = torch.tensor([[2]])
    each = [model.log_probs(model(source, mask, begin))[0, 0].exp() for model in models]
    engine = TorchEngine(models, torch.device("cpu"))
    config = SearchConfig(beam=5, n_best=5, max_length=1, length_penalty=0.0)
    (found,) = engine.search([[7, 8, 3]], [Request(max_length=1)], config)
    expected = sum(each) / 2
    for one in found:
        token = one.tokens[0] if one.tokens else 3
        assert math.exp(one.log_prob) == pytest.approx(float(expected[token]), rel=1e-4)


def test_a_translation_begins_with_its_prefix_and_holds_its_terms(translator: Translator) -> None:
    line = Line("ich sehe den Hund", prefix="yesterday you", terms=("bird tree", "big"))
    (found,) = translator.translate([line], beam_size=6, max_length=20)
    assert found.text.startswith("yesterday you")
    assert "bird tree" in found.text
    assert "big" in found.text


@pytest.mark.parametrize("word", ["dog", "a dog", "Tree", "see the"])
def test_forbidden_words_are_not_written_in_any_case(translator: Translator, word: str) -> None:
    draw = random.Random(word)
    for _ in range(20):
        prefix = " ".join(draw.choice(["I", "see", "the", "a"]) for _ in range(draw.randint(0, 3)))
        config = SearchConfig(beam=3, n_best=3, max_length=10, forbid=[word])
        if word.lower() not in prefix:
            (found,) = translator.translate([Line("ich sehe", prefix=prefix)], search=config)
            for one in found.alternatives:
                assert f" {word.lower()} " not in f" {one.text.lower()} "


def test_a_forbidden_word_is_known_however_it_is_cut() -> None:
    pieces = [
        "<pad>",
        "<unk>",
        "<s>",
        "</s>",
        "▁c",
        "at",
        "▁cat",
        "▁cats",
        "s",
        "▁the",
        "t",
        "a",
        ".",
        "▁conc",
        "猫",
        "黒",
    ]
    rule = ForbiddenWords(["the cat", "猫"], pieces)
    ids = {piece: index for index, piece in enumerate(pieces)}

    def forbidden(*written: str) -> set[str]:
        scores = torch.zeros(1, 1, len(pieces))
        rule.forbid(scores, torch.tensor([[[ids[piece] for piece in written]]], dtype=torch.long).view(1, 1, -1))
        return {pieces[index] for index in scores[0, 0].isneginf().nonzero().flatten().tolist()} - {"猫"}

    assert forbidden("▁the") == {"▁cat"}
    assert forbidden("▁the", "▁c") == {"at"}
    assert forbidden("▁the", "▁c", "a") == {"t"}
    assert forbidden("▁c") == set()
    assert forbidden("▁conc", "▁the", "▁cats") == set()
    scores = torch.zeros(1, 1, len(pieces))
    rule.forbid(scores, torch.tensor([[[ids["黒"]]]]))
    assert scores[0, 0, ids["猫"]] == -math.inf


def test_a_glossary_asks_for_the_longest_terms_it_finds(tmp_path: Path) -> None:
    (tmp_path / "terms.tsv").write_text("Hund\tdog\ngroßer Hund\thound\n\nBaum\ttree\r\n", encoding="utf-8")
    glossary = Glossary.read(tmp_path / "terms.tsv")
    assert glossary.apply(Line("Ein GROSSER  HUND am Baum")).terms == ("hound", "tree")
    assert glossary.apply(Line("Hunde, Bäume, Baumhund")).terms == ()
    assert glossary.apply(Line("Hund", terms=("x",)), "I").terms == ("x", "dog")
    (tmp_path / "wrong.tsv").write_text("Hund dog\n", encoding="utf-8")
    with pytest.raises(NmtError, match="line 1"):
        Glossary.read(tmp_path / "wrong.tsv")


# ------------------------------------------------------------------------------------------------------ what is found


class Parrot:
    """An engine that writes what it reads; four times, unless repetitions are forbidden."""

    max_length, batches, device = 60, 1, torch.device("cpu")

    def __init__(self) -> None:
        self.broken: list[int] = []

    def search(
        self, sources: Sequence[list[int]], requests: Sequence[Request], config: SearchConfig, forbidden: object
    ) -> list[list[Hypothesis]]:
        assert len(sources) == len(requests)
        if self.broken and any(source[:-1] == self.broken for source in sources):
            raise RuntimeError("this one breaks")
        times = 1 if config.no_repeat_ngram else 4
        rows = [source[:-1] * times for source in sources]
        return [[Hypothesis(row, [-1.0] * (len(row) + 1), -1.0, -1.0, truncated=False)] for row in rows]

    def attention(self, sources: Sequence[list[int]], targets: Sequence[list[int]]) -> list[Tensor]:
        return [torch.eye(len(target), len(source)) for source, target in zip(sources, targets, strict=True)]


def test_what_runs_in_circles_is_decoded_again_and_flagged(tokenizers: Tokenizers) -> None:
    parrot = Translator(Parrot(), tokenizers)
    long, short = "ich sehe den Hund", "ich"
    found = parrot.translate([long, short])
    assert [(one.text, one.best.loop) for one in found] == [(long, True), (" ".join([short] * 4), False)]
    (unguarded,) = parrot.translate([long], search=SearchConfig(loop_guard=False))
    assert unguarded.text == " ".join([long] * 4)


def test_a_loop_is_what_the_source_does_not_have() -> None:
    assert is_loop([5, 6] * 4, [7, 8])
    assert not is_loop([5, 6] * 4, [9, 7] * 5)
    assert not is_loop([1, 2, 3, 1, 2, 3, 4, 5, 6, 7])


def test_a_line_that_fails_keeps_its_place_and_is_reported(
    tokenizers: Tokenizers, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Parrot()
    engine.broken = tokenizers.source.encode(["du suche"])[0]
    lines = ["ich sehe", "du suche", "Hund", "Baum"]
    with caplog.at_level("ERROR", logger="nmt"):
        found = Translator(engine, tokenizers).translate(lines, search=SearchConfig(loop_guard=False))
    assert [bool(one.text) for one in found] == [True, False, True, True]
    assert [one.failed for one in found] == [False, True, False, False]
    assert "line 2 could not be translated and is left blank: this one breaks" in caplog.text


def test_white_space_between_the_sentences_of_a_paragraph_is_kept(tokenizers: Tokenizers) -> None:
    parrot = Translator(Parrot(), tokenizers)
    config = SearchConfig(split_sentences=True, no_repeat_ngram=1)
    (found,) = parrot.translate(["  Ich sehe.   Du suche!\u2028Wir höre. "], search=config)
    assert found.text == "Ich sehe.   Du suche!\u2028Wir höre."
    long = "Ich sehe den Hund.  " * 20
    assert parrot.translate([long], search=SearchConfig(no_repeat_ngram=1))[0].text == long.strip()


def test_alignments_are_of_words_and_go_on_over_the_parts_of_a_line(tokenizers: Tokenizers) -> None:
    parrot = Translator(Parrot(), tokenizers)
    config = SearchConfig(split_sentences=True, no_repeat_ngram=1)
    (found,) = parrot.stream(["Ich sehe den Hund. Du suche einen Baum."], config, alignments=True)
    assert found.best.alignment == [(word, word) for word in range(8)]


def test_a_word_is_aligned_with_the_word_it_looks_at_most() -> None:
    weights = torch.tensor([[0.3, 0.3, 0.4, 0.0], [0.1, 0.1, 0.2, 0.6], [0.0, 0.1, 0.2, 0.7]])
    assert align(weights, ["▁a", "b", "▁c", "</s>"], ["▁x", "▁y", "</s>"]) == [(0, 0), (0, 1)]
    assert align(weights[:1], ["▁a", "b", "▁c", "</s>"], ["</s>"]) == []


def test_the_least_risk_is_to_be_like_the_others() -> None:
    candidates = ["the cat sat here", "the cat sat there", "the cat sat", "a dog ran away"]
    utilities = expected_utilities(candidates, "chrf")
    assert min(utilities) == utilities[3]
    assert expected_utilities(["a b", "a b", "c"], "bleu")[0] == pytest.approx(200 / 3)


def test_scores_of_tokens_add_up_and_belong_to_them(translator: Translator) -> None:
    for found in translator.translate(LINES, n_best=3, max_length=12):
        for one in found.alternatives:
            assert len(one.tokens) == len(one.token_scores)
            assert sum(one.token_scores) == pytest.approx(one.log_prob, abs=1e-5)


# ---------------------------------------------------------------------------------------------------------- processes


def test_work_is_shared_out_and_comes_back_in_order() -> None:
    def work(item: int) -> list[int]:
        return [item * item, os.getpid()]

    with Workers(work, 3) as workers:
        for _ in range(3):
            found = list(workers.map(list(range(40))))
            assert [one for one, _ in found] == [item * item for item in range(40)]
            assert os.getpid() not in {process for _, process in found}
    assert [one for one, _ in Workers(work, 1).map([1, 2])] == [1, 4]


def test_an_error_in_a_worker_is_an_error_here() -> None:
    def work(item: int) -> int:
        if item == 3:
            raise NmtError("three is wrong", "take four")
        return item

    with Workers(work, 2) as workers, pytest.raises(NmtError, match="three is wrong"):
        list(workers.map(range(6)))


def test_a_worker_that_is_killed_is_told() -> None:
    def work(item: int) -> int:
        if item == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    with Workers(work, 2) as workers, pytest.raises(NmtError, match="worker"):
        list(workers.map(range(8)))


def test_workers_do_not_outlive_a_program_that_is_killed(run: Path, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("ich sehe den Hund heute\n" * 20_000, encoding="utf-8")
    options = ("--run", str(run), "--threads", "2", "--buffer-lines", "20000", str(tmp_path / "lines"))
    command = [sys.executable, "-m", "nmt", "translate", *options]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: len(children.read_text().split()) == 2)
        workers = [int(one) for one in children.read_text().split()]
        process.kill()
    until(lambda: not any(Path(f"/proc/{one}").exists() for one in workers))


def until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    pytest.fail("waited a minute in vain")


# ----------------------------------------------------------------------------------------------------- the command line


def test_json_lines_keep_what_they_do_not_know(command: Program, run: Path) -> None:
    objects = [
        {"text": "ich sehe den Hund", "id": 7, "meta": {"a": [1, None]}},
        {"text": "", "id": 8},
        {"text": "du suche", "prefix": "yesterday", "constraints": ["tree"], "translation": "old"},
        {"text": "ich \ud800 du", "id": "\udfff"},
    ]
    text = "".join(json.dumps(one) + "\n" for one in objects).encode()
    done = command(
        "translate", "--run", run, "--json", "--align", "--n-best", 2, "--beam", 3, "--threads", 1, stdin=text
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["id"] for one in found[:2]] == [7, 8]
    assert found[0]["meta"] == {"a": [1, None]}
    assert found[1]["translation"] == ""
    assert found[2]["translation"].startswith("yesterday")
    assert "tree" in found[2]["translation"]
    for one in found:
        assert {"score", "log_prob", "tokens", "token_scores", "n_best", "truncated", "loop", "unknown"} <= one.keys()
        assert len(one["n_best"]) == (2 if one["text"] else 1)
    assert all(isinstance(i, int) and isinstance(j, int) for i, j in found[0]["alignment"])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("ich sehe", "line 2: no JSON"),
        ('["ich"]', "line 2: no object with a text"),
        ('{"text": 3}', "line 2: text is no string"),
        ('{"text": "a", "x": NaN}', "line 2: no JSON: NaN"),
        ('{"text": "a", "prefix": 3}', "line 2: prefix"),
        ('{"text": "a", "constraints": "b"}', "line 2: constraints"),
        ("[" * 100_000, "line 2: no JSON"),
    ],
)
def test_a_line_that_is_no_request_is_named(command: Program, run: Path, line: str, problem: str) -> None:
    done = command(
        "translate", "--run", run, "--json", "--threads", 1, stdin=b'{"text": "ich"}\n' + line.encode() + b"\n"
    )
    assert done.returncode == 1
    assert problem in done.stderr


def test_prefix_glossary_and_alignments_from_the_command_line(command: Program, run: Path, tmp_path: Path) -> None:
    (tmp_path / "terms.tsv").write_text("Hund\tbird\n", encoding="utf-8")
    options = ("--prefix", "we", "--glossary", tmp_path / "terms.tsv", "--align", "--scores", "--threads", 1)
    done = command("translate", "--run", run, *options, stdin=b"ich sehe den Hund\n\n")
    first, second = done.stdout.decode().split("\n")[:2]
    score, text, links = first.split("\t")
    assert float(score) < 0
    assert text.startswith("we")
    assert "bird" in text
    assert all(part.count("-") == 1 for part in links.split())
    assert second == "0.0000\t"


def test_a_blank_line_among_objects_stays_blank(command: Program, run: Path) -> None:
    done = command("translate", "--run", run, "--json", "--threads", 1, stdin=b'{"text": "ich"}\n\n{"text": "du"}\n')
    assert [bool(line) for line in done.stdout.split(b"\n")] == [True, False, True, False]


@pytest.mark.parametrize(
    ("options", "problem"),
    [(("--sample",), "cannot have terms"), (("--forbid", "BIRD"), "required, and 'BIRD' forbidden")],
)
def test_terms_that_cannot_be_written_are_refused(
    command: Program, run: Path, tmp_path: Path, options: tuple[str, ...], problem: str
) -> None:
    (tmp_path / "terms.tsv").write_text("\ufeffHund\tbird\n", encoding="utf-8")
    done = command("translate", "--run", run, "--glossary", tmp_path / "terms.tsv", *options, stdin=b"ein Hund\n")
    assert done.returncode != 0
    assert problem in done.stderr


def test_settings_that_do_not_fit_together_are_refused_at_once(command: Program, run: Path) -> None:
    options = (
        "--top-k",
        5,
        "--beam-groups",
        2,
        "--min-length",
        9,
        "--max-length",
        3,
        "--min-ratio",
        2,
        "--max-ratio",
        1,
    )
    done = command("translate", "--run", run, *options, stdin=b"ich\n")
    assert done.returncode == 2 or done.returncode == 1
    for part in ("--beam-groups 2 does not divide --beam 5", "give --sample", "--min-length 9", "--min-ratio 2"):
        assert part in done.stderr
