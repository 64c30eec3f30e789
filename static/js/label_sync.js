// Talks to the server, one request at a time: unsent answers first, new tasks with the reply.
// Whatever fails is tried again, with growing pauses, until the server has confirmed it.

import { gettext, interpolate } from "./i18n.js";
import { ApiError, post } from "./label_api.js";

const MOST = 50; // answers in one request
const MOST_HELD = 200; // tasks that one request may name; several open grids hold more
const PAUSES = [1, 2, 4, 8, 15, 30]; // seconds
const HEARTBEAT_MS = 30000;
const ADOPT_MS = 60000;
const POLL_MS = 2500;
const POLL_HIDDEN_MS = 15000;

export class Sync {
  /** `page` has want(), holding(), onScreen(), isHere(), onReply(reply, sent), onLost(ids),
      onState(state), and where comments are sent onComments(results). */
  constructor(setup, outbox, page) {
    this.setup = setup;
    this.outbox = outbox;
    this.page = page;
    this.busy = false;
    this.again = false;
    this.failures = 0;
    this.timer = null;
    setInterval(() => this.beat(), HEARTBEAT_MS);
    setInterval(() => this.outbox.adopt(), ADOPT_MS);
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
    if (answers.length || count) await this.exchange(answers, count);
    await this.sendComments();
    await this.sendElsewhere();
  }

  async exchange(answers, count) {
    const body = { count, ...this.held() };
    if (answers.length) Object.assign(body, { answers, user: this.setup.user });
    const { urls } = this.setup;
    const reply = await post(answers.length ? urls.answers : urls.tasks, body);
    this.outbox.remove(...answers.map((answer) => answer.id));
    this.page.onReply(reply, answers);
    this.outbox.tabs.announce(this.page.holding());
  }

  /** What this page has, and what other pages of this person have: neither is given out again. */
  held() {
    const holding = this.page.holding();
    return {
      holding: [...new Set([...holding, ...this.outbox.tabs.holding])].slice(0, MOST_HELD),
      on_screen: this.page.onScreen?.() ?? null,
    };
  }

  async sendComments() {
    const comments = this.outbox.oldest(MOST, "comment");
    if (!comments.length) return;
    const url = this.addressOf("comments", this.setup.project);
    const { results } = await post(url, { comments, user: this.setup.user });
    this.outbox.remove(...comments.map((comment) => comment.id));
    this.page.onComments?.(results);
  }

  /** Answers that this person left unsent in another project: they need no page of it. */
  async sendElsewhere() {
    for (const [project, entries] of this.outbox.elsewhere) {
      this.outbox.elsewhere.delete(project); // one try now; the next adopt() finds what is left
      for (const what of ["answer", "comment"]) {
        const bodies = entries.filter((entry) => entry.what === what).map((entry) => entry.body);
        if (!bodies.length) continue;
        const body = { [`${what}s`]: bodies.slice(0, MOST), user: this.setup.user };
        try {
          const { results } = await post(this.addressOf(`${what}s`, project), body);
          this.tellRefused(results);
          await this.outbox.forget(bodies.slice(0, MOST).map((one) => one.id));
        } catch (error) {
          if (!(error instanceof ApiError)) throw error;
        }
      }
    }
  }

  /** What another project does not take has no page there: this one says so. */
  tellRefused(results) {
    const refused = results.find((result) => !result.ok);
    if (refused) {
      this.page.view?.message(interpolate(gettext("An answer was not taken: %(why)s"), { why: refused.error }));
    }
  }

  addressOf(name, project) {
    return `/api/v1/projects/${project}/${name}/`;
  }

  retryLater(error) {
    if (!(error instanceof ApiError)) throw error; // a fault of this page: show it in the console
    const seconds = PAUSES[Math.min(this.failures, PAUSES.length - 1)];
    this.failures += 1;
    this.page.onState({ kind: kindOf(error), seconds, message: error.message });
    const jitter = 0.8 + 0.4 * Math.random(); // everybody's pages must not come back at once
    this.timer = setTimeout(() => this.now(), seconds * 1000 * jitter);
  }

  /** Ask again soon: there was no task. */
  poll() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.now(), document.hidden ? POLL_HIDDEN_MS : POLL_MS);
  }

  /** Keep the leases while somebody is at the page; somebody who left must not block others. */
  async beat() {
    if (!this.page.holding().length || !this.page.isHere()) return;
    try {
      const { lost } = await post(this.setup.urls.heartbeat, this.held());
      if (lost.length) this.page.onLost(lost);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // the next answer will tell of the trouble
    }
  }
}

function kindOf(error) {
  if (error.isSignedOut) return "signed-out";
  if (error.status === 409 && "user" in error.fields) return "other-user";
  if (error.status === 404 || error.code === "forbidden") return "no-access";
  if (error.status === 403) return "signed-out"; // the token is of an older sign-in
  return error.status ? "server-error" : "offline";
}
