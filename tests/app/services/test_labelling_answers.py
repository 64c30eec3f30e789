"""What one answer changes."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from labelapp.models import (
    Answer,
    Label,
    LabelClass,
    LedgerEntry,
    Project,
    ProjectCounter,
    Task,
    TrainItem,
)
from labelapp.selectors.projects import Access
from labelapp.services.labelling import next_tasks, submit
from tests.app.conftest import add_images, open_batch
from tests.app.services.labelling_help import answer, entry


@pytest.fixture
def task(ann) -> Task:
    """A task that Ann holds."""
    return take(ann)


def take(who) -> Task:
    (held,) = next_tasks(access=who, count=1).held
    return Task.objects.select_related("image", "batch").get(pk=held.task_id)


def send(who, *answers) -> list[str]:
    """Submit and return each answer's state, or its error code."""
    results = submit(access=who, answers=answers).results
    return [str(result.get("state") or result["code"]) for result in results]


def counter(project) -> ProjectCounter:
    return ProjectCounter.objects.get(project=project)


def label_of(task: Task) -> Label | None:
    return Label.objects.filter(image_id=task.image_id).first()


def expire(task: Task) -> None:
    Task.objects.filter(pk=task.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_an_answer_makes_the_label(ann, task):
    assert send(ann, answer(ann, task.pk, **{"class": 2})) == ["accepted"]
    label = label_of(task)
    assert (label.class_index, label.source, label.purpose) == (2, "human", "seed")
    assert (label.user, label.seq, label.batch_id) == (ann.user, task.image.seq, task.batch_id)
    assert label.answer.active_ms == 900


def test_an_answer_closes_its_task(ann, task, batch):
    send(ann, answer(ann, task.pk))
    task.refresh_from_db()
    batch.refresh_from_db()
    assert (task.state, task.lease_user, batch.remaining) == ("done", None, 19)


def test_an_answer_is_charged(ann, task, project):
    send(ann, answer(ann, task.pk))
    paid = LedgerEntry.objects.get(project=project)
    assert (paid.purpose, paid.amount, paid.user) == ("seed", Decimal("0.04"), ann.user)


def test_an_answer_moves_the_counters(ann, task, project):
    send(ann, answer(ann, task.pk))
    now = counter(project)
    assert (now.answers, now.train, now.test) == (1, 1, 0)
    assert now.label_spend == Decimal("0.04")


@pytest.mark.parametrize(
    ("purpose", "count"),
    [("test", "test"), ("seed", "train"), ("train", "train"), ("residual", "residual")],
)
def test_each_purpose_has_its_count(project, images, cast, purpose, count):
    open_batch(project, images, purpose)
    ann = entry(project, cast.annotator)
    send(ann, answer(ann, take(ann).pk))
    assert getattr(counter(project), count) == 1


def test_a_repeated_answer_is_confirmed_and_charged_once(ann, task, project):
    given = answer(ann, task.pk)
    assert send(ann, given) == ["accepted"]
    assert send(ann, given) == ["duplicate"]
    assert send(ann, given, given) == ["duplicate", "duplicate"]
    assert LedgerEntry.objects.count() == Answer.objects.count() == 1
    assert counter(project).answers == 1


def test_an_answer_twice_in_one_request_counts_once(ann, task):
    given = answer(ann, task.pk)
    assert send(ann, given, given) == ["accepted", "duplicate"]


@pytest.mark.parametrize("change", [{"class": 0}, {"kind": "skip", "class": None}])
def test_the_same_id_for_another_answer_is_refused(ann, task, change):
    given = answer(ann, task.pk)
    send(ann, given)
    assert send(ann, {**given, **change}) == ["conflict"]
    assert label_of(task).class_index == 1


def test_the_same_id_from_somebody_else_is_refused(ann, ben, task):
    given = answer(ann, task.pk)
    send(ann, given)
    assert send(ben, answer(ben, take(ben).pk, id=given["id"])) == ["conflict"]


def test_a_class_of_another_project_is_refused(ann, task, project):
    other = Project.objects.create(name="Other")
    LabelClass.objects.create(project=other, index=7, name="only there")
    assert send(ann, answer(ann, task.pk, **{"class": 7})) == ["unknown_class"]
    assert label_of(task) is None
    assert Answer.objects.count() == 0


def test_an_archived_class_is_refused(ann, task, project):
    project.classes.filter(index=1).update(archived=True)
    assert send(ann, answer(ann, task.pk)) == ["unknown_class"]


def test_a_task_that_was_never_given_is_refused(ann, ben, task):
    stolen = answer(ben, task.pk, token=answer(ann, task.pk)["token"])
    assert send(ben, stolen) == ["not_your_task"]
    assert send(ben, answer(ben, task.pk, token="")) == ["not_your_task"]
    assert label_of(task) is None


def test_a_task_of_another_project_is_not_found(ann, cast):
    other = Project.objects.create(name="Other")
    ProjectCounter.objects.create(project=other)
    theirs = open_batch(other, add_images(other, 1)).tasks.get()
    assert send(ann, answer(ann, theirs.pk)) == ["not_found"]


def test_a_bad_answer_does_not_lose_the_others(ann, batch):
    first, second, third = (held.task_id for held in next_tasks(access=ann, count=3).held)
    states = send(
        ann,
        answer(ann, first),
        answer(ann, second, **{"class": 99}),
        answer(ann, second, id="no uuid"),
        "nonsense",
        answer(ann, third),
    )
    assert states == ["accepted", "unknown_class", "invalid_input", "invalid_input", "accepted"]
    assert Label.objects.count() == 2


def test_a_late_answer_fills_an_open_slot(ann, ben, task):
    expire(task)
    assert take(ben).pk == task.pk
    assert send(ann, answer(ann, task.pk)) == ["accepted"]
    assert label_of(task).user == ann.user


def test_a_late_answer_to_a_filled_slot_is_an_extra_vote(ann, ben, task, project):
    expire(task)
    take(ben)
    send(ben, answer(ben, task.pk, **{"class": 0}))
    assert send(ann, answer(ann, task.pk, **{"class": 2})) == ["extra"]
    assert Answer.objects.get(user=ann.user).extra
    assert label_of(task).class_index == 0
    assert LedgerEntry.objects.count() == 1
    assert counter(project).train == 1


def test_a_changed_extra_vote_stays_an_extra_vote(ann, ben, task):
    expire(task)
    take(ben)
    send(ben, answer(ben, task.pk, **{"class": 0}))
    send(ann, answer(ann, task.pk, **{"class": 2}))
    assert send(ann, answer(ann, task.pk, **{"class": 1})) == ["extra"]
    assert Answer.objects.filter(user=ann.user, superseded_by=None).count() == 1
    assert label_of(task).class_index == 0


def test_an_answer_is_taken_while_the_project_is_paused(ann, task, project):
    project.status = Project.Status.PAUSED
    project.save(update_fields=["status"])
    paused = entry(project, ann.user)
    assert send(paused, answer(paused, task.pk)) == ["accepted"]


def test_an_answer_keeps_the_version_of_the_guidelines(ann, task):
    send(ann, answer(ann, task.pk, guideline_version=3))
    assert Answer.objects.get().guideline_version == 3


def test_a_correction_changes_the_label_and_costs_nothing(ann, task, project):
    first = answer(ann, task.pk, **{"class": 0})
    send(ann, first)
    second = answer(ann, task.pk, **{"class": 2})
    assert send(ann, second) == ["corrected"]
    assert label_of(task).class_index == 2
    assert str(Answer.objects.get(pk=first["id"]).superseded_by) == second["id"]
    assert LedgerEntry.objects.count() == 1
    assert (counter(project).train, counter(project).answers) == (1, 2)


def test_every_answer_of_a_person_is_kept(ann, task):
    for index in (0, 1, 2):
        send(ann, answer(ann, task.pk, **{"class": index}))
    assert Answer.objects.filter(task=task).count() == 3
    assert Answer.objects.filter(task=task, superseded_by=None).count() == 1


def test_an_unknown_answer_id_shape_is_reported_with_its_id(ann, task):
    (result,) = submit(access=ann, answers=[answer(ann, task.pk, id="x" * 500)]).results
    assert result["id"] == "x" * 64
    assert result["fields"] == {"id": "must be a UUID"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("task", "1"),
        ("task", True),
        ("task", -1),
        ("task", 2**70),
        ("class", None),
        ("class", 1.5),
        ("kind", "delete"),
        ("kind", ["class"]),
        ("active_ms", -5),
        ("how", "x" * 9),
        ("token", None),
        ("guideline_version", "new"),
    ],
)
def test_a_wrong_value_is_named(ann, task, field, value):
    given = answer(ann, task.pk, **{field: value})
    (result,) = submit(access=ann, answers=[given]).results
    assert result["code"] == "invalid_input"
    assert set(result["fields"]) == {field}
    assert Answer.objects.count() == 0


def test_ids_are_uuids_of_any_spelling(ann, task):
    given = answer(ann, task.pk, id=uuid.uuid4().hex.upper())
    assert send(ann, given) == ["accepted"]
    assert send(ann, given) == ["duplicate"]


@pytest.fixture
def audited(project, images, cast) -> tuple[Access, Task]:
    """Ann has answered an audit of one image."""
    batch = open_batch(project, images[:1], "audit")
    who = entry(project, cast.annotator)
    task = take(who)
    assert send(who, answer(who, task.pk)) == ["accepted"]
    batch.refresh_from_db()
    assert batch.state == "done"
    return who, task


def test_answers_of_an_audit_stand_once_it_was_judged_by_them(audited):
    who, task = audited
    assert send(who, answer(who, task.pk, **{"class": 2})) == ["conflict"]
    assert label_of(task).class_index == 1
    assert send(who, answer(who, task.pk, "withdrawn")) == ["conflict"]


def test_an_audited_image_that_trains_by_now_can_be_corrected(audited):
    who, task = audited
    run = task.batch.run
    TrainItem.objects.create(run=run, image_id=task.image_id, seq=task.image.seq, iteration=2)
    assert send(who, answer(who, task.pk, **{"class": 2})) == ["corrected"]
    assert label_of(task).class_index == 2


def test_an_audit_can_be_corrected_while_its_batch_is_open(project, images, cast):
    open_batch(project, images[:2], "audit")
    who = entry(project, cast.annotator)
    task = take(who)
    states = send(who, answer(who, task.pk), answer(who, task.pk, **{"class": 0}))
    assert states == ["accepted", "corrected"]


def test_a_skipped_audit_image_comes_back_and_is_never_dropped(project, images, cast):
    batch = open_batch(project, images[:1], "audit")
    who = entry(project, cast.annotator)
    task = take(who)
    assert send(who, answer(who, task.pk, "skip")) == ["skipped"]
    batch.refresh_from_db()
    assert (batch.state, batch.remaining) == ("open", 1)
    assert take(who).pk == task.pk
