"""The slots of an image: filled by answers, made one after another, counted when all are full.

Ranks: what moves to the end of its batch gets a rank above all that the batch ever gave out, so
that nobody's QueueCursor has passed it. The next slot of an image stands right behind the one
that was filled: whoever has passed that rank has answered the image. Not so where the slot was not
open: cursors pass what waits for experts or for one person, and the next one goes to the end.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils import timezone

from labelapp.models import Answer, Label, LabelBatch, QueueCursor, Review, Task
from labelapp.services import questions, votes
from labelapp.services.desk import Desk, Key, key_of
from labelapp.services.leases import lease_end
from labelapp.services.statements import insert, update

OPEN, EXPERT, ASSIGNED, DONE, DROPPED = (
    Task.State.OPEN,
    Task.State.EXPERT,
    Task.State.ASSIGNED,
    Task.State.DONE,
    Task.State.DROPPED,
)

COUNTER_OF = {
    "test": "test",
    "seed": "train",
    "train": "train",
    "ahead": "ahead",
    "audit": "audit",
    "residual": "residual",
}
"""Which count of ProjectCounter an image of each purpose belongs to."""

SPACING = 16
"""Ranks from one image of a batch to the next: room for the later slots of an image."""

AHEAD_RANK = 2**40
"""Images that are asked while a training runs stand above this rank: all others come first."""


def slot_to_fill(desk: Desk, task: Task) -> Task | None:
    """Return the slot that an answer to this task fills: its own, or another open one."""
    if task.state in {OPEN, EXPERT} or (task.state == ASSIGNED and task.lease_user_id == desk.me):
        return task
    others = desk.slots[key_of(task)]
    return next((slot for slot in others if slot.state in {OPEN, EXPERT}), None)


def fill(desk: Desk, slot: Task, answer: Answer) -> None:
    """Close the slot with this answer; the label, the counts and the next slot follow."""
    key, was_open = key_of(slot), slot.state == OPEN
    if slot.state == EXPERT:
        _close_reviews(desk, slot, answer)
    slot.state = DONE
    write(slot, None)
    before = _missing(desk, key)
    desk.votes[key].append(answer)
    desk.done += 1
    _label(desk, slot, first=len(desk.votes[key]) == 1)
    _follow(desk, slot, before, right_behind=was_open)


def replace(desk: Desk, slot: Task, old: Answer, new: Answer) -> None:
    """Correct an answer that fills a slot; used from the next training or certificate on."""
    key = key_of(slot)
    before = _missing(desk, key)
    desk.votes[key] = [vote for vote in desk.votes[key] if vote.pk != old.pk] + [new]
    _label(desk, slot, first=False)
    _follow(desk, slot, before)


def reopen(desk: Desk, slot: Task, taken_back: Answer) -> None:
    """Take the answer's vote away and lease the slot to this person again."""
    key = key_of(slot)
    before = _missing(desk, key)
    desk.votes[key] = [vote for vote in desk.votes[key] if vote.pk != taken_back.pk]
    desk.done -= 1
    give_back(desk, slot)
    _label(desk, slot, first=False)
    _follow(desk, slot, before)


def give_back(desk: Desk, slot: Task) -> None:
    """Open a slot for this person again.

    Where people have cursors, it and the other open slots of its image go to the end: a cursor
    may have passed them, this person's too.
    """
    slot.state = OPEN
    if QueueCursor.objects.filter(project_id=slot.project_id).exists():
        move_to_end(desk, slot)
        for other in desk.slots[key_of(slot)]:
            if other.state == OPEN and other.pk != slot.pk:
                move_to_end(desk, other)
                Task.objects.filter(pk=other.pk).update(rank=other.rank)
    write(slot, desk.me)


def move_to_end(desk: Desk, slot: Task) -> None:
    """Give the slot a rank behind all that its batch has given out, in memory."""
    batch = desk.batch(slot)
    slot.rank = batch.last_rank = end_of_queue(batch)
    desk.recounted.add(batch.pk)


def end_of_queue(batch: LabelBatch) -> int:
    """Return a rank behind all that was ever given out in this batch."""
    ranks = Task.objects.filter(project_id=batch.project_id, state=OPEN)
    if batch.purpose != "ahead":
        ranks = ranks.filter(rank__lt=AHEAD_RANK)
    last = ranks.order_by("-rank").values_list("rank", flat=True).first()
    return max(last or 0, batch.last_rank) + SPACING


def write(slot: Task, user_id: int | None) -> None:
    """Write the slot's state and rank, leased to this person (to have on screen) or free."""
    now = timezone.now()
    slot.lease_user_id = user_id
    slot.lease_until = None if user_id is None else lease_end(now)
    slot.lease_since = None if user_id is None else now
    slot.lease_soft = user_id is None
    fields = ["state", "rank", "lease_user", "lease_until", "lease_since", "lease_soft"]
    update(slot, fields)


def _missing(desk: Desk, key: Key) -> int:
    return desk.wanted(key) - len(desk.votes[key])


def _follow(desk: Desk, slot: Task, before: int, *, right_behind: bool = False) -> None:
    """Make the next slot where one is wanted, and count; `before` answers were missing.

    `right_behind`: it may stand behind this slot, no cursor has passed it.
    """
    key, batch = key_of(slot), desk.batch(slot)
    given = [_class_index(vote) for vote in desk.votes[key]]
    wanted = desk.wanted(key)
    if batch.state == LabelBatch.State.OPEN and len(given) >= wanted > 1:
        project = desk.access.project
        if votes.wants_more(given, overlap=project.overlap, most=project.overlap_max):
            wanted += 1
            batch.size += 1
    missing = wanted - len(given)
    if missing > 0 and not _is_asked(desk, key):
        _next_slot(desk, slot, wanted, right_behind=right_behind)
    if missing == 0 and len(set(given)) > 1:
        _ask_reviewers(slot)
    batch.remaining += missing - before
    desk.recounted.add(batch.pk)
    desk.counts[COUNTER_OF[batch.purpose]] += (missing == 0) - (before == 0)


def _is_asked(desk: Desk, key: Key) -> bool:
    """Tell whether a slot of the image waits for an answer: of anybody, experts, or one person."""
    filled = {vote.task_id for vote in desk.votes[key]}
    waits = [one for one in desk.slots[key] if one.state in {OPEN, EXPERT, ASSIGNED}]
    return any(one.state != ASSIGNED or one.pk not in filled for one in waits)


def _next_slot(desk: Desk, slot: Task, wanted: int, *, right_behind: bool) -> None:
    key = key_of(slot)
    following = Task(
        batch_id=slot.batch_id,
        project_id=slot.project_id,
        image_id=slot.image_id,
        slot=1 + max(one.slot for one in desk.slots[key]),
        wanted=wanted,
        rank=slot.rank + 1,
    )
    if not right_behind:
        following.batch = desk.batch(slot)
        move_to_end(desk, following)
    insert(following)
    following.image, following.batch = slot.image, desk.batch(slot)
    desk.slots[key].append(following)
    desk.tasks[following.pk] = following


def _label(desk: Desk, slot: Task, *, first: bool) -> None:
    """Bring the image's label in line with its votes; a reviewer's word stands."""
    given = desk.votes[key_of(slot)]
    batch = desk.batch(slot)
    if not (given and first):
        labels = Label.objects.filter(image_id=slot.image_id, batch_id=batch.pk)
        labels = labels.exclude(method="review")
        if given:
            labels.update(**_label_values(given))
        else:
            labels.delete()
        return
    values = _label_values(given)
    label = Label(
        image_id=slot.image_id,
        project_id=slot.project_id,
        seq=slot.image.seq,
        source=Label.Source.HUMAN,
        batch=batch,
        purpose=batch.purpose,
        **values,
    )
    also = ["source", "confidence", "batch", "model", "purpose"]
    insert(label, replace=[*also, *values], unique="image")


def _label_values(given: Sequence[Answer]) -> dict[str, object]:
    indexes = [_class_index(vote) for vote in given]
    found = votes.majority(indexes)
    answer = given[indexes.index(found.class_index)]
    several = len(given) > 1
    return {
        "class_index": found.class_index,
        "answer": answer,
        "user_id": answer.user_id,
        "votes": len(given),
        "agreement": found.agreement if several else None,
        "method": "majority" if several else "",
        "created": timezone.now(),
    }


def _class_index(vote: Answer) -> int:
    if vote.label_class is None:
        raise ValueError("a vote names a class")  # a constraint of the database
    given = vote.label_class
    return given.index if given.merged_into is None else given.merged_into.index


def _ask_reviewers(slot: Task) -> None:
    questions.ask(
        project_id=slot.project_id,
        image_id=slot.image_id,
        reason=Review.Reason.DISAGREEMENT,
        task_id=slot.pk,
        person_id=None,
    )


def _close_reviews(desk: Desk, slot: Task, answer: Answer) -> None:
    """The question that brought the image to the experts is answered."""
    asked = [Review.Reason.SKIPPED, Review.Reason.UNSURE]
    Review.objects.filter(
        image_id=slot.image_id, task_id=slot.pk, reason__in=asked, state=Review.State.OPEN
    ).update(
        state=Review.State.DONE,
        outcome=Review.Outcome.ACCEPTED,
        after=_class_index(answer),
        reviewer_id=desk.me,
        closed=timezone.now(),
    )
