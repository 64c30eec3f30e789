"""Figures and events in words."""

from __future__ import annotations

from decimal import Decimal

import pytest

from labelapp.events import EVENT_TYPES
from labelapp.selectors.dashboard_words import (
    chosen_share,
    duration,
    images,
    money,
    price,
    sentence,
    share,
    upper_share,
)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (Decimal(24), "USD", "$24.00"),
        (Decimal("0.0021"), "USD", "$0.0021"),
        (Decimal("0.007500"), "USD", "$0.0075"),
        (1 / 300, "USD", "$0.00333"),
        (0.00000123, "USD", "$0.000001"),
        (0, "EUR", "€0.00"),
        (1234.5, "USD", "$1,234.50"),
        (54321.9, "USD", "$54,322"),
        (-3.5, "USD", "-$3.50"),
        (7, "SEK", "7.00\u00a0SEK"),
    ],
)
def test_money_has_its_sign_and_sensible_digits(amount, currency, text):
    assert money(amount, currency) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Decimal("0.012000"), "$0.012"),
        (Decimal("0.0075"), "$0.0075"),
        (Decimal("0.04"), "$0.04"),
        (Decimal(3), "$3.00"),
        (0.000001, "$0.000001"),
        (Decimal("12345.5"), "$12,345.50"),
    ],
)
def test_a_price_has_the_decimals_that_were_asked_for(amount, text):
    assert price(amount, "USD") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.27, "27.0"), (0.828, "82.8"), (0.0446, "4.5"), (0.0005, "0.05"), (0, "0"), (1, "100")],
)
def test_a_measured_share_has_one_decimal_and_two_below_one_percent(value, text):
    assert share(value) == f"{text}\u00a0%"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.05, "5"), (0.07, "7"), (0.975, "97.5"), (0.0025, "0.25"), (1 - 0.05, "95"), (0, "0")],
)
def test_a_share_that_was_set_is_written_as_it_was_set(value, text):
    assert chosen_share(value) == f"{text}\u00a0%"


@pytest.mark.parametrize(("value", "text"), [(0.99996, "99.996"), (1e-5, "0.001"), (1, "100")])
def test_a_confidence_that_is_not_whole_never_reads_100_percent(value, text):
    assert chosen_share(value) == f"{text}\u00a0%"


def test_a_bound_is_rounded_up():
    assert upper_share(0.04461) == "4.47\u00a0%"
    assert upper_share(0.05) == "5.00\u00a0%"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (42, "42 s"), (600, "10 min"), (9000, "2.5 h"), (2e5, "2.3 days")],
)
def test_a_duration_is_told_in_the_unit_people_use(seconds, text):
    assert duration(seconds) == text.replace(" ", "\u00a0")


def test_one_image_is_singular():
    assert (images(1), images(1200)) == ("1\u00a0image", "1,200\u00a0images")


@pytest.mark.parametrize("type_", EVENT_TYPES)
def test_every_event_type_has_a_sentence_even_without_details(type_):
    text = sentence(type_, {})
    assert text[0].isupper()
    assert "." not in text


@pytest.mark.parametrize(
    ("type_", "payload", "text"),
    [
        (
            "batch.opened",
            {"purpose": "seed", "size": 96},
            "People are asked for 96 labels for the first training set",
        ),
        ("training.started", {"size": 300}, "A training on 300\u00a0images began"),
        ("training.finished", {"seconds": 12.3}, "A training ended after 12\u00a0s"),
        ("machine.labelled", {"count": 7018}, "The machine labelled 7,018\u00a0images"),
        (
            "import.finished",
            {"state": "failed", "message": "no space"},
            "An import failed: no space",
        ),
        ("run.failed", {"message": "out of memory"}, "The run stopped: out of memory"),
        ("plan.updated", {"decision": "buys 5"}, "New plan: the engine buys 5"),
    ],
)
def test_events_tell_their_details(type_, payload, text):
    assert sentence(type_, payload) == text


def test_an_unknown_event_is_told_by_its_name():
    assert sentence("moon.landed_on", {}) == "Moon landed on"
