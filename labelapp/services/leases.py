"""Who holds which task: claims, leases, heartbeats.

A claim is one statement, so two people never get the same image; a lease that is over needs no
sweeper, the next claim simply takes the task. Labelling works while the worker is dead.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from labelapp.errors import InvalidInputError
from labelapp.models import Answer, Project, Task, User
from labelapp.selectors.projects import Access

LEASE_SECONDS = 90
MAX_CLAIM = 20
MAX_HOLDING = 200
TAKEOVER = 2  # at a batch's tail: one for the screen, one prefetched, so that all have work

_MAX_ID = 2**63 - 1
_WRITER = threading.RLock()


@dataclass(frozen=True)
class Held:
    """A task that was just leased to a person."""

    task_id: int
    image_id: int
    batch_id: int
    rank: int


@contextmanager
def one_writer() -> Iterator[None]:
    """Open a transaction; on SQLite let one thread of this process write at a time.

    SQLite's own busy back-off is unfair: with 16 saturating clients p95 was 792 ms without this
    lock and 224 ms with it.
    """
    if connection.vendor != "sqlite":
        with transaction.atomic():
            yield
        return
    with _WRITER, transaction.atomic():
        yield


def task_token(*, task_id: int, user_id: int, project_id: int) -> str:
    """Return the proof that this task was given to this person."""
    value = f"{project_id}:{task_id}:{user_id}"
    return salted_hmac("labelapp.task", value, algorithm="sha256").hexdigest()[:40]


def token_fits(token: str, *, task_id: int, user_id: int, project_id: int) -> bool:
    """Tell whether the token was made for this person and this task."""
    good = task_token(task_id=task_id, user_id=user_id, project_id=project_id)
    return constant_time_compare(token, good)


def gives_out_tasks(project: Project) -> bool:
    """Tell whether people get new tasks: paused, finished and archived projects give none."""
    return project.status == Project.Status.RUNNING and project.archived_at is None


def claim(*, access: Access, count: int, holding: Sequence[int] = ()) -> list[Held]:
    """Lease up to `count` tasks to this person, in rank order.

    `holding` are the tasks that the client has already: they are not given again. What this
    person skipped comes back only when there is nothing else. Call inside `one_writer()`.
    """
    if count <= 0 or not gives_out_tasks(access.project):
        return []
    size = min(count, MAX_CLAIM)
    held = _claim_free(access, size, holding, skipped=False)
    if held or holding:
        return held
    return _claim_free(access, size, holding, skipped=True) or _take_over(
        access, min(size, TAKEOVER)
    )


def renew(*, access: Access, holding: Sequence[int]) -> list[int]:
    """Renew this person's leases on these tasks and return the ids of those that are lost.

    A lease that is over but that nobody took is renewed too. Call inside `one_writer()`.
    """
    if not holding:
        return []
    marks = ", ".join(["%s"] * len(holding))
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {Task._meta.db_table} SET lease_until = %s WHERE id IN ({marks})"  # noqa: S608 - a constant name
            " AND project_id = %s AND state = 'open' AND lease_user_id = %s RETURNING id",
            [_database_time(lease_end()), *holding, access.project.pk, access.user.pk],
        )
        kept = {row[0] for row in cursor.fetchall()}
    return [task_id for task_id in holding if task_id not in kept]


def check_holding(holding: Sequence[int]) -> None:
    """Raise InvalidInputError unless these can be task ids."""
    if len(holding) > MAX_HOLDING or not all(0 <= task_id <= _MAX_ID for task_id in holding):
        raise InvalidInputError("`holding` must be a short list of task ids.")


def heartbeat(*, access: Access, holding: Sequence[int]) -> list[int]:
    """Renew the leases of an open page; return the tasks that the page should drop."""
    check_holding(holding)
    with one_writer():
        return renew(access=access, holding=holding)


def release_leases(*, user: User, project: Project | None = None) -> int:
    """Free the tasks that this person holds (deactivated, or out of the project)."""
    with one_writer():
        held = Task.objects.filter(lease_user=user, state=Task.State.OPEN)
        if project is not None:
            held = held.filter(project=project)
        return held.update(lease_user=None, lease_until=None)


def lease_end(now: datetime | None = None) -> datetime:
    """Return when a lease that starts now is over."""
    return (now or timezone.now()) + timedelta(seconds=LEASE_SECONDS)


def _claim_free(access: Access, count: int, holding: Sequence[int], *, skipped: bool) -> list[Held]:
    """Claim tasks that are free, or this person's own; with `skipped` also what they skipped."""
    now = timezone.now()
    me = access.user.pk
    where = "t.project_id = %s AND t.state = 'open'"
    where += " AND (t.lease_until IS NULL OR t.lease_until < %s OR t.lease_user_id = %s)"
    params: list[Any] = [access.project.pk, _database_time(now), me]
    if holding:
        where += f" AND t.id NOT IN ({', '.join(['%s'] * len(holding))})"
        params += holding
    if not skipped:
        where += (
            f" AND NOT EXISTS (SELECT 1 FROM {Answer._meta.db_table} a WHERE a.task_id = t.id"  # noqa: S608 - a constant name
            " AND a.user_id = %s AND a.kind = 'skip' AND a.superseded_by IS NULL)"
        )
        params.append(me)
    return _lease(access, f"{where} ORDER BY t.rank LIMIT %s", [*params, count], now)


def _take_over(access: Access, count: int) -> list[Held]:
    """At a batch's tail, take tasks that others prefetched but do not have on screen.

    The task with the lowest rank of each holder counts as the one on screen: pages show their
    tasks in rank order.
    """
    now = timezone.now()
    moment = _database_time(now)
    table = Task._meta.db_table
    where = (  # only the table's name is put in
        "t.project_id = %s AND t.state = 'open' AND t.lease_user_id <> %s AND t.lease_until >= %s"  # noqa: S608 - a constant name
        f" AND EXISTS (SELECT 1 FROM {table} o WHERE o.project_id = t.project_id"
        " AND o.state = 'open' AND o.lease_user_id = t.lease_user_id AND o.lease_until >= %s"
        " AND o.rank < t.rank) ORDER BY t.rank DESC LIMIT %s"
    )
    params = [access.project.pk, access.user.pk, moment, moment, count]
    return _lease(access, where, params, now)


def _lease(access: Access, where: str, params: list[Any], now: datetime) -> list[Held]:
    """Lease the tasks `t` that the condition selects, in one statement."""
    table = Task._meta.db_table
    lease = [access.user.pk, _database_time(lease_end(now))]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                f"WITH c AS MATERIALIZED (SELECT t.id FROM {table} t WHERE {where}"  # noqa: S608 - constant names
                f" FOR UPDATE SKIP LOCKED) UPDATE {table} u SET lease_user_id = %s,"
                " lease_until = %s FROM c WHERE u.id = c.id"
                " RETURNING u.id, u.image_id, u.batch_id, u.rank",
                [*params, *lease],
            )
        else:
            cursor.execute(
                f"UPDATE {table} SET lease_user_id = %s, lease_until = %s WHERE id IN"  # noqa: S608 - constant names
                f" (SELECT t.id FROM {table} t WHERE {where})"
                " RETURNING id, image_id, batch_id, rank",
                [*lease, *params],
            )
        held = [Held(*row) for row in cursor.fetchall()]
    return sorted(held, key=lambda task: task.rank)


def _database_time(moment: datetime) -> Any:
    """Return the time as this database stores it (SQLite: text in UTC without a zone)."""
    return connection.ops.adapt_datetimefield_value(moment)
