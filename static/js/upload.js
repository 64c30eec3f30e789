// Upload many files, whole folders, or zips of any size: small requests that may be repeated,
// so a short loss of the connection costs nothing. Without script the plain form works.

import { gettext, interpolate, language } from "./i18n.js";
import { announce, csrfToken } from "./shell.js";

const FILES_PER_REQUEST = 50;
const BYTES_PER_REQUEST = 8 * 1024 * 1024;
const AT_ONCE = 2;
const TRIES = 6;

const form = document.getElementById("upload-form");

/** An answer of the server that repeating the request would not change. */
class Refused extends Error {
  constructor(status, body) {
    super(body?.error || interpolate(gettext("The server answered %(status)s."), { status }));
    this.fields = body?.fields || {};
    this.status = status;
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function post(url, body, signal) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const headers = { Accept: "application/json", "X-CSRFToken": csrfToken() };
      const response = await fetch(url, { method: "POST", body, headers, signal });
      const answer = await response.json().catch(() => null);
      if (response.ok && answer) return answer;
      if (response.status < 500) throw new Refused(response.status, answer);
    } catch (error) {
      if (error instanceof Refused || error.name === "AbortError") throw error;
    }
    if (attempt >= TRIES) throw new Error(gettext("The connection to the server is lost. Try again later."));
    await pause(500 * 2 ** attempt);
  }
}

const fields = (values) => {
  const body = new FormData();
  for (const [name, value] of Object.entries(values)) body.append(name, value);
  return body;
};

const open = (kind, signal) => post(form.dataset.open, fields({ kind }), signal);
const finish = (id, expected, signal) =>
  post(`${form.dataset.open}${id}/finish/`, fields({ expected }), signal);

/** Cut the list into requests of at most 50 files or about 8 MB. */
function* requests(items) {
  let part = [];
  let bytes = 0;
  for (const item of items) {
    const full = part.length >= FILES_PER_REQUEST || bytes + item.file.size > BYTES_PER_REQUEST;
    if (part.length && full) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(item);
    bytes += item.file.size;
  }
  if (part.length) yield part;
}

async function sendFiles(items, progress, signal) {
  const { id } = await open("files", signal);
  const numbered = items.map((item, position) => ({ ...item, position }));
  const queue = requests(numbered);
  const sender = async () => {
    for (let next = queue.next(); !next.done; next = queue.next()) {
      const body = new FormData();
      for (const { file, path, position } of next.value) {
        body.append("files", file, file.name);
        body.append("positions", position);
        body.append("paths", path);
      }
      await post(`${form.dataset.open}${id}/files/`, body, signal);
      progress(next.value.reduce((sum, { file }) => sum + file.size, 0));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, sender));
  await finish(id, items.length, signal);
}

async function sendZip(file, progress, signal) {
  const size = Number(form.dataset.piece);
  const limit = Number(form.dataset.limit);
  if (file.size > limit) {
    const words = gettext("%(name)s is larger than the %(limit)s MB that are allowed here.");
    throw new Error(interpolate(words, { name: file.name, limit: Math.floor(limit / 2 ** 20) }));
  }
  const { id } = await open("zip", signal);
  for (let offset = 0; offset < file.size; ) {
    const url = `${form.dataset.open}${id}/piece/?offset=${offset}`;
    const answer = await post(url, file.slice(offset, offset + size), signal);
    progress(answer.have - offset);
    offset = answer.have;
  }
  await finish(id, file.size, signal);
}

// What is going on now ---------------------------------------------------------------------------

let running = null; // the AbortController of the upload under way

function showProgress(done, total) {
  document.getElementById("upload-bar").value = total ? done / total : 0;
  const tenths = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  const mb = (bytes) => (bytes / 2 ** 20).toLocaleString(language, tenths);
  const words = gettext("Uploading: %(done)s of %(total)s MB");
  document.getElementById("upload-words").textContent = interpolate(words, { done: mb(done), total: mb(total) });
}

async function upload(items) {
  if (!items.length) return;
  if (running) {
    announce(gettext("An upload is under way: add these files when it has ended."), "warn");
    return;
  }
  const zips = items.filter(({ file }) => file.name.toLowerCase().endsWith(".zip"));
  const others = items.filter((item) => !zips.includes(item));
  const total = items.reduce((sum, { file }) => sum + file.size, 0);
  const box = document.getElementById("upload-progress");
  let done = 0;
  const progress = (bytes) => showProgress((done += bytes), total);
  running = new AbortController();
  box.hidden = false;
  progress(0);
  try {
    for (const { file } of zips) await sendZip(file, progress, running.signal);
    if (others.length) await sendFiles(others, progress, running.signal);
  } catch (error) {
    if (error.name === "AbortError") announce(gettext("The upload was stopped; drop it in the list below."), "info");
    else announce(error.message, "error");
  } finally {
    running = null;
    box.hidden = true;
    form.reset();
    refresh();
  }
}

function refresh() {
  window.htmx.ajax("GET", form.dataset.imports, { target: "#imports", swap: "outerHTML" });
}

// Ways in ----------------------------------------------------------------------------------------

const listed = (files) =>
  Array.from(files, (file) => ({ file, path: file.webkitRelativePath || file.name }));

/** Read what was dropped, folders to any depth. */
async function dropped(transfer) {
  const entries = Array.from(transfer.items || [], (item) => item.webkitGetAsEntry?.());
  if (!entries.some((entry) => entry)) return listed(transfer.files);
  const found = [];
  for (const entry of entries) if (entry) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    found.push({ file, path: entry.fullPath.replace(/^\//, "") });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const part = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!part.length) return; // a reader gives at most 100 entries at a time
    for (const child of part.sort((a, b) => (a.name < b.name ? -1 : 1))) await walk(child, found);
  }
}

function setUp() {
  for (const element of form.querySelectorAll("[data-with-script]")) element.hidden = false;
  for (const element of form.querySelectorAll("[data-without-script]")) element.hidden = true;
  for (const button of form.querySelectorAll("[data-pick]")) {
    button.addEventListener("click", () => document.getElementById(button.dataset.pick).click());
  }
  const files = document.getElementById("upload-files");
  files.classList.add("visually-hidden");
  files.tabIndex = -1;
  files.setAttribute("aria-label", gettext("Images or a zip"));
  for (const input of [files, document.getElementById("upload-folder")]) {
    input.addEventListener("change", () => upload(listed(input.files)));
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    upload(listed(files.files));
  });
  document.getElementById("upload-stop").addEventListener("click", () => running?.abort());
  setUpDrop(document.getElementById("drop"));
  window.addEventListener("beforeunload", (event) => {
    if (running) event.preventDefault();
  });
  upload(listed(files.files)); // chosen before this script was there
}

function setUpDrop(zone) {
  const over = (event) => {
    event.preventDefault();
    zone.classList.add("is-over");
  };
  zone.addEventListener("dragenter", over);
  zone.addEventListener("dragover", over);
  zone.addEventListener("dragleave", (event) => {
    if (!zone.contains(event.relatedTarget)) zone.classList.remove("is-over");
  });
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    zone.classList.remove("is-over");
    upload(await dropped(event.dataTransfer));
  });
}

if (form) setUp();
