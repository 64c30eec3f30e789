"""What people do on the labelling page: get tasks, answer, undo.

`submit` stores the answers, renews the leases, leases the next tasks and changes the counters in
ONE transaction and one round trip. It is idempotent: clients repeat a request until they get a
reply, and an answer's own id makes the repeat harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import F
from django.utils import timezone

from labelapp import events, queue
from labelapp.errors import AppError, ConflictError, InvalidInputError
from labelapp.models import LabelBatch, ProjectCounter
from labelapp.selectors.projects import Access
from labelapp.services.answer_input import Given, read_answer
from labelapp.services.answers import Desk, apply, load_desk
from labelapp.services.leases import (
    Held,
    check_holding,
    claim,
    heartbeat,
    one_writer,
    release_leases,
    renew,
)

__all__ = ["Work", "claim", "heartbeat", "next_tasks", "release_leases", "submit"]

MAX_ANSWERS = 200


@dataclass(frozen=True)
class Work:
    """The reply to a client: what became of its answers, its new tasks, the tasks it lost."""

    held: list[Held]
    lost: list[int]
    results: list[dict[str, object]] = field(default_factory=list)


def next_tasks(*, access: Access, count: int, holding: Sequence[int] = ()) -> Work:
    """Lease the next tasks to this person and renew those that the client holds."""
    check_holding(holding)
    with one_writer():
        lost = renew(access=access, holding=holding)
        return Work(claim(access=access, count=count, holding=holding), lost)


def submit(
    *,
    access: Access,
    answers: Sequence[object],
    count: int = 0,
    holding: Sequence[int] = (),
    as_user: int | None = None,
) -> Work:
    """Store answers (each on its own: a bad one does not lose the others) and give new tasks.

    `answers` are the client's JSON objects, see services.answer_input. `as_user` is the person
    who gave them, where the client says so: raises ConflictError if somebody else is signed in
    now, so that an outbox is never emptied into the wrong account.
    """
    if as_user is not None and as_user != access.user.pk:
        raise ConflictError("Somebody else is signed in here now.", user=as_user)
    if len(answers) > MAX_ANSWERS:
        raise InvalidInputError(f"Send at most {MAX_ANSWERS} answers at once.")
    check_holding(holding)
    read = [_read(raw) for raw in answers]
    with one_writer():
        desk = load_desk(access, [one for one in read if isinstance(one, Given)])
        results = [_answer(desk, one) if isinstance(one, Given) else one for one in read]
        lost = renew(access=access, holding=holding)
        held = claim(access=access, count=count, holding=holding)
        _settle(desk)
    return Work(held, lost, results)


def _read(raw: object) -> Given | dict[str, object]:
    """Read an answer, or return its refusal."""
    try:
        return read_answer(raw)
    except InvalidInputError as error:
        identity = raw.get("id") if isinstance(raw, dict) else None
        if isinstance(identity, str) and identity.isprintable():
            return _refusal(identity[:64], error)
        return _refusal(None, error)


def _answer(desk: Desk, given: Given) -> dict[str, object]:
    """Apply an answer, or return its refusal."""
    try:
        return {"id": str(given.id), "ok": True, "state": apply(desk, given)}
    except AppError as error:
        return _refusal(str(given.id), error)


def _refusal(identity: str | None, error: AppError) -> dict[str, object]:
    return {"id": identity, **error.as_dict()}


def _settle(desk: Desk) -> None:
    """Write what the answers changed together: batches, counters, and who must know.

    The counter row comes last (then the event, which numbers itself there): on PostgreSQL its
    lock is what answers of one project wait for.
    """
    recounted = [desk.batches[pk] for pk in sorted(desk.recounted)]
    done = [batch for batch in recounted if _save(batch)]
    if desk.counts:
        changes = {name: F(name) + change for name, change in desk.counts.items() if change}
        ProjectCounter.objects.filter(project_id=desk.access.project.pk).update(
            label_spend=F("label_spend") + desk.spend, **changes
        )
    for batch in done:
        _announce(batch)


def _save(batch: LabelBatch) -> bool:
    """Write what remains of a batch; close it when that is nothing. Return whether it closed."""
    closes = batch.remaining <= 0 and batch.state == LabelBatch.State.OPEN
    if closes:
        batch.state, batch.closed = LabelBatch.State.DONE, timezone.now()
    batch.save(update_fields=["remaining", "state", "closed"])
    return closes


def _announce(batch: LabelBatch) -> None:
    """Wake the engine (after commit) and record the event: the last statements."""
    queue.enqueue(
        "advance",
        f"advance:{batch.run_id}:{batch.request_id}",
        project_id=batch.project_id,
        target=batch.run_id,
    )
    payload = {"batch": batch.pk, "purpose": batch.purpose, "size": batch.size}
    events.record(batch.project_id, "batch.closed", payload)
