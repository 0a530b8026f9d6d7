"""A model that release 0.1 wrote is read by every later release, and translates to the same text.

It was trained on the embedded corpus with a vocabulary of 1,000, by `nmt train --preset tiny --dim 48 --feed-forward 96
--encoder-layers 1 --decoder-layers 2 --batch-tokens 1024 --minutes 4 --peak-rate 6e-3 --dropout 0`. The expected lines
were written by that release; they must never be written again.
"""

from pathlib import Path

import pytest

from nmt import Translator

GOLDEN = Path(__file__).parents[1] / "golden"


def lines(name: str) -> list[str]:
    return (GOLDEN / name).read_text("utf-8").splitlines()


@pytest.mark.parametrize(("beam", "expected"), [(1, "greedy.en"), (5, "beam5.en")])
def test_a_model_of_release_0_1_translates_as_it_did_then(beam: int, expected: str) -> None:
    translator = Translator.load(GOLDEN / "model-0.1", engine="torch")
    translations = translator.translate(lines("source.ko"), beam_size=beam)
    assert [translation.text for translation in translations] == lines(expected)
