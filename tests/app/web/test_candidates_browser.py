"""Choosing what races in a real browser: what goes together, the sentence, rows, a preset."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.app.web.labelling_site import running_site
from tests.journeys.test_accessibility import AXE, RUN_AXE, TAGS


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with running_site(tmp_path_factory.mktemp("candidates") / "var", "1") as running:
        running.ask("UPDATE labelapp_membership SET role = 'manager'")
        yield running


def test_a_candidate_is_put_together_and_saved(visit, site):
    page = visit(address="settings/")
    page.goto(f"{site.address}/projects/new/")
    page.get_by_text("Advanced: how the engine works").click()
    first, race = page.locator("#id_arch"), page.locator("#id_rivals")
    expect(first.locator(".candidate-about")).to_contain_text("Small network. It learns from")
    expect(first.locator("option[value=tuned]")).to_be_disabled()  # no weights here
    expect(page.locator("#id_acquisition option[value=mutual_information]")).to_be_disabled()

    page.get_by_label("Checkpoints").first.fill("7")
    expect(first.locator(".candidate-about")).to_contain_text("mean of 7 checkpoints")
    expect(page.locator("#id_acquisition option[value=mutual_information]")).to_be_enabled()
    page.get_by_label("Checkpoints").first.fill("1001")
    expect(first.locator(".error")).to_contain_text("at most 1,000 members")
    page.get_by_label("Checkpoints").first.fill("7")

    add = page.get_by_role("button", name="Add a network")
    add.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#id_rivals_0_net")).to_be_focused()
    page.locator("#id_rivals_0_net").select_option("cnn_fast")
    page.locator("#id_rivals_0_way").select_option("semi")
    expect(race.locator(".candidate-about").first).to_contain_text("sees 10 times as many")
    add.click()
    page.locator("#id_rivals_1_net").select_option("resnet10")
    race.get_by_role("button", name="Remove").nth(1).click()
    expect(race.locator("[data-candidate]:visible")).to_have_count(1)

    page.get_by_text("How it trains: first labels").click()
    expect(page.locator("details[data-when=semi]")).to_be_visible()
    expect(page.locator("details[data-when=pseudo]")).to_be_hidden()
    page.evaluate(AXE)
    assert page.evaluate(RUN_AXE, TAGS) == []
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    page.locator("#id_epochs").fill("3")
    page.get_by_label("Classes", exact=True).fill("heron\negret")
    page.get_by_label("Name", exact=True).fill("Birds")
    page.get_by_label("Name", exact=True).press("Enter")  # not the preset's button
    expect(page.locator("#messages")).to_contain_text("The project is made")
    made = "SELECT arch, rivals, settings FROM labelapp_project WHERE name = 'Birds'"
    [(arch, rivals, settings)] = site.ask(made)
    assert (arch, rivals) == ("cnn_small+checkpoints=7", '["cnn_fast+semi"]')
    assert '"epochs": 3' in settings


def test_a_preset_fills_the_form_and_says_what_is_missing(visit, site):
    page = visit(address="settings/")
    page.goto(f"{site.address}/projects/new/")
    page.get_by_text("Advanced: how the engine works").click()
    page.get_by_text("How it trains: first labels").click()
    page.locator("#id_preset").select_option("budget_annotator")
    page.get_by_role("button", name="Fill in").click()
    expect(page.locator("#id_first")).to_have_value("10000")
    expect(page.locator("#id_rivals_3_net")).to_have_value("inception_v3")
    expect(page.locator("#id_arch_way")).to_have_value("tuned")
    expect(page.locator("#id_arch .error")).to_contain_text("densenet121-a639ec97.pth")
    expect(page.locator("#preset-said")).to_contain_text("nothing is saved yet")
