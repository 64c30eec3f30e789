"""Other prices, another target or budget in the middle of a run.

Nothing that was bought is lost, and nothing that was spent is valued again: the ledger keeps the
prices of their time. The engine's next plan uses the new values.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from labelapp import engine, events
from labelapp.errors import ConflictError, ForbiddenError, InvalidInputError, RunMovedError
from labelapp.models import Project, Run
from labelapp.rights import Right
from labelapp.selectors.projects import Access
from labelapp.services import audit, runs
from labelapp.services.rules import rules_of
from labelapp.services.terms import Terms, amounts

TRIES = 5  # a step of the run may come in between


@dataclass(frozen=True)
class Overlap:
    """How many people are asked about an image, on which share of the images."""

    overlap: int
    overlap_share: float


def change_settings(
    *,
    access: Access,
    terms: Terms,
    overlap: Overlap | None = None,
    version: int | None = None,
    said: dict[str, Any] | None = None,
) -> bool:
    """Give a run that is going new prices, target or budget; False if nothing differs.

    With `overlap` also how often images are asked, which is part of an image's price. `version`
    is the run's when the change was weighed: another one raises RunMovedError. `said` is what the
    person was told that it means, in money: kept for the history.

    Raises ForbiddenError, InvalidInputError naming what is wrong, ConflictError where there is no
    run, it is finished, its machine labels are chosen, or the currency differs.
    """
    if not access.may(Right.STEER):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    if wrong := terms.check():
        raise InvalidInputError(_("Some values cannot be used."), **wrong)
    for _try in range(TRIES):
        run = _going(access.project)
        if version is not None and run.version != version:
            raise RunMovedError(
                _("The run has moved on since. Look at the plan anew, then apply it.")
            )
        before = _snapshot(run.project)
        _apply(run.project, terms, overlap)
        after = _snapshot(run.project)
        if before == after:
            return False
        if _write(access, run, before, after, said):
            access.project.refresh_from_db()
            return True
    raise ConflictError(_("The run goes on too fast at the moment. Pause it, then change it."))


def _going(project: Project) -> Run:
    run = Run.objects.select_related("project").filter(project_id=project.pk).first()
    if run is None:
        raise ConflictError(_("The run has not started: save the settings instead."))
    if run.finished is not None:
        raise ConflictError(_("The run is finished: its promise was made with the old settings."))
    return run


def _apply(project: Project, terms: Terms, overlap: Overlap | None) -> None:
    """Put the terms into this copy of the project."""
    if terms.currency != project.currency:
        message = _("The currency is fixed once the run has started.")
        raise InvalidInputError(message, currency=message)
    for field in fields(Terms):
        setattr(project, field.name, getattr(terms, field.name))
    if overlap is None:
        return
    rules = replace(
        rules_of(project), **{f.name: getattr(overlap, f.name) for f in fields(Overlap)}
    )
    if wrong := rules.check():
        raise InvalidInputError(_("Some values cannot be used."), **wrong)
    project.overlap, project.overlap_share = overlap.overlap, overlap.overlap_share


def _snapshot(project: Project) -> dict[str, Any]:
    names = ("epsilon", "confidence", "overlap", "overlap_share")
    return {name: getattr(project, name) for name in names} | amounts(project)


def _write(
    access: Access,
    run: Run,
    before: dict[str, Any],
    after: dict[str, Any],
    said: dict[str, Any] | None,
) -> bool:
    """Write the new state and the project's terms together; False if the run moved meanwhile."""
    state = _state(run)
    changed = sorted(name for name in after if before[name] != after[name])
    terms = {name: getattr(run.project, name) for name in changed}
    with transaction.atomic():
        unchanged = Run.objects.filter(pk=run.pk, version=run.version, finished=None)
        config = state["state"]["config"]
        if not unchanged.update(state=state, config=config, version=run.version + 1):
            return False
        Project.objects.filter(pk=run.project_id).update(**terms)
        run.refresh_from_db()
        runs.ensure_job(run)  # whoever computed a step with the old settings has to do it again
        audit.write(
            user=access.user,
            project=run.project,
            action="run.changed",
            target=run.project.name,
            before={name: before[name] for name in changed},
            after={name: after[name] for name in changed} | ({"said": said} if said else {}),
        )
        events.record(run.project_id, "run.changed", {"what": changed})
    return True


def _state(run: Run) -> dict[str, Any]:
    try:
        return engine.changed(run, run.project)
    except engine.RefusedError as error:
        raise InvalidInputError(
            _("These settings cannot be used: %(error)s.") % {"error": error}
        ) from error
    except engine.TooLateError as error:
        raise ConflictError(_("Too late: %(error)s.") % {"error": error}) from error
