"""A person switches to German and works on: pages, scripts, the live dashboard, messages."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.pages_site import running_pages


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with running_pages(tmp_path_factory.mktemp("languages") / "var") as found:
        yield found


@pytest.fixture
def person(world, contexts):
    """Return a function that opens the browser of a person who is signed in."""
    site, _pages = world

    def make(who: str) -> Page:
        context = contexts()
        cookie = {"name": "sessionid", "value": site.sessions[who], "url": site.address}
        context.add_cookies([cookie])
        return context.new_page()

    return make


def speak_german(page: Page, address: str) -> None:
    page.goto(f"{address}/me/settings/")
    page.get_by_label("Language").select_option("de")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#messages")).to_contain_text("Gespeichert.")
    expect(page.locator("html")).to_have_attribute("lang", "de")


def test_a_person_switches_the_language_and_labels_an_image_in_german(world, person):
    site, _pages = world
    page = person("ann")
    speak_german(page, site.address)
    page.goto(f"{site.address}/p/{site.project}/label/")
    expect(page.locator("#frame canvas")).to_be_visible()
    expect(page.get_by_role("button", name="Rückgängig")).to_be_visible()  # the server's words
    expect(page.locator("#saved-text")).to_have_text("Alles gespeichert")  # the script's words
    expect(page.locator("#why")).to_contain_text("Warum dieses Bild")
    page.wait_for_timeout(150)
    page.keyboard.press("1")
    expect(page.locator("#spoken")).to_contain_text("Gespeichert: circle")
    expect(page.locator("#done")).to_have_text("1")
    expect(page.locator("#saved-text")).to_have_text("Alles gespeichert")
    assert site.ask("SELECT count(*) FROM labelapp_label") == [(1,)]


def test_the_dashboard_stays_german_when_it_changes_by_itself(world, person):
    site, pages = world
    page = person("olga")
    speak_german(page, site.address)
    address = next(
        one
        for one in pages["olga"]
        if one.startswith("/p/") and one.count("/") == 3 and site.project not in one
    )
    page.goto(site.address + address)
    expect(page.locator("#dash-link")).to_have_text("Live")
    status = page.locator("[data-live=status]")
    expect(status).to_contain_text("Menschen labeln")
    page.locator("#do-run_pause").click()
    expect(status).to_contain_text("Das Labeln ist pausiert.")
    expect(page.locator("#messages")).to_contain_text("Pausiert")
    page.locator("#do-run_resume").click()
    expect(status).to_contain_text("Menschen labeln")


def test_what_is_wrong_is_said_in_german(world, person):
    site, _pages = world
    page = person("olga")
    speak_german(page, site.address)
    page.goto(f"{site.address}/projects/new/")
    page.get_by_role("button", name="Projekt anlegen").click()
    expect(page.get_by_role("alert").first).to_contain_text("Noch wurde nichts gespeichert.")
    expect(page.locator("#id_name_error, .errorlist").first).to_contain_text(
        "zwingend erforderlich"
    )


def test_who_did_not_choose_gets_the_language_of_the_browser(world, browser):
    site, _pages = world
    context = browser.new_context(locale="de-AT")
    page = context.new_page()
    page.goto(f"{site.address}/accounts/login/")
    expect(page.get_by_role("button", name="Anmelden")).to_be_visible()
    context.close()
