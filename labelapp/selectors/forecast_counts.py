"""How many images each class has, by people and by machine, without aggregating every label at once.

A request looks at so many labels in the order of their numbers and keeps what it counted; the
next goes on where it ended. A whole count stays until labels have changed, and is then made anew
at the most every few seconds. At 1,000,000 labels it takes some forty requests (docs/forecast.md).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection
from django.utils import timezone

from labelapp.models import Label, Project, ProjectCounter

PART = 25_000  # labels that a request looks at first; later ones by how long that took
LEAST, MOST = 2_000, 100_000  # and what it looks at in any case, and at most
SECONDS = 0.04  # what a request may spend on counting
AGAIN = 3.0  # seconds; a count that took long is made anew later still
_KEPT = 64
_KNOWN: OrderedDict[int, _Known] = OrderedDict()

Table = dict[tuple[int, str], int]
"""Images by (class index, source of the label)."""


@dataclass(frozen=True)
class Counts:
    """What was counted. `seen` of about `of` labels; `at` is when the count was whole."""

    table: Table
    seen: int
    of: int
    at: datetime | None

    @property
    def whole(self) -> bool:
        """Every label was counted."""
        return self.at is not None

    def of_class(self, index: int, source: str) -> int:
        """Return the images of a class whose label is by people ("human") or the machine."""
        return self.table.get((index, source), 0)


@dataclass
class _Known:
    """The last whole count, and the one that is under way."""

    version: object = None
    whole: Table = field(default_factory=dict)
    at: datetime | None = None
    seconds: float = 0.0
    due: float = 0.0
    part: Table | None = None
    place: int = -1
    size: int = 0  # labels that the next request looks at; 0: nothing is known yet
    begun: object = None


def forget() -> None:
    """Forget all counts (tests)."""
    _KNOWN.clear()


def counts(project: Project, counter: ProjectCounter) -> Counts:
    """Return the images by class, counting on where the last request ended."""
    known = _KNOWN.setdefault(project.pk, _Known())
    _KNOWN.move_to_end(project.pk)
    while len(_KNOWN) > _KEPT:
        _KNOWN.popitem(last=False)
    version = (counter.answers, counter.event_seq, counter.machine)
    stale = known.at is None or (known.version != version and time.monotonic() >= known.due)
    if known.part is None and stale:
        known.part, known.place, known.begun, known.seconds = {}, -1, version, 0.0
    if known.part is not None:
        _count_on(project.pk, known)
    if known.at is not None:
        return Counts(known.whole, sum(known.whole.values()), labelled(counter), known.at)
    part = known.part or {}
    return Counts(part, sum(part.values()), labelled(counter), None)


def labelled(counter: ProjectCounter) -> int:
    """Return about how many labels there are."""
    people = counter.test + counter.train + counter.ahead + counter.audit + counter.residual
    return people + counter.machine


def _count_on(project_id: int, known: _Known) -> None:
    """Look at the next labels; the last of them make the count whole."""
    begin, size = time.monotonic(), known.size or PART
    rows = _part(project_id, known.place, size)
    part, seen = {} if known.part is None else known.part, 0
    for index, source, number, last in rows:
        part[index, source] = part.get((index, source), 0) + number
        known.place, seen = max(known.place, last), seen + number
    took = time.monotonic() - begin
    known.seconds += took
    if seen < size:
        known.whole, known.at, known.version = part, timezone.now(), known.begun
        known.due = time.monotonic() + max(AGAIN, 20 * known.seconds)
        known.part = None
    else:
        known.part, known.size = part, suited(size, took)


def suited(size: int, took: float) -> int:
    """Return how many labels take `SECONDS` where `size` took so long; at most four times more."""
    return max(LEAST, min(MOST, 4 * size, int(size * SECONDS / max(took, 1e-4))))


def _part(project_id: int, place: int, size: int) -> list[tuple[int, str, int, int]]:
    """Return (class, source, labels, largest seq) of the next labels by seq: one index range."""
    table = Label._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT class_index, source, COUNT(*), MAX(seq) FROM ("  # noqa: S608 - names of ours
            f"SELECT class_index, source, seq FROM {table}"
            " WHERE project_id = %s AND seq > %s ORDER BY seq LIMIT %s"
            ") AS labels GROUP BY class_index, source",
            [project_id, place, size],
        )
        return [(int(a), str(b), int(c), int(d)) for a, b, c, d in cursor.fetchall()]
