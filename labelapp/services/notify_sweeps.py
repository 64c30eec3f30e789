"""News that no event tells of: the budget, the reviewers' queue, a worker that is missing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, Min, OuterRef, Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from labelapp.models import (
    Delivery,
    Job,
    Notification,
    NotifyCursor,
    Project,
    ProjectCounter,
    Review,
    Webhook,
)
from labelapp.queue import worker_alive
from labelapp.services.notify_tell import News, tell

WORKER_PATIENCE = timedelta(minutes=2)
KEEP_NEWS = timedelta(days=90)
KEEP_DELIVERIES = timedelta(days=30)
MOST_DELIVERIES = 1_000  # of one webhook
TRY_FOR = timedelta(days=1)
LIVE = (Project.Status.RUNNING, Project.Status.PAUSED)
Memory = dict[str, Any]


@dataclass
class _Sweep:
    """Something to look at every so often."""

    seconds: float
    do: Callable[[], object]
    due: float = 0.0


def do_due() -> None:
    """Do the sweeps whose time has come, in this process."""
    for sweep in _SWEEPS:
        if time.monotonic() >= sweep.due:
            sweep.due = time.monotonic() + sweep.seconds
            sweep.do()


# --- budget --------------------------------------------------------------------------------------


def look_at_budgets() -> int:
    """Tell where spending has passed a share of the budget; each level once per budget."""
    rows = ProjectCounter.objects.filter(project__budget__gt=0, project__status__in=LIVE)
    memories, told = _memories(), 0
    for counter in rows.select_related("project"):
        budget = counter.project.budget or 0
        spent = counter.label_spend + counter.compute_spend
        used = float(spent / budget)
        level = 1.0 if used >= 1 else counter.project.notify_budget
        known = _told_level(memories.get(counter.project_id, {}), float(budget))
        if used >= level > known:
            told += _tell_budget(counter.project, level, float(spent), float(budget))
    return told


def _tell_budget(project: Project, level: float, spent: float, budget: float) -> int:
    with transaction.atomic():
        memory = _locked(project.pk)
        if _told_level(memory, budget) >= level:
            return 0
        _remember(project.pk, memory | {"budget": {"of": budget, "level": level}})
        facts = {"level": level, "spent": spent, "budget": budget, "currency": project.currency}
        key = f"{project.public_id}:budget:{budget:.6f}:{level:g}"
        return tell(project, News("budget", key, facts))


def _told_level(memory: Memory, budget: float) -> float:
    """Return which share was told of this budget; another budget starts anew."""
    told = memory.get("budget") or {}
    return float(told.get("level", 0)) if told.get("of") == budget else 0.0


# --- reviews -------------------------------------------------------------------------------------


def look_at_reviews() -> int:
    """Tell the reviewers where their queue was empty and is not any more."""
    waiting = Review.objects.filter(project=OuterRef("pk"), state=Review.State.OPEN)
    projects = Project.objects.exclude(
        status__in=[Project.Status.SETUP, Project.Status.DELETING]
    ).filter(archived_at=None)
    memories, told = _memories(), 0
    for project_id, waits in projects.annotate(waits=Exists(waiting)).values_list("pk", "waits"):
        if bool(memories.get(project_id, {}).get("review")) != waits:
            told += _tell_reviews(Project.objects.get(pk=project_id), waits=waits)
    return told


def _tell_reviews(project: Project, *, waits: bool) -> int:
    with transaction.atomic():
        memory = _locked(project.pk)
        if bool(memory.get("review")) == waits:
            return 0
        now = timezone.now().isoformat()
        _remember(project.pk, memory | {"review": now if waits else ""})
        if not waits:
            return 0
        return tell(project, News("review_waiting", f"{project.public_id}:review:{now}", {}))


# --- workers -------------------------------------------------------------------------------------


def look_for_workers() -> int:
    """Tell where jobs wait and no worker lives; once one does, say so where it was missing.

    The worker calls this for the second half; the web process for the first (labelapp.live.watch).
    """
    if worker_alive():
        return _workers_are_back()
    late = timezone.now() - WORKER_PATIENCE
    due = Q(not_before__isnull=True) | Q(not_before__lte=late)
    waiting = Job.objects.filter(due, state=Job.State.WAITING, created__lte=late)
    rows = (
        waiting.filter(project__isnull=False)
        .values("project_id")
        .annotate(jobs=Count("pk"), since=Min("created"))
    )
    return sum(_tell_missing(row["project_id"], row["jobs"], row["since"]) for row in rows)


def _tell_missing(project_id: int, jobs: int, since: datetime) -> int:
    with transaction.atomic():
        project = Project.objects.filter(pk=project_id).exclude(status=Project.Status.DELETING)
        here, memory = project.first(), _locked(project_id)
        if here is None or memory.get("worker"):
            return 0
        key = f"{here.public_id}:worker:{timezone.now().isoformat()}"
        _remember(project_id, memory | {"worker": {"key": key, "since": since.isoformat()}})
        return tell(here, News("worker_missing", key, {"jobs": jobs, "since": since.isoformat()}))


def _workers_are_back() -> int:
    missing = NotifyCursor.objects.filter(memory__has_key="worker").values_list("pk", flat=True)
    for project_id in list(missing):
        _close_missing(project_id)
    return 0


def _close_missing(project_id: int) -> None:
    """End the news that a worker is missing: it says so, is read, and no mail goes out for it."""
    with transaction.atomic():
        memory = _locked(project_id)
        gone = memory.pop("worker", None)
        if gone is None:
            return
        _remember(project_id, memory)
        now = timezone.now()
        since = parse_datetime(str(gone["since"])) or now
        payload = {"recovered": now.isoformat(), "seconds": (now - since).total_seconds()}
        rows = Notification.objects.filter(project_id=project_id, key=gone["key"])
        rows.update(payload=payload)
        rows.filter(read_at=None).update(read_at=now)
        rows.filter(mail=Notification.Mail.WAITING).update(mail=Notification.Mail.NO)


# --- what is kept --------------------------------------------------------------------------------


def forget_old() -> None:
    """Delete read news after 90 days and deliveries after 30, at most 1,000 of one webhook."""
    now = timezone.now()
    Notification.objects.filter(read_at__lt=now - KEEP_NEWS).delete()
    waiting = Delivery.objects.filter(state=Delivery.State.WAITING)
    late = waiting.filter(created__lt=now - TRY_FOR, next_try__lt=now - TRY_FOR)  # switched off
    late.update(state=Delivery.State.FAILED, error="old|")
    over = Delivery.objects.exclude(state=Delivery.State.WAITING)
    over.filter(created__lt=now - KEEP_DELIVERIES).delete()
    for hook in Webhook.objects.values_list("pk", flat=True):
        rows = over.filter(webhook_id=hook).order_by("-pk").values_list("pk", flat=True)
        oldest = rows[MOST_DELIVERIES : MOST_DELIVERIES + 1].first()
        if oldest is not None:
            over.filter(webhook_id=hook, pk__lte=oldest).delete()


def _memories() -> dict[int, Memory]:
    """Return what is remembered of every project, in one query."""
    return dict(NotifyCursor.objects.values_list("pk", "memory"))


def _locked(project_id: int) -> Memory:
    """Return what the project's news compare with; nobody else changes it until the commit."""
    NotifyCursor.objects.get_or_create(project_id=project_id)
    row = NotifyCursor.objects.select_for_update().get(pk=project_id)
    return dict(row.memory)


def _remember(project_id: int, memory: Memory) -> None:
    NotifyCursor.objects.filter(pk=project_id).update(memory=memory)


_SWEEPS = [
    _Sweep(10.0, look_at_budgets),
    _Sweep(10.0, look_for_workers),
    _Sweep(60.0, look_at_reviews),
    _Sweep(3_600.0, forget_old),
]
