"""Self-contained HTML pages, which load nothing."""

import html
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from nmt.evaluation.attention_maps import KINDS, AttentionMap, as_json


def attention_page(source: str, target: str, maps: Mapping[str, AttentionMap], model: str) -> str:
    """The attention maps of a sentence pair in a model of this name: all kinds, layers and heads."""
    made = f"{model}, {date.today()}"
    data = {"source": source, "target": target, "made": made, "maps": as_json(maps), "kinds": KINDS}
    return _page("attention", f"Attention: {source} ({made})", data)


def report_page(runs: Sequence[Mapping[str, Any]]) -> str:
    """One run, or several side by side, as `nmt.runs.report` describes them."""
    days = [str(run["start"][-1].get("time", ""))[:10] if run["start"] else "" for run in runs]
    names = (f"{run['name']} ({day})" if day else str(run["name"]) for run, day in zip(runs, days, strict=True))
    return _page("report", f"Training: {', '.join(names)}", {"runs": runs})


def is_page(path: Path) -> bool:
    """Whether there is such a page."""
    return path.is_file() and b'<meta name="generator" content="nmt">' in path.read_bytes()[:200]


def _page(name: str, title: str, data: object) -> str:
    """Fill the template with the body, style and script of this name, and the data that the script draws."""
    parts = {
        "TITLE": html.escape(title),
        "STYLE": _read("page.css") + _read(f"{name}.css"),
        "BODY": _read(f"{name}.html"),
        "DATA": json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c"),
        "SCRIPT": _read(f"{name}.js"),
    }
    page = re.sub("@([A-Z]+)@", lambda place: parts[place[1]], _read("page.html"))
    return page.encode("utf-8", "replace").decode("utf-8")  # an argument may hold lone surrogates


def _read(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
