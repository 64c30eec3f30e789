// The labelling page: what the keyboard, the mouse and fingers do.

import { KeyMap, isTyping, mayRepeat } from "./label_keys.js";
import { Page } from "./label_page.js";
import { Palette } from "./label_palette.js";
import { Comments, dialogOpen, Guidelines, Help, Looks } from "./label_panels.js";
import { Picture } from "./label_picture.js";
import { fetchPicture, showOn } from "./label_queue.js";
import { KeyEditor } from "./label_remap.js";
import { Touch } from "./label_touch.js";
import { live } from "./page_life.js";

const setup = JSON.parse(document.getElementById("label-setup").textContent);
const stage = document.getElementById("stage");
const keys = new KeyMap(setup.classes, { ...setup.keyMap["*"], ...setup.keyMap[setup.project] });
const picture = new Picture(stage);
const page = new Page(setup, keys, picture);
const palette = new Palette(setup.classes, (index) => page.answer(index, "key"));
const help = new Help();
const guidelines = new Guidelines(setup.urls.guidelines);
const looks = new Looks(picture);
const comments = new Comments(setup.urls.comments, (body) => page.comment(body));
page.onClass = (index) => palette.used(index);
new KeyEditor(setup, keys, () => page.view.caps(keys));
new Touch(stage, picture, (direction) => act(SWIPES[direction], "swipe"));

const SWIPES = { right: { name: "suggestion", index: 0 }, up: { name: "skip" }, left: { name: "palette" } };

function leaveAll() {
  if (page.current?.correcting) page.cancel();
  else if (picture.isZoomed) picture.fit();
  else [guidelines, looks].forEach((panel) => panel.close());
}

/** Arrows move a zoomed picture; else left and right walk the answers. */
function arrow(dx, dy) {
  if (picture.isZoomed) picture.look(dx, dy);
  else if (dx) page.walk(dx);
}

/** The file itself, at one pixel of it per pixel of the screen; again: back to the window's size. */
async function original() {
  const item = page.current;
  if (!picture.image) return;
  if (picture.original) {
    picture.original = false;
    picture.fit();
    return;
  }
  const address = item.task.image.replace(/display\/$/, "full/");
  const full = await fetchPicture(address).catch(() => null); // or none that browsers show
  if (page.current !== item || item.state !== "ready") full?.close();
  else {
    if (full) showOn(page.view.canvas, full, item.task.image);
    picture.original = true;
    picture.ownSize();
  }
}

function openPalette(text) {
  if (page.current?.state === "ready") palette.open({ text, top: page.current.task.top ?? [] });
}

const DO = {
  class: ({ index }, how) => page.answer(index, how),
  suggestion: ({ index }, how) => page.suggestion(index, how),
  skip: (_, how) => page.pass("skip", how),
  unsure: (_, how) => page.pass("unsure", how),
  undo: (_, how) => page.undo(how),
  palette: ({ text }) => openPalette(text),
  help: () => help.toggle(),
  guidelines: () => guidelines.toggle(),
  looks: () => looks.toggle(),
  comment: () => page.current && comments.open(page.current.task),
  leave: leaveAll,
  retry: () => page.current?.retry(),
  back: () => arrow(-1, 0),
  forward: () => arrow(1, 0),
  up: () => arrow(0, -1),
  down: () => arrow(0, 1),
  fit: () => picture.fit(),
  plain: () => picture.plain(),
  zoom_in: () => picture.larger(),
  zoom_out: () => picture.smaller(),
  original,
  bright_up: () => picture.lightBy("brightness", 1),
  bright_down: () => picture.lightBy("brightness", -1),
  contrast_up: () => picture.lightBy("contrast", 1),
  contrast_down: () => picture.lightBy("contrast", -1),
};

function act(action, how) {
  DO[action.name]?.(action, how);
}

document.addEventListener("keydown", (event) => {
  page.onInput();
  if (event.defaultPrevented || dialogOpen() || isTyping(event)) return;
  const action = keys.actionOf(event);
  if (!action) return;
  event.preventDefault();
  if (!event.repeat || mayRepeat(action) || (picture.isZoomed && event.key.startsWith("Arrow"))) act(action, "key");
});

document.addEventListener("click", (event) => {
  page.onInput();
  event.target.closest("dialog [data-close]")?.closest("dialog").close();
  const button = event.target.closest("[data-class], [data-action]");
  if (!button || button.disabled) return;
  if (event.detail) button.blur(); // a click, not a key: the next Space must skip, not repeat it
  if (button.dataset.action) act({ name: button.dataset.action }, "click");
  else act({ name: "class", index: Number(button.dataset.class) }, "click");
});

live(page);
