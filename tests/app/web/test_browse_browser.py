"""The browser of images in a real browser: keyboard, panel, bulk actions, likely errors, axe."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.app.web.browse_site import fill
from tests.app.web.labelling_site import running_site
from tests.journeys.test_accessibility import AXE, RUN_AXE, TAGS


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running_site(tmp_path_factory.mktemp("browse") / "var", "100") as running:
        fill(running)
        yield running


def axe(page) -> list:
    page.evaluate(AXE)
    return page.evaluate(RUN_AXE, TAGS)


def test_a_manager_finds_relabels_and_acts_on_all_that_pass(visit, site):
    page = visit("ben", "browse/?source=human&label=1")
    expect(page.locator(".pic")).to_have_count(45)
    assert axe(page) == []
    page.keyboard.press("ArrowDown")  # to the first image
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#panel h2")).to_contain_text("img_00003")
    expect(page.locator("#panel")).to_contain_text("Ann")
    assert axe(page) == []
    page.keyboard.press("3")  # star
    expect(page.locator(".pic").nth(1)).to_contain_text("star")
    expect(page.locator("#panel")).to_contain_text("square → star")
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("#chosen")).to_have_text("2 images selected")
    page.keyboard.press("Escape")
    expect(page.locator("#chosen")).to_have_text("All that pass")
    page.locator("[data-bulk=review]").click()
    page.locator("#bulk-go", has_text="Send 44 images to review").click()
    expect(page.locator("#bulk-worker")).to_be_visible()
    fill(site, "work")
    expect(page.locator("#bulk-words")).to_have_text("Done: 44 images.")
    page.locator("#bulk-review").click()
    expect(page.locator("#left")).to_have_text("44")


def test_the_grid_goes_on_by_itself_and_filters_are_links(visit):
    page = visit("ben", "browse/")
    for _ in range(3):
        page.mouse.wheel(0, 20_000)
    expect(page.locator(".pic")).to_have_count(100)
    expect(page.locator("#progress")).to_have_text("That is all: 100 images.")
    page.keyboard.press("/")
    page.keyboard.type("0001")
    page.keyboard.press("Enter")
    expect(page.locator(".chip").first).to_contain_text("0001")
    assert page.url.endswith("?name=0001")
    expect(page.locator(".pic")).to_have_count(11)  # 00001, 00010 to 00019
    page.locator(".chip").first.click()
    expect(page.locator(".chip")).to_have_count(0)


def test_a_view_for_everybody_is_kept_from_the_menu(visit):
    page = visit("ben", "browse/?source=human&label=1")
    page.locator(".browse-views > summary").click()
    page.fill("#v-new", "Squares")
    page.locator("#v-shared").check()  # stays on the page: it belongs to the menu's own form
    page.locator("button[form=view-new]").click()
    page.locator(".browse-views > summary").click()
    expect(page.locator(".browse-view")).to_contain_text(["Squares"])
    expect(page.locator(".browse-view")).to_contain_text(["shared"])
    assert "label=1" in page.url


def test_likely_errors_are_decided_by_one_key(visit, site):
    page = visit("ben", "errors/")
    expect(page.locator(".issue")).to_have_count(3)
    assert axe(page) == []
    page.locator(".issue").first.focus()
    page.keyboard.press("2")
    expect(page.locator(".issue").first).to_contain_text("The label is changed.")
    page.keyboard.press("1")
    expect(page.locator(".issue").nth(1)).to_contain_text("The label is right.")
    page.keyboard.press("3")
    expect(page.locator(".issue").nth(2)).to_contain_text("Sent to the reviewers.")
    states = "SELECT state FROM labelapp_labelissue ORDER BY score"
    assert [row[0] for row in site.ask(states)] == ["settled", "dismissed", "sent"]
