"""The review page in a real browser, against a real server. No ORM here: see review_site."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.app.web.labelling_pages import visits
from tests.app.web.labelling_site import running_site
from tests.app.web.review_site import puzzle


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running_site(tmp_path_factory.mktemp("review") / "var", "40") as running:
        puzzle(running)
        yield running


@pytest.fixture
def visit(site, browser):
    """Return a function that opens the review page as Ben; no page may raise an error."""
    with visits(site, browser) as open_page:

        def open_reviews(reason: str, **options) -> Page:
            page = open_page("ben", f"review/?reason={reason}", **options)
            page.wait_for_selector("#frame img")
            return page

        yield open_reviews


def outcomes(site) -> list[str]:
    rows = site.ask(
        "SELECT outcome FROM labelapp_review WHERE state = 'done' AND reason <> 'x' ORDER BY closed"
    )
    return [row[0] for row in rows]


def decided(page: Page, count: int) -> None:
    expect(page.locator("#done")).to_have_text(str(count))


def image(page: Page) -> str:
    return page.locator("#frame img").get_attribute("src") or ""


def test_enter_accepts_and_the_next_image_is_there_at_once(visit, site):
    page = visit("disagreement")
    expect(page.locator("#votes strong")).to_have_text("circle")
    assert page.locator("#frame img").bounding_box()["width"] > 500  # as large as there is room
    first = image(page)
    page.keyboard.press("Enter")
    assert image(page) != first
    decided(page, 1)
    assert outcomes(site)[-1] == "accepted"
    expect(page.locator("#strip li")).to_have_count(1)


def test_a_class_key_corrects(visit, site):
    page = visit("disagreement")
    page.keyboard.press("Digit3")
    decided(page, 1)
    expect(page.locator("#strip li span")).to_have_text("circle → star")
    assert outcomes(site)[-1] == "corrected"


def test_an_image_goes_back_with_a_note(visit, site):
    page = visit("disagreement")
    page.keyboard.press("s")
    expect(page.locator("#words")).to_be_focused()
    page.keyboard.type("1 look at the 2 corners")
    page.locator("#back button").first.click()
    decided(page, 1)
    assert outcomes(site)[-1] == "sent_back"
    note = site.ask("SELECT note FROM labelapp_review WHERE outcome = 'sent_back'")
    assert note == [("1 look at the 2 corners",)]


def test_escape_leaves_the_note_and_decides_nothing(visit, site):
    page = visit("disagreement")
    before = outcomes(site)
    page.keyboard.press("s")
    page.keyboard.type("x")
    page.keyboard.press("Escape")
    expect(page.locator("#back")).to_be_hidden()
    assert outcomes(site) == before


def test_what_nobody_can_tell_is_excluded(visit, site):
    page = visit("unsure")
    expect(page.locator("#votes")).to_contain_text("Nobody has given a class yet.")
    page.keyboard.press("x")
    decided(page, 1)
    assert outcomes(site)[-1] == "excluded"


def test_who_gives_a_vote_of_their_own_cannot_just_accept(visit, site):
    page = visit("unsure")
    before = outcomes(site)
    expect(page.locator("[data-do=accept]")).to_be_disabled()
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("Give the class that you see")
    page.keyboard.press("Digit2")
    decided(page, 1)
    assert len(outcomes(site)) == len(before) + 1


def test_a_random_sample_hides_what_people_said_unless_asked(visit, site):
    page = visit("sample")
    expect(page.locator("#votes")).to_contain_text("hidden")
    page.get_by_label("Hide what people said").uncheck()
    expect(page.locator("#votes strong")).to_have_text("circle")
    page.get_by_label("Hide what people said").check()
    expect(page.locator("#votes")).to_contain_text("hidden")
    page.keyboard.press("Digit2")
    decided(page, 1)
    expect(page.locator("#message")).to_have_text("People had said circle.")


def test_an_image_that_somebody_else_decided_is_left_out(visit, site):
    page = visit("disagreement")
    site.ask(
        "UPDATE labelapp_review SET state = 'done', outcome = 'accepted', reviewer_id = 1"
        " WHERE state = 'open' AND reason = 'disagreement'"
    )
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("Somebody else has decided")
    site.ask(
        "UPDATE labelapp_review SET state = 'open', outcome = '', reviewer_id = NULL,"
        " held_by_id = NULL WHERE reviewer_id = 1"
    )


def test_a_lost_connection_loses_no_decision(visit, site):
    page = visit("disagreement")
    failing = {"left": 2}

    def fail(route):
        failing["left"] -= 1
        route.abort() if failing["left"] >= 0 else route.continue_()

    page.route(re.compile(r"/reviews/\d+/$"), fail)
    before = len(outcomes(site))
    page.keyboard.press("Enter")
    decided(page, 1)
    assert len(outcomes(site)) == before + 1


def test_backspace_takes_decisions_back_the_last_one_first(visit, site):
    page = visit("disagreement")
    before, first = outcomes(site), image(page)
    page.keyboard.press("Digit3")
    decided(page, 1)
    second = image(page)
    page.keyboard.press("Enter")
    decided(page, 2)
    page.keyboard.press("Backspace")
    decided(page, 1)
    expect(page.locator("#frame img")).to_have_attribute("src", second)
    page.locator("[data-do=undo]").click()
    decided(page, 0)
    expect(page.locator("#frame img")).to_have_attribute("src", first)
    expect(page.locator("#votes strong")).to_have_text("circle")
    expect(page.locator("#message")).to_have_text("Your decision is taken back.")
    expect(page.locator("#strip li")).to_have_count(0)
    expect(page.locator("[data-do=undo]")).to_be_disabled()
    assert outcomes(site) == before
    page.keyboard.press("Enter")  # it can be decided anew
    decided(page, 1)
    assert outcomes(site) == [*before, "accepted"]


def test_an_exclusion_is_taken_back(visit, site):
    page = visit("disagreement")
    before, first = outcomes(site), image(page)
    page.keyboard.press("x")
    decided(page, 1)
    page.keyboard.press("Backspace")
    decided(page, 0)
    expect(page.locator("#frame img")).to_have_attribute("src", first)
    assert outcomes(site) == before
    assert site.ask("SELECT COUNT(*) FROM labelapp_auditlog WHERE action = 'image.readmitted'") == [
        (1,)
    ]


def test_a_decision_that_others_built_on_stands(visit, site):
    page = visit("disagreement")
    page.keyboard.press("Enter")
    decided(page, 1)
    site.ask(
        "UPDATE labelapp_answer SET created = '2099-01-01 00:00:00' WHERE image_id ="
        " (SELECT image_id FROM labelapp_review WHERE closed IS NOT NULL"
        " ORDER BY closed DESC LIMIT 1)"
    )
    on_screen, kept = image(page), outcomes(site)
    page.keyboard.press("Backspace")
    expect(page.locator("#message")).to_contain_text("the decision stands")
    assert (image(page), outcomes(site)) == (on_screen, kept)
    expect(page.locator("[data-do=undo]")).to_be_disabled()
    decided(page, 1)


def test_a_label_that_changed_meanwhile_is_not_accepted_unseen(visit, site):
    page = visit("disagreement")
    before, first = outcomes(site), image(page)
    seq = int(re.search(r"images/(\d+)/", first)[1])
    site.ask("UPDATE labelapp_label SET class_index = 1 WHERE seq = ?", seq)
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("The label has changed meanwhile")
    assert outcomes(site) == before
    decided(page, 0)
    page.keyboard.press("Enter")  # the one that was on screen; the changed one is next
    decided(page, 1)
    expect(page.locator("#frame img")).to_have_attribute("src", first)
    page.keyboard.press("Enter")
    decided(page, 2)
    expect(page.locator("#strip li span").first).to_have_text("square: right")


def test_the_help_names_the_keys_and_rests_the_others(visit, site):
    page = visit("disagreement")
    before = outcomes(site)
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    expect(page.locator("#help")).to_contain_text("Undo the last decision")
    page.keyboard.press("Digit2")
    page.keyboard.press("x")
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    page.locator("[data-do=help]").click()
    page.locator("#help [data-close]").click()
    expect(page.locator("#help")).to_be_hidden()
    assert outcomes(site) == before
    decided(page, 0)


@pytest.mark.parametrize("language", ["en", "de"])
def test_no_word_of_a_button_is_cut_on_a_phone(visit, site, language):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "locale": language}
    page = visit("disagreement", **phone)
    expect(page.locator("html")).to_have_attribute("lang", language)
    buttons = page.locator(".review-tools .btn")
    expect(buttons).to_have_count(6)
    cut = buttons.evaluate_all(
        "all => all.filter(b => [b, ...b.querySelectorAll('span')].some("
        "  one => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0"
        "    || b.scrollHeight > b.clientHeight + 1)).map(b => b.textContent)"
    )
    assert cut == []


def test_a_phone_has_all_of_it_on_one_screen(visit):
    page = visit("disagreement", viewport={"width": 390, "height": 844}, has_touch=True)
    for name in ("accept", "send_back", "exclude", "undo", "help"):
        box = page.locator(f"[data-do={name}]").bounding_box()
        assert box["height"] >= 44
        assert box["y"] + box["height"] <= 844
    page.locator("[data-class='1']").tap()
    decided(page, 1)


def test_a_manager_frees_images_on_a_page_that_keeps_itself_fresh(visit, site):
    page = visit("disagreement")
    site.ask("UPDATE labelapp_membership SET role = 'manager' WHERE role = 'reviewer'")
    site.ask(
        "UPDATE labelapp_task SET lease_user_id = 1, lease_until = '2000-01-01 00:00:00'"
        " WHERE id IN (SELECT id FROM labelapp_task WHERE state = 'open' LIMIT 3)"
    )
    with page.expect_response(re.compile("/queue/live/")):
        page.goto(f"{site.address}/p/{site.project}/queue/")
        page.locator("#live > :first-child").evaluate("(part) => part.setAttribute('data-old', '')")
    expect(page.locator("#live [data-old]")).to_have_count(0)  # now it stands for five seconds
    page.get_by_role("button", name="Free 3 images that were left lying").click()
    expect(page.locator("#messages")).to_contain_text("3 images are free again.")
    site.ask("UPDATE labelapp_membership SET role = 'reviewer' WHERE role = 'manager'")
