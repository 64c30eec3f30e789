"""What one answer means: its checks, and all that it changes.

`services.labelling.submit` opens the transaction, loads a Desk and calls `apply` for each answer.
Every check comes before the first write of an answer, so a refused answer leaves nothing behind
and the other answers of the request stay.
"""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp.errors import ConflictError, NotFoundError, NotYourTaskError, UnknownClassError
from labelapp.models import Answer, Exclusion, Label, LabelBatch, Project, Review, Task, TrainItem
from labelapp.services import gold, questions, slots
from labelapp.services.answer_input import Given
from labelapp.services.charges import charge, refund
from labelapp.services.desk import Desk, counts_as_vote, key_of
from labelapp.services.leases import SKIP_KEPT, token_fits
from labelapp.services.slots import ASSIGNED, DONE, DROPPED, EXPERT, OPEN
from labelapp.services.statements import insert

CLASS, SKIP, UNSURE, WITHDRAWN = (
    Answer.Kind.CLASS,
    Answer.Kind.SKIP,
    Answer.Kind.UNSURE,
    Answer.Kind.WITHDRAWN,
)


def apply(desk: Desk, given: Given) -> str:
    """Store one answer with all that follows from it; return its state.

    States: accepted, corrected, extra, skipped, unsure, withdrawn, duplicate. Raises
    ConflictError, NotFoundError, NotYourTaskError or UnknownClassError, always before anything is
    written.
    """
    if known := desk.known.get(given.id):
        return _repeat(desk, given, known)
    task = _task_of(desk, given)
    if given.kind == CLASS:
        _check_class(desk, given)
    if desk.batch(task).purpose == gold.PURPOSE:
        return _gold(desk, given, task)
    if given.kind == WITHDRAWN:
        return _withdraw(desk, given, task)
    if given.kind == CLASS:
        return _classify(desk, given, task)
    return _pass_on(desk, given, task)


def _repeat(desk: Desk, given: Given, known: Answer) -> str:
    """Confirm an answer that is stored already; the same id for something else is an error."""
    index = known.label_class.index if known.label_class else None
    task = desk.tasks.get(given.task)
    same_image = task is not None and key_of(task) == key_of(known)
    stored = (known.user_id, known.kind, index)
    if not same_image or stored != (desk.me, given.kind, given.class_index):
        raise ConflictError(_("This answer id was used for another answer."))
    return "duplicate"


def _task_of(desk: Desk, given: Given) -> Task:
    """Return the task if it is of this project and was once given to this person."""
    task = desk.tasks.get(given.task)
    if task is None:
        raise NotFoundError(_("There is no such task in this project."), task=given.task)
    access = desk.access
    if not token_fits(
        given.token, task_id=task.pk, user_id=access.user.pk, project_id=access.project.pk
    ):
        raise NotYourTaskError(_("This task was never given to you."), task=task.pk)
    return task


def _check_class(desk: Desk, given: Given) -> None:
    found = None if given.class_index is None else desk.classes.get(given.class_index)
    if found is None:
        raise UnknownClassError(_("The project has no such class."), **{"class": given.class_index})
    if found.archived:
        text = _("The class “%(name)s” was removed meanwhile. Choose another one.")
        raise UnknownClassError(text % {"name": found.name}, **{"class": given.class_index})


# --- a class -------------------------------------------------------------------------------------


def _classify(desk: Desk, given: Given, task: Task) -> str:
    """Take a class: it fills an open slot of the image, corrects, or stays as an extra vote.

    Raises ConflictError for another answer to an audit that was judged by the first one.
    """
    before = desk.current.get(key_of(task))
    if before is not None and counts_as_vote(before):
        return _correct(desk, given, task, before)
    slot = slots.slot_to_fill(desk, task)
    if slot is None:
        _store(desk, given, task, supersedes=before, extra=True)
        return "extra"
    answer = _store(desk, given, slot, supersedes=before)
    slots.fill(desk, slot, answer)
    charge(desk, answer, desk.batch(slot))
    return "accepted"


def _correct(desk: Desk, given: Given, task: Task, before: Answer) -> str:
    _check_correctable(desk, task)
    slot = desk.tasks.get(before.task_id, task)
    answer = _store(desk, given, slot, supersedes=before)
    if _is_excluded(task):  # kept, but nothing is asked of this image any more
        return "corrected"
    slots.replace(desk, slot, before, answer)
    if slot.state == ASSIGNED:  # it was sent back, and this is the second look
        slot.state = DONE
        slots.write(slot, None)
    if task.pk != slot.pk and task.state == OPEN and task.lease_user_id == desk.me:
        slots.write(task, None)  # one person never fills two slots of an image
    return "corrected"


def _check_correctable(desk: Desk, task: Task) -> None:
    """An audit's answers prove the certificate: they stand, unless the image trains by now."""
    batch = desk.batch(task)
    if batch.purpose != "audit" or batch.state == LabelBatch.State.OPEN:
        return
    if not TrainItem.objects.filter(run_id=batch.run_id, image_id=task.image_id).exists():
        raise ConflictError(
            _("This answer was part of a check of the machine and stands as it was given."),
            task=task.pk,
        )


# --- skip, cannot tell ---------------------------------------------------------------------------


def _pass_on(desk: Desk, given: Given, task: Task) -> str:
    """Skip, or "cannot tell": back to me, to others, or to the experts; never dropped.

    A late one, of a task that somebody else holds or has answered, is noted and changes nothing.
    Raises ConflictError when this person has answered it.
    """
    done = "unsure" if given.kind == UNSURE else "skipped"
    before = desk.current.get(key_of(task))
    sent_back = task.state == ASSIGNED and task.lease_user_id == desk.me
    if before is not None and before.kind == CLASS:
        if not sent_back:
            raise ConflictError(_("You have answered this image: undo first."), task=task.pk)
        _store(desk, given, task, supersedes=None, stands=before)
        _end(task, DONE)  # the first answer stands, and a reviewer looks at it again
        _ask_reviewers(desk, given, task)
        return done
    _store(desk, given, task, supersedes=before)
    if sent_back or (task.state in {OPEN, EXPERT} and _is_free_for(desk, task)):
        _move_on(desk, given, task, to_experts=sent_back)
    return done


def _move_on(desk: Desk, given: Given, task: Task, *, to_experts: bool) -> None:
    policy = desk.access.project.skip_policy
    if to_experts or given.kind == UNSURE or policy == Project.SkipPolicy.REVIEW:
        task.state = EXPERT
        _ask_reviewers(desk, given, task)
    slots.move_to_end(desk, task)
    back_to_me = task.state == OPEN and policy == Project.SkipPolicy.ME
    slots.write(task, desk.me if back_to_me else None)
    if back_to_me:  # kept for me for a while; at the tail others may take it over
        task.lease_until, task.lease_soft = timezone.now() + SKIP_KEPT, True
        task.save(update_fields=["lease_until", "lease_soft"])


def _ask_reviewers(desk: Desk, given: Given, task: Task) -> None:
    reason = Review.Reason.UNSURE if given.kind == UNSURE else Review.Reason.SKIPPED
    questions.ask(
        project_id=task.project_id,
        image_id=task.image_id,
        reason=reason,
        task_id=task.pk,
        person_id=desk.me,
    )


# --- undo ----------------------------------------------------------------------------------------


def _withdraw(desk: Desk, given: Given, task: Task) -> str:
    """Undo: take back this person's answer and give them the task again.

    Raises ConflictError when there is nothing to take back, when the batch is complete (then the
    engine may have used the label, and a new answer corrects it), or after a review.
    """
    before = desk.current.get(key_of(task))
    if before is None:
        raise ConflictError(_("There is no answer of yours to take back."), task=task.pk)
    if counts_as_vote(before):
        _check_withdrawable(desk, task)
        slot = desk.tasks.get(before.task_id, task)
        _store(desk, given, slot, supersedes=before)
        slots.reopen(desk, slot, before)
        refund(desk, slot, given)
        return "withdrawn"
    _store(desk, given, task, supersedes=before)
    if task.state == EXPERT:
        asked = Review.objects.filter(task_id=task.pk, person_id=desk.me, state=Review.State.OPEN)
        asked.exclude(reason=Review.Reason.DISAGREEMENT).delete()
    if task.state in {OPEN, EXPERT} and before.kind != CLASS and _is_free_for(desk, task):
        slots.give_back(desk, task)
    return "withdrawn"


def _check_withdrawable(desk: Desk, task: Task) -> None:
    if desk.batch(task).state == LabelBatch.State.DONE:
        raise ConflictError(_("This batch is complete: answer again to correct it."), task=task.pk)
    reviewed = Label.objects.filter(image_id=task.image_id, method="review").exists()
    if reviewed or _is_excluded(task):
        raise ConflictError(_("A reviewer has decided this image."), task=task.pk)


# --- gold ----------------------------------------------------------------------------------------


def _gold(desk: Desk, given: Given, task: Task) -> str:
    """Take an answer to an image whose class is known: paid and judged, never a label.

    The first class that is given is the one that is judged.
    """
    before = desk.current.get(key_of(task))
    if given.kind == WITHDRAWN:
        return _withdraw_gold(desk, given, task, before)
    if given.kind != CLASS:
        if before is not None and before.kind == CLASS:
            raise ConflictError(_("You have answered this image: undo first."), task=task.pk)
        _store(desk, given, task, supersedes=before)
        _end(task, DROPPED)
        return "unsure" if given.kind == UNSURE else "skipped"
    if before is not None and before.kind == CLASS:
        _store(desk, given, task, supersedes=before)
        return "corrected"
    answer = _store(desk, given, task, supersedes=before)
    _end(task, DONE)
    desk.done += 1
    charge(desk, answer, desk.batch(task))
    if given.class_index is not None:
        gold.judge(task=task, answer=answer, class_index=given.class_index)
        desk.pause = desk.pause or gold.why_pause(desk.access)
    return "accepted"


def _withdraw_gold(desk: Desk, given: Given, task: Task, before: Answer | None) -> str:
    if before is None:
        raise ConflictError(_("There is no answer of yours to take back."), task=task.pk)
    _store(desk, given, task, supersedes=before)
    task.state = ASSIGNED
    slots.write(task, desk.me)
    if before.kind == CLASS:
        desk.done -= 1
        refund(desk, task, given)
    return "withdrawn"


# --- common --------------------------------------------------------------------------------------


def _store(
    desk: Desk,
    given: Given,
    task: Task,
    *,
    supersedes: Answer | None,
    extra: bool = False,
    stands: Answer | None = None,
) -> Answer:
    """Append the answer, after marking the one that it replaces; `stands`: that one goes on."""
    if supersedes is not None:
        Answer.objects.filter(pk=supersedes.pk).update(superseded_by=given.id)
    answer = Answer(
        id=given.id,
        task_id=task.pk,
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
    insert(answer)
    key = key_of(task)
    desk.known[answer.pk] = answer
    desk.counts["answers"] += 1
    if given.kind == CLASS:
        desk.given.setdefault(key, []).append(answer.pk)
    if given.kind == WITHDRAWN:
        desk.current.pop(key, None)
    else:
        desk.current[key] = stands or answer
    return answer


def _is_excluded(task: Task) -> bool:
    return Exclusion.objects.filter(image_id=task.image_id).exists()


def _end(task: Task, state: Task.State) -> None:
    task.state = state
    slots.write(task, None)


def _is_free_for(desk: Desk, task: Task) -> bool:
    """Tell whether nobody else holds the task now."""
    over = task.lease_until is None or task.lease_until < timezone.now()
    return over or task.lease_user_id in {None, desk.me}
