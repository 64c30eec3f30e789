"""Worker entry points: claim a job, call one service, say how it ended."""

from __future__ import annotations

import logging
from collections.abc import Callable

from labelapp import queue
from labelapp.errors import AppError
from labelapp.models import Job
from labelapp.queue import JobControl
from labelapp.services import (
    bulk,
    consensus,
    curations,
    exports,
    imports,
    jobs,
    label_issues,
    people_report,
    projects,
    runs,
    steering_jobs,
    training,
)
from labelapp.services.training_errors import HopelessError

log = logging.getLogger(__name__)

Handler = Callable[[Job, JobControl], object]

HANDLERS: dict[str, Handler] = {
    "advance": lambda job, _control: runs.advance(job.target),
    "train": training.train,
    "import": lambda job, control: imports.run_import(job.target, control),
    "export": lambda job, control: exports.run_export(job.target, control),
    "consensus": lambda job, control: consensus.recompute(job.target, control),
    "bulk": bulk.run_bulk,
    "issues": label_issues.search,
    "people": lambda job, control: people_report.build(job.target, control),
    "steer": steering_jobs.run,
    "curate": curations.run,
    "delete": lambda job, control: projects.purge(job.target, control),
}

ATTEMPTS = {"train": 3, "import": 3, "export": 2, "curate": 3}
USUAL_ATTEMPTS = 5
TURNS = {"train": ("train", "curate"), "curate": ("curate",)}
"""Kinds that take turns, with whose jobs may go on when one of them has ended."""
DEATHS = 10  # a job that so many workers died of is not tried again


def run_job(job_id: int) -> str:
    """Claim the job and do it; return how it ended. Harmless if it is done, taken, or not due."""
    job = queue.claim(job_id)
    if job is None:
        return "not free"
    try:
        return _do(job)
    finally:
        if job.kind in TURNS:  # the next one could not be claimed while this one ran
            _wake(TURNS[job.kind])


def _do(job: Job) -> str:
    control = JobControl(job)
    try:
        if job.attempts > DEATHS:
            return _give_up(job, f"Given up: {DEATHS} workers ended while doing this.")
        control.log(f"Attempt {job.attempts} on {job.host}, process {job.pid}")
        HANDLERS[job.kind](job, control)
    except queue.JobLost:
        return "lost"
    except queue.JobStopping:
        control.log("Set aside: the worker is being stopped")
        queue.put_back(job, refund=True)
        return "put back"
    except queue.JobCancelled:
        control.log("Cancelled.", "warning")
        if queue.finish(job, Job.State.CANCELLED):
            jobs.abandon(job, "it was cancelled", cancelled=True)
        return "cancelled"
    except Exception as error:  # noqa: BLE001 - the border of a job: any failure is reported
        return _failed(job, error, control)
    control.log("Done")
    queue.finish(job)
    return "done"


def _failed(job: Job, error: Exception, control: JobControl) -> str:
    """Try again later, or give up. Errors that people caused do not go away by repeating."""
    log.warning("%s failed, attempt %d", job.key, job.attempts, exc_info=error)
    control.log(str(error) or type(error).__name__, "error")
    words = str(error) or type(error).__name__
    hopeless = isinstance(error, (AppError, HopelessError))
    if hopeless or job.attempts >= ATTEMPTS.get(job.kind, USUAL_ATTEMPTS):
        return _give_up(job, words)
    queue.put_back(job, delay_seconds=2.0**job.attempts, message=f"Trying again: {words}")
    return "will be tried again"


def _give_up(job: Job, words: str) -> str:
    if queue.finish(job, Job.State.FAILED, words):
        jobs.abandon(job, words)
    return "failed"


def _wake(kinds: tuple[str, ...]) -> None:
    for job in Job.objects.filter(kind__in=kinds, state=Job.State.WAITING).order_by("pk")[:10]:
        queue.wake(job.pk)
