"""Find work that nobody will do, and have it done: no lost wake-up may stall anything.

Every kind of job is covered. Each repair is idempotent: `queue.enqueue` keeps one live job per
piece of work, and the handlers look at the rows again.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, transaction

from labelapp import queue
from labelapp.models import Curation, Export, Import, Project, Run
from labelapp.services import curations, imports, runs

log = logging.getLogger(__name__)


def reconcile_at_start() -> None:
    """Take back the jobs that the last worker of this machine died of, and look for lost work."""
    queue.take_back_dead()
    reconcile()


def reconcile() -> None:
    """Enqueue what the rows imply and no live job does: runs, imports, exports, searches, deletions.

    Clears away what nobody will need: caches of finished runs, uploads that never ended.
    """
    for run in _running():
        _ensure_job(run)
    for record in Import.objects.filter(state__in=[Import.State.WAITING, Import.State.RUNNING]):
        _enqueue("import", record.pk, record.project_id)
    for export in Export.objects.filter(state__in=[Export.State.WAITING, Export.State.RUNNING]):
        _enqueue("export", export.pk, export.project_id)
    for search in Curation.objects.filter(state__in=curations.LIVE):
        curations.ensure_job(search)
    for project in Project.objects.filter(status=Project.Status.DELETING):
        _enqueue("delete", project.pk, None)
    imports.drop_stale_uploads()
    _drop_caches()


def _ensure_job(run: Run) -> None:
    """One run that cannot be read must not keep the worker from all the others."""
    try:
        with transaction.atomic():
            runs.ensure_job(run)
    except DatabaseError:
        raise
    except Exception:
        log.exception("the run of project %s could not be looked at", run.project_id)


def _running() -> list[Run]:
    gone = Project.Status.DELETING
    going = Run.objects.filter(finished__isnull=True, failure="").exclude(project__status=gone)
    return list(going.select_related("project"))


def _enqueue(kind: str, target: int, project_id: int | None) -> None:
    with transaction.atomic():
        queue.enqueue(kind, f"{kind}:{target}", project_id=project_id, target=target)


def _drop_caches() -> None:
    """Delete the packed pixels, features and the attempts' folders of finished runs.

    A search for a training set needs the pixels, and what it found stays.
    """
    root = Path(settings.JOBS_ROOT)
    names = [folder.name for folder in root.iterdir() if folder.is_dir()] if root.is_dir() else []
    over = Project.objects.filter(public_id__in=names, run__finished__isnull=False)
    over = over.exclude(curations__state__in=curations.LIVE)
    for name in over.values_list("public_id", flat=True):
        for folder in (root / name).iterdir():
            if folder.name != curations.FOLDER:
                shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty: searches
            (root / name).rmdir()
