"""What people did in a span of time, from the rows themselves: for days that are summed, and today.

Work of a day: the answers that stand at its end (corrected on the same day counts once), skips,
time (a pause counts 30 s at most), gold, and comparisons: a pair of answers to one image by two
people counts for both of them on the day of the later one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, Sum

from labelapp.models import Answer, GoldResult, LedgerEntry

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


def span(day: date, days: int = 1) -> tuple[datetime, datetime]:
    """Return the beginning of a day (UTC), and of the day so many later."""
    start = datetime.combine(day, time(), UTC)
    return start, start + timedelta(days=days)


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
    project_id: int, people: Iterable[int], start: datetime, end: datetime
) -> dict[int, DayWork]:
    """Return what these people did from start up to end. Four statements over ranges of indexes."""
    work: dict[int, DayWork] = {user: DayWork() for user in people}
    if not work:
        return {}
    when = {"project_id": project_id, "created__gte": start, "created__lt": end}
    rows: Any = Answer.objects.filter(user_id__in=list(work), **when).values("user_id")
    for row in rows.annotate(
        given=Count("pk", filter=Q(kind=Answer.Kind.CLASS)),
        skips=Count("pk", filter=Q(kind__in=[Answer.Kind.SKIP, Answer.Kind.UNSURE])),
        ms=Sum("active_ms"),
    ).order_by():
        one = work[row["user_id"]]
        one.answers, one.skips, one.active_ms = row["given"], row["skips"], row["ms"] or 0
    _take_off_replaced(work, when, end)
    results: Any = GoldResult.objects.filter(user_id__in=list(work), **when).values("user_id")
    for row in results.annotate(n=Count("pk"), good=Count("pk", filter=Q(right=True))).order_by():
        work[row["user_id"]].gold, work[row["user_id"]].gold_right = row["n"], row["good"]
    _add_pairs(work, when)
    return {user: one for user, one in work.items() if one}


def _take_off_replaced(work: dict[int, DayWork], when: dict[str, Any], end: datetime) -> None:
    """Take off the classes that were corrected or taken back before the end of the span."""
    later = Answer.objects.filter(pk=OuterRef("superseded_by"), created__lt=end)
    given = Answer.objects.filter(user_id__in=list(work), kind=Answer.Kind.CLASS, **when)
    replaced: Any = given.filter(superseded_by__isnull=False).filter(Exists(later))
    for row in replaced.values("user_id").annotate(n=Count("pk")).order_by():
        work[row["user_id"]].answers -= row["n"]


def _add_pairs(work: dict[int, DayWork], when: dict[str, Any]) -> None:
    """Compare each standing answer with those that others gave to the image before it."""
    mine = {"kind": Answer.Kind.CLASS, "superseded_by": None}
    others = Q(image__answers__user_id__lt=F("user_id")) | Q(
        image__answers__user_id__gt=F("user_id")
    )
    pairs: Any = Answer.objects.filter(
        others,
        user_id__in=list(work),
        **mine,
        **when,
        image__answers__created__lt=F("created"),
        **{f"image__answers__{name}": value for name, value in mine.items()},
    ).exclude(batch__purpose="gold")
    rows = pairs.values("user_id", other=F("image__answers__user_id")).annotate(
        n=Count("pk"),
        same=Count("pk", filter=Q(label_class_id=F("image__answers__label_class_id"))),
    )
    for row in rows.order_by():
        for user in (row["user_id"], row["other"]):
            one = work.setdefault(user, DayWork())
            one.compared += row["n"]
            one.agreed += row["same"]


# --- money ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Booked:
    """What was booked for one purpose and person in a span of time."""

    purpose: str
    user: int | None
    entries: int
    quantity: Decimal
    amount: Decimal


def booked_between(project_id: int, start: datetime, end: datetime) -> list[Booked]:
    """Return the sums of the ledger from start up to end, by purpose and person."""
    entries: Any = LedgerEntry.objects.filter(
        project_id=project_id, created__gte=start, created__lt=end
    )
    rows = entries.values("purpose", "user_id").annotate(
        n=Count("pk"), labels=Sum("quantity"), money=Sum("amount")
    )
    return [
        Booked(
            row["purpose"],
            row["user_id"],
            row["n"],
            Decimal(row["labels"]).quantize(CENTS),
            Decimal(row["money"]).quantize(CENTS),
        )
        for row in rows.order_by("purpose", "user_id")
    ]
