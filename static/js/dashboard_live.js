// The socket of the dashboard: comes back after a lost connection and asks for what it missed.

const SILENCE = 50000; // the server says "ping" every 20 s
const LONGEST = 15000;
const NO_ACCESS = 4404;

/**
 * Stay connected. `path` is the socket's address, `since` the last event that the page shows.
 * `onMessage(message)` gets each snapshot and update, `onState("live" | "away" | "closed")`.
 */
export function connect(path, since, onMessage, onState) {
  const link = { seq: since, tries: 0, socket: null, watchdog: 0, retry: 0, closed: false };
  const open = () => {
    clearTimeout(link.retry);
    if (link.closed || (link.socket && link.socket.readyState <= WebSocket.OPEN)) return;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${path}?since=${link.seq}`);
    link.socket = socket;
    listen(socket);
    socket.addEventListener("message", (event) => heard(socket, JSON.parse(event.data)));
    socket.addEventListener("close", (event) => lost(socket, event.code));
  };
  const listen = (socket) => {
    clearTimeout(link.watchdog);
    link.watchdog = setTimeout(() => socket.close(), SILENCE);
  };
  const heard = (socket, message) => {
    if (socket !== link.socket) return;
    listen(socket);
    link.tries = 0;
    onState("live");
    if (message.type === "ping") return;
    link.seq = message.seq;
    onMessage(message);
    if (message.events?.length) document.dispatchEvent(new CustomEvent("projectevents"));
  };
  const lost = (socket, code) => {
    if (socket !== link.socket) return;
    clearTimeout(link.watchdog);
    link.closed = code === NO_ACCESS;
    onState(link.closed ? "closed" : "away");
    if (link.closed) return;
    const wait = Math.min(LONGEST, 500 * 2 ** link.tries) * (0.7 + 0.6 * Math.random());
    link.tries += 1;
    link.retry = setTimeout(open, wait);
  };
  addEventListener("online", open);
  document.addEventListener("visibilitychange", () => document.hidden || open());
  addEventListener("pagehide", () => {
    link.closed = true;
    link.socket?.close();
  });
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    link.closed = false;
    open();
  });
  open();
}
