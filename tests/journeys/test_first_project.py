"""From the printed password to an exported data set, in a real browser."""

from __future__ import annotations

import csv

from playwright.sync_api import expect

from tests.journeys.conftest import (
    IMAGES,
    all_saved,
    by_people,
    done_today,
    exported,
    make_project,
    open_labelling,
    press,
    start_run,
)


def test_a_newcomer_labels_ten_images_and_takes_the_csv_home(product, owner, pictures, tmp_path):
    pid = make_project(owner, product, pictures, "First project", script_late=True)
    start_run(owner, product, pid)
    expect(owner.locator("#dash-link")).to_have_text("Live")
    before = owner.locator("[data-live=figures]").inner_text()

    labelling = owner.context.new_page()
    open_labelling(labelling, product, pid)
    press(labelling, "1231231231")
    done_today(labelling, 10)
    all_saved(labelling)

    # The other tab was not touched since: what changes there comes through the socket.
    expect(owner.locator("[data-live=figures]")).not_to_have_text(before, use_inner_text=True)
    expect(owner.locator("[data-live=ledger]")).to_contain_text("0.40")

    owner.goto(f"{product.url}/p/{pid}/export/")
    with owner.expect_download() as download:
        owner.get_by_role("link", name="Download the CSV now").click()
    path = tmp_path / "labels.csv"
    download.value.save_as(path)
    with path.open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == IMAGES
    assert len(by_people(rows)) == 10
    assert {row["label"] for row in by_people(rows)} == {"light", "dark", "striped"}
    assert rows[0]["file_name"].startswith("part ")


def test_undo_takes_an_answer_back_and_charges_it_once(product, owner, pictures):
    pid = make_project(owner, product, pictures, "Undo")
    start_run(owner, product, pid)
    open_labelling(owner, product, pid)
    press(owner, "111")
    done_today(owner, 3)
    owner.keyboard.press("Backspace")
    done_today(owner, 2)
    press(owner, "2")
    done_today(owner, 3)
    all_saved(owner)
    labels = sorted(row["label"] for row in by_people(exported(owner, product, pid)))
    assert labels == ["dark", "light", "light"]
    owner.goto(f"{product.url}/p/{pid}/")
    expect(owner.locator("[data-live=figures]")).to_contain_text("0.12")


def test_a_dashboard_that_was_loaded_later_shows_the_same(product, owner, pictures):
    pid = make_project(owner, product, pictures, "Twice")
    start_run(owner, product, pid)
    expect(owner.locator("#dash-link")).to_have_text("Live")
    labelling = owner.context.new_page()
    open_labelling(labelling, product, pid)
    press(labelling, "12312")
    all_saved(labelling)
    expect(owner.locator("[data-live=ledger]")).to_contain_text("0.20")
    live = owner.locator("[data-live=counts]").inner_text()
    owner.reload()
    expect(owner.locator("[data-live=counts]")).to_have_text(live, use_inner_text=True)
