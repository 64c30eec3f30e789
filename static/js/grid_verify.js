// Verify by exception: what the keyboard and the mouse do.

import { resize, restoreSize } from "./grid_tiles.js";
import { VerifyPage } from "./grid_verify_page.js";
import { KeyMap, isTyping } from "./label_keys.js";
import { Palette } from "./label_palette.js";
import { dialogOpen, Guidelines, Help } from "./label_panels.js";
import { live } from "./page_life.js";

const at = (id) => document.getElementById(id);
const setup = JSON.parse(at("label-setup").textContent);
const keys = new KeyMap(setup.classes, { ...setup.keyMap["*"], ...setup.keyMap[setup.project] });
const box = at("tiles");
restoreSize(box);
const page = new VerifyPage(setup, keys);
const palette = new Palette(setup.classes, (index) => page.give(index));
page.onClass = (index) => palette.used(index);
const help = new Help();
const guidelines = new Guidelines(setup.urls.guidelines);

const DO = {
  class: ({ index }) => page.give(index),
  palette: ({ text }) => page.page && palette.open({ text }),
  confirm: () => page.confirm(),
  undo: () => page.undo(),
  original: () => page.view.large(page.tiles.focused),
  guidelines: () => guidelines.toggle(),
  help: () => help.toggle(),
  zoom_in: () => resize(box, 1),
  zoom_out: () => resize(box, -1),
  leave: () => guidelines.close(),
};

document.addEventListener("keydown", (event) => {
  page.lastInput = performance.now();
  if (event.defaultPrevented || dialogOpen() || isTyping(event)) return;
  const onControl = event.target.closest("button, a, summary");
  if (onControl && [" ", "Enter"].includes(event.key)) return;
  if (event.key === "Enter") {
    event.preventDefault();
    if (!event.repeat) page.confirm();
    return;
  }
  if (page.tiles.onKey(event)) return;
  const action = keys.actionOf(event);
  if (!action || !(action.name in DO)) return;
  event.preventDefault();
  if (!event.repeat) DO[action.name](action);
});

document.addEventListener("click", (event) => {
  page.lastInput = performance.now();
  event.target.closest("dialog [data-close]")?.closest("dialog").close();
  const button = event.target.closest("[data-class], [data-action]");
  if (!button || button.disabled) return;
  if (event.detail) button.blur(); // a click, not a key: the next Enter must confirm, not repeat it
  if (button.dataset.action) DO[button.dataset.action]({});
  else page.give(Number(button.dataset.class));
});

at("which").addEventListener("change", () => {
  at("which").blur();
  page.open();
});
live(page);
