"""Pages that stand alone: all they need is in one file of HTML, and nothing is fetched."""

import html
import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from nmt.evaluation.attention_maps import KINDS, AttentionMap, as_json


def attention_page(source: str, target: str, maps: Mapping[str, AttentionMap]) -> str:
    """A page with the maps of all kinds, layers and heads of a sentence pair."""
    data = {"source": source, "target": target, "maps": as_json(maps), "kinds": KINDS}
    return _page("attention", f"Attention: {source}", data)


def report_page(runs: Sequence[Mapping[str, Any]]) -> str:
    """A page about one run, or several side by side, as `nmt.training.report` describes them."""
    return _page("report", "Training: " + ", ".join(str(run["name"]) for run in runs), {"runs": runs})


def _page(name: str, title: str, data: object) -> str:
    """The body, style and script of this name, around the data that the script draws."""
    content = json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    parts = {
        "TITLE": html.escape(title),
        "STYLE": _read("page.css") + _read(f"{name}.css"),
        "BODY": _read(f"{name}.html"),
        "DATA": content,
        "SCRIPT": _read(f"{name}.js"),
    }
    page = re.sub("@([A-Z]+)@", lambda place: parts[place[1]], _read("page.html"))
    return page.encode("utf-8", "replace").decode("utf-8")  # half characters, which an argument may have


def _read(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
