"""Pace, time, cost and quality of each person, by day: closed days from their sums, today live.

A page reads rows per person and day, never per answer, except those of the days that are not
closed yet: today and, for some minutes after midnight, yesterday.
"""

from __future__ import annotations

import time
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.db.models import Subquery
from django.utils import timezone

from labelapp.models import DaysClosed, LedgerDay, Membership, Project, User, WorkDay
from labelapp.selectors.quality import Share, share_of
from labelapp.selectors.work_days import Booked, DayWork, booked_between, work_between

RANGES = {"7": 7, "30": 30, "all": None}
CHART_DAYS = 90  # bars; a longer time is shown by its last days

SLOW = 0.1  # seconds: what takes longer to add up is kept for a while
AGAIN = 20.0  # times as long as it took
LONGEST = 60.0
_KEPT: OrderedDict[tuple[str, date, date, date], _Open] = OrderedDict()
_MOST = 64

_share = lru_cache(maxsize=20_000)(share_of)
"""An exact interval takes milliseconds, and closed days keep theirs."""


@dataclass
class Work:
    """What somebody did in some time, and what it cost."""

    done: DayWork = field(default_factory=DayWork)
    cost: Decimal = Decimal(0)

    def add(self, other: Work) -> None:
        """Add another amount of work to this one."""
        self.done.add(other.done)
        self.cost += other.cost

    @property
    def seconds(self) -> float:
        """Return the time in front of images."""
        return self.done.active_ms / 1000

    @property
    def per_hour(self) -> float | None:
        """Return images per hour of active time; None where there is no time."""
        return 3600 * self.done.answers / self.seconds if self.seconds else None

    @property
    def each(self) -> Decimal | None:
        """Return what an answer cost."""
        return self.cost / self.done.answers if self.done.answers else None

    @property
    def gold(self) -> Share | None:
        """Return the share of gold that was answered rightly, with its exact interval."""
        return _share(self.done.gold_right, self.done.gold)

    @property
    def agreement(self) -> Share | None:
        """Return the share of comparisons with others that agreed, with its exact interval."""
        return _share(self.done.agreed, self.done.compared)


@dataclass
class Person:
    """Somebody's work in the range, in all and by day."""

    user: User
    role: str = ""  # empty: they have left
    paused: bool = False
    total: Work = field(default_factory=Work)
    days: dict[date, Work] = field(default_factory=dict)


@dataclass
class _Open:
    """What the days that are not closed add: sums at a moment, good for a while."""

    at: datetime
    booked: list[Booked]
    work: dict[tuple[int, date], DayWork]
    due: float = 0.0


@dataclass
class Pace:
    """Everything that the page shows. `since` is the first day, `until` today (UTC)."""

    since: date
    until: date
    people: list[Person]
    total: Work
    days: dict[date, Work]  # of all people
    missing: tuple[date, date] | None = None  # days that no worker has added up yet
    at: datetime | None = None  # when the open days were added up, where that was a while ago


def pace(project: Project, choice: str = "30", *, only: int | None = None) -> Pace:
    """Return people's work in the last days; `only` one person's. Seven statements."""
    today = timezone.now().astimezone(UTC).date()
    length = RANGES.get(choice, 30)
    since = today - timedelta(days=length - 1) if length else None
    found = _Found(project, since, today)
    people = found.people(only)
    days: dict[date, Work] = defaultdict(Work)
    total = Work()
    for person in people:
        total.add(person.total)
        for day, work in person.days.items():
            days[day].add(work)
    first = since or min(days, default=today)
    return Pace(first, today, people, total, dict(sorted(days.items())), found.missing, found.at)


class _Found:
    """Work by person and day: sums of closed days, and what the last days add."""

    def __init__(self, project: Project, since: date | None, today: date) -> None:
        self.project = project
        self.work: dict[tuple[int, date], Work] = defaultdict(Work)
        self.missing: tuple[date, date] | None = None
        closed = DaysClosed.objects.filter(project=project)
        rows = Membership.objects.filter(project=project).select_related("user")
        self.members = list(
            rows.annotate(
                closed_work=Subquery(closed.values("work")[:1]),
                closed_ledger=Subquery(closed.values("ledger")[:1]),
            )
        )
        one: Any = self.members[0] if self.members else None
        self._closed(since)
        booked = self._open(one and one.closed_ledger, since, today)
        answered = self._open(one and one.closed_work, since, today)
        self.at: datetime | None = None
        self._add(booked[0], answered[0], today)
        self._leave_out_missing()

    def _add(self, booked: date, answered: date, today: date) -> None:
        """Add the days from these on; many answers are added up now and then only."""
        key, began = (self.project.public_id, booked, answered, today), time.monotonic()
        found = _KEPT.get(key)
        if found is not None and began < found.due:
            self.at = found.at
        else:
            found = self._open_days(booked, answered, today)
            took = time.monotonic() - began
            found.due = time.monotonic() + min(AGAIN * took, LONGEST)
            _KEPT.pop(key, None)
            if took > SLOW:
                _KEPT[key] = found
            while len(_KEPT) > _MOST:
                _KEPT.popitem(last=False)
        for one in found.booked:
            if one.user is not None:
                self.work[one.user, one.day].cost += one.amount
        for at, done in found.work.items():
            self.work[at].done.add(done)

    def _open_days(self, booked: date, answered: date, today: date) -> _Open:
        people = {user for user, _day in self.work} | {one.user_id for one in self.members}
        sums = booked_between(self.project.pk, booked, today)
        people |= {one.user for one in sums if one.user is not None}
        return _Open(timezone.now(), sums, work_between(self.project.pk, people, answered, today))

    def _leave_out_missing(self) -> None:
        """A day's money without its answers says nothing."""
        if self.missing:
            first, last = self.missing
            work = self.work.items()
            self.work = {key: one for key, one in work if not first <= key[1] <= last}

    def people(self, only: int | None) -> list[Person]:
        """Return members who label, and everybody else with work in the range."""
        members = {one.user_id: one for one in self.members}
        users = {pk: one.user for pk, one in members.items()}
        ids = {user for user, _day in self.work}
        ids |= {pk for pk, one in members.items() if one.role in {"annotator", "reviewer"}}
        ids = ids if only is None else ids & {only}
        if left := ids - users.keys():
            users |= User.objects.in_bulk(left)
        found = {pk: Person(users[pk]) for pk in sorted(ids) if pk in users}
        for pk, person in found.items():
            if member := members.get(pk):
                person.role, person.paused = member.role, member.paused_at is not None
        for (pk, day), work in sorted(self.work.items()):
            if pk in found:
                found[pk].days[day] = work
                found[pk].total.add(work)
        return list(found.values())

    def _closed(self, since: date | None) -> None:
        from_day = {} if since is None else {"day__gte": since}
        for row in WorkDay.objects.filter(project=self.project, **from_day):
            self.work[row.user_id, row.day].done = DayWork(
                **{name: getattr(row, name) for name in DayWork.__dataclass_fields__}
            )
        booked = LedgerDay.objects.filter(project=self.project, user__isnull=False, **from_day)
        for user, day, amount in booked.values_list("user_id", "day", "amount"):
            if user is not None:
                self.work[user, day].cost += amount

    def _open(self, closed: date | None, since: date | None, today: date) -> tuple[date, date]:
        """Return the days that are added up now; notes those that are too many for it."""
        first = self.project.created.astimezone(UTC).date()
        first = first if closed is None else closed + timedelta(days=1)
        first = min(today, first if since is None else max(first, since))
        yesterday = today - timedelta(days=1)
        if first < yesterday:
            self.missing = (first, yesterday - timedelta(days=1))
        return max(first, yesterday), today


def day_list(found: Pace) -> list[date]:
    """Return the days of the chart, without gaps, at most its last ninety."""
    first = max(found.since, found.until - timedelta(days=CHART_DAYS - 1))
    return [first + timedelta(days=n) for n in range((found.until - first).days + 1)]
