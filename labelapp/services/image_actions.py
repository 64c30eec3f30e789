"""What is done to one image from the browser: each goes the way that reviews go.

So nothing happens here that a reviewer could not do: a closed audit's labels stand, an image that
the machine labelled changes only once the run has finished, and every decision can be taken back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from labelapp.models import (
    Answer,
    Exclusion,
    Image,
    Label,
    Project,
    Review,
)
from labelapp.rights import Right
from labelapp.selectors.projects import Access
from labelapp.services import audit, readmissions, review_decisions, review_undo
from labelapp.services.leases import one_writer
from labelapp.services.review_decisions import MAX_NOTE, Decided, Decision

ACTIONS = ("review", "label", "exclude", "readmit")
KEPT = "|"  # behind the mark of a review that was open before; the note that it had follows
Outcome = Review.Outcome


@dataclass(frozen=True)
class Action:
    """What to do with an image; `label` needs a class.

    A `free` one is booked at no charge: many images were decided together. `mark` is written to
    the reviews that it makes, by which it is found when it is taken back.
    """

    kind: str
    class_index: int | None = None
    free: bool = False
    mark: str = ""


def need(access: Access, kind: str) -> None:
    """Raise ForbiddenError unless this person may do such a thing, InvalidInputError for others."""
    if kind not in ACTIONS:
        raise InvalidInputError(_("Choose what to do with the images."), action=kind)
    if not (access.may(Right.REVIEW) and access.may(Right.BROWSE)):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    if access.project.archived_at is not None:
        raise ConflictError(_("This project is archived: bring it back in the settings first."))


def act(*, access: Access, image_id: int, action: Action) -> Decided | None:
    """Do it, once; None where there is nothing to do any more.

    Raises ForbiddenError, NotFoundError, and ConflictError where the image does not allow it.
    """
    need(access, action.kind)
    if not Image.objects.filter(project=access.project, pk=image_id).exists():
        raise NotFoundError(_("There is no such image in this project."))
    return _HANDLERS[action.kind](access, image_id, action)


def _to_review(access: Access, image_id: int, action: Action) -> None:
    send_to_review(access=access, image_ids=[image_id], mark=action.mark)


def send_to_review(*, access: Access, image_ids: Sequence[int], mark: str = "") -> int:
    """Ask the reviewers about these labels; return how many are new in their queue.

    Left out: images that wait there already or have no label, and the machine's labels before
    the run has finished, for nobody may change them until then.
    """
    need(access, "review")
    labels = Label.objects.filter(project=access.project, image_id__in=image_ids)
    if access.project.status != Project.Status.FINISHED:
        labels = labels.filter(source=Label.Source.HUMAN)
    with one_writer():
        asked = Review.objects.filter(image_id__in=image_ids, state=Review.State.OPEN)
        known = set(asked.values_list("image_id", flat=True))
        persons = dict(labels.values_list("image_id", "user_id"))
        fresh = [one for one in image_ids if one in persons and one not in known]
        Review.objects.bulk_create(
            (
                Review(
                    project=access.project,
                    image_id=image_id,
                    person_id=persons[image_id],
                    reason=Review.Reason.DOUBT,
                    note=mark,
                )
                for image_id in fresh
            ),
            ignore_conflicts=True,
        )
    return len(fresh)


def _label(access: Access, image_id: int, action: Action) -> Decided | None:
    label = Label.objects.filter(image_id=image_id).first()
    if label is None:
        raise ConflictError(_("Nobody has labelled this image yet: people are asked in order."))
    if label.class_index == action.class_index:
        return None
    decision = Decision("class", action.class_index, free=action.free)
    with one_writer():
        done = _decided(access, image_id, decision, action)
        if not action.mark:  # a bulk action is one line of the log
            audit.write(
                user=access.user,
                project=access.project,
                action="labels.changed",
                target=str(label.seq),
                before={"class": done.before},
                after={"class": done.after},
            )
    return done


def _exclude(access: Access, image_id: int, action: Action) -> Decided | None:
    if Exclusion.objects.filter(image_id=image_id).exists():
        return None
    return _decided(access, image_id, Decision("exclude", free=action.free), action)


def _decided(access: Access, image_id: int, decision: Decision, action: Action) -> Decided:
    """Answer the question about the image, or open one and answer it, in the same transaction.

    A question that somebody has asked before is marked as theirs (`KEPT`), with its note, so that
    taking the action back asks it again.
    """
    with one_writer():
        review, made = Review.objects.get_or_create(
            project=access.project,
            image_id=image_id,
            reason=Review.Reason.DOUBT,
            state=Review.State.OPEN,
        )
        done = review_decisions.decide(access=access, review_id=review.pk, decision=decision)
        if action.mark:
            note = action.mark if made else f"{action.mark}{KEPT}{review.note}"
            Review.objects.filter(pk=review.pk).update(note=note[:MAX_NOTE])
    return done


def _readmit(access: Access, image_id: int, action: Action) -> None:
    """Ask the image again; one that was excluded without a review gets its review now."""
    with one_writer():
        exclusion = Exclusion.objects.filter(image_id=image_id).first()
        if exclusion is None:
            return
        about = Review.objects.filter(image_id=image_id, outcome=Outcome.EXCLUDED)
        review = about.exclude(closed=None).order_by("-closed").first()
        if review is None:
            review = Review.objects.create(
                project=access.project,
                image_id=image_id,
                reason=Review.Reason.DOUBT,
                state=Review.State.DONE,
                outcome=Outcome.EXCLUDED,
                before=_said(image_id),
                closed=exclusion.created,
            )
        locked = review_decisions.locked(access, review.pk)
        readmissions.readmit(access=access, review=locked)
        Review.objects.filter(pk=review.pk).update(outcome=Outcome.ACCEPTED, closed=timezone.now())


def _said(image_id: int) -> int | None:
    """Return the class of the first answer that counts, where the image had a label."""
    answers = Answer.objects.filter(image_id=image_id, kind="class", superseded_by=None)
    counting = answers.filter(extra=False).exclude(batch__purpose="gold").order_by("created")
    return counting.values_list("label_class__index", flat=True).first()


_HANDLERS = {
    "review": _to_review,
    "label": _label,
    "exclude": _exclude,
    "readmit": _readmit,
}


def marked(mark: str) -> Q:
    """Return the condition for the reviews of an action with this mark."""
    return Q(note=mark) | Q(note__startswith=f"{mark}{KEPT}")


def take_back(*, access: Access, review: Review) -> None:
    """Undo what a bulk action did through this review; one that was asked before is asked again.

    Raises ConflictError where it stands.
    """
    if review.state == Review.State.OPEN:  # it was only sent to the reviewers
        if review.reason == Review.Reason.DOUBT:
            Review.objects.filter(pk=review.pk, state=Review.State.OPEN).delete()
        return
    _mark, kept, note = review.note.partition(KEPT)
    with one_writer():
        review_undo.undo(access=access, review_id=review.pk)
        again = Review.objects.filter(pk=review.pk, state=Review.State.OPEN)
        if kept:
            again.update(note=note, held_by=None, held_until=None)
        else:
            again.delete()
