"""Events become news: read once per project behind its NotifyCursor, told in one transaction.

Whoever moves the cursor (a conditional update) tells; a crash before the commit leaves cursor and
news as they were, so nothing is lost and nothing told twice, however many workers there are.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from labelapp.models import Event, Export, Import, Iteration, NotifyCursor, Project
from labelapp.selectors.notices import QUIET_EVENTS
from labelapp.services import notify_steering
from labelapp.services.notify_tell import News, deliver, tell

MOST_EVENTS = 500  # of one project at a time
NEWS_AGE = timedelta(days=2)  # older events are history: nobody is told
Memory = dict[str, Any]

_seen: dict[int, int] = {}
"""Up to which event this process found nothing to tell: saves reading them each second."""


def make_news() -> int:
    """Tell what happened since last time; return to how many people. One query when idle.

    What fails in one project is raised when the others have heard: it must not hold them up.
    """
    behind = [row for row in _behind() if _seen.get(row[0], -1) < row[2]]
    told, problem = 0, None
    for row in behind:
        try:
            told += _catch_up(*row)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised below
            problem = error
    if problem is not None:
        raise problem
    return told


def _behind() -> list[tuple[int, int, int]]:
    """Return (project, told up to, newest event) of the projects whose counter has moved."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.project_id, COALESCE(n.seq, 0), c.event_seq"
            " FROM labelapp_projectcounter c"
            " LEFT JOIN labelapp_notifycursor n ON n.project_id = c.project_id"
            " WHERE c.event_seq > COALESCE(n.seq, 0)"
        )
        return [(int(a), int(b), int(c)) for a, b, c in cursor.fetchall()]


def _catch_up(project_id: int, since: int, top: int) -> int:
    found = Event.objects.filter(project_id=project_id, seq__gt=since).order_by("seq")
    events = list(found.exclude(type__in=QUIET_EVENTS)[:MOST_EVENTS])
    if not events:
        _seen[project_id] = top  # the cursor stays: no write each second while a training runs
        return 0
    with transaction.atomic():
        cursor = _take(project_id, since, events[-1].seq)
        if cursor is None:
            return 0
        project = Project.objects.filter(pk=project_id).exclude(status=Project.Status.DELETING)
        here = project.first()
        told = sum(_tell_of(here, event, cursor.memory) for event in events) if here else 0
        NotifyCursor.objects.filter(pk=project_id).update(memory=cursor.memory)
    return told


def _take(project_id: int, since: int, last: int) -> NotifyCursor | None:
    """Move the cursor; None if another worker has moved it. Holds its row until the commit."""
    NotifyCursor.objects.get_or_create(project_id=project_id)
    behind = NotifyCursor.objects.filter(pk=project_id, seq=since)
    if not behind.update(seq=last):
        return None
    return NotifyCursor.objects.get(pk=project_id)


def _tell_of(project: Project, event: Event, memory: Memory) -> int:
    if timezone.now() - event.created > NEWS_AGE:
        return 0
    key = f"{project.public_id}:{event.seq}"
    deliver(project, event.type, f"{key}:event", event.payload)
    make = _NEWS.get(event.type)
    news = make(project, event, key, memory) if make else None
    return tell(project, news) if news else 0


Maker = Callable[[Project, Event, str, Memory], News | None]


def _batch_opened(_project: Project, event: Event, key: str, _memory: Memory) -> News | None:
    size = int(event.payload.get("size") or 0)
    return News("batch_ready", f"{key}:batch_ready", {"size": size}) if size else None


def _run_finished(_project: Project, event: Event, key: str, _memory: Memory) -> News:
    return News("run_finished", f"{key}:run_finished", event.payload)


def _run_failed(_project: Project, event: Event, key: str, _memory: Memory) -> News:
    return News("run_failed", f"{key}:run_failed", event.payload)


def _training_failed(_project: Project, event: Event, key: str, _memory: Memory) -> News | None:
    """Tell of the first attempt; of the last one `run.failed` speaks."""
    if int(event.payload.get("attempt") or 1) > 1:
        return None
    return News("training_failed", f"{key}:training_failed", event.payload)


def _plan_updated(project: Project, event: Event, key: str, memory: Memory) -> News | None:
    """Compare with the forecast last told, so that small steps add up and nothing flaps."""
    number = event.payload.get("iteration")
    plans = Iteration.objects.filter(run__project=project, plan__isnull=False)
    if number is not None:
        plans = plans.filter(number=number)
    star = (plans.order_by("-number").values_list("plan", flat=True).first() or {}).get("c_star")
    if not star:
        return None
    after = float(star["value"])
    before = memory.get("total")
    if before is not None and abs(after - before) <= project.notify_move * abs(before):
        return None
    memory["total"] = after
    if before is None:
        return None
    payload = {
        "before": before,
        "after": after,
        "low": float(star["low80"]),
        "high": float(star["high80"]),
        "iteration": number,
        "currency": project.currency,
    }
    return News("forecast_moved", f"{key}:forecast_moved", payload)


def _import_finished(_project: Project, event: Event, key: str, _memory: Memory) -> News | None:
    if event.payload.get("state") == "cancelled":
        return None  # by somebody, who knows
    asker = Import.objects.filter(pk=event.payload.get("import")).values_list(
        "created_by", flat=True
    )
    return News("import_finished", f"{key}:import_finished", event.payload, asker.first())


def _export_finished(_project: Project, event: Event, key: str, _memory: Memory) -> News:
    asker = Export.objects.filter(pk=event.payload.get("export")).values_list(
        "created_by", flat=True
    )
    return News("export_finished", f"{key}:export_finished", event.payload, asker.first())


_NEWS: dict[str, Maker] = {
    "batch.opened": _batch_opened,
    "run.finished": _run_finished,
    "run.failed": _run_failed,
    "training.failed": _training_failed,
    "plan.updated": _plan_updated,
    "import.finished": _import_finished,
    "export.finished": _export_finished,
    **dict.fromkeys(notify_steering.EVENTS, notify_steering.steered),
}
