// The pages that one person has open: they tell each other which tasks they hold, so that no two
// show the same image, and who is still there, so that each answer has one sender.
// Where the browser has no BroadcastChannel, pages are alone: an answer may be sent twice, which
// the server knows by its id.

const REPLY_MS = 400;
const FIRST_MS = 80; // pages that are awake answer within a few milliseconds

export class Tabs {
  /** `onGone()` runs when another page of this person closes, `onClash(ids)` when another page
      holds tasks that this one has too, and keeps them. */
  constructor(user, project, page, { onGone = () => {}, onClash = () => {} } = {}) {
    this.page = page;
    this.project = project;
    this.onGone = onGone;
    this.onClash = onClash;
    this.held = new Map(); // page -> {project, holding}
    this.mine = [];
    this.given = new Set(); // ids given way once: what the server hands out again all the same stays
    this.listeners = new Set();
    if (!globalThis.BroadcastChannel) return;
    this.channel = new BroadcastChannel(`mcal.${user}`);
    this.channel.onmessage = ({ data }) => this.hear(data);
    window.addEventListener("pagehide", () => this.say("gone"));
    this.say("hello");
    this.met = new Promise((resolve) => setTimeout(resolve, FIRST_MS));
  }

  /** Tell the others which tasks this page holds, and give way to what they had told before:
      a page that was slow to answer told it while these tasks were on their way. */
  announce(holding) {
    this.mine = holding;
    this.say("here");
    for (const [page, { project, holding }] of this.held) this.giveWay(page, project, holding);
  }

  giveWay(page, project, holding) {
    if (project !== this.project || page > this.page) return;
    const both = holding.filter((id) => this.mine.includes(id) && !this.given.has(id));
    if (!both.length) return;
    for (const id of both) this.given.add(id);
    this.onClash(both);
  }

  /** The tasks of this project that other pages hold. */
  get holding() {
    return [...this.held.values()].flatMap((one) => (one.project === this.project ? one.holding : []));
  }

  /** Tasks that others have by now: a page that crashed no longer holds them. */
  forget(ids) {
    const lost = new Set(ids);
    for (const one of this.held.values()) one.holding = one.holding.filter((id) => !lost.has(id));
  }

  /** Ask who is there; return the ids of the pages that answer. */
  async alive() {
    if (!this.channel) return new Set();
    const answered = new Set();
    const listen = (from) => answered.add(from);
    this.listeners.add(listen);
    this.say("hello");
    await new Promise((resolve) => setTimeout(resolve, REPLY_MS));
    this.listeners.delete(listen);
    for (const page of this.held.keys()) if (!answered.has(page)) this.held.delete(page);
    return answered;
  }

  say(kind) {
    const { page, project, mine } = this;
    this.channel?.postMessage({ kind, page, project, holding: mine });
  }

  hear({ kind, page, project, holding }) {
    if (kind === "gone") {
      this.held.delete(page);
      this.onGone();
      return;
    }
    this.held.set(page, { project, holding });
    if (kind === "hello") this.say("here");
    else for (const listen of this.listeners) listen(page);
    this.giveWay(page, project, holding);
  }
}
