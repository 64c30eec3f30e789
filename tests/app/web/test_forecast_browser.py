"""The forecast pages in a real browser: pictures, the keyboard, what comes by itself, axe."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from labelapp.selectors.money_words import money
from tests.app.web.forecast_site import fill
from tests.app.web.labelling_site import running_site
from tests.journeys.test_accessibility import AXE, RUN_AXE, TAGS

DRAWN = ("curves", "cost", "epsilon", "history", "sizes")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running_site(tmp_path_factory.mktemp("forecast") / "var", "3") as running:
        fill(running)
        yield running


def test_pictures_are_drawn_and_their_numbers_come_by_the_keyboard(visit):
    page = visit(address="forecast/")
    for key in DRAWN:
        expect(page.locator(f"[data-chart={key}] canvas")).to_be_visible()
    expect(page.locator("[data-says=epsilon]")).to_contain_text("With a limit of 5")
    card = page.locator("[data-chart=epsilon]")
    card.locator("summary").last.focus()
    page.keyboard.press("Enter")
    expect(card.locator("th").first).to_have_text("limit")
    expect(card.locator("tbody tr")).not_to_have_count(0)
    page.get_by_role("link", name="The machine").click()
    expect(page.locator("[data-chart=reliability] canvas")).to_be_visible()
    confused = page.locator(".fc-matrix td.is-wrong a").first
    assert "label=0" in confused.get_attribute("href")
    expect(page.locator(".fc-mistake").first).to_contain_text("taken for")
    page.evaluate(AXE)
    assert page.evaluate(RUN_AXE, TAGS) == []


def test_what_is_spent_appears_without_a_reload(visit, site):
    page = visit(address="forecast/ledger/")
    expect(page.locator("#days [data-empty]")).to_be_visible()
    page.evaluate("window.stayed = true")
    fill(site, "spend")
    expect(page.locator("[data-says=days]")).to_contain_text("$0.04 spent")
    expect(page.locator("#days canvas")).to_be_visible()
    expect(page.locator("[data-live=ledger]")).to_contain_text("$0.04")
    assert page.evaluate("window.stayed")


@pytest.mark.parametrize("address", ["", "forecast/"])
def test_another_name_and_the_archive_appear_in_the_frame_without_a_reload(visit, site, address):
    fill(site)
    page = visit(address=address)
    bar, banner = page.locator("[data-project-name]"), page.locator("[data-project-archived]")
    expect(banner).to_be_hidden()
    page.evaluate("window.stayed = true")
    fill(site, "archive")
    expect(bar).to_have_text("Other & more")
    expect(banner).to_be_visible()
    expect(page).to_have_title(f"{'Forecast' if address else 'Overview'}: Other & more · MCAL")
    assert page.evaluate("window.stayed")


LABELS = """async () => {
  const loaded = performance.getEntriesByType("resource").map((one) => one.name);
  const { Pen } = await import(loaded.find((name) => name.includes("dashboard_plot")));
  const pens = new Map();
  const write = Pen.prototype._write;
  Pen.prototype._write = function (...given) {
    pens.set(this.u.root, this);
    return write.apply(this, given);
  };
  document.documentElement.dataset.theme = "dark"; // all is drawn anew
  await new Promise((done) => setTimeout(done, 1000));
  return [...pens.values()].map((pen) => ({
    width: pen.ctx.canvas.width, height: pen.ctx.canvas.height,
    labels: pen.taken.filter((box) => box.words),
  }));
}"""


@pytest.mark.parametrize("width", [390, 1440])
def test_labels_of_pictures_cover_no_other_and_stay_inside(visit, site, width):
    fill(site)
    page = visit(address="forecast/", viewport={"width": width, "height": 900})
    for key in DRAWN:
        expect(page.locator(f"[data-chart={key}] canvas")).to_be_visible()
    page.locator("#curves .dash-chooser summary").click()
    for box in page.locator("#curves .dash-thetas input").all():
        box.check()
    plots = page.evaluate(LABELS)
    assert len(plots) >= len(DRAWN)
    wrong = []
    for plot in plots:
        boxes = plot["labels"]
        wrong += [
            (one["words"], other["words"])
            for at, one in enumerate(boxes)
            for other in boxes[:at]
            if overlap(one, other)
        ]
        wrong += [one["words"] for one in boxes if not inside(one, plot)]
    assert wrong == []


def overlap(one: dict, other: dict) -> bool:
    across = min(one["right"], other["right"]) - max(one["left"], other["left"])
    down = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
    return across > 8.5 and down > 0.5  # each box has four pixels of air on both sides


def inside(one: dict, plot: dict) -> bool:
    down = one["top"] >= -0.5 and one["bottom"] <= plot["height"] + 0.5
    return down and one["left"] >= -4 and one["right"] <= plot["width"] + 4


def test_pictures_write_money_as_the_pages_do(visit):
    page = visit(address="forecast/")
    amounts = [0, 0.0000123, 0.0075, 1 / 300, 0.01, 12.5, 9_999.99, 54_321.9, -3.5]
    written = page.evaluate(
        """async (amounts) => {
          const loaded = performance.getEntriesByType("resource").map((one) => one.name);
          const { money } = await import(loaded.find((name) => name.includes("dashboard_format")));
          return amounts.map((amount) => money(amount, "USD"));
        }""",
        amounts,
    )
    assert written == [money(amount, "USD") for amount in amounts]
