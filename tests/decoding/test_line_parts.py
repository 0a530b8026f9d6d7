"""Lines split into parts that fit the model, their requests, and the parts' translations joined."""

import math
import re
import time
from dataclasses import replace
from typing import Any

import pytest
from conftest import Corpus
from echo import ONCE, Echo
from hypothesis import given
from hypothesis import strategies as st

from nmt import Translator
from nmt.config.corpus import TokenizerConfig
from nmt.config.search import SearchConfig
from nmt.decoding.engine import Request
from nmt.decoding.line_parts import LinePart, LineSplitter
from nmt.decoding.translation import Alternative, Glossary, Line, Translation
from nmt.errors import UsageError
from nmt.text.tokenizer import END, Tokenizers, train_tokenizers

words = st.sampled_from(["Ich", "sehe", "den", "großen", "Hund", "heute"])
sentences = st.lists(words, min_size=1, max_size=9).map(lambda drawn: " ".join(drawn) + ".")
gaps = st.sampled_from([" ", "  ", "\t", "\u2028", " \r "])
paragraphs = st.lists(st.tuples(gaps, sentences), min_size=1, max_size=6).map(
    lambda drawn: "".join(gap + sentence for gap, sentence in drawn)
)


def split(tokenizers: Tokenizers, line: Line | str, limit: int = 60, **options: object) -> list[LinePart]:
    line = Line(line) if isinstance(line, str) else line
    return LineSplitter(tokenizers, SearchConfig(**options), limit).split(line)


@given(line=paragraphs, max_length=st.integers(4, 40), always=st.booleans())
def test_no_token_is_lost_and_no_part_is_too_long(
    tokenizers: Tokenizers, line: str, max_length: int, always: bool
) -> None:
    parts = split(tokenizers, line, max_length, split_sentences=always)
    assert all(2 <= len(part.request.source) <= max_length for part in parts)
    assert all(part.request.source[-1] == END for part in parts)
    texts = tokenizers.source.decode([part.request.source[:-1] for part in parts])
    assert "".join("".join(texts).split()) == "".join(line.split())
    if len(tokenizers.source.encode([line])[0]) < max_length and not always:
        assert len(parts) == sum(bool(cell.strip()) for cell in line.split("\t"))
    if always and not next(filter(str.isalpha, line), "").isupper():  # then lower case begins sentences
        assert len(parts) >= line.count(".")


@pytest.mark.parametrize("line", ["🙂i", "🙂🙂 ich 🙂", "한국어", "x" * 99])
def test_even_a_character_of_many_tokens_fits_the_model(tokenizers: Tokenizers, line: str) -> None:
    """With byte fallback an emoji is five tokens; a model that reads three with END gets what fits."""
    assert len(tokenizers.source.encode(["🙂"])[0]) == 5
    parts = split(tokenizers, line, limit=3)
    assert parts
    assert all(2 <= len(part.request.source) <= 3 for part in parts)


@given(line=paragraphs, always=st.booleans())
def test_the_parts_of_a_line_are_joined_as_they_were(tokenizers: Tokenizers, line: str, always: bool) -> None:
    """White space between sentences stays; an engine that repeats its source gives the line back."""
    config = replace(ONCE, split_sentences=always)
    (translation,) = Translator(Echo(), tokenizers).translate([line], search=config)
    parts = split(tokenizers, line, split_sentences=always)
    if always:
        assert translation.text == line
    else:
        assert translation.text.split() == line.split()
        assert re.findall("^\\s+|\t", translation.text) == re.findall("^\\s+|\t", line)  # indentation and tabs
    assert translation.best.log_prob == -sum(len(part.request.source) for part in parts)
    assert len(translation.best.tokens) == len(translation.best.token_scores) == -translation.best.log_prob


@given(line=paragraphs)
def test_alignments_of_parts_count_the_words_of_the_line(tokenizers: Tokenizers, line: str) -> None:
    (translation,) = Translator(Echo(), tokenizers).stream([line], replace(ONCE, split_sentences=True), alignments=True)
    assert translation.best.alignment == [(word, word) for word in range(len(line.split()))]


@pytest.mark.parametrize("line", ["", " ", "\t\u3000", "\r"])
def test_a_blank_line_has_no_parts_and_a_blank_translation(tokenizers: Tokenizers, line: str) -> None:
    assert split(tokenizers, line) == []
    translation = LineSplitter(tokenizers, SearchConfig(), 60).join([], [])
    assert (translation.text, translation.score, translation.failed) == ("", 0.0, False)


@pytest.mark.parametrize(
    ("options", "lengths"),
    [
        ({}, (2, 32)),  # a token and END; twice the source and 20 more: 6 tokens with END
        ({"min_length": 1}, (1, 32)),
        ({"max_length": 9}, (2, 9)),
        ({"max_length": 1}, (2, 1)),  # a token without END
        ({"max_ratio": 1.5}, (2, 9)),
        ({"max_ratio": 1.6}, (2, 10)),  # rounded up
        ({"max_ratio": 3.0, "max_length": 12}, (2, 12)),
        ({"max_length": 1000}, (2, 60)),  # as long as the model's maximum
        ({"min_length": 4}, (4, 32)),
        ({"min_ratio": 0.7}, (5, 32)),
        ({"min_ratio": 0.7, "min_length": 8}, (8, 32)),
        ({"min_ratio": 2.0, "max_length": 7}, (7, 7)),  # no more than the maximum
    ],
)
def test_length_bounds_follow_from_the_length_of_the_source(
    tokenizers: Tokenizers, options: dict[str, float], lengths: tuple[int, int]
) -> None:
    line = "ich sehe den Hund heute"
    assert len(tokenizers.source.encode([line])[0]) == 5
    (part,) = split(tokenizers, line, **options)
    assert (part.request.min_length, part.request.max_length) == lengths


def test_prefix_and_terms_belong_to_the_first_part_which_is_long_enough_for_them(tokenizers: Tokenizers) -> None:
    line = Line("Ich sehe. Du suche.", prefix="we see", terms=("big tree", ""))
    first, second = split(tokenizers, line, split_sentences=True, max_ratio=0.1)
    encode = tokenizers.target.encode
    prefix, term = encode(["we see", "big tree"])
    assert (first.gap, second.gap) == ("", " ")
    assert (first.request.prefix, first.request.required) == (prefix, [term])
    assert first.request.max_length == len(prefix) + len(term) + 1
    assert (second.request.prefix, second.request.required, second.request.max_length) == ([], [], 1)


@pytest.fixture(scope="module")
def tagged(corpus: Corpus) -> Tokenizers:
    """Tokenizers of a multilingual model."""
    return train_tokenizers(corpus.train, TokenizerConfig(vocab_size=350, symbol=["<2en>", "<2nl>"]))


@pytest.mark.parametrize("name", ["2en", "en", "<2en>"])
def test_a_tag_stands_before_the_line_as_in_training(tagged: Tokenizers, name: str) -> None:
    (part,) = split(tagged, Line("Ich sehe den Hund.", tag=name))
    assert part.request.source == [*tagged.source.encode(["<2en> Ich sehe den Hund."])[0], END]
    assert tagged.source.symbol(name) == "<2en>"


@given(line=paragraphs, max_length=st.integers(8, 40), always=st.booleans())
def test_a_tag_stands_before_each_part_and_fits_the_model(
    tagged: Tokenizers, line: str, max_length: int, always: bool
) -> None:
    tag = tagged.source.encode(["<2nl>"])[0]
    parts = split(tagged, Line(line, tag="2nl"), max_length, split_sentences=always)
    assert all(part.request.source[: len(tag)] == tag for part in parts)
    assert all(len(tag) + 2 <= len(part.request.source) <= max_length for part in parts)
    texts = tagged.source.decode([part.request.source[len(tag) : -1] for part in parts])
    assert "".join("".join(texts).split()) == "".join(line.split())


def test_a_tag_gives_a_blank_line_no_parts(tagged: Tokenizers) -> None:
    assert split(tagged, Line(" \t", tag="2en")) == []


@given(line=paragraphs, always=st.booleans())
def test_alignments_count_no_tag(tagged: Tokenizers, line: str, always: bool) -> None:
    """The engine repeats its source with the tag, whose words in the translation are aligned to nothing."""
    lines, config = [Line(line, tag="2en")], replace(ONCE, split_sentences=always)
    (translation,) = Translator(Echo(), tagged).stream(lines, config, alignments=True)
    words = [source for source, _ in translation.best.alignment or []]
    assert words == list(range(len(line.split())))


@pytest.mark.parametrize("name", ["2fr", "ich", "", "s", "unk", "</s>"])
def test_pieces_and_control_symbols_are_not_tags(tagged: Tokenizers, name: str) -> None:
    assert tagged.source.symbol(name) == ""


def test_samples_have_seeds_that_depend_on_text_and_seed_alone(tokenizers: Tokenizers) -> None:
    def seeds(line: str, **options: int) -> list[int]:
        return [part.request.seed for part in split(tokenizers, line, sample=True, split_sentences=True, **options)]

    assert seeds("Ich sehe. Du.") == seeds("Ich sehe.") + seeds("Du.")
    assert seeds("Ich sehe.", seed=1) != seeds("Ich sehe.", seed=2)
    assert [part.request.seed for part in split(tokenizers, "Ich sehe.")] == [0]


def test_terms_that_search_cannot_write_are_refused(tokenizers: Tokenizers) -> None:
    line = Line("ich", terms=("the big  Tree",))
    with pytest.raises(UsageError, match="cannot be combined with required terms"):
        split(tokenizers, line, sample=True)
    with pytest.raises(UsageError, match="'the big  Tree' is required, but 'BIG tree' is forbidden"):
        split(tokenizers, line, forbid=["x", "BIG tree"])
    assert len(split(tokenizers, line, forbid=["tre", "he big"])) == 1  # parts of words are other words


def test_n_best_lists_are_joined_best_with_best(tokenizers: Tokenizers) -> None:
    """By hand: the mean of scores, the sum of log-probabilities, and flags of any part."""
    request = Request(source=[*tokenizers.source.encode(["ich sehe"])[0], END], max_length=9)
    parts = [LinePart("", request), LinePart("  ", request)]
    first = [
        Alternative(text="a", score=-1.0, log_prob=-3.0, tokens=["▁a", "</s>"], token_scores=[-1.0, -2.0], loop=True),
        Alternative(text="b", score=-2.0, log_prob=-4.0, truncated=True),
        Alternative(text="c", score=-9.0),
    ]
    second = [
        Alternative(text="x", score=-2.0, log_prob=-0.5, tokens=["▁x"], token_scores=[-0.5], unknown=True),
        Alternative(text="y", score=-4.0, log_prob=-0.25, alignment=[(0, 0)]),
    ]
    translation = LineSplitter(tokenizers, SearchConfig(), 60).join(parts, [first, second])
    assert [alternative.text for alternative in translation.alternatives] == ["a  x", "b  y"]
    assert [alternative.score for alternative in translation.alternatives] == [-1.5, -3.0]
    assert [alternative.log_prob for alternative in translation.alternatives] == [-3.5, -4.25]
    best, other = translation.alternatives
    assert (best.tokens, best.token_scores) == (["▁a", "</s>", "▁x"], [-1.0, -2.0, -0.5])
    assert (best.loop, best.unknown, best.truncated) == (True, True, False)
    assert (other.loop, other.unknown, other.truncated, other.alignment) == (False, False, True, None)
    assert not translation.failed


def test_alignments_are_shifted_by_the_words_of_the_parts_before(tokenizers: Tokenizers) -> None:
    request = Request(source=[5, END], max_length=9)
    parts = [LinePart(" ", request, "ich sehe den"), LinePart(" ", request, "Hund heute")]
    first = Alternative(text="I see", tokens=["▁I", "▁s", "ee", "</s>"], alignment=[(0, 0), (2, 1)])
    second = Alternative(text="dog", tokens=["▁dog", "</s>"], alignment=[(1, 0)])
    joined = LineSplitter(tokenizers, SearchConfig(), 60).join(parts, [[first], [second]])
    assert joined.best.alignment == [(0, 0), (2, 1), (4, 2)]


@pytest.mark.parametrize(
    "line",
    [
        "    Ich sehe.",
        "- Ich sehe. Du.",
        "  • Ich sehe",
        "\tIch\tsehe den Hund.\t\theute\t",
        "-Ich",
        "* * Ich",
        "\u3000\u3000Ich sehe",
        "\t- Ich",
    ],
)
def test_the_layout_of_a_line_stays(tokenizers: Tokenizers, line: str) -> None:
    (translation,) = Translator(Echo(), tokenizers).translate([line], search=ONCE)
    assert translation.text == line


@pytest.mark.parametrize("line", ["---", "42", "12 €", "→", "…", "½", "😀😀", "☎ 12", "\u200b", "№ 7", "«»"])
def test_signs_of_all_languages_are_copied(tokenizers: Tokenizers, line: str) -> None:
    assert not any(part.request for part in split(tokenizers, line))


@pytest.mark.parametrize("line", ["！？", "١٢٣", "。", "2 km", "30 ª"])  # which other languages write otherwise
def test_signs_of_a_language_are_translated(tokenizers: Tokenizers, line: str) -> None:
    assert any(part.request for part in split(tokenizers, line))


def test_a_word_that_is_too_long_to_be_one_is_copied_at_once(
    tokenizers: Tokenizers, caplog: pytest.LogCaptureFixture
) -> None:
    """A line of data, such as base64: its length must not count twice in time."""
    data = "abc0" * 250_000
    echo, start = Translator(Echo(), tokenizers), time.perf_counter()
    with caplog.at_level("WARNING", logger="nmt"):
        translations = echo.translate(["Ich sehe", f"Ich sehe {data} heute.", data, "x" * 5000], search=ONCE)
    assert time.perf_counter() - start < 5
    assert [translation.text for translation in translations[1:3]] == [f"Ich sehe {data} heute.", data]
    assert "line 2 has 1,000,016 characters" in caplog.text
    assert "line 3 has 1,000,000 characters" in caplog.text
    assert "line 1 " not in caplog.text
    assert translations[3].text.replace(" ", "") == "x" * 5000


def test_a_long_line_of_a_script_without_spaces_is_translated(tokenizers: Tokenizers) -> None:
    line = "今日は晴れです。" * 2_000
    parts = split(tokenizers, line)
    assert all(part.request for part in parts)
    assert "".join(part.text for part in parts) == line


def test_the_glossary_applies_to_the_part_that_its_terms_are_in(tokenizers: Tokenizers) -> None:
    glossary = Glossary({"Hund": "dog", "Baum": "tree"})
    splitter = LineSplitter(tokenizers, SearchConfig(split_sentences=True), 60, glossary=glossary)
    first, second = splitter.split(Line("Ich sehe den Hund. Du suche den Baum.", terms=("big",)))
    assert [tokenizers.target.decode(part.request.required) for part in (first, second)] == [["big", "dog"], ["tree"]]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ich\u200bsehe den Hund", [0, 0, 1, 2]),  # two words after normalization
        ("ich ´ sehe", [0, 1, 2]),
        ("ich\u00adsehe den", [0, 1]),  # a soft hyphen goes
        ("½ Hund ﬁnde", [0, 1, 2]),
        ("- ich sehe\tden\u200b\u200b Hund", [0, 1, 2, 3, 4]),
        ("ich  \u200b  sehe", [0, 2]),
        ("großen 🙂 Hund", [0, 1, 2]),
    ],
)
def test_alignments_number_the_words_of_the_line_as_given(
    nfkc_tokenizers: Tokenizers, line: str, words: list[int]
) -> None:
    (translation,) = Translator(Echo(), nfkc_tokenizers).stream([line], ONCE, alignments=True)
    assert [source for source, _ in translation.best.alignment] == words
    assert [target for _, target in translation.best.alignment] == list(range(len(translation.text.split())))


@pytest.fixture(scope="module")
def nfkc_tokenizers(corpus: Corpus) -> Tokenizers:
    return train_tokenizers(corpus.train, TokenizerConfig(vocab_size=400, normalization="nmt_nfkc"))


def test_a_failed_part_is_left_blank_and_the_translation_marked(tokenizers: Tokenizers) -> None:
    request = Request(source=[5, END], max_length=9)
    parts = [LinePart("", request), LinePart(" ", request), LinePart(" ", request)]
    lists = [[Alternative(text="a", score=-3.0)], [], [Alternative(text="c", score=-3.0)]]
    translation = LineSplitter(tokenizers, SearchConfig(), 60).join(parts, lists)
    assert re.sub(r"\s+", " ", translation.text) == "a c"
    assert translation.failed
    assert translation.score == pytest.approx(-2.0)
    assert math.isfinite(translation.best.log_prob)


def test_a_line_in_capitals_is_translated_in_lower_case_and_written_in_capitals(tokenizers: Tokenizers) -> None:
    line = "ICH SEHE DEN HUND %s."
    encode = tokenizers.source.encode
    assert len(encode([line.lower()])[0]) < len(encode([line])[0])
    translate = Translator(Echo(), tokenizers).translate
    (folded,) = translate([line], search=SearchConfig(no_repeat_ngram=1, protect="on"))
    (kept,) = translate([line], search=SearchConfig(no_repeat_ngram=1, protect="on", fold_case=False))
    assert (folded.text, kept.text) == (line, line)
    assert len(folded.best.tokens) < len(kept.best.tokens)


@pytest.mark.parametrize("constraint", [{"prefix": "Der"}, {"terms": ("Hund",)}])
def test_constraints_say_in_which_case_a_line_is_written(tokenizers: Tokenizers, constraint: dict[str, Any]) -> None:
    engine, encode = Echo(), tokenizers.source.encode
    Translator(engine, tokenizers).translate([Line("ICH SEHE", **constraint), Line("ICH SEHE")])
    assert {tuple(request.source[:-1]) for request in engine.requests} == set(
        map(tuple, encode(["ICH SEHE", "Ich sehe"]))
    )


def test_the_translation_of_a_title_is_a_sentence_and_not_in_capitals(tokenizers: Tokenizers) -> None:
    line, search = "Ich Sehe Den Großen Hund Heute", SearchConfig(no_repeat_ngram=1)
    assert Translator(Echo(), tokenizers).translate([line], search=search)[0].text == "Ich sehe den großen hund heute"


def test_alternatives_that_differ_in_case_alone_are_one_in_capitals() -> None:
    alternatives = [Alternative(text="the Dog"), Alternative(text="a dog"), Alternative(text="The dog")]
    assert [found.text for found in Translation(alternatives).in_capitals().alternatives] == ["THE DOG", "A DOG"]
