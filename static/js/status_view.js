// What the pages for labelling have around the images: the key caps, saved or not, one sentence
// beside the status, and what a screen reader says.

import { gettext, interpolate, ngettext, number } from "./i18n.js";
import { cap } from "./label_keys.js";

const MESSAGE_MS = 9000;

export const at = (id) => document.getElementById(id);

/** How many answers the server does not have yet, in words. */
export function waitingWords(unsaved) {
  return interpolate(ngettext("%(n)s answer unsaved", "%(n)s answers unsaved", unsaved), { n: number(unsaved) });
}

export class StatusView {
  /** Write the keys onto the buttons and into the help. */
  caps(keys) {
    for (const place of document.querySelectorAll("[data-key-of]")) {
      const key = keys.keyOf(place.dataset.keyOf);
      place.textContent = cap(key);
      place.hidden = !key;
    }
  }

  /** Say whether the server has everything. */
  saved(state, unsaved, durable) {
    const trouble = {
      offline: gettext("No connection, trying again."),
      "server-error": gettext("The server has trouble, trying again."),
      "signed-out": gettext("You are signed out."),
      "other-user": gettext("Somebody else is signed in here now."),
      "no-access": gettext("You have no access to this project any more."),
    }[state.kind];
    const words = trouble ? [trouble, this.besideTrouble(unsaved)] : [unsaved ? waitingWords(unsaved) : gettext("All saved")];
    if (unsaved && !durable) words.push(gettext("Keep this page open: this browser has no room to store them."));
    at("saved").dataset.kind = state.kind === "saved" && unsaved ? "sending" : state.kind;
    at("saved-text").textContent = words.filter(Boolean).join(" ");
    at("sign-in").hidden = !["signed-out", "other-user"].includes(state.kind);
  }

  /** What a trouble is said with: how many answers wait, where any does. */
  besideTrouble(unsaved) {
    return unsaved ? waitingWords(unsaved) : "";
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
}
