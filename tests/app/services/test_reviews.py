"""What a reviewer's decision changes, and what it costs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from labelapp.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    UnknownClassError,
)
from labelapp.management.doctor_data import counter_problems
from labelapp.models import (
    Answer,
    AuditLog,
    Exclusion,
    Label,
    LabelBatch,
    LedgerEntry,
    Membership,
    ProjectCounter,
    Review,
    Task,
)
from labelapp.services import labelling, pauses, reviews
from labelapp.services.review_decisions import Decision, decide
from tests.app.conftest import open_batch
from tests.app.services.labelling_help import answer, entry
from tests.app.services.review_help import asked, labelled, passed_on

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(project, images) -> LabelBatch:
    return open_batch(project, images, "residual")


def sound(project) -> None:
    """The counters agree with the rows."""
    assert counter_problems(project) == []


# --- decisions -----------------------------------------------------------------------------------


def test_accepting_leaves_the_class_and_makes_it_final(ann, boss, project):
    review = asked(ann, labelled(ann)[0])
    done = decide(access=boss, review_id=review.pk, decision=Decision("accept"))
    assert (done.outcome, done.before, done.after) == ("accepted", 1, 1)
    label = Label.objects.get()
    assert (label.class_index, label.method, label.user) == (1, "review", ann.user)
    sound(project)


def test_another_class_is_the_reviewers_own_answer(ann, boss, project):
    review = asked(ann, labelled(ann)[0])
    done = decide(access=boss, review_id=review.pk, decision=Decision("class", class_index=2))
    assert (done.outcome, done.before, done.after) == ("corrected", 1, 2)
    label = Label.objects.select_related("answer").get()
    assert (label.class_index, label.method, label.user) == (2, "review", boss.user)
    assert (label.answer.user, label.answer.how, label.answer.extra) == (boss.user, "review", True)
    assert Answer.objects.get(user=ann.user).superseded_by is None
    sound(project)


def test_each_decision_is_booked_once_as_review(ann, boss, project):
    review = asked(ann, labelled(ann)[0])
    for _ in range(2):
        decide(access=boss, review_id=review.pk, decision=Decision("class", class_index=2))
    entry = LedgerEntry.objects.get(purpose="review")
    assert (entry.amount, entry.user) == (Decimal("0.04"), boss.user)
    assert ProjectCounter.objects.get().label_spend == Decimal("0.08")
    sound(project)


def test_votes_that_come_later_do_not_change_a_reviewed_label(ann, boss, project):
    image = labelled(ann)[0]
    decide(access=boss, review_id=asked(ann, image).pk, decision=Decision("class", class_index=2))
    task = Task.objects.get(image_id=image)
    given = answer(ann, task.pk, **{"class": 0})
    assert labelling.submit(access=ann, answers=[given]).results[0]["state"] == "corrected"
    assert Label.objects.get().class_index == 2


@pytest.mark.parametrize("kind", ["unsure", "skip"])
def test_the_class_of_what_nobody_could_tell_fills_the_slot(ann, boss, project, kind):
    project.skip_policy = "review"
    project.save(update_fields=["skip_policy"])
    ann.project.skip_policy = "review"
    review = passed_on(ann, kind)
    batch = LabelBatch.objects.get()
    done = decide(access=boss, review_id=review.pk, decision=Decision("class", class_index=2))
    assert (done.outcome, done.before, done.paid) == ("accepted", None, True)
    assert LabelBatch.objects.get().remaining == batch.remaining - 1
    assert set(LedgerEntry.objects.values_list("purpose", flat=True)) == {"residual"}
    assert Label.objects.get().class_index == 2
    review.refresh_from_db()
    assert (review.state, review.reviewer) == ("done", boss.user)
    sound(project)


def test_what_nobody_has_labelled_cannot_be_accepted(ann, boss):
    review = passed_on(ann)
    with pytest.raises(ConflictError):
        decide(access=boss, review_id=review.pk, decision=Decision("accept"))
    assert Review.objects.get().state == "open"


def test_an_unknown_class_is_refused(ann, boss):
    review = asked(ann, labelled(ann)[0])
    for index in (None, 99):
        with pytest.raises(UnknownClassError):
            decide(access=boss, review_id=review.pk, decision=Decision("class", class_index=index))


def test_the_second_reviewer_is_told(ann, boss, cast, project):
    review = asked(ann, labelled(ann)[0])
    decide(access=boss, review_id=review.pk, decision=Decision("accept"))
    owner = entry(project, cast.owner)
    with pytest.raises(ConflictError):
        decide(access=owner, review_id=review.pk, decision=Decision("class", class_index=0))


def test_annotators_decide_nothing(ann):
    review = asked(ann, labelled(ann)[0])
    with pytest.raises(ForbiddenError):
        decide(access=ann, review_id=review.pk, decision=Decision("accept"))
    with pytest.raises(ForbiddenError):
        reviews.hold(access=ann)


def test_reviews_of_other_projects_are_not_found(ann, boss, cast):
    review = asked(ann, labelled(ann)[0])
    other = type(boss.project).objects.create(name="Other")
    Membership.objects.create(project=other, user=cast.outsider, role="owner")
    with pytest.raises(NotFoundError):
        decide(access=entry(other, cast.outsider), review_id=review.pk, decision=Decision("accept"))


# --- audits --------------------------------------------------------------------------------------


@pytest.fixture
def proof(ann, project, images) -> int:
    """An image of a closed audit, labelled 1."""
    LabelBatch.objects.all().delete()
    open_batch(project, images[:1], "audit")
    return labelled(ann)[0]


def test_the_label_of_a_closed_audit_stands(ann, boss, proof):
    review = asked(ann, proof)
    with pytest.raises(ConflictError, match="stands as it was given"):
        decide(access=boss, review_id=review.pk, decision=Decision("class", class_index=2))
    assert Label.objects.get().class_index == 1


def test_a_sample_counts_what_it_finds_in_a_closed_audit(ann, boss, proof):
    review = asked(ann, proof, "sample")
    done = decide(access=boss, review_id=review.pk, decision=Decision("class", class_index=2))
    assert (done.outcome, done.before, done.after, done.stands) == ("corrected", 1, 2, True)
    assert Label.objects.get().class_index == 1
    assert Review.objects.get().outcome == "corrected"


# --- excluded ------------------------------------------------------------------------------------


def test_what_nobody_can_tell_is_excluded(ann, boss, project):
    review = passed_on(ann)
    decide(access=boss, review_id=review.pk, decision=Decision("exclude", note="all black"))
    assert Exclusion.objects.get().reason == "all black"
    review.refresh_from_db()
    assert (review.state, review.outcome, review.before) == ("done", "excluded", None)
    assert Task.objects.get(pk=review.task_id).state == "dropped"
    assert ProjectCounter.objects.get().excluded == 1
    sound(project)


def test_a_labelled_image_loses_its_label_when_it_is_excluded(ann, boss, project):
    review = asked(ann, labelled(ann)[0])
    done = decide(access=boss, review_id=review.pk, decision=Decision("exclude"))
    assert (done.before, done.after) == (1, None)
    assert not Label.objects.exists()
    sound(project)


def test_an_image_of_a_closed_audit_is_not_excluded_but_a_sample_notes_it(ann, boss, proof):
    with pytest.raises(ConflictError):
        decide(access=boss, review_id=asked(ann, proof).pk, decision=Decision("exclude"))
    done = decide(
        access=boss, review_id=asked(ann, proof, "sample").pk, decision=Decision("exclude")
    )
    assert (done.outcome, done.stands) == ("excluded", True)
    assert Label.objects.exists()


# --- sent back -----------------------------------------------------------------------------------


def test_an_image_goes_back_to_its_person_with_a_note(ann, boss, project):
    image = labelled(ann)[0]
    review = asked(ann, image)
    decide(
        access=boss, review_id=review.pk, decision=Decision("send_back", note=" Look  at the ear ")
    )
    remaining = LabelBatch.objects.get().remaining
    held = labelling.next_tasks(access=ann, count=1).held[0]
    assert held.image_id == image
    review.refresh_from_db()
    assert (review.task_id, review.note) == (held.task_id, "Look at the ear")
    given = answer(ann, held.task_id, **{"class": 0})
    assert labelling.submit(access=ann, answers=[given]).results[0]["state"] == "corrected"
    assert (Label.objects.get().class_index, Task.objects.get(pk=held.task_id).state) == (0, "done")
    assert LabelBatch.objects.get().remaining == remaining
    sound(project)


def test_nothing_goes_back_without_a_note(ann, boss):
    review = asked(ann, labelled(ann)[0])
    with pytest.raises(InvalidInputError):
        decide(access=boss, review_id=review.pk, decision=Decision("send_back", note="  "))


def test_nothing_goes_back_to_somebody_who_left(ann, boss):
    review = asked(ann, labelled(ann)[0])
    Membership.objects.filter(user=ann.user).delete()
    with pytest.raises(ConflictError):
        decide(access=boss, review_id=review.pk, decision=Decision("send_back", note="x"))


def test_nothing_goes_back_to_somebody_who_is_paused(ann, boss):
    review = asked(ann, labelled(ann)[0])
    pauses.pause(access=boss, user_id=ann.user.pk)
    with pytest.raises(ConflictError, match="paused"):
        decide(access=boss, review_id=review.pk, decision=Decision("send_back", note="x"))


def test_what_was_passed_on_goes_back_to_who_passed_it_on(ann, boss):
    review = passed_on(ann)
    decide(access=boss, review_id=review.pk, decision=Decision("send_back", note="It is a star"))
    assert labelling.next_tasks(access=ann, count=1).held[0].task_id == review.task_id


def test_random_samples_do_not_go_back(ann, boss):
    review = asked(ann, labelled(ann)[0], "sample")
    with pytest.raises(ConflictError):
        decide(access=boss, review_id=review.pk, decision=Decision("send_back", note="x"))


def test_a_manager_takes_back_what_was_sent(ann, boss, project):
    image = labelled(ann)[0]
    review = asked(ann, image)
    decide(access=boss, review_id=review.pk, decision=Decision("send_back", note="x"))
    task = Task.objects.get(image_id=image)
    reviews.recall(access=boss, task_id=task.pk)
    task.refresh_from_db()
    assert (task.state, task.lease_user) == ("done", None)
    assert AuditLog.objects.filter(action="task.recalled").exists()
    with pytest.raises(NotFoundError):
        reviews.recall(access=boss, task_id=task.pk)


def test_what_was_passed_on_and_is_taken_back_waits_for_experts(ann, boss):
    review = passed_on(ann)
    decide(access=boss, review_id=review.pk, decision=Decision("send_back", note="x"))
    reviews.recall(access=boss, task_id=review.task_id)
    assert Task.objects.get(pk=review.task_id).state == "expert"
