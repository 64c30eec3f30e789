"""What if in a real browser: a slider by the keyboard, the answer, and the change to the run."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from tests.app.web.labelling_pages import until
from tests.app.web.labelling_site import running_site
from tests.app.web.what_if_site import plan


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running_site(tmp_path_factory.mktemp("what_if") / "var", "1") as running:
        plan(running)
        yield running


def test_a_slider_by_the_keyboard_then_apply(visit, site):
    page = visit(address="what-if/")
    figure = page.locator(".what-if-headline .dash-value")
    before = figure.inner_text()
    slider = page.locator("[data-slider=epsilon] input[type=range]")
    slider.focus()
    for _press in range(20):
        page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "7 %")
    expect(page.locator("#what-if-said")).to_contain_text(
        "Wrong labels: 7.00\u00a0% of all (at most"
    )
    until(page, lambda: figure.inner_text() != before)
    expect(page.locator("[data-chart] canvas")).to_be_visible()
    assert page.url.endswith("?epsilon=7")

    page.go_back()
    expect(slider).to_have_value("6.9")
    page.go_forward()
    expect(page.locator('#what-if-answer[data-query="epsilon=7"]')).to_be_visible()
    page.get_by_text("Apply…").click()
    expect(page.get_by_text(re.compile("Wrong labels allowed: 5.% → 7.%"))).to_be_visible()
    page.get_by_role("button", name="Change the run").click()
    expect(page.locator("#messages")).to_contain_text("Applied")
    expect(slider).to_have_value("7")
    changed = "SELECT payload FROM labelapp_event WHERE type = 'run.changed'"
    assert [json.loads(row[0])["what"] for row in site.ask(changed)] == [["epsilon"]]
    logged = site.ask("SELECT before, after FROM labelapp_auditlog WHERE action = 'run.changed'")
    [(was, now)] = [tuple(map(json.loads, row)) for row in logged]
    said = {name: round(float(value), 2) for name, value in now.pop("said").items()}
    assert (was, now) == ({"epsilon": 0.05}, {"epsilon": 0.07})
    assert said == {"total": 49.78, "instead": 55.87}  # as the page said before the click
