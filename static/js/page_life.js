// When a page for labelling may be left, and what happens when somebody comes back to it.

/** Guard what `page.outbox` holds; tell the page when it is hidden and seen again. */
export function live(page) {
  let leaving = false;
  document.getElementById("sign-in").addEventListener("click", () => (leaving = true)); // all is kept
  document.addEventListener("visibilitychange", () => page.onVisibility());
  window.addEventListener("beforeunload", (event) => {
    if (page.outbox.size && !(leaving && page.outbox.durable)) event.preventDefault();
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload(); // from the back button: others may hold its tasks by now
  });
  page.start();
}
