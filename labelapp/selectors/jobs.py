"""What the worker is doing, for pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from labelapp.models import Job, Project, WorkerBeat

LIVE = (Job.State.WAITING, Job.State.RUNNING)


@dataclass(frozen=True)
class JobView:
    """A job as a page shows it. `progress` is 0..1."""

    kind: str
    state: str
    progress: float
    message: str
    seconds_left: float | None
    attempts: int
    started: datetime | None


def worker_alive() -> bool:
    """Tell whether any worker gave a sign of life in the last 30 seconds."""
    return WorkerBeat.objects.filter(beat__gt=timezone.now() - WorkerBeat.FRESH).exists()


def live_job(project: Project, *kinds: str) -> JobView | None:
    """Return the project's running (else waiting) job of these kinds."""
    jobs = list(project.jobs.filter(kind__in=kinds, state__in=LIVE).order_by("pk"))
    if not jobs:
        return None
    running = [job for job in jobs if job.state == Job.State.RUNNING]
    return _view((running or jobs)[0])


def _view(job: Job) -> JobView:
    return JobView(
        kind=job.kind,
        state=job.state,
        progress=job.progress,
        message=job.message,
        seconds_left=seconds_left(job),
        attempts=job.attempts,
        started=job.started,
    )


def seconds_left(job: Job) -> float | None:
    """Return the forecast as of now: it was made when the job last reported."""
    if job.seconds_left is None or job.heartbeat is None:
        return None
    return max(0.0, job.seconds_left - (timezone.now() - job.heartbeat).total_seconds())
