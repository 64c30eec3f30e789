"""The audit log: who did what, written in the transaction of the change."""

from __future__ import annotations

from typing import Any

from labelapp.models import AuditLog, Project, User


def write(
    *,
    user: User | None,
    project: Project | None,
    action: str,
    target: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditLog:
    """Append one entry; call it inside the transaction that makes the change."""
    return AuditLog.objects.create(
        user=user,
        project=project,
        action=action,
        target=target[:200],
        before=before or {},
        after=after or {},
        token=user.by_token.prefix if user is not None and user.by_token else "",
    )
