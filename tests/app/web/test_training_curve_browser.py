"""Loss and accuracy of a training in a real browser: drawn, moving by itself, readable without it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.app.web.labelling_site import running_site
from tests.app.web.training_site import fill
from tests.journeys.test_accessibility import AXE, RUN_AXE, TAGS


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running_site(tmp_path_factory.mktemp("training") / "var", "3") as running:
        yield running


def test_a_training_is_drawn_while_it_goes_on_and_after_it(visit, site):
    fill(site, "begin")
    page = visit(address="jobs/")
    card = page.locator("#training-curve")
    expect(card.locator("canvas")).to_be_visible()
    expect(card.locator("[data-says]")).to_contain_text("goes on")
    expect(card.locator("[data-readout]")).to_contain_text("Epoch 3 of network 2 of 2")
    page.evaluate("window.stayed = true")
    fill(site, "more")
    expect(card.locator("[data-readout]")).to_contain_text("Epoch 11 of network 2 of 2")
    card.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(card.locator("tbody tr")).to_have_count(31)
    page.evaluate(AXE)
    assert page.evaluate(RUN_AXE, TAGS) == []
    fill(site, "end")
    expect(card.locator("[data-says]")).to_contain_text("has ended")
    expect(card.locator("[data-readout]")).to_contain_text("Epoch 20:")
    assert page.evaluate("window.stayed")


def test_the_overview_shows_it_while_it_goes_on(visit, site):
    fill(site, "begin")
    page = visit(address="")
    expect(page.locator("#training-curve canvas")).to_be_visible()
    fill(site, "more")
    expect(page.locator("#training-curve [data-readout]")).to_contain_text("Epoch 11 of network 2")
    fill(site, "end")
    expect(page.locator("#training-curve")).to_be_hidden()


def test_it_fits_a_phone(visit, site):
    fill(site, "begin")
    page = visit(address="jobs/")
    page.set_viewport_size({"width": 390, "height": 800})
    expect(page.locator("#training-curve canvas")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
