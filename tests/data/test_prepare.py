"""Preparing data: what is counted is what is there, the same bytes every time, and what cannot be used is refused."""

import gzip
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Program, environment, sets_of
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.config.corpus import PrepareConfig, TokenizerConfig
from nmt.data.description import read_description
from nmt.data.prepare import prepare
from nmt.data.token_store import TokenRows
from nmt.errors import NmtError
from nmt.text.tokenizer import END, Tokenizers, train_tokenizers

PAIRS = [
    ("ich sehe den Hund", "I see the dog"),
    ("", "nothing"),
    ("ich sehe den Hund", "I see the dog"),
    ("du hörst den Vogel", "you hear the bird"),
    ("x", "y" * 120),
    ("wir suchen", "we seek"),
    ("wir suchen heute den Baum " * 5, "today we seek the tree " * 5),
    ("geheim", "secret"),
    ("ganz anders", "very different"),
]
VALID = [("geheim", "secret"), ("ich höre", "I hear"), ("ich höre", "I hear"), ("", ""), ("viel " * 60, "much " * 60)]


def write(folder: Path, name: str, pairs: list[tuple[str, str]]) -> tuple[Path, Path]:
    files = folder / f"{name}.de", folder / f"{name}.en"
    for side, path in enumerate(files):
        path.write_text("".join(pair[side] + "\n" for pair in pairs), encoding="utf-8")
    return files


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Tokenizers:
    """Separate tokenizers of ten words: a piece is a letter, more or less."""
    files = write(tmp_path_factory.mktemp("small"), "text", PAIRS)
    return train_tokenizers(files, TokenizerConfig(vocab_size=290, separate=True))


def word(number: int) -> str:
    """A word for a number: digits are ignored in the search for test sentences in the training set."""
    return "".join(chr(ord("a") + number // 26**place % 26) for place in (2, 1, 0))


def number(word: str) -> int:
    return sum((ord(letter) - ord("a")) * 26**place for letter, place in zip(word, (2, 1, 0), strict=True))


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def decoded(directory: Path, tokenizers: Tokenizers) -> list[tuple[str, str]]:
    """The pairs of a set as text, read back from its token rows."""
    sides = []
    for name, tokenizer in (("source", tokenizers.source), ("target", tokenizers.target)):
        rows = TokenRows(directory, name)
        tokens = [row.tolist() for row in rows.read(range(len(rows)))]
        assert all(row[-1] == END for row in tokens)
        sides.append(tokenizer.decode([row[:-1] for row in tokens]))
    return list(zip(*sides, strict=True))


def test_counts_and_rows_are_those_counted_by_hand(tmp_path: Path, small: Tokenizers) -> None:
    sets = sets_of(
        [write(tmp_path, "train", PAIRS)], write(tmp_path, "valid", VALID), write(tmp_path, "test", PAIRS[3:4])
    )
    content = prepare(sets, small, tmp_path / "data", PrepareConfig(max_length=60))
    train = content["sets"]["train"]
    # 2 is empty, 3 a duplicate, 4 is in the test set, 5 of unlike lengths, 7 too long, 8 in the validation set
    assert train["dropped"] == {"duplicate": 1, "empty": 1, "held out": 2, "ratio": 1, "too long": 1}
    assert (train["pairs"], train["read"]) == (3, len(PAIRS))
    kept = [PAIRS[0], PAIRS[5], PAIRS[8]]
    assert decoded(tmp_path / "data" / "train", small) == kept
    for side, tokenizer in enumerate((small.source, small.target)):
        tokens = sum(len(row) + 1 for row in tokenizer.encode([pair[side] for pair in kept]))
        assert train["tokens"][("source", "target")[side]] == tokens


def test_data_json_describes_how_the_data_was_made(tmp_path: Path, small: Tokenizers) -> None:
    """The .bin files of other toolkits do not say which corpus and which settings they come from."""
    sets = sets_of([write(tmp_path, "train", PAIRS)])
    returned = prepare(sets, small, tmp_path / "data", PrepareConfig(max_ratio=5.0))
    content = json.loads((tmp_path / "data" / "data.json").read_text(encoding="utf-8"))
    assert content == json.loads(json.dumps(returned))
    assert content["languages"] == {"source": "de", "target": "en"}
    assert content["files"] == {"train": [str(path) for corpus in sets.train for path in corpus.files]}
    assert content["settings"]["max_ratio"] == 5.0
    assert content["vocabulary"] == {"source": len(small.source), "target": len(small.target)}
    assert set(content["sha256"]) == {f"train/{s}.{p}.npy" for s in ("source", "target") for p in ("ids", "offsets")}


@pytest.mark.parametrize(
    ("names", "settings", "expected"),
    [
        (("train.de", "train.en"), {}, ("de", "en")),
        (("a.ko.gz", "b.en_GB.txt"), {}, ("ko", "en_GB")),
        (("source", "target"), {}, (None, None)),
        (("source", "x.fr"), {"source_language": "mi"}, ("mi", "fr")),
    ],
)
def test_languages_come_from_the_names_unless_given(
    tmp_path: Path, small: Tokenizers, names: tuple[str, str], settings: dict[str, Any], expected: tuple[str, str]
) -> None:
    files = tuple(tmp_path / name for name in names)
    for path in files:
        path.write_text("Hund\n", encoding="utf-8")
    content = prepare(sets_of([files]), small, tmp_path / "data", PrepareConfig(clean=False, **settings))
    assert content["languages"] == dict(zip(("source", "target"), expected, strict=True))


def test_declared_languages_choose_what_cleaning_drops_and_are_described(tmp_path: Path, small: Tokenizers) -> None:
    body = "".join(
        f"<trans-unit id='{number}'><source>{source}</source><target>{target}</target></trans-unit>"
        for number, (source, target) in enumerate([("Ich sehe den Hund", "I see the dog"), ("Wir suchen", "Мы ищем")])
    )
    codes = 'source-language="de-DE" target-language="en-GB"'
    (tmp_path / "x.xlf").write_text(f"<xliff><file {codes}><body>{body}</body></file></xliff>", encoding="utf-8")
    content = prepare(sets_of([(tmp_path / "x.xlf",)]), small, tmp_path / "data", PrepareConfig())
    assert content["sets"]["train"]["dropped"] == {"wrong script": 1}
    assert content["languages"] == {"source": "de-DE", "target": "en-GB"}


def test_preparing_twice_gives_the_same_bytes(tmp_path: Path, corpus: Any, tokenizers: Tokenizers) -> None:
    for name, threads in (("one", 1), ("other", 2)):
        prepare(sets_of([corpus.train], corpus.valid), tokenizers, tmp_path / name, PrepareConfig(split=10), threads)
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


def test_a_table_and_compressed_files_give_the_same_rows(tmp_path: Path, small: Tokenizers) -> None:
    plain = write(tmp_path, "train", PAIRS)
    packed = tuple(tmp_path / f"packed.{path.name}" for path in plain)
    for path, copy in zip(plain, packed, strict=True):
        copy.write_bytes(gzip.compress(path.read_bytes()))
    table = tmp_path / "table"
    table.write_text("".join(f"{source}\t{target}\n" for source, target in PAIRS), encoding="utf-8")
    descriptions = [
        prepare(sets_of([files]), small, tmp_path / "data", PrepareConfig()) for files in (plain, packed, (table,))
    ]
    assert len({json.dumps(description["sha256"]) for description in descriptions}) == 1


def test_validation_and_test_sets_are_kept_whole(tmp_path: Path, small: Tokenizers) -> None:
    """A score over a cleaned test set is not a score of that test set."""
    valid, test = write(tmp_path, "valid", VALID), write(tmp_path, "test", VALID[::-1])
    content = prepare(
        sets_of([write(tmp_path, "train", PAIRS)], valid, test), small, tmp_path / "data", PrepareConfig()
    )
    for name, files in (("valid", valid), ("test", test)):
        assert content["sets"][name]["pairs"] == len(VALID)
        for side, path in zip(("source", "target"), files, strict=True):
            assert (tmp_path / "data" / f"{name}.{side}").read_bytes() == path.read_bytes()
    # the rows are for the loss, which has no meaning for an empty pair or one that the model cannot read
    rows = prepare(
        sets_of([write(tmp_path, "train", PAIRS)], valid), small, tmp_path / "data", PrepareConfig(max_length=40)
    )
    assert decoded(tmp_path / "data" / "valid", small) == VALID[:3]
    assert rows["sets"]["valid"]["dropped"] == {"empty": 1, "too long": 1}


def test_a_validation_set_that_is_too_long_is_an_error_before_the_training_set_is_read(
    tmp_path: Path, small: Tokenizers
) -> None:
    """Training would refuse it, and no option of training brings back what was dropped here."""
    sets, read = sets_of([write(tmp_path, "train", PAIRS)], write(tmp_path, "valid", VALID)), list[int]()
    with pytest.raises(NmtError, match="all pairs of the validation set are longer than --max-length 2") as caught:
        prepare(sets, small, tmp_path / "data", PrepareConfig(max_length=2), progress=read.append)
    assert "raise it" in caught.value.hint
    assert not read
    assert not (tmp_path / "data").exists()


def test_several_corpora_are_kept_apart_and_cleaned_as_one(tmp_path: Path, small: Tokenizers) -> None:
    """A pair that the first corpus holds is a duplicate in the second; each is counted by itself."""
    table = tmp_path / "more.tsv"
    table.write_text("wir suchen\twe seek\nganz neu\tvery new\n\tnothing\n", encoding="utf-8")
    sets = sets_of([write(tmp_path, "train", PAIRS), (table,)])
    train = prepare(sets, small, tmp_path / "data", PrepareConfig())["sets"]["train"]
    first, second = train["corpora"]
    assert second["files"] == [str(table)]
    assert (second["pairs"], second["read"], second["dropped"]) == (1, 3, {"duplicate": 1, "empty": 1})
    assert train["pairs"] == first["pairs"] + 1
    assert train["dropped"]["empty"] == first["dropped"]["empty"] + 1
    assert train["tokens"] == {side: first["tokens"][side] + second["tokens"][side] for side in ("source", "target")}
    assert decoded(tmp_path / "data" / "train", small)[first["pairs"] :] == [("ganz neu", "very new")]


# ------------------------------------------------------------------------------------------------------------ splitting


def test_repaired_encodings_are_counted_with_examples(tmp_path: Path, small: Tokenizers) -> None:
    pairs = [(f"Haus {word(i)}", f"house {word(i)}") for i in range(20)]
    pairs[3] = ("das ist fÃ¼r dich", "this is for you")
    pairs[7] = ("sieben", "itâ€™s nine")
    pairs[9] = ("„Spaß“ für alle", "“fun” for all")
    train = prepare(sets_of([write(tmp_path, "train", pairs)]), small, tmp_path / "data", PrepareConfig())["sets"][
        "train"
    ]
    assert train["repaired"] == 2
    assert train["repairs"] == ["… ist fÃ¼r dich -> … ist für dich", "itâ€™s nine -> it’s nine"]
    left = prepare(sets_of([write(tmp_path, "train", pairs)]), small, tmp_path / "data", PrepareConfig(repair=False))[
        "sets"
    ]["train"]
    assert not {"repaired", "repairs"} & left.keys()


def test_a_split_takes_pairs_out_of_the_training_set(tmp_path: Path, corpus: Any, tokenizers: Tokenizers) -> None:
    """No pair that is scored was trained on."""
    content = prepare(sets_of([corpus.train]), tokenizers, tmp_path / "data", PrepareConfig(split=12))
    counts = {name: part["pairs"] for name, part in content["sets"].items()}
    assert counts == {"train": 200 - 24, "valid": 12, "test": 12}
    pairs = {"train": decoded(tmp_path / "data" / "train", tokenizers)}
    for name in ("valid", "test"):
        sides = [
            (tmp_path / "data" / f"{name}.{side}").read_text("utf-8").splitlines() for side in ("source", "target")
        ]
        pairs[name] = list(zip(*sides, strict=True))
    whole = [path.read_text("utf-8").splitlines() for path in corpus.train]
    assert sorted(pair for part in pairs.values() for pair in part) == sorted(zip(*whole, strict=True))
    sources = {name: {source for source, _ in part} for name, part in pairs.items()}
    assert not sources["train"] & (sources["valid"] | sources["test"])


def test_a_split_is_drawn_from_all_over_and_from_what_cleaning_keeps(tmp_path: Path, small: Tokenizers) -> None:
    """The last pages of a corpus are of another kind than its first, and a duplicate is in training too."""
    pairs = (
        [(f"Hund {word(i)}", f"dog {word(i)}") for i in range(300)]
        + [("", "nothing")] * 100
        + [(f"Hund {word(7)}", f"dog {word(7)}")] * 100
    )
    prepare(sets_of([write(tmp_path, "train", pairs)]), small, tmp_path / "data", PrepareConfig(split=30))
    drawn = [number(line.split()[1]) for line in (tmp_path / "data" / "test.source").read_text("utf-8").splitlines()]
    assert len(set(drawn)) == 30
    assert max(drawn) - min(drawn) > 150
    assert abs(sum(drawn) / 30 - 150) < 60


def test_a_split_does_not_overlap_with_training_even_uncleaned(tmp_path: Path, small: Tokenizers) -> None:
    pairs = [(f"satz {word(i)}", f"phrase {word(i)}") for i in range(100)]
    config = PrepareConfig(split=20, clean=False)
    content = prepare(sets_of([write(tmp_path, "train", pairs)]), small, tmp_path / "data", config)
    assert content["sets"]["train"]["pairs"] == 60
    assert content["sets"]["train"]["dropped"] == {"held out": 40}


def test_a_split_leaves_alone_what_was_given(tmp_path: Path, corpus: Any, tokenizers: Tokenizers) -> None:
    content = prepare(sets_of([corpus.train], corpus.valid), tokenizers, tmp_path / "data", PrepareConfig(split=12))
    assert {name: part["pairs"] for name, part in content["sets"].items()} == {"train": 188, "valid": 8, "test": 12}
    assert (tmp_path / "data" / "valid.source").read_bytes() == corpus.valid[0].read_bytes()


def test_a_split_that_takes_more_than_half_is_refused(tmp_path: Path, corpus: Any, tokenizers: Tokenizers) -> None:
    with pytest.raises(NmtError, match="--split 51 takes 102 pairs, more than half of the 200"):
        prepare(sets_of([corpus.train]), tokenizers, tmp_path / "data", PrepareConfig(split=51))
    assert not (tmp_path / "data").exists()


# -------------------------------------------------------------------------------------------------- what cannot be used


@pytest.mark.parametrize("pairs", [[], [("", "")], [("a", ""), ("", "b")]])
def test_an_empty_result_is_an_error_and_not_an_empty_run(
    tmp_path: Path, small: Tokenizers, pairs: list[tuple[str, str]]
) -> None:
    with pytest.raises(NmtError, match=r"no pair of .* is left to train on"):
        prepare(sets_of([write(tmp_path, "train", pairs)]), small, tmp_path / "data", PrepareConfig())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.de", "train.en"]


@pytest.mark.parametrize("name", ["valid", "test"])
def test_an_empty_held_out_set_is_an_error(tmp_path: Path, small: Tokenizers, name: str) -> None:
    sets = sets_of([write(tmp_path, "train", PAIRS)], **{name: write(tmp_path, name, [("", "")])})
    with pytest.raises(NmtError, match=f"the {name} set is empty"):
        prepare(sets, small, tmp_path / "data", PrepareConfig())


@pytest.mark.parametrize("name", ["train", "valid", "test"])
def test_unequal_files_leave_the_old_data_as_it_was(tmp_path: Path, small: Tokenizers, name: str) -> None:
    files = {name: write(tmp_path, name, PAIRS) for name in ("train", "valid", "test")}
    prepare(sets_of([files["train"]]), small, tmp_path / "data", PrepareConfig())
    before = contents(tmp_path / "data")
    files[name][1].write_text("one line\n", encoding="utf-8")
    with pytest.raises(NmtError, match=rf"{name}\.de has 9 lines but .*{name}\.en has 1 "):
        prepare(sets_of([files["train"]], files["valid"], files["test"]), small, tmp_path / "data", PrepareConfig())
    assert contents(tmp_path / "data") == before
    assert not list(tmp_path.glob(".*"))


def test_new_data_replaces_the_old(tmp_path: Path, small: Tokenizers) -> None:
    """A validation set of another corpus must not remain."""
    train = write(tmp_path, "train", PAIRS)
    prepare(sets_of([train], write(tmp_path, "valid", VALID)), small, tmp_path / "data", PrepareConfig())
    prepare(sets_of([train]), small, tmp_path / "data", PrepareConfig())
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["data.json", "train"]


def test_data_of_another_tokenizer_is_refused(tmp_path: Path, small: Tokenizers, run: Path) -> None:
    """Its tokens would mean other pieces: training goes on and learns nothing."""
    assert read_description(run / "data", Tokenizers.load(run))["format"] == 1
    with pytest.raises(NmtError, match="prepared with another tokenizer") as caught:
        read_description(run / "data", small)
    assert "nmt prepare" in caught.value.hint


def test_missing_or_foreign_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match=": no prepared data"):
        read_description(tmp_path)
    for content in ("{", "[]", '{"format": 99}'):
        (tmp_path / "data.json").write_text(content, encoding="utf-8")
        with pytest.raises(NmtError, match=str(tmp_path)):
            read_description(tmp_path)


def test_invalid_bytes_are_warned_of_once_for_each_line(
    tmp_path: Path, small: Tokenizers, caplog: pytest.LogCaptureFixture
) -> None:
    files = write(tmp_path, "train", PAIRS[:2])
    files[0].write_bytes(b"ich h\xf6re\nich sehe\n")
    with caplog.at_level(logging.WARNING, logger="nmt"):
        prepare(sets_of([files]), small, tmp_path / "data", PrepareConfig())
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        f"{files[0]}, line 1: invalid UTF-8 at byte 6 (0xf6)"
    ]


def test_a_split_is_cut_off_the_first_corpus_and_left_out_of_the_others(tmp_path: Path, small: Tokenizers) -> None:
    """The first corpus is the text itself, the others may be translated back or of another kind."""
    first, second = ([(f"Hund {word(i)}", f"dog {word(i)}") for i in range(start, start + 100)] for start in (0, 50))
    sets = sets_of([write(tmp_path, "train", first), write(tmp_path, "more", second)])
    content = prepare(sets, small, tmp_path / "data", PrepareConfig(split=20))
    test = (tmp_path / "data" / "test.source").read_text("utf-8").splitlines()
    assert {number(line.split()[1]) for line in test} < set(range(100))
    assert not set(test) & {source for source, _ in decoded(tmp_path / "data" / "train", small)}
    assert sum(corpus["pairs"] for corpus in content["sets"]["train"]["corpora"]) == 150 - 40


@pytest.mark.skipif(sys.platform != "linux", reason="needs a named pipe")
def test_preparing_that_is_killed_leaves_nothing_half_made_and_starts_over(
    command: Program, run: Path, corpus: Any, tmp_path: Path
) -> None:
    pipe, place = tmp_path / "pairs.tsv", tmp_path / "run"
    place.mkdir()
    shutil.copy(run / "tokenizer.model", place)
    os.mkfifo(pipe)
    program = [sys.executable, "-m", "nmt", "prepare", str(pipe), "--run", str(place)]
    process = subprocess.Popen(program, env=environment(), stderr=subprocess.DEVNULL)
    with open(pipe, "w", encoding="utf-8") as stream:  # more than is read before anything is written, and no end
        stream.writelines(f"Hund {word(i)}\tdog {word(i)}\n" for i in range(25_000))
        stream.flush()
        end = time.monotonic() + 60
        while not (place / ".data.tmp").exists():
            assert time.monotonic() < end
            time.sleep(0.01)
        process.kill()
        process.wait()
    assert not (place / "data").exists()
    again = command("prepare", *corpus.train, "--run", place)
    assert again.returncode == 0
    assert "an earlier prepare was interrupted; starting over" in again.stderr
    assert sorted(path.name for path in place.iterdir()) == [".lock", "data", "tokenizer.model"]


def test_rejects_replace_nothing_that_is_read_and_go_into_pipes(
    command: Program, run: Path, corpus: Any, tmp_path: Path
) -> None:
    place = tmp_path / "run"
    place.mkdir()
    shutil.copy(run / "tokenizer.model", place)
    source = tmp_path / "copy.de"
    shutil.copy(corpus.train[0], source)
    before = source.read_bytes()
    for rejects, reason in (source, "would replace an input"), (place / "tokenizer.model", "a part of the run"):
        done = command("prepare", source, corpus.train[1], "--run", place, "--rejects", rejects)
        assert done.returncode == 2
        assert reason in done.stderr
    assert source.read_bytes() == before
    assert command("prepare", source, corpus.train[1], "--run", place, "--rejects", tmp_path).returncode == 1
    assert command("prepare", source, corpus.train[1], "--run", place, "--rejects", "/dev/null").returncode == 0
    assert Path("/dev/null").is_char_device()


def test_sentences_to_be_scored_are_found_in_any_encoding(tmp_path: Path, small: Tokenizers) -> None:
    train = write(
        tmp_path, "train", [("fÃ¼r uns", "for us"), ("u\u0308ber dich", "about you"), ("ganz neu", "all new")]
    )
    valid = write(tmp_path, "valid", [("für uns", "x"), ("über dich", "y"), ("fÃ¼r alle", "z")])
    train_counts = prepare(sets_of([train], valid), small, tmp_path / "data", PrepareConfig())["sets"]["train"]
    assert train_counts["dropped"] == {"held out": 2}


# ---------------------------------------------------------------------------------------------------------- properties


def near(side: str) -> str:
    return re.sub(r"\d+", "0", side.lower().strip(".! "))


KEYS: dict[str, Callable[[str, str], object]] = {
    "pair": lambda source, target: (source, target),
    "near": lambda source, target: (near(source), near(target)),
    "source": lambda source, target: source,
    "target": lambda source, target: target,
    "off": lambda source, target: object(),
}
"""What two duplicates have in common, by --deduplicate."""


@settings(max_examples=15)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["", "!", " 7", " 12."]), st.integers(0, 3)), max_size=25),
    st.sampled_from(sorted(KEYS)),
    st.integers(1, 9),
)
def test_duplicates_are_those_of_a_set(
    tmp_path_factory: pytest.TempPathFactory,
    small: Tokenizers,
    drawn: list[tuple[int, str, int]],
    kind: str,
    block: int,
) -> None:
    """The first of each is kept, whatever block or corpus it is in."""
    folder = tmp_path_factory.mktemp("duplicates")
    german, english = ["Hund", "du", "ich", "wir"], ["dog", "you", "I", "we"]
    pairs = [("ganz neu", "very new"), *((german[i] + sign, english[j] + sign) for i, sign, j in drawn)]
    seen, kept = set(), []
    for pair in pairs:
        if KEYS[kind](*pair) not in seen:
            kept.append(pair)
        seen.add(KEYS[kind](*pair))
    corpora = [write(folder, "a", pairs[: block + 1]), write(folder, "b", pairs[block + 1 :])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nmt.data.prepare.BLOCK", block)
        content = prepare(sets_of(corpora), small, folder / "data", PrepareConfig(deduplicate=kind))
    assert decoded(folder / "data" / "train", small) == kept
    train = content["sets"]["train"]
    assert (train["pairs"], train["read"]) == (len(kept), len(pairs))
    assert train["dropped"] == ({"duplicate": len(pairs) - len(kept)} if len(kept) < len(pairs) else {})
    assert [corpus["read"] for corpus in train["corpora"]] == [len(pairs[: block + 1]), len(pairs[block + 1 :])]


@settings(max_examples=12)
@given(st.lists(st.sampled_from(PAIRS), max_size=20), st.lists(st.sampled_from(PAIRS), min_size=1, max_size=3))
def test_no_sentence_of_a_held_out_set_is_trained_on(
    tmp_path_factory: pytest.TempPathFactory,
    small: Tokenizers,
    pairs: list[tuple[str, str]],
    scored: list[tuple[str, str]],
) -> None:
    folder = tmp_path_factory.mktemp("held_out")
    valid = write(folder, "valid", [*scored, ("Ein Satz", "A sentence")])
    train = write(folder, "train", [*pairs, ("ein satz.", "x y z"), ("noch einer", "another one")])
    content = prepare(sets_of([train], valid), small, folder / "data", PrepareConfig(deduplicate="off"))
    apart = {side.strip() for pair in scored for side in pair if side}
    sides = [side.strip() for pair in decoded(folder / "data" / "train", small) for side in pair]
    assert not apart & set(sides)
    assert content["sets"]["train"]["dropped"]["held out"] == 1 + sum(
        bool(source and target and {source.strip(), target.strip()} & apart) for source, target in pairs
    )
    assert sides[-2:] == ["noch einer", "another one"]


@pytest.mark.parametrize("config", [PrepareConfig(), PrepareConfig(clean=False), PrepareConfig(max_deviation=0.0)])
def test_the_counts_of_a_description_add_up(tmp_path: Path, small: Tokenizers, config: PrepareConfig) -> None:
    sets = sets_of([write(tmp_path, "a", PAIRS), write(tmp_path, "b", PAIRS[::-1])], write(tmp_path, "valid", VALID))
    rejects = tmp_path / "rejects"
    train = prepare(sets, small, tmp_path / "data", config, rejects=rejects)["sets"]["train"]
    assert train["read"] == train["pairs"] + sum(train["dropped"].values()) == 2 * len(PAIRS)
    for key in ("pairs", "read"):
        assert train[key] == sum(corpus[key] for corpus in train["corpora"])
    for side in ("source", "target"):
        rows = TokenRows(tmp_path / "data" / "train", side)
        assert len(rows) == train["pairs"]
        assert len(rows.ids) == train["tokens"][side]
    lines = [line.split("\t") for line in rejects.read_text("utf-8").splitlines()]
    assert Counter(line[0] for line in lines) == train["dropped"]
    for rule, corpus, line, *pair in lines:
        assert tuple(pair) == (PAIRS if corpus == "1" else PAIRS[::-1])[int(line) - 1], rule


def test_lengths_of_the_corpus_are_described_where_there_are_enough(tmp_path: Path, small: Tokenizers) -> None:
    """By hand: sources of 5 letters, targets of 10, so a ratio of 15 / 10 with the 5 that are added."""
    pairs = [(f"ab{word(i)}", f"abcdefg{word(i)}") for i in range(150)]
    pairs.append(("abxyz", "x" * 60))
    content = prepare(sets_of([write(tmp_path, "train", pairs)]), small, tmp_path / "data", PrepareConfig())
    assert content["lengths"] == {"ratio": 1.5, "spread": 0.1}
    assert content["sets"]["train"]["dropped"] == {"misaligned": 1}
    few = prepare(sets_of([write(tmp_path, "train", pairs[:90])]), small, tmp_path / "data", PrepareConfig())
    assert "lengths" not in few
