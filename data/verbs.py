"""The verbs, with their irregular class and their selectional restrictions.

A row gives the dictionary form, the English verb, and the tags of what the verb goes with (see `lexicon.py`).
One Korean verb may have several rows when English wants different verbs for different objects: 보다 is to watch a
film but to see a person. Their objects must not overlap, or a sentence would have two translations.
"""

from conjugation import stem_of
from lexicon import Verb


def _verb(
    korean: str,
    english: str,
    irregular: str = "",
    *,
    opposite: str = "",
    goal_preposition: str = "to",
    **selection: str | bool,
) -> Verb:
    """Read a row: "보여 주다" has a fixed word before its stem, "wait for" has a word after the English verb."""
    *before, dictionary_form = korean.split()
    base, *after = english.split()
    fields = {name: tuple(value.split()) if isinstance(value, str) else value for name, value in selection.items()}
    return Verb(
        stem=stem_of(dictionary_form, irregular=irregular),
        before=" ".join(before),
        english=base,
        after=" ".join(after),
        goal_preposition=goal_preposition,
        opposite=stem_of(opposite, irregular="르") if opposite else None,
        **fields,  # type: ignore[arg-type]  # every field named in a row is a tuple of tags or a flag
    )


TRANSITIVE = [
    _verb("먹다", "eat", objects="food", sites="dining cooking play", manners="fast slow"),
    _verb("먹다", "eat", subjects="animal", objects="fruit", manners="fast slow"),
    _verb("마시다", "drink", objects="drink", sites="dining cooking office", manners="fast slow"),
    _verb("사다", "buy", objects="food drink clothes thing machine flower gift bought", sites="shop"),
    _verb("사다", "buy", objects="printed", sites="bookshop"),
    _verb("팔다", "sell", objects="sold", sites="shop", gives=True),
    _verb("읽다", "read", objects="text", sites="study calm play", manners="quiet slow"),
    _verb("쓰다", "write", objects="written", sites="study private", tools="pen", manners="quiet slow"),
    _verb("보다", "watch", objects="show", sites="stage private", social=True),
    _verb(
        "보다", "see", objects="person animal", sites="play shop stop", involuntary=True, stative=True, momentary=True
    ),
    _verb("듣다", "listen to", "ㄷ", objects="song music", sites="private calm play", manners="quiet"),
    _verb("만나다", "meet", objects="person", sites="chat stop play"),
    _verb("만들다", "make", objects="cooked", sites="cooking", manners="slow fast", social=True),
    _verb("만들다", "make", objects="built", manners="slow fast", social=True),
    _verb(
        "좋아하다",
        "like",
        "여",
        objects="person animal drink music field dish",
        stative=True,
        lasting=True,
        single=True,
    ),
    _verb("싫어하다", "hate", "여", objects="animal drink field", stative=True, lasting=True, single=True),
    _verb("사랑하다", "love", "여", objects="person", stative=True, lasting=True, single=True, compound=True),
    _verb("그리다", "draw", objects="drawn animal", sites="study play", tools="pen", manners="slow"),
    _verb("가르치다", "teach", objects="field", sites="class"),
    _verb("배우다", "learn", objects="field played", sites="study", manners="hard slow fast", single=True),
    _verb("공부하다", "study", "여", objects="field", sites="study", manners="hard quiet", social=True, compound=True),
    _verb("열다", "open", objects="opened", manners="slow quiet fast"),
    _verb("닫다", "close", objects="shut", manners="slow quiet fast"),
    _verb("찾다", "find", objects="small pet", sites="study play shop", stative=True, momentary=True, unwilled=True),
    _verb(
        "잃어버리다", "lose", objects="small", sites="stop play shop", involuntary=True, stative=True, momentary=True
    ),
    _verb("빌리다", "borrow", objects="lent"),
    _verb("씻다", "wash", objects="washed", sites="cooking", manners="fast slow"),
    _verb("빨다", "wash", objects="laundry"),
    _verb("닦다", "wipe", objects="wiped", manners="fast slow quiet"),
    _verb("자르다", "cut", "르", objects="cut", sites="cooking", tools="blade", manners="slow fast"),
    _verb("굽다", "bake", "ㅂ", objects="baked", sites="cooking", social=True),
    _verb("굽다", "grill", "ㅂ", objects="grilled", sites="cooking play", social=True),
    _verb("끓이다", "boil", objects="boiled", sites="cooking", single=True),
    _verb("고치다", "repair", objects="mended", manners="fast slow"),
    _verb("짓다", "build", "ㅅ", objects="erected", social=True, lasting=True),
    _verb("청소하다", "clean", "여", objects="room home office", manners="hard fast", social=True, compound=True),
    _verb("운전하다", "drive", "여", objects="driven", manners="slow fast", single=True, compound=True),
    _verb("타다", "ride", objects="pedalled steed", sites="open", single=True),
    _verb("타다", "take", objects="boarded", sites="city", social=True, single=True),
    _verb("부르다", "sing", "르", objects="song", sites="play stage", social=True),
    _verb("치다", "play", objects="played", sites="private stage", manners="quiet", single=True),
    _verb("입다", "wear", objects="worn", stative=True, single=True),
    _verb("신다", "wear", objects="shod", stative=True, single=True),
    _verb("돕다", "help", "ㅂ", objects="person", manners="quiet"),
    _verb("기다리다", "wait for", objects="person awaited", sites="stop chat", manners="quiet"),
    _verb("찍다", "take", objects="photo", sites="play visited", tools="lens"),
    _verb("키우다", "raise", objects="animal", sites="home", lasting=True),
    _verb("심다", "plant", objects="planted", goals="soil", goal_preposition="in"),
    _verb("던지다", "throw", objects="thrown", manners="fast slow"),
    _verb("잡다", "catch", subjects="pet", objects="prey flier", manners="fast"),
    _verb("사용하다", "use", "여", objects="used", sites="study office", single=True, compound=True),
    _verb("초대하다", "invite", "여", objects="person", compound=True),
    _verb("방문하다", "visit", "여", objects="visited", social=True, compound=True),
    _verb(
        "기억하다",
        "remember",
        "여",
        objects="person song show",
        stative=True,
        involuntary=True,
        timeless=True,
        unwilled=True,
        compound=True,
    ),
    _verb(
        "알다",
        "know",
        objects="person song",
        single=True,
        stative=True,
        involuntary=True,
        timeless=True,
        opposite="모르다",
    ),
    _verb("떠나다", "leave", objects="city", social=True),
]

GIVING = [
    _verb("주다", "give", objects="gift small drink", gives=True, sites="office chat"),
    _verb("보내다", "send", objects="gift written photo", gives=True),
    _verb("보여 주다", "show", objects="picture small clothes", gives=True, sites="chat study"),
    _verb("빌려주다", "lend", objects="lent", gives=True),
]

PLACING = [
    _verb("놓다", "put", objects="small", goals="surface", goal_preposition="on", manners="quiet slow"),
    _verb("넣다", "put", objects="small", goals="container", goal_preposition="in", manners="fast"),
]

MOTION = [
    _verb("가다", "go", goals="building outdoors home city", tools="ride underground", social=True, manners="fast"),
    _verb("오다", "come", goals="building outdoors home city", tools="ride underground", social=True),
    _verb("돌아가다", "go back", goals="office home city school", tools="ride underground", social=True),
    _verb("도착하다", "arrive", "여", goals="stop building", goal_preposition="at", tools="ride",
          involuntary=True, stative=True, momentary=True, compound=True),
    _verb("들어가다", "enter", goals="building room", goal_preposition="", manners="quiet slow fast"),
]  # fmt: skip

INTRANSITIVE = [
    _verb("자다", "sleep", sites="private lodging"),
    _verb("자다", "sleep", subjects="animal", sites="outdoors private"),
    _verb("놀다", "play", subjects="young name", sites="play home", social=True),
    _verb("놀다", "play", subjects="pet", sites="play private"),
    _verb("일하다", "work", "여", sites="office shop stop", manners="hard fast", social=True, compound=True),
    _verb("쉬다", "rest", sites="private play calm lodging", social=True, manners="quiet"),
    _verb("울다", "cry", sites="private study", manners="quiet", involuntary=True),
    _verb("웃다", "laugh", sites="chat study", manners="quiet", social=True, involuntary=True),
    _verb("춤추다", "dance", sites="play stage", social=True),
    _verb("달리다", "run", subjects="person swift", sites="open", manners="fast slow"),
    _verb("걷다", "walk", "ㄷ", sites="open", manners="fast slow quiet", social=True),
    _verb("수영하다", "swim", "여", sites="swum", manners="fast slow", social=True, compound=True),
    _verb("운동하다", "exercise", "여", sites="play private", manners="hard", social=True, compound=True),
    _verb("요리하다", "cook", "여", sites="cooking", social=True, compound=True),
    _verb("이야기하다", "talk", "여", sites="chat", manners="quiet", mutual=True, compound=True),
    _verb("일어나다", "get up", timed=True),
    _verb("날다", "fly", subjects="flier", manners="fast slow"),
    _verb("살다", "live", goals="city", goal_preposition="in", social=True, lasting=True),
    _verb("앉다", "sit", goals="seat", goal_preposition="on", manners="quiet"),
]

RAIN = _verb("비가 오다", "rain", subjects="")
SNOW = _verb("눈이 오다", "snow", subjects="")

SAY = _verb("말하다", "say", "여", compound=True)
THINK = _verb("생각하다", "think", "여", compound=True)

VERBS = [*TRANSITIVE, *GIVING, *PLACING, *MOTION, *INTRANSITIVE]


def verb(english: str) -> Verb:
    """Find the first verb with this translation."""
    return next(row for row in VERBS if row.english == english)


# Verbs whose object cannot be asked for: the English verb depends on it.
AMBIGUOUS_KEYS = frozenset(
    row.key for row in VERBS if len({other.english for other in VERBS if other.key == row.key and other.objects}) > 1
)
