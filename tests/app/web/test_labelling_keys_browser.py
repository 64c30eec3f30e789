"""Keyboard, palette, history, touch and the picture itself, in a real browser."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from tests.app.web.hands import dispatch, pinch, swipe
from tests.app.web.labelling_pages import (
    all_requests_done,
    all_saved,
    labels,
    press,
    shown,
    until,
    with_tasks,
)
from tests.app.web.labelling_site import running_site

FIRST = "#strip li:first-child"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


REMEMBERED = """() => Object.keys(sessionStorage).filter((key) => key.startsWith("mcal.history."))
  .reduce((sum, key) => sum + JSON.parse(sessionStorage.getItem(key)).length, 0)"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running_site(tmp_path_factory.mktemp("keys") / "var", "400") as running:
        yield running


@pytest.fixture
def own_keys(site):
    """Take the people's own keys back after a test."""
    yield
    site.ask("UPDATE labelapp_user SET key_map = '{}'")


def own(site) -> dict[str, dict[str, str]]:
    """Return Ann's own keys as the server has them."""
    return json.loads(site.ask("SELECT key_map FROM labelapp_user WHERE email LIKE 'ann%'")[0][0])


@pytest.mark.parametrize(
    "event",
    [
        {"key": "&", "code": "Digit1"},  # French
        {"key": "1", "code": "Digit1", "shiftKey": True},  # French, shifted
        {"key": "\u0661", "code": "Digit1"},  # Arabic
        {"key": "1", "code": "Numpad1"},
    ],
)
def test_digits_go_by_their_place(visit, event):
    page = visit()
    shown(page)
    dispatch(page, **event)
    expect(page.locator(FIRST)).to_contain_text("circle")


@pytest.mark.parametrize(
    "event",
    [
        {"key": "1", "code": "Digit1", "isComposing": True},
        {"key": "Process", "code": "Digit1", "keyCode": 229},
        {"key": "Dead", "code": "Digit1"},
        {"key": "1", "code": "Digit1", "repeat": True},
        {"key": "1", "code": "Digit1", "altKey": True},
    ],
)
def test_an_ime_and_a_held_key_answer_nothing(visit, event):
    page = visit()
    before = shown(page)
    dispatch(page, **event)
    page.wait_for_timeout(150)
    assert shown(page) == before


def test_cannot_tell_is_an_answer_of_its_own(visit, site):
    page = visit()
    before = shown(page)
    press(page, "Shift+Space")
    assert shown(page) != before
    expect(page.locator(FIRST)).to_contain_text("cannot tell")
    all_saved(page)
    assert site.ask("SELECT COUNT(*) FROM labelapp_answer WHERE kind = 'unsure'")[0][0] >= 1


def test_the_arrows_walk_the_answers(visit, site):
    before = len(labels(site))
    page = visit()
    seen = []
    for key in ("Digit1", "Digit2"):
        seen.append(shown(page))
        press(page, key)
    waiting = shown(page)
    expect(page.locator("#strip li")).to_have_count(2)
    page.keyboard.press("ArrowLeft")
    assert shown(page) == seen[1]
    page.keyboard.press("ArrowLeft")
    assert shown(page) == seen[0]
    expect(page.locator("#mode")).to_contain_text("it was circle")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert shown(page) == waiting
    expect(page.locator("#mode")).to_be_hidden()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    press(page, "Digit3")
    assert shown(page) == waiting
    all_saved(page)
    assert sorted(labels(site)[before:]) == [1, 2]


def test_undo_has_no_depth_and_outlives_a_reload(visit, site):
    page = visit()
    shown(page)
    all_saved(page)
    before = len(labels(site))
    seen = []
    for _ in range(35):
        seen.append(shown(page))
        press(page, "Digit1")
    all_saved(page)
    expect(page.locator("#strip li")).to_have_count(30)
    until(page, lambda: page.evaluate(REMEMBERED) == 35)
    page.reload()
    expect(page.locator("#strip li")).to_have_count(30)
    shown(page)
    for address in reversed(seen[-33:]):
        press(page, "Backspace")
        assert shown(page) == address
    all_saved(page)
    assert len(labels(site)) == before + 2


def test_a_class_that_was_removed_is_said_and_the_image_comes_back(visit, site):
    page = visit()
    all_requests_done(page)
    first = shown(page)
    site.ask("UPDATE labelapp_labelclass SET archived = 1 WHERE name = 'star'")
    try:
        press(page, "Digit3")
        expect(page.locator("#message")).to_contain_text("The class star was removed")
        assert shown(page) == first
        expect(page.get_by_role("button", name="star")).to_be_disabled()
        press(page, "Digit1")
        all_saved(page)
        expect(page.locator("#strip li")).to_have_count(1)
    finally:
        site.ask("UPDATE labelapp_labelclass SET archived = 0")


def test_an_image_that_vanished_from_disk_is_said_and_skipped(visit, site):
    page = visit()
    all_requests_done(page)
    lost = site.ask(
        "SELECT i.seq, i.display_key FROM labelapp_task t JOIN labelapp_image i ON i.id = t.image_id"
        " WHERE t.state = 'open' AND t.lease_user_id IS NULL ORDER BY t.rank LIMIT 1"
    )
    ((seq, key),) = lost
    (site.folder / "media" / key).unlink()
    note = page.locator("#note")

    def comes_up() -> bool:
        if note.is_visible() and "could not be loaded" in note.inner_text():
            return True
        page.wait_for_timeout(90)
        page.keyboard.press("Digit1")
        return False

    until(page, comes_up, seconds=90)
    expect(note).to_contain_text(f"Image {seq}: its file is missing")
    page.wait_for_timeout(90)  # presses right after a change of the screen are taken for bounces
    page.keyboard.press("Digit1")  # nobody labels what they cannot see
    page.keyboard.press("Space")
    shown(page)
    expect(page.locator(FIRST)).to_contain_text("skipped")
    all_saved(page)


def test_an_answer_after_the_end_is_kept_and_said(visit, site):
    page = visit()
    all_requests_done(page)
    site.ask("UPDATE labelapp_project SET status = 'finished'")
    try:
        press(page, "Digit1")
        all_saved(page)
        expect(page.locator(FIRST)).to_contain_text("circle")
    finally:
        site.ask("UPDATE labelapp_project SET status = 'running'")


def test_a_key_of_ones_own(visit, site, own_keys):
    page = visit()
    shown(page)
    page.keyboard.press("?")
    page.get_by_text("Keys of the classes").click()
    page.get_by_role("button", name="Change the key of: star").click()
    page.keyboard.press("q")
    expect(page.locator("#keys-said")).to_contain_text("Q is now: star")
    until(page, lambda: own(site).get(site.project) == {"class:2": "q"})
    page.get_by_role("button", name="Change the key of: Skip this image").click()
    page.keyboard.press("c")
    expect(page.locator("#keys-said")).to_contain_text("C is in use: Comment on this image")
    page.keyboard.press("c")
    expect(page.locator("#keys-said")).to_contain_text("C is now: Skip this image")
    until(page, lambda: own(site) == {"*": {"action:skip": "c"}, site.project: {"class:2": "q"}})
    page.keyboard.press("Escape")
    press(page, "q")
    expect(page.locator(FIRST)).to_contain_text("star")
    page.reload()
    press(page, "c")
    expect(page.locator(FIRST)).to_contain_text("skipped")
    expect(page.locator('[data-class="2"] .kbd')).to_have_text("Q")
    page.keyboard.press("?")
    page.get_by_role("button", name="All keys back").click()
    until(page, lambda: own(site) == {})


def test_keys_changed_quickly_are_stored_in_their_order(visit, site, own_keys):
    page = visit()
    shown(page)
    late = []

    def hold_the_first(route):
        if late:
            route.continue_()
        else:
            late.append(route)

    page.route(re.compile("/me/keys/"), hold_the_first)
    page.keyboard.press("?")
    page.get_by_text("Keys of the classes").click()
    for name, key in (("star", "q"), ("square", "w")):
        page.get_by_role("button", name=f"Change the key of: {name}").click()
        page.keyboard.press(key)
    expect(page.locator("#keys-said")).to_contain_text("W is now: square")
    page.wait_for_timeout(300)  # what does not wait for its turn is stored by then
    late[0].continue_()
    until(page, lambda: own(site).get(site.project) == {"class:2": "q", "class:1": "w"})
    page.wait_for_timeout(300)
    assert own(site) == {site.project: {"class:2": "q", "class:1": "w"}}


def test_escape_leaves_a_key_as_it_is_and_the_help_open(visit):
    page = visit()
    shown(page)
    page.keyboard.press("?")
    page.get_by_role("button", name="Change the key of: Skip this image").click()
    page.keyboard.press("Escape")
    expect(page.locator("#keys-said")).to_contain_text("Nothing was changed")
    expect(page.locator("#help")).to_be_visible()


def test_zoom_pan_light_and_back(visit):
    page = visit()
    shown(page)
    for key in ("+", "b", "n", "ArrowUp"):
        page.keyboard.press(key)
    style = page.locator("#frame canvas").get_attribute("style")
    assert "scale(1.25)" in style
    assert "translate(0px, 80px)" in style
    assert "brightness(1.15) contrast(1.15)" in style
    page.keyboard.press("f")
    assert "scale" not in page.locator("#frame canvas").get_attribute("style")
    press(page, "Digit1")  # the light stays with the next picture, the zoom does not
    shown(page)
    assert "brightness" in page.locator("#frame canvas").get_attribute("style")


def test_the_original_is_shown_in_its_own_size(visit):
    page = visit()
    all_requests_done(page)
    picture = page.locator("#frame canvas")
    page.keyboard.press("o")
    expect(picture).to_have_attribute("style", re.compile(r"scale\(0\."))
    page.keyboard.press("o")
    expect(picture).not_to_have_attribute("style", re.compile("scale"))


def test_a_comment_is_kept_offline_and_sent_later(visit, site):
    page = visit()
    all_requests_done(page)
    seq = int(re.search(r"images/(\d+)/", shown(page)).group(1))
    page.context.set_offline(True)
    page.keyboard.press("c")
    page.locator("#comments textarea").fill("two objects, 1 is hidden")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#saved-text")).to_contain_text("unsaved")
    page.context.set_offline(False)
    all_saved(page)
    rows = site.ask(
        "SELECT c.text, i.seq FROM labelapp_comment c JOIN labelapp_image i ON i.id = c.image_id"
    )
    assert rows == [("two objects, 1 is hidden", seq)]
    page.keyboard.press("c")
    expect(page.locator("#comments li")).to_have_text("two objects, 1 is hidden")


def test_a_reviewers_words_and_the_reason_are_shown(visit):
    page = visit()
    with_tasks(page, purpose_hint="returned", note="Look at the ears.")
    page.reload()
    shown(page)
    expect(page.locator("#task-note")).to_contain_text("Look at the ears.")
    expect(page.locator("#why")).to_contain_text("a reviewer sent it back to you")


@pytest.mark.parametrize(
    ("hint", "words"),
    [("ahead", "the machine is learning now"), ("expert", "somebody could not tell")],
)
def test_every_reason_has_words(visit, hint, words):
    page = visit()
    with_tasks(page, purpose_hint=hint)
    page.reload()
    shown(page)
    expect(page.locator("#why")).to_contain_text(words)


def test_a_training_shows_the_seconds_that_are_left(visit):
    page = visit()
    status = {"state": "training", "message": "The model is training.", "seconds_left": 42.0}
    empty = {
        "ok": True,
        "tasks": [],
        "lost": [],
        "status": status,
        "progress": {"done": 1, "left_in_batch": 0},
    }
    page.context.route(re.compile("/tasks/$"), lambda route: route.fulfill(json=empty))
    page.reload()
    expect(page.locator("#note")).to_contain_text(
        re.compile(r"The model is training\. About \d+ s left\.")
    )
    page.context.unroute(re.compile("/tasks/$"))
    shown(page)  # it comes back by itself


def test_a_paused_person_is_told_why(visit, site):
    site.ask(
        "UPDATE labelapp_membership SET paused_at = '2026-01-01', pause_reason = 'Below 80 % on gold.'"
    )
    try:
        page = visit()
        expect(page.locator("#note")).to_contain_text("Below 80 % on gold.")
    finally:
        site.ask("UPDATE labelapp_membership SET paused_at = NULL, pause_reason = ''")
    shown(page)


def test_swipes_answer(visit):
    page = visit(**PHONE)
    with_tasks(page, top=[2, 0])
    page.reload()
    shown(page)
    swipe(page, 140, 0)
    expect(page.locator(FIRST)).to_contain_text("star")
    shown(page)
    swipe(page, 0, -140)
    expect(page.locator(FIRST)).to_contain_text("skipped")
    shown(page)
    swipe(page, -140, 0)
    expect(page.locator("#palette")).to_be_visible()
    page.locator("#palette [role=option]").get_by_text("circle").click()
    expect(page.locator(FIRST)).to_contain_text("circle")


def test_a_short_swipe_and_a_swipe_without_a_guess_answer_nothing(visit):
    page = visit(**PHONE)
    first = shown(page)
    swipe(page, 30, 0)
    swipe(page, 140, 0)
    expect(page.locator("#message")).to_contain_text("no guess")
    assert shown(page) == first


def test_two_fingers_zoom(visit):
    page = visit(**PHONE)
    shown(page)
    pinch(page, 30, 40, 50, 60)
    scale = page.evaluate(
        "/scale\\((.+?)\\)/.exec(document.querySelector('#frame canvas').style.transform)[1]"
    )
    assert 1.7 < float(scale) < 2.3
