// Editing guidelines: pick example images from thumbnails; the numbers stay editable by hand.

import { gettext, interpolate } from "./i18n.js";

const picker = document.getElementById("picker");
const body = document.getElementById("picker-body");
let field = null;

const numbers = (input) => [...new Set((input.value.match(/\d+/g) || []).map(Number))];
const address = (seq) => picker.dataset.image.replace("/0/display/", `/${seq}/display/`);

function showThumbs(input) {
  const box = document.querySelector(`[data-thumbs="${input.id}"]`);
  const images = numbers(input).map((seq) => {
    const image = new Image();
    image.src = address(seq);
    image.alt = interpolate(gettext("image %(seq)s"), { seq });
    image.title = image.alt;
    image.className = "thumb";
    image.loading = "lazy";
    return image;
  });
  box.replaceChildren(...images);
}

function markPicked() {
  if (!field) return;
  const chosen = new Set(numbers(field));
  for (const button of body.querySelectorAll(".pick")) {
    button.setAttribute("aria-pressed", String(chosen.has(Number(button.dataset.seq))));
  }
}

function toggle(seq) {
  const chosen = numbers(field);
  const most = Number(field.dataset.examples);
  const next = chosen.includes(seq) ? chosen.filter((n) => n !== seq) : [...chosen, seq];
  if (next.length > most) return;
  field.value = next.join(", ");
  showThumbs(field);
  markPicked();
}

for (const input of document.querySelectorAll("[data-examples]")) {
  showThumbs(input);
  input.addEventListener("change", () => showThumbs(input));
}

for (const button of document.querySelectorAll("[data-pick]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    field = document.getElementById(button.dataset.pick);
    picker.querySelector("[data-picker-name]").textContent = button.dataset.pickName;
    picker.showModal();
    if (body.childElementCount) markPicked();
    else window.htmx.ajax("GET", picker.dataset.url, { target: body, swap: "innerHTML" });
  });
}

body.addEventListener("htmx:afterSwap", markPicked);
body.addEventListener("click", (event) => {
  const button = event.target.closest(".pick");
  if (button) toggle(Number(button.dataset.seq));
});
picker.querySelector("[data-close]").addEventListener("click", () => picker.close());
