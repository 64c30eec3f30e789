"""Take back what a reviewer decided: the label, the question and the charge as they were.

Only while nothing was built on it: nobody has answered the image since, nothing else was decided
about it, and the engine has not read an exclusion. What was said stays on record as everywhere:
the reviewer's own vote is withdrawn, or corrected back to what they had said before.
"""

from __future__ import annotations

import uuid

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp.errors import ConflictError, ForbiddenError
from labelapp.models import (
    Answer,
    Exclusion,
    GoldItem,
    Label,
    LedgerEntry,
    Project,
    Review,
    Task,
)
from labelapp.rights import Right
from labelapp.selectors.projects import Access
from labelapp.services import labelling, machine_corrections, readmissions, reviews
from labelapp.services.label_past import method_of, vote_for, was_final
from labelapp.services.leases import NO_LEASE, one_writer, task_token
from labelapp.services.review_decisions import (
    answer_ids,
    book_review,
    charge_key,
    is_proof,
    locked,
    proof_stands,
)

_SPACE = uuid.UUID("2d0a7f52-8a0e-4bb0-9d0e-3f1c2f6f9b77")
_PASSED_ON = [Review.Reason.SKIPPED, Review.Reason.UNSURE]
Outcome = Review.Outcome


def undo(*, access: Access, review_id: int) -> None:
    """Take back this reviewer's decision; the image is on their screen again, as after `hold`.

    Harmless if repeated. Raises NotFoundError, ForbiddenError for who did not decide it, and
    ConflictError where something was built on the decision.
    """
    if not access.may(Right.REVIEW):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    with one_writer():
        review = locked(access, review_id)
        if review.state == Review.State.OPEN:
            if review.held_by_id != access.user.pk:
                raise ConflictError(_("There is no decision of yours to take back."))
            return
        if review.reviewer_id != access.user.pk:
            raise ForbiddenError(_("Only who decided this image can take that back."))
        own, charge = _own_answer(review), _charge(review)
        if own is None and charge is None:  # closed by another decision, or by a plain answer
            raise ConflictError(_("There is no decision of yours to take back."))
        _check_nothing_followed(review)
        _TAKE_BACK[Outcome(review.outcome)](access, review, own)
        _reopen(access, review)
        if charge is not None:
            _book_back(access, review, charge)


def _own_answer(review: Review) -> Answer | None:
    """Return the answer that this decision gave, where it gave one."""
    if review.reviewer_id is None or review.after is None:
        return None
    mine = Answer.objects.filter(
        image_id=review.image_id, user_id=review.reviewer_id, how="review"
    ).select_related("label_class")
    ids = answer_ids(review.pk, review.reviewer_id, review.after, mine.count())
    return mine.filter(pk__in=ids, superseded_by=None).first()


def _charge(review: Review) -> LedgerEntry | None:
    """Return what was booked for the decision; none where it was booked as an answer."""
    entries = LedgerEntry.objects.filter(project_id=review.project_id, key=charge_key(review))
    return entries.first()


def _check_nothing_followed(review: Review) -> None:
    since, image = review.closed, {"image_id": review.image_id}
    others = Review.objects.filter(**image).exclude(pk=review.pk)
    asked = others.filter(reason=review.reason, state=Review.State.OPEN)
    if since is None or asked.exists() or others.filter(closed__gt=since).exists():
        raise ConflictError(_("Reviewers have gone on with this image: the decision stands."))
    said = Answer.objects.filter(**image, created__gt=since).exclude(batch__purpose="gold")
    # What this reviewer said since, as a reviewer, belongs to decisions that are taken back.
    if said.exclude(user=review.reviewer, how="review").exists():
        raise ConflictError(_("Somebody has answered this image since: the decision stands."))
    if GoldItem.objects.filter(**image, created__gt=since).exists():
        raise ConflictError(_("This image is gold by now: the decision stands."))
    if review.outcome != Outcome.EXCLUDED and Exclusion.objects.filter(**image).exists():
        raise ConflictError(_("This image is excluded by now."))


# --- accepted, corrected -------------------------------------------------------------------------


def _class(access: Access, review: Review, own: Answer | None) -> None:
    """Give the label its class and its method back."""
    label = Label.objects.filter(image_id=review.image_id, source=Label.Source.HUMAN)
    found = label.select_related("batch").first()
    expected = review.before if own is None else review.after
    corrected = found is not None and own is None and machine_corrections.is_corrected(found)
    if found is not None and corrected and found.class_index == review.after:
        machine_corrections.undo(project=access.project, review=review, label=found)
        return
    if found is None and review.before == review.after:
        return  # a look at a right label of the machine changed nothing of it
    if found is None or found.class_index != expected:
        raise ConflictError(_("The label has changed since: the decision stands."))
    if own is not None:
        if is_proof(found):
            raise ConflictError(proof_stands())
        _reopen_siblings(review, own)
        label.update(method="")
        _withdraw(access, review, own)
    elif review.reason == Review.Reason.SAMPLE:
        return  # a look at a right label changes nothing of it
    _restore(access.project, review, label)


def _restore(project: Project, review: Review, label: QuerySet[Label]) -> None:
    """Bring the label in line with what was there before the decision.

    `created` is now where the votes changed: a consensus that is being computed lets it be.
    """
    found = label.select_related("batch").first()
    if found is None or review.before is None:
        if found is not None or review.before is not None:
            raise ConflictError(_("The label has changed since: the decision stands."))
        return
    final = was_final(review)
    values: dict[str, object] = {"method": "review" if final else method_of(project, found)}
    if found.class_index != review.before or found.answer_id is None or _is_gone(found.answer_id):
        vote = vote_for(found, review.before, final=final)
        values |= {"class_index": review.before, "created": timezone.now()}
        values |= {"answer": vote, "user_id": None if vote is None else vote.user_id}
    label.update(**values)


def _is_gone(answer_id: uuid.UUID) -> bool:
    return Answer.objects.filter(pk=answer_id, superseded_by__isnull=False).exists()


def _withdraw(access: Access, review: Review, own: Answer) -> None:
    """Withdraw the reviewer's vote, or give the class again that it had replaced."""
    paid = LedgerEntry.objects.filter(project=access.project, key=f"answer:{own.pk}").exists()
    replaced = Answer.objects.filter(superseded_by=own.pk, kind="class")
    old = None if paid else replaced.select_related("label_class").first()
    answer = {
        "id": str(uuid.uuid5(_SPACE, str(own.pk))),
        "task": own.task_id,
        "token": task_token(
            task_id=own.task_id, user_id=access.user.pk, project_id=access.project.pk
        ),
        "kind": "withdrawn" if old is None else "class",
        "class": None if old is None or old.label_class is None else old.label_class.index,
        "how": "review",
    }
    result = labelling.submit(access=access, answers=[answer]).results[0]
    if not result["ok"]:
        raise ConflictError(str(result["error"]))
    if paid:
        _put_back(review, own)


def _put_back(review: Review, own: Answer) -> None:
    """Let the slot wait for experts again, or for anybody; a question that the vote raised ends."""
    about = Review.objects.filter(image_id=review.image_id)
    passed_on = about.filter(task_id=own.task_id, reason__in=_PASSED_ON)
    returned = about.filter(task_id=own.task_id, outcome=Outcome.SENT_BACK)
    waits = passed_on.exists() or returned.exists()
    state = Task.State.EXPERT if waits else Task.State.OPEN
    Task.objects.filter(pk=own.task_id).update(state=state, **NO_LEASE)
    raised = about.filter(reason=Review.Reason.DISAGREEMENT, state=Review.State.OPEN)
    raised.filter(created__gte=own.created).exclude(pk=review.pk).delete()


def _reopen_siblings(review: Review, own: Answer) -> None:
    """Reopen the questions about the slot that the vote answered along with this one."""
    along = Review.objects.filter(
        image_id=review.image_id,
        task_id=own.task_id,
        reason__in=_PASSED_ON,
        state=Review.State.DONE,
        reviewer_id=review.reviewer_id,
        closed__gte=own.created,
    ).exclude(pk=review.pk)
    along.update(state=Review.State.OPEN, outcome="", after=None, reviewer=None, closed=None)


# --- sent back, excluded -------------------------------------------------------------------------


def _recall(access: Access, review: Review, own: Answer | None) -> None:
    """Take the image back from the person; the question is about whom it was about before."""
    waiting = Task.objects.filter(
        pk=review.task_id or 0, state=Task.State.ASSIGNED, lease_user_id=review.person_id
    )
    task = waiting.first() if review.person_id else None
    if task is None:
        raise ConflictError(_("This image does not wait for the person any more."))
    reviews.recall_tasks([task.pk])
    kind = {"skipped": Answer.Kind.SKIP, "unsure": Answer.Kind.UNSURE}.get(review.reason)
    passed_on = Answer.objects.filter(image_id=review.image_id, kind=kind, superseded_by=None)
    said = passed_on.order_by("-created").first() if kind else None
    review.person_id = None if said is None else said.user_id
    if said is not None:
        review.task_id = said.task_id


def _readmit(access: Access, review: Review, own: Answer | None) -> None:
    """Ask the image again, unless a random sample only noted what its reviewer saw."""
    if Exclusion.objects.filter(image_id=review.image_id).exists():
        readmissions.readmit(access=access, review=review)


_TAKE_BACK = {
    Outcome.ACCEPTED: _class,
    Outcome.CORRECTED: _class,
    Outcome.SENT_BACK: _recall,
    Outcome.EXCLUDED: _readmit,
}


# --- the end of it -------------------------------------------------------------------------------


def _reopen(access: Access, review: Review) -> None:
    """Open the question again, on the screen of who decided it."""
    Review.objects.filter(pk=review.pk).update(
        state=Review.State.OPEN,
        outcome="",
        before=None,
        after=None,
        note="",
        reviewer=None,
        closed=None,
        task_id=review.task_id,
        person_id=review.person_id,
        held_by=access.user,
        held_until=timezone.now() + reviews.HOLD,
    )


def _book_back(access: Access, review: Review, charge: LedgerEntry) -> None:
    undone = charge.key.removeprefix(f"review:{review.pk}").removeprefix(":") or "0"
    key = f"review_undone:{review.pk}:{undone}"
    book_review(access, key=key, quantity=-1, price=charge.unit_price)
