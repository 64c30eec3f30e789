// The search for the best training set: a long list of classes folds.

const more = document.getElementById("curate-more");

if (more) {
  const box = more.closest(".table-wrap");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn btn-sm";
  button.textContent = more.dataset.fold;
  button.setAttribute("aria-controls", more.id);
  more.hidden = true;
  button.addEventListener("click", () => {
    more.hidden = false;
    more.querySelector("a")?.focus();
    button.remove();
  });
  box.after(button);
}
