"""What tests of the grids in a browser share: what is on the page, and what the server has."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager

from playwright.sync_api import Page, expect

from tests.app.web.labelling_pages import frames


def tasks(page: Page, selector: str = ".tile") -> list[str]:
    return page.eval_on_selector_all(selector, "all => all.map((one) => one.dataset.key)")


def seqs(page: Page, selector: str = ".tile") -> list[int]:
    sources = page.eval_on_selector_all(f"{selector} img", "all => all.map((one) => one.src)")
    return [int(re.search(r"/images/(\d+)/", source)[1]) for source in sources]


def answers(site, how: str = "grid") -> list[tuple[int, int]]:
    """Return (image, class) of the current answers, oldest first."""
    return site.ask(
        "SELECT i.seq, c.'index' FROM labelapp_answer a JOIN labelapp_image i ON i.id = a.image_id"
        " JOIN labelapp_labelclass c ON c.id = a.label_class_id"
        " WHERE a.how = ? AND a.superseded_by IS NULL AND a.kind = 'class' ORDER BY a.created, i.seq",
        how,
    )


def new_answers(site, before: list[tuple[int, int]], how: str = "grid") -> list[tuple[int, int]]:
    return [one for one in answers(site, how) if one not in before]


def look_long_enough(page: Page, site) -> None:
    """Make the page old on the server, and in the browser."""
    site.ask("UPDATE labelapp_verifypage SET created = datetime(created, '-60 seconds')")
    page.evaluate(
        "performance.now = ((real) => () => real() + 60000)(performance.now.bind(performance))"
    )


def planted(site) -> list[int]:
    """Return the places of the plants on the page opened last."""
    rows = site.ask("SELECT tiles FROM labelapp_verifypage ORDER BY created DESC LIMIT 1")
    return [place for place, tile in enumerate(json.loads(rows[0][0])) if tile.get("plant")]


def confirm(page: Page) -> None:
    """Look at all of the page, then confirm it."""
    for _ in range(6):
        frames(page)
        page.evaluate("document.getElementById('tiles').scrollTop += 400")
    frames(page)
    page.keyboard.press("Enter")


@contextmanager
def next_page(page: Page):
    """Wait for the page that follows an answer: until then the old tiles are there."""
    page.locator(".tile").first.evaluate("(tile) => tile.setAttribute('data-old', '')")
    yield
    page.wait_for_selector(".tile:first-child:not([data-old])")
    expect(page.locator(".tile[data-old]")).to_have_count(0)
