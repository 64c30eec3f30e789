"""Steering beside people who work: what comes in between ends it with a sentence, never with 500.

And the steps that the worker does, since they touch very many labels: once, also after a kill.
"""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from labelapp import queue
from labelapp.errors import ConflictError, RunMovedError
from labelapp.models import Job, Label, Project, Run, SteeringAction
from labelapp.rights import Right, Role
from labelapp.selectors.projects import access
from labelapp.services import (
    image_actions,
    labelling,
    steering,
    steering_classes,
    steering_jobs,
    steering_reopen,
    steering_undo,
)
from labelapp.services.image_actions import Action
from tests.app.tasks import driving
from tests.app.tasks.test_steering_runs import check, go_to, more_images, version

pytestmark = pytest.mark.django_db(transaction=True)

BLOCKED_SECONDS = 0.4


@pytest.fixture(autouse=True)
def _trainer(fake_trainer):
    return fake_trainer


class Other:
    """Somebody else, in a thread with a connection of their own."""

    def __init__(self, action) -> None:
        self.error: BaseException | None = None
        self._action = action
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self._action()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        finally:
            connection.close()

    def whole(self) -> None:
        """Let them begin and end."""
        self.begin()
        self.end()

    def begin(self) -> None:
        self._thread.start()
        self._thread.join(BLOCKED_SECONDS)

    def end(self) -> None:
        self._thread.join(240)
        assert not self._thread.is_alive()


def after(monkeypatch, module, name: str, do) -> None:
    """Do this once, when the main thread returns from this function for the first time."""
    real, done = getattr(module, name), []

    def wrapper(*args, **kwargs):
        found = real(*args, **kwargs)
        if threading.current_thread() is threading.main_thread() and not done:
            done.append(True)
            do()
        return found

    monkeypatch.setattr(module, name, wrapper)


@pytest.fixture
def finished(ready, cast):
    """A finished project whose end was asked for early, so that the machine labelled some."""
    driving.start(ready, cast.owner)
    driving.run_to_the_end(ready, cast.annotator)
    ready.refresh_from_db()
    assert Label.objects.filter(project=ready, source="machine").count() > 10
    return ready


def fresh(user, project):
    return access(user, project.public_id, Right.STEER)


def correct_one(project, user) -> None:
    """Correct a machine label, as a reviewer does on seeing it."""
    label = Label.objects.filter(project=project, source="machine").first()
    action = Action("label", (label.class_index + 1) % 3)
    image_actions.act(access=access(user, project.public_id), image_id=label.pk, action=action)


def test_a_correction_while_a_project_is_opened_again_ends_that_and_nothing_is_lost(
    finished, cast, monkeypatch
):
    before = Run.objects.get(project=finished)
    other = Other(lambda: correct_one(finished, cast.owner))
    after(monkeypatch, steering_reopen, "_computed", other.whole)
    with pytest.raises(RunMovedError):
        steering_reopen.reopen(
            access=fresh(cast.owner, finished), version=before.version, epsilon=0.02
        )
    assert other.error is None, other.error
    run = Run.objects.get(project=finished)
    assert (run.version, run.finished) == (before.version, before.finished)
    assert Project.objects.get(pk=finished.pk).status == "finished"
    assert Label.objects.filter(project=finished).count() == run.n
    assert not SteeringAction.objects.exists()

    # once more: the corrected label joins B; taken back it is still the person's
    kept = Label.objects.get(project=finished, source="human", purpose="residual", method="review")
    action = steering_reopen.reopen(access=fresh(cast.owner, finished), version=run.version)
    check(finished)
    steering_undo.undo(access=fresh(cast.owner, finished), action_id=action.pk)
    check(finished)
    assert Label.objects.get(pk=kept.pk).source == "human"


def answer_one(project, user) -> None:
    assert driving.work_ahead(project, user, 1) == 1


@pytest.fixture
def opened(finished, cast, settings) -> SteeringAction:
    """A project that was opened again with more images: their share of T is asked for."""
    more_images(finished, 200, settings)
    action = steering_reopen.reopen(
        access=fresh(cast.owner, finished), version=version(finished), epsilon=0.02
    )
    assert Run.objects.get(project=finished).request_kind == "label"
    return action


def test_an_answer_before_the_locks_of_an_undo_is_kept_and_the_undo_says_why_not(
    opened, finished, cast, monkeypatch
):
    other = Other(lambda: answer_one(finished, cast.annotator))
    after(monkeypatch, steering_undo, "allowed", other.whole)
    with pytest.raises(ConflictError, match="paid"):
        steering_undo.undo(access=fresh(cast.owner, finished), action_id=opened.pk)
    assert other.error is None, other.error
    assert Project.objects.get(pk=finished.pk).status == "running"
    check(finished)


def test_an_answer_that_is_on_its_way_is_waited_for(opened, finished, cast, monkeypatch):
    boss = fresh(cast.owner, finished)
    other = Other(lambda: steering_undo.undo(access=boss, action_id=opened.pk))
    real = labelling.load_desk

    def slow(*args, **kwargs):
        desk = real(*args, **kwargs)
        if args[1]:  # there are answers: their batch is locked from here on
            monkeypatch.setattr(labelling, "load_desk", real)
            other.begin()
        return desk

    monkeypatch.setattr(labelling, "load_desk", slow)
    answer_one(finished, cast.annotator)
    other.end()
    assert isinstance(other.error, ConflictError), other.error
    check(finished)
    assert Project.objects.get(pk=finished.pk).status == "running"


def test_a_stop_is_not_taken_back_behind_an_audit_label_that_was_faster(ready, cast, monkeypatch):
    driving.start(ready, cast.owner)
    go_to(ready, cast.annotator, "train", 2)
    action = steering.ask(access=fresh(cast.owner, ready), what="stop", version=version(ready))
    go_to(ready, cast.annotator, "audit")
    other = Other(lambda: answer_one(ready, cast.annotator))
    after(monkeypatch, steering_undo, "allowed", other.whole)
    with pytest.raises(ConflictError, match="paid"):
        steering_undo.undo(access=fresh(cast.owner, ready), action_id=action.pk)
    assert other.error is None, other.error
    assert Run.objects.get(project=ready).wish == "stop"
    check(ready)


def test_machine_labels_stay_where_somebody_begins_with_the_rest_meanwhile(
    ready, cast, monkeypatch
):
    Project.objects.filter(pk=ready.pk).update(certificate="test_set")
    driving.start(Project.objects.get(pk=ready.pk), cast.owner)
    go_to(ready, cast.annotator, "seed")
    action = steering.ask(access=fresh(cast.owner, ready), what="stop", version=version(ready))
    go_to(ready, cast.annotator, "residual")
    machine = Label.objects.filter(project=ready, source="machine").count()
    other = Other(lambda: answer_one(ready, cast.annotator))
    after(monkeypatch, steering_reopen, "_computed", other.whole)
    with pytest.raises(ConflictError, match="paid"):
        steering_undo.undo(access=fresh(cast.owner, ready), action_id=action.pk)
    assert other.error is None, other.error
    assert Label.objects.filter(project=ready, source="machine").count() == machine
    check(ready)


def test_a_new_class_that_somebody_gives_meanwhile_stays(ready, cast, monkeypatch):
    driving.start(ready, cast.owner)
    driving.do_jobs()
    boss = fresh(cast.owner, ready)
    action = steering_classes.add_class(access=boss, name="ring", version=version(ready))
    who = access(cast.annotator, ready.public_id, Right.LABEL)
    [task] = labelling.next_tasks(access=who, count=1).held
    given = driving.make_answer(who, task.task_id, 3)
    other = Other(lambda: steering_undo.undo(access=boss, action_id=action.pk))
    real = labelling.load_desk

    def slow(*args, **kwargs):
        desk = real(*args, **kwargs)
        monkeypatch.setattr(labelling, "load_desk", real)
        other.begin()
        return desk

    monkeypatch.setattr(labelling, "load_desk", slow)
    work = labelling.submit(access=who, answers=[given])
    assert work.results[0]["ok"]
    other.end()
    assert isinstance(other.error, ConflictError), other.error
    assert not ready.classes.get(name="ring").archived


# --- what the worker does -----------------------------------------------------------------------


@pytest.fixture
def many(monkeypatch):
    """Every step touches very many labels."""
    monkeypatch.setattr(steering_jobs, "AT_ONCE", 0)


def killed(monkeypatch, job: Job, module, name: str) -> None:
    """Let the worker die in this function: nothing is tidied up but the transaction."""
    real = getattr(module, name)

    def dies(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, name, dies)
    with pytest.raises(KeyboardInterrupt):
        driving.do_one(job)
    monkeypatch.setattr(module, name, real)
    Job.objects.filter(pk=job.pk).update(heartbeat=None, pid=None, host="gone")
    Job.objects.filter(pk=job.pk).update(created="2020-01-01T00:00:00Z")
    assert job.pk in queue.take_back_dead()


def test_the_worker_opens_a_large_project_again_and_closes_it_once_whoever_dies(
    finished, cast, many, monkeypatch
):
    boss = fresh(cast.owner, finished)
    machine = set(
        Label.objects.filter(project=finished, source="machine").values_list("seq", "class_index")
    )
    job = steering_jobs.reopen(access=boss, version=version(finished), epsilon=0.02)
    assert isinstance(job, Job)
    assert steering_jobs.last(finished) == (job, "")
    for refused in (
        lambda: steering_jobs.reopen(access=boss, version=version(finished), epsilon=0.03),
        lambda: steering.ask(access=boss, what="stop", version=version(finished)),
    ):
        with pytest.raises(ConflictError):
            refused()
    killed(monkeypatch, job, steering_reopen, "write")
    assert Project.objects.get(pk=finished.pk).status == "finished"
    assert driving.do_one(job) == "done"
    action = SteeringAction.objects.get()
    assert (action.params["job"], action.user, action.undone_at) == (job.pk, cast.owner, None)
    assert not Label.objects.filter(project=finished, source="machine").exists()
    check(finished)
    steering_jobs.run(job, queue.JobControl(job))  # died after its end: done again
    assert SteeringAction.objects.count() == 1

    back = steering_jobs.undo(access=boss, action_id=action.pk)
    assert isinstance(back, Job)
    killed(monkeypatch, back, steering_reopen, "_label_again")
    assert driving.do_one(back) == "done"
    steering_jobs.run(back, queue.JobControl(back))
    check(finished)
    again = Label.objects.filter(project=finished, source="machine")
    assert set(again.values_list("seq", "class_index")) == machine
    assert Project.objects.get(pk=finished.pk).status == "finished"


def test_a_job_that_comes_too_late_says_why_and_nothing_has_changed(finished, cast, many):
    boss = fresh(cast.owner, finished)
    job = steering_jobs.reopen(access=boss, version=version(finished))
    Run.objects.filter(project=finished).update(version=version(finished) + 1)
    assert driving.do_one(job) == "failed"
    assert "moved on" in steering_jobs.last(finished)[1]
    assert Project.objects.get(pk=finished.pk).status == "finished"
    cast.owner.memberships.filter(project=finished).update(role=Role.ANNOTATOR)
    job = Job.objects.create(
        kind="steer", key="k", project=finished, state="waiting", params=job.params
    )
    assert driving.do_one(job) == "failed"


def test_the_worker_merges_large_classes(ready, cast, many):
    driving.start(ready, cast.owner)
    go_to(ready, cast.annotator, "train", 1)
    boss = fresh(cast.owner, ready)
    job = steering_jobs.merge(access=boss, source=2, into=0, version=version(ready))
    assert isinstance(job, Job)
    assert driving.do_one(job) == "done"
    assert not Label.objects.filter(project=ready, class_index=2).exists()
    back = steering_jobs.undo(access=boss, action_id=SteeringAction.objects.get().pk)
    assert driving.do_one(back) == "done"
    assert Label.objects.filter(project=ready, class_index=2).exists()
    check(ready)
