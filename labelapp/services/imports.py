"""Bring images into a project: start an import, run it in the worker, cancel it, go on with it."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Protocol

from django.core.files.base import File
from django.db import OperationalError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp import events, queue
from labelapp.errors import (
    AppError,
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
)
from labelapp.models import Import, Job, Project
from labelapp.rights import Right
from labelapp.selectors.projects import Access
from labelapp.services import audit, steering_images, uploads
from labelapp.services.import_batches import (
    ImportStoppedError,
    batches,
    check_open,
    store_batch,
)
from labelapp.services.import_sources import Source, open_source, server_folder, upload_folder

ANNOUNCE_SECONDS = 1.0
UPLOAD_DAYS = 7
_CANCELLED = "Cancelled; the images that were in stay."


class Control(Protocol):
    """What the worker hands to a job: it reports progress and raises when the job has to end."""

    def tick(
        self, progress: float | None = None, message: str = "", seconds_left: float | None = None
    ) -> None:
        """Say that the job lives and how far it is (0..1)."""


def start_import(
    *, access: Access, kind: str, source: str = "", files: Iterable[File[bytes]] | None = None
) -> Import:
    """Take images in the background; return the record of it.

    `kind` is files (with `files`), zip (with one file), folder (with `source`, below
    IMPORT_ROOT), or demo. Raises ForbiddenError, ConflictError once the run has begun,
    InvalidInputError, BadArchiveError, TooLargeError.
    """
    if kind in {Import.Kind.FILES, Import.Kind.ZIP}:
        return _start_from_files(access, kind, list(files or []))
    check_may_import(access)
    if kind == Import.Kind.FOLDER:
        source = str(server_folder(source))
    elif kind != Import.Kind.DEMO:
        raise InvalidInputError(_("There is no such kind of import."), kind=kind)
    with transaction.atomic():
        record = _new_import(access, kind, source, Import.State.WAITING)
        _enqueue(record)
    return record


def _start_from_files(access: Access, kind: str, files: list[File[bytes]]) -> Import:
    if not files:
        raise InvalidInputError(_("Choose at least one file."), files="empty")
    record = open_upload(access=access, kind=kind)
    try:
        if kind == Import.Kind.ZIP:
            uploads.add_archive(record, files[0])
        else:
            uploads.add_files(
                record, [(at, file.name or "", file) for at, file in enumerate(files)]
            )
        return finish_upload(access=access, import_id=record.pk)
    except (AppError, OSError) as error:
        _give_up_upload(record, _words(error))
        raise


def open_upload(*, access: Access, kind: str) -> Import:
    """Make an import whose files come in many requests (services.uploads), then `finish_upload`.

    `kind` is files or zip. Raises like `start_import`.
    """
    check_may_import(access)
    if kind not in {Import.Kind.FILES, Import.Kind.ZIP}:
        raise InvalidInputError(_("There is no such kind of upload."), kind=kind)
    with transaction.atomic():
        record = _new_import(access, kind, "", Import.State.UPLOADING)
        record.source = str(record.pk)  # its folder below UPLOADS_ROOT
        record.save(update_fields=["source"])
    return record


def finish_upload(*, access: Access, import_id: int, expected: int | None = None) -> Import:
    """Check what was uploaded and start the import; repeating it is harmless.

    `expected` is the number of files, or of bytes of a zip, that the browser has sent: raises
    ConflictError when some are missing. Raises BadArchiveError for a zip that is empty, broken or
    unsafe: nothing of it is imported.
    """
    record = visible_import(access, import_id)
    check_may_import(access)
    if record.state == Import.State.UPLOADING:
        uploads.check_complete(record, expected)
        total = _checked_total(record)
        with transaction.atomic():
            waiting = Import.objects.filter(pk=record.pk, state=Import.State.UPLOADING)
            if waiting.update(state=Import.State.WAITING, total=total):
                _enqueue(record)
    return visible_import(access, import_id)


def _checked_total(record: Import) -> int:
    try:
        with open_source(record) as source:
            if source.total == 0:
                raise InvalidInputError(_("There is no image among these files."), files="empty")
            return source.total
    except AppError as error:
        _give_up_upload(record, error.message)
        raise


def _give_up_upload(record: Import, message: str) -> None:
    """End an import that never began: its files are of no use."""
    _end(record, Import.State.FAILED, message)
    _clean_up(record)


def drop_stale_uploads() -> None:
    """End uploads that no browser finished in a week: their files would lie there for ever."""
    old = timezone.now() - timedelta(days=UPLOAD_DAYS)
    stale = Import.objects.filter(state=Import.State.UPLOADING, created__lt=old)
    for record in stale.exclude(project__status=Project.Status.DELETING):
        if _end(record, Import.State.CANCELLED, "The upload was never finished."):
            _clean_up(record)


def continue_import(*, access: Access, import_id: int) -> Import:
    """Go on with a failed import where it stopped.

    Raises ConflictError for one that has not failed, or failed before its files were there.
    """
    record = visible_import(access, import_id)
    check_may_import(access)
    with transaction.atomic():
        failed = Import.objects.filter(pk=record.pk, state=Import.State.FAILED, total__gt=0)
        if not failed.update(state=Import.State.WAITING, message="", finished=None):
            raise ConflictError(_("This import cannot be continued; start a new one."))
        _enqueue(record)
    return record


def cancel_import(*, access: Access, import_id: int) -> Import:
    """Stop an import, or drop a failed one; the images that are in stay.

    Harmless when it has ended.
    """
    _check_right(access)
    record = visible_import(access, import_id)
    if _end(record, Import.State.CANCELLED, _CANCELLED):
        _log(access, "import.cancelled", record)
        for job in Job.objects.filter(key=_key(record), state__in=queue.LIVE):
            queue.request_cancel(job)
        _clean_up(record)
    return visible_import(access, import_id)


def visible_import(access: Access, import_id: int) -> Import:
    """Return an import of this project; raise NotFoundError."""
    record = Import.objects.filter(project=access.project, pk=import_id).first()
    if record is None:
        raise NotFoundError(_("There is no such import."))
    return record


def check_may_import(access: Access) -> None:
    """Raise ForbiddenError, or ConflictError when the project takes no images (any more)."""
    _check_right(access)
    if access.project.archived_at:
        raise ConflictError(_("The project is archived."))
    check_open(access.project.pk)


def _check_right(access: Access) -> None:
    if not access.may(Right.MANAGE_IMAGES):
        raise ForbiddenError(_("Your role in this project does not allow this."))


def _new_import(access: Access, kind: str, source: str, state: str) -> Import:
    record = Import.objects.create(
        project=access.project, kind=kind, source=source, state=state, created_by=access.user
    )
    _log(access, "import.started", record)
    return record


def _log(access: Access, action: str, record: Import) -> None:
    audit.write(
        user=access.user,
        project=access.project,
        action=action,
        target=record.kind,
        after={"import": record.pk},
    )


def _key(record: Import) -> str:
    return f"import:{record.pk}"


def _enqueue(record: Import) -> None:
    queue.enqueue("import", _key(record), project_id=record.project_id, target=record.pk)


def run_import(import_id: int, control: Control) -> None:
    """Take the images of an import from where its cursor stands; called by the worker.

    May be killed anywhere and called again: nothing comes in twice, nothing is lost.
    """
    record = _begin(import_id)
    if record is None:
        return
    try:
        with open_source(record) as source:
            _take_all(record, source, control)
    except ImportStoppedError:
        return  # cancelled, or another worker goes on with it
    except queue.JobCancelled:
        _end(record, Import.State.CANCELLED, _CANCELLED)
        raise
    except (queue.JobStopping, queue.JobLost):
        raise  # it goes on later, here or elsewhere
    except (AppError, OSError, OperationalError) as error:
        if isinstance(error, OperationalError) and "full" not in str(error):
            raise  # the database was busy: the job is tried again
        _end(record, Import.State.FAILED, _words(error))
    except Exception:
        _end(record, Import.State.FAILED, "It stopped with an unexpected error; see the log.")
        raise
    else:
        if _end(record, Import.State.DONE, ""):
            _clean_up(record)


def _begin(import_id: int) -> Import | None:
    """Mark the import as running; None when there is nothing to do (any more)."""
    Import.objects.filter(pk=import_id, state=Import.State.WAITING).update(
        state=Import.State.RUNNING
    )
    record = Import.objects.select_related("project").filter(pk=import_id).first()
    if record is not None and record.state == Import.State.DONE:
        _clean_up(record)  # killed between its end and this
    return record if record is not None and record.state == Import.State.RUNNING else None


def _take_all(record: Import, source: Source, control: Control) -> None:
    Import.objects.filter(pk=record.pk).update(total=source.total)
    began, announced, start = time.monotonic(), 0.0, record.cursor
    for batch in batches(record, source.files(start), start):
        now = time.monotonic()
        announce = now - announced >= ANNOUNCE_SECONDS
        store_batch(record, batch, announce=announce)
        announced = now if announce else announced
        rate = (batch.end - start) / max(time.monotonic() - began, 1e-3)
        left = (source.total - batch.end) / rate
        words = f"{batch.end:,} of {source.total:,} files"
        control.tick(batch.end / max(source.total, 1), words, left)


def give_up(import_id: int, message: str) -> None:
    """End an import whose job failed for good, and say so. Harmless when it has ended."""
    record = Import.objects.filter(pk=import_id).first()
    if record is not None:
        _end(record, Import.State.FAILED, message)


def _end(record: Import, state: str, message: str) -> bool:
    """End a live import and say so once; False when it had ended before."""
    over = [Import.State.DONE, Import.State.CANCELLED]
    if state != Import.State.CANCELLED:
        over.append(Import.State.FAILED)  # a failed one may still be dropped
    live = Import.objects.filter(pk=record.pk).exclude(state__in=over)
    with transaction.atomic():
        if not live.update(state=state, message=message[:500], finished=timezone.now()):
            return False
        after = Import.objects.get(pk=record.pk)
        if state != Import.State.FAILED:  # a failed one may still go on
            steering_images.added(after)
        payload = {
            "import": record.pk,
            "state": state,
            "added": after.added,
            "duplicates": after.duplicates,
            "rejected": after.rejected,
        }
        events.record(record.project_id, "import.finished", payload)
    return True


def _clean_up(record: Import) -> None:
    """Remove what was uploaded: the originals lie with the project's images by now."""
    shutil.rmtree(upload_folder(record.pk), ignore_errors=True)


def _words(error: Exception) -> str:
    full = isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}
    if full or isinstance(error, OperationalError):
        return "The disk is full. Free some space, then press Continue: nothing is lost."
    if isinstance(error, OSError):
        return f"Reading or writing files failed: {error.strerror or error}."
    return getattr(error, "message", str(error))
