"""Take the pictures in docs/screenshots/: `make screenshots`. Some minutes; nothing is made up.

On a temporary data folder a real run begins: the demo's 10,000 images, six simulated people who
answer over HTTP, real trainings. When enough trainings are behind it and people are in the middle
of a batch the run is stopped; it has a budget, and a second network races. A little is added that
a real team would have (names, gold, a reviewer's sample, a search for likely errors, a webhook),
and every page of `PAGES` is taken light, dark and on a phone, as WebP of at most 150 KB.

`--data FOLDER` keeps the folder and uses it again; a run that was broken off goes on. `--only` with
names of `PAGES` takes these pages alone. `--every`
takes pictures of all pages, light and dark, 390 and 1440 pixels wide, whole, as PNG into
screenshots/ (to look at, not to commit).
"""

from __future__ import annotations

import argparse
import io
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import Browser, Error, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "screenshots"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PASSWORD = "pictures of a demo"  # noqa: S105 - of a folder that is gone a minute later
TRAININGS = 5
FILLED = "filled-for-pictures"  # stands in a data folder whose run is far enough
MOST_BYTES = 150_000
PATIENCE = 1_800.0  # seconds for the run to get there, on a slow machine

PAGES = {
    "overview": "",
    "budget": "",
    "forecast": "forecast/",
    "what-if": "what-if/",
    "steer": "steer/",
    "candidates": "steer/",
    "new-project": "/projects/new/",
    "curate": "curate/",
    "browse": "browse/",
    "errors": "errors/",
    "annotators": "annotators/",
    "people": "people/",
    "log": "log/",
    "jobs": "jobs/",
    "label": "label/",
    "grid": "grid/",
    "review": "review/",
    "notifications": "/me/notifications/",
    "webhooks": "webhooks/",
}
"""What is taken: name of the file, and address below the project (or of the site)."""

PARTS = {"budget": ".dash-budget", "candidates": "#id_arch", "new-project": ".advanced"}
"""Of these the part that is shown, at the top of the picture, with all around it unfolded."""

SITE_PAGES = ["/", "/projects/new/", "/people/", "/me/", "/me/settings/", "/me/notifications/"]
SITE_PAGES += ["/me/tokens/", "/api/v1/docs/"]
MORE_PAGES = ["verify/", "images/", "guidelines/", "queue/", "quality/"]
MORE_PAGES += ["quality/rules/", "quality/gold/", "settings/", "notifications/", "export/"]


class Look(NamedTuple):
    """A scheme, a screen, and how sharp it is."""

    scheme: str
    width: int
    height: int
    scale: float = 1.0

    @property
    def phone(self) -> bool:
        """Whether fingers use it."""
        return self.width < 500


LOOKS = {
    "light": Look("light", 1280, 860),
    "dark": Look("dark", 1280, 860),
    "phone": Look("light", 390, 844, 1.5),
}


class Product(NamedTuple):
    """A running product: its address, its owner, its project."""

    url: str
    email: str
    project: str


# --- the run -------------------------------------------------------------------------------------


def make_run(folder: Path, port: int) -> None:
    """Let the demo run in this folder until people are in the middle of a later batch."""
    options = ["--port", str(port), "--people", "6", "--pace", "0.6"]
    with started(folder, ["demo", *options]):
        end = time.monotonic() + PATIENCE
        while not query(folder, "SELECT 1 FROM labelapp_run") and time.monotonic() < end:
            time.sleep(0.2)
        add_team(folder, "plan")
        while not far_enough(folder):
            if time.monotonic() > end:
                sys.exit(f"The run did not get there within {PATIENCE:.0f} s.")
            time.sleep(0.2)
    add_team(folder)
    (folder / FILLED).touch()


def add_team(folder: Path, *what: str) -> None:
    """Add what a real team would have, or with "plan" its budget and its networks."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, str(ROOT / "tools" / "screenshots_team.py"), *what],
        env=surroundings(folder),
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        sys.exit("The team could not be added.")


def far_enough(folder: Path) -> bool:
    """Tell whether enough trainings are over and a batch is a third to two thirds done."""
    rows = query(
        folder,
        "SELECT (SELECT COUNT(*) FROM labelapp_iteration), b.size, b.remaining"
        " FROM labelapp_labelbatch b WHERE b.state = 'open' AND b.purpose = 'train'",
    )
    return any(
        count >= TRAININGS and size / 3 < left < size * 2 / 3 for count, size, left in rows
    ) or bool(query(folder, "SELECT 1 FROM labelapp_run WHERE request_kind = 'finished'"))


def query(folder: Path, sql: str) -> list[tuple[object, ...]]:
    """Ask the folder's database without holding anybody up."""
    with closing(sqlite3.connect(f"file:{folder / 'mcal.sqlite3'}?mode=ro", uri=True)) as database:
        try:
            return database.execute(sql).fetchall()
        except sqlite3.OperationalError:  # not there yet, or busy
            return []


def surroundings(folder: Path) -> dict[str, str]:
    """Return the environment of the processes on this folder."""
    ours = {"MCAL_DATA_DIR": str(folder), "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), **ours}


@contextmanager
def started(folder: Path, arguments: list[str]) -> Iterator[str]:
    """Run `manage.py` with these arguments until the end; give the address once it answers."""
    log = folder.parent / f"{folder.name}.log"
    with log.open("w") as lines:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=surroundings(folder),
            stdout=lines,
            stderr=subprocess.STDOUT,
        )
        try:
            yield ready(process, log)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def ready(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until the product says that it answers; return its address."""
    while process.poll() is None:
        found = re.search(r"Ready: (\S+)", log.read_text())
        if found:
            return found[1]
        time.sleep(0.2)
    sys.exit(f"The product did not start:\n{log.read_text()[-3000:]}")


@contextmanager
def product(folder: Path, port: int) -> Iterator[Product]:
    """Start the product on a filled folder."""
    with started(folder, ["up", "--port", str(port)]) as url:
        rows = query(folder, "SELECT email FROM labelapp_user WHERE is_superuser ORDER BY id")
        ids = query(folder, "SELECT public_id FROM labelapp_project ORDER BY id")
        wait_for_jobs(folder)
        yield Product(url, str(rows[0][0]), str(ids[0][0]))


def wait_for_jobs(folder: Path, seconds: float = 240.0) -> None:
    """Wait until the worker has done what was asked for, the search for likely errors say."""
    end = time.monotonic() + seconds
    busy = "SELECT 1 FROM labelapp_job WHERE state IN ('waiting', 'running')"
    time.sleep(2)
    while query(folder, busy) and time.monotonic() < end:
        time.sleep(0.5)


# --- the pictures --------------------------------------------------------------------------------


@contextmanager
def signed_in(browser: Browser, one: Product, look: Look) -> Iterator[Page]:
    """Give a page of the owner in this look; say what its console complains of."""
    context = browser.new_context(
        color_scheme=look.scheme,  # type: ignore[arg-type]
        viewport={"width": look.width, "height": look.height},
        device_scale_factor=look.scale,
        has_touch=look.phone,
        is_mobile=look.phone,
        reduced_motion="reduce",
        locale="en-US",
    )
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.on("console", lambda m: print(f"  {page.url}: {m.text}") if m.type == "error" else None)
    page.goto(f"{one.url}/accounts/login/")
    page.fill("input[name=login]", one.email)
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"{one.url}/")
    try:
        yield page
    finally:
        context.close()


def visit(page: Page, one: Product, address: str) -> bool:
    """Go there and wait until it is drawn; False where there is no such page."""
    path = address if address.startswith("/") else f"/p/{one.project}/{address}"
    try:
        answer = page.goto(one.url + path)
    except Error as problem:
        print(f"  {path}: {problem.message.splitlines()[0]}")
        return False
    if answer is None or answer.status >= 400:
        print(f"  {path} answers {answer.status if answer else 'nothing'}: left out")
        return False
    settle(page)
    if page.evaluate("document.documentElement.scrollWidth > innerWidth + 1"):
        print(f"  {path} is wider than the screen")
    return True


def show(page: Page, part: str) -> None:
    """Unfold a part of the page and bring it to the top."""
    page.evaluate(
        """(part) => {
          const shown = document.querySelector(part);
          for (let one = shown; one; one = one.parentElement)
            if (one.matches("details")) one.open = true;
          shown.scrollIntoView();
          scrollBy(0, -64); // below the bar that stays
        }""",
        part,
    )


def settle(page: Page, most: float = 20.0) -> None:
    """Wait until charts are drawn and nothing more has been fetched for a second."""
    end, before = time.monotonic() + most, -1
    while time.monotonic() < end:
        time.sleep(1.0)
        loaded = page.evaluate(
            "performance.getEntriesByType('resource').filter((one) => one.responseEnd).length"
            " + [...document.images].filter((one) => one.complete).length * 1000"
        )
        if loaded == before:
            return
        before = loaded


def small(picture: bytes) -> bytes:
    """Return a PNG as WebP of at most MOST_BYTES."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    for quality in (88, 80, 70, 60, 45, 30):
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=quality, method=6)
        if buffer.tell() <= MOST_BYTES:
            break
    return buffer.getvalue()


def take_set(browser: Browser, one: Product, out: Path, only: Collection[str] = ()) -> None:
    """Take the pages of the README's set, or `only` these, in each look."""
    out.mkdir(parents=True, exist_ok=True)
    for name, look in LOOKS.items():
        with signed_in(browser, one, look) as page:
            for place, address in PAGES.items():
                if (not only or place in only) and visit(page, one, address):
                    if place in PARTS:
                        show(page, PARTS[place])
                    (out / f"{place}-{name}.webp").write_bytes(small(page.screenshot()))
    total = sum(path.stat().st_size for path in out.glob("*.webp"))
    print(f"{len(list(out.glob('*.webp')))} pictures, {total / 1e6:.1f} MB, in {out}")


def take_every(browser: Browser, one: Product, out: Path) -> None:
    """Take all pages whole, light and dark, narrow and wide."""
    out.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        for width in (390, 1440):
            with signed_in(browser, one, Look(scheme, width, 900)) as page:
                for address in dict.fromkeys([*SITE_PAGES, *PAGES.values(), *MORE_PAGES]):
                    if visit(page, one, address):
                        name = address.strip("/").replace("/", "-") or "overview"
                        name = "projects" if address == "/" else name
                        path = out / f"{name}-{scheme}-{width}.png"
                        page.screenshot(path=path, full_page=True)
    print(f"Pictures are in {out}")


def main() -> None:
    """Make the run unless it is there, then take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="keep the data folder, and use it again")
    parser.add_argument("--every", action="store_true", help="all pages whole, into screenshots/")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--only", nargs="+", choices=PAGES, default=[], help="these pages alone")
    options = parser.parse_args()
    some = partial(take_set, only=options.only)
    take: Callable[[Browser, Product, Path], None] = take_every if options.every else some
    out = options.out or (ROOT / "screenshots" if options.every else OUT)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.data or Path(temporary) / "var").resolve()
        if not (folder / FILLED).exists():
            folder.mkdir(parents=True, exist_ok=True)
            make_run(folder, options.port)
        with product(folder, options.port) as one, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            take(browser, one, out)
            browser.close()


if __name__ == "__main__":
    main()
