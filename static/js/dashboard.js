// The dashboard: keeps the page as a fresh load would show it. The server renders every word and
// computes every number; this swaps the parts that changed and redraws the charts.

import { connect } from "./dashboard_live.js";
import { ChartCard } from "./dashboard_card.js";
import { cost } from "./dashboard_cost.js";
import { history } from "./dashboard_history.js";
import { gettext } from "./i18n.js";
import { nameProject } from "./project_name.js";
import { tellTimes } from "./shell.js";

const KINDS = { cost, history };
const LINK = {
  live: [gettext("Live"), "badge badge-ok", gettext("Changes appear by themselves.")],
  away: [
    gettext("Reconnecting"),
    "badge badge-warn",
    gettext("No connection to the server; what you see may be old."),
  ],
  closed: [
    gettext("Not live"),
    "badge badge-danger",
    gettext("You can no longer see this project. Reload the page."),
  ],
};

const root = document.getElementById("dashboard");
const data = JSON.parse(document.getElementById("dashboard-data").textContent);
const shown = {};

const cards = Object.fromEntries(
  [...root.querySelectorAll("[data-chart]")].filter((element) => element.dataset.chart in KINDS).map((element) => {
    const key = element.dataset.chart;
    const card = new ChartCard(element, KINDS[key], `${root.dataset.project}-${key}`);
    card.update(data[key]);
    return [key, card];
  }),
);

function swap(name, html) {
  const place = root.querySelector(`[data-live="${name}"]`);
  if (!place || shown[name] === html) return;
  shown[name] = html;
  const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
  const scrolled = [...place.querySelectorAll(".table-wrap, .dash-list")].map((e) => [e.scrollLeft, e.scrollTop]);
  place.innerHTML = html;
  place.querySelectorAll(".table-wrap, .dash-list").forEach((element, index) => {
    [element.scrollLeft, element.scrollTop] = scrolled[index] ?? [0, 0];
  });
  if (focused) document.getElementById(focused)?.focus();
  tellTimes(place);
  if (name === "title") nameProject(html);
}

function announce() {
  const words = root.querySelector('[data-live="status"] .badge')?.textContent ?? "";
  const box = document.getElementById("dash-announce");
  if (box.dataset.said !== words) {
    if (box.dataset.said) box.textContent = words;
    box.dataset.said = words;
  }
}

/** Before the first training there is nothing to draw: the page says how it goes instead. */
function showStage(history) {
  const begun = history.number.length > 0;
  for (const part of root.querySelectorAll("[data-before]")) part.hidden = begun;
  for (const part of root.querySelectorAll("[data-after]")) part.hidden = !begun;
}

function receive(message) {
  if (message.data.history) showStage(message.data.history);
  for (const [name, html] of Object.entries(message.html)) swap(name, html);
  for (const [key, value] of Object.entries(message.data)) cards[key]?.update(value);
  root.dataset.seq = message.seq;
  announce();
}

function showLink(state) {
  const badge = document.getElementById("dash-link");
  const [words, look, title] = LINK[state];
  if (badge.textContent === words) return;
  badge.textContent = words;
  badge.className = look;
  badge.title = title;
}

announce();
connect(root.dataset.socket, Number(root.dataset.seq), receive, showLink);
