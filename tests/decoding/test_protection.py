"""Inline codes in translations: each exactly once, whatever the engine writes."""

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from echo import Echo, _hypothesis
from hypothesis import given
from hypothesis import strategies as st

from nmt import Translator
from nmt.config.search import SearchConfig
from nmt.decoding.engine import Hypothesis, Request
from nmt.decoding.tag_placement import TagPlacement, Words
from nmt.decoding.translation import Glossary, Line
from nmt.text.inline_codes import CodedText, find_codes, is_nested
from nmt.text.tokenizer import Tokenizers

ONCE = SearchConfig(no_repeat_ngram=1, loop_guard=False, protect="on", fold_case=False)
PIECES = [
    "Ich",
    "sehe",
    "den",
    "Hund",
    "%s",
    "%d",
    "{0}",
    "{name}",
    "https://a.org/b",
    "&amp;",
    "<x/>",
    "{n, plural, other {#}}",
]


def wrap(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda name, parts: f"<{name}>{' '.join(parts)}</{name}>",
        st.sampled_from(["b", "i", "g1"]),
        st.lists(children, min_size=1, max_size=3),
    )


pieces = st.recursive(st.sampled_from(PIECES), wrap, max_leaves=6)
messages = st.lists(pieces, min_size=1, max_size=7).map(" ".join)
documents = st.lists(
    st.tuples(messages, st.sampled_from(["\n", "\n\n  - ", "<br/>", " <p>"])), min_size=1, max_size=3
).map(lambda drawn: "".join(text + end for text, end in drawn))


class Garbling(Echo):
    """Writes the source with tokens that are lost, doubled, exchanged or attended to at random."""

    def __init__(self, seed: int, rate: float) -> None:
        super().__init__()
        self.random, self.rate = random.Random(seed), rate

    def search(
        self, requests: Sequence[Request], config: SearchConfig, text: object = None, *, token_scores: bool = True
    ) -> list[list[Hypothesis]]:
        return [
            [_hypothesis(self._garbled(list(request.source[:-1])), place) for place in range(config.returned)]
            for request in requests
        ]

    def _garbled(self, source: list[int]) -> list[int]:
        tokens = [token for token in source for _ in range(self._chosen([1, 0, 2]))]
        place = self._chosen([len(tokens), len(tokens) // 2])
        return tokens[place:] + tokens[:place]

    def _chosen(self, options: list[int]) -> int:
        return self.random.choice(options) if self.random.random() < self.rate else options[0]


def codes_of(text: str) -> Counter[str]:
    return Counter(text[code.start : code.end] for code in find_codes(text))


@given(text=documents)
def test_an_engine_that_copies_gives_the_same_text(tokenizers: Tokenizers, text: str) -> None:
    (translation,) = Translator(Echo(), tokenizers).translate([text], search=ONCE)
    assert " ".join(translation.text.split()) == " ".join(text.split())
    assert not translation.best.untranslated


@given(text=documents, seed=st.integers(0, 99), rate=st.sampled_from([0.02, 0.2, 0.7]))
def test_every_code_comes_through_exactly_once(tokenizers: Tokenizers, text: str, seed: int, rate: float) -> None:
    translator = Translator(Garbling(seed, rate), tokenizers)
    (translation,) = translator.translate([text], search=SearchConfig(loop_guard=False, n_best=2, protect="on"))
    for alternative in translation.alternatives:
        assert codes_of(alternative.text) == codes_of(text)
        assert is_nested(find_codes(alternative.text))


@given(text=messages, seed=st.integers(0, 99))
def test_alignments_number_the_words_of_the_line_with_its_tags(tokenizers: Tokenizers, text: str, seed: int) -> None:
    (translation,) = Translator(Garbling(seed, 0.05), tokenizers).stream([text], ONCE, alignments=True)
    source, target = text.split(), translation.text.split()
    for start, to in translation.best.alignment or []:
        assert start < len(source)
        assert to < len(target)


def test_the_best_hypothesis_that_keeps_all_codes_is_taken(tokenizers: Tokenizers) -> None:
    encode = tokenizers.target.encode
    answers = encode(["Hund %s %s", "Ich Hund", "den Hund %s", "Ich %s"])
    (translation,) = Translator(Echo(answers), tokenizers).translate(["sehe %s"], search=ONCE)
    assert translation.text == "den Hund %s"


def test_where_no_hypothesis_keeps_them_the_text_between_is_translated(tokenizers: Tokenizers) -> None:
    engine = Echo(tokenizers.target.encode(["Hund"]))
    (translation,) = Translator(engine, tokenizers).translate(["<b>Ich</b> sehe %s heute"], search=ONCE)
    assert translation.text == "<b>Hund</b> Hund %s Hund"


def test_where_even_that_fails_the_source_stays_and_says_so(tokenizers: Tokenizers) -> None:
    engine = Echo(tokenizers.target.encode(["Hund %d"]))
    found = Translator(engine, tokenizers).translate(["sehe %s heute", "sehe den Hund"], search=ONCE)
    assert [(one.text, one.best.untranslated) for one in found] == [("sehe %s heute", True), ("Hund %d", False)]


def test_by_default_a_line_is_translated_even_where_a_code_is_invented(tokenizers: Tokenizers) -> None:
    engine, config = Echo(tokenizers.target.encode(["Hund %d"])), SearchConfig(no_repeat_ngram=1, loop_guard=False)
    (translation,) = Translator(engine, tokenizers).translate(["sehe %s heute"], search=config)
    assert (translation.text, translation.best.untranslated) == ("Hund %d %s Hund %d", False)


def test_pieces_take_the_first_hypothesis_that_invents_no_code(tokenizers: Tokenizers) -> None:
    engine = Echo(tokenizers.target.encode(["Hund %d", "den Hund"]))
    (translation,) = Translator(engine, tokenizers).translate(["sehe %s heute"], search=ONCE)
    assert translation.text == "den Hund %s den Hund"


def test_without_protection_codes_are_text(tokenizers: Tokenizers) -> None:
    engine = Echo(tokenizers.target.encode(["Hund"]))
    config = SearchConfig(no_repeat_ngram=1, protect="off")
    assert Translator(engine, tokenizers).translate(["<b>sehe</b> %s"], search=config)[0].text == "Hund"


def test_glossary_and_prefix_belong_to_a_line_with_codes(tokenizers: Tokenizers) -> None:
    engine = Echo()
    lines = [Line("<b>Ich</b> sehe den %s Hund", prefix="Heute")]
    list(Translator(engine, tokenizers).stream(lines, ONCE, glossary=Glossary({"hund": "dog"})))
    (request,) = engine.requests[:1]
    assert tokenizers.target.decode([request.prefix, *request.required]) == ["Heute", "dog"]


@pytest.mark.parametrize(
    ("source", "target", "links", "tagged"),
    [
        ("the <b>red</b> hat", "chapeau rouge", [(2, 0), (1, 1)], "chapeau <b>rouge</b>"),
        ("<b>big <i>hat</i></b> on", "là chapeau haut", [(2, 0), (1, 1), (0, 2)], "là <b><i>chapeau</i> haut</b>"),
        ("press <x/> to go", "zum Gehen drücken", [(1, 0), (2, 1), (0, 2)], "<x/> zum Gehen drücken"),
        ("delete <x/>?", "löschen?", [(0, 0), (1, 1)], "löschen <x/>?"),
        ("note<x/> here", "hier Anmerkung", [(1, 0), (0, 1)], "hier Anmerkung<x/>"),
        ("<b>a</b> and <i>b</i>", "b und a", [(2, 0), (1, 1), (0, 2)], "<i>b</i> und <b>a</b>"),
        ("<b>one</b> two", "zwei", [(1, 0)], None),
        ("one two three\nfour", "vier drei zwei eins", [(3, 0), (2, 1), (1, 2), (0, 3)], "vier drei zwei\neins"),
        ("<b>one\n  two</b>", "eins zwei", [(0, 0), (1, 1)], "<b>eins\n  zwei</b>"),
        ("one\ntwo", "zusammen", [(0, 0)], None),
        ("the <a></a> hat", "der Hut", [(0, 0), (1, 1)], "der <a></a> Hut"),
    ],
)  # fmt: skip
def test_tags_follow_the_words_that_they_enclose(
    source: str, target: str, links: list[tuple[int, int]], tagged: str | None
) -> None:
    coded = CodedText(source, find_codes(source), lambda tag: False)

    source_words, target_words = (Words.of(text, range(len(text.encode()))).spans for text in (coded.plain, target))
    assert TagPlacement(source_words, target_words, links, target).place(coded.tags) == tagged
