"""Which tasks a person gets next.

Their own (gold, sent back) first, then the project's queue in rank order, for reviewers then what
others could not tell, then what they skipped themselves, and at a batch's tail what others have
prefetched. A claim is one statement, so two people never get the same task. Where images get
several answers, one person alone would walk over all that they have answered: there a cursor
remembers below which rank nothing is left for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from operator import itemgetter
from typing import Any

from django.db import connection
from django.utils import timezone

from labelapp.models import Answer, Project, QueueCursor, Task
from labelapp.rights import Right
from labelapp.selectors.projects import Access
from labelapp.selectors.rows import prepared
from labelapp.services.leases import NO_LEASE, database_time, gives_out_tasks, lease_end
from labelapp.services.slots import AHEAD_RANK

MAX_CLAIM = 100
TAKEOVER = 2  # at a batch's tail: one for the screen, one prefetched, so that all have work
WINDOW = 64  # so far a cursor moves at once
CURSOR_EVERY = 8  # claims, about, from one move of the cursor to the next
_ANSWER, _TASK = Answer._meta.db_table, Task._meta.db_table


@dataclass(frozen=True)
class Held:
    """A task that was just leased to a person."""

    task_id: int
    image_id: int
    batch_id: int
    rank: int
    state: str = Task.State.OPEN


def claim(
    *, access: Access, count: int, holding: Sequence[int] = (), on_screen: int | None = None
) -> list[Held]:
    """Lease up to `count` tasks to this person.

    `holding` are the tasks that the client has already: they are not given again. With nothing on
    screen the first one goes there at once, so its lease is hard. Call inside `one_writer()`.
    """
    if count <= 0 or not gives_out_tasks(access.project) or access.paused_at is not None:
        return []
    size = min(count, MAX_CLAIM)
    held = _assigned(access, size, holding)
    if len(held) < size:
        held += _claim_free(access, size - len(held), holding)
    if not held and not holding:
        held = _claim_last(access, size)
    if held and not holding and on_screen is None:
        Task.objects.filter(pk=held[0].task_id).update(lease_soft=False)
    return held


def claim_chosen(*, access: Access, task_ids: Sequence[int]) -> list[Held]:
    """Lease these open tasks of the queue to this person, as far as they may have them.

    Whoever calls this has chosen tasks of which somebody else may be a moment faster, or whose
    image this person has answered or skipped. Call inside `one_writer()`.
    """
    if not task_ids or not gives_out_tasks(access.project) or access.paused_at is not None:
        return []
    where = (
        f"t.id IN ({_marks(task_ids)}) AND t.project_id = %s AND t.state = 'open' AND {_FREE}"
        f" AND NOT {_answered(skipped=False)}"
    )
    now, me = timezone.now(), access.user.pk
    params = [*task_ids, access.project.pk, database_time(now), me, me]
    return _one_per_image(access, _lease(access, where, params, now))


def uses_cursor(project: Project) -> bool:
    """Tell whether images of this project may get several answers."""
    return project.overlap > 1 or project.overlap_max > 1


def _assigned(access: Access, count: int, holding: Sequence[int]) -> list[Held]:
    """Return the tasks that wait for this person and nobody else."""
    where = "t.project_id = %s AND t.lease_user_id = %s AND t.state = 'assigned'"
    params: list[Any] = [access.project.pk, access.user.pk]
    if holding:
        where += f" AND t.id NOT IN ({_marks(holding)})"
        params += holding
    with prepared() as cursor:
        cursor.execute(
            f"SELECT t.id, t.image_id, t.batch_id, t.rank, t.state FROM {_TASK} t"  # noqa: S608 - constant names
            f" WHERE {where} ORDER BY t.rank LIMIT %s",
            [*params, count],
        )
        return [Held(*row) for row in cursor.fetchall()]


def _claim_last(access: Access, count: int) -> list[Held]:
    """Claim what is left for a person without any task."""
    held: list[Held] = []
    if access.may(Right.REVIEW):
        held = _claim(access, count, (), state=Task.State.EXPERT)
    return (
        held
        or _claim_free(access, count, (), skipped=True)
        or (access.may(Right.REVIEW) and _claim_experts_again(access, count))
        or _take_over(access, min(count, TAKEOVER))
    )


def _claim_experts_again(access: Access, count: int) -> list[Held]:
    return _claim(access, count, (), state=Task.State.EXPERT, skipped=True)


def _claim_free(
    access: Access, count: int, holding: Sequence[int], *, skipped: bool = False
) -> list[Held]:
    """Claim tasks of the queue; with `skipped` also those that this person skipped."""
    if uses_cursor(access.project):
        return _claim_behind_cursor(access, count, holding, skipped=skipped)
    return _claim(access, count, holding, skipped=skipped)


def _claim(
    access: Access,
    count: int,
    holding: Sequence[int],
    *,
    state: str = Task.State.OPEN,
    skipped: bool = False,
) -> list[Held]:
    """Claim tasks that are free, or this person's own, in one statement."""
    now = timezone.now()
    me = access.user.pk
    # The state stands in the text: only so SQLite sees that the partial index fits.
    where = f"t.project_id = %s AND t.state = '{state}' AND {_FREE}"
    params: list[Any] = [access.project.pk, database_time(now), me]
    if holding:
        where += f" AND t.id NOT IN ({_marks(holding)})"
        params += holding
    where += f" AND NOT {_answered(skipped=skipped)}"
    held = _lease(access, f"{where} ORDER BY t.rank LIMIT %s", [*params, me, count], now)
    return _one_per_image(access, held)  # several slots: the project wanted more answers before


_FREE = "(t.lease_until IS NULL OR t.lease_until < %s OR t.lease_user_id = %s)"


def _answered(*, skipped: bool) -> str:
    """SQL: whether this person (a parameter) has answered the image; else also skipped it.

    `+ 0` leads both databases to the index of the image: without statistics SQLite would walk
    over the whole batch. OFFSET keeps PostgreSQL from joining all answers at once for a few tasks.
    """
    also = "" if skipped else " OR a.kind IN ('skip', 'unsure')"
    return (
        f"EXISTS (SELECT 1 FROM {_ANSWER} a WHERE a.image_id = t.image_id"  # noqa: S608 - a constant name
        " AND a.batch_id + 0 = t.batch_id AND a.user_id + 0 = %s AND a.superseded_by IS NULL"
        f" AND ((a.kind = 'class' AND NOT a.extra){also}) LIMIT 1 OFFSET 0)"
    )


def _take_over(access: Access, count: int) -> list[Held]:
    """At a batch's tail, take tasks that others prefetched but do not have on screen.

    The last ones first: their holders come to those last. `+ 0` and `> 0` lead both databases to
    the small index of held tasks.
    """
    now = timezone.now()
    where = (
        "t.project_id = %s AND t.state = 'open' AND t.lease_user_id > 0 AND t.lease_user_id <> %s"
        f" AND t.lease_until >= %s AND t.lease_soft AND NOT {_answered(skipped=True)}"
        " ORDER BY t.rank + 0 DESC LIMIT %s"
    )
    me = access.user.pk
    params = [access.project.pk, me, database_time(now), me, count]
    return _one_per_image(access, _lease(access, where, params, now))


def _lease(access: Access, where: str, params: list[Any], now: datetime) -> list[Held]:
    """Lease the tasks `t` that the condition selects, in one statement."""
    me, start = access.user.pk, database_time(now)
    # Who has it already keeps the time since when.
    change = (
        "lease_user_id = %s, lease_until = %s, lease_soft = %s, lease_since ="
        " CASE WHEN lease_user_id = %s AND lease_since IS NOT NULL THEN lease_since ELSE %s END"
    )
    lease = [me, database_time(lease_end(now)), True, me, start]
    with prepared() as cursor:
        if connection.vendor == "postgresql":
            change = change.replace("CASE WHEN lease_user_id", "CASE WHEN u.lease_user_id")
            change = change.replace("AND lease_since", "AND u.lease_since")
            change = change.replace("THEN lease_since", "THEN u.lease_since")
            change = change.replace("ELSE %s", "ELSE %s::timestamptz")
            cursor.execute(
                f"WITH c AS MATERIALIZED (SELECT t.id FROM {_TASK} t WHERE {where}"  # noqa: S608 - constant names
                f" FOR UPDATE SKIP LOCKED) UPDATE {_TASK} u SET {change} FROM c"
                " WHERE u.id = c.id RETURNING u.id, u.image_id, u.batch_id, u.rank, u.state",
                [*params, *lease],
            )
        else:
            cursor.execute(
                f"UPDATE {_TASK} SET {change} WHERE id IN"  # noqa: S608 - constant names
                f" (SELECT t.id FROM {_TASK} t WHERE {where})"
                " RETURNING id, image_id, batch_id, rank, state",
                [*lease, *params],
            )
        held = [Held(*row) for row in cursor.fetchall()]
    return sorted(held, key=lambda task: task.rank)


# --- several answers to an image -----------------------------------------------------------------


def _claim_behind_cursor(
    access: Access, count: int, holding: Sequence[int], *, skipped: bool
) -> list[Held]:
    """Claim from this person's cursor on, one slot of an image, and now and then move the cursor.

    What lies between the cursor and the claimed tasks is few: what others hold, and what this
    person has answered since the cursor moved last.
    """
    now, me = timezone.now(), access.user.pk
    begin = _cursor_of(access)
    doubled = (
        f"EXISTS (SELECT 1 FROM {_TASK} o WHERE o.batch_id = t.batch_id"  # noqa: S608 - a constant name
        " AND o.image_id = t.image_id AND o.id <> t.id AND o.lease_user_id + 0 = %s"
        " AND o.lease_until >= %s AND o.state IN ('open', 'expert') LIMIT 1 OFFSET 0)"
    )
    where = f"t.project_id = %s AND t.state = 'open' AND t.rank >= %s AND {_FREE}"
    params: list[Any] = [access.project.pk, begin, database_time(now), me]
    if holding:
        where += f" AND t.id NOT IN ({_marks(holding)})"
        params += holding
    where += f" AND NOT {_answered(skipped=skipped)} AND NOT {doubled}"
    params += [me, me, database_time(now), count]
    held = _lease(access, f"{where} ORDER BY t.rank LIMIT %s", params, now)
    if not held or any(task.task_id % CURSOR_EVERY == 0 for task in held):
        _advance_cursor(access, begin)
    return _one_per_image(access, held)


def _advance_cursor(access: Access, begin: int) -> None:
    """Move the cursor over the tasks, one after another, whose images this person has answered."""
    with prepared() as cursor:
        cursor.execute(
            f"SELECT t.rank, {_answered(skipped=True)} FROM {_TASK} t"  # noqa: S608 - constant names
            " WHERE t.project_id = %s AND t.state = 'open' AND t.rank >= %s"
            " ORDER BY t.rank LIMIT %s",
            [access.user.pk, access.project.pk, begin, WINDOW],
        )
        rows = cursor.fetchall()
    behind = [rank for rank, _ in takewhile(itemgetter(1), rows)]
    if behind:
        _move_cursor(access, min(behind[-1] + 1, AHEAD_RANK))


def _one_per_image(access: Access, held: list[Held]) -> list[Held]:
    """Keep one slot of each image, and free the others again."""
    first: dict[tuple[int, int], Held] = {}
    for task in held:
        first.setdefault((task.batch_id, task.image_id), task)
    others = {task.task_id for task in held} - {task.task_id for task in first.values()}
    if others:
        Task.objects.filter(pk__in=others, lease_user_id=access.user.pk).update(**NO_LEASE)
    return list(first.values())


def _cursor_of(access: Access) -> int:
    with prepared() as cursor:
        cursor.execute(
            f"SELECT rank FROM {QueueCursor._meta.db_table}"  # noqa: S608 - a constant name
            " WHERE project_id = %s AND user_id = %s",
            [access.project.pk, access.user.pk],
        )
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def _move_cursor(access: Access, rank: int) -> None:
    row = QueueCursor(project_id=access.project.pk, user_id=access.user.pk, rank=rank)
    QueueCursor.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["project", "user"],
        update_fields=["rank"],
    )


def _marks(values: Sequence[object]) -> str:
    return ", ".join(["%s"] * len(values))
