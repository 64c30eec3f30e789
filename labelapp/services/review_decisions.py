"""What a reviewer decides, and all that follows from it.

A reviewer's class goes through `services.labelling.submit` like every answer: it fills a slot
that is still wanted, corrects the reviewer's own vote, or is kept as an extra vote. Then the
label says what the reviewer said (method "review"), and no vote that comes later changes it.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    LabelChangedError,
    NotFoundError,
    UnknownClassError,
)
from labelapp.models import (
    Answer,
    Label,
    LabelBatch,
    LedgerEntry,
    Membership,
    ProjectCounter,
    Review,
    Task,
    TrainItem,
)
from labelapp.rights import Right
from labelapp.selectors.projects import Access
from labelapp.services import exclusions, labelling, machine_corrections, reviews
from labelapp.services.leases import one_writer, task_token

MAX_NOTE = 500
_SPACE = uuid.UUID("6f0f6a0e-5d52-4d5f-9b0b-0e6a51a4f1c1")
Outcome = Review.Outcome


@dataclass(frozen=True)
class Decision:
    """What a reviewer decided: accept, class (`class_index`), send_back (`note`), exclude.

    With accept, `class_index` is the class that the reviewer saw; without it, whatever the label
    is by now. `person` is to whom it goes back; without it, whose answer is looked at. A `free`
    one is one of many that a manager decided together: booked, at no charge.
    """

    kind: str
    class_index: int | None = None
    person: int | None = None
    note: str = ""
    active_ms: int = 0
    free: bool = False


@dataclass(frozen=True)
class Decided:
    """What came of it: class indexes before and after, where there are any.

    `stands`: the label was part of a closed audit and stays; the finding is counted all the same.
    `paid`: the decision filled a slot and was charged as that answer.
    """

    outcome: str
    before: int | None
    after: int | None
    stands: bool = False
    paid: bool = False


def decide(*, access: Access, review_id: int, decision: Decision) -> Decided:
    """Carry out a decision, once; the same one again by the same reviewer returns what it came to.

    Booked as "review" at the price of a label, unless it was booked as the answer that a slot
    waited for. Raises ForbiddenError, NotFoundError, InvalidInputError, UnknownClassError,
    LabelChangedError where another class was seen, or ConflictError where another reviewer was
    faster or the image does not allow it.
    """
    if not access.may(Right.REVIEW):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    if decision.kind not in _HANDLERS:
        message = _("Choose what to do with the image.")
        raise InvalidInputError(message, decision=decision.kind)
    with one_writer():
        review = locked(access, review_id)
        if review.state == Review.State.DONE:
            return _repeat(access, review)
        label = Label.objects.filter(image_id=review.image_id, source=Label.Source.HUMAN)
        label_found = label.select_related("batch").first()
        machine = None if label_found else machine_corrections.label_of(review.image_id)
        desk = _Desk(access, review, decision, label_found, machine)
        done = _HANDLERS[decision.kind](desk)
        _close(desk, done)
        _pay(desk, done)
    return done


def locked(access: Access, review_id: int) -> Review:
    """Lock the image's batches, then the review: in the order in which answers lock them.

    Raises NotFoundError. Call it inside `one_writer()`.
    """
    rows = Review.objects.filter(project=access.project, pk=review_id)
    image_id = rows.values_list("image_id", flat=True).first()
    if image_id is None:
        raise NotFoundError(_("There is no such image in the review queue."))
    asked = Task.objects.filter(project=access.project, image_id=image_id).values("batch_id")
    list(LabelBatch.objects.select_for_update().filter(pk__in=asked).order_by("pk"))
    return rows.select_for_update(of=("self",)).get()


@dataclass(frozen=True)
class _Desk:
    access: Access
    review: Review
    decision: Decision
    label: Label | None
    machine: Label | None = None  # the machine's, where no person has labelled the image

    @property
    def before(self) -> int | None:
        label = self.label or self.machine
        return None if label is None else label.class_index


def _repeat(access: Access, review: Review) -> Decided:
    if review.reviewer_id != access.user.pk:
        raise ConflictError(_("Somebody else has decided this image meanwhile."))
    return Decided(review.outcome, review.before, review.after)


# --- accept, another class -----------------------------------------------------------------------


def _accept(desk: _Desk) -> Decided:
    if desk.before is None:
        raise ConflictError(_("Nobody has labelled this image yet: give its class."))
    if desk.decision.class_index not in {None, desk.before}:
        raise LabelChangedError(_("The label has changed meanwhile: look at the image again."))
    return _give_class(desk, desk.before)


def _class(desk: _Desk) -> Decided:
    index = desk.decision.class_index
    if index is not None:
        classes = desk.access.project.classes.filter(archived=False, index=index)
        if classes.exists():
            return _give_class(desk, index)
    raise UnknownClassError(_("The project has no such class."), **{"class": index})


def _give_class(desk: _Desk, index: int) -> Decided:
    """Let the label be this class. A random sample only measures: right labels stay untouched."""
    same = desk.before == index
    outcome = Outcome.ACCEPTED if same or desk.before is None else Outcome.CORRECTED
    sample = desk.review.reason == Review.Reason.SAMPLE
    if desk.machine is not None:
        if not same:
            machine_corrections.correct(access=desk.access, label=desk.machine, class_index=index)
        return Decided(outcome, desk.before, index)
    if same and not _wanted_by_experts(desk):
        if not sample:
            Label.objects.filter(image_id=desk.review.image_id).update(method="review")
        return Decided(outcome, desk.before, index)
    if is_proof(desk.label):
        if not sample:
            raise ConflictError(proof_stands())
        return Decided(outcome, desk.before, index, stands=True)
    answer_id, state = _answer(desk, index)
    Label.objects.filter(image_id=desk.review.image_id).update(
        class_index=index,
        method="review",
        answer_id=answer_id,
        user_id=desk.access.user.pk,
        created=timezone.now(),
    )
    return Decided(outcome, desk.before, index, paid=state == "accepted")


def proof_stands() -> str:
    """Return why the label of a closed audit cannot change."""
    return _("This label was part of a check of the machine and stands as it was given.")


def _wanted_by_experts(desk: _Desk) -> bool:
    tasks = Task.objects.filter(project=desk.access.project, image_id=desk.review.image_id)
    return tasks.filter(state=Task.State.EXPERT).exists()


def is_proof(label: Label | None) -> bool:
    """Tell whether the label proves a certificate: of a closed audit, and not in training."""
    if label is None or label.batch is None:
        return False
    batch = label.batch
    if batch.purpose != "audit" or batch.state == LabelBatch.State.OPEN:
        return False
    return not TrainItem.objects.filter(run_id=batch.run_id, image_id=label.image_id).exists()


def _answer(desk: _Desk, index: int) -> tuple[uuid.UUID, str]:
    """Store the reviewer's answer; return its id and what became of it."""
    reviews.recall_unanswered(project_id=desk.access.project.pk, image_id=desk.review.image_id)
    access, task_id = desk.access, _task_id(desk)
    said = Answer.objects.filter(image_id=desk.review.image_id, user=access.user, how="review")
    answer_id = answer_ids(desk.review.pk, access.user.pk, index, said.count())[-1]
    token = task_token(task_id=task_id, user_id=access.user.pk, project_id=access.project.pk)
    answer = {
        "id": str(answer_id),
        "task": task_id,
        "token": token,
        "kind": Answer.Kind.CLASS,
        "class": index,
        "active_ms": desk.decision.active_ms,
        "how": "review",
    }
    result = labelling.submit(access=access, answers=[answer]).results[0]
    if not result["ok"]:
        raise ConflictError(str(result["error"]))
    return answer_id, str(result["state"])


def answer_ids(review_id: int, user_id: int, index: int, last: int) -> list[uuid.UUID]:
    """Return the ids that the answer of this decision can have; the last one is still free.

    A decision can be taken back and made again: `last` is how many answers the reviewer has given
    to the image before, as a reviewer.
    """
    name = f"{review_id}:{user_id}:{index}"
    names = [name, *(f"{name}:{number}" for number in range(1, last + 1))]
    return [uuid.uuid5(_SPACE, one) for one in names]


def _task_id(desk: _Desk) -> int:
    """Return the task that the answer belongs to: one that waits for experts before all others."""
    tasks = Task.objects.filter(project=desk.access.project, image_id=desk.review.image_id)
    tasks = tasks.exclude(batch__purpose="gold").exclude(state=Task.State.DROPPED)
    expert = tasks.filter(state=Task.State.EXPERT).values_list("pk", flat=True).first()
    if expert is not None:
        return expert
    if desk.label is not None and desk.label.batch_id is not None:
        tasks = tasks.filter(batch_id=desk.label.batch_id)
    found = tasks.order_by("-batch_id", "slot").values_list("pk", flat=True).first()
    if found is None:
        raise ConflictError(_("This image is not asked any more."))
    return found


# --- send back, exclude --------------------------------------------------------------------------


def _send_back(desk: _Desk) -> Decided:
    """Give the image to the person again, with a note; what they say next replaces their answer."""
    if desk.review.reason == Review.Reason.SAMPLE:
        raise ConflictError(_("A random sample measures: give the class that you see."))
    if not _note(desk):
        message = _("Write a note: what should the person look at?")
        raise InvalidInputError(message, note=message)
    person = desk.decision.person or desk.review.person_id
    if person is None and desk.label is not None:
        person = desk.label.user_id
    members = Membership.objects.filter(project=desk.access.project, user__is_active=True)
    if person is None or not members.filter(user_id=person).exists():
        raise ConflictError(_("This person is not in the project any more."))
    if not members.filter(user_id=person, paused_at=None).exists():
        raise ConflictError(_("This person is paused and gets no images: give the class yourself."))
    if desk.label is not None and desk.label.method == "review":
        raise ConflictError(_("A reviewer has decided this image already."))
    if is_proof(desk.label):
        raise ConflictError(proof_stands())
    _assign(desk, person)
    return Decided(Outcome.SENT_BACK, desk.before, None)


def _assign(desk: _Desk, person: int) -> None:
    """Assign the task of the person's answer; without one, the task that they passed on."""
    answers = Answer.objects.filter(
        image_id=desk.review.image_id, user_id=person, kind="class", extra=False, superseded_by=None
    ).exclude(batch__purpose="gold")
    task_id = answers.order_by("-created").values_list("task_id", flat=True).first()
    state = Task.State.DONE
    if task_id is None and desk.review.person_id == person:
        task_id, state = desk.review.task_id, Task.State.EXPERT
    values = {"state": Task.State.ASSIGNED, "lease_user": person, "lease_until": None, "rank": 0}
    if task_id is None or not Task.objects.filter(pk=task_id, state=state).update(**values):
        raise ConflictError(_("This person has no answer to this image that counts."))


def _note(desk: _Desk) -> str:
    return " ".join(desk.decision.note.split())[:MAX_NOTE]


def _exclude(desk: _Desk) -> Decided:
    """Ask nobody any more: nobody can tell. It counts as wrong in every bound."""
    if is_proof(desk.label) and desk.review.reason == Review.Reason.SAMPLE:
        return Decided(Outcome.EXCLUDED, desk.before, None, stands=True)
    exclusions.exclude(access=desk.access, image_id=desk.review.image_id, reason=_note(desk))
    return Decided(Outcome.EXCLUDED, desk.before, None)


_HANDLERS = {"accept": _accept, "class": _class, "send_back": _send_back, "exclude": _exclude}


# --- the end of it -------------------------------------------------------------------------------


def _close(desk: _Desk, done: Decided) -> None:
    """Write the review; one that was asked for another reason, of the same image, stays."""
    values: dict[str, object] = {
        "state": Review.State.DONE,
        "outcome": done.outcome,
        "before": done.before,
        "after": done.after,
        "note": _note(desk),
        "reviewer": desk.access.user,
        "held_by": None,
        "held_until": None,
        "closed": timezone.now(),
    }
    if done.outcome == Outcome.SENT_BACK:
        back = Task.objects.filter(image_id=desk.review.image_id, state=Task.State.ASSIGNED)
        task = back.exclude(batch__purpose="gold").order_by("-pk").first()
        values |= {"task": task, "person_id": None if task is None else task.lease_user_id}
    Review.objects.filter(pk=desk.review.pk).update(**values)


def _pay(desk: _Desk, done: Decided) -> None:
    """Book the look of the reviewer, and wake the pages that watch the counters."""
    if done.paid:
        return
    access = desk.access
    price = Decimal(0) if desk.decision.free else access.project.price_per_label
    book_review(access, key=charge_key(desk.review), quantity=1, price=price)


def charge_key(review: Review) -> str:
    """Return the ledger's key for the charge of this decision, which may not be the first one."""
    undone = 0
    while LedgerEntry.objects.filter(
        project_id=review.project_id, key=f"review_undone:{review.pk}:{undone}"
    ).exists():
        undone += 1
    return f"review:{review.pk}:{undone}" if undone else f"review:{review.pk}"


def book_review(access: Access, *, key: str, quantity: int, price: Decimal) -> None:
    """Book what a reviewer's look costs; a quantity of -1 books it back."""
    LedgerEntry.objects.create(
        project=access.project,
        key=key,
        purpose="review",
        quantity=quantity,
        unit_price=price,
        amount=quantity * price,
        user=access.user,
    )
    ProjectCounter.objects.filter(project=access.project).update(
        label_spend=F("label_spend") + quantity * price, answers=F("answers") + 1
    )
