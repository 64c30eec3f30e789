// One request to the labelling API. The CSRF token is read when sending: signing in rotates it.

import { csrfToken } from "./shell.js";

const TIMEOUT_MS = 20000;

/** What went wrong: `status` 0 means that no answer came back. */
export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }

  /** The server asks for a new sign-in (or the token was rotated by one in another tab). */
  get isSignedOut() {
    return this.status === 401 || this.code === "not_authenticated";
  }
}

/** POST a JSON body and return the JSON reply; throw ApiError for everything else. */
export async function post(url, body) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
  try {
    const reply = await fetch(url, {
      method: "POST",
      body: JSON.stringify(body),
      headers: {
        "Content-Type": "application/json",
        Accept: "application/json",
        "X-CSRFToken": csrfToken(),
      },
      signal: abort.signal,
    });
    const content = await reply.json().catch(() => null);
    if (reply.ok && content) return content;
    throw new ApiError(reply.status, content?.code ?? "", content?.error ?? "");
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError(0, "no_connection", "No connection to the server.");
  } finally {
    clearTimeout(timer);
  }
}
