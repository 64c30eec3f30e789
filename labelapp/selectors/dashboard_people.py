"""Who labels right now, how fast, and how people have worked on the days before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from time import monotonic
from typing import Any

from django.db.models import Count, Max, Min, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from labelapp.models import Answer, DayCount, Membership, Project, WorkDay
from labelapp.pace import Day, Pace, pace_of

PRESENT = timedelta(minutes=1)
PACE = timedelta(minutes=5)
SHORTEST = timedelta(seconds=30)  # a pace over less says little
HOUR = timedelta(hours=1)
DAYS = 14  # closed days that say how people work

_KEPT = 64
_FRESH = 20.0  # seconds for which the pace of the last hour and days is known
_PACES: dict[int, tuple[float, Work]] = {}


@dataclass(frozen=True)
class Work:
    """How people work: their pace (None where nobody did), and the hours of today so far."""

    pace: Pace | None
    now: bool  # somebody answered in the last hour
    today_hours: float = 0.0


def people_now(project: Project) -> dict[str, Any]:
    """Return who answered in the last minute and the pace of the last five.

    One statement; each member costs one range of the index (project, user, created).
    """
    now = timezone.now()
    found = [_person(row, now) for row in _recent_answers(project, now - PACE)]
    return {
        "now": [
            {"name": one["name"], "per_minute": round(one["per_minute"], 1)}
            for one in found
            if one["present"]
        ],
        "per_minute": round(sum(one["per_minute"] for one in found), 1),
    }


def work_of(project: Project) -> Work:
    """Return how people work in this project; known for 20 seconds, since it changes slowly."""
    known = _PACES.get(project.pk)
    if known is not None and monotonic() - known[0] < _FRESH:
        return known[1]
    found = _work(project, timezone.now())
    _PACES.pop(project.pk, None)
    _PACES[project.pk] = monotonic(), found
    if len(_PACES) > _KEPT:
        _PACES.pop(next(iter(_PACES)))
    return found


def forget_pace() -> None:
    """Look anew at the next call: for tests."""
    _PACES.clear()


def _work(project: Project, now: datetime) -> Work:
    recent = _recent_answers(project, now - HOUR, now.date())
    answers = sum(row["recent"] for row in recent)
    people = sum(1 for row in recent if row["recent"])
    begun = [row["first"] for row in recent if row["first"]]
    span = max(SHORTEST, now - min(begun)).total_seconds() / 3600 if begun else 1.0
    days, elapsed = _closed_days(project, now.date())
    pace = pace_of(days, elapsed, hour=answers, people=people, span=span)
    done = sum(row["today"] for row in recent)
    return Work(pace, bool(answers), done / pace.per_hour if pace else 0.0)


def _closed_days(project: Project, today: date) -> tuple[list[Day], int]:
    """Return the days on which people worked, and how many passed since the first of them."""
    rows = list(
        WorkDay.objects.filter(project=project, day__gte=today - timedelta(days=DAYS))
        .filter(day__lt=today, answers__gt=0)
        .values("day")
        .annotate(n=Sum("answers"), people=Count("user"), ms=Sum("active_ms"))
        .order_by("day")
    )
    days = [Day(row["n"], row["people"], row["ms"] / 3_600_000) for row in rows]
    return days, (today - rows[0]["day"]).days if rows else 0


def _recent_answers(
    project: Project, since: datetime, day: date | None = None
) -> list[dict[str, Any]]:
    """Return how much each member has answered since then, and on this day where one is named."""
    answers: Any = Answer.objects.filter(
        project=OuterRef("project"), user=OuterRef("user"), created__gte=since
    ).order_by()
    counted = answers.values("user").annotate(
        n=Count("pk"), first=Min("created"), last=Max("created")
    )
    today = DayCount.objects.filter(
        project=OuterRef("project"), user=OuterRef("user"), day=day or since.date()
    ).values("done")
    rows = Membership.objects.filter(project=project).annotate(
        recent=Coalesce(Subquery(counted.values("n")), 0),
        first=Subquery(counted.values("first")),
        last=Subquery(counted.values("last")),
    )
    names = ["user__display_name", "user__email", "recent", "first", "last"]
    if day is None:
        rows = rows.filter(recent__gt=0)
    else:
        rows = rows.annotate(today=Coalesce(Subquery(today), 0))
        names.append("today")
    return [dict(row) for row in rows.order_by("-recent", "user_id").values(*names)]


def _person(row: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Return a person's pace since their first answer in the window: who just came is not slow."""
    since = max(now - row["first"], SHORTEST)
    return {
        "name": row["user__display_name"] or row["user__email"],
        "per_minute": 60 * row["recent"] / since.total_seconds(),
        "present": row["last"] >= now - PRESENT,
    }
