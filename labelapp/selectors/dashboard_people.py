"""Who labels right now, how fast, and how people have worked on the days before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from time import monotonic
from typing import Any, TypeVar

from django.db.models import Count, Max, Min, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from labelapp.models import Answer, DayCount, Membership, Project, WorkDay
from labelapp.pace import Day, Pace, pace_of

T = TypeVar("T")

PRESENT = timedelta(minutes=1)
PACE = timedelta(minutes=5)
SHORTEST = timedelta(seconds=30)  # a pace over less says little
HOUR = timedelta(hours=1)
DAYS = 14  # closed days that say how people work

_KEPT = 64
_FRESH = 20.0  # seconds for which the last hour and the days before are known
_HOURS: dict[str, tuple[float, Hour]] = {}
_WORK: dict[str, tuple[float, Work]] = {}


@dataclass(frozen=True)
class Hour:
    """What people answered in the last hour, and today."""

    answers: int
    people: int
    span: float  # hours since the first of them
    today: int


@dataclass(frozen=True)
class Work:
    """How people work: their pace (None where nobody did), and the hours of today so far."""

    pace: Pace | None
    now: bool  # somebody answered in the last hour
    today_hours: float = 0.0


def people_now(project: Project) -> dict[str, Any]:
    """Return who answered in the last minute and the pace of the last five.

    One statement; each member costs one range of the index (project, user, created). Now and then
    it looks at the last hour as well, for `work_of`.
    """
    now = timezone.now()
    hour = _known(_HOURS, project) is None
    rows = _recent_answers(project, now, hour=hour)
    if hour:
        _keep(_HOURS, project, _hour(rows, now))
    found = [_person(row, now) for row in rows if row["recent"]]
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
    found = _known(_WORK, project)
    if found is None:
        hour = _known(_HOURS, project)
        if hour is None:
            people_now(project)
            hour = _HOURS[project.public_id][1]
        found = _keep(_WORK, project, _work(project, hour))
    return found


def forget_pace() -> None:
    """Look anew at the next call: for tests."""
    _HOURS.clear()
    _WORK.clear()


def _known(kept: dict[str, tuple[float, T]], project: Project) -> T | None:
    found = kept.get(project.public_id)
    return found[1] if found is not None and monotonic() - found[0] < _FRESH else None


def _keep(kept: dict[str, tuple[float, T]], project: Project, what: T) -> T:
    kept.pop(project.public_id, None)
    kept[project.public_id] = monotonic(), what
    if len(kept) > _KEPT:
        kept.pop(next(iter(kept)))
    return what


def _hour(rows: list[dict[str, Any]], now: datetime) -> Hour:
    begun = [row["hour_first"] for row in rows if row["hour_first"]]
    span = max(SHORTEST, now - min(begun)).total_seconds() / 3600 if begun else 1.0
    return Hour(
        answers=sum(row["hour"] for row in rows),
        people=sum(1 for row in rows if row["hour"]),
        span=span,
        today=sum(row["today"] for row in rows),
    )


def _work(project: Project, hour: Hour) -> Work:
    days, elapsed = _closed_days(project, timezone.now().date())
    pace = pace_of(days, elapsed, hour=hour.answers, people=hour.people, span=hour.span)
    return Work(pace, bool(hour.answers), hour.today / pace.per_hour if pace else 0.0)


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


def _recent_answers(project: Project, now: datetime, *, hour: bool) -> list[dict[str, Any]]:
    """Return how much each member has answered lately; with `hour` in the last one, and today."""
    counted = _counted(now - PACE)
    rows = Membership.objects.filter(project=project).annotate(
        recent=Coalesce(Subquery(counted.values("n")), 0),
        first=Subquery(counted.values("first")),
        last=Subquery(counted.values("last")),
    )
    names = ["user__display_name", "user__email", "recent", "first", "last"]
    if hour:
        longer = _counted(now - HOUR)
        today = DayCount.objects.filter(
            project=OuterRef("project"), user=OuterRef("user"), day=now.date()
        )
        rows = rows.annotate(
            hour=Coalesce(Subquery(longer.values("n")), 0),
            hour_first=Subquery(longer.values("first")),
            today=Coalesce(Subquery(today.values("done")), 0),
        )
        names += ["hour", "hour_first", "today"]
    else:
        rows = rows.filter(recent__gt=0)
    return [dict(row) for row in rows.order_by("-recent", "user_id").values(*names)]


def _counted(since: datetime) -> Any:
    answers: Any = Answer.objects.filter(
        project=OuterRef("project"), user=OuterRef("user"), created__gte=since
    ).order_by()
    return answers.values("user").annotate(n=Count("pk"), first=Min("created"), last=Max("created"))


def _person(row: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Return a person's pace since their first answer in the window: who just came is not slow."""
    since = max(now - row["first"], SHORTEST)
    return {
        "name": row["user__display_name"] or row["user__email"],
        "per_minute": 60 * row["recent"] / since.total_seconds(),
        "present": row["last"] >= now - PRESENT,
    }
