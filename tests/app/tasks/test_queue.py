"""Jobs: one live job per key, one claim per job, and only the claim's holder may speak."""

from __future__ import annotations

import os
import subprocess
import time
from datetime import timedelta

import pytest
from django.db import OperationalError, transaction
from django.utils import timezone

from labelapp import queue
from labelapp.models import Job, WorkerBeat

pytestmark = pytest.mark.django_db


def make_job(kind: str = "import", key: str = "import:1", **fields) -> Job:
    return Job.objects.create(kind=kind, key=key, **fields)


def dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_key_has_one_live_job():
    first = queue.enqueue("import", "import:1")
    assert queue.enqueue("import", "import:1") == first
    queue.finish(queue.claim(first.pk))
    assert queue.enqueue("import", "import:1") != first


@pytest.mark.django_db(transaction=True)
def test_a_job_cannot_be_enqueued_outside_a_transaction():
    with pytest.raises(transaction.TransactionManagementError):
        queue.enqueue("import", "import:1")


def test_workers_are_woken_after_commit_only(django_capture_on_commit_callbacks, monkeypatch):
    woken = []
    monkeypatch.setattr(queue, "wake", woken.append)
    with django_capture_on_commit_callbacks(execute=True):
        job = queue.enqueue("import", "import:1")
        assert woken == []
    assert woken == [job.pk]


def test_a_job_is_claimed_once():
    job = make_job()
    claimed = queue.claim(job.pk)
    assert claimed.pid == os.getpid()
    assert claimed.attempts == 1
    assert queue.claim(job.pk) is None


def test_a_job_that_is_not_due_cannot_be_claimed():
    job = queue.enqueue("import", "import:1", delay_seconds=60)
    assert queue.claim(job.pk) is None


def test_one_training_runs_at_a_time_and_imports_run_beside_it():
    first, second = make_job("train", "train:1:a"), make_job("train", "train:2:a")
    held = queue.claim(first.pk)
    assert queue.claim(second.pk) is None
    assert queue.claim(make_job().pk) is not None
    queue.finish(held)
    assert queue.claim(second.pk) is not None


def test_who_lost_the_claim_cannot_finish_the_job():
    job = queue.claim(make_job().pk)
    Job.objects.filter(pk=job.pk).update(token="somebody else")
    assert not queue.finish(job)
    assert not queue.put_back(job)
    with pytest.raises(queue.JobLost):
        queue.JobControl(job).tick(0.5)


def test_a_tick_writes_progress_at_most_once_a_second(django_assert_num_queries):
    job = queue.claim(make_job().pk)
    control = queue.JobControl(job)
    control.tick(0.5, "half", 10.0)
    with django_assert_num_queries(0):
        control.tick(0.9)
    job.refresh_from_db()
    assert (job.progress, job.message, job.seconds_left) == (0.5, "half", 10.0)


def test_a_cancelled_job_hears_of_it():
    job = queue.claim(make_job().pk)
    queue.request_cancel(job)
    with pytest.raises(queue.JobCancelled):
        queue.JobControl(job).tick()


def test_a_waiting_job_is_cancelled_at_once():
    job = make_job()
    queue.request_cancel(job)
    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED


def test_a_stop_interrupts_every_job():
    control = queue.JobControl(queue.claim(make_job().pk))
    queue.request_stop()
    with pytest.raises(queue.JobStopping):
        control.tick()
    queue.clear_stop()
    control.tick()


def test_a_worker_that_stops_leaves_the_jobs_of_another_one_alone(monkeypatch):
    control = queue.JobControl(queue.claim(make_job().pk))
    monkeypatch.setattr(queue, "_stop_name", "")
    queue.own_stop()
    queue.request_stop()
    assert queue.stop_requested()
    monkeypatch.setattr(queue, "_stop_name", "stop-another-machine-1")
    control.tick()


def test_the_job_of_a_dead_process_is_taken_back_at_once():
    job = queue.claim(make_job().pk)
    Job.objects.filter(pk=job.pk).update(pid=dead_pid())
    assert queue.take_back_dead() == [job.pk]
    job.refresh_from_db()
    assert (job.state, job.attempts) == (Job.State.WAITING, 1)


def test_the_job_of_a_living_process_stays_where_it_is():
    queue.claim(make_job().pk)
    assert queue.take_back_dead() == []


def test_a_process_number_that_was_given_away_counts_as_dead():
    job = queue.claim(make_job().pk)
    Job.objects.filter(pk=job.pk).update(started=timezone.now() - timedelta(days=900))
    assert queue.take_back_dead() == [job.pk]


def test_a_job_of_another_machine_is_judged_by_its_heartbeat():
    job = queue.claim(make_job().pk)
    Job.objects.filter(pk=job.pk).update(host="elsewhere", pid=1)
    assert queue.take_back_dead() == []
    Job.objects.filter(pk=job.pk).update(heartbeat=timezone.now() - timedelta(seconds=90))
    assert queue.take_back_dead() == [job.pk]


def test_a_worker_that_beats_is_alive_and_an_old_beat_is_not():
    assert not queue.worker_alive()
    queue.beat()
    queue.beat()
    assert queue.worker_alive()
    assert WorkerBeat.objects.count() == 1
    WorkerBeat.objects.update(beat=timezone.now() - timedelta(seconds=31))
    assert not queue.worker_alive()
    queue.sign_off()
    assert WorkerBeat.objects.count() == 0


@pytest.fixture
def cluster(monkeypatch):
    """A Cluster without processes, and the list of jobs that it woke."""
    woken = []
    monkeypatch.setattr(queue, "wake", woken.append)
    monkeypatch.setattr(queue.Cluster, "__init__", lambda self: setattr(self, "_woken", {}))
    return queue.Cluster(), woken


def test_a_delayed_job_is_woken_when_its_time_has_come(cluster):
    tending, woken = cluster
    job = make_job(not_before=timezone.now() + timedelta(seconds=60))
    tending.tend()
    assert woken == []
    Job.objects.update(not_before=timezone.now())
    tending.tend()
    tending.tend()
    assert woken == [job.pk]


def test_a_job_that_nobody_woke_is_woken_after_a_moment(cluster, monkeypatch):
    tending, woken = cluster
    job = make_job()
    tending.tend()
    assert woken == []
    later = time.monotonic() + 4
    monkeypatch.setattr(queue.time, "monotonic", lambda: later)
    tending.tend()
    assert woken == [job.pk]


def test_a_busy_database_does_not_end_a_job(monkeypatch):
    job = queue.claim(make_job().pk)
    control = queue.JobControl(job)

    def busy(changes):
        raise OperationalError("database is locked")

    monkeypatch.setattr(control, "_report", busy)
    control.tick(0.5)
    job.refresh_from_db()
    assert job.state == Job.State.RUNNING
