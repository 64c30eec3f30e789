"""Write what answers or an exclusion changed together: batches, counters, and who must know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils import timezone

from labelapp import events, queue
from labelapp.models import LabelBatch, ProjectCounter
from labelapp.selectors.rows import prepared
from labelapp.services import consensus
from labelapp.services.statements import update


def settle(
    *,
    project_id: int,
    batches: Sequence[LabelBatch],
    counts: Mapping[str, int],
    spend: Decimal = Decimal(0),
) -> None:
    """Save the batches, close those that miss nothing, add up the counters.

    The last call of a transaction: the counter row comes at the end (then the event, which
    numbers itself there), because on PostgreSQL its lock is what answers of one project wait for.
    """
    done = [batch for batch in sorted(batches, key=lambda one: one.pk) if _save(batch)]
    if counts:
        _add_up(project_id, counts, spend)
    for batch in done:
        _announce(batch)


def _add_up(project_id: int, counts: Mapping[str, int], spend: Decimal) -> None:
    """Add to the counters in one statement; the names are columns of ProjectCounter."""
    changes: dict[str, Any] = {name: change for name, change in counts.items() if change}
    if spend:
        changes["label_spend"] = connection.ops.adapt_decimalfield_value(spend, 16, 6)
    if not changes:
        return
    added = ", ".join(f'"{name}" = "{name}" + CAST(%s AS NUMERIC)' for name in changes)
    with prepared() as cursor:
        cursor.execute(
            f"UPDATE {ProjectCounter._meta.db_table} SET {added} WHERE project_id = %s",  # noqa: S608 - names of ours
            [*changes.values(), project_id],
        )


def _save(batch: LabelBatch) -> bool:
    """Write what remains of a batch; close it when that is nothing. Return whether it closed."""
    closes = batch.remaining <= 0 and batch.state == LabelBatch.State.OPEN
    if closes:
        batch.state, batch.closed = LabelBatch.State.DONE, timezone.now()
    update(batch, ["size", "remaining", "last_rank", "state", "closed"])
    return closes


def _announce(batch: LabelBatch) -> None:
    """Wake the engine (after commit) and record the event: the last statements."""
    consensus.after_batch(batch)
    queue.enqueue(
        "advance",
        f"advance:{batch.run_id}:{batch.request_id}",
        project_id=batch.project_id,
        target=batch.run_id,
    )
    payload = {"batch": batch.pk, "purpose": batch.purpose, "size": batch.size}
    events.record(batch.project_id, "batch.closed", payload)
