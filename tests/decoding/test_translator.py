"""The Translator with every option, through a real model and real processes, and the line contract with an echo."""

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
import sacrebleu
import torch
from conftest import Corpus, Program, environment
from echo import ONCE, Echo
from hypothesis import given
from hypothesis import strategies as st

from nmt import Translator
from nmt.config.corpus import TokenizerConfig
from nmt.config.search import SearchConfig
from nmt.decoding.alignment import align, merge_words, pieces_to_words
from nmt.decoding.engine import Request
from nmt.decoding.line_parts import LineSplitter
from nmt.decoding.mbr import expected_utilities
from nmt.decoding.search import SentenceSearch
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translation import Alternative, Glossary, Line
from nmt.decoding.translator import length_batches
from nmt.errors import NmtError, UsageError
from nmt.model.model_directory import load_model, save_model
from nmt.model.transformer import Transformer
from nmt.text.tokenizer import END, UNKNOWN, Tokenizers, train_tokenizers
from nmt.workers import Workers

LINES = ["ich sehe den Hund", "du suche einen Baum heute", "", "wir höre den großen Vogel gestern", "ich", "Hund Hund"]


@pytest.fixture(scope="module")
def translator(run: Path) -> Translator:
    return Translator.load(run / "model", engine="torch", threads=1)


def close(n_best: Sequence[Alternative], expected: Sequence[Alternative]) -> bool:
    texts = [alternative.text for alternative in n_best] == [alternative.text for alternative in expected]
    scores = [alternative.score for alternative in n_best]
    return texts and scores == pytest.approx([alternative.score for alternative in expected], abs=1e-4)


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
    alone = [
        Translator.load(run / "model", engine="torch", threads=1).translate([line], search=config)[0] for line in lines
    ]
    for threads in (1, 3):
        order = random.Random(threads).sample(range(len(lines)), len(lines))
        shuffled = replace(config, batch_tokens=20 * config.hypotheses)
        stream = Translator.load(run / "model", engine="torch", threads=threads).stream(
            [lines[i] for i in order], shuffled, 4
        )
        for index, translation in zip(order, stream, strict=True):
            assert close(translation.alternatives, alone[index].alternatives)


@pytest.mark.parametrize("average", ["probabilities", "log-probabilities"])
def test_an_ensemble_of_copies_is_the_model(run: Path, translator: Translator, average: str) -> None:
    copies = Translator.load(run / "model", run / "model", run / "model", engine="torch", threads=1, average=average)
    pairs = zip(copies.stream(LINES, OPTIONS[0]), translator.stream(LINES, OPTIONS[0]), strict=True)
    for translation, expected in pairs:
        assert close(translation.alternatives, expected.alternatives)


def test_an_ensemble_averages_probabilities(run: Path) -> None:
    """By hand: the first token of two models, whose probabilities are averaged."""
    models = [Translator.load(run / "model", engine="torch", threads=1).model for _ in range(2)]
    torch.manual_seed(5)
    models[1].decoder_norm = torch.nn.LayerNorm(16).requires_grad_(False)  # another model by a new last layer
    models[1].decoder_norm.weight.copy_(torch.randn(16))
    source, mask = torch.tensor([[7, 8, 3]]), torch.ones(1, 3, dtype=torch.bool)
    begin = torch.tensor([[2]])
    first, second = (model.log_probs(model(source, mask, begin))[0, 0].exp() for model in models)
    engine = TorchEngine(models, torch.device("cpu"))
    config = SearchConfig(beam=5, n_best=5, max_length=1, length_penalty=0.0)
    (n_best,) = engine.search([Request(source=[7, 8, 3], max_length=1)], config)
    for hypothesis in n_best:
        token = hypothesis.tokens[0] if hypothesis.tokens else 3
        assert math.exp(hypothesis.log_prob) == pytest.approx(float(first[token] + second[token]) / 2, rel=1e-4)


def test_members_of_an_ensemble_share_their_tokenizers(corpus: Corpus, run: Path, tmp_path: Path) -> None:
    tokenizers = train_tokenizers(corpus.train, TokenizerConfig(vocab_size=350))
    config = replace(
        load_model(run / "model", torch.device("cpu"), torch.float32).model.config,
        source_vocabulary=len(tokenizers.source),
        target_vocabulary=len(tokenizers.target),
    )
    save_model(tmp_path / "b", config, dict(Transformer(config).named_parameters()), tokenizers, {"step": 0})
    with pytest.raises(NmtError, match="its tokenizers are not those of") as error:
        Translator.load(run / "model", tmp_path / "b", engine="torch")
    assert error.value.hint == "ensemble members must share their tokenizers"


def test_members_of_an_ensemble_translate_in_the_same_direction(run: Path, tmp_path: Path) -> None:
    loaded = load_model(run / "model", torch.device("cpu"), torch.float32)
    weights, languages = dict(loaded.model.named_parameters()), ("de", "en")
    for name in "ab":
        made = {"languages": dict(zip(("source", "target"), languages, strict=True))}
        save_model(tmp_path / name, loaded.model.config, weights, loaded.tokenizers, made)
        languages = languages[::-1]
    with pytest.raises(NmtError, match="translates"):
        Translator.load(tmp_path / "a", tmp_path / "b", engine="torch")


def test_a_translation_begins_with_its_prefix_and_contains_its_terms(translator: Translator) -> None:
    line = Line("ich sehe den Hund", prefix="yesterday you", terms=("bird tree", "big"))
    (translation,) = translator.translate([line], beam_size=6, max_length=20)
    assert translation.text.startswith("yesterday you")
    assert "bird tree" in translation.text
    assert "big" in translation.text


@pytest.mark.parametrize("word", ["dog", "a dog", "Tree", "see the"])
def test_forbidden_words_are_not_written_in_any_case(translator: Translator, word: str) -> None:
    draw = random.Random(word)
    for _ in range(20):
        prefix = " ".join(draw.choice(["I", "see", "the", "a"]) for _ in range(draw.randint(0, 3)))
        config = SearchConfig(beam=3, n_best=3, max_length=10, forbid=[word])
        if word.lower() not in prefix:
            (translation,) = translator.translate([Line("ich sehe", prefix=prefix)], search=config)
            for alternative in translation.alternatives:
                assert f" {word.lower()} " not in f" {alternative.text.lower()} "


def test_a_glossary_requires_the_translations_of_the_longest_terms_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "terms.tsv").write_text("\ufeffHund\tdog\ngroßer Hund\thound\n\nBaum\ttree\r\n", encoding="utf-8")
    glossary = Glossary.read(tmp_path / "terms.tsv")
    assert glossary.apply(Line("Ein GROSSER  HUND am Baum")).terms == ("hound", "tree")
    assert glossary.apply(Line("Hunde, Bäume, Baumhund")).terms == ()
    assert glossary.apply(Line("Hund", terms=("x",)), "I") == Line("Hund", "I", ("x", "dog"))
    assert glossary.apply(Line("Hund Baum Hund", prefix="you", terms=("dog",)), "I") == Line(
        "Hund Baum Hund", "you", ("dog", "tree")
    )
    assert Glossary({}).apply(Line("Hund")) == Line("Hund", "", ())


@pytest.mark.parametrize("line", ["Hund dog", "Hund\t", "\tdog", "Hund\tdog\thound"])
def test_a_line_of_a_glossary_that_is_not_two_terms_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "terms.tsv").write_text(f"Baum\ttree\n\n{line}\n", encoding="utf-8")
    with pytest.raises(NmtError, match=r"terms\.tsv, line 3: expected a source term, a tab and a target term"):
        Glossary.read(tmp_path / "terms.tsv")


# -------------------------------------------------------------------------------------------------- the line contract

texts = st.lists(st.sampled_from(["ich", "sehe", "den Hund", "heute.", "Ich", "", "  ", "\t", "\u2028"]), max_size=9)


@given(lines=st.lists(texts.map(" ".join), max_size=9), buffer_lines=st.integers(1, 5), batch_tokens=st.integers(1, 99))
def test_each_line_gives_one_translation_in_order(
    tokenizers: Tokenizers, lines: list[str], buffer_lines: int, batch_tokens: int
) -> None:
    """An engine that repeats its source gives each line back, blank lines as blank lines."""
    config = replace(ONCE, batch_tokens=batch_tokens)
    translations = list(Translator(Echo(), tokenizers).stream(iter(lines), config, buffer_lines))
    assert [translation.text.split() for translation in translations] == [line.split() for line in lines]
    assert not any(translation.failed for translation in translations)
    assert all((translation.text == "") == (not line.strip()) for translation, line in zip(translations, lines))  # noqa: B905
    shouted = [line.upper() for line in lines]
    for given_lines in (lines, shouted):
        stream = Translator(Echo(), tokenizers).stream(iter(given_lines), replace(config, fold_case=True), buffer_lines)
        folded = [translation.text for translation in stream]
        assert [text.casefold().split() for text in folded] == [line.casefold().split() for line in given_lines]
    assert [text.split() for text in folded] == [line.split() for line in shouted]  # capitals stay capitals


def test_lines_are_read_as_translations_are_taken(tokenizers: Tokenizers) -> None:
    """Memory does not grow with the input: no more lines are read than a buffer holds."""
    read = list[int]()
    lines = (read.append(number) or f"ich {number}" for number in range(100))
    stream = Translator(Echo(), tokenizers).stream(lines, ONCE, buffer_lines=10)
    assert read == []
    for number in range(25):
        assert next(stream).text == f"ich {number}"
        assert len(read) == 10 * (number // 10 + 1)


@given(lengths=st.lists(st.integers(1, 50), max_size=60), budget=st.integers(1, 400))
def test_batches_hold_each_line_once_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = list(length_batches(lengths, budget))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    ordered = [lengths[index] for batch in batches for index in batch]
    assert ordered == sorted(lengths, reverse=True)
    for number, batch in enumerate(batches):
        longest = lengths[batch[0]]
        assert len(batch) == 1 or len(batch) * longest <= budget
        if len(batch) > 8:
            assert len(batch) % 8 == 0 or number == len(batches) - 1
        if number < len(batches) - 1 and len(batch) < 8:  # as many as fit
            assert (len(batch) + 1) * longest > budget


@pytest.mark.parametrize(
    ("lines", "problem"),
    [("ich", "takes a list of lines, not a string"), ([b"ich"], "not bytes"), (["ich", None], "not NoneType")],
)
def test_what_is_not_lines_of_text_is_refused(tokenizers: Tokenizers, lines: object, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        Translator(Echo(), tokenizers).translate(lines)


def test_settings_out_of_bounds_are_named_as_on_the_command_line(tokenizers: Tokenizers) -> None:
    with pytest.raises(UsageError, match="--beam 0") as error:
        Translator(Echo(), tokenizers).translate(["ich"], beam_size=0, max_length=-1)
    assert "--max-length -1" in str(error.value.problem)
    with pytest.raises(UsageError, match="--n-best 3 is more than --beam 2"):
        Translator(Echo(), tokenizers).translate(["ich"], search=SearchConfig(beam=2, n_best=3))


def test_halves_of_surrogate_pairs_are_translated_as_replacement_characters(tokenizers: Tokenizers) -> None:
    echo = Echo()
    Translator(echo, tokenizers).translate([Line("ich \ud800du", "I\udfff", ("\ud83dtree",)), "\udc00"], search=ONCE)
    source, prefix, term = tokenizers.source.encode(["ich \ufffddu", "I\ufffd", "\ufffdtree"])
    assert (echo.requests[0].source, echo.requests[0].prefix) == ([*source, END], prefix)
    assert echo.requests[0].required == [term]


def test_an_engine_of_others_has_no_model_of_ours(tokenizers: Tokenizers) -> None:
    with pytest.raises(UsageError, match="requires nmt's own engine"):
        _ = Translator(Echo(), tokenizers).model


# ------------------------------------------------------------------------------------------------------- after search


def test_a_repetition_loop_is_decoded_again_and_flagged(tokenizers: Tokenizers) -> None:
    echo = Translator(Echo(), tokenizers)
    long, short = "ich sehe den Hund", "ich"
    translations = echo.translate([long, short])
    expected = [(long, True), (" ".join([short] * 4), False)]
    assert [(translation.text, translation.best.loop) for translation in translations] == expected
    (unguarded,) = echo.translate([long], search=SearchConfig(loop_guard=False))
    assert unguarded.text == " ".join([long] * 4)
    repetitive = " ".join(["ich sehe"] * 4)
    assert [translation.best.loop for translation in echo.translate([repetitive])] == [False]


def test_a_line_that_fails_keeps_its_place_and_is_reported(
    tokenizers: Tokenizers, caplog: pytest.LogCaptureFixture
) -> None:
    echo = Echo()
    echo.broken = tokenizers.source.encode(["du suche"])[0]
    lines = ["ich sehe", "", "Hund", "Baum", "du suche", "ich"]
    with caplog.at_level("ERROR", logger="nmt"):
        translations = list(Translator(echo, tokenizers).stream(lines, SearchConfig(loop_guard=False), buffer_lines=2))
    assert [bool(translation.text) for translation in translations] == [True, False, True, True, False, True]
    assert [translation.failed for translation in translations] == [False, False, False, False, True, False]
    assert "line 5 could not be translated and is left blank: this one breaks" in caplog.text


def test_white_space_between_the_sentences_of_a_paragraph_is_kept(tokenizers: Tokenizers) -> None:
    echo = Translator(Echo(), tokenizers)
    line, config = "  Ich sehe.   Du suche!\u2028Wir höre. ", replace(ONCE, split_sentences=True)
    (translation,) = echo.translate([line], search=config)
    assert translation.text == "  Ich sehe.   Du suche!\u2028Wir höre."
    long = "Ich sehe den Hund.  " * 20
    assert echo.translate([long], search=ONCE)[0].text == long.strip()


@pytest.mark.parametrize(("language", "parts"), [("de", 1), ("en", 2), (None, 1)])
def test_sentences_end_as_in_the_source_language_of_the_model(
    run: Path, tmp_path: Path, language: str | None, parts: int
) -> None:
    loaded = load_model(run / "model", torch.device("cpu"), torch.float32)
    description = {"languages": {"source": language, "target": "fr"}} if language else {}
    save_model(
        tmp_path,
        loaded.model.config,
        dict(loaded.model.named_parameters()),
        loaded.tokenizers,
        {"step": 0, **description},
    )
    config = SearchConfig(split_sentences=True)
    splitter = LineSplitter(loaded.tokenizers, config, 60, Translator.load(tmp_path, threads=1).language)
    assert len(splitter.split(Line("Ich sehe den Hund 17. Hund sehe ich."))) == parts


def test_alignments_are_of_words_and_continue_over_the_parts_of_a_line(tokenizers: Tokenizers) -> None:
    config = replace(ONCE, split_sentences=True, n_best=2)
    lines = ["Ich sehe den Hund. Du suche einen Baum."]
    (translation,) = Translator(Echo(), tokenizers).stream(lines, config, alignments=True)
    expected = [(word, word) for word in range(8)]
    assert [alternative.alignment for alternative in translation.alternatives] == [expected, expected]
    (unaligned,) = Translator(Echo(), tokenizers).stream(lines, config)
    assert unaligned.best.alignment is None


def test_a_word_is_aligned_with_the_word_of_most_attention() -> None:
    weights = torch.tensor([[0.3, 0.3, 0.4, 0.0], [0.1, 0.1, 0.2, 0.6], [0.0, 0.1, 0.2, 0.7]])
    assert align(weights, [0, 0, 1], [0, 1]) == [(0, 0), (0, 1)]
    assert align(weights, [0, 0, 3], [2, 5]) == [(0, 2), (0, 5)]  # words of their lines, some without a piece
    assert align(weights[:1], [0, 0, 1], []) == []


@given(words=st.lists(st.lists(st.sampled_from(["a", "bc", "<0xC3><0xA5>", "."]), min_size=1, max_size=3), max_size=6))
def test_words_are_their_pieces_and_their_attention_sums_to_one(words: list[list[str]]) -> None:
    """Attention to a word is that to all its pieces; attention of a word is the mean over its pieces."""
    pieces = [("▁" if place == 0 else "") + piece for word in words for place, piece in enumerate(word)] + ["</s>"]
    merged = pieces_to_words(pieces)
    assert [text for text, _ in merged] == [*("".join(word).replace("<0xC3><0xA5>", "å") for word in words), "</s>"]
    assert [index for _, indices in merged for index in indices] == list(range(len(pieces)))
    weights = torch.rand(2, len(pieces), len(pieces), generator=torch.Generator().manual_seed(len(pieces)))
    weights = (weights / weights.sum(-1, keepdim=True)).double()
    indices = [indices for _, indices in merged]
    attention = merge_words(weights, indices, indices)
    for row, (_, targets) in enumerate(merged):
        for column, (_, sources) in enumerate(merged):
            cells = [sum(float(weights[1, target, source]) for source in sources) for target in targets]
            assert float(attention[1, row, column]) == pytest.approx(sum(cells) / len(targets))


def test_minimum_bayes_risk_prefers_what_is_like_the_other_candidates() -> None:
    candidates = ["the cat sat here", "the cat sat there", "the cat sat", "a dog ran away"]
    utilities = expected_utilities(candidates, "chrf")
    assert min(utilities) == utilities[3]
    assert expected_utilities(["a b", "a b", "c"], "bleu") == pytest.approx([200 / 3, 200 / 3, 100 / 3])


@pytest.mark.parametrize("metric", ["chrf", "bleu"])
def test_minimum_bayes_risk_decoding_returns_the_candidates_of_highest_utility(
    tokenizers: Tokenizers, metric: str
) -> None:
    texts = ["a bird", "I see the dog today", "I see the dog", "I see the dog today", "you see the dog today"]
    echo = Echo(tokenizers.target.encode(texts))
    config = SearchConfig(mbr=metric, n_best=2, loop_guard=False)
    (translation,) = Translator(echo, tokenizers).translate(["ich"], search=config)
    score = sacrebleu.CHRF() if metric == "chrf" else sacrebleu.BLEU(effective_order=True)
    utility = {text: sum(score.sentence_score(text, [other]).score for other in texts) for text in texts}
    expected = sorted(utility, key=lambda text: -utility[text])[:2]  # each text once
    assert [alternative.text for alternative in translation.alternatives] == expected


def test_a_translation_is_empty_only_where_it_may_be(tokenizers: Tokenizers, run: Path) -> None:
    model = load_model(run / "model", torch.device("cpu"), torch.float32).model
    bias = torch.zeros(len(tokenizers.target))
    bias[END] = 50.0  # the end of the sentence is nearly certain
    model.projection.bias = torch.nn.Parameter(bias)
    translator = Translator(TorchEngine([model], torch.device("cpu")), tokenizers)
    for options in ({}, {"n_best": 3}, {"sample": True}, {"beam": 1}, {"max_length": 1}, {"forbid": ["x"]}):
        (translation,) = translator.translate(["ich sehe"], search=SearchConfig(**options))
        assert all(alternative.text.strip() for alternative in translation.alternatives)
    (translation,) = translator.translate(["ich sehe"], search=SearchConfig(min_length=1))
    assert translation.text == ""


def test_scores_of_tokens_add_up_and_belong_to_them(translator: Translator) -> None:
    for translation in translator.translate(LINES, n_best=3, max_length=12):
        for alternative in translation.alternatives:
            assert len(alternative.tokens) == len(alternative.token_scores)
            assert sum(alternative.token_scores) == pytest.approx(alternative.log_prob, abs=1e-5)


@pytest.mark.parametrize(("source", "target", "unknown"), [(5, 5, False), (UNKNOWN, 5, True), (5, UNKNOWN, True)])
def test_unknown_source_or_target_text_is_flagged(
    tokenizers: Tokenizers, source: int, target: int, unknown: bool
) -> None:
    search = SentenceSearch(Echo([[target]]), tokenizers, ONCE)
    ((alternative,),) = search([Request(source=[source, END], max_length=9)], 1)
    assert alternative.unknown == unknown


# ---------------------------------------------------------------------------------------------------------- processes


def test_work_is_shared_out_and_comes_back_in_order() -> None:
    def work(item: int) -> list[int]:
        return [item * item, os.getpid()]

    with Workers(work, 3) as workers:
        for _ in range(3):
            results = list(workers.map(list(range(40))))
            assert [square for square, _ in results] == [item * item for item in range(40)]
            assert os.getpid() not in {process for _, process in results}
    assert [square for square, _ in Workers(work, 1).map([1, 2])] == [1, 4]


def test_an_error_in_a_worker_is_raised_by_its_parent() -> None:
    def work(item: int) -> int:
        if item == 3:
            raise NmtError("three is wrong", "take four")
        return item

    with Workers(work, 2) as workers, pytest.raises(NmtError, match="three is wrong"):
        list(workers.map(range(6)))


def test_a_worker_that_is_killed_is_an_error() -> None:
    def work(item: int) -> int:
        if item == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    with Workers(work, 2) as workers, pytest.raises(NmtError, match="worker"):
        list(workers.map(range(8)))


def test_workers_do_not_outlive_a_program_that_is_killed(run: Path, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("ich sehe den Hund heute\n" * 20_000, encoding="utf-8")
    options = (
        "--run",
        str(run),
        "--engine",
        "torch",
        "--threads",
        "2",
        "--buffer-lines",
        "20000",
        str(tmp_path / "lines"),
    )
    command = [sys.executable, "-m", "nmt", "translate", *options]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: len(children.read_text().split()) == 2)
        workers = [int(child) for child in children.read_text().split()]
        process.kill()
    until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    pytest.fail("not within a minute")


# ----------------------------------------------------------------------------------------------------- the command line


def test_json_lines_keep_fields_that_are_not_theirs(command: Program, run: Path) -> None:
    objects = [
        {"text": "ich sehe den Hund", "id": 7, "meta": {"a": [1, None]}},
        {"text": "", "id": 8},
        {"text": "du suche", "prefix": "yesterday", "constraints": ["tree"], "translation": "old"},
        {"text": "ich \ud800 du", "id": "\udfff"},
    ]
    text = "".join(json.dumps(content) + "\n" for content in objects).encode()
    done = command(
        "translate", "--run", run, "--json", "--align", "--n-best", 2, "--beam", 3, "--threads", 1, stdin=text
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers[:2]] == [7, 8]
    assert answers[0]["meta"] == {"a": [1, None]}
    assert answers[1]["translation"] == ""
    assert answers[2]["translation"].startswith("yesterday")
    assert "tree" in answers[2]["translation"]
    for answer in answers:
        expected = {"score", "log_prob", "tokens", "token_scores", "n_best", "truncated", "loop", "unknown"}
        assert expected <= answer.keys()
        assert len(answer["n_best"]) == (2 if answer["text"] else 1)
    assert all(isinstance(i, int) and isinstance(j, int) for i, j in answers[0]["alignment"])


@pytest.mark.parametrize(("line", "problem"), [("ich", "line 2: not JSON"), ('{"text": 3}', "line 2: text is not")])
def test_an_invalid_object_ends_the_command_with_its_line_number(
    command: Program, run: Path, line: str, problem: str
) -> None:
    text = f'{{"text": "ich"}}\n{line}\n'.encode()
    done = command("translate", "--run", run, "--json", "--threads", 1, stdin=text)
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
    [
        (("--sample",), "--sample cannot be combined with required terms"),
        (("--forbid", "BIRD"), "is required, but 'BIRD' is forbidden"),
    ],
)
def test_terms_that_cannot_be_written_are_refused(
    command: Program, run: Path, tmp_path: Path, options: tuple[str, ...], problem: str
) -> None:
    (tmp_path / "terms.tsv").write_text("\ufeffHund\tbird\n", encoding="utf-8")
    done = command("translate", "--run", run, "--glossary", tmp_path / "terms.tsv", *options, stdin=b"ein Hund\n")
    assert done.returncode != 0
    assert problem in done.stderr


def test_settings_that_conflict_are_refused_at_once(command: Program, run: Path) -> None:
    bounds = ("--min-length", 9, "--max-length", 3, "--min-ratio", 2, "--max-ratio", 1)
    options = ("--top-k", 5, "--beam-groups", 2, *bounds)
    done = command("translate", "--run", run, *options, stdin=b"ich\n")
    assert done.returncode == 2 or done.returncode == 1
    for part in ("--beam-groups 2 does not divide --beam 5", "give --sample", "--min-length 9", "--min-ratio 2"):
        assert part in done.stderr
