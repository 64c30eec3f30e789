// Talks to the server, one request at a time: unsent answers first, new tasks with the reply.
// Whatever fails is tried again, with growing pauses, until the server has confirmed it.

import { ApiError, post } from "./label_api.js";

const MOST = 50; // answers in one request
const PAUSES = [1, 2, 4, 8, 15, 30]; // seconds
const HEARTBEAT_MS = 30000;
const POLL_MS = 2500;
const POLL_HIDDEN_MS = 15000;

export class Sync {
  /** `page` has want(), holding(), isHere(), onReply(reply, sent), onLost(ids), onState(state). */
  constructor(setup, outbox, page) {
    this.setup = setup;
    this.outbox = outbox;
    this.page = page;
    this.busy = false;
    this.again = false;
    this.failures = 0;
    this.timer = null;
    setInterval(() => this.beat(), HEARTBEAT_MS);
    window.addEventListener("online", () => this.now());
  }

  /** Send what waits and fetch what is wanted; safe to call at any time. */
  async now() {
    clearTimeout(this.timer);
    if (this.busy) {
      this.again = true;
      return;
    }
    this.busy = true;
    try {
      do {
        this.again = false;
        await this.round();
      } while (this.again || this.outbox.size);
      this.failures = 0;
      this.page.onState({ kind: "saved" });
    } catch (error) {
      this.retryLater(error);
    } finally {
      this.busy = false;
    }
  }

  async round() {
    const answers = this.outbox.oldest(MOST);
    const count = this.page.want();
    if (!answers.length && !count) return;
    const body = { count, holding: this.page.holding() };
    if (!answers.length) {
      this.page.onReply(await post(this.setup.urls.tasks, body), []);
      return;
    }
    Object.assign(body, { answers, user: this.setup.user });
    const reply = await post(this.setup.urls.answers, body);
    for (const answer of answers) this.outbox.remove(answer.id);
    this.page.onReply(reply, answers);
  }

  retryLater(error) {
    if (!(error instanceof ApiError)) throw error; // a fault of this page: show it in the console
    const seconds = PAUSES[Math.min(this.failures, PAUSES.length - 1)];
    this.failures += 1;
    this.page.onState({ kind: kindOf(error), seconds, message: error.message });
    this.timer = setTimeout(() => this.now(), seconds * 1000);
  }

  /** Ask again soon: there was no task. */
  poll() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.now(), document.hidden ? POLL_HIDDEN_MS : POLL_MS);
  }

  /** Keep the leases while somebody is at the page; somebody who left must not block others. */
  async beat() {
    const holding = this.page.holding();
    if (!holding.length || !this.page.isHere()) return;
    try {
      const { lost } = await post(this.setup.urls.heartbeat, { holding });
      if (lost.length) this.page.onLost(lost);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // the next answer will tell of the trouble
    }
  }
}

function kindOf(error) {
  if (error.isSignedOut) return "signed-out";
  if (error.status === 409) return "other-user";
  if (error.status === 404 || error.code === "forbidden") return "no-access";
  if (error.status === 403) return "signed-out"; // the token is of an older sign-in
  return error.status ? "server-error" : "offline";
}
