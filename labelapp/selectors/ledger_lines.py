"""The ledger entry by entry, for programs: a bounded page after a known entry."""

from __future__ import annotations

from typing import Any

from labelapp.models import LedgerEntry, Project

PAGE = 1_000


def ledger_page(project: Project, after: int) -> tuple[list[dict[str, Any]], int | None]:
    """Return the entries after the entry `after`, oldest first, and where the next page begins."""
    found = LedgerEntry.objects.filter(project=project, pk__gt=after).order_by("pk")
    rows = list(found[:PAGE])
    lines = [
        {
            "id": row.pk,
            "at": row.created,
            "purpose": row.purpose,
            "quantity": str(row.quantity),
            "amount": str(row.amount),
            "person": row.user_id,
        }
        for row in rows
    ]
    return lines, rows[-1].pk if len(rows) == PAGE else None
