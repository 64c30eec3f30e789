"""How fast the labelling page is in a browser, and how much memory it holds.

    python -m benchmarks.browser [--images 200] [--memory 2000] [--side 1024] [--latency 20]

A headless Chromium, a real server, network latency added by the browser's own emulation. Keys go
through the browser's input pipeline. Each time runs from the key press (its time stamp) to the
moment after the frame in which the next image was painted.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import CDPSession, Page, sync_playwright

from tests.app.web.labelling_site import running_site

CHROMIUM = "/usr/bin/chromium"
WARM_UP = 10  # presses before the ones that count
SEEN_MS = 80  # a key comes so long after the last image, at the fastest (the page takes 60 ms)
PERSON_MS = 300  # a person who knows the classes by heart

WATCH = """() => {
  const times = (globalThis.benchTimes = []);
  const events = (globalThis.benchEvents = []);
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) if (one.name === "keydown") events.push(one.duration);
  }).observe({ type: "event", durationThreshold: 16 });
  const frame = document.getElementById("frame");
  let pressed = null;
  document.addEventListener("keydown", (event) => { pressed = event.timeStamp; }, true);
  new MutationObserver(() => {
    const image = frame.querySelector("canvas");
    if (!image || pressed === null) return;
    const start = pressed;
    pressed = null;
    const touched = performance.now();
    requestAnimationFrame(() => {
      const after = new MessageChannel();
      after.port1.onmessage = () => times.push([performance.now() - start, touched - start]);
      after.port2.postMessage(0);
    });
  }).observe(frame, { childList: true, subtree: true, attributeFilter: ["data-src"] });
}"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200, help="presses per case")
    parser.add_argument("--memory", type=int, default=2000, help="images for memory; 0 leaves it")
    parser.add_argument("--side", type=int, default=1024, help="pixels of the longer side")
    parser.add_argument("--latency", type=float, default=20.0, help="milliseconds added")
    options = parser.parse_args()
    total = 2 * options.images + options.memory + 200
    with (
        tempfile.TemporaryDirectory() as folder,
        running_site(Path(folder) / "var", str(total), "10", str(options.side)) as site,
        page_of(site, options.latency) as (page, session),
    ):
        print(
            f"{platform.machine()}, {psutil.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f}"
        )
        print(f"images of {options.side} px, {options.latency:g} ms added\n")
        print("| case | images | p50 ms | p95 ms | max ms | script p95 ms | event timing p95 ms |")
        print("|---|---|---|---|---|---|---|")
        report("a key as soon as the page takes one", page, options.images, SEEN_MS)
        report(f"a key every {PERSON_MS} ms, prefetched", page, options.images, PERSON_MS)
        if options.memory:
            memory(page, session, options.memory)


@contextmanager
def page_of(site: Any, latency: float) -> Iterator[tuple[Page, CDPSession]]:
    """Open the labelling page with this latency."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        cookie = {"name": "sessionid", "value": site.sessions["ann"], "url": site.address}
        context.add_cookies([cookie])  # type: ignore[list-item]  # a plain dict is one
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        conditions = {"downloadThroughput": -1, "uploadThroughput": -1, "offline": False}
        session.send("Network.emulateNetworkConditions", {**conditions, "latency": latency})
        page.goto(f"{site.address}/p/{site.project}/label/")
        page.wait_for_selector("#frame canvas")
        page.wait_for_load_state("networkidle")
        page.evaluate(WATCH)
        yield page, session
        browser.close()


def report(case: str, page: Page, images: int, pause: int) -> None:
    """Press keys and print one row."""
    label(page, WARM_UP, pause)
    page.evaluate("benchTimes.length = 0; benchEvents.length = 0")
    label(page, images, pause)
    page.wait_for_timeout(500)
    times, events = page.evaluate("[benchTimes, benchEvents]")
    painted, script = [one[0] for one in times], [one[1] for one in times]
    row = f"{quantile(painted, 50):.1f} | {quantile(painted, 95):.1f} | {max(painted):.1f}"
    official = quantile(
        [*events, *[8.0] * (len(painted) - len(events))], 95
    )  # short ones are left out
    print(f"| {case} | {len(painted)} | {row} | {quantile(script, 95):.1f} | {official:.0f} |")


def label(page: Page, images: int, pause: int) -> None:
    """Answer so many images; each key comes `pause` ms after the image before was shown."""
    for number in range(images):
        page.wait_for_selector("#frame canvas")
        page.wait_for_timeout(pause)
        page.keyboard.press(f"Digit{1 + number % 3}")


def quantile(values: list[float], percent: int) -> float:
    """Return a percentile."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def memory(page: Page, session: CDPSession, images: int) -> None:
    """Label many images and print what the page holds before and after."""
    session.send("Performance.enable")
    before = held(session)
    start = time.monotonic()
    label(page, images, SEEN_MS)
    page.wait_for_timeout(2000)
    raw = held(session)
    session.send("HeapProfiler.collectGarbage")
    page.wait_for_timeout(1000)
    after = held(session)
    seconds = time.monotonic() - start
    print(f"\nMemory of the page's process, {images} images in {seconds:.0f} s:\n")
    print("| | at the start | at the end | after a garbage collection |")
    print("|---|---|---|---|")
    for name in before:
        print(f"| {name} | {before[name]:.1f} | {raw[name]:.1f} | {after[name]:.1f} |")


def held(session: CDPSession) -> dict[str, float]:
    """Return what the page holds: script heap (MB), elements, memory of its process (MB)."""
    rows = session.send("Performance.getMetrics")["metrics"]
    metrics = {row["name"]: row["value"] for row in rows}
    info = renderer().memory_full_info()
    return {
        "script heap, MB": metrics["JSHeapUsedSize"] / 1e6,
        "DOM nodes": metrics["Nodes"],
        "process, proportional set size, MB": info.pss / 1e6,
        "process, private, MB": info.uss / 1e6,
    }


def renderer() -> psutil.Process:
    """Return the process that draws the page: the largest renderer that this program started."""
    mine = psutil.Process().children(recursive=True)
    renderers = [one for one in mine if "--type=renderer" in one.cmdline()]
    return max(renderers, key=lambda one: one.memory_info().rss)


if __name__ == "__main__":
    main()
