// Attention maps: buttons select kind, layer and head; hovering over a row highlights the keys that it attends to.

const { source, target, made, maps, kinds } = JSON.parse($("data").textContent);
const state = { kind: "cross", layer: maps.cross.weights.length - 1, head: -1 };

function mean(layer) {
  return layer[0].map((row, i) => row.map((_, j) => layer.reduce((sum, head) => sum + head[i][j], 0) / layer.length));
}

function buttons(id, names, values, key) {
  replaceButtons(id, names.map((name, i) => {
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
  cell.title = text;
  cell.className = name;
  cell.dir = "auto";
  return cell;
}

function ink(weight) {  // black or white, whichever has the better contrast with the mark at this weight: at least 4.5
  const style = getComputedStyle(document.documentElement), numbers = text => text.match(/\d+/g).map(Number);
  const mark = numbers(style.getPropertyValue("--mark")), back = numbers(getComputedStyle(document.body).backgroundColor);
  const linear = mark.map((value, i) => (weight * value + (1 - weight) * back[i]) / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.179 ? "#000" : "#fff";
}

function drawMap(map, weights) {
  const table = $("map"), top = document.createElement("tr");
  const keys = map.keys.map(key => header(key, "key"));
  top.append(header("", ""), ...keys);
  const rows = map.queries.map((query, i) => {
    const row = document.createElement("tr"), name = header(query, "query");
    const cells = weights[i].map(weight => {
      const cell = document.createElement("td");
      cell.className = "seen";
      cell.style.setProperty("--weight", weight.toFixed(3));
      cell.style.color = ink(weight);
      cell.textContent = weight >= 0.005 ? Math.round(100 * weight) : "";
      cell.title = (100 * weight).toFixed(1) + " %";
      return cell;
    });
    row.append(name, ...cells);
    row.onmouseenter = () => {
      name.classList.add("lit");
      keys.forEach((key, j) => {
        key.classList.add("seen");
        key.style.color = ink(weights[i][j]);
        key.style.setProperty("--weight", weights[i][j]);
      });
    };
    row.onmouseleave = () => {
      name.classList.remove("lit");
      keys.forEach(key => { key.classList.remove("seen"); key.style.color = ""; });
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
    head.forEach((row, i) => row.forEach((weight, j) => {
      paint.fillStyle = `rgba(${mark}, ${weight})`;
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
  $("caption").textContent = `Attention ${kinds[state.kind]}: each row sums to 100 %.`;
  drawMap(map, state.head < 0 ? mean(layer) : layer[state.head]);
  drawGrid(map);
}
$("source").textContent = source;
$("target").textContent = target;
$("made").textContent = made;
draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
