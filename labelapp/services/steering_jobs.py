"""Steps of steering that touch very many labels: done by the worker, with their progress shown.

Opening a project of a million images again, and taking that back, rewrite a row for each; merging
a large class likewise. Few rows are changed at once, in the request. A job does the same service in
one transaction, so a killed worker leaves nothing half done, and whoever does the job again finds
either nothing done or the row of the history that carries the job's number.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.translation import gettext as _

from labelapp import queue
from labelapp.errors import ConflictError
from labelapp.models import Job, Label, Project, SteeringAction, User
from labelapp.selectors import projects as visible
from labelapp.selectors import steering as found
from labelapp.selectors.projects import Access
from labelapp.selectors.steering_reasons import OBSTACLES
from labelapp.services import steering_classes, steering_reopen, steering_undo
from labelapp.services.steering import ready
from labelapp.services.steering_terms import check_terms

if TYPE_CHECKING:
    from labelapp.queue import JobControl

AT_ONCE = 20_000  # rows that a request changes by itself: about two seconds
READ = 5  # so many rows of the pool are read in the time in which one is written
IMAGE = 5  # rows that are written in the time in which an image and its files are deleted
Done = SteeringAction | Job


# --- what the page asks for ---------------------------------------------------------------------


def reopen(
    *, access: Access, version: int, epsilon: float | None = None, budget: Decimal | None = None
) -> Done:
    """Open a finished project again, at once or as a job. Raises like `steering_reopen.reopen`."""
    known, _run = ready(access, "reopen", version)
    check_terms(epsilon, budget)
    if _with_pool(known) <= AT_ONCE:
        return steering_reopen.reopen(
            access=access, version=version, epsilon=epsilon, budget=budget
        )
    terms = {"epsilon": epsilon, "budget": None if budget is None else str(budget)}
    return _later(access, "reopen", version=version, **terms)


def merge(*, access: Access, source: int, into: int, version: int) -> Done:
    """Merge two classes, at once or as a job. Raises like `steering_classes.merge_classes`."""
    _known, run = ready(access, "classes", version)
    steering_classes.check_merge(run.project, source, into)
    labels = Label.objects.filter(project=run.project, class_index=source)
    if labels[: AT_ONCE + 1].count() <= AT_ONCE:
        return steering_classes.merge_classes(
            access=access, source=source, into=into, version=version
        )
    return _later(access, "merge", version=version, source=source, into=into)


def undo(*, access: Access, action_id: int) -> Done:
    """Take an action back, at once or as a job. Raises like `steering_undo.undo`."""
    known, action = steering_undo.allowed(access=access, action_id=action_id)
    if _rows(known, action) <= AT_ONCE:
        return steering_undo.undo(access=access, action_id=action_id)
    return _later(access, "undo", action=action_id)


def _rows(known: found.Known, action: SteeringAction) -> int:
    """Return how many rows taking this back comes to."""
    params = action.params
    if action.action in found.WISHES:
        return _with_pool(known) if known.phase in found.ENDING else 0
    if action.action == "images":
        return int(params["count"]) * IMAGE
    names = {"reopen": "withdrawn", "classes": "labels"}
    return int(params.get(names.get(action.action, ""), 0))


def _with_pool(known: found.Known) -> int:
    """Return what withdrawing the machine's labels comes to: the engine reads the whole pool."""
    images = known.run.n if known.run else 0
    return max(known.counter.machine, images // READ)


def _later(access: Access, do: str, **asked: Any) -> Job:
    """Enqueue it; raise ConflictError where another one is under way."""
    params = {"do": do, "user": access.user.pk, **asked}
    key = f"steer:{access.project.pk}"
    with transaction.atomic():
        job = queue.enqueue("steer", key, project_id=access.project.pk, params=params)
        if job.params != params:
            raise ConflictError(_(OBSTACLES["working"]))
    return job


def last(project: Project) -> tuple[Job | None, str]:
    """Return the step that is being done or waits for a worker, if any; else why the last failed.

    The reason is empty where it was done, or none was asked for.
    """
    newest = Job.objects.filter(project=project, kind="steer").order_by("-pk").first()
    if newest is not None and newest.state in queue.LIVE:
        return newest, ""
    failed = newest is not None and newest.state == Job.State.FAILED
    return None, newest.message if newest is not None and failed else ""


# --- what the worker does -----------------------------------------------------------------------


def run(job: Job, control: JobControl) -> None:
    """Do what `Job.params` ask for, once.

    The figures that the person decided on are named by the run's version: what came in between
    ends the job with a sentence, and it is asked for anew.
    """
    if _is_done(job):
        return
    user = User.objects.get(pk=job.params["user"])
    access = visible.access(user, Project.objects.get(pk=job.project_id or 0).public_id)
    _SERVICES[job.params["do"]](job, access, partial(_tick, control))


def _tick(control: JobControl, progress: float, words: str) -> None:
    control.tick(progress, words)


def _is_done(job: Job) -> bool:
    """Tell whether a worker that died had finished."""
    rows = SteeringAction.objects.filter(project_id=job.project_id or 0)
    if job.params["do"] == "undo":
        return rows.filter(pk=job.params["action"]).exclude(undone_at=None).exists()
    return rows.filter(params__job=job.pk).exists()


def _reopen(job: Job, access: Access, tell: Callable[[float, str], None]) -> None:
    asked = {name: job.params[name] for name in ("version", "epsilon")}
    if budget := job.params.get("budget"):
        asked["budget"] = Decimal(budget)
    steering_reopen.reopen(access=access, job=job.pk, tell=tell, **asked)


def _merge(job: Job, access: Access, tell: Callable[[float, str], None]) -> None:
    tell(0.1, "Merging the classes")
    asked = {name: job.params[name] for name in ("version", "source", "into")}
    steering_classes.merge_classes(access=access, job=job.pk, **asked)


def _undo(job: Job, access: Access, tell: Callable[[float, str], None]) -> None:
    tell(0.1, "Taking it back")
    action_id = job.params["action"]
    steering_undo.undo(access=access, action_id=action_id, job=job.pk, tell=tell)


_SERVICES = {"reopen": _reopen, "merge": _merge, "undo": _undo}
