"""Who holds which tasks of a project, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.utils import timezone

from labelapp.models import Project, Task


@dataclass(frozen=True)
class Holding:
    """One task in somebody's hands.

    `kind`: screen (a hard lease), store (fetched ahead, a soft one), over (nobody renewed it; the
    next person gets the task), own (gold, or sent back: it waits for this person only).
    """

    task_id: int
    seq: int
    purpose: str
    state: str  # open, expert, assigned
    user_id: int
    email: str
    name: str
    kind: str
    since: datetime | None
    until: datetime | None


def holdings(project: Project, limit: int = 1000) -> list[Holding]:
    """Return what people hold, by person, what is on screen first; at most `limit` tasks."""
    now = timezone.now()
    rows = (
        Task.objects.filter(pk__in=held_ids(project, limit), lease_user__isnull=False)
        .order_by("lease_user__email", "lease_soft", "rank")
        .values_list(
            "pk",
            "image__seq",
            "batch__purpose",
            "state",
            "lease_user_id",
            "lease_user__email",
            "lease_user__display_name",
            "lease_soft",
            "lease_since",
            "lease_until",
        )
    )
    return [
        Holding(*row[:7], _kind(row[3], soft=row[7], until=row[9], now=now), row[8], row[9])
        for row in rows
    ]


def held_ids(project: Project, limit: int) -> list[int]:
    """Return tasks in somebody's hands, read from the partial indexes: nothing is walked over."""
    ids: list[int] = []
    with connection.cursor() as cursor:
        for state in (Task.State.OPEN, Task.State.EXPERT, Task.State.ASSIGNED):
            # Only with the state in the text does SQLite see that an index fits.
            cursor.execute(
                f"SELECT id FROM {Task._meta.db_table} WHERE project_id = %s"  # noqa: S608 - constants
                f" AND state = '{state.value}' AND lease_user_id IS NOT NULL LIMIT %s",
                [project.pk, limit - len(ids)],
            )
            ids += [row[0] for row in cursor.fetchall()]
    return ids


def _kind(state: str, *, soft: bool, until: datetime | None, now: datetime) -> str:
    if state == Task.State.ASSIGNED:
        return "own"
    if until is None or until < now:
        return "over"
    return "store" if soft else "screen"


def experts_wait_for(project: Project) -> int:
    """Return how many images wait for a reviewer in the queue."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT COUNT(*) FROM {Task._meta.db_table}"  # noqa: S608 - a constant name
            " WHERE project_id = %s AND state = 'expert'",
            [project.pk],
        )
        return int(cursor.fetchone()[0])
