"""A power cut, and the start after it: same data, same people, nothing said twice."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import (
    all_saved,
    by_people,
    done_today,
    exported,
    make_project,
    open_labelling,
    pictures_ahead,
    press,
    sign_in,
    start_run,
)
from tests.journeys.product import Product


@pytest.fixture
def own_product(tmp_path):
    """A product of this test alone: it is killed."""
    running = Product(tmp_path / "var", "--no-demo")
    running.start()
    yield running
    assert running.stop() == 0, running.said()


def test_after_a_power_cut_everything_goes_on_where_it_was(own_product, contexts, pictures):
    page = contexts().new_page()
    email, password = own_product.printed("e-mail"), own_product.printed("password")
    sign_in(page, own_product, email, password)
    pid = make_project(page, own_product, pictures, "Power cut")
    start_run(page, own_product, pid)
    open_labelling(page, own_product, pid)
    press(page, "1231")
    all_saved(page)
    pictures_ahead(page)

    own_product.kill_everything()
    press(page, "22")
    own_product.lines.clear()
    own_product.start()

    all_saved(page)
    done_today(page, 6)
    assert len(by_people(exported(page, own_product, pid))) == 6
    assert password not in own_product.said()
    assert f"manage.py reset_password {email}" in own_product.said()
    again = contexts().new_page()
    sign_in(again, own_product, email, password)
