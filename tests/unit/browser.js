// Drives a page from inside: waits, acts as a reader would, and leaves what it saw in the document.
"use strict";
const seen = {};
const at = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Give a control a value, as typing or choosing would, and let the page settle. */
async function enter(selector, value, kind = "change") {
  const control = at(selector);
  control.focus();
  control.value = value;
  control.dispatchEvent(new Event("input", { bubbles: true }));
  if (kind === "change") control.dispatchEvent(new Event("change", { bubbles: true }));
  await sleep(600);
}

async function click(selector) {
  at(selector).click();
  await sleep(100);
}

async function press(selector, key) {
  at(selector).focus();
  at(selector).dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  await sleep(100);
}

/** Names and numbers of the list beside the drawing. */
const side = () => all("#network-side button").map((row) => row.innerText.trim());

/** The drawing as text, to see whether it changed. */
const picture = () => at("#network-canvas").toDataURL();

/** Column of a table, row by row, as far as rows are shown. */
const column = (section, place) => all(section + " tbody tr")
  .filter((row) => !row.hidden).map((row) => row.cells[place].innerText);
