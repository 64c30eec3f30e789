"""When it is done: closed forms on a calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import exp

import pytest

from labelapp.pace import Z80, Day, Pace, Range, finish, hours_of, on_calendar, pace_of, spread_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
STEADY = Pace(100.0, 2, 5.0, 7.0, 0.1, "hour")


def days(*answers: int, people: int = 2, hours: float = 8.0) -> list[Day]:
    return [Day(n, people, hours) for n in answers]


def test_what_fits_into_today_ends_today():
    assert on_calendar(NOON, 3, STEADY) == NOON + timedelta(hours=3)
    assert on_calendar(NOON, 0, STEADY) == NOON


def test_what_does_not_fit_goes_on_the_next_morning():
    """Two of five hours are over: three today, two tomorrow from nine."""
    assert on_calendar(NOON, 5, STEADY, worked_today=2) == datetime(2026, 3, 3, 11, tzinfo=UTC)


def test_a_day_that_is_full_ends_in_the_evening_not_the_next_morning():
    assert on_calendar(NOON, 10, STEADY, worked_today=5) == datetime(2026, 3, 4, 14, tzinfo=UTC)


def test_days_off_stretch_the_calendar():
    """50 hours at 5 a day are 10 days; with 3.5 days a week 9 of them take 18."""
    half = Pace(100.0, 2, 5.0, 3.5, 0.1, "days")
    assert on_calendar(NOON, 50, half, worked_today=5) == datetime(2026, 3, 21, 14, tzinfo=UTC)


def test_no_day_has_more_than_24_hours():
    always = Pace(100.0, 2, 24.0, 7.0, 0.1, "hour")
    assert on_calendar(NOON, 12 + 24 + 6, always) == NOON + timedelta(hours=42)


def test_hours_are_labels_by_pace_and_their_interval_combines_both():
    exact = hours_of(Range.exactly(500), STEADY)
    assert exact.value == 5
    assert exact.high == pytest.approx(5 * exp(Z80 * 0.1))
    wide = hours_of(Range(500, 250, 1000), STEADY)
    assert wide.low < 2.5 < 5 < 10 < wide.high
    assert hours_of(Range.exactly(0), STEADY) == Range.exactly(0)


def test_trainings_take_their_time_besides():
    found = finish(NOON, Range.exactly(200), 1.0, STEADY)
    assert found.at == NOON + timedelta(hours=3)
    assert found.low < found.at < found.high


def test_the_last_hour_leads_and_days_say_how_long_people_work():
    pace = pace_of(days(800, 800, 800), 3, hour=200, people=2)
    assert (pace.per_hour, pace.people, pace.source) == (200, 2, "hour")
    assert (pace.hours_per_day, pace.days_per_week, pace.assumed) == (4, 7, False)


def test_where_nobody_works_now_closed_days_say_the_pace():
    pace = pace_of(days(800, 800, hours=8.0), 4)
    assert (pace.per_hour, pace.people, pace.source, pace.days) == (200, 2, "days", 2)
    assert (pace.per_day, pace.days_per_week) == (800, 3.5)


def test_before_the_first_whole_day_hours_are_assumed_and_without_work_there_is_no_pace():
    pace = pace_of([], 0, hour=50, people=1, span=0.5)
    assert (pace.per_hour, pace.hours_per_day, pace.assumed) == (100, 8, True)
    assert pace_of([], 0) is None
    assert pace_of(days(0), 1) is None


def test_days_that_differ_make_the_date_less_sure():
    assert spread_of(days(800, 800)) == 0.35
    assert spread_of(days(800, 800, 800)) == 0.1
    assert spread_of(days(100, 800, 3000)) > 0.9
