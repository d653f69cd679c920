// Runs the script of a network page on a bare stand-in for a browser's document, and tells
// what it drew: node network_page.js PAGE COMMANDS, with commands such as [["class", 1]].
"use strict";
const fs = require("fs");
const vm = require("vm");

const page = fs.readFileSync(process.argv[2], "utf-8");
const commands = JSON.parse(process.argv[3]);
const scripts = [...page.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g)];
const text = scripts.find((found) => found[1].includes("json"))[2];
const code = scripts.find((found) => !found[1].includes("json"))[2];

let drawn = [], recording = false;
const pen = new Proxy({ measureText: (name) => ({ width: 7 * name.length }) }, {
  get: (state, name) => name in state ? state[name] : (...values) => recording && drawn.push([name, values, { ...state }]),
});
const elements = {};
function element(id) {
  const listeners = {}, children = [];
  return {
    id, listeners, children, style: {}, textContent: "", value: "", clientWidth: 800, clientHeight: 600,
    getContext: () => pen, setPointerCapture: () => {},
    addEventListener: (kind, action) => { listeners[kind] = action; },
    append: (...added) => children.push(...added), replaceChildren: () => { children.length = 0; },
  };
}
const waiting = [];
const world = {
  document: {
    getElementById: (id) => elements[id] || (elements[id] = element(id)),
    createElement: (name) => element(name), documentElement: {}, body: { scrollHeight: 600 },
  },
  window: {
    addEventListener: () => {}, devicePixelRatio: 1, innerHeight: 600,
    matchMedia: () => ({ addEventListener: () => {} }),
  },
  MutationObserver: class { observe() {} },
  getComputedStyle: () => ({ getPropertyValue: (name) => name }),
  requestAnimationFrame: (action) => waiting.push(action),
  performance, console,
};
world.document.getElementById("network-data").textContent = text;
const get = (id) => world.document.getElementById("network-" + id);
vm.createContext(world);
const settle = () => { while (waiting.length) waiting.shift()(); };

vm.runInContext(code, world);
settle();
for (const [id, value] of commands) {
  const { listeners } = get(id);
  if (typeof value === "object") {
    for (const [kind, event] of Object.entries(value)) {
      listeners[kind]({ preventDefault: () => {}, pointerId: 1, ...event });
    }
  } else {
    get(id).value = value;
    (listeners.change || listeners.input || listeners.click)();
  }
  settle();
}
recording = true;
vm.runInContext("draw()", world);
const state = vm.runInContext(
  "({ genes: nodes.map((n) => data.genes[n.gene]), places: nodes.map((n) => [screenX(n), screenY(n)])," +
  " edges: edges.map((i) => [data.genes[data.source[i]], data.genes[data.target[i]], data.weight[i]])," +
  " chosen: chosen === null ? null : data.genes[chosen], zoom: view.zoom })", world);
const lines = (parent) => parent.children.map(
  (child) => child.children.length ? child.children.map((part) => String(part.textContent)) : child.textContent);
console.log(JSON.stringify({
  ...state, shown: get("shown").textContent, message: get("message").textContent,
  tip: get("tip").textContent, side: lines(get("side")),
  classes: get("class").children.map((option) => option.textContent),
  layers: get("layer").children.map((option) => option.textContent),
  names: drawn.filter(([name]) => name === "fillText").map(([, values]) => values),
  drawn: process.argv[4] ? drawn : undefined,
}));
