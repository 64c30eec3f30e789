"""Who labels right now, and how fast."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from labelapp.models import Answer, Membership, Project

PRESENT = timedelta(minutes=1)
PACE = timedelta(minutes=5)


def people_now(project: Project) -> dict[str, Any]:
    """Return who answered in the last minute and the pace of the last five.

    One statement; each member costs one range of the index (project, user, created).
    """
    now = timezone.now()
    found = _recent_answers(project, now - PACE)
    minutes = PACE.total_seconds() / 60
    return {
        "now": [_person(row, minutes) for row in found if row["last"] >= now - PRESENT],
        "per_minute": round(sum(row["recent"] for row in found) / minutes, 1),
    }


def _recent_answers(project: Project, since: datetime) -> list[dict[str, Any]]:
    answers: Any = Answer.objects.filter(
        project=OuterRef("project"), user=OuterRef("user"), created__gte=since
    ).order_by()
    counted = answers.values("user").annotate(n=Count("pk"), last=Max("created"))
    rows = (
        Membership.objects.filter(project=project)
        .annotate(
            recent=Coalesce(Subquery(counted.values("n")), 0),
            last=Subquery(counted.values("last")),
        )
        .filter(recent__gt=0)
        .order_by("-recent", "user_id")
    )
    return [dict(row) for row in rows.values("user__display_name", "user__email", "recent", "last")]


def _person(row: dict[str, Any], minutes: float) -> dict[str, Any]:
    return {
        "name": row["user__display_name"] or row["user__email"],
        "per_minute": round(row["recent"] / minutes, 1),
    }
