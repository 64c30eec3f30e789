// The bell: how much is unread, fetched after the page is there and every half minute while it is
// looked at; a dashboard that hears of an event asks at once. The labelling page never asks.

import { csrfToken } from "./shell.js";

const EVERY = 30000;
const AFTER_EVENT = 1800; // the worker makes notifications of events once a second
const KNOWN = "unread";

const bell = document.querySelector("[data-bell]");
const badge = bell?.querySelector("[data-bell-count]");
const words = bell?.querySelector("[data-bell-words]");
const title = words?.textContent;
let asked = 0;
let timer = 0;

function show(found) {
  badge.hidden = !found.unread;
  badge.textContent = found.text;
  words.textContent = found.unread ? `${title}: ${found.words}` : title;
}

async function ask() {
  clearTimeout(timer);
  timer = setTimeout(ask, EVERY);
  if (document.hidden) return;
  asked = Date.now();
  try {
    const answer = await fetch(bell.dataset.bell, { headers: { Accept: "application/json" } });
    if (!answer.ok || answer.redirected) return;
    const found = await answer.json();
    sessionStorage.setItem(KNOWN, JSON.stringify(found));
    show(found);
  } catch {
    // No connection, or no storage: the next half minute asks again.
  }
}

function soon(wait) {
  clearTimeout(timer);
  timer = setTimeout(ask, wait);
}

function markRead(address) {
  const body = new URLSearchParams({ read: "1" });
  fetch(address, { method: "POST", body, keepalive: true, headers: { "X-CSRFToken": csrfToken() } });
}

if (bell) {
  try {
    const known = sessionStorage.getItem(KNOWN);
    if (known) show(JSON.parse(known));
  } catch {
    // Nothing is known.
  }
  if (!document.body.classList.contains("label-page")) ask();
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && Date.now() - asked > EVERY && asked) ask();
  });
  document.addEventListener("projectevents", () => soon(AFTER_EVENT));
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.target.closest?.("[data-counts]")) ask();
  });
  bell.addEventListener("toggle", () => {
    if (bell.open) bell.querySelector(".menu-body").dispatchEvent(new Event("bellopen"));
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-read]");
    if (link) markRead(link.dataset.read);
  });
}
