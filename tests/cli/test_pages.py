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
            viewport = {"width": context.pop("width", 1000), "height": 800}
            tab = browser.new_context(viewport=viewport, **context).new_page()
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


@pytest.fixture
def unequal(command: Program, run: Path, tmp_path: Path) -> Path:
    """A page of a run of 2,000 steps and one of 200,000 with a long name, whose curves hardly move."""
    for name, last in (("short", 2_000), ("a-run-with-a-name-as-long-as-people-give-to-experiments", 200_000)):
        shutil.copytree(run, tmp_path / name)
        lines = [{"kind": "start", "step": 0, "device": "an abacus of a very long make", "threads": 2, "processes": 1}]
        lines[0] |= {"precision": "float32", "time": "2031-02-03T04:05:06+00:00"}
        for step in range(last // 20, last + 1, last // 20):
            numbers = {"step": step, "seconds": step / 10, "loss": 3.01 + 0.2 / step, "perplexity": 20 + 9 / step}
            lines.append({"kind": "train", "gradient_norm": 0.71 + 1 / step, "tokens_per_second": 1e4, **numbers})
            lines.append({"kind": "valid", "bleu": 30 + step / last, "chrf": 50.5, **numbers})
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / name / "metrics.jsonl").write_text(text, "utf-8")
    (tmp_path / "short" / "eval").mkdir(exist_ok=True)
    shutil.copy(run / "data" / "test.target", tmp_path / "short" / "eval" / "test.translation")
    runs = sorted(path for path in tmp_path.iterdir() if path.is_dir())
    assert command("report", *runs, "--html", tmp_path / "unequal.html").returncode == 0
    return tmp_path / "unequal.html"


BROKEN_WORDS = """() => [...document.querySelectorAll("th, td.number, h1, h2, button, figcaption")].flatMap(node => {
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT), broken = [];
  while (walker.nextNode()) {
    for (const word of walker.currentNode.textContent.matchAll(/[^\\s-]+/g)) {
      const range = document.createRange();
      range.setStart(walker.currentNode, word.index);
      range.setEnd(walker.currentNode, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map(box => box.top)).size > 1) broken.push(word[0]);
    }
  }
  return broken;
})"""


@pytest.mark.parametrize("width", [420, 1000, 1280])
def test_pages_fit_any_screen_and_break_no_word(
    width: int, page: Any, report: Path, unequal: Path, attention: Callable[[str, str], Path]
) -> None:
    for path in (report, unequal, attention("ich sehe den Hund " * 4, "I see the dog " * 4)):
        shown = page(path, width=width)
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        assert shown.evaluate(BROKEN_WORDS) == []


def test_every_chart_has_several_ticks_and_runs_of_any_length_are_wide(page: Any, unequal: Path) -> None:
    shown = page(unequal)
    for label in ("logarithmic axis", "logarithmic axis", "minutes"):
        for figure in shown.locator("#charts figure").all():
            ticks = figure.locator("text:not(.x)").all_text_contents()
            assert 2 <= len(set(ticks)) == len(ticks) <= 8, figure.inner_text()
            assert 2 <= len(set(figure.locator("text.x").all_text_contents())) <= 8
        shown.get_by_role("button", name=label).click()
    shown = page(unequal)
    assert shown.get_by_role("button", name="logarithmic axis").get_attribute("aria-pressed") == "true"
    width = "node => node.getBBox().width"
    assert min(path.evaluate(width) for path in shown.locator("#charts path.train").all()) > 100
    assert shown.problems == []


def test_titles_name_the_runs_and_the_day(page: Any, unequal: Path, attention: Callable[[str, str], Path]) -> None:
    shown = page(unequal)
    assert "short (2031-02-03)" in shown.title()
    assert shown.locator("h1").inner_text().replace("\u2011", "-") == shown.title()
    shown = page(attention("ich sehe", "I see"))
    made = shown.locator("#made").inner_text()
    assert re.fullmatch(r".+/model, \d{4}-\d\d-\d\d", made)
    assert made in shown.title()


def test_settings_are_shown_in_words(page: Any, report: Path) -> None:
    shown = page(report)
    shown.locator("summary").click()
    cells = shown.locator("#all-settings td").all_inner_texts()
    assert not [cell for cell in cells if re.search(r'["\[\]{}]|null|undefined|true|false', cell)]
    assert {"none", "yes"} <= set(cells)


CONTRAST = """() => {
  const channels = color => color.match(/[\\d.]+/g).map(Number);
  const luminance = color => color.slice(0, 3).map(value => value / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
  const page = channels(getComputedStyle(document.body).backgroundColor);
  return [...document.querySelectorAll("td.seen, th, p, button")].filter(node => node.textContent).map(node => {
    const style = getComputedStyle(node), [r, g, b, alpha = 1] = channels(style.backgroundColor);
    const back = [r, g, b].map((value, i) => alpha * value + (1 - alpha) * page[i]);
    const [dark, light] = [luminance(back), luminance(channels(style.color))].sort((x, y) => x - y);
    return (light + 0.05) / (dark + 0.05);
  });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_numbers_can_be_read_on_their_colors(
    scheme: str, page: Any, report: Path, attention: Callable[[str, str], Path]
) -> None:
    """At least 4.5, as WCAG 2.1 asks for."""
    for path in (attention("ich sehe den großen Hund heute", "I see the big dog today"), report):
        shown = page(path, color_scheme=scheme)
        assert min(shown.evaluate(CONTRAST)) >= 4.45  # weights are rounded


def test_a_run_that_was_interrupted_says_what_is_missing(
    page: Any, command: Program, run: Path, tmp_path: Path
) -> None:
    shutil.copytree(run / "data", tmp_path / "early" / "data")
    line = {"kind": "train", "step": 50, "seconds": 90.0, "loss": 5.0, "perplexity": 90.0, "learning_rate": 1e-3}
    start = {"kind": "start", "step": 0, "device": "abacus", "threads": 2, "processes": 1, "precision": "float32"}
    log = json.dumps(start) + "\n" + json.dumps(line) + '\n{"kind": "tr'
    (tmp_path / "early" / "metrics.jsonl").write_text(log, "utf-8")
    assert command("report", tmp_path / "early", "--html", tmp_path / "early.html").returncode == 0
    shown = page(tmp_path / "early.html", width=420)
    assert "no validation so far" in shown.locator("#samples").inner_text()
    assert "without a model" in shown.locator("#settings").inner_text()
    machine = dict(zip(*(shown.locator(f"#machine {cell}").all_inner_texts() for cell in ("th", "td")), strict=True))
    assert (machine["steps"], machine["minutes"]) == ("50", "1.5")
    assert shown.problems == []
