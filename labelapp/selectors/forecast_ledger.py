"""Money by day, purpose, person and machine, to the cent of the ledger.

Days that are over are read from their sums (LedgerDay, written by the worker). The days since are
summed here, and only what is new since the last look: entries are append-only. Where the result
is less than the counter says (entries that committed out of order) all open days are read again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from django.db.models import Count, Max, Sum
from django.db.models.functions import TruncDate

from labelapp.models import DaysClosed, LedgerDay, LedgerEntry, Project, User
from labelapp.selectors.dashboard_words import PURPOSES

Key = tuple[date, str, int | None]
"""A day (UTC), a purpose, a person (None: a machine, or somebody who is gone)."""

T = TypeVar("T")
_KEPT = 64
_OVERLAP = timedelta(minutes=2)  # entries may commit so much later than they say
_OPEN: OrderedDict[int, _Open] = OrderedDict()
_CLOSED: OrderedDict[int, tuple[date | None, Sums]] = OrderedDict()


@dataclass(frozen=True)
class Line:
    """So many entries for so many labels (or hours) and so much money."""

    entries: int = 0
    quantity: Decimal = Decimal(0)
    amount: Decimal = Decimal(0)

    def __add__(self, other: Line) -> Line:
        return Line(
            self.entries + other.entries,
            self.quantity + other.quantity,
            self.amount + other.amount,
        )


@dataclass(frozen=True)
class Sums:
    """The same lines added up in three ways. `people` leaves out what machines cost."""

    total: Line = Line()
    days: dict[date, dict[str, Line]] = field(default_factory=dict)
    purposes: dict[str, Line] = field(default_factory=dict)
    people: dict[int | None, Line] = field(default_factory=dict)

    @property
    def compute(self) -> Line:
        """Return what computing cost, in hours."""
        return self.purposes.get("compute", Line())


@dataclass(frozen=True)
class _Open:
    """The days after `closed` as far as they were read."""

    closed: date | None
    last_id: int
    last_at: datetime | None
    lines: dict[Key, Line]


def sums(project: Project, spent: Decimal) -> Sums:
    """Return all money of a project, added up. `spent` is the counter's total."""
    closed = DaysClosed.objects.filter(project=project).values_list("ledger", flat=True).first()
    over = _closed(project, closed)
    known = _OPEN.get(project.pk)
    if known is None or known.closed != closed:
        known = _Open(closed, 0, None, {})
    found = _read(project, known)
    if known.last_id and _total(over, found).amount < spent:
        found = _read(project, _Open(closed, 0, None, {}))
    _keep(_OPEN, project.pk, found)
    return added(over, found.lines)


def _total(over: Sums, found: _Open) -> Line:
    return sum(found.lines.values(), over.total)


def forget() -> None:
    """Forget what this process has read (tests, which use row numbers again)."""
    _OPEN.clear()
    _CLOSED.clear()


def added(before: Sums, lines: dict[Key, Line]) -> Sums:
    """Return the sums with these lines as well; days come in order, people the dearest first."""
    days = {day: dict(parts) for day, parts in before.days.items()}
    purposes, people = dict(before.purposes), dict(before.people)
    for (day, purpose, user), line in lines.items():
        _add(days.setdefault(day, {}), purpose, line)
        _add(purposes, purpose, line)
        if purpose != "compute":
            _add(people, user, line)
    places = {purpose: place for place, purpose in enumerate(PURPOSES)}
    return Sums(
        total=sum(lines.values(), before.total),
        days=dict(sorted(days.items())),
        purposes=dict(sorted(purposes.items(), key=lambda one: places.get(one[0], len(places)))),
        people=dict(sorted(people.items(), key=lambda one: -one[1].amount)),
    )


def _add(found: dict[T, Line], key: T, line: Line) -> None:
    found[key] = found.get(key, Line()) + line


def _closed(project: Project, closed: date | None) -> Sums:
    known = _CLOSED.get(project.pk)
    if known is None or known[0] != closed:
        lines: dict[Key, Line] = {}
        if closed is not None:
            rows = LedgerDay.objects.filter(project=project, day__lte=closed)
            for row in rows.values_list(
                "day", "purpose", "user_id", "entries", "quantity", "amount"
            ):
                key = row[:3]
                lines[key] = lines.get(key, Line()) + Line(*row[3:])
        known = (closed, added(Sums(), lines))
        _keep(_CLOSED, project.pk, known)
    return known[1]


def _keep(store: OrderedDict[int, Any], key: int, value: Any) -> None:
    store[key] = value
    store.move_to_end(key)
    while len(store) > _KEPT:
        store.popitem(last=False)


def _read(project: Project, known: _Open) -> _Open:
    """Add the entries that are new since `known`; the index (project, created) bounds the look."""
    entries = LedgerEntry.objects.filter(project=project, pk__gt=known.last_id)
    if known.last_at is not None:
        entries = entries.filter(created__gte=known.last_at - _OVERLAP)
    if known.closed is not None:
        begin = datetime.combine(known.closed + timedelta(days=1), time(), UTC)
        entries = entries.filter(created__gte=begin)
    rows = (
        entries.annotate(day=TruncDate("created", tzinfo=UTC))
        .values_list("day", "purpose", "user_id")
        .annotate(Count("id"), Sum("quantity"), Sum("amount"), Max("id"), Max("created"))
        .order_by()
    )
    lines, last_id, last_at = dict(known.lines), known.last_id, known.last_at
    for day, purpose, user, count, quantity, amount, newest, at in rows:
        key = (day, purpose, user)
        lines[key] = lines.get(key, Line()) + Line(count, _exact(quantity), _exact(amount))
        last_id, last_at = max(last_id, newest), at if last_at is None else max(last_at, at)
    return _Open(known.closed, last_id, last_at, lines)


def _exact(sum_: Decimal) -> Decimal:
    """Round to the column's six digits: SQLite adds decimals as floats."""
    return Decimal(sum_).quantize(Decimal("0.000001"))


# --- machines, names, the file -------------------------------------------------------------------


def by_machine(project: Project) -> list[dict[str, Any]]:
    """Return computing by network: a few entries per training, so all of them are read."""
    rows = LedgerEntry.objects.filter(project=project, purpose="compute")
    found: dict[str, Line] = {}
    for key, quantity, amount in rows.values_list("key", "quantity", "amount"):
        parts = key.split(":")
        name = parts[-1] if len(parts) > 2 else ""  # training:REQUEST:ARCH
        found[name] = found.get(name, Line()) + Line(1, quantity, amount)
    return [
        {"arch": arch, "line": line}
        for arch, line in sorted(found.items(), key=lambda item: -item[1].amount)
    ]


def names(user_ids: Iterable[int | None]) -> dict[int | None, str]:
    """Return what these people are called."""
    rows = User.objects.filter(pk__in=[pk for pk in user_ids if pk is not None])
    return {user.pk: str(user) for user in rows.only("display_name", "email")}


def entries_csv(project: Project) -> Iterator[tuple[object, ...]]:
    """Yield every entry of the ledger as a row, in the order of booking, head first."""
    yield ("time", "purpose", "quantity", "unit_price", "amount", "currency", "person", "key")
    rows = LedgerEntry.objects.filter(project=project).order_by("pk")
    found = rows.values_list(
        "created", "purpose", "quantity", "unit_price", "amount", "user_id", "key"
    )
    known: dict[int | None, str] = names(
        LedgerEntry.objects.filter(project=project)
        .order_by()
        .values_list("user_id", flat=True)
        .distinct()
    )
    for created, purpose, quantity, unit, amount, user, key in found.iterator(chunk_size=2000):
        person = known.get(user, "")
        yield (
            created.isoformat(),
            purpose,
            quantity,
            unit,
            amount,
            project.currency,
            person,
            key,
        )
