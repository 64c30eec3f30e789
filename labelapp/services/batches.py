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
    Exclusion,
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
from labelapp.services import votes
from labelapp.services.slots import AHEAD_RANK, SPACING

CHUNK = 2_000
_IN_LIST = 500  # SQLite takes a limited number of parameters

T = TypeVar("T")


def open_batch(*, run: Run, order: LabelOrder) -> LabelBatch:
    """Open a request for labels: tasks for what is unlabelled, rows of B, test marks.

    Images that already have a human label get no task: nothing is bought twice. Those that are
    asked since the last training keep theirs (`services.ahead.join`). A batch without tasks is
    done at once. What an audit commits to is stored before its tasks exist.
    """
    commitment = _commit(run, order)
    needed = {*order.buy, *order.train, *order.mark}
    image_ids, labelled = images_of(run, needed), labelled_by_people(run, needed)
    excluded = _excluded(run, set(order.buy))
    asked = _asked_ahead(run, set(order.buy))
    buy = [seq for seq in order.buy if seq not in labelled | excluded | asked]
    answers = sum(wanted_answers(run, seq) for seq in buy)
    batch = LabelBatch.objects.create(
        run=run,
        project_id=run.project_id,
        request_id=order.id,
        iteration=order.iteration,
        purpose=order.purpose,
        size=answers,
        remaining=answers,
        joins_from=_last_item() if order.train else None,
        frozen=order.frozen,
        commitment=commitment,
        state=LabelBatch.State.OPEN if buy else LabelBatch.State.DONE,
        closed=None if buy else timezone.now(),
    )
    in_order = _asking_order(run, order, buy)
    make_tasks(run, batch, [(seq, image_ids[seq]) for seq in in_order], _last_rank(run.project_id))
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


def images_of(run: Run, seqs: set[int]) -> dict[int, int]:
    """Return the image ids of these image numbers."""
    rows = Image.objects.filter(project_id=run.project_id)
    return {
        seq: pk
        for part in chunks(sorted(seqs), _IN_LIST)
        for seq, pk in rows.filter(seq__in=part).values_list("seq", "pk")
    }


def labelled_by_people(run: Run, seqs: set[int]) -> set[int]:
    """Return which of these image numbers have a label that people gave."""
    rows = Label.objects.filter(project_id=run.project_id, source=Label.Source.HUMAN)
    return {
        seq
        for part in chunks(sorted(seqs), _IN_LIST)
        for seq in rows.filter(seq__in=part).values_list("seq", flat=True)
    }


def _last_item() -> int:
    """Return the highest id that a row of B ever had."""
    return TrainItem.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def _asking_order(run: Run, order: LabelOrder, buy: list[int]) -> list[int]:
    """Shuffle what people get, by the run's seed: no streaks of one class that tire and bias.

    Audits keep their order: it was committed to before the first label was asked for.
    """
    if order.purpose == "audit":
        return buy
    return shuffled(run, order.id, buy)


def shuffled(run: Run, request_id: str, seqs: Iterable[int]) -> list[int]:
    """Return the image numbers in the order of a request: by SHA-256 of seed, request, number."""
    key = f"{run.config.get('seed', 0)}:{request_id}:".encode()
    return sorted(seqs, key=lambda seq: hashlib.sha256(key + str(seq).encode()).digest())


def make_tasks(run: Run, batch: LabelBatch, images: Sequence[tuple[int, int]], after: int) -> None:
    """Make the first slot of each (seq, image id), in this order, at ranks behind `after`."""
    tasks = (
        Task(
            batch=batch,
            project_id=batch.project_id,
            image_id=image_id,
            wanted=wanted_answers(run, seq),
            rank=after + SPACING * place,
        )
        for place, (seq, image_id) in enumerate(images, start=1)
    )
    for part in chunks(tasks, CHUNK):
        Task.objects.bulk_create(part)
    batch.last_rank = after + SPACING * len(images)
    batch.save(update_fields=["last_rank"])


def wanted_answers(run: Run, seq: int) -> int:
    """Return how many answers this image gets, as the project is set now."""
    project, seed = run.project, int(run.config.get("seed", 0))
    return votes.wanted_answers(
        seed=seed, seq=seq, overlap=project.overlap, share=project.overlap_share
    )


def _last_rank(project_id: int) -> int:
    """Return the largest rank that was ever given out, but for images asked while one trains."""
    batches = LabelBatch.objects.filter(project_id=project_id, last_rank__lt=AHEAD_RANK)
    known = batches.aggregate(last=Max("last_rank"))["last"]
    if known:
        return int(known)
    tasks = Task.objects.filter(project_id=project_id, rank__lt=AHEAD_RANK)
    return tasks.aggregate(last=Max("rank"))["last"] or 0


def _asked_ahead(run: Run, seqs: set[int]) -> set[int]:
    """Return which of these are in an ahead batch and still want an answer."""
    wanted = [Task.State.OPEN, Task.State.EXPERT, Task.State.ASSIGNED]
    rows = Task.objects.filter(batch__run=run, batch__purpose="ahead", state__in=wanted)
    return seqs.intersection(rows.values_list("image__seq", flat=True))


def _excluded(run: Run, seqs: set[int]) -> set[int]:
    rows = Exclusion.objects.filter(project_id=run.project_id)
    return {
        seq
        for part in chunks(sorted(seqs), _IN_LIST)
        for seq in rows.filter(seq__in=part).values_list("seq", flat=True)
    }


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
    audited = _labelled_for(run, paid - marked, "audit")
    rest = _labelled_for(run, paid - marked, "residual")  # of a run that was opened again
    early = _labelled_for(run, paid - marked, "ahead")  # services.ahead.join counts them over
    _count(
        run,
        train=F("train") + len(paid) - len(early),
        test=F("test") - len(marked),
        audit=F("audit") - len(audited),
        residual=F("residual") - len(rest),
    )


def _marked(run: Run, seqs: set[int]) -> set[int]:
    return {
        seq
        for part in chunks(sorted(seqs), _IN_LIST)
        for seq in TestMark.objects.filter(run=run, seq__in=part).values_list("seq", flat=True)
    }


def _labelled_for(run: Run, seqs: set[int], purpose: str) -> set[int]:
    rows = Label.objects.filter(project_id=run.project_id, purpose=purpose)
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
    image_ids = images_of(run, set(order.items))
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
