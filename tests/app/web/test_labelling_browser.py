"""The labelling page in a real browser, against a real server. No ORM here: see labelling_site."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from tests.app.web.labelling_pages import (
    API,
    SHOWN,
    all_requests_done,
    all_saved,
    labels,
    press,
    shown,
    sign_in,
    until,
)
from tests.app.web.labelling_site import running_site


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running_site(tmp_path_factory.mktemp("labelling") / "var", "400") as running:
        yield running


def test_one_key_saves_the_answer_and_shows_the_next_image(visit, site):
    before = labels(site)
    page = visit()
    first = shown(page)
    press(page, "Digit2")
    assert shown(page) != first
    all_saved(page)
    assert labels(site) == [*before, 1]


def test_the_next_image_comes_before_the_server_has_answered(visit):
    page = visit()
    first = shown(page)
    all_requests_done(page)
    waiting = []

    def wait(route) -> None:
        waiting.append(route)  # it is not answered

    page.route(API, wait)
    press(page, "Digit1")
    assert shown(page) != first
    expect(page.locator("#saved-text")).to_have_text("1 answer unsaved")
    until(page, lambda: waiting)
    for route in waiting:
        route.abort()


def test_the_next_eight_images_are_there_without_a_network(visit):
    page = visit()
    all_requests_done(page)
    page.context.set_offline(True)
    seen = {shown(page)}
    for _ in range(8):
        press(page, "Digit1")
        seen.add(shown(page))
    assert len(seen) == 9
    page.context.set_offline(False)
    all_saved(page)


def test_answers_survive_a_lost_connection_and_a_reload(visit, site):
    before = len(labels(site))
    page = visit()
    all_requests_done(page)
    page.route(API, lambda route: route.abort())
    for key in ("Digit1", "Digit2", "Digit3"):
        press(page, key)
    expect(page.locator("#saved-text")).to_contain_text("No connection")
    expect(page.locator("#saved-text")).to_contain_text("3 answers unsaved")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(page.locator("#saved-text")).to_contain_text("3 answers unsaved")
    page.unroute(API)
    all_saved(page)
    assert labels(site)[before:] == [0, 1, 2]


def test_a_reply_that_got_lost_does_not_count_twice(visit, site):
    before = len(labels(site))
    page = visit()
    all_requests_done(page)

    lost = []

    def lose_the_reply(route):
        if not lost:
            lost.append(route.fetch().status)
        route.abort()

    page.route(re.compile("/answers/"), lose_the_reply)
    press(page, "Digit3")
    until(page, lambda: lost)
    expect(page.locator("#saved-text")).to_contain_text("1 answer unsaved")
    page.unroute(re.compile("/answers/"))
    all_saved(page)
    assert lost == [200]
    assert labels(site)[before:] == [2]


def test_an_undo_brings_the_image_back(visit, site):
    before = len(labels(site))
    page = visit()
    first = shown(page)
    press(page, "Digit1")
    second = shown(page)
    press(page, "Backspace")
    assert shown(page) == first
    all_saved(page)
    assert len(labels(site)) == before
    press(page, "Digit3")
    assert shown(page) == second
    all_saved(page)
    assert labels(site)[before:] == [2]


def test_undo_goes_back_as_far_as_the_page_remembers(visit):
    page = visit()
    seen = []
    for _ in range(3):
        seen.append(shown(page))
        press(page, "Digit1")
    for address in reversed(seen):
        page.keyboard.press("Control+z")
        assert shown(page) == address
    all_saved(page)


def test_a_skipped_image_is_not_the_next_one(visit, site):
    before = len(labels(site))
    page = visit()
    first = shown(page)
    press(page, "Space")
    assert shown(page) != first
    expect(page.locator("#strip li").first).to_contain_text("skipped")
    all_saved(page)
    assert len(labels(site)) == before


def test_an_older_answer_is_corrected_from_the_strip(visit, site):
    before = len(labels(site))
    page = visit()
    press(page, "Digit1")
    press(page, "Digit1")
    third = shown(page)
    page.locator("#strip button").nth(1).click()
    expect(page.locator("#mode")).to_contain_text("Correcting")
    press(page, "Digit3")
    assert shown(page) == third
    all_saved(page)
    assert sorted(labels(site)[before:]) == [0, 2]


def test_escape_leaves_a_correction_as_it_was(visit, site):
    page = visit()
    press(page, "Digit2")
    second = shown(page)
    all_saved(page)
    before = labels(site)
    page.locator("#strip button").first.click()
    page.keyboard.press("Escape")
    assert shown(page) == second
    expect(page.locator("#mode")).to_be_hidden()
    assert labels(site) == before


def test_two_people_never_see_the_same_image(visit):
    pages = [visit("ann"), visit("ben")]
    seen: list[str] = []
    for _ in range(6):
        for page in pages:
            seen.append(shown(page))
            press(page, "Digit1")
    assert len(set(seen)) == len(seen)


def test_a_held_key_answers_once(visit):
    page = visit()
    shown(page)
    time.sleep(0.1)
    page.keyboard.down("Digit1")
    second = shown(page)
    time.sleep(0.1)
    page.keyboard.down("Digit1")  # the keyboard repeats
    assert shown(page) == second
    page.keyboard.up("Digit1")


@pytest.mark.parametrize("keys", ["Control+1", "Alt+1", "Meta+1", "Digit9", "KeyQ", "Shift+A"])
def test_other_keys_answer_nothing(visit, keys):
    page = visit()
    first = shown(page)
    press(page, keys)
    time.sleep(0.1)
    assert shown(page) == first
    expect(page.locator("#strip li")).to_have_count(0)


def test_keys_do_nothing_behind_the_help(visit):
    page = visit()
    first = shown(page)
    press(page, "?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Digit1")
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    assert shown(page) == first


def test_a_clicked_class_does_not_answer_again_on_space(visit):
    page = visit()
    shown(page)
    time.sleep(0.1)
    page.get_by_role("button", name="square").click()
    press(page, "Space")
    expect(page.locator("#strip li").first).to_contain_text("skipped")
    expect(page.locator("#strip li").nth(1)).to_contain_text("square")


def test_the_guidelines_open_beside_the_image(visit):
    page = visit()
    press(page, "g")
    expect(page.locator("#guidelines")).to_contain_text("Nobody has written guidelines")
    image, panel = page.locator(SHOWN).bounding_box(), page.locator("#guidelines").bounding_box()
    assert image["x"] + image["width"] <= panel["x"]
    page.keyboard.press("g")
    expect(page.locator("#guidelines")).to_be_hidden()


def test_screen_readers_hear_what_was_saved(visit):
    page = visit()
    press(page, "Digit3")
    expect(page.locator("#spoken")).to_have_text(re.compile(r"Saved: star, \d+ left"))


def test_nothing_jumps_when_the_image_changes(visit):
    page = visit()
    shown(page)
    all_saved(page)
    places = [page.locator(what) for what in ("#stage", "#classes", "#strip", "#done", "#left")]
    before = [place.bounding_box() for place in places]
    press(page, "Digit1")
    shown(page)
    all_saved(page)
    after = [place.bounding_box() for place in places]
    assert [(b["x"], b["y"]) for b in before] == [(a["x"], a["y"]) for a in after]


def test_the_page_waits_and_goes_on_by_itself(visit, site):
    page = visit()
    shown(page)
    site.ask("UPDATE labelapp_project SET status = 'paused'")
    try:
        page.reload()
        expect(page.locator("#note")).to_contain_text("Labelling is paused")
    finally:
        site.ask("UPDATE labelapp_project SET status = 'running'")
    page.wait_for_selector(SHOWN)


def test_an_expired_sign_in_loses_nothing(visit, site):
    before = len(labels(site))
    page = visit()
    all_requests_done(page)
    page.context.clear_cookies(name="sessionid")
    press(page, "Digit2")
    expect(page.locator("#saved-text")).to_contain_text("You are signed out")
    expect(page.locator("#sign-in")).to_be_visible()
    sign_in(page.context, site, "ann")
    all_saved(page)
    assert labels(site)[before:] == [1]


def test_answers_never_go_to_another_account(visit, site):
    ann, ben = labels(site, "ann"), labels(site, "ben")
    page = visit("ann")
    all_requests_done(page)
    page.context.clear_cookies(name="sessionid")
    sign_in(page.context, site, "ben")
    press(page, "Digit2")
    expect(page.locator("#saved-text")).to_contain_text("Somebody else is signed in")
    assert (labels(site, "ann"), labels(site, "ben")) == (ann, ben)
    page.context.clear_cookies(name="sessionid")
    sign_in(page.context, site, "ann")
    all_saved(page)
    assert labels(site, "ann") == [*ann, 1]


def test_an_image_that_does_not_load_can_be_skipped(visit):
    page = visit()
    all_requests_done(page)
    page.route(re.compile("/display/"), lambda route: route.abort())
    page.reload()
    expect(page.locator("#note")).to_contain_text("could not be loaded")
    page.keyboard.press("Digit1")  # nobody labels what they cannot see
    expect(page.locator("#strip li")).to_have_count(0)
    page.unroute(re.compile("/display/"))
    page.get_by_role("button", name="Load it again").click()
    page.wait_for_selector(SHOWN)


@pytest.mark.parametrize("size", [(390, 844), (768, 1024), (1440, 900), (720, 450)])
def test_it_fits_every_screen(visit, size):
    page = visit(viewport={"width": size[0], "height": size[1]})
    shown(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    image = page.locator(SHOWN).bounding_box()
    assert min(image["width"], image["height"]) >= 200


def test_touch_targets_are_44_pixels(visit):
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    shown(page)
    for button in page.locator("#labelling button:visible").all():
        assert button.bounding_box()["height"] >= 44
