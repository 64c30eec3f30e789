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
from labelapp.services import steering_classes, steering_reopen
from labelapp.services.leases import one_writer
from labelapp.services.steering import Methods, claim, computed, go_on, mark_undone
from labelapp.services.steering_cut import Cut, cut


def undo(*, access: Access, action_id: int) -> SteeringAction:
    """Take the newest action back, if it has not spent money.

    Raises ForbiddenError, ConflictError with the reason, RunMovedError.
    """
    if not access.may(Right.STEER):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    known = found.gather(access.project)
    allowed, why = found.undoable(known, found.history(access.project))
    if allowed is None or allowed != action_id:
        raise ConflictError(_(TOO_LATE.get(why, TOO_LATE["not_newest"])))
    action = SteeringAction.objects.get(pk=action_id, project=access.project)
    run = Run.objects.select_related("project").get(project_id=access.project.pk)
    if action.action == "methods":
        _undo_methods(access, run, action)
    elif action.action == "classes":
        steering_classes.undo(access, run, action)
    elif action.action == "reopen":
        steering_reopen.undo(access, run, action)
    elif known.phase in found.ENDING:
        steering_reopen.withdraw(access, run, action)
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
