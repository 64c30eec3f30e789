"""Who labels right now, and how fast."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Min, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from labelapp.models import Answer, Membership, Project

PRESENT = timedelta(minutes=1)
PACE = timedelta(minutes=5)
SHORTEST = timedelta(seconds=30)  # a pace over less says little


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


def _recent_answers(project: Project, since: datetime) -> list[dict[str, Any]]:
    answers: Any = Answer.objects.filter(
        project=OuterRef("project"), user=OuterRef("user"), created__gte=since
    ).order_by()
    counted = answers.values("user").annotate(
        n=Count("pk"), first=Min("created"), last=Max("created")
    )
    rows = (
        Membership.objects.filter(project=project)
        .annotate(
            recent=Coalesce(Subquery(counted.values("n")), 0),
            first=Subquery(counted.values("first")),
            last=Subquery(counted.values("last")),
        )
        .filter(recent__gt=0)
        .order_by("-recent", "user_id")
    )
    names = ("user__display_name", "user__email", "recent", "first", "last")
    return [dict(row) for row in rows.values(*names)]


def _person(row: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Return a person's pace since their first answer in the window: who just came is not slow."""
    since = max(now - row["first"], SHORTEST)
    return {
        "name": row["user__display_name"] or row["user__email"],
        "per_minute": 60 * row["recent"] / since.total_seconds(),
        "present": row["last"] >= now - PRESENT,
    }
