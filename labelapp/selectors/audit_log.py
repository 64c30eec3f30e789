"""The audit log, newest first: by project for who may read it, or all of it for the owner."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from labelapp.formats.csv_labels import escape
from labelapp.models import AuditLog, Project, User
from labelapp.selectors.audit_words import FAMILIES, action_words, changes, target_words

PAGE = 50
CHUNK = 1_000
COLUMNS = ["id", "created", "person", "email", "project", "action", "target"]
COLUMNS += ["before", "after", "token"]


@dataclass(frozen=True)
class Narrowed:
    """What of the log is asked for; empty fields narrow nothing."""

    person: int | None = None
    family: str = ""
    day: date | None = None


@dataclass(frozen=True)
class Line:
    """One entry, ready to be shown."""

    id: int
    who: str
    email: str
    words: str
    target: str
    changes: list[str]
    created: datetime
    token: str
    project: str
    action: str


def log(project: Project | None, narrowed: Narrowed) -> QuerySet[AuditLog]:
    """Return the entries of a project, or of all with those of the installation for None."""
    found = AuditLog.objects.select_related("user", "project").order_by("-id")
    if project is not None:
        found = found.filter(project=project)
    if narrowed.person is not None:
        found = found.filter(user_id=narrowed.person)
    if narrowed.family in FAMILIES:
        starts = Q()
        for start in FAMILIES[narrowed.family][1]:
            starts |= Q(action__startswith=start)
        found = found.filter(starts)
    if narrowed.day is not None:
        morning = datetime.combine(narrowed.day, time(), tzinfo=UTC)
        found = found.filter(created__gte=morning, created__lt=morning + timedelta(days=1))
    return found


def page(entries: QuerySet[AuditLog], before: int | None) -> tuple[list[Line], int | None]:
    """Return the entries older than the entry `before`, and where the next page begins."""
    rows = list((entries.filter(id__lt=before) if before else entries)[: PAGE + 1])
    return [line(row) for row in rows[:PAGE]], rows[PAGE - 1].pk if len(rows) > PAGE else None


def line(entry: AuditLog) -> Line:
    """Return an entry in words; without a person, the product itself did it."""
    return Line(
        id=entry.pk,
        who=str(entry.user) if entry.user else "",
        email=entry.user.email if entry.user else "",
        words=action_words(entry.action),
        target=target_words(entry),
        changes=changes(entry),
        created=entry.created,
        token=entry.token,
        project=entry.project.name if entry.project else "",
        action=entry.action,
    )


def people_of(project: Project | None) -> QuerySet[User]:
    """Return the people that the page can be narrowed to."""
    found = User.objects.order_by("display_name", "email")
    return found.filter(memberships__project=project) if project is not None else found[:500]


def csv_chunks(entries: QuerySet[AuditLog]) -> Iterator[bytes]:
    """Yield the log as CSV, newest first, in pieces."""
    lines = _Written()
    writer = csv.writer(lines)
    writer.writerow(COLUMNS)
    for rows in _chunks(entries):
        for row in rows:
            values = record(row)
            writer.writerow([escape(_cell(values[name])) for name in COLUMNS])
        yield lines.taken()
    yield lines.taken()


def json_chunks(entries: QuerySet[AuditLog]) -> Iterator[bytes]:
    """Yield the log as a JSON list, newest first, in pieces."""
    first = True
    yield b"["
    for rows in _chunks(entries):
        texts = [json.dumps(record(row), ensure_ascii=False) for row in rows]
        yield (("" if first else ",") + "\n" + ",\n".join(texts)).encode()
        first = False
    yield b"\n]\n"


def record(entry: AuditLog) -> dict[str, Any]:
    """Return an entry as programs get it: codes, not words."""
    return {
        "id": entry.pk,
        "created": entry.created.isoformat(),
        "person": str(entry.user) if entry.user else "",
        "email": entry.user.email if entry.user else "",
        "project": entry.project.public_id if entry.project else "",
        "action": entry.action,
        "target": entry.target,
        "before": entry.before,
        "after": entry.after,
        "token": entry.token,
    }


def _chunks(entries: QuerySet[AuditLog]) -> Iterator[list[AuditLog]]:
    last = None
    while rows := list((entries.filter(id__lt=last) if last else entries)[:CHUNK]):
        yield rows
        last = rows[-1].pk


def _cell(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


class _Written:
    """Keeps what the CSV writer wrote until it is taken."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def write(self, text: str) -> None:
        self.parts.append(text)

    def taken(self) -> bytes:
        text, self.parts = "".join(self.parts), []
        return text.encode()
