"""What people did in a span of time, from the rows themselves: for days that are summed, and today.

Work of a day: the answers that stand at its end (corrected on the same day counts once), skips,
time (a pause counts 30 s at most), gold, and comparisons: a pair of answers to one image by two
people counts for both of them on the day of the later one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Case, Count, Exists, F, OuterRef, Q, Sum, Value, When

from labelapp.models import Answer, LedgerEntry

CENTS = Decimal("0.000001")  # SQLite adds up in floats


@dataclass
class DayWork:
    """The columns of WorkDay."""

    answers: int = 0
    skips: int = 0
    active_ms: int = 0
    gold: int = 0
    gold_right: int = 0
    compared: int = 0
    agreed: int = 0

    def add(self, other: DayWork) -> None:
        """Add another amount of work to this one."""
        for one in fields(DayWork):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))

    def __bool__(self) -> bool:
        """Tell whether there is anything in it."""
        return any(getattr(self, one.name) for one in fields(DayWork))


def span(day: date) -> tuple[datetime, datetime]:
    """Return the beginning of a day (UTC) and of the next one."""
    start = datetime.combine(day, time(), UTC)
    return start, start + timedelta(days=1)


def people_of(project_id: int) -> list[int]:
    """Return everybody who ever answered here: one look into the index for each of them."""
    found: list[int] = []
    last = 0
    while True:
        answers = Answer.objects.filter(project_id=project_id, user_id__gt=last)
        user = answers.order_by("user_id").values_list("user_id", flat=True)[:1]
        if not user:
            return found
        last = user[0]
        found.append(last)


def work_between(
    project_id: int, people: Iterable[int], first: date, last: date
) -> dict[tuple[int, date], DayWork]:
    """Return what these people did on one day, or on two that follow one another, by day.

    Two statements over ranges of the index (project, user, created).
    """
    work: dict[tuple[int, date], DayWork] = defaultdict(DayWork)
    ids = list(people)
    if not ids:
        return {}
    (start, _next), (noon, end) = span(first), span(last)
    by_day = Case(When(created__gte=noon, then=Value(1)), default=Value(0))
    when = {"project_id": project_id, "created__gte": start, "created__lt": end}
    mine: Any = Answer.objects.filter(user_id__in=ids, **when).annotate(late=by_day)
    for row in _answers(mine, noon, end):
        one = work[row["user_id"], last if row["late"] else first]
        one.answers, one.skips, one.active_ms = row["given"], row["skips"], row["ms"] or 0
        one.gold, one.gold_right = row["gold"], row["good"]
    for row in _pairs(mine):
        for user in (row["user_id"], row["other"]):
            one = work[user, last if row["late"] else first]
            one.compared += row["n"]
            one.agreed += row["same"]
    return {key: one for key, one in work.items() if one}


def _answers(mine: Any, noon: datetime, end: datetime) -> Any:
    """Count classes that stand at the end of their day, skips, time and gold."""
    later = Answer.objects.filter(pk=OuterRef("superseded_by"))
    replaced = Exists(later.filter(created__lt=noon)) | (
        Q(created__gte=noon) & Exists(later.filter(created__lt=end))
    )
    classes = Q(kind=Answer.Kind.CLASS)
    stands = classes & (Q(superseded_by=None) | ~replaced)
    rows = mine.values("user_id", "late").annotate(
        given=Count("pk", filter=stands),
        skips=Count("pk", filter=Q(kind__in=[Answer.Kind.SKIP, Answer.Kind.UNSURE])),
        ms=Sum("active_ms"),
        gold=Count("gold_result"),
        good=Count("gold_result", filter=Q(gold_result__right=True)),
    )
    return rows.order_by()


def _pairs(mine: Any) -> Any:
    """Compare each standing answer with those that others gave to the image before it."""
    stands = {"kind": Answer.Kind.CLASS, "superseded_by": None}
    others = Q(image__answers__user_id__lt=F("user_id")) | Q(
        image__answers__user_id__gt=F("user_id")
    )
    pairs = mine.filter(
        others,
        **stands,
        image__answers__created__lt=F("created"),
        **{f"image__answers__{name}": value for name, value in stands.items()},
    ).exclude(batch__purpose="gold")
    rows = pairs.values("user_id", "late", other=F("image__answers__user_id")).annotate(
        n=Count("pk"),
        same=Count("pk", filter=Q(label_class_id=F("image__answers__label_class_id"))),
    )
    return rows.order_by()


# --- money ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Booked:
    """What was booked for one purpose and person on one day."""

    day: date
    purpose: str
    user: int | None
    entries: int
    quantity: Decimal
    amount: Decimal


def booked_between(project_id: int, first: date, last: date) -> list[Booked]:
    """Return the sums of the ledger on one day, or on two, by day, purpose and person."""
    (start, _next), (noon, end) = span(first), span(last)
    entries: Any = LedgerEntry.objects.filter(
        project_id=project_id, created__gte=start, created__lt=end
    ).annotate(late=Case(When(created__gte=noon, then=Value(1)), default=Value(0)))
    rows = entries.values("late", "purpose", "user_id").annotate(
        n=Count("pk"), labels=Sum("quantity"), money=Sum("amount")
    )
    return [
        Booked(
            last if row["late"] else first,
            row["purpose"],
            row["user_id"],
            row["n"],
            Decimal(row["labels"]).quantize(CENTS),
            Decimal(row["money"]).quantize(CENTS),
        )
        for row in rows.order_by("late", "purpose", "user_id")
    ]
