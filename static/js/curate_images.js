// The images of one part of a search: arrows move, Enter opens an image beside the grid.

import { Grid } from "./browse_grid.js";
import { Panel } from "./browse_panel.js";

const setup = JSON.parse(document.getElementById("curate-setup").textContent);
const list = document.getElementById("pics");

/** A grid in which nothing is chosen: these images are only looked at. */
class Looked extends Grid {
  toggle() {}

  range() {}
}

const panel = new Panel(document.getElementById("panel"), setup, {
  onClosed: (tile) => tile?.querySelector("a").focus(),
  onMove: (step) => grid?.move(step),
});
const grid = list
  ? new Looked(list, { onOpen: (tile) => panel.open(tile), onSelect: () => {}, onNearEnd: () => {} })
  : null;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "Escape") {
    if (panel.close()) event.preventDefault();
  } else if (!typing && panel.key(event)) {
    event.preventDefault();
  } else if (event.target === document.body && event.key.startsWith("Arrow")) {
    event.preventDefault();
    grid?.move(0);
  }
});

// One choice is enough, and short addresses.
const filter = document.getElementById("curate-filter");
filter.addEventListener("change", () => filter.requestSubmit());
filter.addEventListener("submit", () => {
  for (const field of filter.elements) if (field.name && !field.value) field.disabled = true;
});
addEventListener("pageshow", () => {
  for (const field of filter.elements) field.disabled = false;
});

const asked = new URLSearchParams(location.hash.slice(1)).get("image");
if (asked && /^\d+$/.test(asked)) panel.openSeq(asked);
