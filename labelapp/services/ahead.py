"""Nobody waits for the GPU: what people label while a training runs.

With each training but the first an "ahead" batch opens: the images that people will most probably
be asked for anyway, in an order that is blind to the test marks (`mcal_engine/ahead.py`). When
the training ends the order is cut behind the last image that anybody has worked on. All before
the cut join B with the next batch, or stay people's labels where the run stops; the rest is asked
no more.

The run never waits for this batch. Until its images have joined, counters and ledger call them
`ahead`; then they become `train` or `residual`, and two entries that cancel out move the money.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

from django.db.models import Count, Exists, F, OuterRef, QuerySet, Sum
from django.utils import timezone

from labelapp import events, pricing
from labelapp.models import (
    AheadItem,
    Answer,
    Label,
    LabelBatch,
    LedgerEntry,
    ProjectCounter,
    Run,
    Task,
)
from labelapp.orders import LabelOrder, TrainOrder
from labelapp.services.batches import (
    CHUNK,
    chunks,
    images_of,
    labelled_by_people,
    make_tasks,
    wanted_answers,
)
from labelapp.services.leases import NO_LEASE, one_writer
from labelapp.services.slots import AHEAD_RANK

PURPOSE = "ahead"
LEAST = 20
MOST_SHARE = 0.02  # of the run's images
GROWTH = 1.5  # the next training is on more images than the last one, and people are uneven
STARTUP = 15.0  # seconds until a training has begun and until its result is judged
LOOKED_BACK = 200  # answers that tell how fast people are
BREAK = timedelta(seconds=60)  # a longer gap is no work
BUDGET_SHARE = Decimal("0.1")  # of what a budget has left
RANKS = 24  # bits: each of these batches has its own ranks, above those of the earlier ones


# --- how many ------------------------------------------------------------------------------------


def size(run: Run) -> int:
    """Return how many images to choose for the next training; 0 where none are wanted.

    As many as people answer while it runs, by their pace and the last training's seconds.
    """
    project = run.project
    last = run.iterations.order_by("-number").values_list("seconds", flat=True).first()
    if not project.label_ahead or last is None:
        return 0
    answers = pricing.answers_per_image(project)
    fitting = _pace(run) * (GROWTH * last + STARTUP) / float(answers)
    most = max(LEAST, math.ceil(MOST_SHARE * run.n))
    return min(max(LEAST, math.ceil(fitting)), most, _affordable(run))


def _pace(run: Run) -> float:
    """Return the answers per second of all people together while they last worked."""
    batch = run.batches.filter(purpose__in=("train", "seed")).order_by("-pk").first()
    times = Answer.objects.filter(batch=batch, kind=Answer.Kind.CLASS).order_by("-created")
    newest = list(times.values_list("created", flat=True)[:LOOKED_BACK])
    worked = sum((min(late - early, BREAK) for late, early in pairwise(newest)), timedelta())
    return (len(newest) - 1) / max(worked.total_seconds(), 0.1) if len(newest) > 1 else 0.0


def _affordable(run: Run) -> int:
    """Return how many images a tenth of the budget's rest pays for; all where there is none."""
    project = run.project
    price = pricing.per_image(project)
    if project.budget is None or price == 0:
        return run.n
    spent = ProjectCounter.objects.values_list("label_spend", "compute_spend").get(project=project)
    affordable = int((project.budget - sum(spent)) * BUDGET_SHARE / price)
    return affordable if affordable >= LEAST else 0


# --- open ----------------------------------------------------------------------------------------


def open_batch(*, run: Run, order: TrainOrder, seqs: Sequence[int]) -> LabelBatch | None:
    """Write down the order of a training's images and give out those without a label.

    Call it in the transaction of the step that asks for the training; None where there is nothing
    to ask.
    """
    ids, labelled = images_of(run, set(seqs)), labelled_by_people(run, set(seqs))
    asked = [(seq, ids[seq]) for seq in seqs if seq not in labelled]
    if not asked:
        return None
    answers = sum(wanted_answers(run, seq) for seq, _ in asked)
    batch = LabelBatch.objects.create(
        run=run,
        project_id=run.project_id,
        request_id=f"{order.id}-ahead",
        iteration=order.iteration,
        purpose=PURPOSE,
        size=answers,
        remaining=answers,
    )
    items = (
        AheadItem(batch=batch, position=position, image_id=ids[seq], seq=seq)
        for position, seq in enumerate(seqs)
    )
    for part in chunks(items, CHUNK):
        AheadItem.objects.bulk_create(part)
    make_tasks(run, batch, asked, AHEAD_RANK + (batch.pk << RANKS))
    return batch


# --- cut -----------------------------------------------------------------------------------------


def close(run: Run) -> None:
    """Cut the order of the training that has ended; harmless where it is cut, or there is none.

    A place before the cut was worked on, or lies between such places: answered, skipped, put to
    the experts, or on a screen. What was only fetched ahead was not seen, so it may be dropped;
    what was skipped may not: the marks behind it would no longer be a random part of the rest.
    Late answers to dropped tasks stay as extra votes.
    """
    with one_writer():
        open_ones = run.batches.filter(purpose=PURPOSE, state=LabelBatch.State.OPEN)
        for batch in open_ones.select_for_update(of=("self",)):
            _cut(batch)


def _cut(batch: LabelBatch) -> None:
    items = AheadItem.objects.filter(batch=batch)
    seen = Exists(worked_on(batch).filter(image_id=OuterRef("image_id")))
    last = items.filter(seen).order_by("-position").values_list("position", flat=True).first()
    behind = items.filter(position__gt=-1 if last is None else last)
    tasks = Task.objects.filter(batch=batch, image_id__in=behind.values("image_id"))
    # In the order of `renew`. None is deleted: somebody may be given one at this very moment.
    list(tasks.order_by("pk").select_for_update().values_list("pk", flat=True))
    tasks.update(state=Task.State.DROPPED, **NO_LEASE)
    behind.delete()
    batch.size, batch.remaining = slots_of(batch)
    batch.state, batch.closed = LabelBatch.State.DONE, timezone.now()
    batch.save(update_fields=["size", "remaining", "state", "closed"])
    if batch.size:
        payload = {"batch": batch.pk, "purpose": PURPOSE, "size": batch.size}
        events.record(batch.project_id, "batch.closed", payload)


def worked_on(batch: LabelBatch) -> QuerySet[Task]:
    """Return the tasks that somebody has seen: a lease is hard once an image is on a screen.

    It stays hard when the person leaves, so an image that somebody turned away from counts, too.
    """
    tasks = Task.objects.filter(batch=batch)
    said = Answer.objects.filter(batch=batch, image_id=OuterRef("image_id"))
    untouched = tasks.filter(~Exists(said), state=Task.State.OPEN, slot=0, lease_soft=True)
    return tasks.exclude(pk__in=untouched.values("pk"))


def slots_of(batch: LabelBatch) -> tuple[int, int]:
    """Return the answers wanted of the images before the cut, and how many are missing.

    Of an image with a dropped slot no more are wanted: it lies behind the cut, or is excluded.
    """
    wanted: dict[int, int] = {}
    dropped: set[int] = set()
    for image, state, count in batch.tasks.values_list("image_id", "state", "wanted"):
        wanted[image] = max(wanted.get(image, 0), count)
        if state == Task.State.DROPPED:
            dropped.add(image)
    votes = Answer.objects.filter(
        batch=batch, kind=Answer.Kind.CLASS, extra=False, superseded_by=None
    )
    counted = votes.values_list("image_id").annotate(count=Count("pk")).order_by()
    given = dict(counted)
    wanted |= {image: given.get(image, 0) for image in dropped}
    missing = sum(max(count - given.get(image, 0), 0) for image, count in wanted.items())
    return sum(wanted.values()), missing


# --- join ----------------------------------------------------------------------------------------


def lock(run: Run) -> None:
    """Lock the batches that a step may rename, before it touches the counters."""
    list(_loose(run).select_for_update(of=("self",)).values_list("pk", flat=True))


def join(*, run: Run, order: LabelOrder) -> None:
    """Let the images of earlier trainings become part of this request, if they belong to it.

    To B with the batch that holds them, to the residual where the run has stopped. What still
    wants an answer keeps its tasks and leases, and the run waits for it as well
    (`outstanding.answered`).
    """
    if order.purpose not in {"train", "residual"}:
        return
    joins = set(order.train)
    for early in _loose(run):
        first = early.ahead.values_list("seq", flat=True).first()
        if first is not None and (order.purpose == "residual" or first in joins):
            _rename(early, order.purpose)
            _reopen(early)


def settle(run: Run) -> None:
    """At the end of a run what never joined B is people's, like the rest."""
    for early in _loose(run):
        _rename(early, "residual")


def _loose(run: Run) -> QuerySet[LabelBatch]:
    """Return the ended ahead batches whose images have joined nothing yet."""
    done = LabelBatch.State.DONE
    return run.batches.filter(purpose=PURPOSE, state=done).order_by("pk")


def _reopen(early: LabelBatch) -> None:
    """Open the batch for what is missing before its cut."""
    size, remaining = slots_of(early)
    if remaining:
        LabelBatch.objects.filter(pk=early.pk).update(
            size=size, remaining=remaining, state=LabelBatch.State.OPEN, closed=None
        )


def _rename(early: LabelBatch, purpose: str) -> None:
    """Give the batch, its labels, their count and their money the purpose that they now have."""
    Label.objects.filter(batch=early, purpose=PURPOSE).update(purpose=purpose)
    LabelBatch.objects.filter(pk=early.pk).update(purpose=purpose)
    counter = ProjectCounter.objects.filter(project_id=early.project_id)
    column = {"train": "train", "residual": "residual"}[purpose]
    counter.update(**{column: F(column) + F("ahead"), "ahead": 0})
    _transfer(early, purpose)


def _transfer(early: LabelBatch, purpose: str) -> None:
    """Book the money of `ahead` over: nothing is charged, the two entries cancel out."""
    booked = LedgerEntry.objects.filter(project_id=early.project_id, purpose=PURPOSE)
    rows = booked.values_list("unit_price").annotate(count=Sum("quantity")).order_by("unit_price")
    entries = []
    for number, (price, count) in enumerate(rows):
        for name, sign in ((PURPOSE, -1), (purpose, 1)):
            if count:
                entries.append(
                    LedgerEntry(
                        project_id=early.project_id,
                        key=f"ahead:{early.pk}:{number}:{name}",
                        purpose=name,
                        quantity=sign * count,
                        unit_price=price,
                        amount=(sign * count * price).quantize(Decimal("0.000001")),
                    )
                )
    LedgerEntry.objects.bulk_create(entries)
