"""The end of a deleted project: its files and rows go in chunks, and again after a crash."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Model, QuerySet

from labelapp.errors import ConflictError
from labelapp.models import (
    AheadItem,
    Answer,
    Comment,
    Event,
    Exclusion,
    Export,
    GoldItem,
    GoldPlan,
    GoldResult,
    Guideline,
    GuidelineEntry,
    Image,
    ImageAlias,
    Import,
    ImportProblem,
    Job,
    Label,
    LabelBatch,
    LedgerEntry,
    Project,
    Review,
    Run,
    Task,
    TestMark,
    TrainItem,
    VerifyPage,
)
from labelapp.queue import JobControl

CHUNK = 1_000
WAIT_SECONDS = 60.0


def purge(project_id: int, control: JobControl) -> None:
    """Delete what is left of a project that somebody deleted: files first, then rows.

    Safe to repeat at any point. Raises ConflictError for a project that nobody deleted.
    """
    project = Project.objects.filter(pk=project_id).first()
    if project is None:
        return
    if project.status != Project.Status.DELETING:
        raise ConflictError("This project was not deleted.")
    _wait_for_jobs(project, control)
    _delete_files(project, control)
    for step, rows in enumerate(_in_order(project)):
        control.tick(0.5 + 0.015 * step, "Deleting the rows")
        _delete_rows(rows, control)
    _delete_files(project, control)  # again: a job that ended late may have left some
    with transaction.atomic():
        project.delete()


def _wait_for_jobs(project: Project, control: JobControl) -> None:
    """Give the project's running jobs, which were asked to end, a minute to do so."""
    end = time.monotonic() + WAIT_SECONDS
    running = Job.objects.filter(project=project, state=Job.State.RUNNING)
    while time.monotonic() < end and running.exists():
        control.tick(0.0, "Waiting for the project's jobs to end")
        time.sleep(0.2)


def _in_order(project: Project) -> list[QuerySet[Model]]:
    """Return the project's rows, those that refer before those that are referred to."""
    querysets: list[QuerySet[Model]] = [
        Label.objects.filter(project=project),
        GoldResult.objects.filter(project=project),
        GoldItem.objects.filter(project=project),
        GoldPlan.objects.filter(project=project),
        Review.objects.filter(project=project),
        Comment.objects.filter(project=project),
        VerifyPage.objects.filter(project=project),
        Exclusion.objects.filter(project=project),
        AheadItem.objects.filter(batch__project=project),
        LedgerEntry.objects.filter(project=project),
        Answer.objects.filter(project=project),
        Task.objects.filter(project=project),
        LabelBatch.objects.filter(project=project),
        TrainItem.objects.filter(run__project=project),
        TestMark.objects.filter(run__project=project),
        Run.objects.filter(project=project),
        GuidelineEntry.objects.filter(guideline__project=project),
        Guideline.objects.filter(project=project),
        ImageAlias.objects.filter(image__project=project),
        Image.objects.filter(project=project),
        ImportProblem.objects.filter(record__project=project),
        Import.objects.filter(project=project),
        Export.objects.filter(project=project),
        Event.objects.filter(project=project),
    ]
    return querysets


def _delete_files(project: Project, control: JobControl) -> None:
    """Delete the files of images, exports, models, uploads and trainings."""
    media = Path(settings.MEDIA_ROOT)
    keys = Image.objects.filter(project=project).values_list("original_key", "display_key")
    start = 0
    # Page by page: on SQLite nobody can write, not even a tick, while a cursor of theirs is open.
    while page := list(keys.filter(seq__gte=start, seq__lt=start + CHUNK)):
        for number, pair in enumerate(page, start):
            _remove(media, pair)
            if number % 100 == 0:
                control.tick(0.0, f"Deleting the files: {number:,} images so far")
        start += CHUNK
    _remove(media, Export.objects.filter(project=project).values_list("file_key", flat=True))
    _remove(media, [f"{kind}/{project.public_id}" for kind in ("projects", "models", "exports")])
    imports = Import.objects.filter(project=project).values_list("pk", flat=True)
    _remove(Path(settings.UPLOADS_ROOT), [str(number) for number in imports])
    _remove(Path(settings.JOBS_ROOT), [project.public_id])


def _remove(root: Path, names: Iterable[str]) -> None:
    """Remove these files and folders below root, and parents left empty; never anything else."""
    root = root.resolve()
    for name in filter(None, names):
        path = (root / name).resolve()
        if not path.is_relative_to(root) or path == root:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        _remove_empty(path.parent, root)


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _delete_rows(rows: QuerySet[Model], control: JobControl) -> None:
    while ids := list(rows.values_list("pk", flat=True)[:CHUNK]):
        with transaction.atomic():
            rows.filter(pk__in=ids).delete()
        control.tick(message="Deleting the rows")
