"""What people do on the labelling page: get tasks, answer, undo.

`submit` stores the answers, renews the leases, leases the next tasks and changes the counters in
ONE transaction and one round trip. It is idempotent: clients repeat a request until they get a
reply, and an answer's own id makes the repeat harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from labelapp.errors import AppError, ConflictError, InvalidInputError
from labelapp.selectors.labelling import done_today
from labelapp.selectors.projects import Access
from labelapp.services import gold
from labelapp.services.answer_input import Given, read_answer
from labelapp.services.answers import apply
from labelapp.services.claims import Held, claim
from labelapp.services.day_counts import count_today
from labelapp.services.desk import Desk, load_desk
from labelapp.services.leases import (
    check_holding,
    heartbeat,
    one_writer,
    release_leases,
    renew,
)
from labelapp.services.pauses import pause_by_rule
from labelapp.services.settling import settle

__all__ = ["Held", "Work", "claim", "heartbeat", "next_tasks", "release_leases", "submit"]

MAX_ANSWERS = 200


@dataclass(frozen=True)
class Work:
    """The reply to a client: what became of its answers, its new tasks, the tasks it lost."""

    held: list[Held]
    lost: list[int]
    done: int = 0  # images that this person has labelled today (UTC)
    results: list[dict[str, object]] = field(default_factory=list)
    paused: Access | None = None  # the person's access, where these answers paused them


def next_tasks(
    *, access: Access, count: int, holding: Sequence[int] = (), on_screen: int | None = None
) -> Work:
    """Lease the next tasks to this person and renew those that the client holds."""
    check_holding(holding)
    with one_writer():
        lost = renew(access=access, holding=holding, on_screen=on_screen)
        if count > 0:
            gold.plant(access=access, accepted=0)
        held = claim(access=access, count=count, holding=holding, on_screen=on_screen)
        return Work(held, lost, done_today(access.project, access.user))


def submit(
    *,
    access: Access,
    answers: Sequence[object],
    count: int = 0,
    holding: Sequence[int] = (),
    on_screen: int | None = None,
    as_user: int | None = None,
) -> Work:
    """Store answers (each on its own: a bad one does not lose the others) and give new tasks.

    `answers` are the client's JSON objects, see services.answer_input. `as_user` is the person
    who gave them, where the client says so: raises ConflictError if somebody else is signed in
    now, so that an outbox is never emptied into the wrong account.
    """
    if as_user is not None and as_user != access.user.pk:
        raise ConflictError(_("Somebody else is signed in here now."), user=as_user)
    if len(answers) > MAX_ANSWERS:
        raise InvalidInputError(
            _("Send at most %(count)s answers at once.") % {"count": MAX_ANSWERS}
        )
    check_holding(holding)
    read = [_read(raw) for raw in answers]
    with one_writer():
        desk = load_desk(access, [one for one in read if isinstance(one, Given)])
        results = [_answer(desk, one) if isinstance(one, Given) else one for one in read]
        lost = renew(access=access, holding=holding, on_screen=on_screen)
        paused = pause_by_rule(access=access, reason=desk.pause) if desk.pause else None
        access = paused or access
        gold.plant(access=access, accepted=sum(r.get("state") == "accepted" for r in results))
        held = claim(access=access, count=count, holding=holding, on_screen=on_screen)
        done = count_today(access, desk.done)
        settle(
            project_id=access.project.pk,
            batches=[desk.batches[pk] for pk in desk.recounted],
            counts=desk.counts,
            spend=desk.spend,
        )
    return Work(held, lost, done, results, paused)


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
