"""Searches for the best training set, over the labels of a finished project.

One at a time: the rows of `Curation` say which, a job does the work (`services.curation_program`).
Nothing of a search enters the run: its models are thrown away, its cost is no part of the
certificate's, and what it found is shown for a finished project only (docs/search.md).
"""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp import engine_search, events, queue
from labelapp.errors import ConflictError, ForbiddenError, InvalidInputError
from labelapp.models import Curation, Job, Project, Run
from labelapp.queue import JobControl
from labelapp.rights import Right
from labelapp.selectors import curations as found
from labelapp.selectors.money_words import number
from labelapp.selectors.projects import Access
from labelapp.services import audit, pool_tensor
from labelapp.services import curation_files as files
from labelapp.services import curation_program as program
from labelapp.services.curation_settings import CurationSettings

State = Curation.State
FOLDER, LIVE = found.FOLDER, found.LIVE


def start(*, access: Access, settings: CurationSettings) -> Curation:
    """Begin a search. Raises ForbiddenError, ConflictError (not finished, one is live, too few
    labels), InvalidInputError with what is wrong by field.
    """
    _need(access)
    if wrong := settings.check():
        raise InvalidInputError(_("The search cannot begin like this."), **wrong)
    _need_labels(access.project, settings)
    with transaction.atomic():
        _need_free(access.project)
        record = Curation.objects.create(
            project=access.project, created_by=access.user, settings=settings.as_json()
        )
        _enqueue(record)
        _note(access, record, "curation.started", record.settings)
        _tell(record)
    return record


def cancel(*, access: Access, curation_id: int) -> None:
    """Ask a search to end, at once where it waits, within seconds where it runs.

    Finished steps stay, so that it can go on. Harmless when repeated. Raises ForbiddenError,
    NotFoundError, ConflictError where it has ended.
    """
    _need(access)
    record = found.one(access.project, curation_id)
    with transaction.atomic():
        job = Job.objects.filter(key=_key(record), state__in=queue.LIVE).first()
        if record.state not in found.LIVE:
            raise ConflictError(_("This search has ended meanwhile."))
        if job is not None and job.cancel_requested:
            return
        _note(access, record, "curation.cancelled", {})
        if job is not None:
            queue.request_cancel(job)
            job.refresh_from_db()
        if job is None or job.state == Job.State.CANCELLED:
            _end(record, State.CANCELLED)


def go_on(*, access: Access, curation_id: int) -> Curation:
    """Let a failed or cancelled search go on behind its last finished step, with its own labels.

    Where the project was opened again since, with the labels of now: it then begins anew.
    Raises ForbiddenError, NotFoundError, ConflictError.
    """
    _need(access)
    record = found.one(access.project, curation_id)
    values: dict[str, Any] = {"state": State.WAITING, "message": "", "finished": None}
    if found.outdated(record):
        values |= {"n": 0, "created": timezone.now()}  # the labels are read again
    with transaction.atomic():
        _need_free(access.project)
        again = Curation.objects.filter(pk=record.pk, state__in=[State.FAILED, State.CANCELLED])
        if not again.update(**values):
            raise ConflictError(_("Only a search that failed or was cancelled can go on."))
        record.refresh_from_db()
        (found.folder(record) / found.PROGRESS).unlink(missing_ok=True)  # of the last attempt
        _enqueue(record)
        _note(access, record, "curation.started", record.settings)
        _tell(record)
    return record


def delete(*, access: Access, curation_id: int) -> None:
    """Remove a search with its files. Raises ForbiddenError, NotFoundError, ConflictError (live)."""
    _need(access)
    record = found.one(access.project, curation_id)
    where = found.folder(record)
    with transaction.atomic():
        _note(access, record, "curation.deleted", {})
        ended = Curation.objects.filter(pk=record.pk).exclude(state__in=found.LIVE)
        if not ended.delete()[0]:
            raise ConflictError(_("Cancel the search first."))
        _tell(record, "deleted")
    shutil.rmtree(where, ignore_errors=True)


def _need(access: Access) -> None:
    if not access.may(Right.STEER):
        raise ForbiddenError(_("Your role in this project does not allow this."))


def _need_free(project: Project) -> None:
    """Lock the project; raise ConflictError unless it is finished and no search is live in it."""
    now = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if now.status != Project.Status.FINISHED or now.archived_at is not None:
        raise ConflictError(
            _("A search needs a finished project: until then labels are missing, or may change.")
        )
    if Curation.objects.filter(project=now, state__in=found.LIVE).exists():
        raise ConflictError(_("A search is under way in this project. Wait for it, or cancel it."))


def _need_labels(project: Project, settings: CurationSettings) -> None:
    run = Run.objects.filter(project=project).first()
    if run is None:
        return  # `_need_free` says so
    there = found.labelled(project, settings.labels)
    marks = found.marked(project)  # they all judge, of however few labels
    judges = max(settings.held_out, min(marks / max(there, 1), 0.999))
    needed = engine_search.least_images(replace(settings, held_out=judges), run.config["classes"])
    if there < needed:
        words = {"there": number(there), "needed": number(needed)}
        raise ConflictError(
            _(
                "%(there)s labels are too few for this search: it needs %(needed)s, so that the "
                "first stage holds six images of each class. Take a larger share."
            )
            % words
        )


def _key(record: Curation) -> str:
    return f"curate:{record.pk}"


def _enqueue(record: Curation) -> None:
    queue.enqueue("curate", _key(record), project_id=record.project_id, target=record.pk)


def _note(access: Access, record: Curation, action: str, after: dict[str, Any]) -> None:
    audit.write(
        user=access.user,
        project=access.project,
        action=action,
        target=str(record.pk),
        after=after,
    )


def _tell(record: Curation, state: str = "") -> None:
    payload = {"curation": record.pk, "state": state or str(record.state)}
    events.record(record.project_id, "curation.changed", payload)


# --- what the worker does ------------------------------------------------------------------------


def run(job: Job, control: JobControl) -> None:
    """Do a search; called by the worker, harmless when repeated.

    Raises SearchFailedError where another attempt may help, ConflictError where it would not, and
    what `control.tick` raises.
    """
    record = Curation.objects.select_related("project").filter(pk=job.target).first()
    if record is None or record.state not in found.LIVE:
        return
    _running(record)
    try:
        program.need_finished(record)
        result, seconds = _searched(record, control)
    except queue.JobCancelled:
        _end(record, State.CANCELLED, job=job, message=record.message)
        raise
    except (pool_tensor.PoolError, files.BadResultError) as error:
        raise program.SearchFailedError(str(error)) from error
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise ConflictError(DISK_FULL) from error
        raise program.SearchFailedError(str(error)) from error
    price = found.dollars(seconds, record.project)
    spent = {"seconds": round(seconds, 3), "dollars": str(price)}
    _end(record, State.DONE, job=job, result=result | spent)
    shutil.rmtree(found.folder(record) / "steps", ignore_errors=True)
    control.log(f"Found the part: {seconds:.1f} s of computing in all")


DISK_FULL = "The disk is full. Free some space, then let the search go on: finished steps stay."


def _searched(record: Curation, control: JobControl) -> tuple[dict[str, Any], float]:
    """Write down what takes part, search, and return the checked result with its seconds."""
    run = Run.objects.get(project=record.project)
    if found.outdated(record):  # the project was opened, and has finished, while this one waited
        record.n, record.created = 0, timezone.now()
    aside = program.Aside(record, control)
    kept = files.keep_labels(record, run, aside)
    record.n, record.machine, record.labels_sha256 = kept.n, kept.machine, kept.sha256
    record.save(update_fields=["n", "machine", "labels_sha256", "created"])
    images = pool_tensor.ensure(
        record.project, run.n, lambda share: aside(f"Packing the images: {share:.0%}")
    )
    files.write_request(record, run, images)
    result, seconds = program.search(record, control)
    return files.checked(record, result), seconds


def _running(record: Curation) -> None:
    with transaction.atomic():
        waiting = Curation.objects.filter(pk=record.pk, state=State.WAITING)
        if waiting.update(state=State.RUNNING, folder=str(found.folder(record))[:300]):
            record.state = State.RUNNING
            _tell(record)


def ensure_job(record: Curation) -> None:
    """See to it that a live search has its job, or ends as its last job did."""
    with transaction.atomic():
        last = Job.objects.filter(key=_key(record)).order_by("-pk").first()
        if last is None or last.state == Job.State.DONE:
            _enqueue(record)
        elif last.state not in queue.LIVE:
            cancelled = last.state == Job.State.CANCELLED
            give_up(record.pk, last.message, cancelled=cancelled)


def give_up(curation_id: int, words: str, *, cancelled: bool = False) -> None:
    """Write down why a search will not end by itself; harmless where it has ended."""
    record = Curation.objects.filter(pk=curation_id).first()
    if record is not None:
        state = State.CANCELLED if cancelled else State.FAILED
        _end(record, state, message="" if cancelled else words)


def _end(
    record: Curation,
    state: str,
    *,
    job: Job | None = None,
    message: str = "",
    result: dict[str, Any] | None = None,
) -> None:
    """Write how it ended, once. Raises JobLost where the claim of `job` was lost meanwhile."""
    values = {"state": state, "message": message[:500], "finished": timezone.now()}
    if result is not None:
        values["result"] = result
    with transaction.atomic():
        if not Curation.objects.filter(pk=record.pk, state__in=found.LIVE).update(**values):
            return
        if job is not None and not queue.owned(job).update(heartbeat=timezone.now()):
            raise queue.JobLost
        record.state = State(state)
        _tell(record)
