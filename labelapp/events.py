"""Typed run events: recorded in the transaction of the change, read by whoever tails the table.

The number comes from ProjectCounter (UPDATE ... RETURNING), so numbers are gapless per project
and appear in commit order: call `record` as the LAST statement of a transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import connection, transaction

from labelapp.models import Event, ProjectCounter

EVENT_TYPES: dict[str, str] = {
    "project.created": "the project exists",
    "project.changed": "name, prices, target, classes or guidelines changed",
    "project.archived": "archived, or brought back",
    "people.changed": "somebody joined, left, or has another role",
    "person.paused": "somebody gets no tasks: by a manager, or by the project's gold rule",
    "person.resumed": "a paused person gets tasks again",
    "review.drawn": "images were drawn at random for the reviewers",
    "import.progress": "an import added images",
    "import.finished": "an import ended (done, failed, or cancelled)",
    "run.started": "the engine runs",
    "run.paused": "no new tasks are given out",
    "run.resumed": "tasks are given out again",
    "run.changed": "prices, target or budget changed while it runs",
    "run.steered": "a manager stopped, re-opened or turned the run, or took that back",
    "images.added": "images joined a project that was already running",
    "classes.changed": "classes were added or merged while it runs",
    "run.failed": "the engine cannot go on by itself",
    "batch.opened": "people are asked for labels",
    "batch.closed": "all labels of a batch are in",
    "training.started": "a training began",
    "training.progress": "a training went on",
    "training.finished": "a training ended and was measured",
    "training.failed": "a training ended with an error",
    "plan.updated": "curves refitted, a new plan made",
    "machine.labelled": "machine labels are stored, with their certificate",
    "run.finished": "every image has its label",
    "consensus.computed": "labels of images with several answers follow the chosen method",
    "people.measured": "a report of the people's agreement and error was made",
    "labels.changed": "labels were changed or sent to review in the browser of images",
    "issues.found": "a search for likely label errors ended",
    "curation.changed": "a search for the best training set began, ended, or was deleted",
    "export.finished": "an export can be downloaded, or failed",
}
"""Every type with what it says; docs/events.md repeats it, and a test compares the two."""


def record(project_id: int, type_: str, payload: dict[str, Any] | None = None) -> int:
    """Append one event inside the caller's transaction and return its number.

    Raises KeyError for a type that EVENT_TYPES does not name.
    """
    if type_ not in EVENT_TYPES:
        raise KeyError(type_)
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("events are recorded inside a transaction")
    seq = _next_seq(project_id)
    Event.objects.create(project_id=project_id, seq=seq, type=type_, payload=payload or {})
    transaction.on_commit(partial(_committed, project_id), robust=True)
    return seq


hearers: list[Callable[[int], None]] = []
"""Called with the project's key after each commit: whatever wakes up who waits for events."""


def _committed(project_id: int) -> None:
    for hear in hearers:
        hear(project_id)


def _next_seq(project_id: int) -> int:
    table = ProjectCounter._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET event_seq = event_seq + 1"  # noqa: S608 - a constant name
            " WHERE project_id = %s RETURNING event_seq",
            [project_id],
        )
        row = cursor.fetchone()
    if row is None:
        raise ProjectCounter.DoesNotExist(f"project {project_id} has no counter row")
    return int(row[0])
