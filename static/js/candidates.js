// Which networks race, and how they are trained. The page works without this script: then every
// row stands open, and the server says what does not go together. With it, what cannot be chosen
// is greyed out, empty rows are folded away, and settings show where a candidate uses them.

import { gettext } from "./i18n.js";

const DISAGREEMENT = ["mutual_information", "variation_ratios"];
const fieldsets = [...document.querySelectorAll("[data-candidates]")];
const rows = fieldsets.flatMap((fieldset) => [...fieldset.querySelectorAll("[data-candidate]")]);
const part = (row, name) => row.querySelector(`[data-${name}]`);
const members = (row) => [...row.querySelectorAll("[data-members]")];
const isPretrained = (way) => /tuned|frozen/u.test(way);
const chosen = () => rows.filter((row) => part(row, "net").value);

/** Whether a candidate has two members or more. */
function isEnsemble(row) {
  return members(row).some((input) => !input.disabled && Number(input.value) > 1);
}

/** Grey out what does not go with a row's network. What was chosen stays: the sentence says why not. */
function suit(row) {
  const net = part(row, "net").value;
  const way = part(row, "way");
  const weights = row.closest("[data-candidates]").dataset.candidates.split(" ");
  for (const option of way.options) {
    option.disabled =
      isPretrained(option.value) && !weights.includes(net) && option.value !== way.value;
  }
  way.disabled = !net;
  for (const input of members(row)) {
    input.disabled = !net || way.value.includes("frozen");
    if (input.disabled) input.value = 1;
  }
}

/** Show the settings that a chosen candidate, or what people label next, makes use of. */
function showSettings() {
  const acquisition = document.querySelector("#id_acquisition");
  const ways = chosen().map((row) => part(row, "way").value.split("+"));
  const used = new Set(ways.flat());
  if (chosen().some(isEnsemble)) used.add("members");
  if (acquisition) used.add(acquisition.value);
  for (const group of document.querySelectorAll("[data-when]")) {
    group.hidden = !used.has(group.dataset.when) && !("used" in group.dataset);
  }
  const alone = chosen().some((row) => !isEnsemble(row));
  for (const option of acquisition?.options ?? []) {
    option.disabled = alone && DISAGREEMENT.includes(option.value) && !option.selected;
  }
}

/** Keep the rivals' first rows open, and offer another one while there is room. */
function foldRows(fieldset) {
  const button = fieldset.querySelector("[data-add]");
  if (!button) return;
  const all = [...fieldset.querySelectorAll("[data-candidate]")];
  for (const row of all) {
    row.hidden = !part(row, "net").value && !("open" in row.dataset);
    part(row, "remove").hidden = false;
  }
  button.hidden = !all.some((row) => row.hidden);
}

function refresh() {
  for (const row of rows) suit(row);
  for (const fieldset of fieldsets) foldRows(fieldset);
  showSettings();
}

/** Have the sentence under a row told anew. */
const tell = (row) => row.dispatchEvent(new CustomEvent("told"));

/** Put a candidate's name into the controls of a row; an empty name empties it. */
function put(row, name) {
  const [net, ...parts] = name.split("+");
  part(row, "net").value = net;
  part(row, "way").value = parts.filter((one) => !one.includes("=")).join("+") || "plain";
  for (const input of members(row)) {
    const own = input.name.endsWith("_seeds") ? "seeds=" : "checkpoints=";
    input.value = parts.find((one) => one.startsWith(own))?.slice(own.length) ?? 1;
  }
}

function add(fieldset) {
  const row = [...fieldset.querySelectorAll("[data-candidate]")].find((one) => one.hidden);
  if (!row) return;
  row.dataset.open = "";
  foldRows(fieldset);
  part(row, "net").focus();
}

function remove(row) {
  put(row, "");
  delete row.dataset.open;
  refresh();
  tell(row);
  row.closest("[data-candidates]").querySelector("[data-add]").focus();
}

/** Put the values of the chosen preset into the form. */
function fill(values) {
  const { arch, rivals, ...settings } = values;
  for (const [name, value] of Object.entries(settings)) {
    const input = document.querySelector(`#id_${name}`);
    if (input) input.value = value ?? "";
  }
  if (!arch) return;
  const names = [arch, ...rivals];
  rows.forEach((row, place) => {
    put(row, names[place] ?? "");
    delete row.dataset.open;
  });
}

for (const row of rows) {
  row.addEventListener("input", refresh);
  part(row, "remove")?.addEventListener("click", () => remove(row));
}
for (const fieldset of fieldsets) {
  fieldset.querySelector("[data-add]")?.addEventListener("click", () => add(fieldset));
}
document.querySelector("#id_acquisition")?.addEventListener("change", showSettings);
document.querySelector("button[name=fill]")?.addEventListener("click", (event) => {
  event.preventDefault();
  const values = JSON.parse(document.querySelector("#preset-values").textContent);
  fill(values[document.querySelector("#id_preset").value]);
  refresh();
  rows.forEach(tell);
  document.querySelector("#preset-said").textContent = gettext("Filled in; nothing is saved yet.");
});
refresh();
