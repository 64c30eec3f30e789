"""What tests of the labelling page in a browser share: how to open it, press keys, and look."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from contextlib import contextmanager

from playwright.sync_api import Browser, Error, Page, Request, expect, sync_playwright

from tests.app.web.labelling_site import Site
from tests.browsers import launched

API = re.compile("/api/v1/projects/")
SHOWN = "#frame canvas"
SENDING = '#saved[data-kind="sending"]'
FETCHED = """() => new Set(performance.getEntriesByType("resource")
  .filter((one) => one.responseEnd && one.name.includes("/display/")).map((one) => one.name)).size"""
AHEAD = 9  # pictures that the page fetches before it needs them, the one on screen with them
PATIENCE_MS = 30_000  # the machine that runs the tests may be busy with something else


@contextmanager
def chromium():
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        yield launched(playwright)


@contextmanager
def visits(site: Site, browser: Browser):
    """Give a function that opens pages of the project as a person; no page may raise an error."""
    contexts, problems, sent = [], [], Sent()

    def open_page(who: str = "ann", address: str = "label/", context=None, **options) -> Page:
        if context is None:
            context = browser.new_context(**options)
            contexts.append(context)
            context.set_default_timeout(PATIENCE_MS)
            sent.watch(context)
            sign_in(context, site, who)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda m: problems.append(m.text) if "Policy" in m.text else None)
        page.goto(f"{site.address}/p/{site.project}/{address}")
        return page

    yield open_page
    for context in contexts:
        leave(context, sent)
    assert problems == []


class Sent:
    """What pages have sent and the server has not answered yet."""

    def __init__(self) -> None:
        self.under_way: set[Request] = set()

    def watch(self, context) -> None:
        context.on("request", self.begun)
        context.on("requestfinished", self.over)
        context.on("requestfailed", self.over)

    def begun(self, request: Request) -> None:
        if request.method == "POST":
            self.under_way.add(request)

    def over(self, request: Request) -> None:
        self.under_way.discard(request)

    def by(self, page: Page) -> bool:
        return any(request.frame.page == page for request in self.under_way)


def leave(context, sent: Sent) -> None:
    """Close the pages when what they sent has arrived: the next test counts what is there.

    Where the page says why nothing leaves it (offline, signed out), nothing will arrive either.
    """
    for page in context.pages:
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while page.locator(SENDING).count() or sent.by(page):
            if time.monotonic() > deadline:
                break
            page.wait_for_timeout(20)
    context.close()


def sign_in(context, site: Site, who: str) -> None:
    cookie = {"name": "sessionid", "value": site.sessions[who], "url": site.address}
    context.add_cookies([cookie])


def shown(page: Page) -> str:
    """Return the address of the image on screen."""
    page.wait_for_selector(SHOWN)
    return page.locator(SHOWN).get_attribute("data-src").split("?")[0]


def press(page: Page, key: str) -> None:
    """Press a key the way a person does: not at the very moment of the last image."""
    page.wait_for_selector(SHOWN)
    time.sleep(0.08)
    page.keyboard.press(key)


def all_saved(page: Page) -> None:
    """Wait until the page says that the server has everything; it asks again within 36 s."""
    expect(page.locator("#saved-text")).to_have_text("All saved", timeout=60_000)


def until(page: Page, condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait for what no element shows, while the page and its routes go on."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {seconds} s"
        page.wait_for_timeout(50)


def frames(page: Page) -> None:
    """Wait until the browser has painted, and told the page what is in sight."""
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame("
        "() => setTimeout(done))))"
    )


def labels(site: Site, user: str = "ann") -> list[int]:
    """Return the classes of this person's labels, oldest answer first."""
    rows = site.ask(
        "SELECT l.class_index FROM labelapp_label l JOIN labelapp_user u ON u.id = l.user_id"
        " JOIN labelapp_answer a ON a.id = l.answer_id WHERE u.email = ? ORDER BY a.created",
        f"{user}@example.org",
    )
    return [row[0] for row in rows]


def all_requests_done(page: Page, pictures: int = AHEAD) -> None:
    """Wait until nothing is under way: the server was asked, the pictures ahead are here."""
    page.wait_for_selector(SHOWN)
    all_saved(page)
    until(page, lambda: page.evaluate(FETCHED) >= pictures)


def with_tasks(page: Page, **more) -> None:
    """Put fields into every task that the server gives."""

    def change(route):
        try:
            reply = route.fetch()
            body = reply.json()
            for task in body.get("tasks", []):
                task.update(more)
            route.fulfill(response=reply, body=json.dumps(body))
        except Error:
            return  # the test is over, the page closed

    page.context.route(re.compile("/(tasks|answers)/$"), change)
