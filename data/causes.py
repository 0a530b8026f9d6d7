"""What follows from what: pairs of states and actions that "because" and "if" can join without nonsense."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """A state, the verbs it makes one do, and those it keeps one from doing."""

    state: str
    does: tuple[str, ...]
    cannot: tuple[str, ...] = ()


CAUSES = [
    Cause("배고프다", ("먹다", "요리하다")),
    Cause("피곤하다", ("자다", "쉬다"), ("일하다", "운동하다", "공부하다", "청소하다", "달리다")),
    Cause("아프다", ("쉬다", "자다"), ("일하다", "가다", "오다", "운동하다", "수영하다", "먹다")),
    Cause("바쁘다", ("일하다",), ("만나다", "쉬다", "오다", "놀다", "보다", "자다", "요리하다")),
    Cause("행복하다", ("춤추다", "웃다", "부르다")),
    Cause("비가 오다", ("쉬다", "읽다", "자다", "요리하다"), ("가다", "달리다", "운동하다", "수영하다", "놀다")),
    Cause("눈이 오다", ("쉬다", "읽다", "찍다", "놀다"), ("운전하다", "가다", "달리다", "오다")),
]

# First a point for it, then one against, or the other way round.
CONTRASTS = [
    ("예쁘다", "비싸다"),
    ("작다", "비싸다"),
    ("좋다", "비싸다"),
    ("맛있다", "비싸다"),
    ("싸다", "좋다"),
    ("싸다", "맛있다"),
    ("크다", "가볍다"),
    ("작다", "무겁다"),
    ("어렵다", "재미있다"),
    ("길다", "쉽다"),
    ("짧다", "어렵다"),
    ("느리다", "싸다"),
    ("빠르다", "비싸다"),
    ("젊다", "유명하다"),
    ("바쁘다", "행복하다"),
    ("피곤하다", "행복하다"),
]
