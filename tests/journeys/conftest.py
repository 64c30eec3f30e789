"""A running product and a real browser for every journey."""

from __future__ import annotations

import csv
import io
import os
import random
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from tests.app.web.labelling_pages import until
from tests.browsers import CHROMIUM, launched
from tests.journeys.product import Product, wait_for

IMAGES = 200
PATIENCE_MS = 30_000  # the machine that runs the tests may be busy with something else
SEEN_MS = 150  # the page takes a second press within a moment for a bounce


def pytest_collection_modifyitems(items):
    """Say loudly what is missing; in CI it is a failure, not a skip."""
    if Path(CHROMIUM).exists():
        return
    if os.environ.get("CI"):
        pytest.exit(f"{CHROMIUM} is missing and CI needs it: apt-get install chromium", 1)
    skip = pytest.mark.skip(reason=f"{CHROMIUM} is missing: apt-get install chromium")
    for item in items:
        if "journeys" in item.path.parts:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def product(tmp_path_factory):
    """Web server and worker on a fresh data folder, with the owner's printed password."""
    running = Product(tmp_path_factory.mktemp("product") / "var", "--no-demo")
    running.start()
    yield running
    assert running.stop() == 0, running.said()


@pytest.fixture(scope="session")
def browser():
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        chromium = launched(playwright, "--disable-gpu")
        yield chromium
        chromium.close()


@pytest.fixture
def contexts(browser: Browser):
    """Return a function that opens a new browser profile; pages must not raise errors."""
    opened: list[BrowserContext] = []
    errors: list[str] = []

    def make() -> BrowserContext:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(PATIENCE_MS)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        context.on("console", lambda line: errors.append(line.text) if _blocked(line) else None)
        opened.append(context)
        return context

    yield make
    for context in opened:
        context.close()
    assert errors == []


def _blocked(line) -> bool:
    """Tell whether the content policy refused something that a page of ours wanted to load."""
    return line.type == "error" and "Content Security Policy" in line.text


@pytest.fixture
def owner(product, contexts) -> Page:
    """A page of the signed-in owner."""
    page = contexts().new_page()
    sign_in(page, product, product.printed("e-mail"), product.printed("password"))
    return page


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """A zip with tiny images, all different, in two folders."""
    path = tmp_path_factory.mktemp("pictures") / "pictures.zip"
    dice = random.Random(7)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(IMAGES):
            picture = Image.frombytes("L", (16, 16), dice.randbytes(256))
            buffer = io.BytesIO()
            picture.save(buffer, "PNG")
            archive.writestr(f"part {number % 2}/picture {number:03d}.png", buffer.getvalue())
    return path


def sign_in(page: Page, product: Product, email: str, password: str) -> None:
    page.goto(f"{product.url}/accounts/login/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{product.url}/")


def make_project(
    page: Page, product: Product, pictures: Path, name: str, *, script_late: bool = False
) -> str:
    """Fill in the form, upload the zip, wait for the images; return the project's id.

    `script_late`: the zip is chosen before the page's script is there, as on a slow line.
    """
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    if script_late:
        page.route("**/js/upload*.js", hold)
    page.goto(f"{product.url}/projects/new/")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Classes", exact=True).fill("light\ndark\nstriped")
    page.get_by_role("button", name="Make the project").click()
    if script_late:
        until(page, lambda: bool(held))
    else:
        expect(page.get_by_role("button", name="Choose files")).to_be_visible()
    page.locator("#upload-files").set_input_files(pictures)
    for script in held:
        script.continue_()
    expect(page.locator("#imports")).to_contain_text("done", timeout=120_000)
    expect(page.locator("#imports")).to_contain_text(f"{IMAGES} new")
    return page.url.split("/p/")[1].split("/")[0]


def start_run(page: Page, product: Product, pid: str) -> None:
    page.goto(f"{product.url}/p/{pid}/")
    page.locator("#do-run_start").click()
    expect(page.locator("[data-live=status]")).to_contain_text("wait for labels")


def open_labelling(page: Page, product: Product, pid: str) -> None:
    page.goto(f"{product.url}/p/{pid}/label/")
    expect(page.locator("#frame canvas")).to_be_visible()


def press(page: Page, keys: str) -> None:
    """Press each key as a person does: once the next image is there and was seen for a moment."""
    shown = page.locator("#frame canvas")
    for key in keys:
        expect(shown).to_be_visible()
        page.wait_for_timeout(SEEN_MS)
        before = shown.get_attribute("data-src") or ""
        page.keyboard.press(key)
        expect(shown).not_to_have_attribute("data-src", before)


def all_saved(page: Page, seconds: float = 60) -> None:
    """Wait until the page says that the server has everything; it asks again within 36 s."""
    expect(page.locator("#saved-text")).to_have_text("All saved", timeout=1000 * seconds)


def pictures_ahead(page: Page, count: int = 9) -> None:
    """Wait until the page has so many pictures: with these a person labels on without a server."""
    fetched = """() => new Set(performance.getEntriesByType("resource")
      .filter((one) => one.responseEnd && one.name.includes("/display/"))
      .map((one) => one.name)).size"""
    wait_for(lambda: page.evaluate(fetched) >= count)


def done_today(page: Page, count: int) -> None:
    expect(page.locator("#done")).to_have_text(str(count))


def exported(page: Page, product: Product, pid: str) -> list[dict[str, str]]:
    """Return the rows of the CSV that the export page offers."""
    answer = page.request.get(f"{product.url}/p/{pid}/export/labels.csv")
    assert answer.ok
    return list(csv.DictReader(io.StringIO(answer.body().decode("utf-8-sig"))))


def by_people(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [row for row in rows if row["source"] == "human"]
