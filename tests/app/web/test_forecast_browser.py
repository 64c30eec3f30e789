"""The forecast pages in a real browser: pictures, the keyboard, what comes by itself, axe."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.app.web.forecast_site import fill
from tests.app.web.labelling_site import running_site
from tests.journeys.test_accessibility import AXE, RUN_AXE, TAGS

DRAWN = ("curves", "cost", "epsilon", "history", "sizes")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running_site(tmp_path_factory.mktemp("forecast") / "var", "3") as running:
        fill(running)
        yield running


def test_pictures_are_drawn_and_their_numbers_come_by_the_keyboard(visit):
    page = visit(address="forecast/")
    for key in DRAWN:
        expect(page.locator(f"[data-chart={key}] canvas")).to_be_visible()
    expect(page.locator("[data-says=epsilon]")).to_contain_text("With a limit of 5")
    card = page.locator("[data-chart=epsilon]")
    card.locator("summary").last.focus()
    page.keyboard.press("Enter")
    expect(card.locator("th").first).to_have_text("limit")
    expect(card.locator("tbody tr")).not_to_have_count(0)
    page.get_by_role("link", name="The machine").click()
    expect(page.locator("[data-chart=reliability] canvas")).to_be_visible()
    confused = page.locator(".fc-matrix td.is-wrong a").first
    assert "label=0" in confused.get_attribute("href")
    expect(page.locator(".fc-mistake").first).to_contain_text("taken for")
    page.evaluate(AXE)
    assert page.evaluate(RUN_AXE, TAGS) == []


def test_what_is_spent_appears_without_a_reload(visit, site):
    page = visit(address="forecast/ledger/")
    expect(page.locator("#days [data-empty]")).to_be_visible()
    page.evaluate("window.stayed = true")
    fill(site, "spend")
    expect(page.locator("[data-says=days]")).to_contain_text("$0.04 spent")
    expect(page.locator("#days canvas")).to_be_visible()
    expect(page.locator("[data-live=ledger]")).to_contain_text("$0.04")
    assert page.evaluate("window.stayed")
