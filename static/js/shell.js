// The frame of every page: menus, theme, relative times, copying, errors of htmx requests.
// Everything here improves pages that also work without it.

import { gettext, interpolate, language, locale } from "./i18n.js";

const messages = () => document.getElementById("messages");

/** Show an alert in the page's live region. kind: "error", "warn", "info", "ok". */
export function announce(text, kind = "info") {
  const box = messages();
  if (!box) return;
  const alert = document.createElement("div");
  alert.className = `alert alert-${kind}`;
  const words = document.createElement("span");
  words.textContent = text;
  alert.append(words);
  box.replaceChildren(alert);
}

/** Return the CSRF token as it is now: signing in rotates it. */
export function csrfToken() {
  const match = document.cookie.match(/(?:^|;\s*)csrftoken=([^;]+)/);
  return match ? decodeURIComponent(match[1]) : "";
}

// Menus: one open at a time, closed by Escape (focus goes back) or a click elsewhere.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

// On a narrow screen the tabs scroll: the one that is open is in sight.
const tab = document.querySelector(".tabs > [aria-current]");
if (tab) tab.parentElement.scrollLeft = tab.offsetLeft - (tab.parentElement.clientWidth - tab.offsetWidth) / 2;

// Theme: at once, then saved in the background.
document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-theme-switch]");
  if (!form || !event.submitter) return;
  event.preventDefault();
  const theme = event.submitter.value;
  document.documentElement.dataset.theme = theme;
  for (const button of form.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.value === theme));
  }
  document.dispatchEvent(new CustomEvent("themechange", { detail: theme }));
  const body = new FormData(form);
  body.set("theme", theme);
  fetch(form.action, { method: "POST", body, headers: { "X-CSRFToken": csrfToken() } }).catch(() =>
    announce(gettext("The choice of colours could not be saved: no connection."), "warn"),
  );
});

// <time data-time="relative|exact|clock" datetime="..."> (templatetags/times.py), where the reader is:
// "3 minutes ago" with the exact time on hover; day and time; the time of day to the second.
const UNITS = [
  ["year", 31536000],
  ["month", 2592000],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const exact = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
const toTheSecond = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "long" });
const clock = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });

/** Return "3 minutes ago" or "in 2 days" for a date. */
export function relativeTime(date, now = Date.now()) {
  const seconds = (date.getTime() - now) / 1000;
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return relative.format(Math.round(seconds / size), unit);
  }
  return seconds < 0 ? gettext("just now") : gettext("in a moment");
}

const STYLES = { relative: relativeTime, exact: (date) => exact.format(date), clock: (date) => clock.format(date) };

/** Write every time below `root` in the page's language, where the reader is. */
export function tellTimes(root = document) {
  for (const element of root.querySelectorAll("time[data-time]")) {
    const date = new Date(element.dateTime);
    if (Number.isNaN(date.getTime())) continue;
    const words = STYLES[element.dataset.time](date);
    if (element.textContent !== words) element.textContent = words;
    element.title = toTheSecond.format(date);
  }
}
tellTimes();
setInterval(() => tellTimes(), 30000);
document.addEventListener("htmx:afterSwap", () => tellTimes());

// Tables that scroll sideways can be reached and scrolled with the keyboard.
function makeReachable() {
  for (const box of document.querySelectorAll(".table-wrap")) {
    const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
    if (!scrolls || box.hasAttribute("tabindex")) continue;
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    const head = box.closest("section")?.querySelector("h1, h2, h3")?.textContent.trim();
    const table = head || gettext("Table");
    box.setAttribute("aria-label", interpolate(gettext("%(table)s, scrolls sideways"), { table }));
  }
}
makeReachable();
addEventListener("resize", makeReachable);
document.addEventListener("htmx:afterSwap", makeReachable);

// <button data-copy="#id"> copies a field's value; plain http on a LAN has no clipboard API.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.querySelector(button.dataset.copy);
  field.select();
  try {
    if (navigator.clipboard) await navigator.clipboard.writeText(field.value);
    else document.execCommand("copy");
    button.querySelector("[data-copy-text]").textContent = gettext("Copied");
  } catch {
    announce(gettext("Copying did not work: press Ctrl+C, the link is selected."), "warn");
  }
});

// A page that came back with an error starts there.
document.querySelector("[data-focus]")?.focus();

// Forms that change much ask once: <form data-confirm="...">.
document.addEventListener("submit", (event) => {
  const words = event.target.dataset?.confirm;
  if (words && !window.confirm(words)) event.preventDefault();
});

// Errors of htmx requests: the server's fragment if it sent one, else plain words.
document.addEventListener("htmx:responseError", (event) => {
  const { xhr } = event.detail;
  const fragment = new DOMParser().parseFromString(xhr.responseText || "", "text/html");
  const words = fragment.querySelector(".alert")?.textContent?.trim();
  const plain = gettext("The server answered %(status)s. Nothing was changed.");
  announce(words || interpolate(plain, { status: xhr.status }), "error");
});
document.addEventListener("htmx:sendError", () =>
  announce(gettext("No connection to the server. Try again in a moment."), "error"),
);
