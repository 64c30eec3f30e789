"""No answer is lost: without a connection, with a killed server, with two people at once."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.journeys.conftest import (
    all_saved,
    by_people,
    done_today,
    exported,
    make_project,
    open_labelling,
    pictures_ahead,
    press,
    start_run,
)
from tests.journeys.product import wait_for


def unsaved(page: Page, count: int) -> None:
    words = "1 answer unsaved" if count == 1 else f"{count} answers unsaved"
    expect(page.locator("#saved-text")).to_contain_text(words)


def test_answers_given_offline_arrive_when_the_connection_is_back(product, owner, pictures):
    pid = make_project(owner, product, pictures, "Offline")
    start_run(owner, product, pid)
    open_labelling(owner, product, pid)
    press(owner, "11")
    all_saved(owner)
    pictures_ahead(owner)
    owner.context.set_offline(True)
    press(owner, "222")
    unsaved(owner, 3)
    owner.context.set_offline(False)
    all_saved(owner)
    done_today(owner, 5)
    assert len(by_people(exported(owner, product, pid))) == 5


def test_unsaved_answers_survive_a_reload(product, owner, pictures):
    pid = make_project(owner, product, pictures, "Reload")
    start_run(owner, product, pid)
    open_labelling(owner, product, pid)
    owner.route("**/answers/", lambda route: route.abort())
    press(owner, "333")
    unsaved(owner, 3)
    owner.unroute("**/answers/")
    owner.on("dialog", lambda dialog: dialog.accept())  # "leave the page?"
    owner.reload()
    all_saved(owner)
    assert len(by_people(exported(owner, product, pid))) == 3


def test_a_killed_web_server_comes_back_and_no_answer_is_lost(product, owner, pictures):
    pid = make_project(owner, product, pictures, "Killed")
    start_run(owner, product, pid)
    open_labelling(owner, product, pid)
    press(owner, "123")
    all_saved(owner)
    pictures_ahead(owner)
    product.kill_web_server()
    press(owner, "12")
    wait_for(lambda: "starting it again" in product.said(), 60, product.said)
    all_saved(owner, seconds=120)  # a whole web server starts meanwhile
    done_today(owner, 5)
    assert len(by_people(exported(owner, product, pid))) == 5


def test_two_people_never_get_the_same_image(product, owner, contexts, pictures):
    pid = make_project(owner, product, pictures, "Together")
    start_run(owner, product, pid)
    second = contexts().new_page()
    accept_invitation(second, invite(owner, product, pid))
    seen: dict[str, set[str]] = {"owner": set(), "second": set()}
    for page in (owner, second):
        open_labelling(page, product, pid)
    for _ in range(6):
        for name, page in [("owner", owner), ("second", second)]:
            expect(page.locator("#frame canvas")).to_be_visible()
            seen[name].add(page.locator("#frame canvas").get_attribute("data-src"))
            press(page, "1")
    all_saved(owner)
    all_saved(second)
    rows = by_people(exported(owner, product, pid))
    assert len(rows) == 12
    assert len({row["annotators"] for row in rows}) == 2


def invite(page: Page, product, pid: str) -> str:
    page.goto(f"{product.url}/p/{pid}/people/")
    page.get_by_label("annotator").first.check()
    page.get_by_role("button", name="Invite", exact=True).click()
    return page.locator("#secret-link").input_value()


def accept_invitation(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_label("E-mail").fill("second@example.org")
    page.get_by_label("Your name").fill("Second Person")
    page.get_by_label("Password").fill("a rather long password")
    page.get_by_role("button", name="Make my account and join").click()
    expect(page.get_by_role("button", name="Make my account and join")).to_have_count(0)
