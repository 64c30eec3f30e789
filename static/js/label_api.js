// One request to the labelling API. The CSRF token is read when sending: signing in rotates it.

import { gettext } from "./i18n.js";
import { csrfToken } from "./shell.js";

const TIMEOUT_MS = 20000;

/** What went wrong: `status` 0 means that no answer came back. */
export class ApiError extends Error {
  constructor(status, { code = "", error = "", fields = {} } = {}) {
    super(error);
    this.status = status;
    this.code = code;
    this.fields = fields;
  }

  /** The server asks for a new sign-in (or the token was rotated by one in another tab). */
  get isSignedOut() {
    return this.status === 401 || this.code === "not_authenticated";
  }
}

/** POST a JSON body and return the JSON reply; throw ApiError for everything else. */
export const post = (url, body) => ask(url, { method: "POST", body: JSON.stringify(body) });

/** GET a JSON reply; throw ApiError for everything else. */
export const get = (url) => ask(url, { method: "GET" });

async function ask(url, options) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
  const headers = { Accept: "application/json" };
  if (options.body) {
    Object.assign(headers, { "Content-Type": "application/json", "X-CSRFToken": csrfToken() });
  }
  try {
    const reply = await fetch(url, { ...options, headers, signal: abort.signal });
    const content = await reply.json().catch(() => null);
    if (reply.ok && content) return content;
    throw new ApiError(reply.status, content ?? {});
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError(0, { code: "no_connection", error: gettext("No connection to the server.") });
  } finally {
    clearTimeout(timer);
  }
}
