"""The stored report of a project's people: read as it is, never computed for a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from labelapp.models import AuditLog, Job, PeopleReport, Project

LIVE = (Job.State.WAITING, Job.State.RUNNING)


@dataclass(frozen=True)
class ConsensusState:
    """The last computation of labels with several answers; `images` None before the first.

    `failure` says in words why the newest one came to nothing; `cancelled`: somebody ended it.
    """

    running: bool
    failure: str
    cancelled: bool
    images: int | None
    changed: int


def report(project: Project) -> dict[str, Any] | None:
    """Return the newest report (docs/people.md), None before the first."""
    found = PeopleReport.objects.filter(project=project).values_list("content", flat=True).first()
    return None if found is None else dict(found)


def pending(project: Project) -> bool:
    """Tell whether a report is being made or waits for the worker."""
    return Job.objects.filter(key=f"people:{project.pk}", state__in=LIVE).exists()


def consensus_state(project: Project) -> ConsensusState:
    """Return how the last computation of labels with several answers ended, or that one runs."""
    newest = Job.objects.filter(project=project, kind="consensus").order_by("-pk").first()
    entries = AuditLog.objects.filter(project=project, action="consensus.computed").order_by("-pk")
    last = entries.values_list("after", flat=True).first() or {}
    failed = newest is not None and newest.state == Job.State.FAILED
    return ConsensusState(
        running=newest is not None and newest.state in LIVE,
        failure=newest.message if newest is not None and failed else "",
        cancelled=newest is not None and newest.state == Job.State.CANCELLED,
        images=last.get("images"),
        changed=int(last.get("changed") or 0),
    )
