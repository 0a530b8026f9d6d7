"""Pages that stand alone: all they need is in one file of HTML, and nothing is fetched."""

import html
import json
from collections.abc import Mapping

from nmt.evaluation.attention_maps import KINDS, AttentionMap, as_json

_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Attention: @TITLE@</title>
<style>
:root { color-scheme: light dark; --back: #fff; --ink: #1c2024; --dim: #6a737d; --line: #d0d7de; --mark: 9, 105, 218; }
@media (prefers-color-scheme: dark) {
  :root { --back: #14181d; --ink: #e6edf3; --dim: #8d96a0; --line: #30363d; --mark: 88, 166, 255; }
}
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; background: var(--back); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.2rem; } h2 { font-size: 1rem; margin: 2rem 0 .5rem; } p { color: var(--dim); }
button { font: inherit; color: inherit; background: none; border: 1px solid var(--line); border-radius: 6px;
  padding: .15rem .6rem; margin: .1rem; cursor: pointer; }
button[aria-pressed=true] { background: rgb(var(--mark)); border-color: transparent; color: var(--back); }
table { border-collapse: collapse; margin: 1rem 0; }
th { font-weight: normal; padding: .15rem .5rem; white-space: nowrap; }
th.key { vertical-align: bottom; writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; }
td { width: 2.4rem; min-width: 2.4rem; height: 1.9rem; text-align: center; font-size: .75rem;
  border: 1px solid var(--line); }
.seen { background: rgba(var(--mark), var(--share)); border-radius: 3px; }
.lit { outline: 2px solid rgb(var(--mark)); }
.grid { display: flex; flex-wrap: wrap; gap: .6rem; }
figure { margin: 0; cursor: pointer; } figcaption { color: var(--dim); font-size: .75rem; }
canvas { width: 7rem; image-rendering: pixelated; border: 1px solid var(--line); display: block; }
</style>
<h1>What the model attends to</h1>
<p dir="auto">@SOURCE@</p>
<p dir="auto">@TARGET@</p>
<div id="kinds" role="group" aria-label="kind of attention"></div>
<div id="layers" role="group" aria-label="layer"></div>
<div id="heads" role="group" aria-label="head"></div>
<p id="caption"></p>
<div style="overflow-x: auto"><table id="map"></table></div>
<h2>All heads of all layers</h2>
<div class="grid" id="grid"></div>
<script type="application/json" id="data">@DATA@</script>
<script>
"use strict";
const { maps, kinds } = JSON.parse(document.getElementById("data").textContent);
const state = { kind: "cross", layer: maps.cross.weights.length - 1, head: -1 };
const $ = id => document.getElementById(id);

function mean(layer) {
  return layer[0].map((row, i) => row.map((_, j) => layer.reduce((sum, head) => sum + head[i][j], 0) / layer.length));
}

function buttons(id, names, values, key) {
  $(id).replaceChildren(...names.map((name, i) => {
    const button = document.createElement("button");
    button.textContent = name;
    button.setAttribute("aria-pressed", state[key] === values[i]);
    button.onclick = () => { state[key] = values[i]; draw(); };
    return button;
  }));
}

function header(text, name) {
  const cell = document.createElement("th");
  cell.textContent = text;
  cell.className = name;
  cell.dir = "auto";
  return cell;
}

function drawMap(map, weights) {
  const table = $("map"), top = document.createElement("tr");
  const keys = map.keys.map(key => header(key, "key"));
  top.append(header("", ""), ...keys);
  const rows = map.queries.map((query, i) => {
    const row = document.createElement("tr"), name = header(query, "query");
    const cells = weights[i].map(share => {
      const cell = document.createElement("td");
      cell.className = "seen";
      cell.style.setProperty("--share", share.toFixed(3));
      cell.textContent = share >= 0.005 ? Math.round(100 * share) : "";
      cell.title = (100 * share).toFixed(1) + " %";
      return cell;
    });
    row.append(name, ...cells);
    row.onmouseenter = () => {
      name.classList.add("lit");
      keys.forEach((key, j) => { key.classList.add("seen"); key.style.setProperty("--share", weights[i][j]); });
    };
    row.onmouseleave = () => {
      name.classList.remove("lit");
      keys.forEach(key => key.classList.remove("seen"));
    };
    return row;
  });
  table.replaceChildren(top, ...rows);
}

function drawGrid(map) {
  const mark = getComputedStyle(document.documentElement).getPropertyValue("--mark");
  $("grid").replaceChildren(...map.weights.flatMap((layer, l) => layer.map((head, h) => {
    const figure = document.createElement("figure"), canvas = document.createElement("canvas");
    const caption = document.createElement("figcaption"), paint = canvas.getContext("2d");
    canvas.width = map.keys.length;
    canvas.height = map.queries.length;
    head.forEach((row, i) => row.forEach((share, j) => {
      paint.fillStyle = `rgba(${mark}, ${share})`;
      paint.fillRect(j, i, 1, 1);
    }));
    caption.textContent = `layer ${l + 1}, head ${h + 1}`;
    figure.onclick = () => { state.layer = l; state.head = h; draw(); scrollTo(0, 0); };
    figure.append(canvas, caption);
    return figure;
  })));
}

function draw() {
  const map = maps[state.kind];
  state.layer = Math.min(state.layer, map.weights.length - 1);
  const layer = map.weights[state.layer];
  state.head = Math.min(state.head, layer.length - 1);
  buttons("kinds", Object.keys(maps), Object.keys(maps), "kind");
  buttons("layers", map.weights.map((_, i) => `layer ${i + 1}`), map.weights.map((_, i) => i), "layer");
  buttons("heads", ["mean", ...layer.map((_, i) => `head ${i + 1}`)], [-1, ...layer.map((_, i) => i)], "head");
  $("caption").textContent = `Attention ${kinds[state.kind]}: each row spreads 100 % over the columns.`;
  drawMap(map, state.head < 0 ? mean(layer) : layer[state.head]);
  drawGrid(map);
}
draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
</script>
</html>
"""


def attention_page(source: str, target: str, maps: Mapping[str, AttentionMap]) -> str:
    """A page with the maps of all kinds, layers and heads of a sentence pair."""
    data = json.dumps({"maps": as_json(maps), "kinds": KINDS}, ensure_ascii=False).replace("<", "\\u003c")
    places = {"TITLE": source, "SOURCE": source, "TARGET": target}
    page = _PAGE
    for name, text in places.items():
        page = page.replace(f"@{name}@", html.escape(text).replace("@", "&#64;"))
    return page.replace("@DATA@", data)
