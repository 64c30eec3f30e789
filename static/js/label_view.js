// What the labelling page looks like: it is told what to show and decides nothing.

const WHY = {
  random: "Why this image: drawn at random",
  unsure: "Why this image: the machine is unsure here",
  leftover: "Why this image: the machine leaves it to people",
};
const STRIP = 30;
const FLASH_MS = 140;
const MESSAGE_MS = 7000;
const PIXEL_ART = 200; // pictures smaller than this are scaled up without blur

const at = (id) => document.getElementById(id);

export class View {
  constructor(classes) {
    this.names = new Map(classes.map((one) => [one.index, one.name]));
    this.buttons = new Map(
      [...document.querySelectorAll("[data-class]")].map((b) => [Number(b.dataset.class), b]),
    );
  }

  /** Show a task's picture; where it is still on its way, say so and show it when it comes. */
  show(item) {
    at("why").textContent = WHY[item.task.purpose_hint] ?? "";
    this.showMode(item);
    this.markBefore(item.before);
    if (item.state === "ready") this.paint(item);
    else if (item.state === "failed") this.note("This image could not be loaded.", item.task, true);
    else this.note("Loading the image…");
  }

  paint(item) {
    const { image } = item;
    image.alt = "The image to label";
    const small = Math.max(image.naturalWidth, image.naturalHeight) < PIXEL_ART;
    image.classList.toggle("label-pixels", small);
    at("frame").replaceChildren(image);
    at("note").hidden = true;
  }

  /** Write into the stage instead of a picture. */
  note(title, text = "", withActions = false) {
    at("frame").replaceChildren();
    at("note-title").textContent = title;
    at("note-text").textContent = typeof text === "string" ? text : `Image ${text.seq}.`;
    at("note-actions").hidden = !withActions;
    at("note").hidden = false;
  }

  /** No task: say what is going on. */
  idle(status) {
    at("why").textContent = "";
    this.markBefore(null);
    at("mode").hidden = true;
    const finished = status.state === "finished";
    this.note(
      finished ? "All images are labelled" : "Nothing to label right now",
      finished ? "Thank you. You can still correct your last answers below." : this.waiting(status),
    );
  }

  waiting(status) {
    const stays = ["archived", "failed", "setup"].includes(status.state);
    return stays ? status.message : `${status.message} This page goes on by itself.`;
  }

  showMode(item) {
    const name = this.names.get(item.before) ?? "skipped";
    at("mode").hidden = !item.correcting;
    at("mode-text").textContent = `Correcting: it was ${name}`;
  }

  markBefore(index) {
    for (const [one, button] of this.buttons) {
      button.toggleAttribute("data-before", one === index);
    }
  }

  flash(index) {
    const button = this.buttons.get(index);
    if (!button) return;
    button.setAttribute("data-pressed", "");
    setTimeout(() => button.removeAttribute("data-pressed"), FLASH_MS);
  }

  progress(done, left) {
    at("done").textContent = done.toLocaleString();
    at("left").textContent = left === null ? "–" : left.toLocaleString();
  }

  /** Say whether the server has everything. */
  saved(state, unsaved, durable) {
    const waiting = unsaved === 1 ? "1 answer unsaved" : `${unsaved} answers unsaved`;
    const words = {
      saved: unsaved ? waiting : "All saved",
      offline: `No connection, trying again. ${waiting}`,
      "server-error": `The server has trouble, trying again. ${waiting}`,
      "signed-out": `You are signed out. ${waiting}`,
      "other-user": `Somebody else is signed in here now. ${waiting}`,
      "no-access": `You have no access to this project any more. ${waiting}`,
    };
    const kept = !unsaved || durable ? "" : " Keep this page open: this browser cannot store them.";
    at("saved").dataset.kind = state.kind === "saved" && unsaved ? "sending" : state.kind;
    at("saved-text").textContent = words[state.kind] + kept;
    at("sign-in").hidden = !["signed-out", "other-user"].includes(state.kind);
  }

  /** One sentence beside the status; it goes away by itself. */
  message(text) {
    at("message").textContent = text;
    clearTimeout(this.messageTimer);
    this.messageTimer = setTimeout(() => (at("message").textContent = ""), MESSAGE_MS);
  }

  speak(text) {
    at("spoken").textContent = text;
  }

  /** Put an answer at the front of the strip; `onPick` runs when it is chosen. */
  remember(entry, onPick) {
    const button = document.createElement("button");
    button.type = "button";
    const name = entry.index === null ? "skipped" : this.names.get(entry.index);
    button.title = `${name}: choose to correct`;
    const picture = document.createElement("img");
    picture.src = entry.item.image.src;
    picture.alt = "";
    const small = Math.max(entry.item.task.width, entry.item.task.height) < PIXEL_ART;
    picture.classList.toggle("label-pixels", small);
    const caption = document.createElement("span");
    caption.textContent = name;
    button.append(picture, caption);
    button.addEventListener("click", (event) => {
      if (event.detail) button.blur();
      onPick();
    });
    const row = document.createElement("li");
    row.append(button);
    entry.row = row;
    at("strip").prepend(row);
    while (at("strip").children.length > STRIP) at("strip").lastElementChild.remove();
  }

  forget(entry) {
    entry.row?.remove();
  }
}
