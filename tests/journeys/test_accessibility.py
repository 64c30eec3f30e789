"""Every page for everybody (WCAG 2.2 AA): axe-core, zoom, keyboard, language, titles.

axe looks at each page in English and German, light and dark, on a phone and on a wide screen.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.pages_site import running_pages

AXE = (Path(__file__).parents[1] / "vendor" / "axe-core" / "axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SEVERE = {"serious", "critical"}
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
ZOOMED = {"width": 640, "height": 360}  # a screen of 1280 x 720 at 200 %
LOOKS = {
    "en": [("light", WIDE), ("dark", PHONE)],
    "de": [("dark", WIDE), ("light", PHONE)],
}
RUN_AXE = """async (tags) => {
  const found = await axe.run(document, {
    runOnly: tags, resultTypes: ["violations"], rules: { "target-size": { enabled: true } },
  });
  return found.violations.flatMap((rule) => rule.nodes.map((node) => ({
    id: rule.id, impact: node.impact, target: node.target.join(" "), html: node.html.slice(0, 160),
    why: node.any.concat(node.all, node.none).map((check) => check.message).join("; "),
  })));
}"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Return the site with its pages by person."""
    with running_pages(tmp_path_factory.mktemp("pages") / "var") as found:
        yield found


@pytest.fixture
def visit(world, browser: Browser):
    """Return a function that opens a page as a person in a language."""
    site, _pages = world
    contexts = []

    def make(who: str, language: str = "en", **options) -> Page:
        context = browser.new_context(locale=language, **options)
        contexts.append(context)
        context.set_default_timeout(20_000)
        if who:
            cookie = {"name": "sessionid", "value": site.sessions[who], "url": site.address}
            context.add_cookies([cookie])
        return context.new_page()

    yield make
    for context in contexts:
        context.close()


def look_at(page: Page, address: str) -> None:
    """Go there and wait until the page has drawn what it fetches."""
    page.goto(address)
    if "/label/" in address:
        page.wait_for_selector("#frame canvas, #note:not([hidden])")
    page.wait_for_load_state("load")
    page.wait_for_timeout(250)


def places(world, who: str) -> list[str]:
    site, pages = world
    return [site.address + address for address in pages[who]]


@pytest.mark.parametrize("language", LOOKS)
@pytest.mark.parametrize("who", ["", "ann", "olga"])
def test_every_page_is_for_everybody(world, visit, who, language):
    """axe finds nothing serious; nothing scrolls sideways; titles, headings, the skip link."""
    wrong = []
    page = visit(who, language, viewport=WIDE, reduced_motion="reduce")
    for address in places(world, who):
        look_at(page, address)
        found = [*names_of(page, language), *motion_in(page)]
        page.evaluate(AXE)
        for scheme, size in LOOKS[language]:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size(size)
            page.wait_for_timeout(100)
            found += [f"{scheme} {size['width']} {one}" for one in severe(page)]
        page.set_viewport_size(ZOOMED)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth + 1"):
            found.append("scrolls sideways at 200 %")
        page.set_viewport_size(WIDE)
        wrong += [f"{address.removeprefix(world[0].address)} {one}" for one in found]
    assert wrong == [], "\n" + "\n".join(wrong)


def severe(page: Page) -> list[str]:
    """Return what axe finds serious or critical."""
    return [
        f"{one['id']} {one['target']}: {one['why']}"
        for one in page.evaluate(RUN_AXE, TAGS)
        if one["impact"] in SEVERE
    ]


def names_of(page: Page, language: str) -> list[str]:
    """Return what is missing of language, title, one heading, one main part, the skip link."""
    facts = page.evaluate(
        """() => ({
          lang: document.documentElement.lang, title: document.title,
          heads: document.querySelectorAll("h1").length,
          mains: document.querySelectorAll("main").length,
        })"""
    )
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    first = page.evaluate("document.activeElement.getAttribute('href')")
    page.evaluate("document.activeElement.blur()")
    good = facts["lang"] == language and facts["title"].endswith(" · MCAL")
    complete = facts["heads"] == facts["mains"] == 1 and first == "#main"
    return [] if good and complete else [f"{facts} first focus: {first}"]


def motion_in(page: Page) -> list[str]:
    """Return what moves although the person asked for less motion."""
    return page.evaluate(
        """() => [...document.querySelectorAll("*")].filter((one) => {
          const style = getComputedStyle(one);
          const most = (words) => Math.max(...words.split(",").map(parseFloat));
          return most(style.transitionDuration) > 0.01 || (style.animationName !== "none" &&
            most(style.animationDuration) > 0.01);
        }).map((one) => "moves: " + one.outerHTML.slice(0, 120))"""
    )


def test_every_focus_is_seen_and_goes_in_the_order_of_the_page(world, visit):
    page = visit("olga", viewport=WIDE)
    for address in places(world, "olga")[:6]:
        look_at(page, address)
        seen, before = 0, None
        for _ in range(12):
            page.keyboard.press("Tab")
            now = page.evaluate(
                """() => {
                  const one = document.activeElement;
                  if (one === document.body) return null;
                  const style = getComputedStyle(one);
                  const last = window.lastFocus;
                  window.lastFocus = one;
                  const forward = !last || !last.isConnected ||
                    Boolean(last.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING);
                  const rings = [style, getComputedStyle(one, "::after")];
                  const ring = rings.some((s) => s.outlineStyle !== "none" || s.boxShadow !== "none");
                  return { forward, ring, what: one.outerHTML.slice(0, 120) };
                }"""
            )
            if now is None:
                break
            seen += 1
            assert now["forward"], (address, before, now)
            assert now["ring"], (address, now)
            before = now
        assert seen > 3


def test_buttons_are_44_pixels_high_for_fingers(world, visit):
    small = []
    page = visit("olga", viewport=PHONE, has_touch=True, is_mobile=True)
    for address in places(world, "olga"):
        look_at(page, address)
        small += [
            f"{address} {words}"
            for words in page.evaluate(
                """() => [...document.querySelectorAll("button, .btn, select, [role=tab]")]
                  .filter((one) => one.offsetParent && !one.closest("[hidden]"))
                  .map((one) => [one.getBoundingClientRect(), one.outerHTML.slice(0, 110)])
                  .filter(([box]) => box.width > 1 && Math.round(box.height) < 44)
                  .map(([box, html]) => `${Math.round(box.height)} ${html}`)"""
            )
        ]
    assert small == [], "\n".join(small)


def test_what_is_wrong_in_a_form_is_tied_to_its_field(world, visit):
    site, _pages = world
    page = visit("olga")
    page.goto(f"{site.address}/projects/new/")
    page.get_by_role("button", name="Make the project").click()
    for name in ("name", "classes"):
        field = page.locator(f"[name={name}]")
        expect(field).to_have_attribute("aria-invalid", "true")
        told = (field.get_attribute("aria-describedby") or "").split()
        assert any(page.locator(f"#{one}.errorlist, #{one}.error").count() for one in told), name
    assert page.evaluate("document.activeElement.getAttribute('role')") == "alert"


def test_the_bell_opens_by_key_and_what_is_followed_counts_as_read(world, visit):
    site, _pages = world
    page = visit("olga", viewport=WIDE)
    page.goto(f"{site.address}/")
    bell = page.locator(".bell > summary")
    expect(page.locator("[data-bell-count]")).to_be_visible()
    bell.focus()
    page.keyboard.press("Enter")
    item = page.locator(".bell-item.is-unread").first
    expect(item).to_be_visible()
    words = item.locator(".bell-title").inner_text().split(",")[0]
    page.keyboard.press("Escape")
    expect(item).to_be_hidden()
    assert page.evaluate("document.activeElement.closest('.bell') !== null")
    page.keyboard.press("Enter")
    with page.expect_response(lambda answer: "/me/notifications/" in answer.url):
        item.click()
    page.goto(f"{site.address}/me/notifications/")
    row = page.locator(".notice", has_text=words).first
    expect(row.get_by_role("button")).to_contain_text("Mark as unread")
    row.get_by_role("button").click()
    expect(row).to_have_class(re.compile("is-unread"))


OPENING = ["help", "guidelines", "comment", "looks", "palette"]


@pytest.mark.parametrize(
    ("language", "scheme", "size"), [("en", "dark", WIDE), ("de", "light", PHONE)]
)
def test_axe_finds_nothing_serious_in_what_opens_on_a_page(world, visit, language, scheme, size):
    site, _pages = world
    page = visit("olga", language, viewport=size, color_scheme=scheme, reduced_motion="reduce")
    wrong, opened = [], 0
    for rest in ("label/", "grid/", "verify/", "review/"):
        look_at(page, f"{site.address}/p/{site.project}/{rest}")
        page.evaluate(AXE)
        for action in OPENING:
            button = page.locator(f"button[data-action={action}]:visible").first
            if not button.count() or not button.is_enabled():
                continue
            button.click()
            page.wait_for_timeout(120)
            opened += 1
            wrong += [f"{rest} {action} {one}" for one in severe(page)]
            page.keyboard.press("Escape")
            page.wait_for_timeout(60)
        page.locator(".user-menu summary").click()
        wrong += [f"{rest} menu {one}" for one in severe(page)]
    assert wrong == [], "\n" + "\n".join(wrong)
    assert opened > 6
