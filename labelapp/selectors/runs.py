"""Where a project's run stands, in words: for the labelling page and the dashboard."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from labelapp.models import (
    Import,
    Label,
    LabelBatch,
    Project,
    ProjectCounter,
    Run,
    TestMark,
    TrainItem,
)
from labelapp.selectors.jobs import JobView, live_job, worker_alive

START_WORKER = "No worker is running. Start one with `make run` or `python manage.py worker`."
PURPOSES = {
    "test": "the test set, random images that measure the model's error",
    "seed": "the first random images to train on",
    "train": "the images that teach the model most",
    "audit": "a random part of what the machine would label",
    "residual": "the images that the machine leaves to people",
}


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


def run_status(project: Project) -> RunStatus:
    """Return where the project stands and what happens next. A handful of narrow queries."""
    run = Run.objects.filter(project_id=project.pk).defer("state").first()
    if run is None:
        return _before_start(project)
    if run.finished is not None:
        return RunStatus("finished", "All images have their labels.", next_step="Export the data.")
    if run.failure:
        return RunStatus("failed", run.failure, next_step="Resume the run to try again.")
    if project.status == Project.Status.PAUSED:
        return _paused(project)
    if run.request_kind == "label":
        return _labelling(project, run)
    return _training(project, run)


def _before_start(project: Project) -> RunStatus:
    importing = [Import.State.WAITING, Import.State.RUNNING]
    if project.imports.filter(state__in=importing).exists():
        job = live_job(project, "import")
        if not worker_alive():
            return RunStatus("no_worker", f"Images wait to be imported. {START_WORKER}", job=job)
        message = "Images are being imported."
        left = job.seconds_left if job else None
        return RunStatus("importing", message, left, "Start the run when they are in.", job)
    if not ProjectCounter.objects.filter(project_id=project.pk, images__gt=0).exists():
        return RunStatus("setup", "There are no images yet.", next_step="Import images.")
    if project.classes.filter(archived=False).count() < 2:
        return RunStatus("setup", "At least two classes are needed.", next_step="Add classes.")
    return RunStatus("ready", "The run has not started yet.", next_step="Start the run.")


def _paused(project: Project) -> RunStatus:
    job = live_job(project, "train")
    running = job is not None and job.state == "running"
    also = " The training that runs goes on to its end." if running else ""
    return RunStatus(
        "paused",
        f"Labelling is paused.{also}",
        next_step="Resume the run to go on.",
        job=job if running else None,
    )


def _labelling(project: Project, run: Run) -> RunStatus:
    batch = run.batches.filter(request_id=run.waiting_for).first()
    if batch is None or batch.state == LabelBatch.State.DONE:
        return _deciding(project, "The next step is being computed.")
    message = f"{batch.remaining:,} of {batch.size:,} images of this round wait for labels."
    after = "then all is done" if batch.purpose == "residual" else "then the next step follows"
    if batch.purpose == "audit":
        after = (
            "until the promise is proven; where it is not, the machine learns more or labels fewer"
        )
    if batch.purpose in {"seed", "train"}:
        after = "then the model trains again" if run.iteration else "then the model trains"
    why = _last_decision(run) if batch.purpose == "train" else ""
    verb = "check" if batch.purpose == "audit" else "label"
    next_step = f"People {verb} {PURPOSES.get(batch.purpose, batch.purpose)}, {after}.{why}"
    return RunStatus("labelling", message, next_step=next_step)


def _last_decision(run: Run) -> str:
    last = run.iterations.order_by("-number").values_list("record__decision", flat=True).first()
    return f" The engine {last}." if last else ""


def _training(project: Project, run: Run) -> RunStatus:
    if _all_trained(run):
        return _deciding(project, "The model is trained; the next step is being computed.")
    job = live_job(project, "train")
    if not worker_alive():
        return RunStatus("no_worker", f"The model waits to be trained. {START_WORKER}", job=job)
    next_step = "The engine measures the error and plans the next round."
    if job is None or job.state != "running":
        message = "The model is about to be trained."
        if job is not None and job.attempts:
            message = f"A training failed and is tried again. {job.message}".strip()
        return RunStatus("training", message, next_step=next_step, job=job)
    left = job.seconds_left
    about = f", about {max(1, round(left))} s" if left is not None else ""
    return RunStatus("training", f"The model is training{about}.", left, next_step, job)


def _all_trained(run: Run) -> bool:
    """Tell whether each architecture of the outstanding training has its model."""
    asked = Run.objects.filter(pk=run.pk).values_list("state__order__archs", flat=True).first()
    trained = run.models.filter(iteration=run.iteration).count()
    return trained >= max(1, len(asked or []))


def _deciding(project: Project, message: str) -> RunStatus:
    job = live_job(project, "advance")
    if not worker_alive():
        return RunStatus(
            "no_worker", f"The next step waits to be computed. {START_WORKER}", job=job
        )
    return RunStatus("deciding", message, job=job)


def recount(project: Project) -> dict[str, int]:
    """Count B, T, audit, S, residual and images from the rows: what ProjectCounter must hold.

    Slow at millions of images: for `doctor` and tests.
    """
    human = Label.objects.filter(project=project, source=Label.Source.HUMAN)
    in_train = TrainItem.objects.filter(run__project=project).values("image_id")
    marked = TestMark.objects.filter(run__project=project).values("image_id")
    outside = human.exclude(image_id__in=in_train)
    return {
        "images": project.images.count(),
        "train": human.filter(image_id__in=in_train).count(),
        "test": outside.filter(image_id__in=marked).count(),
        "audit": outside.filter(~Q(image_id__in=marked), purpose="audit").count(),
        "residual": outside.filter(~Q(image_id__in=marked), purpose="residual").count(),
        "machine": Label.objects.filter(project=project, source=Label.Source.MACHINE).count(),
    }
