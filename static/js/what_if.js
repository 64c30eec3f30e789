// What if: sliders, and the plan that they give. The server computes and renders; this asks it
// while a slider moves, shows the newest answer, and keeps the address as a link to what is shown.

import { ChartCard } from "./dashboard_card.js";
import { gettext } from "./i18n.js";
import { Slider } from "./what_if_sliders.js";
import { whatIfCost } from "./what_if_cost.js";

const PAUSE_MS = 60; // of the fingers, before the server is asked

const root = document.getElementById("what-if");
const place = document.getElementById("what-if-answer");
const said = document.getElementById("what-if-said");
const budgetOn = document.getElementById("what-if-budget-on");
const budgetOff = root.querySelector("input[name=budget_off]");
const card = new ChartCard(root.querySelector("[data-chart]"), whatIfCost, `${root.dataset.project}-what-if`);
card.update(JSON.parse(document.getElementById("what-if-data").textContent));

const sliders = [...root.querySelectorAll("[data-slider]")].map((element) => new Slider(element, moved));
const budget = sliders.find((slider) => slider.name === "budget");

let waiting = 0;
let underWay = null;

function showBudget() {
  budget.enable(budgetOn.checked);
  budgetOff.disabled = budgetOn.checked || !budget.present;
}

/** Return what differs from the run's own settings, as the address says it. */
function query() {
  const asked = new URLSearchParams();
  for (const slider of sliders) {
    if (slider !== budget && slider.differs) asked.set(slider.name, slider.value);
  }
  if (budgetOn.checked && budget.differs) asked.set("budget", budget.value);
  if (!budgetOff.disabled) asked.set("budget_off", "on");
  return asked.toString();
}

/** A slider moved; `settled` when it was let go: then the browser's Back comes here again. */
function moved(settled) {
  const asked = query();
  if (settled) remember(asked);
  clearTimeout(waiting);
  waiting = setTimeout(() => ask(asked), settled ? 0 : PAUSE_MS);
}

function remember(asked) {
  const address = asked ? `?${asked}` : location.pathname;
  if (location.search.slice(1) !== asked) history.pushState(null, "", address);
}

/** The newest question wins: an answer to an older one is never shown. */
async function ask(asked) {
  underWay?.abort();
  place.removeAttribute("aria-busy");
  if (place.dataset.query === asked) return;
  const mine = new AbortController();
  underWay = mine;
  place.setAttribute("aria-busy", "true");
  try {
    const address = `${root.dataset.answer}?${asked}`;
    const reply = await fetch(address, { headers: { Accept: "application/json" }, signal: mine.signal });
    const found = await reply.json();
    if (reply.ok) show(asked, found);
    else refuse(found);
  } catch (error) {
    if (error.name === "AbortError") return;
    refuse({ error: gettext("The server cannot be reached. The figures are those of before.") });
  }
  if (underWay === mine) place.removeAttribute("aria-busy");
}

function show(asked, found) {
  place.dataset.query = asked;
  place.innerHTML = found.html;
  card.update(found.chart);
  const parts = place.querySelectorAll(".what-if-headline .stat > *, [data-verdict]");
  said.textContent = [...parts].map((part) => part.textContent).join(". ");
  ready();
}

function refuse(found) {
  const box = document.createElement("div");
  box.className = "alert alert-error";
  box.id = "what-if-wrong";
  const reasons = Object.values(found.fields ?? {}).filter(Boolean);
  box.textContent = [found.error, ...reasons].join(" ");
  document.getElementById("what-if-wrong")?.remove();
  place.prepend(box);
  delete place.dataset.query;
  said.textContent = box.textContent;
}

/** What the sliders come to, beside them where the answer is out of sight. */
function showMini() {
  const mini = document.getElementById("what-if-mini");
  const figure = document.createElement("b");
  figure.textContent = place.querySelector(".dash-value").textContent;
  const change = place.querySelector(".what-if-headline .what-if-change")?.cloneNode(true) ?? "";
  mini.replaceChildren(figure, " ", change);
  mini.hidden = false;
}

function ready() {
  showMini();
  const copy = place.querySelector("[data-copy]");
  if (!navigator.clipboard) return;
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    const reply = await fetch(copy.dataset.copy);
    await navigator.clipboard.writeText(await reply.text());
    said.textContent = gettext("Copied.");
  });
}

/** Put the sliders where an address says. */
function restore() {
  const asked = new URLSearchParams(location.search);
  for (const slider of sliders) slider.set(asked.get(slider.name) ?? slider.present);
  if (budget.value === "") budget.set(budget.range.max / 2);
  budgetOn.checked = asked.has("budget") || (Boolean(budget.present) && !asked.has("budget_off"));
  showBudget();
  ask(query());
}

document.getElementById("what-if-reset").addEventListener("click", (event) => {
  event.preventDefault();
  remember("");
  restore();
});
document.getElementById("what-if-form").addEventListener("submit", (event) => {
  event.preventDefault();
  moved(true);
});
budgetOn.addEventListener("change", () => {
  showBudget();
  moved(true);
});
addEventListener("popstate", restore);
showBudget();
place.dataset.query = query();
ready();
