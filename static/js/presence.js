// Whether somebody is at a page, and for how long the page was hidden from them.

const AWAY_MS = 180000; // without a key or a click for so long, nobody is here

/** A page with a `sync`. It sets `hiddenMs` to 0 where it begins to count. */
export class Presence {
  constructor() {
    this.lastInput = performance.now();
    this.hiddenMs = 0;
  }

  isHere() {
    return performance.now() - this.lastInput < AWAY_MS;
  }

  onVisibility() {
    if (document.hidden) {
      this.hiddenAt = performance.now();
      return;
    }
    this.hiddenMs += performance.now() - (this.hiddenAt ?? performance.now());
    this.onInput();
    this.onSeen();
  }

  /** The page is in sight again. */
  onSeen() {
    this.sync.now();
  }

  /** Somebody who comes back learns at once which tasks went to others meanwhile. */
  onInput() {
    const wasAway = !this.isHere();
    this.lastInput = performance.now();
    if (wasAway) this.sync.beat();
  }
}
