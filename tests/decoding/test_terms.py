"""Required and forbidden words are whole words of the text, whatever pieces spell them."""

from pathlib import Path

import pytest
import torch

from nmt import Translator
from nmt.config.search import SearchConfig
from nmt.decoding.terms import WordTerms
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translation import Glossary, Line
from nmt.model.model_directory import load_model
from nmt.text.tokenizer import END, Tokenizers
from nmt.text.words import casefold_words, contains_words


def encoded(tokenizers: Tokenizers, text: str) -> list[int]:
    return tokenizers.target.encode([text])[0]


@pytest.mark.parametrize(
    ("text", "term", "met"),
    [
        ("I see the dog.", "dog", True),
        ("I see the dogs.", "dog", False),
        ("a hotdog", "dog", False),
        ("the dog-house", "dog", True),
        ("黒い猫だ", "猫", True),
        ("cafe\u0301 noir", "café", True),
        ("Dog", "dog", False),  # a term is written as it is given
    ],
)
def test_a_term_is_met_by_the_words_of_the_text(tokenizers: Tokenizers, text: str, term: str, met: bool) -> None:
    terms = WordTerms(tokenizers.target)
    assert terms.is_met(encoded(tokenizers, text), encoded(tokenizers, term)) == met


@pytest.mark.parametrize(
    ("text", "term", "follows"),
    [
        ("the dog", "'round", False),
        ("the dog", "[dog]", False),
        ("I see", "*tree*", False),
        ("the dog.", "tree", False),
        ("the dog (", "tree", True),
        ("the dog-", "tree", True),
        ("the dog", "%", True),
        ("黒い", "(猫)", True),
        ("黒い.", "猫", True),
        ("", "[dog]", True),
    ],
)
def test_a_term_without_a_space_is_not_attached_to_what_ends_before_it(
    tokenizers: Tokenizers, text: str, term: str, follows: bool
) -> None:
    terms, hypothesis = WordTerms(tokenizers.target), encoded(tokenizers, text)
    spellings = terms.spellings(encoded(tokenizers, term))
    spaced = [piece.startswith("▁") for (piece,) in (tokenizers.target.pieces(spelling[:1]) for spelling in spellings)]
    assert {True, False} == set(spaced)
    assert [terms.can_follow(hypothesis, spelling) for spelling in spellings] == [follows or space for space in spaced]


def test_a_term_is_met_in_any_segmentation(tokenizers: Tokenizers) -> None:
    letters = tokenizers.target.ids(["▁", "d", "o", "g"])
    assert letters != encoded(tokenizers, "dog")
    assert WordTerms(tokenizers.target).is_met(letters, encoded(tokenizers, "dog"))


@pytest.mark.parametrize("terms", [["dog"], ["a", "see"], ["big tree", "tree"], ["猫"], ["Tür"], ["I", "you"], ["%"]])
@pytest.mark.parametrize("beam", [1, 4])
def test_a_translation_contains_its_terms_as_whole_words(run: Path, terms: list[str], beam: int) -> None:
    """A model with random weights joins pieces at random; here it also ends sentences as early as it may."""
    loaded = load_model(run / "model", torch.device("cpu"), torch.float32)
    bias = torch.zeros(len(loaded.tokenizers.target))
    bias[END] = 6.0
    loaded.model.projection.bias = torch.nn.Parameter(bias)
    translator = Translator(TorchEngine([loaded.model], torch.device("cpu")), loaded.tokenizers)
    lines = [Line(text, terms=terms) for text in ("ich sehe den Hund", "Baum", "du suche heute")]
    for translation in translator.translate(lines, search=SearchConfig(beam=beam, loop_guard=False)):
        assert all(contains_words(translation.text, term) for term in terms), translation.text


@pytest.mark.parametrize("word", ["dog", "猫", "see the", "caf\u00e9"])
def test_a_forbidden_word_is_not_written_in_any_normal_form(run: Path, word: str) -> None:
    translator = Translator.load(run / "model", engine="torch", threads=1)
    config = SearchConfig(beam=3, n_best=3, forbid=[word], max_length=20, loop_guard=False)
    for translation in translator.translate(["ich sehe den Hund", "Baum", "du suche"], search=config):
        for alternative in translation.alternatives:
            assert not contains_words(casefold_words(alternative.text), casefold_words(word))


GLOSSARY = Glossary(
    {
        "Fuchs": "fox",
        "roter Fuchs": "red fox",
        "狐": "fox",
        "茶碗": "bowl",
        "ปลา": "fish",
        "Käse": "cheese",
        "घर": "house",
    }
)


@pytest.mark.parametrize(
    ("line", "terms"),
    [
        ("Ein Fuchs!", ("fox",)),
        ("Ein roter  FUCHS und ein Fuchs", ("red fox", "fox")),
        ("Fuchsbau, Füchse", ()),
        ("木の下に狐がいる。", ("fox",)),
        ("茶碗と狐", ("bowl", "fox")),
        ("ชอบปลามาก", ("fish",)),
        ("Ka\u0308se", ("cheese",)),
        ("घरों", ()),
        ("घर।", ("house",)),
    ],
)
def test_a_glossary_matches_whole_words_in_any_script(line: str, terms: tuple[str, ...]) -> None:
    assert GLOSSARY.apply(Line(line)).terms == terms
