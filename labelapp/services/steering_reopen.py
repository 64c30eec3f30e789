"""Open a finished project again: machine labels withdraw, what people gave stays paid and is used.

The labels that people gave at the end join B, together with the test marks that lay among them
(`mcal_engine/steering.py`). The certificate is superseded: its text stays with the action and in
the audit log, the withdrawn labels in a file below MEDIA_ROOT, from which an undo writes them back.

What is computed is computed outside the transaction, which then looks whether it is still so:
whatever came in between (a corrected label, an answer) ends it with a ConflictError.
Where there are many labels all of this is a job (`services.steering_jobs`).
"""

from __future__ import annotations

import csv
import gzip
import io
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Max
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from labelapp import engine_steering, events, queue
from labelapp.engine import RefusedError, TooLateError
from labelapp.errors import ConflictError, InvalidInputError
from labelapp.models import (
    AheadItem,
    Certificate,
    Job,
    Label,
    LabelBatch,
    LedgerEntry,
    ModelVersion,
    Project,
    ProjectCounter,
    Run,
    SteeringAction,
    Task,
    TestMark,
    TrainItem,
)
from labelapp.orders import Frozen, Step
from labelapp.selectors import steering as found
from labelapp.selectors.projects import Access
from labelapp.selectors.steering_reasons import TOO_LATE
from labelapp.selectors.stored_words import stored_words
from labelapp.services import ahead, model_files, runs
from labelapp.services.ahead import worked_on
from labelapp.services.batches import CHUNK, chunks, images_of
from labelapp.services.image_files import media_path, write_media
from labelapp.services.leases import NO_LEASE, one_writer
from labelapp.services.steering import mark_undone, moved, ready, write
from labelapp.services.steering_terms import check_terms, plain, too_little

COUNTED = ("train", "test", "audit", "residual", "ahead", "machine")


Row = tuple[int, int, float | None]  # of a machine label: image number, class, margin
Tell = Callable[[float, str], None]


@dataclass(frozen=True)
class Withdrawn:
    """The machine labels that a run has, and what was promised of them.

    `count` and `newest` are what the transaction looks for again: a corrected label is no machine
    label any more, and one that the machine got back is newer than all others.
    """

    rows: list[Row]
    count: int
    newest: datetime | None
    certificate: dict[str, Any] | None


def silent(_progress: float, _words: str) -> None:
    """Tell nobody how far it is."""


def reopen(
    *,
    access: Access,
    version: int,
    epsilon: float | None = None,
    budget: Decimal | None = None,
    job: int = 0,
    tell: Tell = silent,
) -> SteeringAction:
    """Open a finished project again, with another share of wrong labels or budget if one is given.

    Images that have come since join the run. `job` is kept with the action, `tell` hears how far
    it is. Raises ForbiddenError, InvalidInputError (also for a budget that could only make the
    promise worse), RunMovedError, ConflictError.
    """
    known, run = ready(access, "reopen", version, job=job)
    check_terms(epsilon, budget)
    said = found.consequence(known, "reopen")
    old: dict[str, Any] = {"epsilon": run.project.epsilon, "budget": run.project.budget}
    new: dict[str, Any] = {
        "epsilon": old["epsilon"] if epsilon is None else epsilon,
        "budget": old["budget"] if budget is None else budget,
    }
    run.project.epsilon, run.project.budget = new["epsilon"], new["budget"]
    before = _before(run) | plain(old)
    tell(0.05, "Reading the machine's labels")
    gone = _withdrawn(run)
    tell(0.3, "Working out what is open again")
    step = _computed(run, gone)
    file = _written(run, gone)
    tell(0.6, "Withdrawing the machine's labels")
    with one_writer():
        counts = _open(run, step, gone)
        Project.objects.filter(pk=run.project_id).update(**new)
        told = runs.carry_out(run, step)
        params = {
            **plain(new),
            "withdrawn": gone.count,
            "file": file,
            "waiting_for": run.waiting_for,
            "moved": _moved(run, counts),
            "job": job,
        }
        before |= {"certificate": gone.certificate}
        action = write(access, run, "reopen", before=before, said=said, params=params)
        runs.tell(run.project_id, told)
        events.record(run.project_id, "run.steered", {"action": "reopen", "id": action.pk})
    access.project.refresh_from_db()
    return action


def withdraw(access: Access, run: Run, action: SteeringAction, tell: Tell = silent) -> None:
    """Take back a wish whose machine labels are stored, before anybody has labelled the rest.

    Raises ConflictError where somebody has begun.
    """
    batch = run.batches.filter(request_id=run.waiting_for).first()
    if batch is None or worked_on(batch).exists():
        raise ConflictError(_(TOO_LATE["spent"]))
    run.project.certificate = action.before["certificate"]
    gone = _withdrawn(run)
    step = _computed(run, gone)
    _written(run, gone)
    tell(0.6, "Withdrawing the machine's labels")
    with one_writer():
        _open(run, step, gone, forget=_Forget(batch.pk - 1, f"undone-{action.pk}", seen=True))
        Project.objects.filter(pk=run.project_id).update(certificate=run.project.certificate)
        told = runs.carry_out(run, step)
        mark_undone(access, run, action)
        runs.tell(run.project_id, told)
        payload = {"action": action.action, "id": action.pk, "undone": True}
        events.record(run.project_id, "run.steered", payload)


# --- open ---------------------------------------------------------------------------------------


def _computed(run: Run, gone: Withdrawn) -> Step:
    """Return the engine's step, its refusals in words."""
    machine = [row[0] for row in gone.rows]
    images = ProjectCounter.objects.values_list("images", flat=True).get(project_id=run.project_id)
    try:
        return engine_steering.reopened(
            run, run.project, machine=machine, model=_model(run), images=images
        )
    except engine_steering.ScantBudgetError as error:
        text = too_little(error.least, run.project.currency)
        raise InvalidInputError(text, budget=text) from error
    except (RefusedError, TooLateError) as error:
        text = _("The project cannot be opened again: %(error)s.")
        raise ConflictError(text % {"error": stored_words(str(error))}) from error


def _model(run: Run) -> Frozen | None:
    """Return the model of the certificate, or of the last audit; None where there was neither."""
    certificate = Certificate.objects.filter(run=run).first()
    audited = run.state["state"].get("audit") or {}
    sha256 = (certificate.content if certificate else audited).get("model")
    if not sha256:
        return None
    model = run.models.filter(sha256=sha256).order_by("-iteration").first()
    if model is None or not (model_files.folder_of(model) / "uncertainty.npy").exists():
        raise ConflictError(_("The scores of the certified model are gone: it cannot be reopened."))
    return Frozen(model_files.folder_of(model), sha256)


def _withdrawn(run: Run) -> Withdrawn:
    """Read what leaves the run: first the state of it, so that what comes later is noticed."""
    count, newest = _machine_state(run)
    certificate = Certificate.objects.filter(run=run).first()
    kept = None
    if certificate is not None:
        kept = {
            "content": certificate.content,
            "sha256": certificate.sha256,
            "people": certificate.people,
            "created": certificate.created.isoformat(),
        }
    return Withdrawn(found.machine_labels(run.project), count, newest, kept)


def _machine_state(run: Run) -> tuple[int, datetime | None]:
    rows = Label.objects.filter(project_id=run.project_id, source=Label.Source.MACHINE)
    state = rows.aggregate(count=Count("pk"), newest=Max("created"))
    return state["count"], state["newest"]


def _written(run: Run, gone: Withdrawn) -> str:
    """Write the machine labels into a file; return its key."""
    text = io.StringIO()
    csv.writer(text).writerows([("seq", "class", "margin"), *gone.rows])
    key = f"projects/{run.project.public_id}/withdrawn/{uuid.uuid4().hex}.csv.gz"
    write_media(key, gzip.compress(text.getvalue().encode()))
    return key


@dataclass(frozen=True)
class _Forget:
    """Batches behind id `last` are forgotten under `name`; `seen`: not if somebody saw an image."""

    last: int
    name: str
    seen: bool = False


def _open(run: Run, step: Step, gone: Withdrawn, forget: _Forget | None = None) -> dict[str, int]:
    """Claim the run, withdraw the machine labels; return what the counters said before.

    Batches (those that it is to `forget`, too) before the counter, as answers lock them. Raises
    RunMovedError where the run or its machine labels are not what the step was computed from.
    """
    if not runs.claim(run, step):
        raise moved()
    Run.objects.filter(pk=run.pk).update(finished=None, wish="")
    project = Project.objects.select_for_update(no_key=True).get(pk=run.project_id)
    ahead.lock(run)
    if forget is not None:
        _forget_batches(run, forget)
    if _machine_state(run) != (gone.count, gone.newest) or gone.count != len(gone.rows):
        raise moved()
    counts = _counts(run)
    machine = Label.objects.filter(project=project, source=Label.Source.MACHINE)
    if machine.delete()[0] != gone.count:  # a correction that was on its way
        raise moved()
    Certificate.objects.filter(run=run).delete()
    if project.status == Project.Status.FINISHED:
        Project.objects.filter(pk=project.pk).update(status=Project.Status.RUNNING)
    ProjectCounter.objects.filter(project=project).update(machine=0)
    return counts


def _counts(run: Run) -> dict[str, int]:
    row = ProjectCounter.objects.filter(project_id=run.project_id).values(*COUNTED).get()
    return {name: int(value) for name, value in row.items()}


def _moved(run: Run, before: dict[str, int]) -> dict[str, int]:
    """Return by how much each counter has changed."""
    return {name: value - before[name] for name, value in _counts(run).items()}


# --- undo ---------------------------------------------------------------------------------------


def _before(run: Run) -> dict[str, Any]:
    """Return what an undo restores; rows that came later have higher ids."""
    last = {
        "item": TrainItem.objects.order_by("-pk").values_list("pk", flat=True).first() or 0,
        "mark": TestMark.objects.order_by("-pk").values_list("pk", flat=True).first() or 0,
        "batch": LabelBatch.objects.order_by("-pk").values_list("pk", flat=True).first() or 0,
    }
    return {
        "last": last,
        "run": {
            "n": run.n,
            "waiting_for": run.waiting_for,
            "request_kind": run.request_kind,
            "iteration": run.iteration,
            "wish": run.wish,
        },
        "finished": None if run.finished is None else run.finished.isoformat(),
        "state": run.state,
    }


def undo(access: Access, run: Run, action: SteeringAction, tell: Tell = silent) -> None:
    """Close the project again as it was: nothing was spent since it was opened.

    Raises ConflictError where somebody was faster with an answer, RunMovedError.
    """
    before, last = action.before, action.before["last"]
    rows = _read(action.params["file"])
    certificate = before["certificate"]
    tell(0.3, "Giving the machine its labels back")
    with one_writer():
        _restore_run(run, before)
        trained = ModelVersion.objects.filter(run=run, iteration__gt=before["run"]["iteration"])
        if trained.exists():
            raise ConflictError(_(TOO_LATE["spent"]))
        jobs = Job.objects.filter(target=run.pk, kind="train", state__in=queue.LIVE)
        for job in jobs:
            queue.request_cancel(job)
        _forget_batches(run, _Forget(last["batch"], f"undone-{action.pk}"))
        if LedgerEntry.objects.filter(project=run.project, created__gte=action.created).exists():
            raise ConflictError(_(TOO_LATE["spent"]))
        TrainItem.objects.filter(run=run, pk__gt=last["item"]).delete()
        TestMark.objects.filter(run=run, pk__gt=last["mark"]).delete()
        _label_again(run, rows, certificate)
        if certificate is not None:
            created = parse_datetime(certificate["created"]) or timezone.now()
            Certificate.objects.create(run=run, **certificate | {"created": created})
        back: dict[str, Any] = {"status": Project.Status.FINISHED, "epsilon": before["epsilon"]}
        if "budget" in before:  # actions of before budgets could be given here have none
            back["budget"] = before["budget"] and Decimal(before["budget"])
        Project.objects.filter(pk=run.project_id).update(**back)
        counter = ProjectCounter.objects.filter(project_id=run.project_id)
        counter.update(**{name: F(name) - by for name, by in action.params["moved"].items()})
        mark_undone(access, run, action)
        payload = {"action": "reopen", "id": action.pk, "undone": True}
        events.record(run.project_id, "run.steered", payload)


def _restore_run(run: Run, before: dict[str, Any]) -> None:
    state = before["state"]
    values = {**before["run"], "state": state, "config": state["state"]["config"]}
    values["finished"] = before["finished"] and parse_datetime(before["finished"])
    unchanged = Run.objects.filter(pk=run.pk, version=run.version)
    if not unchanged.update(version=run.version + 1, failure="", **values):
        raise moved()
    Project.objects.select_for_update(no_key=True).get(pk=run.project_id)


def _forget_batches(run: Run, forget: _Forget) -> None:
    """Ask no more for what was asked since; the names of the requests become free again.

    No task is deleted: somebody may be given one at this very moment. Whoever answers locks the
    batch first: what came before this lock can be seen behind it, what comes after it finds the
    task dropped. Raises ConflictError where nobody may have `seen` an image, and somebody has.
    """
    since = run.batches.filter(pk__gt=forget.last)
    for batch in since.select_for_update(of=("self",)).order_by("pk"):
        tasks = Task.objects.filter(batch=batch)
        list(tasks.order_by("pk").select_for_update(of=("self",)).values_list("pk", flat=True))
        if forget.seen and worked_on(batch).exists():
            raise ConflictError(_(TOO_LATE["spent"]))
        tasks.update(state=Task.State.DROPPED, **NO_LEASE)
        AheadItem.objects.filter(batch=batch).delete()
        batch.request_id = f"{batch.request_id[:60]}-{forget.name}"
        batch.size = batch.remaining = 0
        batch.state, batch.closed = LabelBatch.State.DONE, batch.closed or timezone.now()
        batch.save(update_fields=["request_id", "size", "remaining", "state", "closed"])


def _read(key: str) -> list[Row]:
    text = gzip.decompress(media_path(key).read_bytes()).decode()
    return [
        (int(seq), int(index), float(margin) if margin else None)
        for seq, index, margin in list(csv.reader(io.StringIO(text)))[1:]
    ]


def _label_again(run: Run, rows: list[Row], certificate: dict[str, Any] | None) -> None:
    """Write the machine labels back as they were."""
    sha256 = certificate["content"].get("model", "") if certificate else ""
    model = run.models.filter(sha256=sha256).order_by("-iteration").first()
    ids = images_of(run, {row[0] for row in rows})
    labels = (
        Label(
            image_id=ids[seq],
            project_id=run.project_id,
            seq=seq,
            class_index=index,
            source=Label.Source.MACHINE,
            confidence=margin,
            model=model,
            purpose="machine",
        )
        for seq, index, margin in rows
    )
    for part in chunks(labels, CHUNK):
        Label.objects.bulk_create(part)
