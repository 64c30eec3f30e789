"""When is it done? People's pace and training time, put on a calendar. Pure arithmetic.

People label for so many hours on the days when they work; trainings take their time besides.
All is in UTC. An interval of 80 % combines what is uncertain about the labels still to buy with
what is uncertain about the pace, as factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp, hypot, log, sqrt
from statistics import stdev

Z80 = 1.2815515655446004
ASSUMED_HOURS = 8.0  # of work a day, while no whole day has been seen
UNKNOWN = 0.35  # spread of a pace of which fewer than three days are known
LEAST = 0.10  # nobody's pace is surer
TRAINING = 1.3  # a training may take this times as long, or as short
BEGINS = 9  # o'clock, where it is not known when people begin


@dataclass(frozen=True)
class Range:
    """A figure with its 80 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> Range:
        """Return a figure that is known."""
        return cls(value, value, value)


@dataclass(frozen=True)
class Day:
    """A day on which people worked: their answers, how many people, hours of active time."""

    answers: int
    people: int
    hours: float


@dataclass(frozen=True)
class Pace:
    """How people label: `per_hour` together while they do, so many hours a day, days a week.

    `spread` is the standard deviation of the logarithm of the pace. `source` says what it was
    learned from: `hour` (the last one), `days` (closed ones), `today`.
    """

    per_hour: float
    people: float
    hours_per_day: float
    days_per_week: float
    spread: float
    source: str
    days: int = 0
    assumed: bool = False  # the hours a day are

    @property
    def per_day(self) -> float:
        """Labels on a day when people work."""
        return self.per_hour * self.hours_per_day


def pace_of(
    days: Sequence[Day], elapsed: int, *, hour: int = 0, people: int = 0, span: float = 1.0
) -> Pace | None:
    """Return the pace from closed days (of `elapsed` since the first of them) and the last hour.

    `hour` answers were given by `people` in the last `span` hours; today's work counts only
    through them. None where there was neither.
    """
    worked = [day for day in days if day.answers]
    per_hour = hour / max(span, 0.05)
    if not worked and not hour:
        return None
    if not worked:
        return Pace(per_hour, people, ASSUMED_HOURS, 7, UNKNOWN, "hour", assumed=True)
    daily = sum(day.answers for day in worked) / len(worked)
    usual = _together(worked)
    source = "hour" if hour else "days"
    rate = per_hour or usual
    at_work = people if hour else sum(day.people for day in worked) / len(worked)
    hours = min(24.0, max(0.25, daily / rate))
    week = 7 * min(1.0, len(worked) / max(1, elapsed))
    return Pace(rate, at_work, hours, max(1.0, week), spread_of(worked), source, len(worked))


def _together(worked: Sequence[Day]) -> float:
    """Return labels per hour of all people together, each at work for the mean active time."""
    hours = sum(day.hours / max(1, day.people) for day in worked)
    answers = sum(day.answers for day in worked)
    return answers / hours if hours > 0 else answers / (ASSUMED_HOURS * len(worked))


def spread_of(worked: Sequence[Day]) -> float:
    """Return how unsure the mean day is, from how much days differ."""
    if len(worked) < 3:
        return UNKNOWN
    return max(LEAST, stdev(log(day.answers) for day in worked) / sqrt(len(worked)))


def hours_of(labels: Range, pace: Pace) -> Range:
    """Return the hours that people need for these labels."""
    hours = labels.value / pace.per_hour
    if hours <= 0:
        return Range.exactly(0.0)
    sure = Z80 * pace.spread
    down = log(labels.value / labels.low) if labels.low > 0 else 3.0
    up = log(max(labels.high, labels.value) / labels.value)
    return Range(hours, hours * exp(-hypot(max(0.0, down), sure)), hours * exp(hypot(up, sure)))


@dataclass(frozen=True)
class Finish:
    """When all is done, with its 80 % interval, and the hours of people and of training in it."""

    at: datetime
    low: datetime
    high: datetime
    people_hours: Range
    training_hours: float


def finish(
    now: datetime, labels: Range, training_hours: float, pace: Pace, worked_today: float = 0.0
) -> Finish:
    """Return when these labels are given and the trainings over; one waits for the other."""
    hours = hours_of(labels, pace)
    ends = [
        on_calendar(now, people, pace, worked_today) + timedelta(hours=training)
        for people, training in (
            (hours.value, training_hours),
            (hours.low, training_hours / TRAINING),
            (hours.high, training_hours * TRAINING),
        )
    ]
    return Finish(ends[0], ends[1], ends[2], hours, training_hours)


def on_calendar(now: datetime, hours: float, pace: Pace, worked_today: float = 0.0) -> datetime:
    """Return the moment when people have worked for so many more hours.

    What is left of today comes first, then whole working days; days off stretch the calendar.
    """
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    until_midnight = (midnight - now).total_seconds() / 3600
    today = min(max(0.0, pace.hours_per_day - worked_today), until_midnight)
    if hours <= today:
        return now + timedelta(hours=hours)
    rest = hours - today
    whole = int(rest / pace.hours_per_day - 1e-9)
    last = rest - whole * pace.hours_per_day
    off = int(whole * 7 / pace.days_per_week)
    begins = min(float(BEGINS), 24 - pace.hours_per_day)
    return midnight + timedelta(days=off, hours=begins + last)
