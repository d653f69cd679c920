"use strict";
const at = (id) => document.getElementById("network-" + id);
const data = JSON.parse(at("data").textContent);
const canvas = at("canvas"), tip = at("tip"), pen = canvas.getContext("2d");
const START = 150;
const NEAREST = 20, FARTHEST = 0.02;
const view = { x: 0, y: 0, zoom: 1 };
let available = [], edges = [], ends = [], steps = 1, nodes = [], byGene = new Map(), cooling = 0, chosen = null;
let hovered = null, drag = null, fitted = true;

/** Edges of a class and layer, strongest first; -1 stands for all layers. */
function edgesOf(label, layer) {
  const found = [];
  for (let i = 0; i < data.source.length; i++) {
    if (data.class[i] === label && (layer < 0 || data.layer[i] === layer)) found.push(i);
  }
  return found;
}

/** Number of edges at a place of the slider, evenly in the logarithm. */
function countAt(place, all) {
  return all <= 10 ? all : Math.round(Math.exp(Math.log(10) + place / 100 * Math.log(all / 10)));
}

function placeAt(count, all) {
  return all <= 10 ? 100 : Math.ceil(100 * Math.log(Math.max(count, 10) / 10) / Math.log(all / 10));
}

/** Genes of the shown edges; those that were shown stay where they were. */
function collect() {
  const before = byGene;
  byGene = new Map();
  for (const i of edges) {
    const size = Math.abs(data.weight[i]);
    for (const gene of [data.source[i], data.target[i]]) {
      if (!byGene.has(gene)) byGene.set(gene, { gene, degree: 0, strength: 0 });
      const node = byGene.get(gene);
      node.degree += 1;
      node.strength += size;
    }
  }
  nodes = [...byGene.values()].sort((a, b) => b.degree - a.degree || a.gene - b.gene);
  nodes.forEach((node, rank) => {
    const old = before.get(node.gene), angle = rank * 2.39996, far = 28 * Math.sqrt(rank);
    node.x = old ? old.x : far * Math.cos(angle);
    node.y = old ? old.y : far * Math.sin(angle);
    node.radius = 3 + 9 * Math.sqrt(node.degree / nodes[0].degree);
    node.rank = rank;
  });
  ends = edges.flatMap((i) => [byGene.get(data.source[i]).rank, byGene.get(data.target[i]).rank]);
}

/** One step of the layout: linked genes attract, near genes repel, all drift to the middle. */
function step(heat) {
  const n = nodes.length, reach2 = 220 * 220;
  const x = new Float64Array(n), y = new Float64Array(n), radius = new Float64Array(n);
  const vx = new Float64Array(n), vy = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    x[i] = nodes[i].x;
    y[i] = nodes[i].y;
    radius[i] = 130 + 18 * nodes[i].radius;
    vx[i] = -0.012 * x[i];
    vy[i] = -0.012 * y[i];
  }
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      const dx = x[i] - x[j], dy = y[i] - y[j], d2 = dx * dx + dy * dy;
      if (d2 > reach2) continue;
      const push = (radius[i] + radius[j]) / (d2 < 4 ? 4 : d2);
      vx[i] += dx * push;
      vy[i] += dy * push;
      vx[j] -= dx * push;
      vy[j] -= dy * push;
    }
  }
  for (let k = 0; k < edges.length; k++) {
    const i = ends[2 * k], j = ends[2 * k + 1], dx = x[j] - x[i], dy = y[j] - y[i];
    const pullI = 0.05 / Math.sqrt(nodes[i].degree), pullJ = 0.05 / Math.sqrt(nodes[j].degree);
    vx[i] += dx * pullI;
    vy[i] += dy * pullI;
    vx[j] -= dx * pullJ;
    vy[j] -= dy * pullJ;
  }
  const most = 2 + 40 * heat;
  for (let i = 0; i < n; i++) {
    const speed = Math.hypot(vx[i], vy[i]), part = speed > most ? most / speed : 1;
    nodes[i].x += vx[i] * part;
    nodes[i].y += vy[i] * part;
  }
}

function fit() {
  if (!nodes.length) return;
  const xs = nodes.map((n) => n.x), ys = nodes.map((n) => n.y);
  const left = Math.min(...xs), right = Math.max(...xs), low = Math.min(...ys), high = Math.max(...ys);
  const room = 70;
  view.zoom = Math.min(canvas.clientWidth / (right - left + room), canvas.clientHeight / (high - low + room), 3);
  view.x = canvas.clientWidth / 2 - view.zoom * (left + right) / 2;
  view.y = canvas.clientHeight / 2 - view.zoom * (low + high) / 2;
}

const screenX = (node) => node.x * view.zoom + view.x;
const screenY = (node) => node.y * view.zoom + view.y;
const drawnRadius = (node) => node.radius * Math.min(Math.sqrt(view.zoom), 2);

function draw() {
  const ratio = window.devicePixelRatio || 1, style = getComputedStyle(document.documentElement);
  const colours = {};
  for (const name of ["paper", "ink", "gene", "positive", "negative", "found"]) {
    colours[name] = style.getPropertyValue("--" + name).trim();
  }
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  const focus = hovered !== null ? hovered : chosen;
  const largest = edges.reduce((most, i) => Math.max(most, Math.abs(data.weight[i])), 0) || 1;
  const visible = focus === null ? Math.min(0.75, 25 / Math.sqrt(edges.length)) : 0.75;
  for (let k = edges.length - 1; k >= 0; k--) {
    const i = edges[k], a = byGene.get(data.source[i]), b = byGene.get(data.target[i]);
    const touched = focus === null || data.source[i] === focus || data.target[i] === focus;
    pen.globalAlpha = touched ? visible : 0.08;
    pen.strokeStyle = pen.fillStyle = colours[data.weight[i] < 0 ? "negative" : "positive"];
    pen.lineWidth = 0.5 + 3 * Math.abs(data.weight[i]) / largest;
    arrow(screenX(a), screenY(a), screenX(b), screenY(b), drawnRadius(b), pen.lineWidth);
  }
  pen.globalAlpha = 1;
  const near = focus === null ? null : neighbours(focus);
  for (let k = nodes.length - 1; k >= 0; k--) {
    const node = nodes[k];
    pen.globalAlpha = near === null || near.has(node.gene) ? 1 : 0.25;
    pen.beginPath();
    pen.arc(screenX(node), screenY(node), drawnRadius(node), 0, 2 * Math.PI);
    pen.fillStyle = colours[node.gene === focus ? "found" : "gene"];
    pen.fill();
    pen.lineWidth = 1;
    pen.strokeStyle = colours.paper;
    pen.stroke();
  }
  pen.globalAlpha = 1;
  names(near, colours.ink, colours.paper);
}

function arrow(x0, y0, x1, y1, radius, width) {
  const length = Math.hypot(x1 - x0, y1 - y0);
  if (length <= radius) return;
  const ux = (x1 - x0) / length, uy = (y1 - y0) / length, head = 4 + 2 * width;
  const tipX = x1 - ux * radius, tipY = y1 - uy * radius;
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(tipX - ux * head * 0.7, tipY - uy * head * 0.7);
  pen.stroke();
  pen.beginPath();
  pen.moveTo(tipX, tipY);
  pen.lineTo(tipX - ux * head - uy * head * 0.4, tipY - uy * head + ux * head * 0.4);
  pen.lineTo(tipX - ux * head + uy * head * 0.4, tipY - uy * head - ux * head * 0.4);
  pen.fill();
}

/** Names where they have room, hubs first; all those around the gene in focus. */
function names(near, ink, paper) {
  pen.font = "12px system-ui, sans-serif";
  pen.textBaseline = "middle";
  const taken = [], genes = nodes.filter((node) => onStage(node)).map(boxOf);
  const order = near === null ? nodes : nodes.filter((node) => near.has(node.gene));
  for (const node of order) {
    if (!onStage(node)) continue;
    const text = data.genes[node.gene], width = pen.measureText(text).width, y = screenY(node);
    const away = drawnRadius(node) + 3;
    const places = [screenX(node) + away, screenX(node) - away - width].map((x) => [x, y - 8, x + width, y + 8]);
    const free = places.filter((box) => !taken.some((other) => meet(box, other)));
    // Rather a name over a gene than no name for a hub, or for a gene in focus.
    const box = free.find((each) => !genes.some((other) => meet(each, other))) || (node.rank < 8 || near !== null ? free[0] : null);
    if (!box) continue;
    taken.push(box);
    pen.lineWidth = 3;
    pen.strokeStyle = paper;
    pen.strokeText(text, box[0], y);
    pen.fillStyle = ink;
    pen.fillText(text, box[0], y);
  }
}

const meet = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

function onStage(node) {
  const x = screenX(node), y = screenY(node);
  return x > 0 && x < canvas.clientWidth && y > 0 && y < canvas.clientHeight;
}

function boxOf(node) {
  const x = screenX(node), y = screenY(node), radius = drawnRadius(node);
  return [x - radius, y - radius, x + radius, y + radius];
}

const counted = (n) => n + (n === 1 ? " edge" : " edges");

function neighbours(gene) {
  const near = new Set([gene]);
  for (const i of edges) {
    if (data.source[i] === gene) near.add(data.target[i]);
    if (data.target[i] === gene) near.add(data.source[i]);
  }
  return near;
}

function line(parent, left, right, style, action) {
  const row = document.createElement("button"), name = document.createElement("span");
  const value = document.createElement("span");
  row.type = "button";
  name.textContent = left;
  value.textContent = right;
  value.className = style;
  row.append(name, value);
  row.addEventListener("click", action);
  parent.append(row);
}

function heading(text) {
  const title = document.createElement("h3");
  title.textContent = text;
  at("side").append(title);
}

/** Beside the drawing: the hubs, or the edges of the chosen gene. */
function list() {
  const side = at("side");
  side.replaceChildren();
  if (chosen === null || !byGene.has(chosen)) {
    heading("genes by number of edges");
    for (const node of nodes.slice(0, 40)) {
      line(side, data.genes[node.gene], node.degree, "", () => choose(node.gene));
    }
    return;
  }
  const node = byGene.get(chosen);
  heading(data.genes[chosen] + ": " + counted(node.degree));
  line(side, "all genes", "", "", () => choose(null));
  for (const i of edges) {
    if (data.source[i] !== chosen && data.target[i] !== chosen) continue;
    const out = data.source[i] === chosen, other = out ? data.target[i] : data.source[i];
    const layer = data.layers.length > 1 ? " (layer " + data.layers[data.layer[i]] + ")" : "";
    line(side, (out ? "\u2192 " : "\u2190 ") + data.genes[other] + layer, data.weight[i],
         data.weight[i] < 0 ? "negative" : "positive", () => choose(other));
  }
}

function choose(gene) {
  chosen = gene;
  // While the layout settles the whole network stays in view.
  if (gene !== null && byGene.has(gene) && cooling <= 0) {
    const node = byGene.get(gene);
    view.x = canvas.clientWidth / 2 - node.x * view.zoom;
    view.y = canvas.clientHeight / 2 - node.y * view.zoom;
    fitted = false;
  }
  list();
  draw();
}

function find(text) {
  const wanted = text.trim().toLowerCase();
  at("message").textContent = "";
  if (!wanted) { choose(null); return; }
  const exact = data.genes.findIndex((gene) => gene.toLowerCase() === wanted);
  const gene = exact >= 0 ? exact : data.genes.findIndex((each) => each.toLowerCase().startsWith(wanted));
  if (gene < 0) { at("message").textContent = "No gene is called " + text + "."; return; }
  const first = available.findIndex((i) => data.source[i] === gene || data.target[i] === gene);
  if (first < 0) {
    at("message").textContent = data.genes[gene] + " has no edge in this class and layer.";
    return;
  }
  if (!byGene.has(gene)) show(first + 1);
  choose(gene);
}

/** Show the strongest edges, and let the layout settle. */
function show(count) {
  edges = available.slice(0, count);
  at("count").value = placeAt(count, available.length);
  at("shown").textContent = edges.length + " of " + available.length;
  collect();
  if (chosen !== null && !byGene.has(chosen)) chosen = null;
  hovered = null;
  list();
  const waiting = cooling > 0;
  cooling = steps = nodes.length > 500 ? 120 : 260;
  fitted = true;
  if (!waiting) requestAnimationFrame(animate);
}

function animate() {
  const until = performance.now() + 14;
  do { step(cooling / steps); cooling -= 1; } while (cooling > 0 && performance.now() < until);
  if (fitted) fit();
  draw();
  if (cooling > 0) requestAnimationFrame(animate);
}

function filter() {
  available = edgesOf(Number(at("class").value), Number(at("layer").value));
  byGene = new Map();
  show(Math.min(START, available.length));
}

function under(x, y) {
  for (const node of nodes) {
    if (Math.hypot(screenX(node) - x, screenY(node) - y) <= drawnRadius(node) + 3) return { node };
  }
  for (const i of edges) {
    const a = byGene.get(data.source[i]), b = byGene.get(data.target[i]);
    const dx = screenX(b) - screenX(a), dy = screenY(b) - screenY(a), length2 = dx * dx + dy * dy || 1;
    const part = ((x - screenX(a)) * dx + (y - screenY(a)) * dy) / length2;
    if (part < 0 || part > 1) continue;
    if (Math.hypot(screenX(a) + part * dx - x, screenY(a) + part * dy - y) < 4) return { edge: i };
  }
  return null;
}

function describe(found) {
  if (found.node) {
    const node = found.node;
    return data.genes[node.gene] + ": " + counted(node.degree) + ", strength " + node.strength.toPrecision(3);
  }
  const i = found.edge, layer = data.layers.length ? ", layer " + data.layers[data.layer[i]] : "";
  return data.genes[data.source[i]] + " \u2192 " + data.genes[data.target[i]] + ": " + data.weight[i] + layer;
}

function zoomAround(x, y, factor) {
  const zoom = Math.min(Math.max(view.zoom * factor, FARTHEST), NEAREST);
  view.x = x - (x - view.x) * zoom / view.zoom;
  view.y = y - (y - view.y) * zoom / view.zoom;
  view.zoom = zoom;
  fitted = false;
  draw();
}

const zoomMiddle = (factor) => zoomAround(canvas.clientWidth / 2, canvas.clientHeight / 2, factor);

function fitAll() {
  fit();
  fitted = true;
  draw();
}

canvas.addEventListener("wheel", (event) => {
  // In a page that scrolls, the wheel is the page's until the network was clicked.
  if (document.body.scrollHeight > window.innerHeight && document.activeElement !== canvas && !event.ctrlKey) return;
  event.preventDefault();
  zoomAround(event.offsetX, event.offsetY, Math.exp(-event.deltaY * 0.0015));
}, { passive: false });
canvas.addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
  if (event.key in moves) {
    view.x += moves[event.key][0];
    view.y += moves[event.key][1];
    fitted = false;
    draw();
  } else if (event.key === "+" || event.key === "=") zoomMiddle(1.25);
  else if (event.key === "-") zoomMiddle(0.8);
  else if (event.key === "0") fitAll();
  else if (event.key === "Escape") choose(null);
  else return;
  event.preventDefault();
});
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  const found = under(event.offsetX, event.offsetY);
  drag = { x: event.offsetX, y: event.offsetY, node: found && found.node, moved: false };
});
canvas.addEventListener("pointermove", (event) => {
  if (drag) {
    const dx = event.offsetX - drag.x, dy = event.offsetY - drag.y;
    if (Math.hypot(dx, dy) < 3 && !drag.moved) return;
    if (drag.node) { drag.node.x += dx / view.zoom; drag.node.y += dy / view.zoom; }
    else { view.x += dx; view.y += dy; }
    Object.assign(drag, { x: event.offsetX, y: event.offsetY, moved: true });
    fitted = false;
    draw();
    return;
  }
  const found = under(event.offsetX, event.offsetY);
  tip.style.display = found ? "block" : "none";
  if (found) {
    tip.textContent = describe(found);
    const right = Math.max(canvas.clientWidth - tip.offsetWidth - 4, 0);
    const below = event.offsetY + 14, above = event.offsetY - tip.offsetHeight - 8;
    tip.style.left = Math.min(event.offsetX + 12, right) + "px";
    tip.style.top = (below + tip.offsetHeight > canvas.clientHeight ? above : below) + "px";
  }
  const gene = found && found.node ? found.node.gene : null;
  if (gene !== hovered) { hovered = gene; draw(); }
});
canvas.addEventListener("pointerup", (event) => {
  if (drag && !drag.moved) {
    const found = under(event.offsetX, event.offsetY);
    choose(found && found.node ? found.node.gene : null);
  }
  drag = null;
});
canvas.addEventListener("pointerleave", () => { tip.style.display = "none"; hovered = null; draw(); });

function options(select, entries) {
  for (const [value, text] of entries) {
    const option = document.createElement("option");
    option.value = value;
    option.textContent = text;
    select.append(option);
  }
}

options(at("class"), data.classes.map((label, i) => [i, label]));
options(at("layer"), [[-1, "all"], ...data.layers.map((layer, i) => [i, layer])]);
options(at("names"), data.genes.map((gene) => [gene, gene]));
at("class").value = 0;
at("layer").value = -1;
at("layers").style.display = data.layers.length > 1 ? "" : "none";
at("class").addEventListener("change", filter);
at("layer").addEventListener("change", filter);
at("count").addEventListener("input", () => show(countAt(Number(at("count").value), available.length)));
at("find").addEventListener("change", () => find(at("find").value));
at("find").addEventListener("keydown", (event) => { if (event.key === "Enter") find(at("find").value); });
at("fit").addEventListener("click", fitAll);
at("closer").addEventListener("click", () => zoomMiddle(1.25));
at("farther").addEventListener("click", () => zoomMiddle(0.8));
window.addEventListener("resize", () => { if (fitted) fit(); draw(); });
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
filter();
