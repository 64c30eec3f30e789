"""A reviewer's decision is taken back: all is as it was."""

from __future__ import annotations

from decimal import Decimal

import pytest

from labelapp.errors import ConflictError, ForbiddenError, LabelChangedError, NotFoundError
from labelapp.management.doctor_data import counter_problems
from labelapp.models import (
    Answer,
    Label,
    LabelBatch,
    LedgerEntry,
    Membership,
    ProjectCounter,
    Review,
    Task,
)
from labelapp.services import labelling, questions, reviews
from labelapp.services.review_decisions import Decision, decide
from labelapp.services.review_undo import undo
from tests.app.conftest import open_batch
from tests.app.services.labelling_help import answer, entry
from tests.app.services.review_help import passed_on
from tests.app.services.review_undo_help import (
    ACCEPT,
    BACK,
    EXCLUDE,
    STAR,
    asked,
    everything,
    finish,
    labelled,
    say,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(project, images) -> LabelBatch:
    return open_batch(project, images, "residual")


def back_and_forth(boss, review: Review, decision: Decision) -> None:
    """Decide and undo, twice: the second time must find nothing of the first one."""
    before = everything(boss.project)
    for _ in range(2):
        done = decide(access=boss, review_id=review.pk, decision=decision)
        assert everything(boss.project) != before
        first = done.outcome
        undo(access=boss, review_id=review.pk)
        assert everything(boss.project) == before
        assert counter_problems(boss.project) == []
    assert decide(access=boss, review_id=review.pk, decision=decision).outcome == first
    assert counter_problems(boss.project) == []


# --- each kind of decision -----------------------------------------------------------------------


@pytest.mark.parametrize("decision", [ACCEPT, STAR, BACK, EXCLUDE], ids=lambda d: d.kind)
def test_a_decision_on_a_label_is_taken_back(ann, boss, decision):
    back_and_forth(boss, asked(ann, labelled(ann)), decision)


@pytest.mark.parametrize("decision", [ACCEPT, STAR, BACK, EXCLUDE], ids=lambda d: d.kind)
def test_a_decision_on_a_label_of_a_closed_batch_is_taken_back(ann, boss, batch, decision):
    review = asked(ann, labelled(ann))
    finish(batch)
    back_and_forth(boss, review, decision)


@pytest.mark.parametrize("decision", [STAR, BACK, EXCLUDE], ids=lambda d: d.kind)
@pytest.mark.parametrize("kind", ["unsure", "skip"])
def test_a_decision_on_what_was_passed_on_is_taken_back(ann, boss, project, kind, decision):
    project.skip_policy = "review"
    project.save(update_fields=["skip_policy"])
    ann.project.skip_policy = "review"
    back_and_forth(boss, passed_on(ann, kind), decision)


@pytest.mark.parametrize("decision", [ACCEPT, STAR, EXCLUDE], ids=lambda d: d.kind)
def test_a_look_at_a_random_sample_is_taken_back(ann, boss, decision):
    review, before = asked(ann, labelled(ann), "sample"), Label.objects.get()
    back_and_forth(boss, review, decision)
    assert before.class_index == 1


@pytest.mark.parametrize("decision", [ACCEPT, STAR, BACK, EXCLUDE], ids=lambda d: d.kind)
def test_a_decision_on_several_votes_is_taken_back(ann, ben, boss, project, batch, decision):
    several(project, batch)
    ann.project.overlap = ben.project.overlap = boss.project.overlap = 2
    image = labelled(ann, ben)
    back_and_forth(boss, asked(ann, image), decision)


def several(project, batch) -> None:
    """Ask two people about each image."""
    project.overlap = project.overlap_max = 2
    project.save(update_fields=["overlap", "overlap_max"])
    Task.objects.update(wanted=2)
    LabelBatch.objects.filter(pk=batch.pk).update(size=40, remaining=40)


@pytest.mark.parametrize("consensus", ["majority", "dawid_skene"])
def test_the_way_in_which_votes_came_to_the_label_is_restored(
    ann, ben, boss, project, batch, consensus
):
    several(project, batch)
    review = asked(ann, labelled(ann, ben))
    finish(batch)
    project.consensus = boss.project.consensus = consensus
    project.save(update_fields=["consensus"])
    Label.objects.update(method=consensus)
    back_and_forth(boss, review, STAR)


def test_the_reviewers_own_earlier_answer_stands_again(boss, project):
    image = labelled(boss)
    review = asked(boss, image)
    decide(access=boss, review_id=review.pk, decision=STAR)
    undo(access=boss, review_id=review.pk)
    label = Label.objects.get()
    assert (label.class_index, label.votes, label.method, label.user) == (1, 1, "", boss.user)
    current = Answer.objects.get(user=boss.user, superseded_by=None, kind="class")
    assert (current.label_class.index, current.extra, label.answer) == (1, False, current)
    assert counter_problems(project) == []


def test_what_another_reviewer_had_decided_stays_final(ann, boss, cast, project):
    image = labelled(ann)
    owner = entry(project, cast.owner)
    decide(access=owner, review_id=asked(ann, image).pk, decision=STAR)
    review = asked(ann, image, "sample")
    back_and_forth(boss, review, Decision("class", class_index=0))
    undo(access=boss, review_id=review.pk)
    label = Label.objects.get()
    assert (label.class_index, label.method, label.user) == (2, "review", owner.user)


def test_two_questions_that_one_answer_closed_are_both_open_again(ann, boss):
    first = passed_on(ann)
    questions.ask(
        project_id=first.project_id,
        image_id=first.image_id,
        reason="skipped",
        task_id=first.task_id,
        person_id=None,
    )
    decide(access=boss, review_id=first.pk, decision=STAR)
    assert set(Review.objects.values_list("state", flat=True)) == {"done"}
    undo(access=boss, review_id=first.pk)
    assert set(Review.objects.values_list("state", flat=True)) == {"open"}


def test_a_finding_in_a_closed_audit_is_taken_back(ann, boss, project, images):
    LabelBatch.objects.all().delete()
    open_batch(project, images[:1], "audit")
    review = asked(ann, labelled(ann), "sample")
    for decision in (STAR, EXCLUDE):
        back_and_forth(boss, review, decision)
        undo(access=boss, review_id=review.pk)
    assert Label.objects.get().class_index == 1


def test_a_marked_image_counts_for_the_test_set_again(ann, boss, project, batch):
    image = labelled(ann)
    batch.run.test_marks.create(image_id=image, seq=Label.objects.get().seq)
    ProjectCounter.objects.update(test=1, residual=0)
    back_and_forth(boss, asked(ann, image), EXCLUDE)


# --- the charge ----------------------------------------------------------------------------------


def test_the_charge_is_booked_back_each_time(ann, boss):
    review = asked(ann, labelled(ann))
    for _ in range(2):
        decide(access=boss, review_id=review.pk, decision=ACCEPT)
        undo(access=boss, review_id=review.pk)
    entries = LedgerEntry.objects.filter(purpose="review").order_by("pk")
    assert [entry.amount for entry in entries] == [Decimal("0.04"), Decimal("-0.04")] * 2
    assert {entry.user for entry in entries} == {boss.user}


def test_what_the_price_is_by_now_does_not_matter(ann, boss, project):
    review = asked(ann, labelled(ann))
    decide(access=boss, review_id=review.pk, decision=ACCEPT)
    project.price_per_label = boss.project.price_per_label = Decimal("0.09")
    project.save(update_fields=["price_per_label"])
    undo(access=boss, review_id=review.pk)
    assert ProjectCounter.objects.get().label_spend == Decimal("0.04")


def test_an_answer_that_filled_a_slot_is_booked_back_as_that_answer(ann, boss):
    review = passed_on(ann)
    decide(access=boss, review_id=review.pk, decision=STAR)
    undo(access=boss, review_id=review.pk)
    assert set(LedgerEntry.objects.values_list("purpose", flat=True)) == {"residual"}
    assert ProjectCounter.objects.get().label_spend == 0
    task = Task.objects.get(pk=review.task_id)
    assert (task.state, task.lease_user) == ("expert", None)


# --- who, and how often --------------------------------------------------------------------------


def test_the_image_is_on_the_reviewers_screen_again(ann, boss, cast, project):
    review = asked(ann, labelled(ann))
    decide(access=boss, review_id=review.pk, decision=ACCEPT)
    undo(access=boss, review_id=review.pk)
    assert reviews.hold(access=entry(project, cast.owner)) == []
    assert [one.pk for one in reviews.hold(access=boss)] == [review.pk]


def test_a_repeat_changes_nothing(ann, boss):
    review = asked(ann, labelled(ann))
    decide(access=boss, review_id=review.pk, decision=STAR)
    undo(access=boss, review_id=review.pk)
    before = everything(boss.project)
    undo(access=boss, review_id=review.pk)
    assert everything(boss.project) == before


def test_only_who_decided_may_take_it_back(ann, boss, cast, project):
    review = asked(ann, labelled(ann))
    decide(access=boss, review_id=review.pk, decision=STAR)
    before = everything(project)
    for who in (entry(project, cast.owner), ann):
        with pytest.raises(ForbiddenError):
            undo(access=who, review_id=review.pk)
    assert everything(project) == before


def test_what_was_not_decided_cannot_be_taken_back(ann, boss):
    review = asked(ann, labelled(ann))
    with pytest.raises(ConflictError):
        undo(access=boss, review_id=review.pk)
    with pytest.raises(NotFoundError):
        undo(access=boss, review_id=review.pk + 1)


def test_a_question_that_an_exclusion_closed_is_not_a_decision_of_its_own(ann, boss):
    image = labelled(ann)
    beside = asked(ann, image, "sample")
    decide(access=boss, review_id=asked(ann, image).pk, decision=EXCLUDE)
    with pytest.raises(ConflictError, match="no decision of yours"):
        undo(access=boss, review_id=beside.pk)


def test_what_an_expert_answered_on_the_labelling_page_is_not_a_decision(ann, boss):
    review = passed_on(ann)
    labelling.submit(access=boss, answers=[answer(boss, review.task_id)])
    assert Review.objects.get().state == "done"
    with pytest.raises(ConflictError, match="no decision of yours"):
        undo(access=boss, review_id=review.pk)


# --- what the reviewer saw -----------------------------------------------------------------------


def test_accepting_names_the_class_that_was_seen(ann, boss):
    image = labelled(ann)
    review = asked(ann, image)
    say(ann, image, 0)
    seen = Decision("accept", class_index=1)
    with pytest.raises(LabelChangedError):
        decide(access=boss, review_id=review.pk, decision=seen)
    assert Review.objects.get().state == "open"
    now = Decision("accept", class_index=0)
    assert decide(access=boss, review_id=review.pk, decision=now).after == 0


def test_people_who_lose_the_role_take_nothing_back(ann, boss, project):
    review = asked(ann, labelled(ann))
    decide(access=boss, review_id=review.pk, decision=ACCEPT)
    Membership.objects.filter(user=boss.user).update(role="annotator")
    with pytest.raises(ForbiddenError):
        undo(access=entry(project, boss.user), review_id=review.pk)
