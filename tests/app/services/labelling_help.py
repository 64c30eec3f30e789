"""What the labelling tests share."""

from __future__ import annotations

import uuid

from django.db import connection

from labelapp.models import Project, User
from labelapp.selectors.projects import Access, access
from labelapp.services.labelling import Work
from labelapp.services.leases import task_token


def entry(project: Project, user: User) -> Access:
    """Return the access of this person."""
    return access(user, project.public_id)


def answer(who: Access, task_id: int, kind: str = "class", **changes: object) -> dict[str, object]:
    """Return an answer as the page sends it; `changes` override its fields."""
    return {
        "id": str(uuid.uuid4()),
        "task": task_id,
        "token": task_token(task_id=task_id, user_id=who.user.pk, project_id=who.project.pk),
        "kind": kind,
        "class": 1 if kind == "class" else None,
        "active_ms": 900,
        "how": "key",
        "guideline_version": 0,
        **changes,
    }


def ids(work: Work) -> list[int]:
    """Return the ids of the tasks that are now this person's."""
    return [held.task_id for held in work.held]


def query_plan(statement: str) -> str:
    """Return how SQLite runs a statement; PostgreSQL's plans depend on its statistics."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
        return str(cursor.fetchall())
