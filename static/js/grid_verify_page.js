// Verify by exception: a page of images that the machine takes for one class. Mark those that are
// not, Enter confirms the rest. The page itself is one answer: it is kept until the server has it.

import { gettext, interpolate, ngettext, number } from "./i18n.js";
import { ApiError, post } from "./label_api.js";
import { Outbox, uuid } from "./label_outbox.js";
import { Sync } from "./label_sync.js";
import { Tiles } from "./grid_tiles.js";
import { GridView } from "./grid_view.js";
import { Presence } from "./presence.js";
import { at } from "./status_view.js";

const KEEP_MS = 30000;
const PAUSES = [1, 2, 4, 8, 15, 30]; // seconds
const POLL_MS = 5000;

export class VerifyPage extends Presence {
  constructor(setup, keys) {
    super();
    this.setup = setup;
    this.view = new GridView(setup, keys);
    this.tiles = new Tiles(at("tiles"), {
      nameOf: (tile) => this.nameOf(tile),
      onChange: () => this.onMarked(),
      onOpen: (tile) => this.view.large(tile),
      onBroken: (tile) => this.tiles.selected.has(tile.key) || this.tiles.toggle(tile.key), // nobody confirms what nobody sees
      marks: true,
    });
    this.outbox = new Outbox(setup.user, setup.project, { onAdopted: () => this.onAdopted() });
    this.sync = new Sync(setup, this.outbox, this); // sends what an undo takes back
    this.place = `mcal.verify.${setup.user}.${setup.project}`;
    this.onClass = () => {}; // told of each class that is given
    this.done = []; // answers of the pages taken, oldest first
    this.state = { kind: "saved" };
    this.watch = new IntersectionObserver((all) => this.onSight(all), { threshold: 0.5 });
    setInterval(() => this.keepLeases(), KEEP_MS);
  }

  async start() {
    await this.outbox.open();
    this.sync.now();
    const left = this.leftBehind();
    if (left) await this.send(left); // an earlier page was closed before the server had it
    else this.open();
  }

  // --- pages ---

  get count() {
    return window.innerWidth < 700 ? 20 : window.innerWidth < 1500 ? 40 : 60;
  }

  /** Ask for the next page; where there is none, say why and ask again later. */
  async open() {
    if (this.busy) return; // a send that failed is tried again by the timer
    clearTimeout(this.timer);
    this.busy = true;
    const wanted = at("which").value;
    const body = { id: uuid(), class: wanted === "" ? null : Number(wanted), count: this.count };
    try {
      const reply = await post(this.setup.urls.verify, body);
      this.busy = false;
      this.onState({ kind: "saved" });
      this.showClasses(reply.classes);
      this.view.progress(reply.progress);
      if (reply.page) this.show(reply.page);
      else this.rest(reply.reason);
    } catch (error) {
      this.busy = false;
      this.later(error, () => this.open());
    }
  }

  show(page) {
    this.page = page;
    this.classes = new Map(); // place -> class given to a marked image
    this.tiles.clear();
    at("verify-head").hidden = false;
    at("verify-title").textContent = interpolate(gettext("Are all of these %(name)s?"), { name: this.view.names.get(page.class) ?? "" });
    this.view.note(null);
    this.tiles.selected.clear();
    this.tiles.add(page.tiles.map((tile) => ({ ...tile, key: tile.tile, caption: "" })));
    at("tiles").scrollTop = 0;
    this.seen = new Set();
    this.watch.disconnect();
    for (const tile of this.tiles.tiles) this.watch.observe(tile.element);
    this.tiles.focused?.element.focus({ preventScroll: true });
    this.since = performance.now();
    this.hiddenMs = 0;
    this.onMarked();
    this.view.speak(at("verify-title").textContent);
  }

  rest(reason) {
    this.page = null;
    this.tiles.clear();
    at("verify-head").hidden = true;
    const words = {
      closed: [gettext("Nothing to verify right now"), gettext("The project gives out no images at the moment. This page goes on by itself.")],
      paused: [gettext("You get no images for now."), ""],
      no_predictions: [gettext("This project shows no predictions"), gettext("Label the images one by one or in the grid.")],
      no_model: [gettext("Nothing to verify yet"), gettext("The machine has learnt nothing so far. After its first training its guesses can be verified here. This page goes on by itself.")],
      nothing_left: [gettext("Nothing to verify right now"), gettext("No open image of this kind is left, or others have them. This page goes on by itself.")],
    }[reason];
    this.view.note(...words);
    this.onMarked();
    if (reason !== "no_predictions") this.timer = setTimeout(() => this.open(), document.hidden ? 3 * POLL_MS : POLL_MS);
  }

  showClasses(found) {
    const field = at("which");
    const counts = new Map(found.map((one) => [one.class, one.count]));
    const chosen = field.value;
    const options = [...this.view.names].map(([index, name]) => {
      const option = new Option(counts.has(index) ? `${name} (${number(counts.get(index))})` : name, index);
      option.disabled = !counts.has(index);
      return option;
    });
    field.replaceChildren(field.options[0], ...options);
    field.value = [...field.options].some((option) => option.value === chosen) ? chosen : "";
  }

  // --- marking ---

  /** Say what the image with the focus really is. */
  give(index) {
    const tile = this.tiles.focused;
    if (!this.page || !tile || !this.view.names.has(index)) return;
    if (index === this.page.class) {
      this.classes.delete(tile.key);
      if (this.tiles.selected.has(tile.key)) this.tiles.toggle(tile.key);
      return;
    }
    this.classes.set(tile.key, index);
    this.onClass(index);
    if (!this.tiles.selected.has(tile.key)) this.tiles.toggle(tile.key);
    else this.onMarked();
    tile.element.focus();
  }

  onMarked() {
    for (const tile of this.tiles.tiles) {
      const marked = this.tiles.selected.has(tile.key);
      if (!marked) this.classes?.delete(tile.key);
      const index = this.classes?.get(tile.key);
      const word = tile.state === "broken" ? gettext("could not be loaded") : gettext("wrong");
      tile.caption = !marked ? "" : index === undefined ? word : this.view.names.get(index);
      this.tiles.describe(tile);
    }
    const button = document.querySelector("[data-action=confirm]");
    const left = this.tiles.tiles.length - this.tiles.selected.size;
    button.disabled = !this.page || this.busy === "sending";
    const name = this.page ? this.view.names.get(this.page.class) : "";
    const words = ngettext("Confirm %(n)s as %(name)s", "Confirm %(n)s as %(name)s", left);
    at("confirm-text").textContent = this.page ? interpolate(words, { n: number(left), name }) : gettext("Confirm");
  }

  nameOf(tile) {
    const name = interpolate(gettext("Image %(n)s"), { n: number(tile.seq) });
    return tile.caption ? `${name}, ${tile.caption}` : name;
  }

  // --- answering ---

  confirm() {
    if (!this.page || this.busy) return;
    if (this.looksFurther()) return;
    const wrong = {};
    for (const key of this.tiles.selected) wrong[key] = this.classes.get(key) ?? null;
    const shown = performance.now() - this.since - this.hiddenMs;
    const body = { shown_ms: Math.max(0, Math.round(shown)), wrong, guideline_version: this.setup.guidelineVersion };
    const answer = { page: this.page.id, class: this.page.class, tiles: this.page.tiles.length, body };
    this.remember(answer);
    this.send(answer);
  }

  onSight(all) {
    for (const { target, isIntersecting } of all) if (isIntersecting) this.seen.add(target);
  }

  /** Images that were never in sight: go there instead; return whether there are any. */
  looksFurther() {
    const next = this.tiles.tiles.find((tile) => !this.seen.has(tile.element));
    if (!next) return false;
    next.element.scrollIntoView({ block: "start" });
    this.view.message(gettext("There are more images below: look at them first."));
    return true;
  }

  async send(answer) {
    this.busy = "sending";
    this.onMarked();
    this.onState({ kind: "saved" });
    try {
      const reply = await post(`${this.setup.urls.verify}${answer.page}/`, answer.body);
      this.forget();
      this.busy = false;
      this.onTaken(reply, answer);
    } catch (error) {
      if (error instanceof ApiError && [400, 404].includes(error.status) && error.code) {
        this.forget(); // this page can never be taken: say so and go on
        this.busy = false;
        this.view.message(interpolate(gettext("The page was not taken: %(why)s"), { why: error.message }));
        this.open();
        return;
      }
      this.later(error, () => this.send(answer));
    }
  }

  onTaken(reply, answer) {
    const name = this.view.names.get(answer.class) ?? "";
    if (reply.state === "returned") {
      const words = {
        fast: gettext("Too fast to have looked at every image: nothing was stored. The images come again."),
        missed: gettext("An image that is surely not %(name)s was passed over: nothing was stored. The images come again, look at each of them."),
      }[reply.reason];
      this.view.message(interpolate(words, { name }));
      this.view.speak(interpolate(words, { name }));
    } else {
      const n = reply.answers.length;
      this.done.push(reply.answers);
      const said = [interpolate(ngettext("Saved: %(n)s image", "Saved: %(n)s images", n), { n: number(n) })];
      if (reply.released) said.push(interpolate(ngettext("%(n)s goes to others", "%(n)s go to others", reply.released), { n: number(reply.released) }));
      const extra = reply.results.filter((result) => result.state === "extra").length;
      if (extra) said.push(interpolate(ngettext("%(n)s was answered by others meanwhile", "%(n)s were answered by others meanwhile", extra), { n: number(extra) }));
      this.view.message(`${said.join(", ")}.`);
      this.view.speak(`${said.join(", ")}.`);
    }
    this.open();
  }

  /** Take the last page back: its images are open again, and this person's. */
  undo() {
    const answers = this.done.pop();
    if (!answers) {
      this.view.message(gettext("There is nothing to undo on this page."));
      return;
    }
    for (const { task, token } of answers) {
      this.outbox.add({ id: uuid(), task, token, kind: "withdrawn", class: null, active_ms: 0, how: "verify", guideline_version: this.setup.guidelineVersion });
    }
    const n = answers.length;
    this.view.message(interpolate(ngettext("%(n)s answer is taken back; the image is open again.", "%(n)s answers are taken back; the images are open again.", n), { n: number(n) }));
    this.showSaved();
    this.sync.now();
  }

  /** One unsent page survives closing the tab. */
  remember(answer) {
    try {
      localStorage.setItem(this.place, JSON.stringify(answer));
    } catch {
      return; // no room: it stays on this page
    }
  }

  leftBehind() {
    try {
      const answer = JSON.parse(localStorage.getItem(this.place));
      return answer?.page && answer.body ? answer : null;
    } catch {
      return null;
    }
  }

  forget() {
    try {
      localStorage.removeItem(this.place);
    } catch {
      return;
    }
  }

  later(error, again) {
    if (!(error instanceof ApiError)) throw error;
    this.failures = (this.failures ?? 0) + 1;
    this.onState({ kind: kindOf(error) });
    if (!this.page) this.view.note(gettext("Nothing to show yet"), gettext("The images come when the connection is back."));
    this.timer = setTimeout(again, 1000 * PAUSES[Math.min(this.failures - 1, PAUSES.length - 1)]);
  }

  async keepLeases() {
    if (!this.page || !this.isHere()) return;
    try {
      await post(`${this.setup.urls.verify}${this.page.id}/keep/`, {});
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // the answer will tell of the trouble
    }
  }

  // --- what the sync of the outbox asks and tells: here it only takes answers back ---

  want() {
    return 0;
  }

  holding() {
    return [];
  }

  onReply(reply) {
    this.view.progress(reply.progress);
    const refused = (reply.results ?? []).filter((result) => !result.ok);
    if (refused.length) {
      const words = ngettext("%(n)s answer could not be taken back: %(why)s", "%(n)s answers could not be taken back: %(why)s", refused.length);
      this.view.message(interpolate(words, { n: number(refused.length), why: refused[0].error }));
    }
    this.showSaved();
  }

  onLost() {}

  /** Answers of a page that was closed are sent from here: until then they count as unsaved. */
  onAdopted() {
    this.showSaved();
    this.sync.now();
  }

  onState(state) {
    if (state.kind === "saved") this.failures = 0;
    this.state = state;
    this.showSaved();
  }

  showSaved() {
    const page = this.busy === "sending" ? 1 : 0;
    this.view.saved(this.state, this.outbox.size + page, this.outbox.durable);
  }

  onSeen() {
    if (!this.page && !this.busy) this.open();
  }
}

function kindOf(error) {
  if (error.isSignedOut) return "signed-out";
  if (error.status === 404 || error.code === "forbidden") return "no-access";
  if (error.status === 403) return "signed-out"; // the token is of an older sign-in
  return error.status ? "server-error" : "offline";
}
