// The page of jobs: fetched anew every two seconds and put into what is there, so that the focus,
// an open log and its place stay. Without script the page shows the same and does not move.

import { csrfToken } from "./shell.js";

const FAST_MS = 2000;
const SLOW_MS = 10000; // nothing runs, nothing waits

const live = document.getElementById("live");
const opened = new Set(new URLSearchParams(location.search).getAll("open"));
let timer = 0;
let asked = 0;

function address() {
  const query = new URLSearchParams(location.search);
  query.delete("open");
  for (const id of opened) query.append("open", id);
  return `${live.dataset.live}?${query}`;
}

async function refresh() {
  clearTimeout(timer);
  asked += 1;
  const mine = asked;
  try {
    const response = await fetch(address(), { headers: { "X-CSRFToken": csrfToken() } });
    if (response.redirected || response.status === 403 || response.status === 404) return; // not ours any more
    if (response.ok && mine === asked) show(await response.text());
  } catch {
    // no connection: the next time
  }
  if (mine === asked) plan();
}

function plan() {
  clearTimeout(timer);
  const busy = live.querySelector("#jobs-now .job, #jobs-waiting .job");
  timer = setTimeout(() => (document.hidden ? plan() : refresh()), busy ? FAST_MS : SLOW_MS);
}

function show(html) {
  const fresh = document.createElement("div");
  fresh.innerHTML = html; // the server's own fragment, made by the template of the page
  const ends = [...live.querySelectorAll(".job-log")].filter(atEnd).map((log) => log.id);
  children(live, fresh);
  for (const log of live.querySelectorAll(".job-log")) {
    if (ends.includes(log.id) || !log.dataset.seen) log.scrollTop = log.scrollHeight;
    log.dataset.seen = "1";
  }
  document.dispatchEvent(new CustomEvent("htmx:afterSwap")); // relative times, wide tables
}

const atEnd = (log) => log.scrollHeight - log.scrollTop - log.clientHeight < 4;

/** Make the children of `old` those of `fresh`; what has the same id stays the same element. */
function children(old, fresh) {
  let place = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    const match = next.id ? old.querySelector(`:scope > #${CSS.escape(next.id)}`) : place;
    if (match && alike(match, next)) {
      if (match === place) place = place.nextSibling;
      else old.insertBefore(match, place);
      become(match, next);
    } else {
      old.insertBefore(next, place);
    }
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}

const alike = (one, other) => one.nodeName === other.nodeName && (one.id || "") === (other.id || "");

function become(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.matches("select") && old === document.activeElement) return; // somebody is choosing
  const sameTime = old.matches("time[data-time]") && old.dateTime === fresh.dateTime;
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    const ours = name === "data-seen" || (sameTime && name === "title");
    if (!ours && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  if (!sameTime) children(old, fresh);
}

live.addEventListener("click", (event) => {
  const link = event.target.closest("[data-log]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (!opened.delete(link.dataset.log)) opened.add(link.dataset.log);
  refresh();
});
live.addEventListener("change", (event) => {
  if (event.target.id === "jobs-kind") event.target.form.submit();
});
document.addEventListener("submit", (event) => {
  const words = event.submitter?.dataset.ask;
  if (words && !window.confirm(words)) event.preventDefault();
});
document.addEventListener("visibilitychange", () => document.hidden || refresh());
for (const log of live.querySelectorAll(".job-log")) log.scrollTop = log.scrollHeight;
plan();
