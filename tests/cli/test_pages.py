"""The pages of `nmt attention --html` and `nmt report --html`: self-contained, and working in a real browser."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Program

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = "</script><b> & @DATA@ @SCRIPT@ <!-- ש"


@pytest.fixture(scope="module")
def page() -> Iterator[Callable[..., Any]]:
    """`page(path, **context)` opens a file in Chromium; errors and requests are collected in its `problems`."""
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install 'nmt[browser]'")
    if CHROMIUM is None:
        pytest.skip("no Chromium here")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])

        def opened(path: Path, **context: Any) -> Any:
            tab = browser.new_context(viewport={"width": 1000, "height": 800}, **context).new_page()
            tab.problems = []
            tab.on("console", lambda message: tab.problems.append(message.text))
            tab.on("pageerror", lambda error: tab.problems.append(str(error)))
            tab.on(
                "request",
                lambda request: None if request.url.startswith("file:") else tab.problems.append(request.url),
            )
            tab.goto(path.as_uri())
            return tab

        yield opened
        browser.close()


@pytest.fixture
def attention(command: Program, run: Path, tmp_path: Path) -> Callable[[str, str], Path]:
    def write(source: str, target: str) -> Path:
        done = command("attention", source, "--target", target, "--html", tmp_path / "page.html", "--run", run)
        assert (done.returncode, done.stdout) == (0, b"")
        return tmp_path / "page.html"

    return write


@pytest.fixture
def report(command: Program, run: Path, tmp_path: Path) -> Path:
    """A page of two runs with invented logs."""
    shutil.copytree(run, tmp_path / "one")
    shutil.copytree(run, tmp_path / "two")
    lines = [{"kind": "start", "step": 0, "device": "abacus", "threads": 2, "processes": 1, "precision": "float32"}]
    for step in range(10, 60, 10):
        numbers = {
            "step": step,
            "seconds": step * 3.0,
            "learning_rate": 1e-3,
            "gradient_norm": 1.0,
            "tokens_per_second": 500.0,
        }
        lines.append({"kind": "train", "loss": 90 / step, "perplexity": 1e4 / step, **numbers})
        sample = {"source": HOSTILE, "reference": "고양이", "translation": f"translation {step}"}
        scores = {"loss": 80 / step, "perplexity": None, "bleu": step / 2, "chrf": step * 1.5}
        lines.append({"kind": "valid", "step": step, "seconds": step * 3.0, **scores, "samples": [sample]})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "two" / "metrics.jsonl").write_text(text + '{"kind": "train", "step": 60, "lo', "utf-8")
    (tmp_path / "one" / "metrics.jsonl").write_text(text.replace("translation", "word"), "utf-8")
    target = (run / "data" / "test.target").read_text("utf-8")
    for name, translation in (("one", target), ("two", target.replace("dog", "cat"))):
        (tmp_path / name / "eval").mkdir(exist_ok=True)
        (tmp_path / name / "eval" / "test.translation").write_text(translation, "utf-8")
    done = command("report", tmp_path / "one", tmp_path / "two", "--html", tmp_path / "report.html")
    assert (done.returncode, done.stdout) == (0, b"")
    return tmp_path / "report.html"


def self_contained(path: Path) -> Any:
    """The data of a page that was checked to load nothing, and to have no script that text could end."""
    content = path.read_text("utf-8")
    assert content.count("<script") == content.count("</script>") == 2
    assert not re.search(r"""\b(src|href)\s*=|url\(|@import|https?://(?!www\.w3\.org/2000/svg")""", content)
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', content, re.DOTALL)
    assert data
    return json.loads(data[1])


def test_the_attention_page_is_self_contained_and_cannot_be_broken_by_text(
    attention: Callable[[str, str], Path],
) -> None:
    page = attention(HOSTILE.replace("@", "a"), "I see")
    data = self_contained(page)
    assert set(data["maps"]) == {"cross", "encoder", "decoder"}
    assert data["source"] == HOSTILE.replace("@", "a")
    placeholders = self_contained(attention("@DATA@", "@BODY@"))
    assert (placeholders["source"], placeholders["target"]) == ("@DATA@", "@BODY@")
    assert placeholders["maps"]["cross"]["keys"] == ["@DATA@", "</s>"]  # the word, although it is spelled as bytes


def test_buttons_select_the_map(page: Any, attention: Callable[[str, str], Path]) -> None:
    shown = page(attention("ich sehe den Hund", "I see the dog"))
    assert shown.locator("#source").inner_text() == "ich sehe den Hund"
    assert shown.locator("#map tr").count() == 1 + 5  # a row for each output word, and </s>
    assert "from the translation to the source" in shown.locator("#caption").inner_text()
    before = shown.locator("#map").inner_text()
    shown.get_by_role("button", name="head 2").click()
    assert shown.locator("#map").inner_text() != before
    shown.get_by_role("button", name="encoder").click()
    assert "of the source to itself" in shown.locator("#caption").inner_text()
    assert shown.locator("#map th.query").all_inner_texts() == ["ich", "sehe", "den", "Hund", "</s>"]
    shown.locator("#grid figure").nth(0).click()
    assert shown.get_by_role("button", name="head 1").get_attribute("aria-pressed") == "true"
    assert shown.problems == []


def test_a_word_under_the_pointer_highlights_the_keys_that_it_attends_to(
    page: Any, attention: Callable[[str, str], Path]
) -> None:
    shown = page(attention("ich sehe den Hund", "I see the dog"))
    assert shown.locator("th.key.seen").count() == 0
    shown.locator("#map th.query").nth(1).hover()
    assert shown.locator("th.key.seen").count() == 5
    assert shown.locator("th.lit").all_inner_texts() == ["see"]


def test_right_to_left_and_korean_words_are_shown_as_they_are(page: Any, attention: Callable[[str, str], Path]) -> None:
    shown = page(attention("הכלב ישן", "고양이가 자요"))
    assert shown.locator("#source").evaluate("node => getComputedStyle(node).direction") == "rtl"
    assert shown.locator("#target").inner_text() == "고양이가 자요"
    assert shown.problems == []


def test_pages_follow_the_light_or_dark_scheme_of_the_system(
    page: Any, attention: Callable[[str, str], Path], report: Path
) -> None:
    for path in (attention("ich sehe", "I see"), report):
        colors = [
            page(path, color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
            for scheme in ("light", "dark")
        ]
        assert colors == ["rgb(255, 255, 255)", "rgb(20, 24, 29)"]


def test_the_report_is_self_contained(report: Path) -> None:
    runs = self_contained(report)["runs"]
    assert [run["name"] for run in runs] == ["one", "two"]
    assert [len(runs[1][kind]) for kind in ("start", "train", "valid")] == [1, 5, 5]
    assert [score["value"] for score in runs[0]["scores"]] == [pytest.approx(100), pytest.approx(100)]
    assert [score["p_value"] is not None for run in runs for score in run["scores"]] == [False, False, True, True]


def test_the_report_draws_runs_side_by_side(page: Any, report: Path) -> None:
    shown = page(report)
    assert shown.locator("#charts figure").count() >= 6
    titles = [text.strip() for text in shown.locator("#charts figcaption").all_inner_texts()]
    assert {"loss", "BLEU", "gradient norm (logarithmic)"} <= set(titles)
    assert shown.locator("#samples").inner_text().count("translation ") == 5  # the other run has none
    assert HOSTILE in shown.locator("#samples").inner_text()
    paths = shown.locator("#charts path").count()
    shown.get_by_role("button", name="two").click()
    assert 0 < shown.locator("#charts path").count() < paths
    shown.get_by_role("button", name="two").click()
    assert shown.locator("#charts path").count() == paths
    shown.get_by_role("button", name="minutes").click()
    assert shown.get_by_role("button", name="minutes").get_attribute("aria-pressed") == "true"
    shown.locator("#charts svg").first.hover()
    assert re.match(r"minutes [\d.]+:", shown.locator("#charts output").first.inner_text())
    shown.locator("summary").click()
    assert "decoder_layers" in shown.locator("#all-settings").inner_text()
    assert shown.problems == []
