"""The best training set in a real browser: asked for, followed, stopped, found, looked at."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.app.web.curate_site import fill
from tests.app.web.labelling_site import running_site
from tests.journeys.test_accessibility import AXE, PHONE, RUN_AXE, TAGS, WIDE


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running_site(tmp_path_factory.mktemp("curate") / "var", "200") as running:
        fill(running)
        yield running


def looks_right(page: Page) -> None:
    """Nothing is wider than a phone, and axe finds nothing there, nor in the dark."""
    page.evaluate(AXE)
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    assert page.evaluate(RUN_AXE, TAGS) == []
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    assert page.evaluate(RUN_AXE, TAGS) == []


def test_a_search_from_the_form_to_its_images(visit, site):
    page = visit(address="curate/", viewport=WIDE)
    the_form_by_the_keyboard(page)
    it_is_followed_and_stopped_without_a_reload(page, site)
    its_end_shows_what_was_found(page, site)
    its_images_by_the_keyboard(page)


def the_form_by_the_keyboard(page: Page) -> None:
    estimate = page.locator("#curate-estimate")
    expect(estimate).to_contain_text("of computing")
    before = estimate.inner_text()
    share = page.locator("#id_share")
    share.fill("100")
    expect(estimate).to_contain_text("100 % are all images")
    share.fill("60")
    expect(estimate).to_contain_text("of computing")
    assert estimate.inner_text() != before
    page.get_by_text("Advanced: how it is searched").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#id_held_out")).to_be_visible()
    looks_right(page)
    share.press("Enter")
    expect(page.get_by_role("heading", name="A search waits")).to_be_visible()
    expect(page.locator("#curate-status")).to_contain_text("No worker is running")
    expect(page.locator("#curate-form")).to_have_count(0)


def it_is_followed_and_stopped_without_a_reload(page: Page, site) -> None:
    page.evaluate("window.stayed = true")
    fill(site, "running")
    status = page.locator("#curate-status")
    expect(status.get_by_role("heading")).to_have_text("A search is going on")
    expect(status.get_by_role("status")).to_have_text("Training 2 of 5, to choose: 36 images")
    expect(status).to_contain_text("Step 30 of 200 of this training.")
    expect(status.get_by_role("progressbar")).to_have_attribute("value", "0.250")
    assert page.evaluate("window.stayed")
    page.once("dialog", lambda dialog: dialog.accept())
    status.get_by_role("button", name="Cancel").click()
    expect(status.get_by_role("heading")).to_have_text("The search is being cancelled")
    expect(status.get_by_role("button", name="Cancel")).to_have_count(0)
    asked = "SELECT cancel_requested FROM labelapp_job WHERE kind = 'curate'"
    assert site.ask(asked) == [(1,)]


def its_end_shows_what_was_found(page: Page, site) -> None:
    fill(site, "done")
    expect(page.locator(".curate-verdict")).to_contain_text("better than a random part")
    expect(page.locator(".curate-compared tbody tr")).to_have_count(3)
    expect(page.locator(".curate-classes tbody tr")).to_have_count(3)
    expect(page.get_by_text("Labels of this project were changed since")).to_have_count(0)
    looks_right(page)
    site.ask("UPDATE labelapp_label SET class_index = 0 WHERE seq = 7")  # it was a square
    page.reload()
    expect(page.get_by_text("Labels of this project were changed since")).to_be_visible()


def its_images_by_the_keyboard(page: Page) -> None:
    page.get_by_role("link", name="Kept: 80").press("Enter")
    expect(page.locator(".pic")).to_have_count(60)
    expect(page.locator(".curate-pages")).to_contain_text("1 to 60 of 80")
    expect(page.locator(".pic").first).to_contain_text("stage 1")
    page.wait_for_load_state()  # what hears keys is there
    page.keyboard.press("ArrowDown")  # to the first image
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#panel h2")).to_contain_text("img_00011")
    looks_right(page)
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    page.get_by_role("link", name="Left out", exact=True).click()
    expect(page.locator('.pic[data-seq="7"]')).to_contain_text("searched as square")
    page.locator("#c-class").select_option("1")  # goes there by itself
    expect(page.locator(".curate-pages")).to_contain_text("of 26")
