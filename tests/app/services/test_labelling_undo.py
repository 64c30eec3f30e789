"""Skipping, undoing, and what happens when a batch is complete."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labelapp.errors import ConflictError, InvalidInputError
from labelapp.models import Answer, Event, Job, Label, LabelBatch, LedgerEntry, ProjectCounter, Task
from labelapp.services.labelling import next_tasks, submit
from tests.app.conftest import add_images, open_batch
from tests.app.services.labelling_help import answer, entry
from tests.app.services.test_labelling_answers import send, take


@pytest.fixture
def small(project, images, cast):
    """Ann and Ben in a project with one batch of two tasks."""
    batch = open_batch(project, images[:2])
    return batch, entry(project, cast.annotator), entry(project, cast.second_annotator)


def finish(who) -> list[int]:
    """Answer all that is open, and return the tasks."""
    tasks = [held.task_id for held in next_tasks(access=who, count=20).held]
    assert set(send(who, *[answer(who, task) for task in tasks])) == {"accepted"}
    return tasks


def test_a_skipped_task_goes_to_the_end(ann, ben, batch):
    task = take(ann)
    assert send(ann, answer(ann, task.pk, "skip")) == ["skipped"]
    task.refresh_from_db()
    assert task.rank == max(batch.tasks.values_list("rank", flat=True))
    assert (task.state, task.lease_user) == ("open", None)


def test_a_skipped_task_comes_to_others_first(small):
    _, ann, ben = small
    task = take(ann)
    send(ann, answer(ann, task.pk, "skip"))
    other = take(ann)
    assert other.pk != task.pk
    assert next_tasks(access=ann, count=5, holding=[other.pk]).held == []
    assert take(ben).pk == task.pk


def test_a_skipped_task_comes_back_when_nothing_else_is_left(small):
    _, ann, _ = small
    task = take(ann)
    send(ann, answer(ann, task.pk, "skip"))
    send(ann, answer(ann, take(ann).pk))
    assert take(ann).pk == task.pk
    assert send(ann, answer(ann, task.pk)) == ["accepted"]


def test_a_skip_costs_nothing_and_leaves_the_batch_open(ann, batch):
    send(ann, answer(ann, take(ann).pk, "skip"))
    batch.refresh_from_db()
    assert batch.remaining == 20
    assert LedgerEntry.objects.count() == Label.objects.count() == 0


def test_a_late_skip_does_not_move_a_task_that_another_person_holds(small):
    _, ann, ben = small
    task = take(ann)
    Task.objects.filter(pk=task.pk).update(lease_until=timezone.now().replace(year=2020))
    assert take(ben).pk == task.pk
    send(ann, answer(ann, task.pk, "skip"))
    after = Task.objects.get(pk=task.pk)
    assert (after.rank, after.lease_user) == (task.rank, ben.user)


def test_a_skip_of_an_answered_task_is_refused(ann):
    task = take(ann)
    send(ann, answer(ann, task.pk))
    assert send(ann, answer(ann, task.pk, "skip")) == ["conflict"]


def test_an_undo_takes_the_label_away_and_gives_the_task_back(ann, batch):
    task = take(ann)
    send(ann, answer(ann, task.pk))
    assert send(ann, answer(ann, task.pk, "withdrawn")) == ["withdrawn"]
    task.refresh_from_db()
    batch.refresh_from_db()
    assert (task.state, task.lease_user, batch.remaining) == ("open", ann.user, 20)
    assert not Label.objects.exists()


def paid() -> dict[str, Decimal]:
    """What each person has earned by the ledger."""
    rows = LedgerEntry.objects.values_list("user__email").annotate(sum=Sum("amount"))
    return {email: amount for email, amount in rows if amount}


def test_an_undo_moves_the_counters_and_the_money_back(ann, project):
    task = take(ann)
    send(ann, answer(ann, task.pk), answer(ann, task.pk, "withdrawn"))
    counter = ProjectCounter.objects.get(project=project)
    assert (counter.train, counter.answers, counter.label_spend) == (0, 2, 0)
    assert paid() == {}


def test_answering_again_after_an_undo_is_not_charged_again(ann, project):
    task = take(ann)
    send(ann, answer(ann, task.pk))
    send(ann, answer(ann, task.pk, "withdrawn"))
    assert send(ann, answer(ann, task.pk, **{"class": 0})) == ["accepted"]
    assert Label.objects.get().class_index == 0
    assert paid() == {ann.user.email: project.price_per_label}
    assert ProjectCounter.objects.get(project=project).label_spend == project.price_per_label


def test_what_is_taken_back_is_the_price_that_was_paid(ann, project):
    task = take(ann)
    send(ann, answer(ann, task.pk))
    ann.project.price_per_label = Decimal("0.5")
    send(ann, answer(ann, task.pk, "withdrawn"))
    assert paid() == {}


def test_an_undo_after_a_correction_takes_the_charge_back(ann):
    task = take(ann)
    send(ann, answer(ann, task.pk, **{"class": 0}), answer(ann, task.pk, **{"class": 1}))
    send(ann, answer(ann, task.pk, "withdrawn"))
    assert paid() == {}


def test_an_answer_its_undo_and_a_new_one_travel_in_one_request(ann):
    task = take(ann)
    states = send(
        ann,
        answer(ann, task.pk, **{"class": 0}),
        answer(ann, task.pk, "withdrawn"),
        answer(ann, task.pk, **{"class": 2}),
    )
    assert states == ["accepted", "withdrawn", "accepted"]
    assert Label.objects.get().class_index == 2


def test_a_repeated_undo_does_not_undo_the_new_answer(ann):
    task = take(ann)
    undo = answer(ann, task.pk, "withdrawn")
    send(ann, answer(ann, task.pk), undo, answer(ann, task.pk, **{"class": 2}))
    assert send(ann, undo) == ["duplicate"]
    assert Label.objects.get().class_index == 2


def test_an_undo_without_an_answer_is_refused(ann):
    assert send(ann, answer(ann, take(ann).pk, "withdrawn")) == ["conflict"]


def test_the_undo_of_a_skip_gives_the_task_back(ann):
    task = take(ann)
    send(ann, answer(ann, task.pk, "skip"))
    assert send(ann, answer(ann, task.pk, "withdrawn")) == ["withdrawn"]
    assert Task.objects.get(pk=task.pk).lease_user == ann.user
    assert send(ann, answer(ann, task.pk)) == ["accepted"]


def test_the_undo_of_a_skip_takes_nothing_from_its_new_holder(small):
    _, ann, ben = small
    task = take(ann)
    send(ann, answer(ann, task.pk, "skip"))
    take(ben)
    assert take(ben).pk != task.pk
    held = [h.task_id for h in next_tasks(access=ben, count=9).held]
    assert task.pk in held
    assert send(ann, answer(ann, task.pk, "withdrawn")) == ["withdrawn"]
    assert Task.objects.get(pk=task.pk).lease_user == ben.user


def test_the_undo_of_an_extra_vote_leaves_the_label(ann, ben):
    task = take(ann)
    Task.objects.filter(pk=task.pk).update(lease_until=timezone.now().replace(year=2020))
    take(ben)
    send(ben, answer(ben, task.pk))
    send(ann, answer(ann, task.pk))
    assert send(ann, answer(ann, task.pk, "withdrawn")) == ["withdrawn"]
    assert Label.objects.get().user == ben.user


def test_only_who_fills_a_reopened_slot_in_the_end_is_paid(ann, ben):
    task = take(ann)
    send(ann, answer(ann, task.pk), answer(ann, task.pk, "withdrawn"))
    Task.objects.filter(pk=task.pk).update(lease_until=timezone.now().replace(year=2020))
    assert take(ben).pk == task.pk
    send(ben, answer(ben, task.pk))
    assert paid() == {ben.user.email: ben.project.price_per_label}
    assert send(ann, answer(ann, task.pk)) == ["extra"]


def test_the_last_answer_closes_the_batch_and_wakes_the_engine(small):
    batch, ann, _ = small
    finish(ann)
    batch.refresh_from_db()
    assert (batch.state, batch.remaining) == ("done", 0)
    assert batch.closed is not None
    job = Job.objects.get()
    assert (job.kind, job.target) == ("advance", batch.run_id)
    assert job.key == f"advance:{batch.run_id}:{batch.request_id}"
    event = Event.objects.get()
    assert (event.type, event.payload["purpose"]) == ("batch.closed", "seed")


def test_a_batch_closes_once(small):
    _, ann, _ = small
    tasks = finish(ann)
    send(ann, *[answer(ann, task, **{"class": 2}) for task in tasks])
    assert Event.objects.count() == Job.objects.count() == 1


def test_an_undo_in_the_closing_request_keeps_the_batch_open(small):
    batch, ann, _ = small
    first, second = (held.task_id for held in next_tasks(access=ann, count=2).held)
    send(ann, answer(ann, first), answer(ann, second), answer(ann, second, "withdrawn"))
    batch.refresh_from_db()
    assert (batch.state, batch.remaining) == ("open", 1)
    assert not Job.objects.exists()


def test_after_the_batch_closed_an_undo_is_refused_and_changes_nothing(small):
    batch, ann, _ = small
    tasks = finish(ann)
    assert send(ann, answer(ann, tasks[0], "withdrawn")) == ["conflict"]
    assert Label.objects.count() == 2
    batch.refresh_from_db()
    assert batch.state == LabelBatch.State.DONE


def test_after_the_batch_closed_a_new_answer_corrects_the_label(small):
    batch, ann, _ = small
    tasks = finish(ann)
    assert send(ann, answer(ann, tasks[0], **{"class": 0})) == ["corrected"]
    assert Label.objects.get(answer__task=tasks[0]).class_index == 0
    batch.refresh_from_db()
    assert batch.state == LabelBatch.State.DONE


def test_a_correction_is_taken_after_the_run_has_finished(small, project):
    _, ann, _ = small
    tasks = finish(ann)
    project.status = "finished"
    project.save(update_fields=["status"])
    done = entry(project, ann.user)
    assert send(done, answer(done, tasks[0], **{"class": 0})) == ["corrected"]


def test_answers_meant_for_another_account_are_kept_back(ann, ben):
    task = take(ann)
    with pytest.raises(ConflictError):
        submit(access=ben, answers=[answer(ann, task.pk)], as_user=ann.user.pk)
    assert not Answer.objects.exists()


def test_a_request_has_a_bounded_size(ann):
    with pytest.raises(InvalidInputError):
        submit(access=ann, answers=[{}] * 201)
    with pytest.raises(InvalidInputError):
        next_tasks(access=ann, count=1, holding=list(range(201)))


def test_one_answer_with_the_next_task_takes_few_queries(ann):
    held = [h.task_id for h in next_tasks(access=ann, count=9).held]
    with CaptureQueriesContext(connection) as queries:
        submit(access=ann, answers=[answer(ann, held[0])], count=1, holding=held[1:])
    assert len(queries) <= 16, "\n".join(q["sql"][:120] for q in queries)


def test_many_answers_of_an_outbox_are_stored_in_one_request(project, images, cast):
    open_batch(project, images + add_images(project, 30))
    ann = entry(project, cast.annotator)
    answers = []
    for _ in range(2):
        answers += [
            answer(ann, h.task_id)
            for h in next_tasks(access=ann, count=20, holding=[a["task"] for a in answers]).held
        ]
    assert send(ann, *answers) == ["accepted"] * 40
    assert ProjectCounter.objects.get(project=project).train == 40
