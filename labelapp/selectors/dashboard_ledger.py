"""Money spent, by purpose, without reading the whole ledger again after each answer."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Max, Sum

from labelapp.models import LedgerEntry, Project
from labelapp.selectors.dashboard_words import PURPOSES

_KEPT = 64
_TOTALS: dict[str, _Totals] = {}


@dataclass(frozen=True)
class Line:
    """One purpose: how many labels (or hours of compute) and for how much."""

    quantity: Decimal = Decimal(0)
    amount: Decimal = Decimal(0)


@dataclass(frozen=True)
class _Totals:
    last_id: int
    lines: dict[str, Line]


def ledger(project: Project, spent: Decimal) -> dict[str, Line]:
    """Return the totals by purpose. `spent` is the counter's total, read just before.

    Entries are append-only, so only new ones are added to what is known. Numbers may commit out
    of order (PostgreSQL): where the sum is not what the counter says, all is read again.
    """
    known = _TOTALS.get(project.public_id, _Totals(0, {}))
    totals = _add_new(project, known)
    if known.last_id and sum(line.amount for line in totals.lines.values()) != spent:
        totals = _add_new(project, _Totals(0, {}))
    _TOTALS.pop(project.public_id, None)
    _TOTALS[project.public_id] = totals
    if len(_TOTALS) > _KEPT:
        _TOTALS.pop(next(iter(_TOTALS)))
    return totals.lines


def _add_new(project: Project, known: _Totals) -> _Totals:
    lines, last_id = dict(known.lines), known.last_id
    for purpose in PURPOSES:
        # One purpose at a time: the index (project, purpose) ends in the row number on SQLite,
        # so that each of these reads the new rows only.
        new = LedgerEntry.objects.filter(
            project=project, purpose=purpose, pk__gt=known.last_id
        ).aggregate(last=Max("pk"), quantity=Sum("quantity"), amount=Sum("amount"))
        if new["last"] is not None:
            old = lines.get(purpose, Line())
            lines[purpose] = Line(
                old.quantity + _exact(new["quantity"]), old.amount + _exact(new["amount"])
            )
            last_id = max(last_id, new["last"])
    return _Totals(last_id, lines)


def _exact(total: Decimal) -> Decimal:
    """Round to the column's six digits: SQLite adds decimals as floats."""
    return total.quantize(Decimal("0.000001"))
