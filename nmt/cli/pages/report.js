// Runs side by side: charts of their logs, which show values under the pointer, and tables of all that was kept of them.

const { runs } = JSON.parse($("data").textContent);
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#b2a300", "#888888"];  // Okabe & Ito
const shown = new Set(runs.keys());
let axis = "step";

const CHARTS = [
  { title: "loss", train: "loss", valid: "loss" },
  { title: "perplexity", train: "perplexity", valid: "perplexity", logarithmic: true },
  { title: "BLEU", valid: "bleu" },
  { title: "chrF", valid: "chrf" },
  { title: "learning rate", train: "rate" },
  { title: "gradient norm", train: "gradient_norm", logarithmic: true },
  { title: "tokens a second", train: "tokens_per_second" },
  { title: "share of the matrix rate", train: "utilisation" },
  { title: "memory in MB", train: "memory_mb" },
];
const AXES = { step: line => line.step, minutes: line => line.seconds == null ? null : line.seconds / 60 };

const colour = place => COLOURS[place % COLOURS.length];

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function drawn(name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function short(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return Math.abs(value) < 0.01 && value !== 0 ? value.toExponential(1) : String(+value.toPrecision(4));
}

function swatch(place) {
  const dot = element("span", { className: "swatch" });
  dot.style.background = colour(place);
  return dot;
}

// ------------------------------------------------------------------------------------------------------------- charts

function lines(chart) {
  const found = [];
  for (const place of shown) {
    for (const kind of ["train", "valid"]) {
      const points = chart[kind] === undefined ? [] : runs[place][kind]
        .map(line => [AXES[axis](line), line[chart[kind]]])
        .filter(([x, y]) => x != null && y != null && (!chart.logarithmic || y > 0));
      if (points.length) found.push({ place, kind, points });
    }
  }
  return found;
}

function ticks(low, high, logarithmic) {
  if (logarithmic) {
    const found = [];
    for (let power = Math.ceil(Math.log10(low)); 10 ** power <= high; power++) found.push(10 ** power);
    return found.length > 1 ? found : [low, Math.sqrt(low * high), high];
  }
  const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(one => one * power).find(one => one >= rough);
  const found = [];
  for (let count = Math.ceil(low / step); count * step <= high * (1 + 1e-9); count++) found.push(count * step);
  return found;
}

function drawChart(chart) {
  const all = lines(chart);
  if (!all.length) return [];
  const width = 340, height = 190, left = 46, bottom = 22, top = 8;
  const xs = all.flatMap(line => line.points.map(point => point[0]));
  const ys = all.flatMap(line => line.points.map(point => point[1]));
  const extent = values => values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Infinity, -Infinity]);
  const [firstX, lastX] = extent(xs);
  let [low, high] = extent(ys);
  if (low === high) [low, high] = [low - Math.abs(low) / 2 - 1e-9, high + Math.abs(high) / 2 + 1e-9];
  const scale = chart.logarithmic ? Math.log : value => value;
  const x = value => left + (width - left - 6) * (lastX > firstX ? (value - firstX) / (lastX - firstX) : 0.5);
  const y = value => top + (height - top - bottom) * (1 - (scale(value) - scale(low)) / (scale(high) - scale(low)));
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": chart.title });
  for (const value of ticks(low, high, chart.logarithmic)) {
    svg.append(drawn("line", { class: "rule", x1: left, x2: width, y1: y(value), y2: y(value) }));
    svg.append(drawn("text", { x: left - 5, y: y(value) + 4, "text-anchor": "end" }, short(value)));
  }
  for (const [value, anchor] of [[firstX, "start"], [lastX, "end"]]) {
    svg.append(drawn("text", { x: x(value), y: height - 4, "text-anchor": anchor }, short(value)));
  }
  for (const { place, kind, points } of all) {
    const path = points.map(([px, py], i) => `${i ? "L" : "M"}${x(px).toFixed(1)},${y(py).toFixed(1)}`).join("");
    svg.append(drawn("path", { d: path, stroke: colour(place), class: kind }));
    if (kind === "valid") {
      svg.append(...points.map(([px, py]) => drawn("circle", { cx: x(px), cy: y(py), r: 2.2, fill: colour(place) })));
    }
  }
  const output = element("output");
  svg.append(drawn("line", { class: "cursor", y1: top, y2: height - bottom, visibility: "hidden" }));
  svg.onpointermove = event => {
    const box = svg.getBoundingClientRect(), at = (event.clientX - box.left) * width / box.width;
    const value = firstX + (at - left) / (width - left - 6) * (lastX - firstX);
    const near = all.map(line => line.points.reduce((best, point) =>
      Math.abs(point[0] - value) < Math.abs(best[0] - value) ? point : best));
    const cursor = svg.querySelector(".cursor"), where = x(near[0][0]);
    for (const side of ["x1", "x2"]) cursor.setAttribute(side, where);
    cursor.setAttribute("visibility", "visible");
    const told = near.map((point, i) => {
      const value = element("span", {}, `${all[i].kind === "valid" ? " ◦ " : " "}${short(point[1])}`);
      value.style.color = colour(all[i].place);
      return value;
    });
    output.replaceChildren(`${axis} ${short(near[0][0])}:`, ...told);
  };
  svg.onpointerleave = () => {
    svg.querySelector(".cursor").setAttribute("visibility", "hidden");
    output.replaceChildren();
  };
  return [element("figure", {}, element("figcaption", {}, chart.title + (chart.logarithmic ? " (logarithmic)" : ""), output), svg)];
}

// ------------------------------------------------------------------------------------------------------------- tables

function fill(id, head, rows) {
  const cell = (name, value) => {
    const made = element(name, { dir: "auto" }, value instanceof Node ? value : short(value));
    if (typeof value === "number") made.className = "number";
    return made;
  };
  const top = element("tr", {}, ...head.map(name => cell("th", name)));
  $(id).replaceChildren(top, ...rows.map(row => element("tr", {}, ...row.map(value => cell("td", value)))));
}

function named(place) {
  return element("span", {}, swatch(place), runs[place].name);
}

function drawScores() {
  const names = [...new Set(runs.flatMap(run => run.scores.map(score => score.name)))];
  const rows = [...shown].map(place => {
    const run = runs[place], search = run.evaluation ? run.evaluation.search : {};
    const cells = names.map(name => {
      const score = run.scores.find(one => one.name === name);
      if (!score) return "";
      const certain = score.p_value === null ? "" : `, p ${score.p_value.toFixed(4)}${score.p_value < 0.05 ? " *" : ""}`;
      return `${score.value.toFixed(2)}${score.interval === null ? "" : ` ± ${score.interval.toFixed(2)}`}${certain}`;
    });
    const how = run.evaluation === null ? (run.scores.length ? "" : "not evaluated: nmt eval translates the test set")
      : `beam ${search.beam}, length penalty ${search.length_penalty}` +
        (run.evaluation.of_this_model ? "" : "; by another model than the run has now");
    return [named(place), ...cells, how];
  });
  fill("scores", ["run", ...names, "translated with"], rows);
  const signatures = new Set(runs.flatMap(run => run.scores.map(score => `${score.name}: ${score.signature}`)));
  $("signatures").textContent = [...signatures].join("; ") + (runs.length > 1 && signatures.size
    ? "; p: how likely chance makes a difference as large from the first run of the same test set, " +
      `${runs.find(run => run.scores.length)?.name} at the top (paired bootstrap), * below 0.05` : "");
}

function drawSamples() {
  const tables = new Map();  // source sentence -> rows
  for (const place of shown) {
    for (const line of runs[place].valid) {
      for (const sample of line.samples || []) {
        if (!sample.source) continue;
        const key = sample.source + "\n" + sample.reference;
        if (!tables.has(key)) tables.set(key, { sample, rows: [] });
        tables.get(key).rows.push({ place, step: line.step, text: sample.translation });
      }
    }
  }
  const made = [...tables.values()].map(({ sample, rows }) => {
    const table = element("table");
    const row = (name, text) => element("tr", {}, element("th", {}, name), element("td", { dir: "auto" }, text));
    table.append(row("source", sample.source), row("reference", sample.reference));
    const merged = [];
    for (const { place, step, text } of rows) {
      const last = merged[merged.length - 1];
      if (last && last.place === place && last.text === text) last.until = step;
      else merged.push({ place, step, text, until: step });
    }
    for (const { place, step, text, until } of merged) {
      const steps = until === step ? `step ${short(step)}` : `steps ${short(step)} to ${short(until)}`;
      table.append(row(element("span", {}, swatch(place), steps), text));
    }
    return element("div", { className: "wide" }, table, element("br"));
  });
  $("samples").replaceChildren(...made);
  if (!made.length) $("samples").append(element("p", {}, "none was kept: there was no validation set"));
}

function drawData() {
  const rows = [];
  for (const place of shown) {
    const { data } = runs[place];
    for (const [name, set] of Object.entries(data ? data.sets : {})) {
      const dropped = Object.entries(set.dropped || {}).map(([rule, count]) => `${short(count)} ${rule}`).join(", ");
      const tokens = set.tokens ? `${short(set.tokens.source)} → ${short(set.tokens.target)}` : "";
      rows.push([named(place), name, set.pairs, set.read ?? "", dropped || "nothing", tokens]);
    }
  }
  fill("data-table", ["run", "set", "pairs", "read", "dropped by cleaning", "tokens"], rows);
}

function drawMachine() {
  const head = ["run", "device", "precision", "threads", "processes", "updates", "minutes", "parameters", "versions"];
  fill("machine", head, [...shown].map(place => {
    const { start, state, model } = runs[place], machine = start[start.length - 1] || {};
    const versions = machine.nmt ? `nmt ${machine.nmt}, torch ${machine.torch}` : "";
    return [named(place), machine.device, machine.precision, machine.threads, machine.processes, state.step,
      state.seconds === undefined ? "" : Math.round(state.seconds / 6) / 10, model ? model.parameters : "", versions];
  }));
}

function drawSettings() {
  const value = (place, key) => JSON.stringify({ ...runs[place].settings, ...(runs[place].model || {}).shape }[key]);
  const keys = [...new Set(runs.flatMap(run => Object.keys({ ...run.settings, ...(run.model || {}).shape })))].sort();
  const rows = keys.map(key => [key, ...[...shown].map(place => value(place, key) ?? "")]);
  const head = ["setting", ...[...shown].map(named)];
  const differing = rows.filter(([, ...values]) => new Set(values).size > 1);
  const chosen = ["preset", "dim", "encoder_layers", "decoder_layers", "batch_tokens", "peak_rate", "steps", "dropout"];
  const same = [["they are the same in all runs", ...[...shown].map(() => "")]];
  fill("settings", head, shown.size < 2 ? rows.filter(([key]) => chosen.includes(key)) : differing.length ? differing : same);
  fill("all-settings", head.map(one => one instanceof Node ? one.cloneNode(true) : one), rows);
}

// --------------------------------------------------------------------------------------------------------------- page

function toggle(id, names, pressed, click) {
  replaceButtons(id, names.map((name, i) => {
    const button = element("button", { onclick: () => { click(i); draw(); } }, name);
    button.setAttribute("aria-pressed", pressed(i));
    return button;
  }));
}

function draw() {
  toggle("runs", [...runs.keys()].map(named), place => shown.has(place), place => {
    if (shown.has(place) && shown.size > 1) shown.delete(place); else shown.add(place);
  });
  toggle("axis", Object.keys(AXES), i => Object.keys(AXES)[i] === axis, i => { axis = Object.keys(AXES)[i]; });
  $("charts").replaceChildren(...CHARTS.flatMap(drawChart));
  [drawScores, drawSamples, drawData, drawMachine, drawSettings].forEach(part => part());
}
draw();
