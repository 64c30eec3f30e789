"""The grids in a real browser, against a real server. No ORM here: see labelling_site, grid_site."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.app.web.grid_pages import (
    answers,
    confirm,
    look_long_enough,
    new_answers,
    next_page,
    planted,
    seqs,
    tasks,
)
from tests.app.web.grid_site import teach
from tests.app.web.labelling_pages import all_saved, frames, until, visits
from tests.app.web.labelling_site import running_site

SCREEN = {"width": 1200, "height": 800}
SELECTED = '.tile[aria-selected="true"]'
GOLD = [7, 8, 9, 10, 11, 12]  # image n is of class n % 3 for the model, of (n + 1) % 3 in truth


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running_site(tmp_path_factory.mktemp("grid") / "var", "900") as running:
        teach(running, *GOLD)
        yield running


@pytest.fixture
def visit(site, browser):
    """Return a function that opens a grid as a new window; no page may raise an error."""
    site.ask("UPDATE labelapp_task SET lease_user_id = NULL, lease_until = NULL")
    with visits(site, browser) as open_page:

        def open_grid(name: str = "grid", ready: str = ".tile", **options) -> Page:
            page = open_page(address=f"{name}/", **{"viewport": SCREEN, **options})
            page.wait_for_selector(ready)
            return page

        yield open_grid


# --- many at once --------------------------------------------------------------------------------


def test_sixty_images_come_and_one_key_labels_the_selected(visit, site):
    before, page = answers(site), visit()
    expect(page.locator(".tile")).to_have_count(60)
    tiles = page.locator(".tile")
    tiles.nth(1).click()
    tiles.nth(3).click(modifiers=["Shift"])
    tiles.nth(6).click(modifiers=["Control"])
    chosen = seqs(page, SELECTED)
    assert len(chosen) == 4
    page.keyboard.press("Digit2")
    all_saved(page)
    assert sorted(new_answers(site, before)) == sorted((seq, 1) for seq in chosen)
    expect(page.locator(".tile")).to_have_count(60)  # others came
    assert not set(chosen) & set(seqs(page))


def test_one_undo_takes_the_whole_step_back(visit, site):
    before, page = answers(site), visit()
    first = tasks(page)[:5]
    page.locator(".tile").nth(0).click()
    page.locator(".tile").nth(4).click(modifiers=["Shift"])
    page.keyboard.press("Digit1")
    all_saved(page)
    page.keyboard.press("Backspace")
    all_saved(page)
    assert answers(site) == before
    assert tasks(page)[:5] == first
    assert sorted(tasks(page, SELECTED)) == sorted(first)
    page.keyboard.press("Digit3")
    all_saved(page)
    assert len(new_answers(site, before)) == 5


def test_the_keyboard_alone_is_enough(visit, site):
    before, page = answers(site), visit()
    page.locator(".tile").first.focus()
    columns = page.evaluate("document.querySelector('[role=row]').children.length")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert seqs(page, SELECTED) == [seqs(page)[1], seqs(page)[1 + columns]]
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("#selected")).to_have_text("3")
    expect(page.locator(".tile[tabindex='0']")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator(SELECTED)).to_have_count(0)
    page.keyboard.press("Digit1")
    expect(page.locator("#message")).to_have_text("Select some images first.")
    page.keyboard.press("End")
    page.keyboard.press("Space")
    last = seqs(page)[-1]
    page.keyboard.press("Digit1")
    all_saved(page)
    assert new_answers(site, before) == [(last, 0)]


def test_a_drag_draws_a_box(visit):
    page = visit()
    box = page.locator(".tile").nth(0).bounding_box()
    other = page.locator(".tile").nth(8).bounding_box()
    page.mouse.move(box["x"] - 4, box["y"] - 4)
    page.mouse.down()
    page.mouse.move(other["x"] + 20, other["y"] + 20, steps=4)
    assert page.locator(".band").is_visible()
    page.mouse.up()
    chosen = page.locator(SELECTED).count()
    assert chosen >= 4
    page.keyboard.down("Control")
    far = page.locator(".tile").nth(20).bounding_box()
    page.mouse.move(far["x"] + 5, far["y"] + 5)
    page.mouse.down()
    page.mouse.move(far["x"] + 40, far["y"] + 40, steps=3)
    page.mouse.up()
    page.keyboard.up("Control")
    expect(page.locator(SELECTED)).to_have_count(chosen + 1)


def test_more_like_these_come_selected_behind_them(visit, site):
    page = visit()
    kind = seqs(page)[2] % 3
    page.locator(".tile").nth(2).click()
    page.keyboard.press("m")
    expect(page.locator("#message")).to_contain_text("images like these joined them")
    chosen = seqs(page, SELECTED)
    assert len(chosen) == 21
    assert {seq % 3 for seq in chosen} == {kind}
    expect(page.locator(".tile")).to_have_count(80)
    page.keyboard.press(f"Digit{kind + 1}")
    all_saved(page)
    expect(page.locator(".tile")).to_have_count(60)


def test_more_than_fifty_are_asked_about(visit, site):
    before, page = answers(site), visit()
    page.keyboard.press("Control+a")
    page.keyboard.press("Digit1")
    expect(page.locator("#sure")).to_be_visible()
    expect(page.locator("#sure-text")).to_contain_text("Label 60 images as circle?")
    page.locator("#sure button", has_text="Not yet").click()
    assert answers(site) == before
    page.keyboard.press("Digit1")
    shown = tasks(page)[0]
    page.locator("#sure button", has_text="Label them all").click()
    expect(page.locator(f'.tile[data-key="{shown}"]')).to_have_count(0)
    all_saved(page)
    assert len(new_answers(site, before)) == 60
    page.keyboard.press("Backspace")
    all_saved(page)
    assert answers(site) == before


def test_answers_of_a_grid_survive_a_lost_connection_and_a_reload(visit, site):
    before, page = answers(site), visit()
    all_saved(page)
    context = page.context
    context.route("**/api/v1/**", lambda route: route.abort())
    page.locator(".tile").nth(0).click()
    page.locator(".tile").nth(3).click(modifiers=["Shift"])
    page.keyboard.press("Digit3")
    expect(page.locator("#saved-text")).to_contain_text("4 answers unsaved")
    page.close(run_before_unload=False)
    assert answers(site) == before
    context.unroute("**/api/v1/**")
    again = visit(context=context)
    all_saved(again)
    assert len(new_answers(site, before)) == 4


def test_what_others_took_leaves_the_grid(visit, site):
    page = visit()
    first = int(tasks(page)[0])
    ben = site.ask("SELECT id FROM labelapp_user WHERE email = 'ben@example.org'")[0][0]
    site.ask("UPDATE labelapp_task SET lease_user_id = ? WHERE id = ?", ben, first)
    page.locator(".tile").nth(1).click()
    page.keyboard.press("Digit1")
    expect(page.locator(f'.tile[data-key="{first}"]')).to_have_count(0)


def test_touch_taps_select_without_a_key(visit, site):
    before = answers(site)
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    expect(page.locator(".tile")).to_have_count(30)
    page.locator(".tile").nth(0).tap()
    page.locator(".tile").nth(1).tap()
    expect(page.locator("#selected")).to_have_text("2")
    page.locator('[data-class="2"]').tap()
    all_saved(page)
    assert len(new_answers(site, before)) == 2
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_look_closer_shows_the_display_copy(visit):
    page = visit()
    page.locator(".tile").nth(2).dblclick()
    expect(page.locator("#large")).to_be_visible()
    assert "/display/" in page.locator("#large-image").get_attribute("src")
    page.keyboard.press("Escape")
    page.keyboard.press("o")
    expect(page.locator("#large")).to_be_visible()


def test_a_class_is_found_by_typing(visit, site):
    before, page = answers(site), visit()
    page.keyboard.press("/")
    expect(page.locator("#message")).to_have_text("Select some images first.")
    page.locator(".tile").nth(0).click()
    page.keyboard.press("/")
    page.keyboard.type("sta")
    page.keyboard.press("Enter")
    all_saved(page)
    assert [index for _seq, index in new_answers(site, before)] == [2]


def test_a_class_removed_while_it_was_on_screen_loses_nothing(visit, site):
    before, page = answers(site), visit()
    chosen = tasks(page)[:3]
    archived = "UPDATE labelapp_labelclass SET archived = ? WHERE name = 'star'"
    site.ask(archived, True)
    try:
        page.locator(".tile").nth(0).click()
        page.locator(".tile").nth(2).click(modifiers=["Shift"])
        page.keyboard.press("Digit3")
        expect(page.locator("#message")).to_contain_text("An answer was not taken")
        assert set(chosen) <= set(tasks(page))
        assert answers(site) == before
    finally:
        site.ask(archived, False)


@pytest.mark.parametrize("name", ["grid", "verify"])
def test_nobody_labels_what_nobody_sees(visit, site, name):
    before, page = answers(site), visit(name)
    gone = seqs(page)[1]
    page.context.route(f"**/images/{gone}/thumb/**", lambda route: route.abort())
    page.reload()
    broken = page.locator(".tile[data-broken]")
    expect(broken).to_have_count(1)
    if name == "verify":
        expect(broken).to_have_attribute("aria-selected", "true")
        expect(broken).to_contain_text("could not be loaded")
        return
    page.locator(".tile").nth(5).click()
    broken.click(modifiers=["Control"])
    page.keyboard.press("Digit1")
    expect(page.locator("#message")).to_contain_text("could not be loaded")
    all_saved(page)
    labelled = {seq for seq, _index in new_answers(site, before)}
    assert len(labelled) == 1
    assert gone not in labelled


def test_two_windows_of_one_person_show_different_images(visit):
    page = visit()
    all_saved(page)
    other = visit(context=page.context)
    all_saved(other)
    both = (page, other)
    until(page, lambda: not set(seqs(page)) & set(seqs(other)))  # they have told each other
    for one in both:
        expect(one.locator(".tile")).to_have_count(60)
    assert not set(seqs(page)) & set(seqs(other))


def test_a_project_that_gives_out_nothing_says_so_and_goes_on(visit, site):
    page = visit()
    site.ask("UPDATE labelapp_project SET status = 'paused'")
    site.ask("UPDATE labelapp_task SET lease_user_id = NULL, lease_until = NULL")
    try:
        page.reload()
        expect(page.locator("#note-title")).to_have_text("Nothing to label right now")
        page.goto(page.url.replace("/grid/", "/verify/"))
        expect(page.locator("#note-title")).to_have_text("Nothing to verify right now")
    finally:
        site.ask("UPDATE labelapp_project SET status = 'running'")
    expect(page.locator(".tile").first).to_be_visible()


# --- verify by exception ----------------------------------------------------------------------------


def test_a_page_is_verified_by_its_exceptions(visit, site):
    before, page = answers(site, "verify"), visit("verify")
    title = page.locator("#verify-title").inner_text()
    kind = ["circle", "square", "star"].index(title.split()[-1].strip("?"))
    shown, plants = seqs(page), planted(site)
    assert len(plants) == 2
    other = next(place for place in range(len(shown)) if place not in plants)
    for place in plants:
        page.locator(".tile").nth(place).click()
    page.locator(".tile").nth(other).click()
    page.keyboard.press(f"Digit{(kind + 1) % 3 + 1}")
    expect(page.locator(".tile").nth(other)).to_contain_text(
        ["circle", "square", "star"][(kind + 1) % 3]
    )
    look_long_enough(page, site)
    confirm(page)
    expect(page.locator("#message")).to_contain_text(f"Saved: {len(shown) - 2} images")
    stored = dict(new_answers(site, before, "verify"))
    assert stored.pop(shown[other]) == (kind + 1) % 3
    assert set(stored.values()) == {kind}
    assert set(stored) == set(shown) - {shown[place] for place in plants} - {shown[other]}
    page.wait_for_selector(".tile")
    page.keyboard.press("Backspace")
    expect(page.locator("#message")).to_contain_text("taken back")
    all_saved(page)
    assert answers(site, "verify") == before


def test_a_page_answered_too_fast_comes_again(visit, site):
    before, page = answers(site, "verify"), visit("verify")
    shown = set(seqs(page))
    page.evaluate("performance.now = () => 0")  # however busy this machine is
    with next_page(page):
        confirm(page)
        expect(page.locator("#message")).to_contain_text("Too fast")
    assert len(set(seqs(page)) & shown) > len(shown) // 2
    assert answers(site, "verify") == before


def test_a_plant_passed_over_sends_the_page_back(visit, site):
    before, page = answers(site, "verify"), visit("verify")
    look_long_enough(page, site)
    confirm(page)
    expect(page.locator("#message")).to_contain_text("was passed over")
    assert answers(site, "verify") == before


@pytest.mark.parametrize("height", [440, 640])
def test_enter_goes_to_images_that_were_not_in_sight(visit, site, height):
    page = visit("verify", viewport={"width": 1000, "height": height})
    look_long_enough(page, site)
    frames(page)
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("more images below")
    scrolled = "window.scrollY + document.getElementById('tiles').scrollTop"
    assert page.evaluate(scrolled) > 50


def test_a_page_closed_before_the_server_had_it_is_sent_next_time(visit, site):
    before, page = answers(site, "verify"), visit("verify")
    for place in planted(site):
        page.locator(".tile").nth(place).click()
    look_long_enough(page, site)
    context = page.context
    context.route("**/api/v1/**", lambda route: route.abort())
    confirm(page)
    expect(page.locator("#saved-text")).to_contain_text("No connection")
    page.close(run_before_unload=False)
    assert answers(site, "verify") == before
    context.unroute("**/api/v1/**")
    again = visit("verify", "#message", context=context)
    expect(again.locator("#message")).to_contain_text("Saved")
    assert len(new_answers(site, before, "verify")) > 20


def test_a_class_can_be_chosen(visit):
    page = visit("verify")
    expect(page.locator("#which option", has_text="star (")).to_have_count(1)
    page.locator("#which").select_option("2")
    expect(page.locator("#verify-title")).to_have_text("Are all of these star?")


def test_the_ways_to_label_lead_to_each_other(visit):
    page = visit()
    page.get_by_role("link", name="Verify").click()
    page.wait_for_selector("#verify-title")
    page.get_by_role("link", name="One by one").click()
    page.wait_for_selector("#frame canvas")
    page.get_by_role("link", name="Grid", exact=True).click()
    page.wait_for_selector(".tile")
