"""Cancel a job, do it again, and tell whoever waits for one that it will not come."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from labelapp import queue
from labelapp.errors import ConflictError, ForbiddenError, NotFoundError
from labelapp.models import Export, Job, User
from labelapp.rights import Right, Role
from labelapp.selectors.job_list import NEVER, RIGHTS, repeatable_by
from labelapp.selectors.projects import Access
from labelapp.services import audit, curations, exports, imports, runs

FAILURES = {
    "train": "The training failed: {}. Resume to try again.",
    "advance": "The next step could not be computed: {}. Resume to try again.",
}


CANCELLED = "The training was cancelled. Resume to train again."


def abandon(job: Job, words: str, *, cancelled: bool = False) -> None:
    """Tell whoever waits for the job that it will not come; else the reconciler repeats it."""
    if job.kind == "train" and cancelled:
        runs.fail(job.target, CANCELLED)
    elif job.kind in FAILURES:
        runs.fail(job.target, FAILURES[job.kind].format(words.rstrip(".")))
    elif job.kind == "import":
        imports.give_up(job.target, words)
    elif job.kind == "export":
        exports.give_up(job.target, words)
    elif job.kind == "curate":
        curations.give_up(job.target, words, cancelled=cancelled)


def cancel(*, access: Access, job_id: int) -> None:
    """End a job: at once where it waits, within about a second where it runs.

    What it has stored stays. A run whose training is cancelled waits until somebody resumes it.
    Raises NotFoundError, ForbiddenError, ConflictError where it has ended or cannot be cancelled.
    """
    job = _job(access, job_id)
    if job.kind in NEVER:
        raise ConflictError(_("This job is over in a moment; it cannot be cancelled."))
    if job.state not in queue.LIVE:
        raise ConflictError(_("This job has ended meanwhile."))
    with transaction.atomic():
        _note(access, job, "job.cancelled")
        if job.kind == "import":
            imports.cancel_import(access=access, import_id=job.target)
            return
        if job.kind == "curate":
            curations.cancel(access=access, curation_id=job.target)
            return
        queue.request_cancel(job)
        job.refresh_from_db()
        if job.state == Job.State.CANCELLED:
            abandon(job, "Cancelled.", cancelled=True)


def retry(*, access: Access, job_id: int) -> None:
    """Do a failed or cancelled job again; a run is resumed, an import goes on where it stopped.

    Raises NotFoundError, ForbiddenError, ConflictError where there is nothing to repeat.
    """
    job = _job(access, job_id)
    if job.state not in {Job.State.FAILED, Job.State.CANCELLED} or job.kind == "delete":
        raise ConflictError(_("Only a job that failed or was cancelled is done again."))
    if not repeatable_by(job, access.user):
        raise ConflictError(_("It acts in the name of who began it: only they can do it again."))
    with transaction.atomic():
        _note(access, job, "job.repeated")
        if job.kind in FAILURES:
            runs.resume_run(access=access)
        elif job.kind == "import":
            imports.continue_import(access=access, import_id=job.target)
        elif job.kind == "export":
            _export_again(access, job)
        elif job.kind == "curate":
            curations.go_on(access=access, curation_id=job.target)
        else:
            queue.enqueue(
                job.kind,
                job.key,
                project_id=job.project_id,
                target=job.target,
                params=job.params,
            )


def as_installation_owner(user: User, job_id: int) -> Access:
    """Return what the installation's owner may do to the project of a job: everything.

    Raises ForbiddenError for anybody else, NotFoundError for a job without a project.
    """
    if not (user.is_superuser and user.is_active):
        raise ForbiddenError(_("Only the owner of this installation can do this."))
    job = Job.objects.select_related("project").filter(pk=job_id).first()
    if job is None or job.project is None:
        raise NotFoundError(_("There is no such job."))
    return Access(job.project, user, Role.OWNER)


def _job(access: Access, job_id: int) -> Job:
    job = Job.objects.filter(project=access.project, pk=job_id).first()
    if job is None:
        raise NotFoundError(_("There is no such job."))
    if not access.may(RIGHTS.get(job.kind, Right.STEER)):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    return job


def _export_again(access: Access, job: Job) -> None:
    record = Export.objects.filter(project=access.project, pk=job.target).first()
    if record is None:
        raise NotFoundError(_("The file is not there any more."))
    exports.start_export(
        access=access,
        format=record.format,
        with_images=record.with_images,
        curation=record.curation_id,
        part=record.part,
    )


def _note(access: Access, job: Job, action: str) -> None:
    audit.write(
        user=access.user,
        project=access.project,
        action=action,
        target=f"{job.kind} {job.pk}",
        after={"kind": job.kind, "key": job.key},
    )
