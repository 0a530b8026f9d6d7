import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from nmt.text.chrf import CharacterNgrams

TEXT = st.text(st.sampled_from("aab c.\u00e9\u3042\u2003"), max_size=30) | st.text(max_size=12)


@given(TEXT, TEXT)
def test_it_is_that_of_sacrebleu(text: str, reference: str) -> None:
    ours = CharacterNgrams(text).chrf(CharacterNgrams(reference))
    assert abs(ours - sacrebleu.sentence_chrf(text, [reference]).score) < 1e-6
