// The grid: what the keyboard and the mouse do.

import { GridPage } from "./grid_page.js";
import { resize, restoreSize } from "./grid_tiles.js";
import { KeyMap, isTyping } from "./label_keys.js";
import { Palette } from "./label_palette.js";
import { dialogOpen, Guidelines, Help } from "./label_panels.js";
import { live } from "./page_life.js";

const setup = JSON.parse(document.getElementById("label-setup").textContent);
const keys = new KeyMap(setup.classes, { ...setup.keyMap["*"], ...setup.keyMap[setup.project] });
const box = document.getElementById("tiles");
restoreSize(box);
const page = new GridPage(setup, keys);
const palette = new Palette(setup.classes, (index) => page.give(index));
page.onClass = (index) => palette.used(index);
const help = new Help();
const guidelines = new Guidelines(setup.urls.guidelines);

/** "M" where no class and no search needs it, else Shift M. */
const similarKey = keys.searches || keys.actions.get("m")?.name === "class" ? "Shift+m" : "m";
for (const id of ["similar-key", "similar-key-help"]) {
  document.getElementById(id).textContent = similarKey === "m" ? "M" : "⇧M";
}

const DO = {
  class: ({ index }) => page.give(index),
  palette: ({ text }) => page.isEmpty() || palette.open({ text }),
  undo: () => page.undo(),
  skip: () => page.pass("skip"),
  unsure: () => page.pass("unsure"),
  similar: () => page.similar(),
  all: () => page.tiles.selectAll(),
  none: () => page.tiles.select([]),
  original: () => page.view.large(page.tiles.chosen.at(-1) ?? page.tiles.focused),
  guidelines: () => guidelines.toggle(),
  help: () => help.toggle(),
  zoom_in: () => resize(box, 1),
  zoom_out: () => resize(box, -1),
  leave: () => (page.tiles.selected.size ? page.tiles.select([]) : guidelines.close()),
};

document.addEventListener("keydown", (event) => {
  page.onInput();
  if (event.defaultPrevented || dialogOpen() || isTyping(event)) return;
  const onControl = event.target.closest("button, a, summary");
  if (!(onControl && [" ", "Enter"].includes(event.key)) && page.tiles.onKey(event)) return;
  if (event.key.toLowerCase() === "m" && !event.ctrlKey && !event.metaKey && !event.altKey && event.shiftKey === (similarKey !== "m")) {
    event.preventDefault();
    if (!event.repeat) page.similar();
    return;
  }
  const action = keys.actionOf(event);
  if (!action || !(action.name in DO)) return;
  event.preventDefault();
  if (!event.repeat) DO[action.name](action);
});

document.addEventListener("click", (event) => {
  page.onInput();
  event.target.closest("dialog [data-close]")?.closest("dialog").close();
  const button = event.target.closest("[data-class], [data-action]");
  if (!button || button.disabled) return;
  if (event.detail) button.blur(); // a click, not a key: the next Space must select, not repeat it
  if (button.dataset.action) DO[button.dataset.action]({});
  else page.give(Number(button.dataset.class));
});

live(page);
