"""News of steering: what somebody asked of a run is told to everybody else who may steer it.

Who it was is looked up here, since events name nobody: webhooks send them on. So people are told
the name, and other systems are not.
"""

from __future__ import annotations

from typing import Any

from labelapp.models import AuditLog, Event, Import, Project, SteeringAction, User
from labelapp.services.notify_tell import News

EVENTS = ("run.steered", "run.changed", "classes.changed", "images.added")


def steered(project: Project, event: Event, key: str, _memory: dict[str, Any]) -> News:
    """Return the news of a step of steering, or of one that was taken back."""
    action = _action(project, event)
    user = _asker(project, event, action)
    payload = {"event": event.type, **event.payload, "currency": project.currency}
    undone = bool(event.payload.get("undone"))
    total = None if action is None or undone else action.said.get("total")
    if total is not None:
        payload["total"] = total
    return News(
        "run_steered",
        f"{key}:run_steered",
        payload,
        but_not=user.pk if user else None,
        besides={"by": str(user)} if user else {},
    )


def _action(project: Project, event: Event) -> SteeringAction | None:
    """Return the step that the event tells of; None where it names none."""
    found = SteeringAction.objects.filter(project=project, pk=event.payload.get("id"))
    return found.select_related("user", "undone_by").first()


def _asker(project: Project, event: Event, action: SteeringAction | None) -> User | None:
    """Return who did it. Terms are in the audit log, written just before the event."""
    if action is not None:
        return action.undone_by if event.payload.get("undone") else action.user
    if event.type == "images.added":
        imports = Import.objects.filter(project=project, state=Import.State.DONE)
        newest = imports.select_related("created_by").order_by("-finished", "-pk").first()
        return newest.created_by if newest else None
    entries = AuditLog.objects.filter(project=project, action=event.type)
    before = entries.filter(created__lte=event.created).select_related("user")
    entry = before.order_by("-id").first()
    return entry.user if entry else None
