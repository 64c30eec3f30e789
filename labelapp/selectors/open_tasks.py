"""Open tasks that a person could take out of turn, for grids: a bounded look at the queue."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from django.db import connection
from django.utils import timezone

from labelapp.models import Answer, Image, LabelBatch, Task
from labelapp.selectors.projects import Access

ANY_ORDER = frozenset({"seed", "train", "residual"})
"""Batches whose images may be asked in any order that depends on what they show.

Never audits and ahead batches: their order is committed. Never tests: people who see a model's
neighbours together may err where the model errs, and T would call it right.
"""


class OpenTask(NamedTuple):
    """An open task that nobody else holds."""

    task_id: int
    image_id: int
    seq: int


def open_tasks(access: Access, purposes: Collection[str], most: int) -> list[OpenTask]:
    """Return the first `most` free tasks of these purposes in queue order.

    Images that this person has answered are left out where images get several answers.
    """
    batches = LabelBatch.objects.filter(
        project=access.project, state=LabelBatch.State.OPEN, purpose__in=purposes
    )
    wanted = list(batches.values_list("pk", flat=True))
    if not wanted:
        return []
    me = access.user.pk
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    # The state stands in the text: only so SQLite sees that the partial index fits.
    where = (
        f"t.project_id = %s AND t.state = 'open' AND t.batch_id IN ({_marks(wanted)})"
        " AND (t.lease_until IS NULL OR t.lease_until < %s OR t.lease_user_id = %s)"
    )
    params = [access.project.pk, *wanted, now, me]
    if access.project.overlap > 1 or access.project.overlap_max > 1:
        where += (
            f" AND NOT EXISTS (SELECT 1 FROM {Answer._meta.db_table} a"  # noqa: S608 - a constant name
            " WHERE a.image_id = t.image_id AND a.batch_id = t.batch_id AND a.user_id = %s"
            " AND a.superseded_by IS NULL AND a.kind = 'class' AND NOT a.extra)"
        )
        params.append(me)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT t.id, t.image_id, i.seq FROM {Task._meta.db_table} t"  # noqa: S608 - constant names
            f" JOIN {Image._meta.db_table} i ON i.id = t.image_id WHERE {where}"
            " ORDER BY t.rank LIMIT %s",
            [*params, most],
        )
        return [OpenTask._make(row) for row in cursor.fetchall()]


def tasks_left(access: Access, purposes: Collection[str]) -> int:
    """Return how many answers the open batches of these purposes lack."""
    batches = LabelBatch.objects.filter(
        project=access.project, state=LabelBatch.State.OPEN, purpose__in=purposes
    )
    return sum(batches.values_list("remaining", flat=True))


def _marks(values: Collection[object]) -> str:
    return ", ".join(["%s"] * len(values))
