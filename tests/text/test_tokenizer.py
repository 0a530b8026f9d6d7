"""Tokenizers: a round trip gives the normalised text back, and control symbols are never cut from text."""

import io
import logging
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from nmt.config.corpus import TokenizerConfig
from nmt.errors import NmtError
from nmt.text.tokenizer import (
    BEGIN,
    END,
    PAD,
    UNKNOWN,
    Tokenizer,
    Tokenizers,
    import_tokenizers,
    train_tokenizers,
    training_sample,
)

LINES = [
    f"{who} {what} the {which} {thing}{end}"
    for who in ("I", "you", "we", "Jörg")
    for what in ("see", "hear", "höre")
    for which in ("big", "small", "green")
    for thing in ("house", "tree", "bird's nest")
    for end in (".", "?")
]
TYPES = ("bpe", "unigram")
CONTROL = {PAD, UNKNOWN, BEGIN, END}


def train_tokenizer(files: Sequence[Path], config: TokenizerConfig) -> Tokenizer:
    return train_tokenizers(files, replace(config, separate=False)).source


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text"
    path.write_text("".join(line + "\n" for line in LINES), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(text: Path) -> Callable[..., Tokenizer]:
    """`trained(type=..., ...)` gives a tokenizer, each kind trained once."""
    cache: dict[str, Tokenizer] = {}

    def train(**settings: object) -> Tokenizer:
        config = TokenizerConfig(**{"vocab_size": 330, **settings})
        if repr(config) not in cache:
            cache[repr(config)] = train_tokenizer([text], config)
        return cache[repr(config)]

    return train


def round_trip(tokenizer: Tokenizer, line: str) -> str:
    return tokenizer.decode(tokenizer.encode([line]))[0]


def control_like() -> st.SearchStrategy[str]:
    parts = ["</s>", "<s>", "<pad>", "<unk>", "<0x41>", "<0x0A>", "▁", " ", "a", "house", "\u2047", " \u2047 "]
    return st.lists(st.sampled_from(parts)).map("".join)


# ---------------------------------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("type", TYPES)
@given(line=st.one_of(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n")), control_like()))
def test_decoding_gives_back_the_normalised_text_of_any_line(
    trained: Callable[..., Tokenizer], type: str, line: str
) -> None:
    """No <unk> for a new emoji, no lost character: what the model reads is what the user wrote."""
    tokenizer = trained(type=type)
    (tokens,) = tokenizer.encode([line])
    assert tokenizer.decode([tokens]) == [tokenizer.normalize(line)]
    assert not CONTROL & set(tokens)
    assert all(0 <= token < len(tokenizer) for token in tokens)


@pytest.mark.parametrize("type", TYPES)
@given(line=st.text(st.characters(min_codepoint=33, max_codepoint=126) | st.just(" ")))
def test_plain_text_comes_back_as_it_was_but_for_folded_spaces(
    trained: Callable[..., Tokenizer], type: str, line: str
) -> None:
    """Independent of what `normalize` says: ASCII is its own normal form."""
    assert round_trip(trained(type=type), line) == " ".join(line.split())


@given(line=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n \u2581")))
def test_without_normalisation_every_character_comes_back(trained: Callable[..., Tokenizer], line: str) -> None:
    assert round_trip(trained(normalization="identity"), line) == line


@pytest.mark.parametrize(
    "line", ["한국어", "日本語", "🙂👩‍👩‍👧", "a\0b", "\x85", "\U0010ffff", "ﬁ → fi", "Ａ", "<0x41>"]
)
def test_scripts_never_seen_in_training_come_back(trained: Callable[..., Tokenizer], line: str) -> None:
    tokenizer = trained()
    assert round_trip(tokenizer, line) == tokenizer.normalize(line)
    assert UNKNOWN not in tokenizer.encode([line])[0]


def test_normalisation_is_the_declared_one(trained: Callable[..., Tokenizer]) -> None:
    assert trained().normalize(" ﬁve  Ｈouses\u3000") == "ﬁve Ｈouses"
    assert trained(normalization="nmt_nfkc").normalize(" ﬁve  Ｈouses\u3000") == "five Houses"
    assert trained(normalization="nmt_nfkc_cf").normalize("Große HÄUSER") == "große häuser"
    assert trained(normalization="identity").normalize("ﬁve") == "ﬁve"


def test_without_byte_fallback_unknown_characters_are_unknown(trained: Callable[..., Tokenizer]) -> None:
    (tokens,) = trained(byte_fallback=False, vocab_size=60).encode(["house 한"])
    assert tokens.count(UNKNOWN) == 1


def test_many_lines_are_cut_like_each_alone_whatever_the_threads(trained: Callable[..., Tokenizer]) -> None:
    tokenizer = trained()
    alone = [tokenizer.encode([line])[0] for line in LINES]
    assert tokenizer.encode(LINES) == alone
    assert tokenizer.encode(LINES, end=True) == [[*row, END] for row in alone]


def test_pieces_are_the_tokens_as_strings(trained: Callable[..., Tokenizer]) -> None:
    tokenizer = trained()
    for line in [*LINES[:5], "한 </s>"]:
        (tokens,), (pieces,) = tokenizer.encode([line]), tokenizer.encode_pieces([line])
        assert tokenizer.pieces(tokens) == pieces
        assert tokenizer.decode_pieces(pieces) == tokenizer.normalize(line)


def test_decoded_text_is_always_one_line(trained: Callable[..., Tokenizer]) -> None:
    """A model may write the bytes of a newline; in the output it would shift all lines after it."""
    tokenizer = trained()
    newline = tokenizer.pieces(range(len(tokenizer))).index("<0x0A>")
    house = tokenizer.encode(["house"])[0]
    (line,) = tokenizer.decode([[*house, newline, *house]])
    assert "\n" not in line
    assert line.split() == ["house", "house"]
    assert "\n" not in tokenizer.decode_pieces(["▁a", "<0x0A>", "▁b"])


def test_control_symbols_are_left_out_of_the_text(trained: Callable[..., Tokenizer]) -> None:
    tokenizer = trained()
    house = tokenizer.encode(["house"])[0]
    assert tokenizer.decode([[BEGIN, *house, END, PAD, PAD], []]) == ["house", ""]


# ------------------------------------------------------------------------------------------------------ control symbols


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("line", ["</s> <pad> <0x41>", "<s>", "a</s>b", "<unk><unk>", "</s>" * 9])
def test_text_that_spells_control_symbols_is_text(trained: Callable[..., Tokenizer], type: str, line: str) -> None:
    """In toolkits that join pieces with spaces, a line with </s> ends the sentence there."""
    tokenizer = trained(type=type)
    assert not CONTROL & set(tokenizer.encode([line])[0])
    assert round_trip(tokenizer, line) == line


def test_a_corpus_that_holds_control_symbols_trains_a_sound_tokenizer(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("".join(f"{line} </s> <pad> <s> <unk> <0x41>\n" for line in LINES), encoding="utf-8")
    tokenizer = train_tokenizer([path], TokenizerConfig(vocab_size=360))
    assert tokenizer.pieces([PAD, UNKNOWN, BEGIN, END]) == ["<pad>", "<unk>", "<s>", "</s>"]
    line = "we see </s> <pad> <0x41>"
    assert not CONTROL & set(tokenizer.encode([line])[0])
    assert round_trip(tokenizer, line) == line


@pytest.mark.parametrize("type", TYPES)
def test_user_symbols_stay_whole_wherever_they_stand(trained: Callable[..., Tokenizer], type: str) -> None:
    tokenizer = trained(type=type, symbol=["<2de>", "｟x｠"])
    for line in ("<2de> the house", "the<2de>house", "<2de><2de>", "｟x｠ house"):
        (pieces,) = tokenizer.encode_pieces([line])
        wanted = [symbol for symbol in ("<2de>", "｟x｠") for _ in range(line.count(symbol))]
        assert [piece for piece in pieces if piece in ("<2de>", "｟x｠")] == wanted
        assert round_trip(tokenizer, line) == line


# ------------------------------------------------------------------------------------------------------------- training


@pytest.mark.parametrize("type", TYPES)
def test_training_twice_gives_the_same_bytes(trained: Callable[..., Tokenizer], text: Path, type: str) -> None:
    again = train_tokenizer([text], TokenizerConfig(vocab_size=330, type=type))
    assert again.model == trained(type=type).model


@pytest.mark.parametrize("type", TYPES)
def test_a_vocabulary_that_the_corpus_cannot_fill_is_made_smaller_with_a_notice(
    text: Path, type: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="nmt"):
        tokenizer = train_tokenizer([text], TokenizerConfig(vocab_size=5000, type=type))
    assert 290 < len(tokenizer) < 5000
    assert f"{len(tokenizer)} pieces, not 5000" in caplog.text
    assert round_trip(tokenizer, LINES[0]) == LINES[0]


@pytest.mark.parametrize("type", TYPES)
def test_a_vocabulary_too_small_for_the_characters_names_the_size_that_is_needed(text: Path, type: str) -> None:
    with pytest.raises(NmtError, match="--vocab-size 40 is too small") as caught:
        train_tokenizer([text], TokenizerConfig(vocab_size=40, type=type))
    needed = int(re.search(r"--vocab-size above (\d+)", caught.value.hint)[1])
    assert len(train_tokenizer([text], TokenizerConfig(vocab_size=needed + 1, type=type))) <= needed + 1


def test_the_automatic_size_follows_the_corpus(text: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="nmt"):
        tokenizer = train_tokenizer([text], TokenizerConfig())
    assert "4000 pieces, chosen for" in caplog.text
    assert len(tokenizer) < 4000


@pytest.mark.parametrize("content", [b"", b"\n\n  \n", "\u3000\n\t\n".encode()])
@pytest.mark.parametrize("size", ["auto", 300])
def test_an_empty_corpus_is_refused(tmp_path: Path, content: bytes, size: str | int) -> None:
    path = tmp_path / "text"
    path.write_bytes(content)
    with pytest.raises(NmtError, match=f"{path}: no text there"):
        train_tokenizer([path], TokenizerConfig(vocab_size=size))


@pytest.mark.parametrize("separate", [False, True])
def test_a_catalogue_without_a_suffix_beside_a_memory_is_read_as_pairs(tmp_path: Path, separate: bool) -> None:
    """But not beside plain text, where lines like those of a catalogue are text, too."""
    catalogue, table, text = tmp_path / "messages", tmp_path / "x.tsv", tmp_path / "text"
    catalogue.write_text('msgid "Hund"\nmsgstr "dog"\n', encoding="utf-8")
    table.write_text("Baum\ttree\n", encoding="utf-8")
    text.write_text("msgid is a word\n", encoding="utf-8")
    samples = training_sample([table, catalogue], TokenizerConfig(), separate=separate)
    assert [sorted(sample) for sample in samples] == (
        [["Baum", "Hund"], ["dog", "tree"]] if separate else [["Baum", "Hund", "dog", "tree"]]
    )
    ((*joint,),) = training_sample([catalogue, text], TokenizerConfig(), separate=False)
    assert 'msgid "Hund"' in joint


@pytest.mark.parametrize("size", ["auto", 330])
def test_a_problem_with_a_later_file_keeps_its_message(text: Path, tmp_path: Path, size: str | int) -> None:
    """SentencePiece reads the lines from C++, where an exception must not lose its message."""
    with pytest.raises(NmtError) as caught:
        train_tokenizer([text, tmp_path / "nothing"], TokenizerConfig(vocab_size=size))
    assert (caught.value.problem, caught.value.hint) == (f"{tmp_path / 'nothing'}: no such file", "check the path")


def test_a_sentence_with_nul_is_not_skipped(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("zebra\0zebra\n" * 50 + "house\n" * 50, encoding="utf-8")
    tokenizer = train_tokenizer([path], TokenizerConfig(vocab_size=280))
    assert tokenizer.encode_pieces(["zebra"]) == [["▁zebra"]]


def test_a_table_gives_the_text_of_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "text.tsv"
    path.write_text("".join(f"{line}\t{line[::-1]}\n" for line in LINES), encoding="utf-8")
    two = tmp_path / "two"
    two.write_text("".join(f"{line}\n{line[::-1]}\n" for line in LINES), encoding="utf-8")
    config = TokenizerConfig(vocab_size=330)
    assert train_tokenizer([path], config) == train_tokenizer([two], config)


# ---------------------------------------------------------------------------------------------- files and separate ones


def test_separate_tokenizers_know_their_own_language_only(text: Path, tmp_path: Path) -> None:
    other = tmp_path / "ko"
    other.write_text("나는 집을 본다\n너는 새를 듣는다\n" * 30, encoding="utf-8")
    config = TokenizerConfig(vocab_size=330, separate=True)
    tokenizers = train_tokenizers([text, other], config)
    assert not tokenizers.shared
    assert tokenizers.source == train_tokenizer([text], replace(config, normalization="nmt_nfkc"))
    assert tokenizers.target == train_tokenizer([other], config)
    assert tokenizers.target.encode_pieces(["집을"]) == [["▁집을"]]
    assert tokenizers.source.encode_pieces(["집을"])[0][1:] == [f"<0x{byte:02X}>" for byte in "집을".encode()]
    tokenizers.save(tmp_path / "run")
    assert Tokenizers.load(tmp_path / "run") == tokenizers
    assert tokenizers.fingerprint()["source"] != tokenizers.fingerprint()["target"]


@pytest.mark.parametrize("count", [1, 3])
def test_separate_tokenizers_need_two_files(text: Path, count: int) -> None:
    with pytest.raises(NmtError, match=f"got {count}"):
        train_tokenizers([text] * count, TokenizerConfig(separate=True))


def test_saving_shared_ones_removes_the_separate_ones_and_the_other_way_round(
    trained: Callable[..., Tokenizer], tmp_path: Path
) -> None:
    """An old tokenizer.model beside two new ones would be read in their place."""
    one, other = trained(type="bpe"), trained(type="unigram")
    for tokenizers in (Tokenizers(one, one), Tokenizers(one, other), Tokenizers(other, other)):
        tokenizers.save(tmp_path)
        assert Tokenizers.load(tmp_path) == tokenizers
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.model"]


def test_a_directory_without_a_tokenizer_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match="no tokenizer in") as caught:
        Tokenizers.load(tmp_path)
    assert "nmt tokenizer train" in caught.value.hint


def test_half_a_pair_of_tokenizers_is_refused_by_name(trained: Callable[..., Tokenizer], tmp_path: Path) -> None:
    Tokenizers(trained(type="bpe"), trained(type="unigram")).save(tmp_path)
    (tmp_path / "tokenizer.target.model").unlink()
    with pytest.raises(NmtError, match=r"tokenizer\.target\.model"):
        Tokenizers.load(tmp_path)


def test_a_model_of_another_program_is_refused(tmp_path: Path) -> None:
    """SentencePiece's own default puts <unk> at 0 and has no <pad>: every token would mean another piece."""
    foreign = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES), model_writer=foreign, vocab_size=36, minloglevel=3
    )
    (tmp_path / "tokenizer.model").write_bytes(foreign.getvalue())
    with pytest.raises(NmtError, match=r"tokenizer\.model: the tokens of <pad>, <unk>, <s>, </s> are \["):
        Tokenizers.load(tmp_path)


LAYOUTS = {
    "default": {},
    "pad, eos and unk first": {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
    "only unk": {"bos_id": -1, "eos_id": -1},
    "other names": {
        "pad_id": 3,
        "pad_piece": "[PAD]",
        "unk_piece": "[UNK]",
        "bos_piece": "[CLS]",
        "eos_piece": "[SEP]",
    },
    "in the middle": {"pad_id": 23, "unk_id": 20, "bos_id": 21, "eos_id": 22},
    "bytes": {"byte_fallback": True, "vocab_size": 330},
    "spaces after words": {"treat_whitespace_as_suffix": True},
    "user symbols": {"user_defined_symbols": ["<2de>", "<mask>"]},
}


def foreign(path: Path, **settings: Any) -> Path:
    """A model as SentencePiece's own trainer writes it."""
    model = io.BytesIO()
    settings = {"vocab_size": 64, "model_type": "bpe", "hard_vocab_limit": False, "minloglevel": 3, **settings}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(LINES), model_writer=model, **settings)
    path.write_bytes(model.getvalue())
    return path


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_model_of_another_program_can_be_imported(tmp_path: Path, layout: str, type: str) -> None:
    path = foreign(tmp_path / "foreign.model", model_type=type, **LAYOUTS[layout])
    original = sentencepiece.SentencePieceProcessor(model_proto=path.read_bytes())
    tokenizer = import_tokenizers([path]).source
    assert tokenizer.ids(["<pad>", "<unk>", "<s>", "</s>"]) == [PAD, UNKNOWN, BEGIN, END]
    for line in [*LINES, "the 집 of Zoë", "<2de> a <mask>house", ""]:
        assert tokenizer.encode_pieces([line])[0] == original.encode(line, out_type=str)
    learned = [original.id_to_piece(token) for token in range(len(original)) if not original.is_control(token)]
    assert tokenizer.vocabulary()[4:] == [piece for piece in learned if not original.is_unknown(original[piece])]
    assert [round_trip(tokenizer, line) for line in LINES] == LINES
    Tokenizers(tokenizer, tokenizer).save(tmp_path / "run")
    assert Tokenizers.load(tmp_path / "run").source == tokenizer


def test_an_imported_model_of_our_own_stays_as_it_is(trained: Callable[..., Tokenizer], tmp_path: Path) -> None:
    path = tmp_path / "own.model"
    path.write_bytes(trained().model)
    imported = import_tokenizers([path]).source
    assert imported.vocabulary() == trained().vocabulary()
    assert imported.encode(LINES) == trained().encode(LINES)


@given(cut=st.integers(0, 4000), flipped=st.integers(0, 4000), bit=st.integers(0, 7))
def test_damaged_models_are_imported_or_refused_in_one_line(
    tmp_path_factory: Any, cut: int, flipped: int, bit: int
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    content = bytearray(foreign(folder / "good.model").read_bytes())
    content[min(flipped, len(content) - 1)] ^= 1 << bit
    (folder / "bad.model").write_bytes(content[: len(content) - cut])
    try:
        import_tokenizers([folder / "bad.model"])
    except NmtError as error:
        assert str(error).startswith(str(folder / "bad.model"))


def test_an_ordinary_piece_spelled_as_a_control_symbol_is_refused(tmp_path: Path) -> None:
    path = foreign(tmp_path / "foreign.model", bos_id=-1, eos_id=-1, user_defined_symbols=["</s>"])
    ordinary = path.read_bytes().replace(b"\n\x04</s>\x15\0\0\0\0\x18\x04", b"\n\x04</s>\x15\0\0\0\0\x18\x01")
    path.write_bytes(ordinary)
    with pytest.raises(NmtError, match="ordinary one"):
        import_tokenizers([path])


def test_trained_models_name_no_file_of_the_machine(trained: Callable[..., Tokenizer]) -> None:
    assert b".tsv" not in trained().model


@pytest.mark.parametrize("content", [b"", b"not a model", b"\0" * 100, b'{"model": 1}', b"\n" * 50])
def test_a_file_that_is_not_a_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer.model").write_bytes(content)
    with pytest.raises(NmtError, match=r"tokenizer\.model"):
        Tokenizers.load(tmp_path)


@pytest.mark.parametrize("type", TYPES)
def test_a_truncated_model_is_refused_wherever_it_was_cut(trained: Callable[..., Tokenizer], type: str) -> None:
    """A protobuf that ends between two fields is a valid one: but it lacks its last part, the normalization rules."""
    model = trained(type=type).model
    loaded = []
    for length in [*range(8000), len(model) // 2, len(model) - 1]:
        try:
            Tokenizer(model[:length], "cut")
        except NmtError:
            continue
        loaded.append(length)
    assert not loaded


def test_byte_and_character_vocabularies(text: Path) -> None:
    chars = train_tokenizer([text], TokenizerConfig(type="char", vocab_size=400))
    assert chars.encode_pieces(["I see"]) == [["▁", "I", "▁", "s", "e", "e"]]
    bytes_ = train_tokenizer([text], TokenizerConfig(type="byte"))
    assert len(bytes_) == 4 + 256 + 2  # and the space, and a character that no text has
    for line in (*LINES, "日本語 ü", "x"):
        assert bytes_.decode(bytes_.encode([line])) == [bytes_.normalize(line)]
    assert len(bytes_.encode(["日"])[0]) == 1 + 3


def test_a_large_corpus_is_sampled_from_all_over(tmp_path: Path) -> None:
    """Each line has a letter of its own: those of the vocabulary were drawn."""
    path = tmp_path / "many"
    path.write_text("".join(f"{chr(0x4E00 + i)}\n" for i in range(5000)), encoding="utf-8")
    (sample,) = training_sample([path], TokenizerConfig(sample=1000), separate=False)
    places = [ord(line) - 0x4E00 for line in sample]
    assert len(set(places)) == 1000
    assert 2300 < sum(places) / 1000 < 2700
    assert training_sample([path], TokenizerConfig(sample=1000), separate=False) == (sample,)
    assert len(training_sample([path], TokenizerConfig(sample=5000), separate=False)[0]) == 5000


def test_placeholders_and_urls_can_be_protected(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text(
        "".join(f"open {{name}} of %s at https://x.org/{i} <b>now</b>\n" for i in range(40)), encoding="utf-8"
    )
    tokenizer = train_tokenizer([path], TokenizerConfig(vocab_size=340, protect=True))
    pieces = tokenizer.encode_pieces(["at{name}, %s https://a <b>"])[0]
    assert {"{name}", "%s", "https://", "<b>"} <= set(pieces)


def test_files_of_pairs_give_both_sides(text: Path, tmp_path: Path) -> None:
    table = tmp_path / "pairs.tsv"
    table.write_text("".join(f"{line}\t{line[::-1]}\tx\n" for line in LINES), encoding="utf-8")
    assert training_sample([table], TokenizerConfig(), separate=True) == (LINES, [line[::-1] for line in LINES])
    (joint,) = training_sample([table], TokenizerConfig(), separate=False)
    assert joint == [side for line in LINES for side in (line, line[::-1])]


@given(lines=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n")), max_size=5))
def test_pieces_and_ids_are_inverse(trained: Callable[..., Tokenizer], lines: list[str]) -> None:
    tokenizer = trained()
    vocabulary = tokenizer.vocabulary()
    assert len(set(vocabulary)) == len(tokenizer)
    for tokens in tokenizer.encode(lines):
        pieces = tokenizer.pieces(tokens)
        assert pieces == [vocabulary[token] for token in tokens]
        assert tokenizer.ids(pieces) == tokens


@given(lines=st.lists(st.integers(0, 30), max_size=60), size=st.integers(1, 20))
def test_a_sample_holds_lines_of_the_text_only_and_all_if_it_can(
    tmp_path_factory: pytest.TempPathFactory, lines: list[int], size: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "lines"
    path.write_text("".join(f"{number}\n" for number in lines) + "\n \nlast", encoding="utf-8")
    (sample,) = training_sample([path], TokenizerConfig(sample=size), separate=False)
    expected = [*map(str, lines), "last"]
    assert len(sample) == min(size, len(expected))
    assert not Counter(sample) - Counter(expected)
    if size >= len(expected):
        assert sample == expected


def test_tokenizers_are_equal_by_their_models(trained: Callable[..., Tokenizer]) -> None:
    bpe, unigram = trained(type="bpe"), trained(type="unigram")
    copy = Tokenizer(bpe.model, "copy")
    assert {bpe, copy} == {bpe}
    assert bpe != unigram
    assert bpe != bpe.model
    assert Tokenizers(bpe, copy).shared
    assert not Tokenizers(bpe, unigram).shared


def test_separate_tokenizers_take_pairs_and_lines_together(text: Path, tmp_path: Path) -> None:
    """Two files are source and target, a table has both; each side is sampled by itself."""
    table, target = tmp_path / "pairs.tsv", tmp_path / "en"
    table.write_text("rot\tred\nblau\tblue\n", encoding="utf-8")
    target.write_text("a\nb\n", encoding="utf-8")
    source = tmp_path / "de"
    source.write_text("x\ny\n", encoding="utf-8")
    samples = training_sample([source, target, table], TokenizerConfig(), separate=True)
    assert samples == (["x", "y", "rot", "blau"], ["a", "b", "red", "blue"])
    assert training_sample([table, target], TokenizerConfig(), separate=False) == (
        ["rot", "red", "blau", "blue", "a", "b"],
    )


def test_symbols_are_protected_by_frequency_and_never_twice(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("".join("see %s\n" for _ in range(10)) + "see %d\n" * 9, encoding="utf-8")
    tokenizer = train_tokenizer([path], TokenizerConfig(vocab_size=300, protect=True, symbol=["%s"]))
    pieces = tokenizer.vocabulary()
    assert pieces.count("%s") == 1
    assert "%d" not in pieces
    assert "%s" not in tokenizer.divisible_pieces()


def test_what_sentencepiece_cannot_train_on_is_one_message(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("a\n", encoding="utf-8")
    with pytest.raises(NmtError, match=f"{path}: SentencePiece cannot train on it: ") as caught:
        train_tokenizer([path], TokenizerConfig(symbol=["<s>", "<s>"]))
    assert "\n" not in caught.value.problem
