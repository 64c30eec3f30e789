// The browser of images: filters, a grid that goes on by itself, one image in a panel, bulk actions.

import { gettext, interpolate, number } from "./i18n.js";
import { Bulk } from "./browse_bulk.js";
import { Grid } from "./browse_grid.js";
import { Panel } from "./browse_panel.js";
import { announce } from "./shell.js";

const setup = JSON.parse(document.getElementById("browse-setup").textContent);
const end = document.getElementById("end");
const more = document.getElementById("more");
const progress = document.getElementById("progress");
const SIZE = "browse-size";

const grid = new Grid(document.getElementById("pics"), {
  onOpen: (tile) => panel.open(tile),
  onSelect: (seqs) => bulk?.chosen(seqs),
  onNearEnd: () => fetchMore(),
});
const panel = new Panel(document.getElementById("panel"), setup, {
  onClosed: (tile) => tile?.querySelector("a").focus(),
  onMove: (step) => grid.move(step),
});
const bulk = document.getElementById("bulk") ? new Bulk(document.getElementById("bulk"), setup, grid) : null;

// --- the grid goes on ---------------------------------------------------------------------------

let fetching = false;

/** Fetch what follows; where few images pass, go on looking until some are found. */
async function fetchMore() {
  if (fetching || !end.dataset.cursor) return;
  fetching = true;
  try {
    let found = 0;
    while (end.dataset.cursor && !found) {
      const query = new URLSearchParams(setup.query);
      query.set("cursor", end.dataset.cursor);
      const reply = await fetch(`${setup.urls.tiles}?${query}`, { headers: { Accept: "application/json" } });
      const page = await reply.json();
      if (!reply.ok) throw new Error(page.error);
      end.dataset.cursor = page.cursor;
      found = grid.append(page.html);
      const words = gettext("Looked through %(n)s images so far…");
      progress.textContent = page.cursor && !found ? interpolate(words, { n: number(page.looked) }) : "";
    }
  } catch (error) {
    announce(error.message || gettext("No connection to the server."), "warn");
    fetching = false;
    return;
  }
  fetching = false;
  if (!end.dataset.cursor) {
    more?.remove();
    const shown = grid.size;
    if (shown) progress.textContent = interpolate(gettext("That is all: %(n)s images."), { n: number(shown) });
  } else if (isNear()) fetchMore();
}

const isNear = () => end.getBoundingClientRect().top < window.innerHeight * 2;
if (more) {
  more.addEventListener("click", (event) => {
    event.preventDefault();
    fetchMore();
  });
  new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && fetchMore(), {
    rootMargin: "800px",
  }).observe(end);
}

// --- filters ------------------------------------------------------------------------------------

const filters = document.getElementById("filters");
filters.addEventListener("submit", () => {
  for (const field of filters.elements) if (field.name && !field.value) field.disabled = true; // short addresses
});
filters.addEventListener("change", (event) => {
  const ours = event.target.form === filters; // the menu of views stands within, its form is another
  if (ours && event.target.matches("select, [type=checkbox]")) filters.requestSubmit();
});
window.addEventListener("pageshow", () => {
  for (const field of filters.elements) field.disabled = false;
});

// --- sizes --------------------------------------------------------------------------------------

function resize(size) {
  document.getElementById("pics").dataset.size = size;
  for (const button of document.querySelectorAll("[data-size-to]")) {
    button.setAttribute("aria-pressed", String(button.dataset.sizeTo === size));
  }
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-size-to]");
  if (!button) return;
  resize(button.dataset.sizeTo);
  localStorage.setItem(SIZE, button.dataset.sizeTo);
});
resize(localStorage.getItem(SIZE) || "m");

// --- keys ---------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "Escape") {
    if (panel.close()) event.preventDefault();
    else if (!typing) grid.selectNone();
  } else if (!typing && event.key === "/") {
    event.preventDefault();
    document.getElementById("f-name").focus();
  } else if (!typing && panel.key(event)) {
    event.preventDefault();
  } else if (event.target === document.body && event.key.startsWith("Arrow")) {
    event.preventDefault();
    grid.move(0);
  }
});

const asked = new URLSearchParams(location.hash.slice(1)).get("image");
if (asked && /^\d+$/.test(asked)) panel.openSeq(asked);
