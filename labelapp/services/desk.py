"""What the answers of one request touch: read once, kept up to date in memory."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import connection

from labelapp.models import Answer, Image, LabelBatch, LabelClass, Task
from labelapp.selectors.projects import Access
from labelapp.selectors.rows import columns, key_value, marks, read
from labelapp.services.answer_input import Given

CLASS, WITHDRAWN = Answer.Kind.CLASS, Answer.Kind.WITHDRAWN

Key = tuple[int, int]
"""An image in a batch: (batch, image). Its slots are alike, any answer may fill any of them."""


@dataclass
class Desk:
    """All that the answers of one request touch."""

    access: Access
    tasks: dict[int, Task]  # those that the answers name, and the other slots of their images
    slots: dict[Key, list[Task]]
    batches: dict[int, LabelBatch]
    known: dict[uuid.UUID, Answer]  # stored answers that this request may repeat
    current: dict[Key, Answer]  # what this person said last, where it still stands
    given: dict[Key, list[uuid.UUID]]  # the class answers of this person, in order
    votes: dict[Key, list[Answer]]  # current answers that fill a slot, the earliest first
    classes: dict[int, LabelClass]  # by index, those that the request names
    counts: Counter[str] = field(default_factory=Counter)  # changes of ProjectCounter
    spend: Decimal = Decimal(0)
    done: int = 0  # images that this person labelled, less those taken back
    recounted: set[int] = field(default_factory=set)  # batches whose `remaining` changed
    pause: str = ""  # why this person is to be paused at the end of the request

    @property
    def me(self) -> int:
        """The id of the person who answers."""
        return self.access.user.pk

    def batch(self, task: Task) -> LabelBatch:
        """Return the batch of a task, as far as this request has changed it."""
        return self.batches[task.batch_id]

    def wanted(self, key: Key) -> int:
        """Return how many answers the image is to have by now."""
        return max(task.wanted for task in self.slots[key])


def key_of(row: Task | Answer) -> Key:
    """Return the image in its batch."""
    return row.batch_id, row.image_id


def counts_as_vote(answer: Answer | None) -> bool:
    """Tell whether this answer fills a slot."""
    return answer is not None and answer.kind == CLASS and not answer.extra


def load_desk(access: Access, givens: list[Given]) -> Desk:
    """Read what these answers need; lock the tasks and their batches (PostgreSQL).

    Answers are read after the locks, so a repeat that runs beside the original sees its row. The
    batch is locked first: whoever answers tasks that others hold by now waits with empty hands.
    """
    tasks = _load_tasks(access, {given.task for given in givens})
    images = {task.image_id for task in tasks.values()}
    stored = _stored(access, [given.id for given in givens], images)
    known = {answer.pk: answer for answer in stored}
    slots: dict[Key, list[Task]] = {}
    for task in tasks.values():
        slots.setdefault(key_of(task), []).append(task)
    mine = [a for a in known.values() if a.user_id == access.user.pk and key_of(a) in slots]
    current = _current(mine)
    named = {given.class_index for given in givens if given.class_index is not None}
    return Desk(
        access=access,
        tasks=tasks,
        slots=slots,
        batches={task.batch_id: task.batch for task in tasks.values()},
        known=known,
        current=current,
        given=_classes_given(mine),
        votes=_votes(slots, current),
        classes=_classes(access.project.pk, list(named)),
    )


def _stored(access: Access, ids: list[uuid.UUID], images: set[int]) -> list[Answer]:
    """Return the answers of these ids, and this person's to these images.

    `+ 0` leads both databases to the index of the image: without statistics SQLite would walk
    over all that this person has ever answered.
    """
    where, parameters = "", [key_value(Answer, one) for one in ids]
    if images:
        mine = "a.user_id + 0 = %s AND a.project_id + 0 = %s"
        where = f" OR (a.image_id IN ({marks(images)}) AND {mine})"
        parameters += [*images, access.user.pk, access.project.pk]
    return _answers(f"WHERE a.id IN ({marks(ids)}){where}", parameters) if ids else []


def _answers(where: str, parameters: Sequence[object]) -> list[Answer]:
    """Read answers `a` with their classes."""
    rows = read(
        (Answer, LabelClass),
        f"SELECT {columns(Answer, 'a')}, {columns(LabelClass, 'c')}"  # noqa: S608 - names of ours
        f" FROM {Answer._meta.db_table} a LEFT JOIN {LabelClass._meta.db_table} c"
        f" ON c.id = a.label_class_id {where}",
        parameters,
    )
    for answer, label_class in rows:
        answer.label_class = label_class
    return [answer for answer, _ in rows]


def _classes(project_id: int, indexes: list[int]) -> dict[int, LabelClass]:
    if not indexes:
        return {}
    rows = read(
        (LabelClass,),
        f"SELECT {columns(LabelClass, 'c')} FROM {LabelClass._meta.db_table} c"  # noqa: S608 - names of ours
        f' WHERE c.project_id = %s AND c."index" IN ({marks(indexes)})',
        [project_id, *indexes],
    )
    return {label_class.index: label_class for (label_class,) in rows}


def _load_tasks(access: Access, named: set[int]) -> dict[int, Task]:
    """Read the named tasks; where images want several answers, the other slots as well."""
    if not named:
        return {}
    project = access.project.pk
    tasks = _tasks(f"t.id IN ({marks(named)}) AND t.project_id = %s", [*named, project])
    shared = {key_of(task) for task in tasks.values() if task.wanted > 1}
    if shared:
        batches, images = {batch for batch, _ in shared}, {image for _, image in shared}
        where = f"t.batch_id IN ({marks(batches)}) AND t.image_id IN ({marks(images)})"
        for pk, task in _tasks(where, [*batches, *images], order="t.slot").items():
            tasks.setdefault(pk, task)
    batches_read: dict[int, LabelBatch] = {}
    for task in tasks.values():  # one object for each batch
        task.batch = batches_read.setdefault(task.batch_id, task.batch)
    return tasks


def _tasks(
    where: str, parameters: Sequence[object], order: str = "t.batch_id, t.id"
) -> dict[int, Task]:
    """Read and lock tasks `t` with their images and batches, in this order."""
    lock = " FOR UPDATE OF b, t" if connection.vendor == "postgresql" else ""
    rows = read(
        (Task, Image, LabelBatch),
        f"SELECT {columns(Task, 't')}, {columns(Image, 'i')}, {columns(LabelBatch, 'b')}"  # noqa: S608 - names of ours
        f" FROM {Task._meta.db_table} t JOIN {Image._meta.db_table} i ON i.id = t.image_id"
        f" JOIN {LabelBatch._meta.db_table} b ON b.id = t.batch_id"
        f" WHERE {where} ORDER BY {order}{lock}",
        parameters,
    )
    for task, image, batch in rows:
        task.image, task.batch = image, batch
    return {task.pk: task for task, _, _ in rows}


def _current(mine: Iterable[Answer]) -> dict[Key, Answer]:
    """Return what stands; a class stands before a skip (of an image that was sent back)."""
    current: dict[Key, Answer] = {}
    for answer in sorted(mine, key=lambda one: one.kind == CLASS):
        if answer.superseded_by is None and answer.kind != WITHDRAWN:
            current[key_of(answer)] = answer
    return current


def _classes_given(mine: Iterable[Answer]) -> dict[Key, list[uuid.UUID]]:
    given: dict[Key, list[uuid.UUID]] = {}
    for answer in sorted(mine, key=lambda one: one.created):
        if answer.kind == CLASS:
            given.setdefault(key_of(answer), []).append(answer.pk)
    return given


def _votes(slots: dict[Key, list[Task]], current: dict[Key, Answer]) -> dict[Key, list[Answer]]:
    """Return the answers that fill slots; with one slot only this person's own matters."""
    votes: dict[Key, list[Answer]] = {
        key: [current[key]] if counts_as_vote(current.get(key)) else [] for key in slots
    }
    shared = {key for key, tasks in slots.items() if max(t.wanted for t in tasks) > 1}
    if shared:
        batches, images = {batch for batch, _ in shared}, {image for _, image in shared}
        rows = _answers(
            f"WHERE a.image_id IN ({marks(images)}) AND a.batch_id + 0 IN ({marks(batches)})"
            " AND a.kind = 'class' AND NOT a.extra AND a.superseded_by IS NULL"
            " ORDER BY a.created, a.id",
            [*images, *batches],
        )
        votes |= {key: [] for key in shared}
        for answer in rows:
            if key_of(answer) in shared:
                votes[key_of(answer)].append(answer)
    return votes
