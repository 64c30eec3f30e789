"""Write down what the engine asks for: batches with their tasks, B, test marks, machine labels.

Every function runs inside the transaction of one step of a run (`services.runs`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from django.db.models import F, Max
from django.utils import timezone

from labelapp.models import (
    AuditCommitment,
    Certificate,
    Image,
    Label,
    LabelBatch,
    ProjectCounter,
    Run,
    Task,
    TestMark,
    TrainItem,
)
from labelapp.orders import LabelOrder, MachineOrder

CHUNK = 2_000
_IN_LIST = 500  # SQLite takes a limited number of parameters

T = TypeVar("T")


def open_batch(*, run: Run, order: LabelOrder) -> LabelBatch:
    """Open a request for labels: tasks for what is unlabelled, rows of B, test marks.

    Images that already have a human label get no task: nothing is bought twice. A batch without
    tasks is done at once. What an audit commits to is stored before its tasks exist.
    """
    commitment = _commit(run, order)
    needed = {*order.buy, *order.train, *order.mark}
    image_ids, labelled = _image_ids(run, needed), _human_labelled(run, needed)
    buy = [seq for seq in order.buy if seq not in labelled]
    batch = LabelBatch.objects.create(
        run=run,
        project_id=run.project_id,
        request_id=order.id,
        iteration=order.iteration,
        purpose=order.purpose,
        size=len(buy),
        remaining=len(buy),
        frozen=order.frozen,
        commitment=commitment,
        state=LabelBatch.State.OPEN if buy else LabelBatch.State.DONE,
        closed=None if buy else timezone.now(),
    )
    _make_tasks(batch, [image_ids[seq] for seq in _asking_order(run, order, buy)])
    _mark(run, order, image_ids, labelled)
    _join_train(run, order, image_ids, labelled)
    return batch


def _commit(run: Run, order: LabelOrder) -> AuditCommitment | None:
    """Store seed and hashes of what is frozen, once; parts of one audit share their commitment."""
    if not order.commitment:
        return None
    found, _ = AuditCommitment.objects.get_or_create(
        run=run,
        sha256=content_hash(order.commitment),
        defaults={"model": order.frozen, "content": order.commitment},
    )
    return found


def _image_ids(run: Run, seqs: set[int]) -> dict[int, int]:
    rows = Image.objects.filter(project_id=run.project_id)
    return {
        seq: pk
        for part in chunks(sorted(seqs), _IN_LIST)
        for seq, pk in rows.filter(seq__in=part).values_list("seq", "pk")
    }


def _human_labelled(run: Run, seqs: set[int]) -> set[int]:
    rows = Label.objects.filter(project_id=run.project_id, source=Label.Source.HUMAN)
    return {
        seq
        for part in chunks(sorted(seqs), _IN_LIST)
        for seq in rows.filter(seq__in=part).values_list("seq", flat=True)
    }


def _asking_order(run: Run, order: LabelOrder, buy: list[int]) -> list[int]:
    """Shuffle what people get, by the run's seed: no streaks of one class that tire and bias.

    Audits keep their order: it was committed to before the first label was asked for.
    """
    if order.purpose == "audit":
        return buy
    key = f"{run.config.get('seed', 0)}:{order.id}:".encode()
    return sorted(buy, key=lambda seq: hashlib.sha256(key + str(seq).encode()).digest())


def _make_tasks(batch: LabelBatch, image_ids: list[int]) -> None:
    last = Task.objects.filter(project_id=batch.project_id).aggregate(last=Max("rank"))["last"]
    tasks = (
        Task(batch=batch, project_id=batch.project_id, image_id=image_id, rank=rank)
        for rank, image_id in enumerate(image_ids, start=(last or 0) + 1)
    )
    for part in chunks(tasks, CHUNK):
        Task.objects.bulk_create(part)


def _mark(run: Run, order: LabelOrder, image_ids: dict[int, int], labelled: set[int]) -> None:
    """Write the test marks. A marked image that has its label already counts in T at once."""
    marks = (TestMark(run=run, image_id=image_ids[seq], seq=seq) for seq in order.mark)
    for part in chunks(marks, CHUNK):
        TestMark.objects.bulk_create(part)
    known = len(labelled.intersection(order.mark))
    _count(run, test=F("test") + known)


def _join_train(run: Run, order: LabelOrder, image_ids: dict[int, int], labelled: set[int]) -> None:
    """Write the rows of B. Test marks and audited images that have a label join unpaid."""
    items = (
        TrainItem(run=run, image_id=image_ids[seq], seq=seq, iteration=order.iteration)
        for seq in order.train
    )
    for part in chunks(items, CHUNK):
        TrainItem.objects.bulk_create(part)
    paid = labelled.intersection(order.train)
    marked = _marked(run, paid)
    audited = _audited(run, paid - marked)
    _count(
        run,
        train=F("train") + len(paid),
        test=F("test") - len(marked),
        audit=F("audit") - len(audited),
    )


def _marked(run: Run, seqs: set[int]) -> set[int]:
    return {
        seq
        for part in chunks(sorted(seqs), _IN_LIST)
        for seq in TestMark.objects.filter(run=run, seq__in=part).values_list("seq", flat=True)
    }


def _audited(run: Run, seqs: set[int]) -> set[int]:
    rows = Label.objects.filter(project_id=run.project_id, purpose="audit")
    return {
        seq
        for part in chunks(sorted(seqs), _IN_LIST)
        for seq in rows.filter(seq__in=part).values_list("seq", flat=True)
    }


def _count(run: Run, **changes: Any) -> None:
    ProjectCounter.objects.filter(project_id=run.project_id).update(**changes)


def store_machine_labels(*, run: Run, order: MachineOrder) -> Certificate:
    """Store S with its certificate. Fails whole (IntegrityError) if one image has a label."""
    model = run.models.filter(sha256=order.model).order_by("-iteration").first()
    image_ids = _image_ids(run, set(order.items))
    labels = (
        Label(
            image_id=image_ids[seq],
            project_id=run.project_id,
            seq=seq,
            class_index=index,
            source=Label.Source.MACHINE,
            confidence=margin,
            model=model,
            purpose="machine",
        )
        for seq, index, margin in zip(order.items, order.classes, order.margins, strict=True)
    )
    for part in chunks(labels, CHUNK):
        Label.objects.bulk_create(part)
    _count(run, machine=F("machine") + len(order.items))
    return Certificate.objects.create(
        run=run, content=order.certificate, sha256=content_hash(order.certificate)
    )


def content_hash(content: dict[str, Any]) -> str:
    """Return the SHA-256 of a JSON object in its canonical form (sorted keys, no spaces)."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def chunks(rows: Iterable[T] | Sequence[T], size: int) -> Iterator[list[T]]:
    """Cut rows into lists of at most `size`, without holding all of them."""
    source = iter(rows)
    while part := list(islice(source, size)):
        yield part
