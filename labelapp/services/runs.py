"""A run of the engine, step by step: start, pause, resume, advance.

`advance` may be called by any number of workers, any number of times: it reads, lets the engine
compute, and writes everything in one transaction that begins with a conditional update of
`Run.version`. One caller wins, the others change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp import engine, events, pricing, queue
from labelapp.errors import ConflictError, InvalidInputError
from labelapp.models import (
    Import,
    Iteration,
    Job,
    LabelBatch,
    ModelVersion,
    Project,
    ProjectCounter,
    Run,
)
from labelapp.orders import (
    KINDS,
    Ahead,
    EndOrder,
    LabelOrder,
    MachineOrder,
    Order,
    Step,
    TrainOrder,
)
from labelapp.selectors.projects import Access, active_classes
from labelapp.services import ahead, audit, batches, class_lists, outstanding, people_report
from labelapp.services.run_checks import check_ready, image_count

TERMS = (
    "epsilon",
    "confidence",
    "price_per_label",
    "compute_price_per_hour",
    "overlap",
    "overlap_share",
    "overlap_max",
    "gold_share",
    "budget",
)
METHOD = (
    "certificate",
    "acquisition",
    "certainty",
    "curve_model",
    "cost_model",
    "arch",
    "rivals",
    "seed",
    "settings",
)
"""The fields of a project that a first step is computed from."""

TRIES = 5  # of a step, when settings change under it
Events = list[tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class FirstPurchase:
    """What the start of a run asks people for, before the first training."""

    test: int
    seed: int
    dollars: Decimal


# --- start ---------------------------------------------------------------------------------------


def first_purchase(project: Project) -> FirstPurchase:
    """Return what a start would buy first and for how much (at most: T and B_0 may overlap)."""
    images, classes = image_count(project), len(active_classes(project))
    test, seed = engine.first_purchase(project, images=images, classes=classes)
    return FirstPurchase(test, seed, (test + seed) * pricing.per_image(project))


def start_run(*, access: Access) -> Run:
    """Start the engine and ask for the first labels.

    Raises ConflictError (already started, archived, an import runs, changed meanwhile),
    InvalidInputError (classes, settings), TooFewImagesError with the numbers.
    """
    project = access.project
    check_ready(project)
    basis = _basis(project)
    images, classes = basis["images"], basis["classes"]
    try:
        config, step = engine.first_step(project, images=images, classes=classes)
    except engine.RefusedError as error:
        raise InvalidInputError(_("The run cannot start: %(error)s.") % {"error": error}) from error
    with transaction.atomic():
        _check_unchanged(project, basis)
        Project.objects.filter(pk=project.pk).update(status=Project.Status.RUNNING)
        run = Run.objects.create(
            project=project, n=images, config=config, state=step.state, **_waiting(step)
        )
        told = carry_out(run, step)
        audit.write(user=access.user, project=project, action="run.started", after=config)
        tell(project.pk, [("run.started", {"images": images, "classes": classes}), *told])
    project.status = Project.Status.RUNNING
    return run


def _basis(project: Project) -> dict[str, Any]:
    """Return all that a first step is computed from."""
    values = {name: getattr(project, name) for name in (*TERMS, *METHOD)}
    return {**values, "images": image_count(project), "classes": len(active_classes(project))}


def _check_unchanged(project: Project, basis: dict[str, Any]) -> None:
    """Look once more under locks: an import or new settings may have come in meanwhile.

    Imports take the counter's lock for each batch, settings the project's.
    """
    now = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    ProjectCounter.objects.select_for_update(no_key=True).get(project_id=project.pk)
    check_ready(now)
    if _basis(now) != basis:
        raise ConflictError(_("The project was changed meanwhile. Look at it and start again."))


# --- pause and resume ----------------------------------------------------------------------------


def pause_run(*, access: Access) -> None:
    """Give out no new tasks and start no new training; what runs goes on to its end."""
    _switch(access, Project.Status.RUNNING, Project.Status.PAUSED, "run.paused")


def resume_run(*, access: Access) -> None:
    """Go on after a pause or a failure; a failed training is tried again.

    Raises ConflictError for a run that does not wait for this, and for an archived project.
    """
    project_id = access.project.pk
    with transaction.atomic():
        run = Run.objects.select_related("project").filter(project_id=project_id).first()
        if run is None:
            raise ConflictError(_("The run has not started."))
        if run.project.archived_at is not None:
            raise ConflictError(_("This project is archived. Bring it back first."))
        failed = Run.objects.filter(pk=run.pk).exclude(failure="").update(failure="")
        paused = Project.objects.filter(pk=project_id, status=Project.Status.PAUSED)
        if not paused.update(status=Project.Status.RUNNING) and not failed:
            raise ConflictError(_("The run is neither paused nor stopped by a failure."))
        run.refresh_from_db()
        ensure_job(run)
        audit.write(user=access.user, project=run.project, action="run.resumed")
        tell(project_id, [("run.resumed", {})])
    access.project.refresh_from_db()


def _switch(access: Access, before: str, after: str, event: str) -> None:
    project = access.project
    with transaction.atomic():
        if not Project.objects.filter(pk=project.pk, status=before).update(status=after):
            running = before == Project.Status.RUNNING
            words = _("The run is not running.") if running else _("The run is not paused.")
            raise ConflictError(words)
        audit.write(user=access.user, project=project, action=event)
        tell(project.pk, [(event, {})])
    project.status = after


# --- advance -------------------------------------------------------------------------------------


def advance(run_id: int) -> bool:
    """Take the run one step on if its outstanding request is done; True if this call did it.

    Reads and computes outside of the transaction, so that annotators are not kept waiting. Where
    settings changed meanwhile (`run_settings.change_settings`) it computes once more with them.
    """
    for _try in range(TRIES):
        run = Run.objects.select_related("project").get(pk=run_id)
        if (
            run.failure
            or run.project.status == Project.Status.DELETING
            or not outstanding.answered(run)
        ):
            return False
        if _advance(run):
            return True
    return False


def _advance(run: Run) -> bool:
    """Compute the next step and write it, unless the run has changed since it was read."""
    if run.request_kind == "train":
        ahead.close(run)  # before the engine looks: what it sees is what joins
    models = outstanding.models_of(run)
    trainings = [outstanding.as_training(model) for model in models]
    early = Ahead(0 if run.wish else ahead.size(run), outstanding.newest(run))
    class_lists.follow_merges(run.project_id)
    step = engine.next_step(run, trainings, outstanding.frozen(run), early, images=_joinable(run))
    with transaction.atomic():
        if not claim(run, step):
            return False
        # Before the counter, as whoever pauses does: the last step changes the project, too.
        Project.objects.select_for_update(no_key=True).get(pk=run.project_id)
        ahead.lock(run)
        told = _record_iteration(run, step, models) if step.record else []
        told += carry_out(run, step)
        tell(run.project_id, told)
    return True


def _joinable(run: Run) -> int:
    """Return how many images the run may have by now: those of an import join when it has ended."""
    live = (Import.State.WAITING, Import.State.RUNNING)
    going = run.project.imports.filter(state__in=live).exists()
    return run.n if going else image_count(run.project)


def claim(run: Run, step: Step) -> bool:
    """Write the new state unless somebody else has written one since `run` was read."""
    unchanged = Run.objects.filter(pk=run.pk, version=run.version)
    return bool(
        unchanged.update(
            state=step.state,
            config=step.state["state"]["config"],  # prices follow what labels turn out to cost
            n=step.state["state"]["config"]["n"],  # images may have joined
            version=run.version + 1,
            failure="",
            **_waiting(step),
        )
    )


def _waiting(step: Step) -> dict[str, Any]:
    order = step.outstanding
    return {
        "waiting_for": order.id,
        "request_kind": KINDS[type(order)],
        "iteration": step.iteration,
    }


def _record_iteration(run: Run, step: Step, models: list[ModelVersion]) -> Events:
    record = step.record or {}
    everything = [record, *step.others]
    seconds = sum(one["train_seconds"] + one["score_seconds"] for one in everything)
    Iteration.objects.create(
        run=run,
        number=record["number"],
        train_size=record["train_size"],
        delta=record["delta"],
        record=record,
        others=step.others,
        plan=step.plan,
        histogram=step.histogram,
        profile=step.profile,
        seconds=seconds,
        dollars=compute_dollars(seconds, run.project.compute_price_per_hour),
        model=next((model for model in models if model.arch == record["arch"]), None),
    )
    told = {key: record.get(key) for key in ("decision", "because")}
    return [("plan.updated", {"iteration": record["number"], **told})]


def compute_dollars(seconds: float, price_per_hour: Decimal) -> Decimal:
    """Return what this much computing costs, to the millionth."""
    return (Decimal(str(seconds)) * price_per_hour / 3600).quantize(Decimal("0.000001"))


def carry_out(run: Run, step: Step) -> Events:
    """Write every order of the step and enqueue the work that the last one needs."""
    known = run.n
    run.refresh_from_db()
    told: Events = [("images.added", {"added": run.n - known})] if run.n > known else []
    for order in step.orders:
        told += _write(run, order)
    if isinstance(step.outstanding, TrainOrder):
        told += _opened(ahead.open_batch(run=run, order=step.outstanding, seqs=step.early))
    ensure_job(run)
    return told


def _write(run: Run, order: Order) -> Events:
    if isinstance(order, LabelOrder):
        batch = batches.open_batch(run=run, order=order)
        ahead.join(run=run, order=order)
        return _opened(batch)
    if isinstance(order, MachineOrder):
        batches.store_machine_labels(run=run, order=order)
        return [("machine.labelled", {"count": len(order.items), "iteration": order.iteration})]
    if isinstance(order, EndOrder):
        return _end(run, order)
    return []


def _opened(batch: LabelBatch | None) -> Events:
    if batch is None or not batch.size:
        return []
    payload = {"batch": batch.pk, "purpose": batch.purpose, "size": batch.size}
    return [("batch.opened", payload)]


def _end(run: Run, order: EndOrder) -> Events:
    ahead.settle(run)
    Run.objects.filter(pk=run.pk).update(finished=timezone.now())
    going = Project.objects.filter(pk=run.project_id).exclude(status=Project.Status.DELETING)
    going.update(status=Project.Status.FINISHED)
    people_report.enqueue(run.project_id)
    return [("run.finished", {"outcome": order.outcome, "reason": order.reason})]


# --- what must happen next -----------------------------------------------------------------------


def ensure_job(run: Run) -> Job | None:
    """Enqueue the job that the run's state implies, if any. Harmless if repeated.

    Trainings do not start while the project is paused or archived. Call it inside a transaction.
    """
    if run.failure or run.request_kind == "finished":
        return None
    if outstanding.answered(run):
        return _enqueue(run, "advance")
    if run.request_kind == "train" and may_train(run):
        return _enqueue(run, "train")
    return None


def may_train(run: Run) -> bool:
    """Tell whether a training may start now: not in a paused, archived or deleted project."""
    going = Project.objects.filter(pk=run.project_id, status=Project.Status.RUNNING)
    return going.filter(archived_at=None).exists()


def _enqueue(run: Run, kind: str) -> Job:
    key = f"{kind}:{run.pk}:{run.waiting_for}"
    return queue.enqueue(kind, key, project_id=run.project_id, target=run.pk)


def fail(run_id: int, message: str, *, event: str = "run.failed") -> None:
    """Say why the run cannot go on by itself; `resume_run` tries again."""
    with transaction.atomic():
        run = Run.objects.filter(pk=run_id, finished__isnull=True).first()
        if run is None:
            return
        Run.objects.filter(pk=run_id).update(failure=message[:500])
        tell(run.project_id, [(event, {"message": message[:500]})])


def tell(project_id: int, told: Events) -> None:
    """Record the events: the last statements of the transaction."""
    for type_, payload in told:
        events.record(project_id, type_, payload)
