// The frame of a project's page says its name and whether it is archived: after a change, anew.
// The overview and the forecast pages hear of both by themselves; others say it when opened.

/** Put name and state from the fragment "title" into the bar at the top, the banner, the tab. */
export function nameProject(html) {
  const fragment = new DOMParser().parseFromString(html, "text/html");
  const name = fragment.querySelector("[data-name]").textContent;
  const bar = document.querySelector("[data-project-name]");
  if (bar && bar.textContent !== name) {
    document.title = document.title.replace(bar.textContent, () => name);
    bar.textContent = name;
  }
  const banner = document.querySelector("[data-project-archived]");
  if (banner) banner.hidden = !fragment.querySelector("[data-archived]");
}
