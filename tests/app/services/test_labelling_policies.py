"""Skipped, cannot tell, sent back, gold: where an image goes then."""

from __future__ import annotations

import uuid

import pytest

from labelapp.models import (
    GoldItem,
    GoldResult,
    Label,
    LabelBatch,
    LedgerEntry,
    Project,
    ProjectCounter,
    Review,
    Task,
)
from labelapp.selectors.queue import experts_wait_for
from labelapp.services.labelling import heartbeat, next_tasks, submit
from tests.app.conftest import open_batch
from tests.app.services.labelling_help import answer, entry, ids
from tests.app.services.test_labelling_answers import send, take


@pytest.fixture
def batch(project, images) -> LabelBatch:
    return open_batch(project, images[:2], "residual")


def policy(project, value: str) -> None:
    Project.objects.filter(pk=project.pk).update(skip_policy=value)
    project.refresh_from_db()


# --- skip ----------------------------------------------------------------------------------------


def test_back_to_me_keeps_the_image_for_me_at_the_end(project, ann, ben):
    policy(project, "me")
    task = take(entry(project, ann.user))
    send(entry(project, ann.user), answer(ann, task.pk, "skip"))
    task.refresh_from_db()
    assert (task.state, task.lease_user, task.lease_soft) == ("open", ann.user, True)
    (other,) = ids(next_tasks(access=ben, count=9))
    assert other != task.pk
    assert ids(next_tasks(access=entry(project, ann.user), count=9)) == [task.pk]


def test_back_to_me_strands_nothing_when_i_do_not_come(project, ann, ben):
    policy(project, "me")
    me = entry(project, ann.user)
    task = take(me)
    send(me, answer(me, task.pk, "skip"))
    send(ben, answer(ben, take(ben).pk))
    assert ids(next_tasks(access=ben, count=9)) == [task.pk]  # a soft lease at the tail


def test_drop_to_review_puts_the_image_before_the_reviewers(project, ann, ben, eve):
    policy(project, "review")
    me = entry(project, ann.user)
    task = take(me)
    assert send(me, answer(me, task.pk, "skip")) == ["skipped"]
    task.refresh_from_db()
    assert (task.state, task.lease_user) == ("expert", None)
    review = Review.objects.get()
    assert (review.reason, review.person, review.task_id) == ("skipped", ann.user, task.pk)
    assert task.pk not in ids(next_tasks(access=ben, count=9))


@pytest.mark.parametrize("purpose", ["test", "audit"])
@pytest.mark.parametrize("kind", ["skip", "unsure"])
def test_an_image_of_a_check_is_never_dropped(project, images, cast, eve, purpose, kind):
    LabelBatch.objects.update(state="done")
    Task.objects.update(state="done")
    policy(project, "review")
    batch = open_batch(project, images[2:3], purpose)
    me = entry(project, cast.annotator)
    send(me, answer(me, take(me).pk, kind))
    batch.refresh_from_db()
    assert (batch.state, batch.remaining) == ("open", 1)
    assert send(eve, answer(eve, take(eve).pk)) == ["accepted"]
    batch.refresh_from_db()
    assert batch.state == "done"


# --- cannot tell ---------------------------------------------------------------------------------


def test_cannot_tell_goes_to_the_experts_under_each_policy(ann, eve):
    task = take(ann)
    assert send(ann, answer(ann, task.pk, "unsure")) == ["unsure"]
    task.refresh_from_db()
    assert task.state == "expert"
    assert Review.objects.get().reason == "unsure"
    assert experts_wait_for(ann.project) == 1


def test_experts_get_ordinary_images_first_then_what_others_could_not_tell(ann, eve):
    hard = take(ann)
    send(ann, answer(ann, hard.pk, "unsure"))
    other = take(eve)
    assert other.pk != hard.pk
    assert ids(next_tasks(access=eve, count=9, holding=[other.pk])) == []
    send(eve, answer(eve, other.pk))
    (held,) = next_tasks(access=eve, count=9).held
    assert (held.task_id, held.state) == (hard.pk, "expert")


def test_annotators_never_get_an_experts_image(ann, ben):
    send(ann, answer(ann, take(ann).pk, "unsure"), answer(ann, take(ann).pk))
    assert ids(next_tasks(access=ben, count=9))
    for held in ids(next_tasks(access=ben, count=9)):
        send(ben, answer(ben, held))
    assert ids(next_tasks(access=ben, count=9)) == []
    assert ids(next_tasks(access=ann, count=9)) == []


def test_an_experts_answer_makes_the_label_and_closes_the_question(ann, eve, project):
    task = take(ann)
    send(ann, answer(ann, task.pk, "unsure"))
    send(eve, answer(eve, take(eve).pk))
    assert send(eve, answer(eve, take(eve).pk, **{"class": 2})) == ["accepted"]
    assert Label.objects.get(image_id=task.image_id).class_index == 2
    review = Review.objects.get()
    assert (review.state, review.reviewer, review.after) == ("done", eve.user, 2)
    small = LabelBatch.objects.get()
    assert (small.state, small.remaining) == ("done", 0)


def test_an_expert_who_cannot_tell_either_sees_it_last(ann, eve):
    first, second = (held for held in ids(next_tasks(access=ann, count=2)))
    send(ann, answer(ann, first, "unsure"), answer(ann, second, "unsure"))
    assert take(eve).pk == first
    send(eve, answer(eve, first, "unsure"))
    assert take(eve).pk == second
    send(eve, answer(eve, second))
    assert take(eve).pk == first


def test_the_undo_of_cannot_tell_gives_the_image_back_and_takes_the_question_away(ann, ben):
    task = take(ann)
    send(ann, answer(ann, task.pk, "unsure"))
    assert send(ann, answer(ann, task.pk, "withdrawn")) == ["withdrawn"]
    task.refresh_from_db()
    assert (task.state, task.lease_user) == ("open", ann.user)
    assert not Review.objects.exists()
    assert send(ann, answer(ann, task.pk)) == ["accepted"]


def test_who_could_not_tell_may_still_answer(ann):
    task = take(ann)
    send(ann, answer(ann, task.pk, "unsure"))
    assert send(ann, answer(ann, task.pk)) == ["accepted"]
    assert Review.objects.get().state == "done"


def test_cannot_tell_of_an_answered_image_is_refused(ann):
    task = take(ann)
    send(ann, answer(ann, task.pk))
    assert send(ann, answer(ann, task.pk, "unsure")) == ["conflict"]


# --- sent back -----------------------------------------------------------------------------------


@pytest.fixture
def sent_back(ann) -> Task:
    task = take(ann)
    send(ann, answer(ann, task.pk, **{"class": 0}))
    Task.objects.filter(pk=task.pk).update(state="assigned", lease_user=ann.user)
    return Task.objects.get(pk=task.pk)


def test_what_was_sent_back_comes_first_and_to_nobody_else(ann, ben, sent_back):
    assert ids(next_tasks(access=ben, count=9)) != [sent_back.pk]
    held = next_tasks(access=ann, count=9).held[0]
    assert (held.task_id, held.state) == (sent_back.pk, "assigned")


def test_the_second_look_corrects_the_first(ann, sent_back):
    assert send(ann, answer(ann, sent_back.pk, **{"class": 2})) == ["corrected"]
    sent_back.refresh_from_db()
    assert (sent_back.state, sent_back.lease_user) == ("done", None)
    assert Label.objects.get().class_index == 2
    assert LedgerEntry.objects.count() == 1


def test_a_task_that_was_sent_back_is_not_lost(ann, sent_back):
    next_tasks(access=ann, count=1)
    assert heartbeat(access=ann, holding=[sent_back.pk], on_screen=sent_back.pk) == []


def test_who_still_cannot_tell_leaves_it_to_the_reviewers(ann, sent_back):
    assert send(ann, answer(ann, sent_back.pk, "unsure")) == ["unsure"]
    sent_back.refresh_from_db()
    assert sent_back.state == "done"
    assert Review.objects.get().reason == "unsure"
    assert Label.objects.get().class_index == 0
    assert send(ann, answer(ann, sent_back.pk, **{"class": 1})) == ["corrected"]


def test_a_reviewers_word_stands(ann, sent_back):
    Label.objects.update(method="review", class_index=1)
    assert send(ann, answer(ann, sent_back.pk, **{"class": 2})) == ["corrected"]
    assert Label.objects.get().class_index == 1
    assert send(ann, answer(ann, sent_back.pk, "withdrawn")) == ["conflict"]


# --- gold ----------------------------------------------------------------------------------------


@pytest.fixture
def gold(project, images, ann) -> Task:
    """A gold item that waits for Ann; its class is 1."""
    item = GoldItem.objects.create(
        project=project,
        image=images[9],
        label_class=project.classes.get(index=1),
        source="uploaded",
    )
    batch = LabelBatch.objects.create(
        run=project.run,
        project=project,
        request_id=f"gold {uuid.uuid4()}",
        iteration=0,
        purpose="gold",
        size=0,
        remaining=0,
        state="done",
    )
    return Task.objects.create(
        batch=batch,
        project=project,
        image=item.image,
        rank=0,
        state="assigned",
        lease_user=ann.user,
    )


def test_gold_is_paid_and_judged_and_makes_no_label(ann, gold, project):
    assert take(ann).pk == gold.pk
    assert send(ann, answer(ann, gold.pk, **{"class": 0})) == ["accepted"]
    assert not GoldResult.objects.get().right
    paid = LedgerEntry.objects.get()
    assert (paid.purpose, paid.amount) == ("gold", project.price_per_label)
    assert not Label.objects.exists()
    counter = ProjectCounter.objects.get(project=project)
    assert (counter.residual, counter.answers) == (0, 1)
    assert counter.label_spend == project.price_per_label
    assert LabelBatch.objects.get(purpose="residual").remaining == 2


def test_the_first_answer_to_gold_is_the_one_that_is_judged(ann, gold):
    send(ann, answer(ann, gold.pk, **{"class": 0}))
    assert send(ann, answer(ann, gold.pk)) == ["corrected"]
    assert send(ann, answer(ann, gold.pk, "withdrawn")) == ["withdrawn"]
    assert ProjectCounter.objects.get().label_spend == 0
    assert send(ann, answer(ann, gold.pk)) == ["accepted"]
    assert not GoldResult.objects.get().right
    assert ProjectCounter.objects.get().label_spend == ann.project.price_per_label


@pytest.mark.parametrize(("kind", "state"), [("skip", "skipped"), ("unsure", "unsure")])
def test_gold_that_somebody_skips_is_judged_by_nothing(ann, gold, kind, state):
    assert send(ann, answer(ann, gold.pk, kind)) == [state]
    gold.refresh_from_db()
    assert gold.state == "dropped"
    assert not GoldResult.objects.exists()
    assert not Review.objects.exists()
    assert send(ann, answer(ann, gold.pk, "withdrawn")) == ["withdrawn"]
    assert take(ann).pk == gold.pk


def test_gold_of_somebody_else_is_not_given(ben, gold):
    assert gold.pk not in ids(next_tasks(access=ben, count=9))


def test_a_class_that_was_removed_while_it_was_on_screen_is_named(ann, project):
    task = take(ann)
    project.classes.filter(index=1).update(archived=True)
    (result,) = submit(access=ann, answers=[answer(ann, task.pk)]).results
    assert result["code"] == "unknown_class"
    assert "square" in result["error"]
    assert send(ann, answer(ann, task.pk, **{"class": 2})) == ["accepted"]
