"""How many images a person has labelled today: one narrow row, so that nothing is counted."""

from __future__ import annotations

from django.db import connection
from django.utils import timezone

from labelapp.models import DayCount
from labelapp.selectors.labelling import done_today
from labelapp.selectors.projects import Access
from labelapp.selectors.rows import prepared


def count_today(access: Access, change: int) -> int:
    """Add to this person's number of today (UTC) and return it; a new day begins at 0."""
    if change == 0:
        return done_today(access.project, access.user)
    today = timezone.now().date()
    day = connection.ops.adapt_datefield_value(today)
    keys = [access.project.pk, access.user.pk]
    with prepared() as cursor:
        cursor.execute(
            f"UPDATE {DayCount._meta.db_table} SET"  # noqa: S608 - a constant name
            " done = CASE WHEN day = %s THEN done + %s ELSE %s END, day = %s"
            " WHERE project_id = %s AND user_id = %s RETURNING done",
            [day, change, change, day, *keys],
        )
        row = cursor.fetchone()
    if row is None:
        DayCount.objects.create(
            project_id=access.project.pk, user_id=access.user.pk, day=today, done=change
        )
        return max(0, change)
    return max(0, int(row[0]))
