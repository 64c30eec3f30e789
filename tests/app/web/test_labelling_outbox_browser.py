"""No answer is ever lost: the outbox of the labelling page in a real browser."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from tests.app.web.labelling_pages import (
    API,
    all_requests_done,
    all_saved,
    labels,
    press,
    shown,
    sign_in,
    until,
)
from tests.app.web.labelling_site import running_site

KEPT = """() => new Promise((resolve) => {
  indexedDB.open("mcal").onsuccess = (event) => {
    const all = event.target.result.transaction("outbox").objectStore("outbox").getAll();
    all.onsuccess = () => { event.target.result.close(); resolve(all.result); };
  };
})"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running_site(tmp_path_factory.mktemp("outbox") / "var", "400") as running:
        yield running


def unsaved(page, count: int) -> None:
    words = f"{count} answer{'s' if count > 1 else ''} unsaved"
    expect(page.locator("#saved-text")).to_contain_text(words)


def the_kept(page) -> dict:
    """Return the one entry of the browser's store, once it is there."""
    until(page, lambda: page.evaluate(KEPT))
    (entry,) = page.evaluate(KEPT)
    return entry


def test_closing_the_tab_at_once_loses_nothing(visit, site):
    before = len(labels(site))
    page = visit()
    all_requests_done(page)
    page.context.set_offline(True)
    for key in ("Digit1", "Digit2", "Digit3"):
        press(page, key)
    page.close(run_before_unload=False)
    page.context.set_offline(False)
    again = visit(context=page.context)
    all_saved(again)
    assert labels(site)[before:] == [0, 1, 2]


def test_an_hour_offline_loses_nothing(visit, site):
    before = len(labels(site))
    page = visit()
    all_requests_done(page)
    page.clock.install()
    page.clock.run_for(60_000)
    page.context.set_offline(True)
    for _ in range(4):
        press(page, "Digit3")
        page.clock.run_for(15 * 60 * 1000)
    unsaved(page, 4)
    page.context.set_offline(False)
    page.clock.run_for(60_000)
    page.clock.resume()
    all_saved(page)
    assert labels(site)[before:] == [2, 2, 2, 2]


def test_a_clock_that_jumps_back_changes_no_order(visit, site):
    before = len(labels(site))
    page = visit()
    all_requests_done(page)
    page.route(API, lambda route: route.abort())
    press(page, "Digit3")
    page.evaluate("Date.now = () => 5")
    press(page, "Digit2")
    press(page, "Digit1")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    unsaved(page, 3)
    page.unroute(API)
    all_saved(page)
    assert labels(site)[before:] == [2, 1, 0]


def test_a_server_that_dies_and_comes_back_gets_everything_once(visit, site):
    before = len(labels(site))
    page = visit()
    all_requests_done(page)
    site.server.kill()
    for key in ("Digit1", "Digit2"):
        press(page, key)
    unsaved(page, 2)
    site.server.start()
    all_saved(page)
    assert labels(site)[before:] == [0, 1]


def test_what_an_older_page_kept_in_localstorage_is_sent(visit, site):
    before = len(labels(site))
    page = visit()
    all_requests_done(page)
    page.route(API, lambda route: route.abort())
    press(page, "Digit2")
    unsaved(page, 1)
    entry = the_kept(page)
    key = f"mcal.outbox.{entry['user']}.{entry['project']}.{entry['id']}"
    value = json.dumps({"answer": entry["body"], "order": 1.5})
    page.evaluate("([key, value]) => localStorage.setItem(key, value)", [key, value])
    page.evaluate("indexedDB.deleteDatabase('mcal')")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    unsaved(page, 1)
    page.unroute(API)
    all_saved(page)
    assert labels(site)[before:] == [1]
    assert (
        page.evaluate("Object.keys(localStorage).filter((k) => k.startsWith('mcal.outbox'))") == []
    )


@pytest.mark.parametrize(
    "broken",
    [
        "Object.defineProperty(globalThis, 'indexedDB', { value: undefined })",
        "indexedDB.open = () => { throw new DOMException('no', 'SecurityError') }",
    ],
)
def test_without_indexeddb_localstorage_keeps_them(visit, site, broken):
    before = len(labels(site))
    page = visit()
    page.context.add_init_script(broken)
    page.goto(page.url)
    all_requests_done(page)
    page.route(API, lambda route: route.abort())
    press(page, "Digit3")
    press(page, "Digit1")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    unsaved(page, 2)
    page.unroute(API)
    all_saved(page)
    assert labels(site)[before:] == [2, 0]


def test_full_storage_is_said_and_the_answer_is_sent_all_the_same(visit, site):
    before = len(labels(site))
    page = visit()
    full = """IDBObjectStore.prototype.add = () => { throw new DOMException("", "QuotaExceededError") };
      Storage.prototype.setItem = () => { throw new DOMException("", "QuotaExceededError") };"""
    page.context.add_init_script(full)
    page.goto(page.url)
    all_requests_done(page)
    page.route(API, lambda route: route.abort())
    press(page, "Digit2")
    expect(page.locator("#saved-text")).to_contain_text("Keep this page open")
    page.unroute(API)
    all_saved(page)
    assert labels(site)[before:] == [1]


# A page's name is its first random number: of two pages, the lower one keeps what both hold.
NAMED = """let named = false;
  const random = Crypto.prototype.getRandomValues;
  Crypto.prototype.getRandomValues = function (bytes) {
    return named ? random.call(this, bytes) : ((named = true), bytes.fill(%d));
  };"""
SLOW = """const post = BroadcastChannel.prototype.postMessage;
  BroadcastChannel.prototype.postMessage = function (data) {
    setTimeout(() => post.call(this, data), 250);
  };"""

LATE = """const ask = globalThis.fetch;
  globalThis.fetch = async (...args) => {
    const reply = await ask(...args);
    await new Promise((resolve) => setTimeout(resolve, 600));
    return reply;
  };"""


@pytest.mark.parametrize(("one", "other"), [(0, 255), (255, 0)])
def test_pages_that_are_slow_to_answer_show_different_images_all_the_same(visit, one, other):
    """The first page says what it holds while the second's tasks are on their way."""
    first = visit()
    first.add_init_script(NAMED % one + SLOW)
    first.reload()
    all_requests_done(first)
    second = first.context.new_page()
    second.add_init_script(NAMED % other + LATE)
    second.goto(first.url)
    all_requests_done(second)
    until(second, lambda: shown(first) != shown(second))


def test_two_pages_of_one_person_show_different_images(visit):
    first = visit()
    all_requests_done(first)
    second = visit(context=first.context)
    all_requests_done(second)
    until(second, lambda: shown(first) != shown(second))  # they have told each other
    seen = []
    for _ in range(4):
        for page in (first, second):
            page.bring_to_front()
            seen.append(shown(page))
            press(page, "Digit1")
    assert len(set(seen)) == len(seen)
    all_saved(first)
    all_saved(second)


def test_two_pages_send_an_answer_once(visit, site):
    first = visit()
    all_requests_done(first)
    first.route(API, lambda route: route.abort())
    press(first, "Digit1")
    unsaved(first, 1)
    entry = the_kept(first)
    sent: list[str] = []
    first.context.on(
        "request", lambda r: sent.append(r.post_data or "") if r.frame.page != first else None
    )
    second = visit(context=first.context)
    all_requests_done(second)
    all_saved(second)
    assert [body for body in sent if entry["id"] in body] == []
    first.unroute(API)
    all_saved(first)


def test_a_page_sends_what_a_closed_one_left(visit, site):
    before = len(labels(site))
    first = visit()
    all_requests_done(first)
    second = visit(context=first.context)
    all_requests_done(second)
    first.route(API, lambda route: route.abort())
    press(first, "Digit3")
    unsaved(first, 1)
    first.close(run_before_unload=False)
    until(second, lambda: len(labels(site)) > before, seconds=75)  # a minute where it was not told
    assert labels(site)[before:] == [2]


def test_signing_in_again_in_the_same_tab_asks_nothing_and_loses_nothing(visit, site):
    before = len(labels(site))
    page = visit()
    all_requests_done(page)
    page.context.clear_cookies(name="sessionid")
    press(page, "Digit2")
    expect(page.locator("#sign-in")).to_be_visible()
    page.locator("#sign-in").click()
    page.wait_for_url(re.compile("/accounts/login/"))
    sign_in(page.context, site, "ann")
    page.goto(f"{site.address}/p/{site.project}/label/")
    all_saved(page)
    assert labels(site)[before:] == [1]


def leave_one_elsewhere(page, site) -> None:
    """Leave an answer behind as if another project's page had been closed with it."""
    all_requests_done(page)
    page.route(API, lambda route: route.abort())
    press(page, "Digit2")
    unsaved(page, 1)
    entry = the_kept(page)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{site.address}/me/")
    move = """(entry) => new Promise((resolve) => {
      indexedDB.open("mcal").onsuccess = (event) => {
        const store = event.target.result.transaction("outbox", "readwrite").objectStore("outbox");
        store.clear();
        store.add({ ...entry, project: "elsewhere123" }).onsuccess = resolve;
      };
    })"""
    page.evaluate(move, entry)
    page.unroute(API)


def test_answers_of_another_project_are_sent_from_here(visit, site):
    page = visit()
    leave_one_elsewhere(page, site)
    with page.expect_response("**/projects/elsewhere123/answers/") as reply:
        page.goto(f"{site.address}/p/{site.project}/label/")
    assert reply.value.status == 404
    all_saved(page)
    page.wait_for_timeout(300)
    assert len(page.evaluate(KEPT)) == 1  # not taken there: kept


def test_an_answer_that_another_project_refuses_is_told_of_here(visit, site):
    page = visit()
    leave_one_elsewhere(page, site)
    refusal = {
        "ok": True,
        "results": [{"ok": False, "code": "conflict", "error": "It was too late."}],
    }
    page.route("**/projects/elsewhere123/answers/", lambda route: route.fulfill(json=refusal))
    page.goto(f"{site.address}/p/{site.project}/label/")
    expect(page.get_by_text("An answer was not taken: It was too late.")).to_be_visible()
    until(page, lambda: page.evaluate(KEPT) == [])
