"""Where a project's run stands, in words: for the labelling page and the dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from django.db.models import Exists, OuterRef, Q
from django.utils.formats import number_format
from django.utils.translation import gettext, gettext_noop, ngettext

from labelapp.models import (
    Answer,
    Exclusion,
    Import,
    Label,
    LabelBatch,
    Project,
    ProjectCounter,
    Run,
    Task,
    TestMark,
    TrainItem,
)
from labelapp.selectors.jobs import JobView, live_job, worker_alive
from labelapp.selectors.stored_words import stored_words

START_WORKER = gettext_noop(
    "No worker is running. Start one with `make run` or `python manage.py worker`."
)
NEXT: dict[str, str] = {
    "test": gettext_noop(
        "People label the test set, random images that measure the model's error, then the next "
        "step follows."
    ),
    "seed": gettext_noop(
        "People label the first random images to train on, then the model trains."
    ),
    "train": gettext_noop(
        "People label the images that teach the model most, then the model trains again."
    ),
    "audit": gettext_noop(
        "People check a random part of what the machine would label, until the promise is proven; "
        "where it is not, the machine learns more or labels fewer."
    ),
    "residual": gettext_noop(
        "People label the images that the machine leaves to people, then all is done."
    ),
}
"""What people do for a batch of this purpose, and what follows."""


@dataclass(frozen=True)
class RunStatus:
    """`message` is for everybody and tells nothing of what is tested; `next_step` for managers.

    `state`: setup, importing, ready, labelling, training, deciding, paused, finished, failed,
    no_worker.
    """

    state: str
    message: str
    seconds_left: float | None = None
    next_step: str = ""
    job: JobView | None = None


class Known:
    """What a status is made of: each part is read when it is asked for, or was read before."""

    def __init__(self, project: Project) -> None:
        self.project = project

    @classmethod
    def already(
        cls,
        project: Project,
        run: Run | None,
        batches: tuple[LabelBatch, ...],
        *,
        worker: bool,
        trained: bool,
        images: int,
    ) -> Known:
        """Return what a caller has read: see the properties."""
        known = cls(project)
        parts = {"run": run, "batches": batches, "worker": worker, "trained": trained}
        vars(known).update(parts, images=images)
        return known

    @cached_property
    def run(self) -> Run | None:
        """The project's run, without its state."""
        return Run.objects.filter(project_id=self.project.pk).defer("state").first()

    @cached_property
    def batches(self) -> tuple[LabelBatch, ...]:
        """The open batches of the run, the newest first."""
        found = LabelBatch.objects.filter(run=self.run, state=LabelBatch.State.OPEN)
        return tuple(found.order_by("-pk"))

    @cached_property
    def worker(self) -> bool:
        """Whether a worker lives."""
        return worker_alive()

    @cached_property
    def images(self) -> int:
        """Images of the project."""
        found = ProjectCounter.objects.filter(project_id=self.project.pk)
        return found.values_list("images", flat=True).first() or 0

    @cached_property
    def classes(self) -> int:
        """Classes that are not archived."""
        return self.project.classes.filter(archived=False).count()

    @cached_property
    def trained(self) -> bool:
        """Whether each architecture of the outstanding training has its model."""
        return self.run is not None and _all_trained(self.run)


def run_status(project: Project, known: Known | None = None) -> RunStatus:
    """Return where the project stands and what happens next. A handful of narrow queries."""
    known = known or Known(project)
    run = known.run
    if run is None:
        return _before_start(project, known)
    if run.finished is not None:
        return RunStatus(
            "finished",
            gettext("All images have their labels."),
            next_step=gettext("Export the data."),
        )
    if run.failure:
        said = "Resume to" in run.failure  # most failures say what to do
        advice = "" if said else gettext("Resume the run to try again.")
        return RunStatus("failed", stored_words(run.failure), next_step=advice)
    if project.status == Project.Status.PAUSED:
        return _paused(project)
    if run.request_kind == "label":
        return _labelling(project, run, known)
    return _training(project, run, known)


def _before_start(project: Project, known: Known) -> RunStatus:
    importing = [Import.State.WAITING, Import.State.RUNNING]
    if project.imports.filter(state__in=importing).exists():
        job = live_job(project, "import")
        if not known.worker:
            return RunStatus("no_worker", _waits(gettext("Images wait to be imported.")), job=job)
        message = gettext("Images are being imported.")
        left = job.seconds_left if job else None
        return RunStatus(
            "importing", message, left, gettext("Start the run when they are in."), job
        )
    if not known.images:
        return RunStatus(
            "setup", gettext("There are no images yet."), next_step=gettext("Import images.")
        )
    if known.classes < 2:
        return RunStatus(
            "setup", gettext("At least two classes are needed."), next_step=gettext("Add classes.")
        )
    if project.imports.filter(state=Import.State.UPLOADING).exists():
        return RunStatus(
            "ready",
            gettext("The run has not started yet. A browser is still sending images."),
            next_step=gettext("Start the run when they are in, or without them."),
        )
    return RunStatus(
        "ready", gettext("The run has not started yet."), next_step=gettext("Start the run.")
    )


def _paused(project: Project) -> RunStatus:
    job = live_job(project, "train")
    running = job is not None and job.state == "running"
    message = gettext("Labelling is paused.")
    if running:
        message = gettext("Labelling is paused. The training that runs goes on to its end.")
    return RunStatus(
        "paused",
        message,
        next_step=gettext("Resume the run to go on."),
        job=job if running else None,
    )


def _labelling(project: Project, run: Run, known: Known) -> RunStatus:
    asked = [batch for batch in known.batches if batch.request_id == run.waiting_for]
    batch = asked[0] if asked else run.batches.filter(request_id=run.waiting_for).first()
    if batch is not None and batch.state == LabelBatch.State.DONE:  # and of what was asked before?
        batch = next((one for one in known.batches if one.purpose == batch.purpose), batch)
    if batch is None or batch.state == LabelBatch.State.DONE:
        return _deciding(project, gettext("The next step is being computed."), known)
    message = _still_wanted(project, batch)
    return RunStatus("labelling", message, next_step=gettext(NEXT.get(batch.purpose, "")))


def _number(value: int) -> str:
    return number_format(value, 0, use_l10n=True, force_grouping=True)


def _still_wanted(project: Project, batch: LabelBatch) -> str:
    numbers = {"left": _number(batch.remaining), "size": _number(batch.size)}
    if project.overlap > 1:  # several answers to an image: it is answers that are counted
        return (
            ngettext(
                "%(left)s of %(size)s answer of this round is still wanted.",
                "%(left)s of %(size)s answers of this round are still wanted.",
                batch.size,
            )
            % numbers
        )
    return (
        ngettext(
            "%(left)s of %(size)s image of this round waits for labels.",
            "%(left)s of %(size)s images of this round wait for labels.",
            batch.size,
        )
        % numbers
    )


def _waits(words: str) -> str:
    """Say what waits for a worker, and how to start one."""
    return f"{words} {gettext(START_WORKER)}"


def _training(project: Project, run: Run, known: Known) -> RunStatus:
    if known.trained:
        message = gettext("The model is trained; the next step is being computed.")
        return _deciding(project, message, known)
    job = live_job(project, "train")
    if not known.worker:
        message = _waits(gettext("The model waits to be trained."))
        return RunStatus("no_worker", message, job=job)
    next_step = gettext("The engine measures the error and plans the next round.")
    if any(batch.purpose == "ahead" for batch in known.batches):
        next_step += " " + gettext("Meanwhile people label images that come next anyway.")
    if job is None or job.state != "running":
        message = gettext("The model is about to be trained.")
        if job is not None and job.attempts:
            again = gettext("A training failed and is tried again.")
            message = f"{again} {stored_words(job.message)}".strip()
        return RunStatus("training", message, next_step=next_step, job=job)
    left = job.seconds_left
    message = gettext("The model is training.")
    if left is not None:
        message = gettext("The model is training, about %(n)s s.") % {"n": max(1, round(left))}
    return RunStatus("training", message, left, next_step, job)


def _all_trained(run: Run) -> bool:
    """Tell whether each architecture of the outstanding training has its model."""
    asked = Run.objects.filter(pk=run.pk).values_list("state__order__archs", flat=True).first()
    trained = run.models.filter(iteration=run.iteration).count()
    return trained >= max(1, len(asked or []))


def _deciding(project: Project, message: str, known: Known) -> RunStatus:
    job = live_job(project, "advance")
    if not known.worker:
        message = _waits(gettext("The next step waits to be computed."))
        return RunStatus("no_worker", message, job=job)
    return RunStatus("deciding", message, job=job)


def recount(project: Project) -> dict[str, int]:
    """Count B, T, audit, S, residual and images from the rows: what ProjectCounter must hold.

    An image counts when all answers that it is to have are there. Slow at millions of images: for
    `doctor` and tests.
    """
    more = Task.objects.filter(  # answers that the batch of the label still waits for
        image_id=OuterRef("image_id"),
        batch_id=OuterRef("batch_id"),
        state__in=[Task.State.OPEN, Task.State.EXPERT],
    )
    given = Answer.objects.filter(
        task_id=OuterRef("pk"), kind=Answer.Kind.CLASS, extra=False, superseded_by=None
    )
    sent_back = Task.objects.filter(  # likewise, of one person
        ~Exists(given),
        image_id=OuterRef("image_id"),
        batch_id=OuterRef("batch_id"),
        state=Task.State.ASSIGNED,
    )
    labels = Label.objects.filter(project=project, source=Label.Source.HUMAN)
    human = labels.filter(~Exists(more), ~Exists(sent_back))
    in_train = TrainItem.objects.filter(run__project=project).values("image_id")
    marked = TestMark.objects.filter(run__project=project).values("image_id")
    outside = human.exclude(image_id__in=in_train)
    return {
        "images": project.images.count(),
        "train": human.filter(image_id__in=in_train).count(),
        "test": outside.filter(image_id__in=marked).count(),
        "audit": outside.filter(~Q(image_id__in=marked), purpose="audit").count(),
        "residual": outside.filter(~Q(image_id__in=marked), purpose="residual").count(),
        "ahead": outside.filter(~Q(image_id__in=marked), purpose="ahead").count(),
        "excluded": Exclusion.objects.filter(project=project).count(),
        "machine": Label.objects.filter(project=project, source=Label.Source.MACHINE).count(),
    }
