"""Background jobs: the Job table is the truth, django-q2 is only the wake-up.

The only module that knows django-q2. A job is claimed by a conditional update with a token, and
whatever its worker says later counts only while that token is the job's. Work may therefore be
woken twice, by anybody, at any time; it is done once.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.db.models import Exists, F, Q, QuerySet
from django.utils import timezone

from labelapp.models import Job, JobLine, WorkerBeat

log = logging.getLogger(__name__)

HOST = socket.gethostname()[:100]
LIVE = (Job.State.WAITING, Job.State.RUNNING)
TICK_SECONDS = 1.0
STALE_HERE = timedelta(seconds=300)  # the process lives, but has said nothing for so long
STALE_ELSEWHERE = timedelta(seconds=60)  # another machine: its processes cannot be looked at
GRACE_SECONDS = 3.0
REPEAT_SECONDS = 20.0
PARENT_SECONDS = 0.5
LINES_KEPT = 500  # of a job's log
_LINES_AT_ONCE = 50  # too many are deleted together
_TRAINING_LOCK = 5_261_103  # any number that nobody else locks with


class JobCancelled(Exception):  # noqa: N818 - not an error: somebody asked for it
    """The job was asked to end; it becomes `cancelled`."""


class JobStopping(Exception):  # noqa: N818 - not an error
    """The worker is being stopped; the job goes back to `waiting`."""


class JobLost(Exception):  # noqa: N818 - not an error
    """The job is somebody else's by now: write nothing more."""


# --- asking for work ---------------------------------------------------------------------------


def enqueue(
    kind: str,
    key: str,
    *,
    project_id: int | None = None,
    target: int = 0,
    delay_seconds: float = 0,
    params: dict[str, Any] | None = None,
) -> Job:
    """Make a job unless one with this key is alive, and wake a worker after commit.

    Call it inside the transaction that makes the job necessary.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("jobs are enqueued inside a transaction")
    later = timezone.now() + timedelta(seconds=delay_seconds) if delay_seconds else None
    job, _ = Job.objects.get_or_create(
        key=key,
        state__in=LIVE,
        defaults={
            "kind": kind,
            "state": Job.State.WAITING,
            "project_id": project_id,
            "target": target,
            "params": params or {},
            "not_before": later,
        },
    )
    if not delay_seconds:
        # robust: a failed wake-up must not fail the request; `wake_due` repeats it.
        transaction.on_commit(partial(wake, job.pk), robust=True)
    return job


def wake(job_id: int) -> None:
    """Tell the workers that this job can be claimed. Harmless if repeated."""
    from django_q.tasks import async_task  # noqa: PLC0415 - opens its broker when imported

    async_task("labelapp.tasks.run_job", job_id, save=False)


def request_cancel(job: Job) -> None:
    """Ask a job to end: at once if it waits, within about a second if it runs."""
    waiting = Job.objects.filter(pk=job.pk, state=Job.State.WAITING)
    if not waiting.update(state=Job.State.CANCELLED, finished=timezone.now()):
        Job.objects.filter(pk=job.pk, state=Job.State.RUNNING).update(cancel_requested=True)


# --- doing it ----------------------------------------------------------------------------------


def claim(job_id: int) -> Job | None:
    """Take a waiting job that is due; None if somebody else was faster or it must wait.

    At most one training runs at a time: it uses all cores, and imports must go on beside it. At
    most one search for a training set runs, and none begins while a training runs or waits.
    """
    now = timezone.now()
    training = Job.objects.filter(kind="train", state=Job.State.RUNNING)
    ahead = Job.objects.filter(
        Q(kind="train", state__in=LIVE) | Q(kind="curate", state=Job.State.RUNNING)
    )
    with transaction.atomic():
        _one_claim_at_a_time()
        taken = (
            _due(now)
            .filter(pk=job_id)
            .exclude(Q(kind="train") & Exists(training))
            .exclude(Q(kind="curate") & Exists(ahead))
            .update(
                state=Job.State.RUNNING,
                token=secrets.token_hex(16),
                pid=os.getpid(),
                host=HOST,
                attempts=F("attempts") + 1,
                progress=0.0,
                seconds_left=None,
                heartbeat=now,
                started=now,
            )
        )
        return Job.objects.get(pk=job_id) if taken else None


def _due(now: object) -> QuerySet[Job]:
    ready = Q(not_before__isnull=True) | Q(not_before__lte=now)
    return Job.objects.filter(ready, state=Job.State.WAITING)


def _one_claim_at_a_time() -> None:
    """Make "no other training runs" hold until commit. SQLite writers already take turns."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_TRAINING_LOCK])


def owned(job: Job) -> QuerySet[Job]:
    """Return the row of a claimed job, or nothing once the claim is lost."""
    return Job.objects.filter(pk=job.pk, token=job.token, state=Job.State.RUNNING)


def finish(job: Job, state: str = Job.State.DONE, message: str = "") -> bool:
    """End a claimed job; False if the claim was lost."""
    done = {"progress": 1.0} if state == Job.State.DONE else {}
    return bool(
        owned(job).update(
            state=state, message=message[:500], finished=timezone.now(), seconds_left=None, **done
        )
    )


def put_back(
    job: Job, *, delay_seconds: float = 0, message: str = "", refund: bool = False
) -> bool:
    """Let a claimed job wait again; `refund` takes the attempt off its count."""
    later = timezone.now() + timedelta(seconds=delay_seconds) if delay_seconds else None
    return bool(
        owned(job).update(
            state=Job.State.WAITING,
            token="",
            pid=None,
            attempts=F("attempts") - 1 if refund else F("attempts"),
            not_before=later,
            message=message[:500],
            seconds_left=None,
        )
    )


class JobControl:
    """What a running job holds: it reports progress and hears that it has to end."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._last = float("-inf")
        self._lines = 0

    def tick(
        self, progress: float | None = None, message: str = "", seconds_left: float | None = None
    ) -> None:
        """Say that the job lives and how far it is (0..1). Call it often: it writes once a second.

        Raises JobStopping, JobLost, JobCancelled. Call it outside transactions.
        """
        if stop_requested():
            raise JobStopping
        if time.monotonic() - self._last < TICK_SECONDS:
            return
        self._last = time.monotonic()
        changes: dict[str, object] = {"heartbeat": timezone.now(), "seconds_left": seconds_left}
        if progress is not None:
            changes["progress"] = min(max(progress, 0.0), 1.0)
        if message:
            changes["message"] = message[:500]
        try:
            self._report(changes)
        except OperationalError:
            # A busy database must not end an hour of training; the next second tries again.
            log.warning("%s could not report its progress", self.job.key, exc_info=True)

    def log(self, text: str, level: str = "info") -> None:
        """Append a line to the job's log, which the jobs page shows; the last 500 are kept.

        `level`: info, warning, error. Outside transactions it never fails: a log must not end a job.
        """
        try:
            JobLine.objects.create(job_id=self.job.pk, level=level, text=text[:1000])
            self._lines += 1
            if self._lines % _LINES_AT_ONCE == 0:
                self._drop_old_lines()
        except DatabaseError:
            log.warning("%s could not write its log: %s", self.job.key, text, exc_info=True)

    def _drop_old_lines(self) -> None:
        lines = JobLine.objects.filter(job_id=self.job.pk).order_by("-pk")
        first = lines.values_list("pk", flat=True)[LINES_KEPT - 1 : LINES_KEPT].first()
        if first is not None:
            lines.filter(pk__lt=first).delete()

    def _report(self, changes: dict[str, object]) -> None:
        if not owned(self.job).update(**changes):
            raise JobLost
        if owned(self.job).filter(cancel_requested=True).exists():
            raise JobCancelled


# --- stopping ----------------------------------------------------------------------------------


_stop_name = "stop"


def own_stop() -> None:
    """Give this process, and those that it forks, a stop that no other worker hears."""
    global _stop_name  # noqa: PLW0603 - the forked job processes inherit it
    _stop_name = f"stop-{HOST}-{os.getpid()}"
    clear_stop()


def _stop_file() -> Path:
    return Path(settings.DATA_DIR) / _stop_name


def request_stop() -> None:
    """Ask every running job of this worker to go back to waiting."""
    _stop_file().parent.mkdir(parents=True, exist_ok=True)
    _stop_file().touch()


def clear_stop() -> None:
    """Forget an earlier `request_stop`."""
    _stop_file().unlink(missing_ok=True)


def stop_requested() -> bool:
    """Tell whether running jobs have to go back to waiting."""
    return _stop_file().exists()


# --- who lives ---------------------------------------------------------------------------------


def beat(info: dict[str, Any] | None = None) -> None:
    """Write that this worker process lives, and how its machine is. `worker_alive` looks for it."""
    name = f"{HOST[:80]}:{os.getpid()}"
    now = timezone.now()
    said = {"beat": now, "info": info or {}}
    if not WorkerBeat.objects.filter(name=name).update(**said):
        WorkerBeat.objects.filter(beat__lt=now - timedelta(days=1)).delete()
        WorkerBeat.objects.get_or_create(name=name, defaults={**said, "started": now})


def sign_off() -> None:
    """Take this process' heartbeat away: it stops in good order."""
    WorkerBeat.objects.filter(name=f"{HOST[:80]}:{os.getpid()}").delete()


def worker_alive() -> bool:
    """Tell whether any worker gave a sign of life lately."""
    return WorkerBeat.objects.filter(beat__gt=timezone.now() - WorkerBeat.FRESH).exists()


def take_back_dead() -> list[int]:
    """Let the jobs of dead processes wait again; return their ids.

    On this machine the process is looked at; of another one the heartbeat must be old.
    """
    running = Job.objects.filter(state=Job.State.RUNNING)
    return [job.pk for job in running if is_dead(job) and put_back(job, message="")]


def is_dead(job: Job) -> bool:
    silent = timezone.now() - (job.heartbeat or job.created)
    if job.host != HOST:
        return silent > STALE_ELSEWHERE
    return silent > STALE_HERE or not _process_lives(job)


def _process_lives(job: Job) -> bool:
    """Tell whether the process that claimed the job is still that process."""
    try:
        process = psutil.Process(job.pid or 0)
        claimed = job.started.timestamp() if job.started else 0.0
        young = process.create_time() > claimed + 1.0  # the number was given to another process
        return not young and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


# --- the processes that do the jobs ------------------------------------------------------------


class Cluster:
    """django-q2's processes, started from this one: a sentinel that keeps the workers alive."""

    def __init__(self) -> None:
        from django_q.cluster import Cluster as QCluster  # noqa: PLC0415 - see `wake`

        os.register_at_fork(before=_prepare_fork, after_in_child=_leave_with_parent)
        self._cluster = QCluster()
        self._cluster.start()
        self._woken: dict[int, float] = {}

    def alive(self) -> bool:
        """Tell whether the sentinel lives; it looks after the rest."""
        return bool(self._cluster.sentinel.is_alive())

    def stop(self) -> None:
        """End all processes and wait for them; running jobs must have been asked to stop."""
        self._cluster.stop()
        sign_off()

    def tend(self) -> None:
        """Take back the jobs of dead processes and wake jobs that nobody woke. Cheap: each second.

        A new job gets a moment for its own wake-up; after that it is woken each 20 s.
        """
        take_back_dead()
        now, due = time.monotonic(), _due(timezone.now()).order_by("pk")[:50]
        known = {}
        for job in due:
            first = now if job.not_before or job.attempts else now + GRACE_SECONDS
            known[job.pk] = self._woken.get(job.pk, first)
            if now >= known[job.pk]:
                wake(job.pk)
                known[job.pk] = now + REPEAT_SECONDS
        self._woken = known


def start_cluster() -> Cluster:
    """Start the worker processes from this one. Call it before any thread exists: it forks."""
    from django_q.models import OrmQ  # noqa: PLC0415 - see `wake`

    OrmQ.objects.all().delete()  # wake-ups that a dead cluster holds locked; `tend` repeats them
    return Cluster()


_parent = 0


def _prepare_fork() -> None:
    """Leave nothing open to the forked process: two that share a connection garble each other."""
    global _parent  # noqa: PLW0603 - handed to the forked child, which has no other way to know
    _parent = os.getpid()
    connections.close_all()
    for one in connections.all(initialized_only=True):
        if hasattr(one, "close_pool"):  # PostgreSQL
            one.close_pool()


def _leave_with_parent() -> None:
    """Run in each forked child: a killed parent must not leave workers that go on taking jobs."""
    threading.Thread(target=_watch_parent, args=(_parent,), daemon=True).start()


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    os._exit(1)
