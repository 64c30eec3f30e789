"""Three hundred classes, in Arabic and emoji too: the palette of the labelling page."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.app.web.labelling_pages import (
    all_saved,
    labels,
    press,
    shown,
    visits,
    with_tasks,
)
from tests.app.web.labelling_site import WORLD, running_site

FIRST = "#strip li:first-child"
OPTION = "#palette [role=option]"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running_site(tmp_path_factory.mktemp("palette") / "var", "200", "world") as running:
        yield running


@pytest.fixture
def page(site, browser):
    with visits(site, browser) as open_page:
        page = open_page()
        shown(page)
        yield page


@pytest.fixture(scope="module")
def reading(site, browser):
    """A page for tests that only look: it is opened once."""
    with visits(site, browser) as open_page:
        page = open_page("ben")
        shown(page)
        yield page


def leave(page) -> None:
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()


def search(page, text: str) -> list[str]:
    """Open the palette, write this, and return the names found."""
    press(page, "/")
    page.locator("#palette input").fill(text)
    return page.locator(f"{OPTION} .palette-name").all_inner_texts()


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("قطة", "قطة"),
        ("قطه", "قطة"),
        ("قِطَّة", "قطة"),
        ("اوزة", "إوزّة"),
        ("🐱", "🐱 cat"),
        ("👩‍🚀", "👩‍🚀"),
        ("sao", "São Tomé"),
        ("STRASSE", "Straße"),
        ("\uff43\uff41\uff52", "automobile"),
        ("car", "automobile"),
        ("سياره", "automobile"),
        ("coll", "border collie"),
        ("grtr", "golden retriever"),
        ("日本", "日本犬"),
        ("ελλας", "Ελλάς"),
        ("птица", "ПТИЦА"),
        ("kind 250", "kind 250"),
    ],
)
def test_names_are_found_as_people_write_them(reading, typed, first):
    assert search(reading, typed)[0] == first
    leave(reading)


def test_prefixes_come_before_words_before_aliases_before_the_rest(reading):
    found = search(reading, "ca")
    ranked = [
        name for name in found if name in {"🐱 cat", "sports car", "automobile", "border collie"}
    ]
    assert ranked == ["🐱 cat", "sports car", "automobile"]
    leave(reading)


def test_a_letter_opens_it_and_enter_takes_the_first(page, site):
    before = len(labels(site))
    first = shown(page)
    page.wait_for_timeout(90)
    page.keyboard.type("sports")
    page.keyboard.press("Enter")
    assert shown(page) != first
    expect(page.locator(FIRST)).to_contain_text("sports car")
    all_saved(page)
    assert labels(site)[before:] == [WORLD.index("sports car")]


def test_an_arabic_letter_opens_it_too(page):
    event = {"key": "ق", "code": "KeyR", "bubbles": True, "cancelable": True}
    page.evaluate("(e) => document.body.dispatchEvent(new KeyboardEvent('keydown', e))", event)
    expect(page.locator("#palette input")).to_have_value("ق")
    expect(page.locator(OPTION).first).to_contain_text("قطة")


def test_enter_of_an_ime_answers_nothing(page):
    search(page, "kind")
    event = {"key": "Enter", "isComposing": True, "bubbles": True, "cancelable": True}
    page.locator("#palette input").evaluate(
        "(f, e) => f.dispatchEvent(new KeyboardEvent('keydown', e))", event
    )
    expect(page.locator("#palette")).to_be_visible()


def test_escape_and_an_empty_backspace_close_it(page):
    for key in ("Escape", "Backspace"):
        page.keyboard.press("/")
        expect(page.locator("#palette")).to_be_visible()
        page.keyboard.press(key)
        expect(page.locator("#palette")).to_be_hidden()


def test_what_was_used_comes_first(page):
    search(page, "kind 7")
    page.keyboard.press("Enter")
    press(page, "/")
    expect(page.locator(OPTION).first).to_contain_text("kind 7")
    expect(page.locator(OPTION).first).to_contain_text("used before")


def test_arrows_move_and_are_announced(page):
    search(page, "kind 1")
    page.keyboard.press("ArrowDown")
    field = page.locator("#palette input")
    row = field.get_attribute("aria-activedescendant")
    assert page.locator(f"#{row}").get_attribute("aria-selected") == "true"
    name = page.locator(f"#{row} .palette-name").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator(FIRST)).to_contain_text(name)


def test_nothing_found_is_said_and_enter_answers_nothing(page):
    assert search(page, "zzzzqqq") == []
    expect(page.locator("#palette [data-count]")).to_have_text("No class is called like this.")
    page.keyboard.press("Enter")
    expect(page.locator("#strip li")).to_have_count(0)


def test_guesses_are_on_1_to_5(page, site):
    with_tasks(page, top=[8, 0, 9, 10, 11])
    page.reload()
    shown(page)
    row = page.locator("#suggestions button")
    expect(row).to_have_count(5)
    expect(row.first).to_contain_text("golden retriever")
    press(page, "Digit2")
    expect(page.locator(FIRST)).to_contain_text("قطة")
    press(page, "/")
    expect(page.locator(OPTION).first).to_contain_text("guess")
    page.keyboard.press("1")
    expect(page.locator(FIRST)).to_contain_text("golden retriever")


def test_without_guesses_digits_answer_nothing(page):
    press(page, "Digit1")
    expect(page.locator("#message")).to_contain_text("no guess")
    expect(page.locator("#strip li")).to_have_count(0)
    expect(page.locator("#suggestions")).to_have_attribute("data-none", "No guesses for this image")


def test_commands_moved_to_shift(page):
    press(page, "Shift+G")
    expect(page.locator("#guidelines")).to_be_visible()
    expect(page.locator("#palette")).to_be_hidden()
