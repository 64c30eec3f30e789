"""Take back what was asked of a run, as long as no money was spent for it."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from labelapp import engine_steering
from labelapp.errors import ConflictError, ForbiddenError
from labelapp.models import Project, Run, SteeringAction
from labelapp.rights import Right
from labelapp.selectors import steering as found
from labelapp.selectors.projects import Access
from labelapp.selectors.steering_reasons import TOO_LATE
from labelapp.services import steering_classes, steering_images, steering_reopen
from labelapp.services.leases import one_writer
from labelapp.services.steering import (
    Methods,
    check_free,
    claim,
    computed,
    go_on,
    lock_batches,
    mark_undone,
)
from labelapp.services.steering_cut import Cut, cut
from labelapp.services.steering_reopen import Tell, silent


def allowed(*, access: Access, action_id: int, job: int = 0) -> tuple[found.Known, SteeringAction]:
    """Return what is known and the action, if it is the newest and has not spent money.

    Raises ForbiddenError, ConflictError with the reason.
    """
    if not access.may(Right.STEER):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    check_free(access.project, job)
    known = found.gather(access.project)
    rows = SteeringAction.objects.filter(pk=action_id, project=access.project)
    action, actions = rows.first(), found.history(access.project)
    of_images = action is not None and action.action == "images"
    newest, why = (found.undoable_images if of_images else found.undoable)(known, actions)
    if action is None or newest != action.pk:
        raise ConflictError(_(TOO_LATE.get(why, TOO_LATE["not_newest"])))
    return known, action


def undo(*, access: Access, action_id: int, job: int = 0, tell: Tell = silent) -> SteeringAction:
    """Take the newest action back, if it has not spent money.

    `job` is the one that does it, where one does, and `tell` hears how far it is. Raises
    ForbiddenError, ConflictError with the reason, RunMovedError.
    """
    known, action = allowed(access=access, action_id=action_id, job=job)
    run = Run.objects.select_related("project").get(project_id=access.project.pk)
    if action.action == "methods":
        _undo_methods(access, run, action)
    elif action.action == "classes":
        steering_classes.undo(access, run, action)
    elif action.action == "images":
        steering_images.undo(access, run, action)
    elif action.action == "reopen":
        steering_reopen.undo(access, run, action, tell)
    elif known.phase in found.ENDING:
        steering_reopen.withdraw(access, run, action, tell)
    else:
        _undo_wish(access, run, action)
    access.project.refresh_from_db()
    action.refresh_from_db()
    return action


def _undo_wish(access: Access, run: Run, action: SteeringAction) -> None:
    """Let the run plan on; an audit that nobody has answered ends without a verdict."""
    run.project.certificate = action.before["certificate"]
    again, begun = action.before["wish"], action.before.get("attempt")
    state = computed(lambda: engine_steering.unasked(run, run.project, again, begun))
    going = begun is not None and engine_steering.attempt_of(run) == begun
    with one_writer():
        claim(run, state, wish=again)
        lock_batches(run)
        if why := found.too_late(found.gather(run.project), action):  # an answer was faster
            raise ConflictError(_(TOO_LATE[why]))
        Project.objects.filter(pk=run.project_id).update(certificate=run.project.certificate)
        waits = run.batches.filter(request_id=run.waiting_for, purpose="audit").exists()
        left = cut(run, "audit") if waits and not going else Cut()
        mark_undone(access, run, action)
        go_on(run, left, {"action": action.action, "id": action.pk, "undone": True})


def _undo_methods(access: Access, run: Run, action: SteeringAction) -> None:
    before = dict(action.before)
    values = Methods(**before | {"rivals": tuple(before["rivals"])}).put(run.project)
    state = computed(lambda: engine_steering.reconfigured(run, run.project))
    with transaction.atomic():
        claim(run, state)
        Project.objects.filter(pk=run.project_id).update(**values)
        mark_undone(access, run, action)
        go_on(run, Cut(), {"action": action.action, "id": action.pk, "undone": True})
