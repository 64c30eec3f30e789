"""A reviewer's decision is taken back: all is as it was, or a clear word why not."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from labelapp.errors import ConflictError, ForbiddenError, LabelChangedError, NotFoundError
from labelapp.management.doctor_data import counter_problems
from labelapp.models import (
    Answer,
    AuditLog,
    Exclusion,
    GoldItem,
    Job,
    Label,
    LabelBatch,
    LedgerEntry,
    Membership,
    ProjectCounter,
    Review,
    Task,
)
from labelapp.services import exclusions, labelling, questions, reviews
from labelapp.services.review_decisions import Decision, decide
from labelapp.services.review_undo import undo
from tests.app.conftest import open_batch
from tests.app.services.labelling_help import answer, entry

pytestmark = pytest.mark.django_db

ACCEPT, STAR, EXCLUDE = Decision("accept"), Decision("class", class_index=2), Decision("exclude")
BACK = Decision("send_back", note="look again")


@pytest.fixture
def batch(project, images) -> LabelBatch:
    return open_batch(project, images, "residual")


def say(who, image_id: int, index: int = 1, **changes) -> dict[str, object]:
    """Let this person answer the image's newest slot; return what became of it."""
    task = Task.objects.filter(image_id=image_id).order_by("-pk")[0]
    return labelling.submit(
        access=who, answers=[answer(who, task.pk, **{"class": index, **changes})]
    ).results[0]


def labelled(*people, index: int = 1) -> int:
    """Let these people give the next image a class, all the same one; return the image."""
    image = labelling.next_tasks(access=people[0], count=1).held[0].image_id
    for who in people:
        assert say(who, image, index)["ok"]
    return image


def asked(who, image_id: int, reason: str = "disagreement") -> Review:
    task = Task.objects.filter(image_id=image_id).order_by("pk")[0]
    questions.ask(
        project_id=who.project.pk, image_id=image_id, reason=reason, task_id=task.pk, person_id=None
    )
    return Review.objects.latest("pk")


def passed_on(who, kind: str = "unsure") -> Review:
    task = labelling.next_tasks(access=who, count=1).held[0]
    labelling.submit(access=who, answers=[answer(who, task.task_id, kind)])
    return Review.objects.latest("pk")


def finish(batch: LabelBatch) -> None:
    LabelBatch.objects.filter(pk=batch.pk).update(
        state="done", closed=timezone.now() - timedelta(seconds=1)
    )


def everything(project) -> dict[str, object]:
    """All that a decision can change and an undo must bring back."""
    counter = ProjectCounter.objects.filter(project=project)
    return {
        "labels": list(
            Label.objects.order_by("pk").values_list(
                *["image", "class_index", "method", "votes", "agreement", "answer", "user"],
                *["batch", "purpose", "seq", "source"],
            )
        ),
        "tasks": list(Task.objects.order_by("pk").values_list("pk", "state", "wanted", "slot")),
        "batches": list(LabelBatch.objects.values_list("pk", "state", "size", "remaining")),
        "reviews": list(
            Review.objects.order_by("pk").values_list(
                *["pk", "state", "outcome", "before", "after", "note"],
                *["reviewer", "task", "person", "closed"],
            )
        ),
        "excluded": list(Exclusion.objects.values_list("image", flat=True)),
        "counter": list(
            counter.values("label_spend", "train", "test", "residual", "audit", "ahead", "excluded")
        ),
    }


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


# --- what was built on it ------------------------------------------------------------------------


def refused(boss, review: Review, match: str) -> None:
    before = everything(boss.project)
    with pytest.raises(ConflictError, match=match):
        undo(access=boss, review_id=review.pk)
    assert everything(boss.project) == before


def test_an_answer_that_came_since_lets_the_decision_stand(ann, boss):
    image = labelled(ann)
    review = asked(ann, image)
    decide(access=boss, review_id=review.pk, decision=STAR)
    say(ann, image, 0)
    refused(boss, review, "answered this image since")


def test_an_image_that_the_person_has_answered_again_stays_answered(ann, boss):
    image = labelled(ann)
    review = asked(ann, image)
    decide(access=boss, review_id=review.pk, decision=BACK)
    say(ann, image, 0)
    refused(boss, review, "answered this image since")


def test_an_image_that_a_manager_has_taken_back_is_not_sent_any_more(ann, boss):
    review = asked(ann, labelled(ann))
    decide(access=boss, review_id=review.pk, decision=BACK)
    review.refresh_from_db()
    reviews.recall(access=boss, task_id=review.task_id)
    refused(boss, review, "does not wait for the person")


def test_a_later_decision_on_the_same_image_comes_first(ann, boss):
    image = labelled(ann)
    first, second = asked(ann, image), asked(ann, image, "sample")
    decide(access=boss, review_id=first.pk, decision=ACCEPT)
    decide(access=boss, review_id=second.pk, decision=STAR)
    refused(boss, first, "Reviewers have gone on")
    undo(access=boss, review_id=second.pk)
    undo(access=boss, review_id=first.pk)
    assert (Label.objects.get().class_index, Label.objects.get().method) == (1, "")


def test_a_decision_is_not_taken_back_once_the_image_is_gold(ann, boss, project):
    review = asked(ann, labelled(ann))
    decide(access=boss, review_id=review.pk, decision=ACCEPT)
    GoldItem.objects.create(
        project=project,
        image_id=review.image_id,
        label_class=project.classes.get(index=1),
        source="reviewed",
    )
    refused(boss, review, "gold by now")


def test_a_decision_is_not_taken_back_once_the_image_is_excluded(ann, boss):
    review = asked(ann, labelled(ann))
    decide(access=boss, review_id=review.pk, decision=ACCEPT)
    exclusions.exclude(access=boss, image_id=review.image_id)
    refused(boss, review, "excluded by now")


def test_the_last_answer_of_a_batch_stands(ann, boss, project, images):
    LabelBatch.objects.all().delete()
    open_batch(project, images[:1], "residual")
    review = passed_on(ann)
    decide(access=boss, review_id=review.pk, decision=STAR)
    assert LabelBatch.objects.get().state == "done"
    refused(boss, review, "batch is complete")


def test_the_exclusion_that_closed_a_batch_stands(ann, boss, project, images):
    LabelBatch.objects.all().delete()
    open_batch(project, images[:1], "residual")
    review = passed_on(ann)
    decide(access=boss, review_id=review.pk, decision=EXCLUDE)
    refused(boss, review, "complete by now")


def test_an_exclusion_that_the_engine_has_read_stands(ann, boss, project, batch):
    review = asked(ann, labelled(ann))
    decide(access=boss, review_id=review.pk, decision=EXCLUDE)
    job = {"kind": "advance", "target": batch.run_id, "project": project}
    Job.objects.create(**job, key="a", state="done", started=timezone.now())
    refused(boss, review, "run has moved on")


def test_an_exclusion_from_before_the_batch_of_another_request_stands(ann, boss, project, images):
    review = asked(ann, labelled(ann))
    decide(access=boss, review_id=review.pk, decision=EXCLUDE)
    open_batch(project, images[:2], "train")
    refused(boss, review, "asked more than once|run has moved on")


def test_the_label_of_an_audit_that_closed_since_stands(ann, boss, project, images):
    LabelBatch.objects.all().delete()
    batch = open_batch(project, images[:3], "audit")
    review = asked(ann, labelled(ann))
    decide(access=boss, review_id=review.pk, decision=STAR)
    LabelBatch.objects.filter(pk=batch.pk).update(state="done", closed=timezone.now())
    refused(boss, review, "stands as it was given")


def test_an_exclusion_and_its_end_are_in_the_audit_log(ann, boss):
    review = asked(ann, labelled(ann))
    decide(access=boss, review_id=review.pk, decision=EXCLUDE)
    undo(access=boss, review_id=review.pk)
    actions = AuditLog.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["image.excluded", "image.readmitted"]


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
