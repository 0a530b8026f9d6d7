"""Packages for Argos Translate: their parts, what argostranslate makes of them, and what LibreTranslate serves."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Program

from nmt import Translator
from nmt.config.search import SearchConfig
from nmt.errors import NmtError, UsageError
from nmt.exchange.argos import export_argos, is_package
from nmt.exchange.sentence_splitter import sentence_splitter
from nmt.model.model_files import open_model

MODEL = ROOT / "tests" / "golden" / "model-0.1"
LINES = (ROOT / "tests" / "golden" / "source.ko").read_text("utf-8").splitlines()
needs_argos = pytest.mark.skipif(not find_spec("argostranslate"), reason="argostranslate is not installed")
needs_libre = pytest.mark.skipif(not find_spec("libretranslate"), reason="libretranslate is not installed")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("argos") / "ko-en.argosmodel"
    export_argos(open_model(MODEL), path, ("ko", "en"), ("Korean", "English"))
    return path


def test_a_package_has_all_that_argos_needs(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        folder = "translate-ko_en-1_0"
        files = {name.removeprefix(f"{folder}/") for name in archive.namelist()}
        metadata = json.loads(archive.read(f"{folder}/metadata.json"))
        sentencepiece = archive.read(f"{folder}/sentencepiece.model")
    assert files >= {"model/model.bin", "model/config.json", "model/shared_vocabulary.json", "README.md"}
    assert "minisbd/ko.onnx" in files
    assert sentencepiece == (MODEL / "tokenizer.model").read_bytes()
    assert [metadata[key] for key in ("from_code", "from_name", "to_code", "to_name")] == [
        "ko",
        "Korean",
        "en",
        "English",
    ]


def test_equal_models_give_equal_packages(package: Path, tmp_path: Path) -> None:
    export_argos(open_model(MODEL), tmp_path / "again.argosmodel", ("ko", "en"), ("Korean", "English"))
    assert (tmp_path / "again.argosmodel").read_bytes() == package.read_bytes()


def test_only_a_package_is_replaced(package: Path, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(NmtError, match="something else is there"):
        export_argos(open_model(MODEL), path, ("ko", "en"))
    shutil.copy(package, tmp_path / "old.argosmodel")
    assert is_package(tmp_path / "old.argosmodel")
    export_argos(open_model(MODEL), tmp_path / "old.argosmodel", ("ko", "en"))


def test_languages_must_be_known(command: Program, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not say its languages"):
        export_argos(open_model(MODEL)._replace(provenance={}), tmp_path / "x")
    options = ["--source-language", "ko", "--target-language", "en"]
    done = command("export", "argos", "--model", MODEL, "--output", tmp_path / "y", *options)
    assert done.returncode == 0, done.stderr
    assert is_package(tmp_path / "y")


@pytest.mark.parametrize("languages", [("../x", "de"), ("en", "en"), ("a\nb", "de"), ("german", "en")])
def test_languages_must_be_codes(tmp_path: Path, languages: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match="are not two language codes"):
        export_argos(open_model(MODEL), tmp_path / "x", languages)


# ------------------------------------------------------------------------------------------------- sentence splitter

SENTENCES = [
    ("de", "Er kam am 3. Mai. |Dann ging er (früh.) |Ende"),
    ("en", "It was 1990. |We left. |He said “no.” |Why? |Visit www.test.org now!"),
    ("en", "it costs 3.5 m. and more"),
    ("zh", "他走了。|她留下了！|为什么？"),
    ("ko", "네. |갔어요. |응"),
    ("hi", "वह गया। |वह सो गई।"),
]


@pytest.mark.parametrize(("language", "text"), SENTENCES)
def test_the_splitter_ends_sentences(language: str, text: str, tmp_path: Path) -> None:
    minisbd = pytest.importorskip("minisbd")
    (tmp_path / "model.onnx").write_bytes(sentence_splitter(language))
    detector = minisbd.SBDetect(str(tmp_path / "model.onnx"), use_gpu=False)
    assert detector.sentences(text.replace("|", "")) == [part.strip() for part in text.split("|")]


# --------------------------------------------------------------------------------------------------- other software


@pytest.fixture(scope="module")
def home(package: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a user with the package installed, offline, and with greedy search."""
    folder = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    environment |= {
        "XDG_CACHE_HOME": str(folder),
        "PYTHONPATH": "",
        "ARGOS_CHUNK_TYPE": "MINISBD",
        "ARGOS_BEAM_SIZE": "1",
    }
    back = folder / "en-ko.argosmodel"  # with two packages, LibreTranslate does not look for more at its start
    export_argos(open_model(MODEL), back, ("en", "ko"))
    install = "import sys; from argostranslate import package; list(map(package.install_from_path, sys.argv[1:]))"
    subprocess.run([sys.executable, "-c", install, package, back], env=environment, check=True, timeout=120)
    return environment


USE = """
import json, sys
from argostranslate import translate
languages = {language.code: language for language in translate.get_installed_languages()}
print(json.dumps([languages["ko"].get_translation(languages["en"]).translate(line) for line in json.load(sys.stdin)]))
"""


@needs_argos
def test_argos_translates_as_nmt_does(home: dict[str, str]) -> None:
    lines = [line for line in LINES if line.strip()]
    done = subprocess.run(
        [sys.executable, "-c", USE],
        input=json.dumps(lines),
        env=home,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    search = SearchConfig(beam=1, shortlist=False, split_sentences=True, loop_guard=False)
    translator = Translator.load(MODEL, engine="ctranslate2", precision="int8", threads=1)
    ours = [line.text.replace("_", " ") for line in translator.translate(lines, search=search)]
    theirs = json.loads(done.stdout.splitlines()[-1])
    assert (
        sum(own == their for own, their in zip(ours, theirs, strict=True)) >= len(lines) - 1
    )  # one repeats itself without end


@pytest.fixture
def server(home: dict[str, str]) -> Iterator[str]:
    """LibreTranslate on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, start = f"http://127.0.0.1:{port}", "from libretranslate.main import main; main()"
    options = ["--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-c", start, *options], env=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(120):
            time.sleep(0.5)
            try:
                urllib.request.urlopen(f"{address}/languages", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


@needs_libre
def test_libretranslate_serves_a_package(server: str, tmp_path: Path) -> None:
    def post(path: str, content: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{server}/{path}", json.dumps(content).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    text = post("translate", {"q": LINES[0], "source": "ko", "target": "en"})["translatedText"]
    search = SearchConfig(beam=1, shortlist=False, loop_guard=False)
    translator = Translator.load(MODEL, engine="ctranslate2", precision="int8", threads=1)
    assert text == translator.translate([LINES[0]], search=search)[0].text.replace("_", " ")
    if browser := shutil.which("chromium"):
        options = "--headless --no-sandbox --disable-gpu --disable-background-networking --virtual-time-budget=8000"
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        page = subprocess.run(
            [browser, *options.split(), profile, "--dump-dom", f"{server}/"],
            capture_output=True,
            timeout=90,
            check=True,
        ).stdout.decode()
        assert '<option value="ko">Korean</option>' in page or 'value="ko"' in page
        assert 'value="en"' in page
