"""A crash at any write of a step leaves the step wholly undone, and doing it again completes it."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from django.db import connection, models

from labelapp import queue, tasks
from labelapp.models import (
    Answer,
    AuditCommitment,
    Certificate,
    Event,
    Iteration,
    Job,
    Label,
    LabelBatch,
    LedgerEntry,
    ModelVersion,
    ProjectCounter,
    Run,
    Task,
    TestMark,
    TrainItem,
)
from labelapp.services import ahead, labelling, model_files, pool_tensor, runs
from labelapp.services import training as train_service
from tests.app.services.labelling_help import answer, entry
from tests.app.tasks import driving

pytestmark = pytest.mark.django_db

TABLES: list[type[models.Model]] = [
    Answer,
    AuditCommitment,
    Certificate,
    Event,
    Iteration,
    Job,
    Label,
    LabelBatch,
    LedgerEntry,
    ModelVersion,
    ProjectCounter,
    Run,
    Task,
    TestMark,
    TrainItem,
]
del TestMark  # pytest takes it for a class of tests


class Crash(BaseException):
    """What SIGKILL looks like from inside: nothing may catch it."""


@contextmanager
def crash_at_write(number: int):
    """Raise Crash at the n-th write to the database; yields the list of writes."""
    writes: list[str] = []

    def wrapper(execute, sql, params, many, context):
        if sql.split(maxsplit=1)[0] in {"INSERT", "UPDATE", "DELETE"}:
            writes.append(sql)
            if len(writes) == number:
                raise Crash
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield writes


def snapshot() -> dict[str, list[tuple]]:
    """Return all rows as the database holds them (hundreds of times a test: past the ORM)."""
    found = {}
    with connection.cursor() as cursor:
        for model in TABLES:
            cursor.execute(f"SELECT * FROM {model._meta.db_table} ORDER BY {model._meta.pk.column}")
            found[model.__name__] = cursor.fetchall()
    return found


@pytest.fixture(autouse=True)
def _compute_each_step_once(monkeypatch):
    """The engine's step has no side effects; computing it for every crash would only cost time."""
    known, real = {}, runs.engine.next_step

    def next_step(run, trainings=(), frozen=None, early=None, **more):
        key = (run.pk, run.version, tuple(trainings), frozen, early.count, *more.items())
        if key not in known:
            known[key] = real(run, trainings, frozen, early, **more)
        return known[key]

    monkeypatch.setattr(runs.engine, "next_step", next_step)


def crash_everywhere(step) -> int:
    """Crash the step at each of its writes in turn; return how many writes it has."""
    before, number = snapshot(), 0
    while True:
        number += 1
        try:
            with crash_at_write(number):
                step()
        except Crash:
            assert snapshot() == before, f"half done at write {number}"
            continue
        assert snapshot() != before
        return number - 1


def test_opening_the_first_training_batch(ready, cast, fake_trainer):
    driving.start(ready, cast.owner)
    driving.answer_all(ready, cast.annotator)
    assert crash_everywhere(lambda: runs.advance(ready.run.pk)) > 5
    assert ready.run.batches.count() == 2


def test_taking_over_a_plan(training, ready):
    driving.do_one(training)
    assert crash_everywhere(lambda: runs.advance(ready.run.pk)) > 5
    assert ready.run.iterations.count() == 1


def test_storing_the_machine_labels(ready, cast, fake_trainer, monkeypatch):
    """The step that stops: certificate, machine labels and the residual come together."""
    ready.epsilon = 0.3  # a wide target: few labels are enough
    ready.save(update_fields=["epsilon"])
    driving.start(ready, cast.owner)
    real, crashes = runs.advance, []

    def advance(run_id: int) -> bool:
        ahead.close(Run.objects.get(pk=run_id))  # a transaction of its own, before the step
        crashes.append(crash_everywhere(lambda: real(run_id)))
        return True

    monkeypatch.setattr(runs, "advance", advance)
    driving.run_to_the_end(ready, cast.annotator)
    assert Label.objects.filter(project=ready, source="machine").count() > 0
    assert max(crashes) > 8


def test_starting_a_run(ready, cast):
    assert crash_everywhere(lambda: driving.start(ready, cast.owner)) > 5


def test_the_answer_that_closes_a_batch(project, batch, cast):
    tasks_ = list(batch.tasks.order_by("pk"))
    who = entry(project, cast.annotator)
    labelling.submit(access=who, answers=[answer(who, task.pk) for task in tasks_[:-1]])
    last = [answer(who, tasks_[-1].pk)]
    assert crash_everywhere(lambda: labelling.submit(access=who, answers=last, count=4)) > 7
    batch.refresh_from_db()
    assert (batch.state, batch.remaining) == ("done", 0)
    assert Label.objects.count() == LedgerEntry.objects.count() == len(tasks_)
    assert Job.objects.get().kind == "advance"


def test_taking_a_correction_an_undo_and_a_skip(project, batch, cast):
    who = entry(project, cast.annotator)
    first, second, third = batch.tasks.order_by("pk")[:3]
    given = [answer(who, first.pk), answer(who, second.pk)]
    labelling.submit(access=who, answers=given)
    changed = [
        answer(who, first.pk, **{"class": 2}),
        answer(who, second.pk, "withdrawn"),
        answer(who, third.pk, "skip"),
    ]
    assert crash_everywhere(lambda: labelling.submit(access=who, answers=changed)) > 8


def test_accepting_a_training(training, ready, monkeypatch):
    job = queue.claim(training.pk)
    images = pool_tensor.ensure(ready, ready.run.n, lambda share: None)
    attempt = train_service.prepare(ready.run, job, images, "cnn_small")
    result = train_service.run_program(attempt, queue.JobControl(job))
    stored = model_files.take_over(attempt.folder, ready.run, job.token)
    monkeypatch.setattr(train_service.model_files, "take_over", lambda *args: stored)
    assert crash_everywhere(lambda: train_service.accept(attempt, result)) > 5
    assert ready.run.models.count() == 1
    assert LedgerEntry.objects.filter(project=ready, purpose="compute").count() == 1


def test_a_step_is_done_once_however_often_it_is_asked_for(training, ready):
    driving.do_one(training)
    assert runs.advance(ready.run.pk) is True
    after = snapshot()
    assert runs.advance(ready.run.pk) is False
    assert snapshot() == after


def test_of_two_workers_at_one_step_one_wins(training, ready, monkeypatch):
    driving.do_one(training)
    real = runs.engine.next_step

    def slow_step(run, *answer, **more):
        step = real(run, *answer, **more)
        if not Run.objects.filter(pk=run.pk, version__gt=run.version).exists():
            monkeypatch.setattr(runs.engine, "next_step", real)
            assert runs.advance(run.pk) is True  # the other one is faster
        return step

    monkeypatch.setattr(runs.engine, "next_step", slow_step)
    assert runs.advance(ready.run.pk) is False
    assert ready.run.iterations.count() == 1


def test_a_crash_after_the_training_was_stored_does_not_train_again(training, ready, monkeypatch):
    def crash(*args, **kwargs):
        raise Crash

    monkeypatch.setattr(tasks.queue, "finish", crash)
    with pytest.raises(Crash):
        tasks.run_job(training.pk)
    monkeypatch.undo()
    Job.objects.filter(pk=training.pk).update(state="waiting")
    assert driving.do_one(training) == "done"
    assert ready.run.models.count() == 1
    assert LedgerEntry.objects.filter(project=ready, purpose="compute").count() == 1
