// What the review page looks like: it is told what to show and decides nothing.

import { gettext, interpolate, number } from "./i18n.js";
import { relativeTime } from "./shell.js";
import { at, StatusView } from "./status_view.js";

const PIXEL_ART = 200; // pictures smaller than this are scaled up without blur
const STRIP = 30;

const HOW = {
  key: () => gettext("by key"),
  click: () => gettext("by click"),
  swipe: () => gettext("by swipe"),
  grid: () => gettext("in the grid"),
  verify: () => gettext("on a page of one class"),
  api: () => gettext("by a program"),
  review: () => gettext("as a reviewer"),
};

export class ReviewView extends StatusView {
  constructor(classes, reasons) {
    super();
    this.names = new Map(classes.map((one) => [one.index, one.name]));
    this.reasons = reasons;
    this.buttons = new Map([...document.querySelectorAll("[data-class]")].map((b) => [Number(b.dataset.class), b]));
  }

  name(index) {
    return this.names.get(index) ?? gettext("a class that was removed");
  }

  /** Show an image with what people said of it. */
  show(item) {
    this.paint(item);
    at("why").textContent = this.reasons.get(item.reason) ?? "";
    at("why").hidden = false;
    at("name").textContent = item.name;
    at("votes").replaceChildren(...this.votes(item));
    at("comments").replaceChildren(...item.comments.map((one) => row(`${one.name}: ${one.text}`)));
    for (const [index, button] of this.buttons) {
      const now = item.label !== null && index === item.label;
      button.toggleAttribute("data-before", now);
      if (now) button.dataset.before = gettext("now");
    }
    this.enable(item);
    this.speak(interpolate(gettext("Image %(seq)s. %(why)s."), { seq: item.seq, why: at("why").textContent }));
  }

  paint(item) {
    const { picture } = item;
    picture.alt = gettext("The image to review");
    picture.classList.toggle("label-pixels", Math.max(item.width, item.height) < PIXEL_ART);
    at("frame").replaceChildren(...(item.failed ? [] : [picture]));
    at("note").hidden = !item.failed;
    at("note-title").textContent = gettext("This image could not be loaded.");
    at("note-text").textContent = gettext("If its file is gone for good, nobody can tell: exclude it.");
  }

  enable(item) {
    document.querySelector('[data-do="accept"]').disabled = item.label === null;
    document.querySelector('[data-do="send_back"]').disabled = item.reason === "sample";
  }

  votes(item) {
    if (item.votes.length) return item.votes.map((vote) => this.vote(vote));
    return [row(item.hidden ? gettext("What people said is hidden: give the class that you see.") : gettext("Nobody has given a class yet."))];
  }

  vote(vote) {
    const line = document.createElement("li");
    const said = document.createElement("strong");
    const kinds = { skip: gettext("skipped"), unsure: gettext("cannot tell") };
    said.textContent = kinds[vote.kind] ?? this.name(vote.class);
    const who = document.createElement("span");
    const how = vote.kind === "class" ? (HOW[vote.how]?.() ?? "") : "";
    const extra = vote.counts ? "" : gettext("extra vote");
    who.textContent = [vote.name, how, relativeTime(new Date(vote.at)), extra].filter(Boolean).join(" · ");
    line.toggleAttribute("data-extra", !vote.counts);
    line.append(said, who);
    return line;
  }

  /** Nothing to show: say why. */
  empty(title, text = "") {
    at("frame").replaceChildren();
    at("note-title").textContent = title;
    at("note-text").textContent = text;
    at("note").hidden = false;
    at("why").hidden = true;
    at("name").textContent = "";
    at("votes").replaceChildren();
    at("comments").replaceChildren();
    for (const button of this.buttons.values()) button.removeAttribute("data-before");
  }

  counts(done, open) {
    at("done").textContent = number(done);
    if (!open) return;
    const all = Object.values(open).reduce((sum, n) => sum + n, 0);
    const reason = at("reason").value;
    at("left").textContent = number(reason ? open[reason] : all);
    for (const option of at("reason").options) {
      const words = option.dataset.words ?? gettext("All reasons");
      option.textContent = `${words} (${number(option.value ? open[option.value] : all)})`;
    }
  }

  /** Put a decision at the front of the strip; return its entry. */
  remember(item, words) {
    const entry = document.createElement("li");
    const box = document.createElement("div");
    const picture = document.createElement("img");
    picture.src = item.image;
    picture.alt = "";
    picture.classList.toggle("label-pixels", Math.max(item.width, item.height) < PIXEL_ART);
    const caption = document.createElement("span");
    caption.textContent = words;
    box.title = words;
    box.append(picture, caption);
    entry.append(box);
    at("strip").prepend(entry);
    while (at("strip").children.length > STRIP) at("strip").lastElementChild.remove();
    return entry;
  }

  /** Say whether there is a decision to take back. */
  undoable(yes) {
    document.querySelector('[data-do="undo"]').disabled = !yes;
  }

  /** Offer the people whose answers can go back. */
  askBack(item) {
    const people = new Map(item.votes.map((vote) => [vote.person, vote.name]));
    if (!people.size && item.person) people.set(item.person, gettext("the person who passed it on"));
    at("person").replaceChildren(
      ...[...people].map(([id, name]) => new Option(name, id, false, id === item.person)),
    );
    at("back-error").textContent = "";
    at("back").hidden = false;
    at("words").focus();
  }

  closeBack() {
    at("back").hidden = true;
    at("words").value = "";
  }
}

function row(text) {
  const line = document.createElement("li");
  line.textContent = text;
  return line;
}
