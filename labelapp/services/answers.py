"""What one answer means: its checks, and all that it changes.

`services.labelling.submit` opens the transaction, loads a Desk and calls `apply` for each answer.
Every check comes before the first write of an answer, so a refused answer leaves nothing behind
and the other answers of the request stay.
"""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import Q
from django.utils import timezone

from labelapp.errors import ConflictError, NotFoundError, NotYourTaskError, UnknownClassError
from labelapp.models import (
    Answer,
    Label,
    LabelBatch,
    LabelClass,
    LedgerEntry,
    Task,
    TrainItem,
)
from labelapp.selectors.projects import Access
from labelapp.services.answer_input import Given
from labelapp.services.leases import lease_end, token_fits

CLASS, SKIP, WITHDRAWN = Answer.Kind.CLASS, Answer.Kind.SKIP, Answer.Kind.WITHDRAWN

COUNTER_OF = {
    "test": "test",
    "seed": "train",
    "train": "train",
    "audit": "audit",
    "residual": "residual",
}
"""Which count of ProjectCounter a label of each purpose belongs to."""


@dataclass
class Desk:
    """All that the answers of one request touch: read once, kept up to date in memory."""

    access: Access
    tasks: dict[int, Task]
    batches: dict[int, LabelBatch]
    known: dict[uuid.UUID, Answer]  # stored answers that this request may repeat
    current: dict[int, Answer]  # by task: what this person said last, where it still stands
    given: dict[int, list[uuid.UUID]]  # by task: the classes that this person gave, in order
    classes: dict[int, LabelClass]  # by index, those that the request names
    counts: Counter[str] = field(default_factory=Counter)  # changes of ProjectCounter
    spend: Decimal = Decimal(0)
    recounted: set[int] = field(default_factory=set)  # batches whose `remaining` changed


def load_desk(access: Access, givens: list[Given]) -> Desk:
    """Read what these answers need; lock the tasks and their batches (PostgreSQL).

    Answers are read after the locks, so a repeat that runs beside the original sees its row. The
    batch is locked first: whoever answers tasks that others hold by now waits with empty hands.
    """
    tasks = (
        Task.objects.select_for_update(of=("batch", "self"))
        .select_related("image", "batch")
        .filter(project_id=access.project.pk, pk__in={given.task for given in givens})
        .order_by("batch_id", "pk")
        .in_bulk()
    )
    ids = [given.id for given in givens]
    stored = Answer.objects.filter(
        Q(pk__in=ids) | Q(task_id__in=list(tasks), user_id=access.user.pk)
    ).select_related("label_class")
    known = {answer.pk: answer for answer in stored}
    mine = [a for a in known.values() if a.user_id == access.user.pk and a.task_id in tasks]
    named = {given.class_index for given in givens if given.class_index is not None}
    classes = LabelClass.objects.filter(
        project_id=access.project.pk, archived=False, index__in=named
    )
    return Desk(
        access=access,
        tasks=tasks,
        batches={task.batch_id: task.batch for task in tasks.values()},
        known=known,
        current={a.task_id: a for a in mine if a.superseded_by is None and a.kind != WITHDRAWN},
        given=_classes_given(mine),
        classes={label_class.index: label_class for label_class in classes},
    )


def _classes_given(mine: list[Answer]) -> dict[int, list[uuid.UUID]]:
    given: dict[int, list[uuid.UUID]] = {}
    for answer in sorted(mine, key=lambda a: a.created):
        if answer.kind == CLASS:
            given.setdefault(answer.task_id, []).append(answer.pk)
    return given


def apply(desk: Desk, given: Given) -> str:
    """Store one answer with all that follows from it; return its state.

    States: accepted, corrected, extra, skipped, withdrawn, duplicate. Raises ConflictError,
    NotFoundError, NotYourTaskError or UnknownClassError, always before anything is written.
    """
    if known := desk.known.get(given.id):
        return _repeat(desk, given, known)
    task = _task_of(desk, given)
    if given.kind == SKIP:
        return _skip(desk, given, task)
    if given.kind == WITHDRAWN:
        return _withdraw(desk, given, task)
    return _classify(desk, given, task)


def _repeat(desk: Desk, given: Given, known: Answer) -> str:
    """Confirm an answer that is stored already; the same id for something else is an error."""
    index = known.label_class.index if known.label_class else None
    stored = (known.user_id, known.task_id, known.kind, index)
    if stored != (desk.access.user.pk, given.task, given.kind, given.class_index):
        raise ConflictError("This answer id was used for another answer.")
    return "duplicate"


def _task_of(desk: Desk, given: Given) -> Task:
    """Return the task if it is of this project and was once given to this person."""
    task = desk.tasks.get(given.task)
    if task is None:
        raise NotFoundError("There is no such task in this project.", task=given.task)
    access = desk.access
    if not token_fits(
        given.token, task_id=task.pk, user_id=access.user.pk, project_id=access.project.pk
    ):
        raise NotYourTaskError("This task was never given to you.", task=task.pk)
    return task


def _classify(desk: Desk, given: Given, task: Task) -> str:
    """Take a class: the first answer fills the slot, later ones correct or stay as extra votes.

    Raises ConflictError for another answer to an audit that was judged by the first one.
    """
    index = given.class_index
    if index is None or index not in desk.classes:
        raise UnknownClassError("The project has no such class.", **{"class": index})
    before = desk.current.get(task.pk)
    if task.state == Task.State.OPEN:
        _fill_slot(desk, task, _store(desk, given, task, supersedes=before), index)
        return "accepted"
    if before is not None and before.kind == CLASS and not before.extra:
        _check_correctable(desk, task)
        _relabel(task, before, _store(desk, given, task, supersedes=before), index)
        return "corrected"
    _store(desk, given, task, supersedes=before, extra=True)
    return "extra"


def _check_correctable(desk: Desk, task: Task) -> None:
    """An audit's answers prove the certificate: they stand, unless the image trains by now."""
    batch = desk.batches[task.batch_id]
    if batch.purpose != "audit" or batch.state == LabelBatch.State.OPEN:
        return
    if not TrainItem.objects.filter(run_id=batch.run_id, image_id=task.image_id).exists():
        raise ConflictError(
            "This answer was part of a check of the machine and stands as it was given.",
            task=task.pk,
        )


def _skip(desk: Desk, given: Given, task: Task) -> str:
    """Put the task at the end of the project's queue; it is never dropped.

    A late skip of a task that somebody else holds or has answered is noted and changes nothing.
    Raises ConflictError when this person has answered it.
    """
    before = desk.current.get(task.pk)
    if before is not None and before.kind == CLASS:
        raise ConflictError("You have answered this image: undo first.", task=task.pk)
    _store(desk, given, task, supersedes=before)
    if task.state == Task.State.OPEN and _is_free_for(desk, task):
        task.rank = _end_of_queue(task) + 1
        _lease_to(task, None)
    return "skipped"


def _withdraw(desk: Desk, given: Given, task: Task) -> str:
    """Undo: take back this person's answer and give them the task again.

    Raises ConflictError when there is nothing to take back, or when the batch is complete: then
    the engine may have used the label, and a new answer corrects it.
    """
    before = desk.current.get(task.pk)
    if before is None:
        raise ConflictError("There is no answer of yours to take back.", task=task.pk)
    holds_slot = before.kind == CLASS and not before.extra
    if holds_slot and desk.batches[task.batch_id].state == LabelBatch.State.DONE:
        raise ConflictError("This batch is complete: answer again to correct it.", task=task.pk)
    _store(desk, given, task, supersedes=before)
    if holds_slot:
        _reopen(desk, task, before, given)
    elif task.state == Task.State.OPEN and _is_free_for(desk, task):
        _lease_to(task, desk.access.user.pk)
    return "withdrawn"


def _store(
    desk: Desk,
    given: Given,
    task: Task,
    *,
    supersedes: Answer | None,
    extra: bool = False,
) -> Answer:
    """Append the answer, after marking the one that it replaces."""
    if supersedes is not None:
        Answer.objects.filter(pk=supersedes.pk).update(superseded_by=given.id)
    answer = Answer.objects.create(
        id=given.id,
        task=task,
        batch_id=task.batch_id,
        project_id=task.project_id,
        image_id=task.image_id,
        user=desk.access.user,
        kind=given.kind,
        label_class=None if given.class_index is None else desk.classes[given.class_index],
        extra=extra,
        active_ms=given.active_ms,
        how=given.how,
        guideline_version=given.guideline_version,
    )
    desk.known[answer.pk] = answer
    desk.counts["answers"] += 1
    if given.kind == CLASS:
        desk.given.setdefault(task.pk, []).append(answer.pk)
    if given.kind == WITHDRAWN:
        desk.current.pop(task.pk, None)
    else:
        desk.current[task.pk] = answer
    return answer


def _fill_slot(desk: Desk, task: Task, answer: Answer, class_index: int) -> None:
    """Close the task with this answer: label, charge, counts."""
    task.state = Task.State.DONE
    _lease_to(task, None)
    batch = desk.batches[task.batch_id]
    _label(task, batch, answer, class_index)
    _charge(desk, answer, batch)
    _recount(desk, batch, -1)


def _reopen(desk: Desk, task: Task, before: Answer, given: Given) -> None:
    """Take the label and its charge away and lease the task to this person again."""
    Label.objects.filter(image_id=task.image_id, answer_id=before.pk).delete()
    task.state = Task.State.OPEN
    _lease_to(task, desk.access.user.pk)
    batch = desk.batches[task.batch_id]
    _refund(desk, task, batch, given)
    _recount(desk, batch, +1)


def _recount(desk: Desk, batch: LabelBatch, change: int) -> None:
    """Count one task of the batch as open (+1) or answered (-1), in memory."""
    batch.remaining += change
    desk.recounted.add(batch.pk)
    desk.counts[COUNTER_OF[batch.purpose]] -= change


def _label(task: Task, batch: LabelBatch, answer: Answer, class_index: int) -> None:
    """Make this answer the image's label."""
    label = Label(
        image_id=task.image_id,
        project_id=task.project_id,
        seq=task.image.seq,
        class_index=class_index,
        source=Label.Source.HUMAN,
        answer=answer,
        batch=batch,
        purpose=batch.purpose,
        user_id=answer.user_id,
    )
    fields = ["class_index", "source", "confidence", "answer", "batch", "model", "purpose"]
    Label.objects.bulk_create(
        [label],
        update_conflicts=True,
        unique_fields=["image"],
        update_fields=[*fields, "user", "created"],
    )


def _relabel(task: Task, before: Answer, answer: Answer, class_index: int) -> None:
    """Correct the label; used from the next training or certificate on."""
    Label.objects.filter(image_id=task.image_id, answer_id=before.pk).update(
        class_index=class_index, answer=answer, created=timezone.now()
    )


def _charge(desk: Desk, answer: Answer, batch: LabelBatch) -> None:
    """Book one label's price for the answer that fills the slot; corrections are free."""
    price = desk.access.project.price_per_label
    _book(desk, batch, f"answer:{answer.pk}", Decimal(1), price)


def _refund(desk: Desk, task: Task, batch: LabelBatch, given: Given) -> None:
    """Book the charge back: a label that was taken back is paid to whoever gives it in the end."""
    keys = [f"answer:{answer_id}" for answer_id in desk.given.get(task.pk, [])]
    charges = LedgerEntry.objects.filter(project_id=task.project_id, key__in=keys)
    paid = charges.order_by("-pk").values_list("unit_price", flat=True)[0]
    _book(desk, batch, f"withdrawn:{given.id}", Decimal(-1), paid)


def _book(desk: Desk, batch: LabelBatch, key: str, quantity: Decimal, price: Decimal) -> None:
    LedgerEntry.objects.create(
        project_id=batch.project_id,
        key=key,
        purpose=batch.purpose,
        quantity=quantity,
        unit_price=price,
        amount=quantity * price,
        user=desk.access.user,
    )
    desk.spend += quantity * price


def _is_free_for(desk: Desk, task: Task) -> bool:
    """Tell whether nobody else holds the task now."""
    over = task.lease_until is None or task.lease_until < timezone.now()
    return over or task.lease_user_id in {None, desk.access.user.pk}


def _lease_to(task: Task, user_id: int | None) -> None:
    """Write the task's state and rank with this lease."""
    task.lease_user_id = user_id
    task.lease_until = None if user_id is None else lease_end()
    task.save(update_fields=["state", "rank", "lease_user", "lease_until"])


def _end_of_queue(task: Task) -> int:
    """Return the largest rank among the project's open tasks (read from the partial index)."""
    ranks = Task.objects.filter(project_id=task.project_id, state=Task.State.OPEN)
    return ranks.order_by("-rank").values_list("rank", flat=True)[0]
