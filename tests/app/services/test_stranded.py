"""Batches that must close, counts that must hold, whatever way an image took."""

from __future__ import annotations

import pytest

from labelapp.management.doctor_data import counter_problems
from labelapp.models import QueueCursor, Review, Task, User
from labelapp.services import accounts, exclusions, questions
from labelapp.services.labelling import next_tasks
from labelapp.services.review_decisions import Decision, decide
from tests.app.services.ahead_help import answered, closed, counts, joined, opened
from tests.app.services.labelling_help import answer, entry
from tests.app.services.test_ahead_join import run, twice
from tests.app.services.test_labelling_answers import send
from tests.app.services.test_labelling_overlap import Crowd

__all__ = ["run", "twice"]
pytestmark = pytest.mark.django_db


def work_off(crowd, who, most: int = 60) -> int:
    """Let this person answer all they are given; return how many."""
    for done in range(most):
        held = next_tasks(access=who, count=1).held
        if not held:
            return done
        send(who, answer(who, held[0].task_id))
    return most


# --- ranks and cursors -----------------------------------------------------------------------------


def test_the_next_slot_of_what_was_sent_back_is_found_behind_the_cursors(project, cast, images):
    crowd = Crowd(project, cast, images[:12])
    ann, ben, eve, boss = crowd.people
    task = next_tasks(access=ann, count=1).held[0]
    send(ann, answer(ann, task.task_id, "unsure"))
    note = Decision("send_back", person=ann.user.pk, note="Look again.")
    decide(access=boss, review_id=Review.objects.get().pk, decision=note)
    assert work_off(crowd, ben) == 11
    assert work_off(crowd, eve) == 11
    assert QueueCursor.objects.get(user=ben.user).rank > 1
    assert send(ann, answer(ann, task.task_id)) == ["accepted"]
    assert crowd.left() == 1
    assert work_off(crowd, ben) == 1
    assert crowd.left() == 0


def test_the_next_slot_of_an_experts_image_is_found_behind_the_cursors(project, cast, images):
    crowd = Crowd(project, cast, images[:12])
    ann, ben, _eve, boss = crowd.people
    task = next_tasks(access=ann, count=1).held[0]
    send(ann, answer(ann, task.task_id, "unsure"))
    expert = Task.objects.get(state="expert")
    QueueCursor.objects.create(project=project, user=ben.user, rank=expert.rank + 9)
    send(boss, answer(boss, expert.pk))
    found = next_tasks(access=ben, count=50).held
    assert [one.image_id for one in found] == [task.image_id]


def test_one_more_after_a_correction_is_found_behind_the_cursors(project, cast, images):
    crowd = Crowd(project, cast, images[:2], overlap_max=3)
    ann, ben, eve, _boss = crowd.people
    first = next_tasks(access=ann, count=1).held[0]
    send(ann, answer(ann, first.task_id))
    second = next_tasks(access=ben, count=1).held[0]
    assert second.image_id == first.image_id
    send(ben, answer(ben, second.task_id))
    QueueCursor.objects.create(project=project, user=eve.user, rank=second.rank + 1)
    send(ann, answer(ann, first.task_id, **{"class": 2}))
    assert first.image_id in [one.image_id for one in next_tasks(access=eve, count=9).held]


# --- sent back -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["skip", "unsure"])
def test_who_cannot_tell_what_was_sent_back_leaves_it_to_the_experts(project, cast, images, kind):
    crowd = Crowd(project, cast, images[:1], overlap=1)
    ann, _ben, _eve, boss = crowd.people
    task = next_tasks(access=ann, count=1).held[0]
    send(ann, answer(ann, task.task_id, "unsure"))
    note = Decision("send_back", person=ann.user.pk, note="Look again.")
    decide(access=boss, review_id=Review.objects.get().pk, decision=note)
    assert next_tasks(access=ann, count=1).held[0].state == "assigned"
    send(ann, answer(ann, task.task_id, kind))
    assert next_tasks(access=ann, count=1).held == []
    assert Review.objects.filter(state="open").count() == 1
    assert work_off(crowd, boss) == 1
    assert crowd.left() == 0


def test_what_waits_for_somebody_who_is_deactivated_goes_to_the_experts(project, cast, images):
    crowd = Crowd(project, cast, images[:1], overlap=1)
    ann, _ben, _eve, boss = crowd.people
    task = next_tasks(access=ann, count=1).held[0]
    send(ann, answer(ann, task.task_id, "unsure"))
    note = Decision("send_back", person=ann.user.pk, note="Look again.")
    decide(access=boss, review_id=Review.objects.get().pk, decision=note)
    admin = User.objects.create_superuser("admin@example.org", "correct horse battery")
    accounts.deactivate(actor=admin, user_id=ann.user.pk)
    assert work_off(crowd, boss) == 1
    assert crowd.left() == 0


def test_a_slot_that_waits_for_one_person_is_not_given_to_others_as_well(project, cast, images):
    crowd = Crowd(project, cast, images[:2])
    ann, ben, eve, boss = crowd.people
    first = next_tasks(access=ann, count=1).held[0]
    send(ann, answer(ann, first.task_id))
    second = next_tasks(access=ben, count=1).held[0]
    send(ben, answer(ben, second.task_id, "unsure"))
    note = Decision("send_back", person=ben.user.pk, note="Look again.")
    decide(access=boss, review_id=Review.objects.get().pk, decision=note)
    assert send(ann, answer(ann, first.task_id, **{"class": 2})) == ["corrected"]
    assert work_off(crowd, eve) == 1  # the other image
    assert send(ben, answer(ben, second.task_id)) == ["accepted"]
    assert (crowd.left(), crowd.counted()) == (1, 1)
    assert work_off(crowd, ben) == 1
    assert (crowd.left(), crowd.counted()) == (0, 2)


def test_a_reviewers_class_fills_what_another_reviewer_sent_back(project, cast, images):
    crowd = Crowd(project, cast, images[:1], overlap=1, skip_policy="review")
    ann, ben, _eve, boss = crowd.people
    task = next_tasks(access=ann, count=1).held[0]
    Task.objects.update(lease_user=ben.user)
    send(ann, answer(ann, task.task_id, "skip"))
    send(ben, answer(ben, task.task_id, "unsure"))
    Task.objects.update(state="expert", lease_user=None, lease_until=None)
    for reason, person in (("skipped", ann), ("unsure", ben)):
        questions.ask(
            project_id=project.pk,
            image_id=task.image_id,
            reason=reason,
            task_id=task.task_id,
            person_id=person.user.pk,
        )
    first, second = Review.objects.order_by("reason")
    decide(access=boss, review_id=first.pk, decision=Decision("send_back", note="Look again."))
    done = decide(access=boss, review_id=second.pk, decision=Decision("class", class_index=2))
    assert done.paid
    assert crowd.label().class_index == 2
    assert crowd.left() == 0
    assert next_tasks(access=ann, count=1).held == []


# --- excluded --------------------------------------------------------------------------------------


def test_half_answered_and_sent_back_images_leave_no_count_behind(project, cast, images):
    crowd = Crowd(project, cast, images[:2])
    ann, ben, _eve, boss = crowd.people
    first = next_tasks(access=ann, count=1).held[0]
    send(ann, answer(ann, first.task_id))
    second = next_tasks(access=ben, count=1).held[0]
    assert second.image_id == first.image_id
    send(ben, answer(ben, second.task_id, "unsure"))
    note = Decision("send_back", person=ben.user.pk, note="Look again.")
    decide(access=boss, review_id=Review.objects.get().pk, decision=note)
    assert counter_problems(project) == []
    exclusions.exclude(access=boss, image_id=first.image_id)
    assert crowd.counted() == 0
    assert counter_problems(project) == []
    assert crowd.left() == 2


@pytest.mark.parametrize("when", ["before the cut", "after the cut"])
def test_what_is_excluded_while_a_training_runs_is_not_waited_for(twice, run, cast, when):
    early = opened(run)
    ann, boss = entry(twice, cast.annotator), entry(twice, cast.manager)
    first, second = (next_tasks(access=ann, count=2)).held
    send(ann, answer(ann, first.task_id), answer(ann, second.task_id))
    if when == "before the cut":
        exclusions.exclude(access=boss, image_id=first.image_id)
    closed(run)
    if when == "after the cut":
        exclusions.exclude(access=boss, image_id=first.image_id)
    joined(run, train=[7, 3, 9])
    early.refresh_from_db()
    assert early.remaining == 1
    ben = entry(twice, cast.second_annotator)
    assert [answered(run), work_off(None, ben), answered(run)] == [False, 1, True]
    assert counts(twice) == {"test": 1, "train": 2}


def test_an_image_that_was_sent_back_while_a_training_ran_is_not_waited_for(run, project, cast):
    opened(run)
    ann, boss = entry(project, cast.annotator), entry(project, cast.manager)
    task = next_tasks(access=ann, count=1).held[0]
    send(ann, answer(ann, task.task_id))
    questions.ask(
        project_id=project.pk,
        image_id=task.image_id,
        reason="disagreement",
        task_id=None,
        person_id=ann.user.pk,
    )
    note = Decision("send_back", note="Look again.")
    decide(access=boss, review_id=Review.objects.get().pk, decision=note)
    closed(run)
    joined(run, train=[7])
    assert answered(run)
    assert send(ann, answer(ann, task.task_id, **{"class": 2})) == ["corrected"]
    assert counts(project) == {"test": 2, "train": 1}
