"""MarianMT models, judged by transformers: its own model and tokenizer compute what is expected."""

import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
from conftest import Corpus, Program
from safetensors.torch import load_file

from nmt import Translator
from nmt.config.corpus import TokenizerConfig
from nmt.config.model import ModelConfig
from nmt.config.search import SearchConfig
from nmt.errors import NmtError
from nmt.exchange.marian import read_marian
from nmt.exchange.marian_export import export_marian
from nmt.model.model_directory import load_model, save_model
from nmt.model.model_files import open_model
from nmt.model.transformer import Transformer
from nmt.text.tokenizer import END, train_tokenizers

LENGTH = 48  # tokens of a translation, the start among them
LINES = ["ich sehe den Hund", "du suche einen Baum heute", "wir höre den großen Vogel gestern", "Ich?", "Straße & Hund"]


@pytest.fixture(scope="module", params=["swish", "relu"])
def foreign(request: pytest.FixtureRequest, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights in the shape of OPUS-MT: two SentencePiece models, one vocabulary, `<pad>` the last."""
    transformers = pytest.importorskip("transformers")
    directory = tmp_path_factory.mktemp("opus") / "opus-mt-de-en"
    directory.mkdir()
    pieces = list[str]()
    for side, path, size in zip(("source", "target"), corpus.train, (60, 50), strict=True):
        options = dict(model_type="unigram", vocab_size=size, hard_vocab_limit=False, minloglevel=3)
        sentencepiece.SentencePieceTrainer.train(input=str(path), model_prefix=str(directory / side), **options)
        processor = sentencepiece.SentencePieceProcessor(model_file=str(directory / f"{side}.model"))
        (directory / f"{side}.model").rename(directory / f"{side}.spm")
        pieces += [processor.id_to_piece(token) for token in range(3, processor.get_piece_size())]
    random.Random(0).shuffle(pieces)
    lost = pieces.pop()  # a piece of a tokenizer that the vocabulary lacks
    vocabulary = ["</s>", "<unk>", *dict.fromkeys(piece for piece in pieces if piece != lost), ">>en<<", "<pad>"]
    (directory / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(vocabulary)}), "utf-8")
    names = {"source_lang": "de", "target_lang": "en", "tokenizer_class": "MarianTokenizer"}
    (directory / "tokenizer_config.json").write_text(json.dumps(names), "utf-8")
    (directory / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n\nBy the authors.\n", "utf-8")
    pad = len(vocabulary) - 1
    config = transformers.MarianConfig(
        vocab_size=len(vocabulary),
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        activation_function=request.param,
        max_position_embeddings=64,
        scale_embedding=True,
        pad_token_id=pad,
        decoder_start_token_id=pad,
        eos_token_id=0,
        init_std=0.3,
    )
    torch.manual_seed(7)
    model = transformers.MarianMTModel(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.1)
            elif "embed_positions" not in name:
                parameter.mul_(1.5 if "norm" not in name else 1)
        model.model.shared.weight[pad] = 0
        model.final_logits_bias.normal_(std=0.3)
        model.final_logits_bias[0, 0] += 6  # so that sentences end
    model.save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def imported(foreign: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("imported") / "model"
    config, weights, tokenizers, origin = read_marian(foreign)
    save_model(directory, config, weights, tokenizers, {**origin, "step": 0})
    return directory


def theirs(directory: Path) -> tuple[Any, Any]:
    """The model and the tokenizer as transformers reads them."""
    transformers = pytest.importorskip("transformers")
    model = transformers.MarianMTModel.from_pretrained(directory).eval()
    return model, transformers.MarianTokenizer.from_pretrained(directory)


def many_lines(corpus: Corpus, count: int) -> list[str]:
    return (corpus.train[0].read_text("utf-8").splitlines() * 10)[: count - len(LINES)] + LINES


def generate(directory: Path, lines: Sequence[str], **options: Any) -> list[str]:
    model, tokenizer = theirs(directory)
    bad = [[token] for token in {model.config.pad_token_id, model.config.decoder_start_token_id}]
    texts = list[str]()
    for line in lines:  # one by one: padding has no part in it
        tokens = tokenizer([line], return_tensors="pt")
        output = model.generate(**tokens, bad_words_ids=bad, max_length=LENGTH, forced_eos_token_id=None, **options)
        texts += tokenizer.batch_decode(output, skip_special_tokens=True)
    return texts


def test_logits_are_those_of_transformers(foreign: Path, imported: Path) -> None:
    model, tokenizer = theirs(foreign)
    model.double()  # large weights magnify what float32 rounds
    ours = load_model(imported, torch.device("cpu"), torch.float64)
    sources = tokenizer([LINES[1]], return_tensors="pt")["input_ids"]
    vocabulary = tokenizer.get_vocab()
    pieces = ours.tokenizers.source.pieces([*ours.tokenizers.source.encode([LINES[1]])[0], END])
    assert [vocabulary.get(piece, vocabulary["<unk>"]) for piece in pieces] == sources[0].tolist()
    target = [vocabulary[piece] for piece in list(vocabulary)[5:11]]
    start = model.config.decoder_start_token_id
    with torch.no_grad():
        expected = model(input_ids=sources, decoder_input_ids=torch.tensor([[start, *target]])).logits[0]
        own = ours.tokenizers.target.ids(tokenizer.convert_ids_to_tokens(target))
        source = torch.tensor([ours.tokenizers.source.ids(pieces)])
        output = ours.model(source, source > 0, torch.tensor([[2, *own]]))
        logits = ours.model.projection(output)[0]
    assert logits.std() > 1
    order = [ours.tokenizers.target.ids([piece])[0] for piece in list(vocabulary) if piece != "<pad>"]
    rows = [token for piece, token in vocabulary.items() if piece != "<pad>"]
    assert torch.allclose(logits[:, order], expected[:, rows], atol=1e-5)
    assert torch.allclose(logits[:, 2], expected[:, start], atol=1e-5)


@pytest.mark.parametrize("beams", [1, 4])
def test_translations_are_those_of_transformers(foreign: Path, imported: Path, corpus: Corpus, beams: int) -> None:
    lines = many_lines(corpus, 100)
    options = {"early_stopping": "never", "length_penalty": 0.0, "min_length": 4} if beams > 1 else {}
    expected = generate(foreign, lines, num_beams=beams, do_sample=False, **options)
    search = SearchConfig(
        beam=beams, max_length=LENGTH - 1, length_penalty=0, loop_guard=False, min_length=4 if beams > 1 else 1
    )
    translations = Translator.load(imported, engine="torch", threads=1).translate(lines, search=search)
    # a sentence that does not end may be the best one of transformers
    ended = [
        (line.text, text)
        for line, text in zip(translations, expected, strict=True)
        if len(line.best.tokens) < LENGTH - 8
    ]
    assert len(ended) > 90
    assert [own for own, _ in ended] == [text for _, text in ended]


# ------------------------------------------------------------------------------------------------------------ export


@pytest.fixture(scope="module", params=[True, False])
def trained(request: pytest.FixtureRequest, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights as nmt makes it, without bytes, which transformers may write in any order."""
    directory = tmp_path_factory.mktemp("own") / "model"
    tokenizers = train_tokenizers(corpus.train, TokenizerConfig(vocab_size=150, byte_fallback=False))
    shape = dict(dim=16, feed_forward=24, heads=2, encoder_layers=2, decoder_layers=1, max_length=48, activation="gelu")
    shape["projection_bias"] = request.param
    size = len(tokenizers.source)
    config = ModelConfig(source_vocabulary=size, target_vocabulary=size, shared_vocabulary=True, **shape)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = Transformer(config)
        for parameter in model.parameters():
            parameter.data.mul_(1.5)
        if request.param:
            model.projection.bias.data.normal_()
            model.projection.bias.data[END] = 4  # so that sentences end
    languages = {"languages": {"source": "de", "target": "en"}, "step": 1}
    save_model(directory, config, dict(model.named_parameters()), tokenizers, languages)
    return directory


def test_what_is_exported_and_imported_again_is_the_same(trained: Path, tmp_path: Path) -> None:
    export_marian(open_model(trained), tmp_path / "out")
    config, weights, tokenizers, origin = read_marian(tmp_path / "out")
    before = open_model(trained)
    assert (config, tokenizers) == (before.config, before.tokenizers)
    assert origin["languages"] == {"source": "de", "target": "en"}
    expected = load_file(before.weights)
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_an_imported_model_survives_export_and_import(imported: Path, tmp_path: Path) -> None:
    export_marian(open_model(imported), tmp_path / "out")
    assert "By the authors." in (tmp_path / "out" / "README.md").read_text("utf-8")
    config, weights, tokenizers, origin = read_marian(tmp_path / "out")
    before = open_model(imported)
    assert (config, tokenizers) == (before.config, before.tokenizers)
    assert origin["imported"]["license"] == "cc-by-4.0"
    assert all(torch.equal(weights[name], tensor) for name, tensor in load_file(before.weights).items())


def test_transformers_translates_an_export_as_nmt_does(trained: Path, corpus: Corpus, tmp_path: Path) -> None:
    export_marian(open_model(trained), tmp_path / "out")
    lines = many_lines(corpus, 100)
    expected = generate(tmp_path / "out", lines, num_beams=1, do_sample=False)
    search = SearchConfig(beam=1, max_length=LENGTH - 1, loop_guard=False, min_length=1)
    translations = Translator.load(trained, engine="torch", threads=1).translate(lines, search=search)
    pairs = [(line.text, text) for line, text in zip(translations, expected, strict=True) if not line.best.truncated]
    assert len(pairs) > 50 or not open_model(trained).config.projection_bias
    assert [own for own, _ in pairs] == [text for _, text in pairs]


def test_the_command_compares_its_export_where_transformers_is_installed(
    command: Program, trained: Path, corpus: Corpus, tmp_path: Path
) -> None:
    options = ["--model", trained, "--output", tmp_path / "out", "--sample", corpus.valid[0]]
    done = command("export", "transformers", *options)
    assert done.returncode == 0, done.stderr
    assert ("both engines translate" in done.stderr) == bool(find_spec("transformers"))


def test_ctranslate2s_own_converter_reads_an_export(imported: Path, corpus: Corpus, tmp_path: Path) -> None:
    """Of a model whose sentences begin with a zero embedding, as those of Marian do: it knows no others."""
    ctranslate2 = pytest.importorskip("ctranslate2")
    pytest.importorskip("transformers")
    export_marian(open_model(imported), tmp_path / "out")
    ctranslate2.converters.TransformersConverter(str(tmp_path / "out")).convert(str(tmp_path / "converted"))
    lines, tokenizers = many_lines(corpus, 100), open_model(imported).tokenizers
    engine = ctranslate2.Translator(str(tmp_path / "converted"))
    rows = [[*pieces, "</s>"] for pieces in tokenizers.source.encode_pieces(lines)]
    limits = {"max_decoding_length": 30, "min_decoding_length": 0}
    results = engine.translate_batch(rows, beam_size=4, length_penalty=1, num_hypotheses=4, **limits)
    search = SearchConfig(beam=4, max_length=30, loop_guard=False, min_length=1)
    ours = Translator.load(imported, engine="ctranslate2", threads=1).translate(lines, search=search)
    assert [line.text for line in ours] == [tokenizers.target.decode_pieces(result.hypotheses[0]) for result in results]


# ---------------------------------------------------------------------------------------------------------- commands


def test_an_imported_model_translates_is_evaluated_and_fine_tuned(
    command: Program, foreign: Path, corpus: Corpus, run_copy: Path, tmp_path: Path
) -> None:
    model, run = tmp_path / "model", tmp_path / "mine"
    done = command("import", foreign, "--output", model)
    assert done.returncode == 0, done.stderr
    assert "licence: cc-by-4.0" in done.stderr
    assert command("import", foreign, "--output", model).returncode == 0  # an older import is replaced
    shutil.copytree(run_copy / "model", tmp_path / "trained")
    done = command("import", foreign, "--output", tmp_path / "trained")
    assert (done.returncode, "something else is there" in done.stderr) == (1, True)
    source = "".join(f"{line}\n" for line in LINES).encode()
    for engine in ("torch", "ctranslate2"):
        done = command("translate", "--model", model, "--engine", engine, "--max-length", 20, stdin=source)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(b"\n") == len(LINES)
    assert command("translate", "--model", model, "--tag", "en", stdin=b"ich\n").stderr == ""
    assert (
        command("prepare", *corpus.train, "--valid", *corpus.valid, "--run", run, "--tokenizer", model).returncode == 0
    )
    settings = ["--steps", 2, "--batch-tokens", 256, "--average", 1, "--valid-beam", 1]
    done = command("train", "--run", run, "--init-from", model, *settings)
    assert done.returncode == 0, done.stderr
    assert open_model(run / "model").config.activation == open_model(model).config.activation
    assert open_model(run / "model").provenance["imported"]["license"] == "cc-by-4.0"
    done = command("export", "transformers", "--run", run, "--output", tmp_path / "exported")
    assert done.returncode == 0, done.stderr
    assert "By the authors." in (tmp_path / "exported" / "README.md").read_text("utf-8")
    done = command("export", "ctranslate2", "--run", run, "--output", tmp_path / "exported2")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"model_type": "bart"}, "a model of type 'bart'"),
        ({"scale_embedding": False}, "scale_embedding False"),
        ({"normalize_before": True}, "normalize_before True"),
        ({"decoder_attention_heads": 1}, "heads of encoder and decoder"),
        ({"activation_function": "tanh"}, "--activation tanh"),
        ({"d_model": "x"}, "d_model: unexpected value"),
        ({"pad_token_id": 10**9}, "are not the tokens of config.json"),
        ({"eos_token_id": 5}, "are not the tokens of config.json"),
        ({"vocab_size": 10**18}, "but vocab_size is 1000000000000000000"),
        ({"encoder_layers": 1}, "such as model.encoder.layers.1"),
        ({"dropout": 5}, "config.json: nmt has no such models: --dropout 5"),
        ({"encoder_layers": 3}, "a tensor is missing"),
        ({"d_model": 64}, "has another shape"),
    ],
)
def test_what_nmt_cannot_compute_is_refused(exported: Path, changes: dict[str, Any], problem: str) -> None:
    config = json.loads((exported / "config.json").read_text("utf-8"))
    (exported / "config.json").write_text(json.dumps({**config, **changes}), "utf-8")
    with pytest.raises(NmtError, match=problem):
        read_marian(exported)


@pytest.fixture
def exported(trained: Path, tmp_path: Path) -> Path:
    export_marian(open_model(trained), tmp_path / "out")
    return tmp_path / "out"


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.json", "source.spm", "target.spm"])
def test_files_that_are_missing_or_damaged_are_one_message(exported: Path, name: str) -> None:
    content = (exported / name).read_bytes()
    random.seed(name)
    for kind in ("missing", "empty", "half", *["changed"] * 20):
        damaged = {"missing": b"", "empty": b"", "half": content[: len(content) // 2]}.get(kind)
        if damaged is None:
            place = random.randrange(min(len(content), 4000))
            damaged = content[:place] + bytes([random.randrange(256)]) + content[place + 1 :]
        (exported / name).write_bytes(damaged)
        if kind == "missing":
            (exported / name).unlink()
        try:
            read_marian(exported)
        except NmtError as error:
            assert "\n" not in error.problem
        else:
            assert kind == "changed"


def test_pickles_are_refused_with_the_way_to_convert_them(exported: Path) -> None:
    (exported / "model.safetensors").rename(exported / "pytorch_model.bin")
    with pytest.raises(NmtError, match="a pickle, which can run any code") as caught:
        read_marian(exported)
    assert "save_pretrained" in caught.value.hint
    for name in ("checkpoint_best.pt", "model.npz"):
        (exported / name).write_bytes(b"")
        with pytest.raises(NmtError, match="not a directory with a MarianMT model"):
            read_marian(exported / name)


@pytest.mark.parametrize(("option", "reason"), [({"norm": "pre"}, "pre-norm"), ({"tied": False}, "of its own")])
def test_models_that_marian_cannot_express_are_refused(
    trained: Path, tmp_path: Path, option: dict[str, Any], reason: str
) -> None:
    files = open_model(trained)
    with pytest.raises(NmtError, match=reason):
        export_marian(files._replace(config=replace(files.config, **option)), tmp_path / "x")
    assert not (tmp_path / "x").exists()
