"""The labelling page on small and middle screens: the image has the room, the classes are in reach."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.app.web.labelling_pages import press, shown, with_tasks
from tests.app.web.labelling_site import running_site

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
IN_SIGHT = """() => {
  const list = document.getElementById("classes").getBoundingClientRect();
  return [...document.querySelectorAll(".label-class")].filter((button) => {
    const box = button.getBoundingClientRect();
    return box.top >= list.top && box.bottom <= Math.min(list.bottom, innerHeight)
      && box.left >= list.left && box.right <= list.right && !button.querySelector(".kbd").hidden;
  }).length;
}"""
AT_THE_MIDDLE = """() => {
  const box = document.getElementById("stage").getBoundingClientRect();
  const there = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return there.tagName;
}"""
SMALL = """() => [...document.querySelectorAll(".label-side button, .label-side a")]
  .filter((one) => one.checkVisibility())
  .filter((one) => Math.min(one.offsetWidth, one.offsetHeight) < 44)
  .map((one) => one.textContent.trim())"""
CUT = """() => [...document.querySelectorAll(".label-tools .btn, .modes > a, .label-status")]
  .filter((one) => one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1)
  .map((one) => one.textContent.trim())"""
LONG_NOTE = "Look at the animal behind, not at the one in front. " * 9


@pytest.fixture(scope="module", params=["10", "world"])
def site(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(f"layout{request.param}") / "var"
    with running_site(folder, "400", request.param) as running:
        yield running


def few(site) -> bool:
    return site.ask("SELECT COUNT(*) FROM labelapp_labelclass") == [(10,)]


def stage(page) -> dict[str, float]:
    return page.locator("#stage").bounding_box()


def test_on_a_phone_the_image_has_half_of_the_screen(visit):
    page = visit(**PHONE, locale="de")
    shown(page)
    assert stage(page)["height"] >= 422
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.documentElement.scrollHeight") <= 844
    assert page.evaluate(SMALL) == []


def test_every_class_of_a_phone_can_be_tapped(visit):
    page = visit(**PHONE)
    shown(page)
    last = page.locator(".label-class").last
    name = last.locator(".label-class-name").inner_text()
    last.scroll_into_view_if_needed()
    page.wait_for_timeout(90)
    last.tap()
    expect(page.locator("#strip li:first-child")).to_contain_text(name)


def test_sheets_of_a_phone_leave_the_middle_of_the_image_free(site, visit):
    page = visit(**PHONE)
    with_tasks(page, note=LONG_NOTE)
    page.reload()
    shown(page)
    expect(page.locator("#task-note")).to_be_visible()
    assert page.evaluate(AT_THE_MIDDLE) == "CANVAS"
    middle = stage(page)["y"] + stage(page)["height"] / 2
    opened = {"guidelines": "#guidelines", "looks": "#looks", "comment": "#comments"}
    if not few(site):
        opened["palette"] = "#palette"
    for action, panel in opened.items():
        page.locator(f".label-tools [data-action={action}]").tap()
        assert page.locator(panel).bounding_box()["y"] > middle
        page.locator(panel).get_by_role("button", name="Close").tap()
        expect(page.locator(panel)).to_be_hidden()


def test_nothing_moves_on_a_phone(visit):
    page = visit(**PHONE)
    shown(page)
    place = stage(page)
    press(page, "Backspace")
    expect(page.locator("#message")).to_contain_text("nothing to undo")
    assert stage(page) == place
    page.context.set_offline(True)
    page.locator(".label-class").first.tap()
    expect(page.locator("#saved")).to_have_attribute("data-kind", "offline", timeout=20_000)
    assert stage(page) == place
    page.context.set_offline(False)


@pytest.mark.parametrize("site", ["10"], indirect=True)
def test_ten_classes_and_their_keys_are_in_sight(visit):
    page = visit(viewport={"width": 1280, "height": 720})
    shown(page)
    for text in ("100%", "125%"):
        page.evaluate("(size) => { document.documentElement.style.fontSize = size; }", text)
        for width, height in ((1280, 720), (1366, 768), (1920, 1080)):
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate(IN_SIGHT) == 10, (width, text)
    page.evaluate("() => { document.documentElement.style.fontSize = ''; }")
    for width, height in ((1024, 576), (1093, 614)):  # these screens at a zoom of 125 %
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(IN_SIGHT) == 10, width


def test_nothing_scrolls_both_ways_or_is_cut(visit):
    page = visit(viewport={"width": 320, "height": 640}, locale="de")
    shown(page)
    for width, height in ((320, 640), (640, 360), (768, 1024), (1024, 576), (1280, 720)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert stage(page)["height"] >= 200, width
        assert page.evaluate(CUT) == [], width
