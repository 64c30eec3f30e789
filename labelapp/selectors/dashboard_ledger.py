"""Money spent, by purpose, without reading the whole ledger again after each answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import CharField, F, Max, Sum, Value

from labelapp.models import LedgerDay, LedgerEntry, Project
from labelapp.selectors.dashboard_words import PURPOSES

_KEPT = 64
_TOTALS: dict[str, _Totals] = {}
_MOST_DIGITS = Decimal("0.000001")

Row = tuple[str, Decimal | None, Decimal | None]


@dataclass(frozen=True)
class Line:
    """One purpose: how many labels (or hours of compute) and for how much."""

    quantity: Decimal = Decimal(0)
    amount: Decimal = Decimal(0)


@dataclass(frozen=True)
class _Totals:
    last_id: int
    lines: dict[str, Line]

    @property
    def amount(self) -> Decimal:
        return sum((line.amount for line in self.lines.values()), Decimal(0))


def ledger(project: Project, spent: Decimal) -> dict[str, Line]:
    """Return the totals by purpose. `spent` is the counter's total, read just before.

    Entries are append-only, so only new ones are added to what is known; at first the sums of
    closed days and the entries since. Numbers may commit out of order (PostgreSQL): where the sum
    does not come to what the counter says, all is read again; more may be there, if it just came.
    """
    known = _TOTALS.get(project.public_id)
    totals = _by_days(project) if known is None else _add_new(project, known)
    came = known is None or totals.last_id != known.last_id
    if totals.amount < spent or (totals.amount > spent and not came):
        totals = _add_new(project, _Totals(0, {}))
    _TOTALS.pop(project.public_id, None)
    _TOTALS[project.public_id] = totals
    if len(_TOTALS) > _KEPT:
        _TOTALS.pop(next(iter(_TOTALS)))
    return totals.lines


def _add_new(project: Project, known: _Totals) -> _Totals:
    """Add the entries with larger numbers: one statement, one short range of the index each.

    The index (project, purpose) ends in the row number on SQLite, so that each part of the union
    reads the new rows only.
    """
    parts = [
        LedgerEntry.objects.filter(project=project, purpose=purpose, pk__gt=known.last_id)
        .annotate(what=Value(purpose, output_field=CharField()))
        .values("what")
        .annotate(last=Max("pk"), quantities=Sum("quantity"), amounts=Sum("amount"))
        .values_list("what", "quantities", "amounts", "last")
        for purpose in PURPOSES
    ]
    rows = list(parts[0].union(*parts[1:], all=True))
    last = max([known.last_id, *(row[3] for row in rows if row[3])])
    return _Totals(last, _added(known.lines, [row[:3] for row in rows]))


def _by_days(project: Project) -> _Totals:
    """Return everything from the sums of closed days and the entries of the days since."""
    days = _by_purpose(LedgerDay.objects.filter(project=project), Max("day"))
    if not days:
        return _add_new(project, _Totals(0, {}))
    closed = max(row[3] for row in days)
    since = LedgerEntry.objects.filter(project=project, created__gte=_next_day(closed))
    rows = _by_purpose(since, Max("pk"))
    lines = _added(_added({}, [row[:3] for row in days]), [row[:3] for row in rows])
    return _Totals(max([row[3] for row in rows] or [_last_id()]), lines)


def _last_id() -> int:
    found = LedgerEntry.objects.order_by("-pk").values_list("pk", flat=True)[:1]
    return next(iter(found), 0)


def _by_purpose(rows: Any, last: Max) -> list[Any]:
    sums = rows.order_by().values(what=F("purpose"))
    sums = sums.annotate(last=last, quantities=Sum("quantity"), amounts=Sum("amount"))
    return list(sums.values_list("what", "quantities", "amounts", "last"))


def _next_day(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def _added(lines: dict[str, Line], rows: Iterable[Row]) -> dict[str, Line]:
    found = dict(lines)
    for purpose, quantity, amount in rows:
        if quantity is not None and amount is not None:
            old = found.get(purpose, Line())
            found[purpose] = Line(old.quantity + _exact(quantity), old.amount + _exact(amount))
    return found


def _exact(total: Decimal) -> Decimal:
    """Round to the column's six digits: SQLite adds decimals as floats."""
    return Decimal(total).quantize(_MOST_DIGITS)
