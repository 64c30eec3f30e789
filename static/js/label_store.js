// Where unsent answers and comments are kept until the server has them: IndexedDB, and localStorage
// where a browser has none or forbids it. An entry is {id, user, project, page, what, body}; the
// store numbers entries as they come. No clock is asked: one that is hours wrong changes nothing.

const NAME = "mcal";
const STORE = "outbox";
const PREFIX = "mcal.outbox.";
const OPEN_MS = 3000; // some browsers never answer when storage is blocked

/** Open the best store that this browser has; what an older page kept elsewhere moves into it. */
export async function openStore() {
  const local = new LocalStore();
  let database;
  try {
    database = await openDatabase();
  } catch {
    return local;
  }
  const store = new IndexedStore(database, local);
  await store.moveIn(local).catch(() => {}); // what cannot move stays, and is still read
  return store;
}

class IndexedStore {
  constructor(database, spare) {
    this.database = database;
    this.spare = spare; // takes an entry that IndexedDB refuses: its room is counted apart
  }

  /** Return all entries, oldest first. */
  async all() {
    const kept = await result(this.write("readonly").objectStore(STORE).getAll());
    return [...this.spare.read(), ...kept];
  }

  /** Keep an entry; the promise is settled once it is safe. Rejects where nothing can be kept. */
  async add(entry) {
    try {
      const change = this.write("readwrite");
      change.objectStore(STORE).add(entry);
      change.commit?.(); // now: closing the tab must not take it back
      await done(change);
    } catch {
      await this.spare.add(entry);
    }
  }

  async remove(ids) {
    this.spare.remove(ids);
    const change = this.write("readwrite");
    const kept = change.objectStore(STORE);
    for (const id of ids) {
      kept.index("id").getKey(id).onsuccess = (event) => {
        if (event.target.result !== undefined) kept.delete(event.target.result);
      };
    }
    await done(change);
  }

  async moveIn(local) {
    const old = local.read();
    if (!old.length) return;
    const change = this.write("readwrite");
    const kept = change.objectStore(STORE);
    for (const entry of old) {
      kept.index("id").count(entry.id).onsuccess = (event) => {
        if (!event.target.result) kept.add(entry); // else another tab was faster
      };
    }
    await done(change);
    local.remove(old.map((entry) => entry.id));
  }

  write(mode) {
    return this.database.transaction(STORE, mode);
  }
}

class LocalStore {
  async all() {
    return this.read();
  }

  /** Return the entries, those of earlier versions of this page too: {answer, order}. */
  read() {
    const entries = [];
    for (const key of storedKeys()) {
      if (!key.startsWith(PREFIX)) continue;
      const [user, project, id] = key.slice(PREFIX.length).split(".");
      try {
        const { order, page, what, body, answer } = JSON.parse(localStorage.getItem(key));
        const entry = { id, user: Number(user), project, page, what: what ?? "answer", body: body ?? answer };
        if (entry.body?.id === id) entries.push({ entry, order });
      } catch {
        continue; // not ours, or cut off while it was written: left alone, never sent
      }
    }
    entries.sort((a, b) => a.order - b.order);
    this.last = entries.length ? entries.at(-1).order : 0;
    return entries.map(({ entry }) => entry);
  }

  async add(entry) {
    if (this.last === undefined) this.read();
    this.last += 1;
    const { id, user, project, page, what, body } = entry;
    const key = `${PREFIX}${user}.${project}.${id}`;
    localStorage.setItem(key, JSON.stringify({ order: this.last, page, what, body }));
  }

  async remove(ids) {
    const gone = new Set(ids);
    for (const key of storedKeys()) {
      if (key.startsWith(PREFIX) && gone.has(key.split(".").at(-1))) localStorage.removeItem(key);
    }
  }
}

function openDatabase() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    const timer = setTimeout(() => reject(new Error("no answer")), OPEN_MS);
    request.onupgradeneeded = () => {
      const store = request.result.createObjectStore(STORE, { autoIncrement: true });
      store.createIndex("id", "id", { unique: true });
    };
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
    request.onsuccess = () => {
      clearTimeout(timer);
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
  });
}

function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function done(change) {
  return new Promise((resolve, reject) => {
    change.oncomplete = () => resolve();
    change.onabort = () => reject(change.error);
    change.onerror = () => reject(change.error);
  });
}

function storedKeys() {
  try {
    return Object.keys(localStorage);
  } catch {
    return [];
  }
}
