// Likely label errors: one key decides, the next image is current.

import { gettext } from "./i18n.js";
import { announce, csrfToken } from "./shell.js";

const list = document.getElementById("issues");
const more = document.getElementById("issues-more");
const KEYS = { 1: "right", 2: "change", 3: "review" };

const open = () => [...(list?.children ?? [])].filter((item) => !item.classList.contains("is-done"));

async function decide(item, kind) {
  if (item.classList.contains("is-done") || item.dataset.busy) return;
  item.dataset.busy = "1";
  const headers = { "X-CSRFToken": csrfToken(), Accept: "application/json" };
  try {
    const body = new URLSearchParams({ do: kind });
    const reply = await fetch(item.dataset.actUrl, { method: "POST", body, headers });
    const content = await reply.json();
    if (!reply.ok) throw new Error(content.error);
    const hadFocus = item.contains(document.activeElement);
    const next = item.nextElementSibling ?? item.previousElementSibling;
    item.classList.add("is-done");
    item.querySelector(".issue-state").textContent = content.words;
    item.querySelector(".toolbar")?.remove();
    if (hadFocus) next?.focus();
    if (open().length < 6) fetchMore();
  } catch (error) {
    announce(error.message || gettext("No connection to the server."), "warn");
  } finally {
    delete item.dataset.busy;
  }
}

let fetching = false;
async function fetchMore() {
  if (fetching || !list.dataset.cursor) return;
  fetching = true;
  try {
    const url = `${list.dataset.more}&cursor=${encodeURIComponent(list.dataset.cursor)}`;
    const reply = await fetch(url, { headers: { Accept: "application/json" } });
    const page = await reply.json();
    if (!reply.ok) throw new Error(page.error);
    list.insertAdjacentHTML("beforeend", page.html);
    list.dataset.cursor = page.cursor;
    if (!page.cursor) more?.remove();
  } catch (error) {
    announce(error.message || gettext("No connection to the server."), "warn");
  }
  fetching = false;
}

more?.addEventListener("click", fetchMore);
list?.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button) decide(button.closest(".issue"), button.dataset.do);
});
list?.addEventListener("keydown", (event) => {
  const item = event.target.closest(".issue");
  if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (step) {
    event.preventDefault();
    (step > 0 ? item.nextElementSibling : item.previousElementSibling)?.focus();
  } else if (event.key in KEYS && item.querySelector("[data-do]")) {
    event.preventDefault();
    decide(item, KEYS[event.key]);
  }
});
document.getElementById("issue-filter")?.addEventListener("submit", (event) => {
  for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true;
});
