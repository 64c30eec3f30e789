"""Gold from the first request of a newcomer to the pause, through the services of the page."""

from __future__ import annotations

from decimal import Decimal

import pytest

from labelapp.management.doctor_data import counter_problems
from labelapp.models import (
    GoldItem,
    GoldPlan,
    GoldResult,
    Label,
    LabelBatch,
    LedgerEntry,
    Membership,
    ProjectCounter,
    Review,
    Task,
)
from labelapp.selectors.labelling import why_no_tasks
from labelapp.services import labelling, pauses, questions
from labelapp.services.review_decisions import Decision, decide
from tests.app.conftest import open_batch
from tests.app.services.labelling_help import answer, entry

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(cast, project, images):
    open_batch(project, images[:10], "residual")
    square = project.classes.get(index=1)
    GoldItem.objects.bulk_create(
        GoldItem(project=project, image=image, label_class=square, source="uploaded")
        for image in images[10:]
    )
    type(project).objects.update(gold_first=4, gold_pause_below=0.75, gold_pause_after=4)
    return entry(project, cast.annotator)


def say(who, held, index: int, **changes) -> dict[str, object]:
    given = answer(who, held.task_id, **{"class": index, **changes})
    return labelling.submit(access=who, answers=[given]).results[0]


def test_the_first_images_of_a_newcomer_are_gold(ann, project):
    held = labelling.next_tasks(access=ann, count=9).held
    gold = LabelBatch.objects.get(purpose="gold").pk
    assert [task.batch_id == gold for task in held] == [True] * 4 + [False] * 5


def test_a_gold_answer_is_paid_as_gold_and_changes_nothing_else(ann, project):
    remaining = LabelBatch.objects.get(purpose="residual").remaining
    task = labelling.next_tasks(access=ann, count=1).held[0]
    assert say(ann, task, 1)["state"] == "accepted"
    booked = LedgerEntry.objects.get()
    assert (booked.purpose, booked.amount, booked.user) == ("gold", Decimal("0.04"), ann.user)
    assert not Label.objects.exists()
    assert LabelBatch.objects.get(purpose="residual").remaining == remaining
    assert ProjectCounter.objects.get().residual == 0
    assert counter_problems(project) == []


def test_undo_works_like_elsewhere_and_the_first_answer_counts(ann, project):
    task = labelling.next_tasks(access=ann, count=1).held[0]
    say(ann, task, 2)
    back = answer(ann, task.task_id, "withdrawn")
    assert labelling.submit(access=ann, answers=[back]).results[0]["state"] == "withdrawn"
    assert labelling.next_tasks(access=ann, count=1).held[0].task_id == task.task_id
    assert say(ann, task, 1)["state"] == "accepted"
    assert list(GoldResult.objects.values_list("given", "right")) == [(2, False)]
    assert sum(LedgerEntry.objects.values_list("amount", flat=True)) == Decimal("0.04")
    assert counter_problems(project) == []


def test_too_many_wrong_ones_and_nothing_more_is_given(ann, cast, project):
    for task in labelling.next_tasks(access=ann, count=4).held:
        say(ann, task, 2)
    assert Membership.objects.get(user=cast.annotator).paused_at is not None
    again = entry(project, cast.annotator)
    assert labelling.next_tasks(access=again, count=5).held == []
    assert why_no_tasks(again, 10)["message"].startswith("You get no images for now. Of 4 images")


def test_what_a_paused_person_holds_is_still_taken(ann, cast, project):
    held = labelling.next_tasks(access=ann, count=6).held
    for task in held[:4]:
        say(ann, task, 2)
    late = entry(project, cast.annotator)
    assert say(late, held[4], 0)["state"] == "accepted"
    assert Label.objects.get().class_index == 0


def test_with_the_answer_that_pauses_nothing_more_is_given(ann, cast):
    held = labelling.next_tasks(access=ann, count=4).held
    for task in held[:3]:
        say(ann, task, 2)
    last = answer(ann, held[3].task_id, **{"class": 2})
    work = labelling.submit(access=ann, answers=[last], count=5)
    assert work.held == []
    assert work.paused is not None
    assert why_no_tasks(work.paused, 10)["state"] == "paused"
    assert not Task.objects.filter(lease_user=ann.user).exists()


def test_answers_of_one_request_are_judged_one_by_one(ann, cast):
    """Later right ones do not lift what three wrong ones of four came to."""
    type(ann.project).objects.update(gold_first=8)
    held = labelling.next_tasks(access=entry(ann.project, cast.annotator), count=8).held
    sent = [
        answer(ann, task.task_id, **{"class": 2 if number < 3 else 1})
        for number, task in enumerate(held)
    ]
    work = labelling.submit(access=ann, answers=sent, count=5)
    assert [result["state"] for result in work.results] == ["accepted"] * 8
    assert Membership.objects.get(user=cast.annotator).pause_reason == "gold:1:4:0.75"


def sent_back(ann, boss, kind: str, reason: str) -> Task:
    """Let this person answer their next image, and a reviewer send it back."""
    task = labelling.next_tasks(access=ann, count=1).held[0]
    labelling.submit(access=ann, answers=[answer(ann, task.task_id, kind)])
    questions.ask(
        project_id=ann.project.pk,
        image_id=task.image_id,
        reason=reason,
        task_id=task.task_id,
        person_id=ann.user.pk,
    )
    review = Review.objects.get(image_id=task.image_id)
    decide(access=boss, review_id=review.pk, decision=Decision("send_back", note="look"))
    found = Task.objects.get(pk=task.task_id)
    assert (found.state, found.lease_user) == ("assigned", ann.user)
    return found


def pause_by_hand(ann, boss) -> None:
    pauses.pause(access=boss, user_id=ann.user.pk)


def pause_by_gold(ann, boss) -> None:
    type(ann.project).objects.update(gold_first=1, gold_pause_after=1)
    GoldPlan.objects.create(project=ann.project, user=ann.user)  # not onboarded yet
    again = entry(ann.project, ann.user)
    gold = LabelBatch.objects.filter(purpose="gold")
    held = labelling.next_tasks(access=again, count=5).held
    task = next(one for one in held if gold.filter(pk=one.batch_id).exists())
    assert say(again, task, 2)["state"] == "accepted"


@pytest.mark.parametrize("pause", [pause_by_hand, pause_by_gold])
@pytest.mark.parametrize(
    ("kind", "reason", "state"),
    [("class", "disagreement", "done"), ("unsure", "unsure", "expert")],
)
def test_what_was_sent_back_to_a_paused_person_is_before_the_reviewers_again(
    ann, cast, project, pause, kind, reason, state
):
    type(project).objects.update(gold_first=0)
    ann, boss = entry(project, cast.annotator), entry(project, cast.manager)
    task = sent_back(ann, boss, kind, reason)
    pause(ann, boss)
    assert Membership.objects.get(user=cast.annotator).paused_at is not None
    task.refresh_from_db()
    assert (task.state, task.lease_user) == (state, None)
    review = Review.objects.get(image_id=task.image_id, state="open")
    assert (review.reason, review.person, review.task) == (reason, ann.user, task)
    done = decide(access=boss, review_id=review.pk, decision=Decision("class", class_index=0))
    assert (done.after, Label.objects.get().class_index) == (0, 0)
    assert counter_problems(project) == []


def test_a_pause_leaves_gold_and_what_others_were_sent_alone(ann, cast, project):
    boss, ben = entry(project, cast.manager), entry(project, cast.second_annotator)
    labelling.next_tasks(access=ann, count=4)
    type(project).objects.update(gold_first=0)
    task = sent_back(entry(project, ben.user), boss, "class", "disagreement")
    pauses.pause(access=boss, user_id=ann.user.pk)
    task.refresh_from_db()
    assert (task.state, task.lease_user) == ("assigned", ben.user)
    gold = Task.objects.filter(batch__purpose="gold", lease_user=ann.user, state="assigned")
    assert gold.count() == 4
