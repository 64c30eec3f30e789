"""End an open batch early: what nobody has looked at leaves it, and the images before stay in it.

The rule is the one of images asked ahead (`services.ahead`): the images of the batch stand in an
order that is blind to the test marks, and the cut lies behind the last one that anybody has seen.
Marked images stand in that order like all others. So what joins B is a prefix of a random order,
and T stays a random part of what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, QuerySet
from django.utils import timezone

from labelapp.models import (
    AheadItem,
    Label,
    LabelBatch,
    ProjectCounter,
    Run,
    Task,
    TestMark,
    TrainItem,
)
from labelapp.services.ahead import slots_of, worked_on
from labelapp.services.batches import chunks, shuffled
from labelapp.services.leases import NO_LEASE

_IN_LIST = 500


@dataclass(frozen=True)
class Cut:
    """What a cut did: so many images left the batch; `closed` is the event to tell, if any."""

    images: int = 0
    closed: dict[str, Any] | None = None


def cut(run: Run, purpose: str = "train") -> Cut:
    """Cut the batch that the run waits for, if it is one of this purpose: train or audit.

    Of other batches the run needs every answer; of an audit, too, unless the attempt has ended:
    nothing behind an open item of its order would count, and no part asks for one again.

    Call it inside the transaction that has claimed the run, and tell the event last. Late answers
    to dropped tasks stay as extra votes.
    """
    batch = run.batches.filter(request_id=run.waiting_for, purpose=purpose)
    found = batch.select_for_update(of=("self",)).filter(state=LabelBatch.State.OPEN).first()
    if found is None or (purpose == "train" and found.joins_from is None):
        return Cut()  # opened before 0006: which of B's rows came with it nobody knows
    behind = _behind(run, found)
    _drop_tasks(found, behind)
    if found.purpose == "train":
        _leave_b(run, found, behind)
    found.size, found.remaining = slots_of(found)
    fields = ["size", "remaining"]
    if not found.remaining:
        found.state, found.closed = LabelBatch.State.DONE, timezone.now()
        fields += ["state", "closed"]
    found.save(update_fields=fields)
    payload = {"batch": found.pk, "purpose": found.purpose, "size": found.size}
    return Cut(len(behind), None if found.remaining else payload)


def _behind(run: Run, batch: LabelBatch) -> list[int]:
    """Return the image numbers behind the cut, test marks of a training batch among them."""
    order = _order(run, batch)
    tasks = worked_on(batch).values_list("image__seq", flat=True)
    seen = set(tasks)
    last = max((place for place, seq in enumerate(order) if seq in seen), default=-1)
    return order[last + 1 :]


def _order(run: Run, batch: LabelBatch) -> list[int]:
    asked = Task.objects.filter(batch=batch, slot=0).order_by("pk")
    seqs = list(asked.values_list("image__seq", flat=True))
    if batch.purpose == "audit":
        return seqs  # in the order that was committed to
    early = set(AheadItem.objects.filter(batch__run=run).values_list("seq", flat=True))
    members = _rows(run, batch).values_list("seq", flat=True)
    return shuffled(run, batch.request_id, (seq for seq in members if seq not in early))


def _rows(run: Run, batch: LabelBatch) -> QuerySet[TrainItem]:
    return TrainItem.objects.filter(run=run, pk__gt=batch.joins_from, iteration=batch.iteration)


def _drop_tasks(batch: LabelBatch, seqs: Sequence[int]) -> None:
    """Nobody is asked for these any more. In the order of `renew`; none is deleted."""
    for part in chunks(seqs, _IN_LIST):
        tasks = Task.objects.filter(batch=batch, image__seq__in=part)
        list(tasks.order_by("pk").select_for_update(of=("self",)).values_list("pk", flat=True))
        ids = list(tasks.values_list("pk", flat=True))
        Task.objects.filter(pk__in=ids).update(state=Task.State.DROPPED, **NO_LEASE)


def _leave_b(run: Run, batch: LabelBatch, seqs: Sequence[int]) -> None:
    """Take these images out of B again; marked ones are test images as before."""
    marked = 0
    for part in chunks(seqs, _IN_LIST):
        marks = TestMark.objects.filter(run=run, seq__in=part).values("image_id")
        labelled = Label.objects.filter(image_id__in=marks, source=Label.Source.HUMAN)
        marked += labelled.count()
        _rows(run, batch).filter(seq__in=part).delete()
    counter = ProjectCounter.objects.filter(project_id=run.project_id)
    counter.update(train=F("train") - marked, test=F("test") + marked)
