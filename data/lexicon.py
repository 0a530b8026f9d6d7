"""The words: nouns by semantic class, verbs with what they select, adjectives with what they describe.

A noun carries tags. A verb or an adjective names the tags it goes with, which keeps sentences sensible: only a thing
tagged "drink" is drunk. Tags are written as one string of words so that a row stays on a line. The tag that comes
first is the class of the noun.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache

from conjugation import Category, Stem, stem_of


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter word (분류사): 고양이 세 마리. `measure` is the English noun a mass noun is measured in."""

    korean: str
    measure: str = ""


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun. `counter` is None for what is not counted; `place` is the preposition for being there."""

    korean: str
    english: str
    tags: tuple[str, ...]
    counter: Counter | None = None
    mass: bool = False
    pair: bool = False  # English has only the plural: the shoes
    proper: bool = False
    place: str = "in"

    def has(self, tags: Sequence[str]) -> bool:
        """Tell whether the noun carries one of the tags."""
        return any(tag in self.tags for tag in tags)


@dataclass(frozen=True, slots=True)
class Pronoun:
    """A pronoun in its Korean shapes by speech level and its English cases."""

    topic: str
    subject: str
    possessive: str
    english: str
    english_possessive: str
    person: int
    is_plural: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """A verb, its English counterpart, and what it goes with.

    `before` is a Korean word that stands unchanged before the stem (보여 주다), or the object part of a weather verb.
    `after` is what follows the English verb before its object: wait *for*, get *up*.
    `goals` takes 에, `sites` takes 에서; both list tags of place nouns.
    """

    stem: Stem
    before: str = ""
    english: str
    after: str = ""
    subjects: tuple[str, ...] = ("person",)
    objects: tuple[str, ...] = ()
    goals: tuple[str, ...] = ()
    goal_preposition: str = "to"
    sites: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    manners: tuple[str, ...] = ()
    gives: bool = False  # takes a recipient in 에게
    social: bool = False  # may be done with someone
    mutual: bool = False  # needs someone to do it with
    timed: bool = False  # said with the hour
    timeless: bool = False  # said of the present only
    momentary: bool = False  # not said of the present
    lasting: bool = False  # takes days and years rather than hours
    single: bool = False  # done with one thing at a time
    unwilled: bool = False  # one fails to do it rather than not doing it: 못 찾다
    stative: bool = False  # no progressive, no wish
    involuntary: bool = False  # nothing one wants to do or has to do
    compound: bool = False  # noun + 하다, negated with -지 않다 only
    opposite: Stem | None = None  # a verb of its own for the negative: 알다, 모르다

    @property
    def key(self) -> str:
        """The dictionary form, which names the verb among held-out combinations."""
        return f"{self.before} {self.stem.text}다".strip()


@dataclass(frozen=True, slots=True)
class Adjective:
    """An adjective and the tags it describes. A determiner like 새 has no stem and stands before nouns only."""

    korean: str
    stem: Stem | None
    english: str
    tags: tuple[str, ...]
    predicative: bool = True
    attributive: bool = True
    comparable: bool = True


@dataclass(frozen=True, slots=True)
class Adverb:
    """An adverbial whose translation does not depend on anything else."""

    korean: str
    english: str


class Relation(Enum):
    """Where something is with respect to a place: the Korean relational noun and the English preposition."""

    GOAL = ("", "to")  # or what the verb asks for: arrive at
    SITE = ("", "in")  # or what the place noun asks for: at the station
    ON = ("위", "on")
    UNDER = ("아래", "under")
    IN_FRONT = ("앞", "in front of")
    BEHIND = ("뒤", "behind")
    BESIDE = ("옆", "next to")
    INSIDE = ("안", "inside")


COUNTERS = {
    counter.korean: counter
    for counter in [
        *map(Counter, ["명", "마리", "개", "권", "통", "부", "장", "편", "곡", "벌", "대", "자루", "송이", "그루"]),
        *[Counter("켤레", "pair"), Counter("조각", "piece"), Counter("그릇", "bowl")],
    ]
}
CUP = Counter("잔", "cup")
GLASS = Counter("잔", "glass")

# Native numerals in the short shape that stands before a counter.
NUMERALS = {
    1: ("한", "one"), 2: ("두", "two"), 3: ("세", "three"), 4: ("네", "four"), 5: ("다섯", "five"), 6: ("여섯", "six"),
    7: ("일곱", "seven"), 8: ("여덟", "eight"), 9: ("아홉", "nine"), 10: ("열", "ten"),
}  # fmt: skip


def _nouns(tags: str, rows: str, *, mass: bool = False, pair: bool = False, proper: bool = False) -> list[Noun]:
    """Read rows of "korean english [counter] [+tag ...] [@preposition]", one noun each, separated by commas."""
    nouns = []
    for row in rows.split(","):
        korean, english, *rest = row.split()
        extra = [field[1:] for field in rest if field.startswith("+")]
        place = next((field[1:] for field in rest if field.startswith("@")), "in")
        counter = next((field for field in rest if field[0] not in "+@"), "")
        nouns.append(
            Noun(
                korean, english, (*tags.split(), *extra), _counter(counter), mass, pair, proper, place.replace("_", " ")
            )
        )
    return nouns


def _counter(name: str) -> Counter | None:
    special = {"cup": CUP, "glass": GLASS, "": None}
    return special[name] if name in special else COUNTERS[name]


NAMES = _nouns(
    "person name",
    "민수 Minsu, 지혜 Jihye, 수진 Sujin, 지훈 Jihun, 영희 Younghee, 현우 Hyunwoo, 유나 Yuna, 준호 Junho, 민지 Minji, "
    "서연 Seoyeon, 동현 Donghyun, 은지 Eunji, 태민 Taemin, 소라 Sora",
    proper=True,
)

NOUNS = [
    *_nouns(
        "person common",
        "친구 friend 명 +kin +own, 학생 student 명 +role, 아이 child 명 +young, 의사 doctor 명 +role, "
        "남자 man 명, 여자 woman 명, "
        "가수 singer 명 +role +famed, 요리사 chef 명 +role +famed, 간호사 nurse 명 +role, "
        "화가 painter 명 +role +famed, "
        "소년 boy 명 +young, 소녀 girl 명 +young, 기자 reporter 명 +role, 작가 writer 명 +role +famed, "
        "농부 farmer 명 +role, 배우 actor 명 +role +famed, 이웃 neighbor 명 +kin, 변호사 lawyer 명 +role +famed, "
        "아들 son 명 +kin +own +young +offspring, 딸 daughter 명 +kin +own +young +offspring, 관광객 tourist 명",
    ),
    *_nouns(
        "animal",
        "고양이 cat 마리 +pet +swift, 개 dog 마리 +pet +swift, 새 bird 마리 +flier, 토끼 rabbit 마리 +pet +swift, "
        "말 horse 마리 +steed +swift, 소 cow 마리, 원숭이 monkey 마리 +swift, 돼지 pig 마리, 오리 duck 마리 +flier, "
        "양 sheep 마리, 쥐 mouse 마리 +prey",
    ),
    *_nouns(
        "fruit food sold",
        "사과 apple 개 +washed +cut +drawn, 바나나 banana 개 +cut +drawn, 오렌지 orange 개 +washed +cut +drawn, "
        "토마토 tomato 개 +washed +cut +drawn, 딸기 strawberry 개 +washed",
    ),
    *_nouns(
        "dish food sold", "샌드위치 sandwich 개 +cooked +cut, 감자 potato 개 +washed +cut +boiled, 계란 egg 개 +boiled"
    ),
    *_nouns("dish food sold", "케이크 cake 개 +pretty +baked +cut +cooked +gift"),
    *_nouns(
        "dish food sold served",
        "빵 bread 조각 +baked +cut +cooked, 고기 meat 조각 +grilled +cut, 치즈 cheese 조각 +cut, "
        "김치 kimchi +cooked +hotdish, "
        "초콜릿 chocolate 조각 +gift +cooked",
        mass=True,
    ),
    *_nouns("dish food", "밥 rice 그릇, 수프 soup 그릇 +boiled +hotdish +cooked +steaming", mass=True),
    *_nouns(
        "drink sold",
        "커피 coffee cup +steaming +hotdrink, 물 water glass +boiled +plainwater, 우유 milk glass, "
        "차 tea cup +boiled +steaming "
        "+hotdrink, 주스 juice glass, 맥주 beer glass",
        mass=True,
    ),
    *_nouns(
        "text sold printed",
        "책 book 권 +gift +heavy +small +lent, 신문 newspaper 부 +small, "
        "잡지 magazine 권 +small +lent, 소설 novel 권 +written +gift +small +lent, "
        "사전 dictionary 권 +heavy +small +lent",
    ),
    *_nouns("text", "편지 letter 통 +written +small, 시 poem 편 +written"),
    *_nouns("show", "영화 movie 편"),
    *_nouns("show", "연극 play 편"),
    *_nouns("song", "노래 song 곡"),
    *_nouns("music field", "음악 music", mass=True),
    *_nouns("field", "영어 English, 수학 math, 역사 history, 과학 science, 한국어 Korean", mass=True),
    *_nouns("picture", "사진 picture 장 +small +photo, 그림 painting 장 +small +drawn +sold +gift"),
    *_nouns(
        "clothes sold gift",
        "셔츠 shirt 벌 +worn +laundry, 코트 coat 벌 +worn +heavy, 치마 skirt 벌 +worn +laundry +long, "
        "모자 hat 개 +small",
    ),
    *_nouns("clothes sold gift", "신발 shoes 켤레 +shod +laundry, 양말 socks 켤레 +shod +laundry", pair=True),
    *_nouns(
        "thing sold",
        "가방 bag 개 +pretty +gift +container +opened +heavy +small, 우산 umbrella 개 +small +lent +mended, "
        "시계 clock 개 +pretty +gift +mended +small, 의자 chair 개 +seat +surface +heavy +mended +built +wiped, "
        "책상 desk 개 +surface +heavy +built +wiped, 침대 bed 개 +surface +heavy, "
        "상자 box 개 +container +opened +heavy +built, "
        "인형 doll 개 +pretty +gift +small +built, 공 ball 개 +thrown +small, 연필 pencil 자루 +pen +small +lent, "
        "펜 pen 자루 +pen +small +lent, "
        "칼 knife 자루 +blade, 접시 plate 개 +washed +small",
    ),
    *_nouns(
        "machine sold",
        "컴퓨터 computer 대 +mended +used +heavy, 카메라 camera 대 +mended +used +gift +small +lens +lent, "
        "냉장고 refrigerator 대 +fridge +mended +heavy, 피아노 piano 대 +played +heavy, 기타 guitar 대 +played +lent",
    ),
    *_nouns(
        "fixture",
        "열쇠 key 개 +small, 선물 gift 개 +gift +opened +small, "
        "표 ticket 장 +sold +bought +small, 문 door 개 +opened +shut",
    ),
    *_nouns("fixture", "지도 map 장 +bought +small +drawn +sold +lent, 창문 window 개 +opened +shut +wiped"),
    *_nouns("flower sold gift", "꽃 flower 송이 +drawn +planted, 장미 rose 송이 +drawn +planted"),
    *_nouns("tree", "나무 tree 그루 +drawn +planted +landmark"),
    *_nouns(
        "vehicle",
        "자동차 car 대 +driven +bought +sold +mended +lent, 버스 bus 대 +driven +boarded +awaited +ride, "
        "기차 train 대 +boarded +awaited +ride, 택시 taxi 대 +driven +boarded +awaited +ride, "
        "트럭 truck 대 +driven +mended, "
        "자전거 bicycle 대 +pedalled +sold +mended +ride +lent, 비행기 airplane 대 +boarded",
    ),
    *_nouns("subway", "지하철 subway +ride +boarded +underground"),
    *_nouns(
        "place building",
        "학교 school +study +landmark +office +class @at, 도서관 library +study +calm, "
        "식당 restaurant +dining +office, "
        "병원 hospital +landmark +office, 은행 bank +landmark +office @at, 카페 cafe +dining +study +calm +chat, "
        "시장 market +shop @at, 가게 store +shop +office, 역 station +stop @at, 공항 airport +stop @at, "
        "박물관 museum +visited, 호텔 hotel +lodging +office, 극장 theater +stage +chat, 서점 bookstore +bookshop",
    ),
    *_nouns(
        "place room",
        "방 room +study +private, 부엌 kitchen +cooking, 교실 classroom +study +class, 사무실 office +office",
    ),
    *_nouns("place home", "집 house +dining +study +private +cooking +landmark +erected +chat +sold"),
    *_nouns(
        "place outdoors",
        "공원 park +play +open +chat +soil, 해변 beach +play +open @on, 정원 garden +play +soil, "
        "산 mountain +high, 강 river +swum, 바다 sea +swum",
    ),
    *_nouns("place city visited", "서울 Seoul, 부산 Busan, 제주도 Jeju", proper=True),
]

NOUN_BY_KOREAN = {noun.korean: noun for noun in [*NAMES, *NOUNS]}
COMMON_PEOPLE = [noun for noun in NOUNS if noun.has(["person"])]
HOME = NOUN_BY_KOREAN["집"]

I_POLITE = Pronoun("저는", "제가", "제", "I", "my", 1)
I_PLAIN = Pronoun("나는", "내가", "내", "I", "my", 1)
WE = Pronoun("우리는", "우리가", "우리", "we", "our", 1, is_plural=True)
YOU = Pronoun("너는", "네가", "네", "you", "your", 2)
HE = Pronoun("그는", "그가", "그의", "he", "his", 3)
SHE = Pronoun("그녀는", "그녀가", "그녀의", "she", "her", 3)
THEY = Pronoun("그들은", "그들이", "그들의", "they", "their", 3, is_plural=True)


@cache
def _tagged(tags: tuple[str, ...]) -> tuple[Noun, ...]:
    return tuple(noun for noun in NOUNS if noun.has(tags))


def nouns_tagged(*tags: str) -> list[Noun]:
    """Return the common nouns that carry one of the tags, in the order of the table."""
    return list(_tagged(tags))


def _adjective(korean: str, english: str, tags: str, irregular: str = "", **flags: bool) -> Adjective:
    category = Category.EXISTENTIAL if korean.endswith("있다") else Category.ADJECTIVE
    return Adjective(korean, stem_of(korean, category, irregular), english, tuple(tags.split()), **flags)


GOODS = "clothes thing fixture machine vehicle"
ADJECTIVES = [
    _adjective("크다", "big", "animal building room home clothes container machine tree vehicle picture"),
    _adjective("작다", "small", "animal building room home clothes container machine tree vehicle picture"),
    _adjective("좋다", "good", "text show song machine lodging dining picture"),
    _adjective("비싸다", "expensive", "sold lodging"),
    _adjective("싸다", "cheap", "sold lodging"),
    _adjective("예쁘다", "pretty", "flower clothes pet young pretty"),
    Adjective("새", None, "new", (*GOODS.split(), "building", "home", "text", "show", "song"), predicative=False),
    _adjective("맛있다", "delicious", "food hotdrink"),
    _adjective("재미있다", "interesting", "text show field"),
    _adjective("어렵다", "difficult", "text field song", "ㅂ"),
    _adjective("쉽다", "easy", "text field song", "ㅂ"),
    _adjective("빨갛다", "red", "clothes flower vehicle container", "ㅎ", comparable=False),
    _adjective("파랗다", "blue", "clothes vehicle container", "ㅎ", comparable=False),
    _adjective("노랗다", "yellow", "clothes flower vehicle container", "ㅎ", comparable=False),
    _adjective("하얗다", "white", "clothes flower animal vehicle", "ㅎ", comparable=False),
    _adjective("까맣다", "black", "clothes container pet vehicle", "ㅎ", comparable=False),
    _adjective("무겁다", "heavy", "heavy", "ㅂ"),
    _adjective("가볍다", "light", "heavy", "ㅂ"),
    _adjective("아름답다", "beautiful", "outdoors song flower picture city", "ㅂ"),
    _adjective("뜨겁다", "hot", "steaming", "ㅂ"),
    _adjective("차갑다", "cold", "drink", "ㅂ"),
    _adjective("맵다", "spicy", "hotdish", "ㅂ"),
    _adjective("달다", "sweet", "fruit"),
    _adjective("길다", "long", "written show song long"),
    _adjective("짧다", "short", "written show song long"),
    _adjective("높다", "high", "high"),
    Adjective(
        "오래된", None, "old", ("machine", "building", "home", "vehicle", "picture", "show", "song"), predicative=False
    ),
    _adjective("깨끗하다", "clean", "room building clothes washed wiped", "여"),
    _adjective("더럽다", "dirty", "room clothes washed wiped", "ㅂ"),
    _adjective("조용하다", "quiet", "calm private room", "여"),
    _adjective("빠르다", "fast", "swift vehicle", "르"),
    _adjective("느리다", "slow", "vehicle"),
    _adjective("바쁘다", "busy", "common name", attributive=False),
    _adjective("친절하다", "kind", "common name", "여"),
    _adjective("똑똑하다", "smart", "common name pet", "여"),
    _adjective("젊다", "young", "role"),
    _adjective("건강하다", "healthy", "common name animal", "여"),
    _adjective("유명하다", "famous", "famed dining visited", "여"),
    _adjective("행복하다", "happy", "common name", "여", comparable=False),
    _adjective("아프다", "sick", "common name animal", attributive=False, comparable=False),
    _adjective("피곤하다", "tired", "common name", "여", attributive=False, comparable=False),
    _adjective("배고프다", "hungry", "common name animal", attributive=False, comparable=False),
]
ADJECTIVE_BY_KOREAN = {adjective.korean: adjective for adjective in ADJECTIVES}
