"""What becomes of a job when its handler returns, fails, or is interrupted."""

from __future__ import annotations

import pytest

from labelapp import queue, tasks
from labelapp.errors import ConflictError
from labelapp.models import Export, Import, Job, Run
from tests.app.tasks.driving import do_one

pytestmark = pytest.mark.django_db


@pytest.fixture
def handler(monkeypatch):
    """Return a function that makes imports do this."""

    def use(action) -> None:
        monkeypatch.setitem(tasks.HANDLERS, "import", action)

    return use


@pytest.fixture
def record(project) -> Import:
    return Import.objects.create(project=project, kind="zip", source="x.zip", state="running")


@pytest.fixture
def job(record) -> Job:
    return Job.objects.create(kind="import", key=f"import:{record.pk}", target=record.pk)


def raising(error: BaseException):
    def action(job, control):
        raise error

    return action


def test_a_handler_that_returns_ends_the_job(job, handler):
    handler(lambda job, control: control.tick(0.3, "going"))
    assert tasks.run_job(job.pk) == "done"
    job.refresh_from_db()
    assert (job.state, job.progress) == (Job.State.DONE, 1.0)
    assert tasks.run_job(job.pk) == "not free"


def test_a_failure_is_tried_again_later_and_given_up_after_three_times(job, handler, record):
    handler(raising(OSError("disk full")))
    assert tasks.run_job(job.pk) == "will be tried again"
    job.refresh_from_db()
    assert job.not_before is not None
    assert "disk full" in job.message
    assert do_one(job) == "will be tried again"
    assert do_one(job) == "failed"
    job.refresh_from_db()
    record.refresh_from_db()
    assert (job.state, job.message) == (Job.State.FAILED, "disk full")
    assert (record.state, record.message) == (Import.State.FAILED, "disk full")
    assert record.finished is not None
    assert record.project.events.get(type="import.finished").payload["state"] == "failed"


def test_an_export_that_is_given_up_is_told_to_open_pages(project, monkeypatch):
    export = Export.objects.create(project=project, format="csv")
    job = Job.objects.create(kind="export", key=f"export:{export.pk}", target=export.pk)
    monkeypatch.setitem(tasks.HANDLERS, "export", raising(ConflictError("No.")))
    assert tasks.run_job(job.pk) == "failed"
    export.refresh_from_db()
    assert (export.state, export.message) == (Export.State.FAILED, "No.")
    assert project.events.filter(type="export.finished").exists()


def test_an_error_of_people_is_not_repeated(job, handler):
    handler(raising(ConflictError("The run has begun.")))
    assert tasks.run_job(job.pk) == "failed"


def test_a_stop_puts_the_job_back_without_counting_the_attempt(job, handler):
    handler(raising(queue.JobStopping()))
    assert tasks.run_job(job.pk) == "put back"
    job.refresh_from_db()
    assert (job.state, job.attempts, job.pid) == (Job.State.WAITING, 0, None)


def test_a_cancelled_job_ends_and_its_import_too(job, handler, record):
    handler(raising(queue.JobCancelled()))
    assert tasks.run_job(job.pk) == "cancelled"
    record.refresh_from_db()
    assert record.state == Import.State.FAILED


def test_a_lost_job_is_left_alone(job, handler):
    def lose(job, control):
        Job.objects.filter(pk=job.pk).update(token="somebody else")
        raise queue.JobLost

    handler(lose)
    assert tasks.run_job(job.pk) == "lost"
    job.refresh_from_db()
    assert (job.state, job.token) == (Job.State.RUNNING, "somebody else")


def test_a_job_that_kills_its_workers_is_given_up(job, handler):
    Job.objects.update(attempts=tasks.DEATHS)
    handler(raising(AssertionError("must not be called")))
    assert tasks.run_job(job.pk) == "failed"
    job.refresh_from_db()
    assert "workers ended" in job.message


def test_a_step_that_cannot_be_computed_stops_the_run_in_words(project, batch, monkeypatch):
    monkeypatch.setitem(tasks.HANDLERS, "advance", raising(RuntimeError("odd state")))
    run = Run.objects.get(project=project)
    job = Job.objects.create(kind="advance", key="advance:1:x", target=run.pk, attempts=4)
    assert tasks.run_job(job.pk) == "failed"
    run.refresh_from_db()
    assert run.failure == "The next step could not be computed: odd state. Resume to try again."
    assert project.events.filter(type="run.failed").exists()
