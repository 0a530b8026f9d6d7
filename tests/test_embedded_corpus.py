"""The embedded Korean-English corpus: correct language, honest splits, sound alignments, the same bytes every time."""

import doctest
import random
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import pytest

DATA = Path(__file__).parents[1] / "data"
MODULES = ("alignment", "conjugation", "english", "generate", "hangul", "lexicon", "meaning", "phrases", "verbs")
# Modules imported at run time have no static types, nor have the meanings built from them.
Tree: TypeAlias = Any

FILES = [
    *(f"{name}.{side}" for name in ("train", "valid", "test") for side in ("ko", "en")),
    "valid.alignment",
    "test.alignment",
]


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, ModuleType]]:
    """Import the scripts as plain siblings, as running one of them would, and leave no trace of it."""
    before = set(sys.modules)
    sys.path.insert(0, str(DATA))
    try:
        yield {name: import_module(name) for name in MODULES}
    finally:
        sys.path.remove(str(DATA))
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(DATA)):
                del sys.modules[name]


@pytest.fixture(scope="module")
def sets(modules: dict[str, ModuleType]) -> dict[str, list[Any]]:
    generate = modules["generate"]
    drawn: dict[str, list[Any]] = generate.split(random.Random(generate.SEED))
    return drawn


def read(name: str) -> list[str]:
    return (DATA / name).read_text(encoding="utf-8").splitlines()


def english_words(lines: list[str]) -> set[str]:
    return {word.strip(".,?").lower() for line in lines for word in line.split()}


def korean_words(lines: list[str]) -> set[str]:
    return {word.strip(".,?") for line in lines for word in line.split()}


# The files


def test_generating_again_gives_the_committed_bytes(
    modules: dict[str, ModuleType], sets: dict[str, list[Any]], tmp_path: Path
) -> None:
    modules["generate"].write(sets, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes(), name


def test_the_files_have_their_sizes() -> None:
    assert [len(read(name)) for name in FILES] == [24_000, 24_000, 500, 500, 500, 500, 500, 500]
    assert all((DATA / name).stat().st_size < 2_000_000 for name in FILES)


def test_english_sentences_have_three_to_sixteen_words() -> None:
    lengths = {len(line.split()) for name in ("train", "valid", "test") for line in read(f"{name}.en")}
    assert min(lengths) == 3
    assert max(lengths) == 16


# The splits


def test_no_korean_sentence_occurs_twice() -> None:
    lines = [line for name in ("train", "valid", "test") for line in read(f"{name}.ko")]
    assert len(lines) == len(set(lines))


def test_no_translation_of_valid_and_test_occurs_in_train() -> None:
    train = set(read("train.en"))
    assert not train & {*read("valid.en"), *read("test.en")}


def test_one_korean_sentence_has_one_translation(modules: dict[str, ModuleType]) -> None:
    generate = modules["generate"]
    translations: dict[str, str] = {}
    rng = random.Random(7)
    draws = list(generate.CONSTRUCTIONS)
    pairs = [(pair.korean, pair.english) for pair in (generate.make_pair(rng.choice(draws)(rng)) for _ in range(4000))]
    for name in ("train", "valid", "test"):
        pairs += zip(read(f"{name}.ko"), read(f"{name}.en"), strict=True)
    for korean, english in pairs:
        assert translations.setdefault(korean, english) == english


def test_held_out_combinations_do_not_occur_in_train(
    modules: dict[str, ModuleType], sets: dict[str, list[Any]]
) -> None:
    in_train = set().union(*(pair.combinations for pair in sets["train"]))
    assert not any(map(modules["generate"].is_held_out, in_train))
    assert len(in_train) > 1000


@pytest.mark.parametrize("name", ["valid", "test"])
def test_every_sentence_has_a_combination_that_train_lacks(name: str, sets: dict[str, list[Any]]) -> None:
    in_train = set().union(*(pair.combinations for pair in sets["train"]))
    assert all(pair.combinations - in_train for pair in sets[name])


def test_a_held_out_adjective_never_stands_before_its_noun_in_train(
    modules: dict[str, ModuleType], sets: dict[str, list[Any]]
) -> None:
    """The same as above, but from the text: "the red bag" and the like."""
    lexicon = modules["lexicon"]
    adjectives = {row.korean: row.english for row in lexicon.ADJECTIVES}
    train = " ".join(read("train.en")).lower().replace(".", "").replace("?", "")
    held_out = {
        f" {adjectives[adjective]} {lexicon.NOUN_BY_KOREAN[noun].english} "
        for pair in sets["test"]
        for kind, adjective, noun in pair.combinations
        if kind == "adjective+noun" and modules["generate"].is_held_out((kind, adjective, noun))
    }
    assert len(held_out) > 10
    assert not [phrase for phrase in sorted(held_out) if phrase in train]


@pytest.mark.parametrize("name", ["valid", "test"])
def test_every_word_of_valid_and_test_occurs_in_train(name: str) -> None:
    assert english_words(read(f"{name}.en")) <= english_words(read("train.en"))
    assert korean_words(read(f"{name}.ko")) <= korean_words(read("train.ko"))


# The Korean


@pytest.mark.parametrize("name", ["alignment", "conjugation", "english", "hangul"])
def test_worked_examples_hold(name: str, modules: dict[str, ModuleType]) -> None:
    result = doctest.testmod(modules[name])
    assert result.attempted > 1
    assert not result.failed


@pytest.mark.parametrize(
    ("noun", "expected"),
    [
        ("책", "책은 책이 책을 책과 책으로 책에 책에서 책도"),
        ("나무", "나무는 나무가 나무를 나무와 나무로 나무에 나무에서 나무도"),
        ("연필", "연필은 연필이 연필을 연필과 연필로 연필에 연필에서 연필도"),
        ("지하철", "지하철은 지하철이 지하철을 지하철과 지하철로 지하철에 지하철에서 지하철도"),
        ("부산", "부산은 부산이 부산을 부산과 부산으로 부산에 부산에서 부산도"),
        ("부엌", "부엌은 부엌이 부엌을 부엌과 부엌으로 부엌에 부엌에서 부엌도"),
        ("바다", "바다는 바다가 바다를 바다와 바다로 바다에 바다에서 바다도"),
    ],
)
def test_particles_agree_with_the_final_consonant(noun: str, expected: str, modules: dict[str, ModuleType]) -> None:
    hangul = modules["hangul"]
    particles = [
        hangul.TOPIC, hangul.SUBJECT, hangul.OBJECT, hangul.WITH, hangul.BY, hangul.TO, hangul.AT, hangul.ALSO,
    ]  # fmt: skip
    assert [hangul.attach(noun, particle) for particle in particles] == expected.split()


VERB_FORMS = """
dictionary irregular formal    polite    plain    past      past-adn present-adn prospective if       question
가다       -         갑니다    가요      간다     갔어요    간       가는        갈          가면     가니
먹다       -         먹습니다  먹어요    먹는다   먹었어요  먹은     먹는        먹을        먹으면   먹니
오다       -         옵니다    와요      온다     왔어요    온       오는        올          오면     오니
마시다     -         마십니다  마셔요    마신다   마셨어요  마신     마시는      마실        마시면   마시니
배우다     -         배웁니다  배워요    배운다   배웠어요  배운     배우는      배울        배우면   배우니
만들다     -         만듭니다  만들어요  만든다   만들었어요 만든    만드는      만들        만들면   만드니
살다       -         삽니다    살아요    산다     살았어요  산       사는        살          살면     사니
쓰다       -         씁니다    써요      쓴다     썼어요    쓴       쓰는        쓸          쓰면     쓰니
보내다     -         보냅니다  보내요    보낸다   보냈어요  보낸     보내는      보낼        보내면   보내니
쉬다       -         쉽니다    쉬어요    쉰다     쉬었어요  쉰       쉬는        쉴          쉬면     쉬니
주다       -         줍니다    줘요      준다     줬어요    준       주는        줄          주면     주니
잡다       -         잡습니다  잡아요    잡는다   잡았어요  잡은     잡는        잡을        잡으면   잡니
듣다       ㄷ        듣습니다  들어요    듣는다   들었어요  들은     듣는        들을        들으면   듣니
걷다       ㄷ        걷습니다  걸어요    걷는다   걸었어요  걸은     걷는        걸을        걸으면   걷니
닫다       -         닫습니다  닫아요    닫는다   닫았어요  닫은     닫는        닫을        닫으면   닫니
돕다       ㅂ        돕습니다  도와요    돕는다   도왔어요  도운     돕는        도울        도우면   돕니
굽다       ㅂ        굽습니다  구워요    굽는다   구웠어요  구운     굽는        구울        구우면   굽니
짓다       ㅅ        짓습니다  지어요    짓는다   지었어요  지은     짓는        지을        지으면   짓니
씻다       -         씻습니다  씻어요    씻는다   씻었어요  씻은     씻는        씻을        씻으면   씻니
부르다     르        부릅니다  불러요    부른다   불렀어요  부른     부르는      부를        부르면   부르니
모르다     르        모릅니다  몰라요    모른다   몰랐어요  모른     모르는      모를        모르면   모르니
일하다     여        일합니다  일해요    일한다   일했어요  일한     일하는      일할        일하면   일하니
"""

ADJECTIVE_FORMS = """
dictionary irregular formal     polite     plain    past        present-adn if         because
크다       -         큽니다     커요       크다     컸어요      큰          크면       커서
예쁘다     -         예쁩니다   예뻐요     예쁘다   예뻤어요    예쁜        예쁘면     예뻐서
바쁘다     -         바쁩니다   바빠요     바쁘다   바빴어요    바쁜        바쁘면     바빠서
좋다       -         좋습니다   좋아요     좋다     좋았어요    좋은        좋으면     좋아서
길다       -         깁니다     길어요     길다     길었어요    긴          길면       길어서
맵다       ㅂ        맵습니다   매워요     맵다     매웠어요    매운        매우면     매워서
아름답다   ㅂ        아름답습니다 아름다워요 아름답다 아름다웠어요 아름다운  아름다우면 아름다워서
빠르다     르        빠릅니다   빨라요     빠르다   빨랐어요    빠른        빠르면     빨라서
빨갛다     ㅎ        빨갛습니다 빨개요     빨갛다   빨갰어요    빨간        빨가면     빨개서
하얗다     ㅎ        하얗습니다 하얘요     하얗다   하얬어요    하얀        하야면     하얘서
조용하다   여        조용합니다 조용해요   조용하다 조용했어요  조용한      조용하면   조용해서
"""


def table(text: str) -> list[list[str]]:
    _, *rows = text.strip().splitlines()
    return [row.replace(" - ", "  ~ ").split() for row in rows]


def stem_of_row(row: list[str], conjugation: ModuleType, category: str) -> Tree:
    return conjugation.stem_of(row[0], conjugation.Category(category), row[1].replace("~", ""))


@pytest.mark.parametrize("row", table(VERB_FORMS), ids=lambda row: row[0])
def test_verbs_conjugate(row: list[str], modules: dict[str, ModuleType]) -> None:
    conjugation = modules["conjugation"]
    stem = stem_of_row(row, conjugation, "verb")
    assert [
        conjugation.formal(stem),
        conjugation.polite(stem),
        conjugation.plain(stem),
        conjugation.polite(conjugation.past(stem)),
        conjugation.adnominal_n(stem),
        conjugation.adnominal_present(stem),
        conjugation.adnominal_l(stem),
        conjugation.eu_base(stem) + "면",
        conjugation.plain(stem, question=True),
    ] == row[2:]


@pytest.mark.parametrize("row", table(ADJECTIVE_FORMS), ids=lambda row: row[0])
def test_adjectives_conjugate(row: list[str], modules: dict[str, ModuleType]) -> None:
    conjugation = modules["conjugation"]
    stem = stem_of_row(row, conjugation, "adjective")
    assert [
        conjugation.formal(stem),
        conjugation.polite(stem),
        conjugation.plain(stem),
        conjugation.polite(conjugation.past(stem)),
        conjugation.adnominal_present(stem),
        conjugation.eu_base(stem) + "면",
        conjugation.infinitive(stem) + "서",
    ] == row[2:]


def test_the_copula_shortens_after_a_vowel(modules: dict[str, ModuleType]) -> None:
    conjugation = modules["conjugation"]
    formal, polite, plain = conjugation.Style.FORMAL, conjugation.Style.POLITE, conjugation.Style.PLAIN
    assert [conjugation.copula("학생", style) for style in (formal, polite, plain)] == [
        "학생입니다",
        "학생이에요",
        "학생이다",
    ]
    assert [conjugation.copula("의사", style) for style in (formal, polite, plain)] == [
        "의사입니다",
        "의사예요",
        "의사다",
    ]
    assert conjugation.copula("학생", polite, in_past=True) == "학생이었어요"
    assert conjugation.copula("의사", polite, in_past=True) == "의사였어요"
    assert conjugation.finish(conjugation.NOT_BE, polite) == "아니에요"


@pytest.mark.parametrize("name", ["train", "valid", "test"])
def test_no_particle_disagrees_anywhere_in_the_text(name: str, modules: dict[str, ModuleType]) -> None:
    """Look at every noun of the lexicon in the text, whatever produced it."""
    nouns = set(modules["lexicon"].NOUN_BY_KOREAN)
    closed = {noun for noun in nouns if (ord(noun[-1]) - 0xAC00) % 28}
    for word in korean_words(read(f"{name}.ko")):
        noun, particle = word[:-1], word[-1]
        if noun in closed:
            assert particle not in "는를와", word
        elif noun in nouns:
            assert particle not in "은을과", word


# Whole pairs


class Builder:
    """Builds meanings in few words, so that a sentence can be checked by eye."""

    def __init__(self, modules: dict[str, ModuleType]) -> None:
        self.meaning, self.lexicon = modules["meaning"], modules["lexicon"]
        self.verbs, self.phrases, self.conjugation = modules["verbs"], modules["phrases"], modules["conjugation"]

    def noun(self, korean: str, **fields: Tree) -> Tree:
        return self.meaning.NounPhrase(head=self.lexicon.NOUN_BY_KOREAN[korean], **fields)

    def adjective(self, korean: str) -> Tree:
        return self.lexicon.ADJECTIVE_BY_KOREAN[korean]

    def clause(self, verb: str, subject: str | None = None, object_: Tree = None, **fields: Tree) -> Tree:
        row = next(row for row in self.verbs.VERBS if row.english == verb)
        who = self.noun(subject) if subject else None
        what = self.noun(object_) if isinstance(object_, str) else object_
        return self.meaning.Clause(predicate=row, subject=who, object=what, **fields)

    def place(self, korean: str, relation: str) -> Tree:
        return self.meaning.Place(self.noun(korean), self.lexicon.Relation[relation])

    def sentence(self, main: Tree, style: str = "POLITE", **fields: Tree) -> Tree:
        names = ("first", "link", "question", "asked")
        wording = {name: value for name, value in fields.items() if name not in names}
        rest = {name: value for name, value in fields.items() if name in names}
        chosen = self.meaning.Wording(style=self.conjugation.Style[style], **wording)
        return self.meaning.Sentence(main, wording=chosen, **rest)


def simple_sentences(b: Builder) -> list[tuple[Tree, str, str]]:
    tense, modality = b.meaning.Tense, b.meaning.Modality
    here, yesterday = b.place("도서관", "SITE"), b.phrases.YESTERDAY
    existence, three_cats = b.meaning.Existence, b.noun("고양이", count=3)
    there = b.meaning.Clause(
        predicate=existence.THERE, subject=three_cats, place=b.place("공원", "SITE"), tense=tense.PRESENT
    )
    drink = b.clause("drink", "지혜", b.noun("커피", count=1), tense=tense.FUTURE)
    bigger = b.meaning.Description(b.adjective("빠르다"), standard=b.noun("버스"))
    flower = b.noun("꽃", adjective=b.adjective("예쁘다"))
    want = b.clause("buy", "민수", flower, tense=tense.PRESENT, modality=modality.WISH)
    return [
        (
            b.sentence(b.clause("read", "민수", "책", place=here, time=yesterday)),
            "민수는 어제 도서관에서 책을 읽었어요.",
            "Minsu read the book in the library yesterday.",
        ),
        (
            b.sentence(b.clause("know", "지혜", "노래", negative=True, tense=tense.PRESENT), "PLAIN"),
            "지혜는 노래를 모른다.",
            "Jihye does not know the song.",
        ),
        (
            b.sentence(b.clause("go", "유나", place=b.place("집", "GOAL"), negative=True), long_negation=True),
            "유나는 집에 가지 않았어요.",
            "Yuna did not go home.",
        ),
        (b.sentence(there, topic=False), "공원에 고양이 세 마리가 있어요.", "There are three cats in the park."),
        (
            b.sentence(drink, "FORMAL", floating_count=True),
            "지혜는 커피를 한 잔 마실 것입니다.",
            "Jihye will drink a cup of coffee.",
        ),
        (b.sentence(want), "민수는 예쁜 꽃을 사고 싶어 해요.", "Minsu wants to buy the pretty flower."),
        (
            b.sentence(b.clause("write", "수진", "편지", means=b.noun("연필").head), "PLAIN"),
            "수진은 연필로 편지를 썼다.",
            "Sujin wrote the letter with the pencil.",
        ),
        (
            b.sentence(b.clause("give", "민수", "책", recipient=b.noun("지혜")), object_first=True),
            "민수는 책을 지혜에게 줬어요.",
            "Minsu gave the book to Jihye.",
        ),
        (
            b.sentence(b.meaning.Clause(predicate=bigger, subject=b.noun("기차"), tense=tense.PRESENT)),
            "기차는 버스보다 더 빨라요.",
            "The train is faster than the bus.",
        ),
    ]


def complex_sentences(b: Builder) -> list[tuple[Tree, str, str]]:
    tense, link, role, modality = b.meaning.Tense, b.meaning.Link, b.meaning.Role, b.meaning.Modality
    yesterday = b.phrases.YESTERDAY
    bought = b.clause("buy", None, "사전", time=yesterday, gap=role.SUBJECT)
    kind = b.meaning.Description(b.adjective("친절하다"))
    made = b.clause("make", "지혜", None, gap=role.OBJECT)
    rain = b.meaning.Clause(predicate=b.verbs.RAIN, tense=tense.PRESENT, time=b.phrases.TOMORROW)
    tired = b.meaning.Description(b.adjective("피곤하다"))
    he = b.meaning.NounPhrase(head=b.lexicon.HE)
    he_is_tired = b.meaning.Clause(predicate=tired, subject=he)
    where = b.meaning.Place(b.meaning.NounPhrase(head=b.meaning.WHERE), b.lexicon.Relation.SITE)
    swim = b.clause("swim", "현우", modality=modality.ABILITY, negative=True, tense=tense.FUTURE)
    return [
        (
            b.sentence(
                b.meaning.Clause(predicate=kind, subject=b.noun("학생", relative=bought), tense=tense.PRESENT), "FORMAL"
            ),
            "어제 사전을 산 학생은 친절합니다.",
            "The student who bought the dictionary yesterday is kind.",
        ),
        (
            b.sentence(b.clause("eat", "민수", b.noun("빵", relative=made))),
            "민수는 지혜가 만든 빵을 먹었어요.",
            "Minsu ate the bread that Jihye made.",
        ),
        (
            b.sentence(b.clause("buy", "민수", "빵", place=where), "PLAIN", question=True, asked=role.PLACE),
            "민수는 어디에서 빵을 샀니?",
            "Where did Minsu buy bread?",
        ),
        (
            b.sentence(swim, first=rain, link=link.IF, long_negation=True),
            "내일 비가 오면 현우는 수영할 수 없을 거예요.",
            "If it rains tomorrow, Hyunwoo will not be able to swim.",
        ),
        (
            b.sentence(b.clause("sleep"), "PLAIN", first=he_is_tired, link=link.BECAUSE),
            "그는 피곤해서 잤다.",
            "He slept because he was tired.",
        ),
        (
            b.sentence(b.clause("drink", None, "물"), first=b.clause("eat", "유나", "밥"), link=link.AND),
            "유나는 밥을 먹고 물을 마셨어요.",
            "Yuna ate rice and drank water.",
        ),
        (
            b.sentence(b.clause("drink", "유나", "물"), first=b.clause("eat", None, "밥"), link=link.BEFORE),
            "유나는 밥을 먹기 전에 물을 마셨어요.",
            "Yuna drank water before eating rice.",
        ),
    ]


def test_hand_checked_sentences(modules: dict[str, ModuleType]) -> None:
    builder = Builder(modules)
    for sentence, korean, english in [*simple_sentences(builder), *complex_sentences(builder)]:
        pair = modules["generate"].make_pair(sentence)
        assert (pair.korean, pair.english) == (korean, english)


# The alignments


def test_an_alignment_links_what_corresponds(modules: dict[str, ModuleType]) -> None:
    builder = Builder(modules)
    sentence, *_ = simple_sentences(builder)[0]
    # 민수는 어제 도서관에서 책을 읽었어요 / Minsu read the book in the library yesterday
    assert modules["generate"].make_pair(sentence).alignment == "0-0 1-7 2-4 2-5 2-6 3-2 3-3 4-1"


def test_auxiliaries_are_linked_to_what_they_come_from(modules: dict[str, ModuleType]) -> None:
    builder = Builder(modules)
    sentence, *_ = simple_sentences(builder)[2]
    # 유나는 집에 가지 않았어요 / Yuna did not go home
    assert modules["generate"].make_pair(sentence).alignment == "0-0 1-4 2-3 3-1 3-2"


@pytest.mark.parametrize("name", ["valid", "test"])
def test_alignments_are_in_range_and_leave_out_nothing_but_the_it_of_the_weather(name: str) -> None:
    rows = zip(read(f"{name}.ko"), read(f"{name}.en"), read(f"{name}.alignment"), strict=True)
    for korean, english, alignment in rows:
        links = [tuple(map(int, link.split("-"))) for link in alignment.split(" ")]
        assert links == sorted(set(links))
        source, target = korean.split(), english.split()
        assert {i for i, _ in links} == set(range(len(source))), korean
        unaligned = set(range(len(target))) - {j for _, j in links}
        assert max(j for _, j in links) < len(target)
        assert {target[j].lower() for j in unaligned} <= {"it"}, english
