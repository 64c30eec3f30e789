"""Who holds which task, and for how long: leases, heartbeats, release.

A lease that is over needs no sweeper: the next claim (`services.claims`) simply takes the task.
Labelling works while the worker is dead.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

from labelapp.errors import ForbiddenError, InvalidInputError
from labelapp.models import LabelBatch, Project, Task, User
from labelapp.rights import Right
from labelapp.selectors.projects import Access
from labelapp.selectors.rows import prepared

LEASE_SECONDS = 90
MAX_HOLDING = 200
SKIP_KEPT = timedelta(hours=1)  # "back to me": for so long nobody else is asked, but at the tail
HELD_STATES = "'open', 'expert', 'assigned'"

_MAX_ID = 2**63 - 1
_WRITER = threading.RLock()
_FREED = [Task.State.OPEN, Task.State.EXPERT]  # gold and what was sent back waits for its person
_HELD = [*_FREED, Task.State.ASSIGNED]
NO_LEASE = {"lease_user": None, "lease_until": None, "lease_since": None, "lease_soft": True}


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


def renew(*, access: Access, holding: Sequence[int], on_screen: int | None = None) -> list[int]:
    """Renew this person's leases on these tasks and return the ids of those that are lost.

    The lease on the task `on_screen` becomes hard, all others soft: those may be taken over at a
    batch's tail. A lease that is over but that nobody took is renewed too. Call inside
    `one_writer()`.
    """
    if not holding:
        return []
    table, marks = Task._meta.db_table, ", ".join(["%s"] * len(holding))
    mine = (
        f"id IN ({marks}) AND project_id = %s AND lease_user_id = %s AND state IN ({HELD_STATES})"
    )
    if connection.vendor == "postgresql":  # in one order, as whoever else locks several tasks
        mine = f"id IN (SELECT id FROM {table} WHERE {mine} ORDER BY id FOR UPDATE)"  # noqa: S608 - a constant name
    with prepared() as cursor:
        cursor.execute(
            f"UPDATE {table} SET lease_until = %s,"  # noqa: S608 - a constant name
            f" lease_soft = CASE WHEN id = %s THEN %s ELSE %s END WHERE {mine} RETURNING id",
            [
                database_time(lease_end()),
                on_screen if on_screen in holding else -1,
                False,
                True,
                *holding,
                access.project.pk,
                access.user.pk,
            ],
        )
        kept = {row[0] for row in cursor.fetchall()}
    return [task_id for task_id in holding if task_id not in kept]


def check_holding(holding: Sequence[int]) -> None:
    """Raise InvalidInputError unless these can be task ids."""
    if len(holding) > MAX_HOLDING or not all(0 <= task_id <= _MAX_ID for task_id in holding):
        raise InvalidInputError("`holding` must be a short list of task ids.")


def heartbeat(*, access: Access, holding: Sequence[int], on_screen: int | None = None) -> list[int]:
    """Renew the leases of an open page; return the tasks that the page should drop."""
    check_holding(holding)
    with one_writer():
        return renew(access=access, holding=holding, on_screen=on_screen)


def release_leases(*, user: User, project: Project | None = None) -> int:
    """Free the tasks that this person holds (deactivated, paused, or out of the project).

    What waits for nobody else is locked too: the caller may take it back, and then change the
    membership, without crossing an answer of this person.
    """
    with one_writer():
        held = Task.objects.filter(lease_user=user, state__in=_HELD)
        if project is not None:
            held = held.filter(project=project)
        _lock(held)
        return held.filter(state__in=_FREED).update(**NO_LEASE)


def release(
    *, access: Access, task_ids: Sequence[int] | None = None, user_id: int | None = None
) -> int:
    """Free these tasks, or all of one person, or with neither all whose lease is over.

    The holder's page learns of it with its next request (`lost`); an answer that is on its way is
    taken all the same. Returns how many were freed. Raises ForbiddenError.
    """
    if not access.may(Right.STEER):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    held = Task.objects.filter(project=access.project, state__in=_FREED, lease_user__isnull=False)
    if task_ids is not None:
        check_holding(task_ids)
        held = held.filter(pk__in=task_ids)
    if user_id is not None:
        held = held.filter(lease_user_id=user_id)
    if task_ids is None and user_id is None:
        held = held.filter(lease_until__lt=timezone.now())
    with one_writer():
        _lock(held)
        return held.update(**NO_LEASE)


def _lock(tasks: QuerySet[Task]) -> None:
    """Lock tasks in the order in which answers lock them (PostgreSQL).

    The order is: batches by id, tasks by id, the membership, the counters. An answer locks the
    tasks on its page after its own ones; it waits for the batch, so with empty hands.
    """
    if connection.vendor != "postgresql":
        return
    batches = LabelBatch.objects.filter(pk__in=tasks.values("batch_id")).order_by("pk")
    list(batches.select_for_update().values_list("pk"))
    list(tasks.order_by("pk").select_for_update(of=("self",)).values_list("pk"))


def lease_end(now: datetime | None = None) -> datetime:
    """Return when a lease that starts now is over."""
    return (now or timezone.now()) + timedelta(seconds=LEASE_SECONDS)


def database_time(moment: datetime) -> Any:
    """Return the time as this database stores it (SQLite: text in UTC without a zone)."""
    return connection.ops.adapt_datetimefield_value(moment)
