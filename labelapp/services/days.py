"""The ledger and people's work of closed days (UTC), summed once.

What is summed never changes again: answers and ledger entries are only ever added, with the time
of that moment, so a day is complete some minutes after it is over. The rows of a day and the
project's cursor are written in one transaction: killed anywhere and called again, nothing is
summed twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, partial

from django.db import transaction
from django.utils import timezone

from labelapp.models import (
    Answer,
    DaysClosed,
    LedgerDay,
    LedgerEntry,
    Project,
    WorkDay,
)
from labelapp.selectors.work_days import booked_between, people_of, span, work_between

GRACE = timedelta(minutes=10)  # transactions that began before midnight have ended by then
BUDGET_SECONDS = 2.0  # of one call: the worker has other duties


def close_days(now: datetime | None = None) -> int:
    """Sum days that are over and not summed yet, of all projects; return how many days.

    It stops after two seconds: whoever gets more than 0 calls it again.
    """
    last = ((now or timezone.now()) - GRACE).astimezone(UTC).date() - timedelta(days=1)
    end = time.monotonic() + BUDGET_SECONDS
    closed = 0
    done = DaysClosed.objects.filter(ledger__gte=last, work__gte=last).values("project_id")
    behind = Project.objects.exclude(status=Project.Status.DELETING).exclude(pk__in=done)
    for project_id in list(behind.order_by("pk").values_list("pk", flat=True)):
        parts = [_Ledger(project_id), _Work(project_id)]
        while time.monotonic() < end and (now_closed := sum(p.close_one(last) for p in parts)):
            closed += now_closed
    return closed


class _Part:
    """One of the two sums of a project. Reads outside of transactions, writes in short ones."""

    column: str

    def __init__(self, project_id: int) -> None:
        self.project_id = project_id

    def close_one(self, last: date) -> bool:
        """Sum the next day that has something, up to `last`; False when there is none."""
        row, _made = DaysClosed.objects.get_or_create(project_id=self.project_id)
        before: date | None = getattr(row, self.column)
        if before is not None and before >= last:
            return False
        day = self.next_day(before)
        if day is None or day > last:
            self._move(before, last, lambda: None)
            return False
        return self._move(before, day, self.sum(day))

    def _move(self, before: date | None, day: date, write: Callable[[], object]) -> bool:
        """Write the sums of the day and move the cursor there, unless another worker did."""
        with transaction.atomic():
            there = DaysClosed.objects.filter(project_id=self.project_id, **{self.column: before})
            if not there.update(**{self.column: day}):
                return False
            write()
        return True

    def next_day(self, before: date | None) -> date | None:
        """Return the first day after `before` on which something happened."""
        raise NotImplementedError

    def sum(self, day: date) -> Callable[[], object]:
        """Add the day up; return what writes the rows."""
        raise NotImplementedError


def _after(before: date | None) -> dict[str, datetime]:
    return {} if before is None else {"created__gte": span(before)[1]}


def _day_of(moment: datetime | None) -> date | None:
    return None if moment is None else moment.astimezone(UTC).date()


class _Ledger(_Part):
    column = "ledger"

    def next_day(self, before: date | None) -> date | None:
        entries = LedgerEntry.objects.filter(project_id=self.project_id, **_after(before))
        return _day_of(entries.order_by("created").values_list("created", flat=True).first())

    def sum(self, day: date) -> Callable[[], object]:
        rows = [
            LedgerDay(
                project_id=self.project_id,
                day=day,
                purpose=one.purpose,
                user_id=one.user,
                entries=one.entries,
                quantity=one.quantity,
                amount=one.amount,
            )
            for one in booked_between(self.project_id, day, day)
        ]
        return partial(LedgerDay.objects.bulk_create, rows)


class _Work(_Part):
    column = "work"

    @cached_property
    def people(self) -> list[int]:
        """Everybody who ever answered here, looked up once for all days of a call."""
        return people_of(self.project_id)

    def next_day(self, before: date | None) -> date | None:
        firsts = [self._first_of(user, before) for user in self.people]
        return _day_of(min((one for one in firsts if one is not None), default=None))

    def _first_of(self, user: int, before: date | None) -> datetime | None:
        answers = Answer.objects.filter(
            project_id=self.project_id, user_id=user, **_after(before)
        ).order_by("created")
        return answers.values_list("created", flat=True).first()

    def sum(self, day: date) -> Callable[[], object]:
        found = work_between(self.project_id, self.people, day, day)
        rows = [
            WorkDay(project_id=self.project_id, user_id=user, day=day, **vars(work))
            for (user, _day), work in sorted(found.items())
        ]
        return partial(WorkDay.objects.bulk_create, rows)
