// Runs side by side: charts of their logs, with the values under the pointer, and tables of scores, data and settings.

const { runs } = JSON.parse($("data").textContent);
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#b2a300", "#888888"];  // Okabe & Ito
const shown = new Set(runs.keys());
let axis = "step";
const lengths = runs.map(run => run.train.at(-1)?.step).filter(step => step);
let logarithmicAxis = Math.max(...lengths) > 5 * Math.min(...lengths);  // else the short runs would be a corner

const CHARTS = [
  { title: "loss", train: "loss", valid: "loss" },
  { title: "perplexity", train: "perplexity", valid: "perplexity", logarithmic: true },
  { title: "BLEU", valid: "bleu" },
  { title: "chrF", valid: "chrf" },
  { title: "learning rate", train: "learning_rate" },
  { title: "gradient norm", train: "gradient_norm", logarithmic: true },
  { title: "throughput (tokens/s)", train: "tokens_per_second" },
  { title: "MFU", train: "mfu" },
  { title: "peak memory (MB)", train: "memory_mb" },
];
const MAIN_SETTINGS = ["preset", "dim", "encoder_layers", "decoder_layers", "batch_tokens", "learning_rate", "steps",
  "dropout"];
const AXES = { step: line => line.step, minutes: line => line.seconds == null ? null : line.seconds / 60 };

const color = place => COLORS[place % COLORS.length];

function element(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

function svgElement(name, attributes, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.textContent = text;
  return node;
}

function short(value, digits = 4) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number") return String(value);
  const rounded = Math.abs(value) >= 1000 && digits === 4 ? Math.round(value) : value;
  if (Number.isInteger(rounded)) return rounded.toLocaleString("en");
  return Math.abs(value) < 0.01 ? value.toExponential(digits - 3) : String(+value.toPrecision(digits));
}

function swatch(place) {
  const dot = element("span", { className: "swatch" });
  dot.style.background = color(place);
  return dot;
}

// ------------------------------------------------------------------------------------------------------------- charts

function lines(chart) {
  const curves = [];
  for (const place of shown) {
    for (const kind of ["train", "valid"]) {
      const points = chart[kind] === undefined ? [] : runs[place][kind]
        .map(line => [AXES[axis](line), line[chart[kind]]])
        .filter(([x, y]) => x != null && y != null && (!chart.logarithmic || y > 0) && (!logarithmicAxis || x > 0));
      if (points.length) curves.push({ place, kind, points });
    }
  }
  return curves;
}

function ticks(low, high, logarithmic) {
  if (logarithmic) {
    const powers = [];
    for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) powers.push(10 ** power);
    const within = factors => powers.flatMap(power => factors.map(factor => factor * power))
      .filter(value => low <= value && value <= high);
    const places = [[1], [1, 3], [1, 2, 5]].map(within).find(values => values.length > 2);
    if (places) return places;
  }
  const rough = (high - low) / 2, power = 10 ** Math.floor(Math.log10(rough));  // at least two ticks, at most six
  const step = [5, 2, 1].map(factor => factor * power).find(size => size <= rough);
  const multiples = [];
  for (let count = Math.ceil(low / step); count * step <= high * (1 + 1e-9); count++) multiples.push(count * step);
  return multiples;
}

function extent(values) {
  return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}

const WIDTH = 340, HEIGHT = 190, LEFT = 46, RIGHT = 6, TOP = 8, BOTTOM = 22;  // of a chart, and its margins

function drawChart(chart) {
  const curves = lines(chart);
  if (!curves.length) return [];
  const [firstX, lastX] = extent(curves.flatMap(curve => curve.points.map(point => point[0])));
  let [low, high] = extent(curves.flatMap(curve => curve.points.map(point => point[1])));
  if (low === high) [low, high] = [low - Math.abs(low) / 2 - 1e-9, high + Math.abs(high) / 2 + 1e-9];
  const scale = chart.logarithmic ? Math.log : value => value;
  const share = value => (scale(value) - scale(low)) / (scale(high) - scale(low));
  const [along, back] = logarithmicAxis ? [Math.log, Math.exp] : [value => value, value => value];
  const spanX = along(lastX) - along(firstX);
  const x = value => LEFT + (WIDTH - LEFT - RIGHT) * (spanX ? (along(value) - along(firstX)) / spanX : 0.5);
  const y = value => TOP + (HEIGHT - TOP - BOTTOM) * (1 - share(value));
  const svg = svgElement("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": chart.title });
  const marks = ticks(low, high, chart.logarithmic), differ = digits => new Set(marks.map(value => short(value, digits)));
  const digits = [4, 5, 6, 7, 8, 9].find(count => differ(count).size === marks.length);
  for (const value of marks) {
    svg.append(svgElement("line", { class: "rule", x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value) }));
    svg.append(svgElement("text", { x: LEFT - 5, y: y(value) + 4, "text-anchor": "end" }, short(value, digits)));
  }
  for (const value of spanX ? ticks(firstX, lastX, logarithmicAxis) : [firstX]) {
    const anchor = x(value) > WIDTH - 25 ? "end" : "middle";
    svg.append(svgElement("text", { x: x(value), y: HEIGHT - 4, "text-anchor": anchor, class: "x" }, short(value)));
  }
  for (const { place, kind, points } of curves) {
    const path = meansByPixel(points.map(([px, py]) => [x(px), y(py)]))
      .map(([px, py], i) => `${i ? "L" : "M"}${px.toFixed(1)},${py.toFixed(1)}`).join("");
    svg.append(svgElement("path", { d: path, stroke: color(place), class: kind }));
    for (const [px, py] of kind === "valid" ? points : []) {
      svg.append(svgElement("circle", { cx: x(px), cy: y(py), r: 2.2, fill: color(place) }));
    }
  }
  const output = element("output"), title = chart.title + (chart.logarithmic ? " (logarithmic)" : "");
  showValues(svg, output, curves, x, at => back(along(firstX) + (at - LEFT) / (WIDTH - LEFT - RIGHT) * spanX));
  return [element("figure", {}, element("figcaption", {}, title, output), svg)];
}

function meansByPixel(places) {  // a thousand points on a line would be a band
  const columns = new Map();
  for (const [x, y] of places) columns.set(Math.round(x / 2), [...(columns.get(Math.round(x / 2)) || []), [x, y]]);
  return [...columns.values()].map(column => [0, 1].map(side =>
    column.reduce((sum, place) => sum + place[side], 0) / column.length));
}

function showValues(svg, output, curves, x, valueAt) {  // under the pointer
  const cursor = svgElement("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  svg.append(cursor);
  svg.onpointermove = event => {
    const box = svg.getBoundingClientRect(), value = valueAt((event.clientX - box.left) * WIDTH / box.width);
    const nearest = curves.map(curve => curve.points.reduce((best, point) =>
      Math.abs(point[0] - value) < Math.abs(best[0] - value) ? point : best));
    for (const side of ["x1", "x2"]) cursor.setAttribute(side, x(nearest[0][0]));
    cursor.setAttribute("visibility", "visible");
    const values = nearest.map((point, i) => {
      return element("span", { className: "run" }, swatch(curves[i].place), `${short(point[1])} `);
    });
    output.replaceChildren(`${axis} ${short(nearest[0][0])}: `, ...values);
  };
  svg.onpointerleave = () => {
    cursor.setAttribute("visibility", "hidden");
    output.replaceChildren();
  };
}

// ------------------------------------------------------------------------------------------------------------- tables

function fill(id, head, rows) {
  const cell = (name, value, { length }) => {
    const node = element(name, { dir: "auto", colSpan: length === 1 ? head.length : 1 }, value instanceof Node ? value : short(value));
    if (typeof value === "number") node.className = "number";
    return node;
  };
  const top = element("tr", {}, ...head.map(name => cell("th", name, head)));
  $(id).replaceChildren(top, ...rows.map(row => element("tr", {}, ...row.map(value => cell("td", value, row)))));
}

function named(place) {
  const { name } = runs[place];
  return element("span", { className: "run", title: name }, swatch(place), name);
}

function drawScores() {
  const names = [...new Set(runs.flatMap(run => run.scores.map(score => score.name)))];
  const testSets = new Set(runs.filter(run => run.scores.length).map(run => run.test_set)).size;
  const rows = [...shown].map(place => {
    const run = runs[place], search = run.evaluation ? run.evaluation.search : {};
    const cells = names.map(name => {
      const score = run.scores.find(metric => metric.name === name);
      if (!score) return "";
      const interval = score.interval === null ? "" : ` ± ${score.interval.toFixed(2)}`;
      const p = score.p_value === null ? "" : `, p ${score.p_value.toFixed(4)}${score.p_value < 0.05 ? " *" : ""}`;
      return `${score.value.toFixed(2)}${interval}${p}`;
    });
    const how = run.evaluation === null ? (run.scores.length ? "" : "not translated yet: run nmt eval")
      : `beam size ${search.beam}, length penalty ${search.length_penalty}` +
        (run.evaluation.of_this_model ? "" : "; by an earlier model: run nmt eval again");
    return [named(place), ...(testSets > 1 ? [run.test_set || ""] : []), ...cells, how];
  });
  fill("scores", ["run", ...(testSets > 1 ? ["test set"] : []), ...names, "translated with"], rows);
  const signatures = new Set(runs.flatMap(run => run.scores.map(score => `${score.name}: ${score.signature}`)));
  $("signatures").textContent = [...signatures].join("\n") + (runs.length > 1 && signatures.size
    ? "\np: p-value of the difference from the first run with the same test set " +
      "(paired bootstrap resampling); * significant, below 0.05" : "") + (testSets > 1 ? "\nscores on different test sets cannot be compared" : "");
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
  const samples = [...tables.values()].map(({ sample, rows }) => {
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
  $("samples").replaceChildren(...samples);
  const validated = [...shown].some(place => runs[place].data && runs[place].data.sets.valid);
  const reason = validated ? "none yet: no validation so far" : "none: the run has no validation set";
  if (!samples.length) $("samples").append(element("p", {}, reason));
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
  const head = ["run", "device", "precision", "threads", "processes", "steps", "minutes", "parameters", "versions"];
  fill("machine", head, [...shown].map(place => {
    const { start, train, model } = runs[place], machine = start[start.length - 1] || {};
    const state = { ...train[train.length - 1], ...runs[place].state };
    const versions = machine.nmt ? `nmt ${machine.nmt}, torch ${machine.torch}` : "";
    return [named(place), machine.device, machine.precision, machine.threads, machine.processes, state.step,
      state.seconds === undefined ? "" : Math.round(state.seconds / 6) / 10, model ? model.parameters : "", versions];
  }));
}

function inWords(value) {
  if (value === null) return "none";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.map(inWords).join(", ");
  return Number.isInteger(value) ? short(value) : String(value ?? "");
}

function drawSettings() {
  const value = (place, key) => inWords({ ...runs[place].settings, ...(runs[place].model || {}).shape }[key]);
  const keys = [...new Set(runs.flatMap(run => Object.keys({ ...run.settings, ...(run.model || {}).shape })))].sort();
  const rows = keys.map(key => [key, ...[...shown].map(place => value(place, key))]);
  const head = ["setting", ...[...shown].map(named)];
  const differing = rows.filter(([, ...values]) => new Set(values).size > 1);
  const same = [["all settings are the same"]];
  const main = rows.filter(([key]) => MAIN_SETTINGS.includes(key));
  if (!keys.length) same[0][0] = "none: a run without a model so far";
  fill("settings", head, shown.size < 2 && keys.length ? main : differing.length ? differing : same);
  fill("all-settings", head.map(cell => cell instanceof Node ? cell.cloneNode(true) : cell), rows);
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
  $("title").textContent = document.title.replace(/(\d)-(?=\d\d)/g, "$1\u2011");  // dates do not break
  if (runs.length > 1) toggle("runs", [...runs.keys()].map(named), place => shown.has(place), place => {
    if (shown.has(place) && shown.size > 1) shown.delete(place); else shown.add(place);
  });
  const axes = Object.keys(AXES);
  toggle("axis", [...axes, "logarithmic axis"], i => i < axes.length ? axes[i] === axis : logarithmicAxis, i => {
    if (i < axes.length) axis = axes[i]; else logarithmicAxis = !logarithmicAxis;
  });
  $("charts").replaceChildren(...CHARTS.flatMap(drawChart));
  [drawScores, drawSamples, drawData, drawMachine, drawSettings].forEach(part => part());
}
draw();
