// The forecast pages: draw what the server computed, and draw it anew when the run has moved.
//
// The dashboard's socket only says that something happened; the page then asks for what changed
// since the version that it shows. Sentences and tables come as the server wrote them.

import { connect } from "./dashboard_live.js";
import { ChartCard } from "./dashboard_card.js";
import { cost } from "./dashboard_cost.js";
import { curves } from "./dashboard_curves.js";
import { history } from "./dashboard_history.js";
import { margins } from "./dashboard_margins.js";
import { days } from "./forecast_days.js";
import { epsilon } from "./forecast_epsilon.js";
import { foresight } from "./forecast_foresight.js";
import { race } from "./forecast_race.js";
import { reliability } from "./forecast_reliability.js";
import { sizes } from "./forecast_sizes.js";
import { nameProject } from "./project_name.js";
import { tellTimes } from "./shell.js";

const KINDS = { cost, curves, days, epsilon, foresight, history, margins, race, reliability, sizes };
const PAUSE = 1500; // between two looks, however much happens
const COUNTING = 400; // while the server still counts labels

const root = document.getElementById("forecast");
const data = JSON.parse(document.getElementById("forecast-data").textContent);
let version = root.dataset.version;
let run = root.dataset.run;
let asking = false;
let again = 0;

const cards = Object.fromEntries(
  [...root.querySelectorAll("[data-chart]")].map((element) => {
    const key = element.dataset.chart;
    const card = new ChartCard(element, KINDS[key], `${root.dataset.project}-${key}`);
    card.update(data[key] ?? {});
    return [key, card];
  }),
);

/** A bar of the margins leads to the images that the machine is so sure of. */
function follow(card) {
  const { place, plot, data: shown } = card;
  const value = plot?.posToVal(plot.cursor.left, "x");
  const bar = shown.edges?.findIndex((edge, at) => value >= edge && value < shown.edges[at + 1]) ?? -1;
  if (bar >= 0 && place.classList.contains("is-link")) location.href = shown.links[bar];
}

if (cards.margins && root.dataset.browse) {
  cards.margins.place.classList.add("is-link");
  cards.margins.place.addEventListener("click", () => follow(cards.margins));
}

function swap(place, html) {
  const open = [...place.querySelectorAll("details[id]")].filter((one) => one.open).map((one) => one.id);
  const scrolled = [...place.querySelectorAll(".table-wrap")].map((one) => [one.scrollLeft, one.scrollTop]);
  const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
  place.innerHTML = html;
  tellTimes(place);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  place.querySelectorAll(".table-wrap").forEach((element, index) => {
    [element.scrollLeft, element.scrollTop] = scrolled[index] ?? [0, 0];
  });
  if (focused) document.getElementById(focused)?.focus();
}

function receive(page) {
  version = page.version;
  for (const [key, value] of Object.entries(page.charts)) cards[key]?.update(value);
  for (const place of root.querySelectorAll("[data-says]")) {
    const words = page.said[place.dataset.says];
    if (words !== undefined && place.textContent !== words) place.textContent = words;
  }
  for (const [name, html] of Object.entries(page.html)) {
    const place = root.querySelector(`[data-live="${name}"]`);
    if (place) swap(place, html);
  }
  const needs = document.getElementById("forecast-needs");
  needs.textContent = page.needs;
  needs.hidden = !page.needs;
}

/** Ask for what has changed; one look at a time, the last wish is kept. */
async function look() {
  if (asking) {
    again = again || 1;
    return;
  }
  asking = true;
  try {
    const answer = await fetch(`${root.dataset.data}?live=${encodeURIComponent(version)}`);
    if (answer.status === 200) {
      const page = await answer.json();
      receive(page);
      if (page.run !== run) askEpsilon();
      run = page.run;
    }
  } catch {
    // the network is away: the socket says something again once it is back
  }
  setTimeout(() => {
    asking = false;
    if (again || isCounting()) {
      again = 0;
      look();
    }
  }, isCounting() ? COUNTING : PAUSE);
}

const isCounting = () => Boolean(root.querySelector("[data-counting]"));

let asked = null;

/** What other limits would give: the engine computes it, so it comes after everything else. */
async function askEpsilon() {
  const card = cards.epsilon;
  if (!card) return;
  const mine = (asked = Symbol("look"));
  let found = { failed: true };
  try {
    const answer = await fetch(root.dataset.epsilon);
    if (answer.ok) found = await answer.json();
  } catch {
    // said in the card
  }
  if (mine !== asked) return;
  card.update(found);
  card.element.querySelector("[data-says]").textContent = found.says ?? "";
}

askEpsilon();
if (isCounting()) look();
connect(
  root.dataset.socket,
  Number(root.dataset.seq),
  (message) => {
    if (message.html?.title) nameProject(message.html.title);
    if (message.seq) look();
  },
  () => {},
);
