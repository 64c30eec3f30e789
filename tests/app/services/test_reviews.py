"""The reviewers' queue: who gets what, what a decision changes, what it costs."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

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
    Event,
    Exclusion,
    Label,
    LabelBatch,
    LedgerEntry,
    Membership,
    ProjectCounter,
    Review,
    Task,
)
from labelapp.selectors import reviews as found_reviews
from labelapp.services import labelling, pauses, questions, review_samples, reviews
from labelapp.services.review_decisions import Decision, decide
from tests.app.conftest import open_batch
from tests.app.services.labelling_help import answer, entry

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(project, images) -> LabelBatch:
    return open_batch(project, images, "residual")


def labelled(who, count: int = 1, index: int = 1) -> list[int]:
    """Let this person label the next images; return the images' ids."""
    held = labelling.next_tasks(access=who, count=count).held
    given = [answer(who, task.task_id, **{"class": index}) for task in held]
    labelling.submit(access=who, answers=given)
    return [task.image_id for task in held]


def asked(who, image_id: int, reason: str = "disagreement", person=None) -> Review:
    questions.ask(
        project_id=who.project.pk,
        image_id=image_id,
        reason=reason,
        task_id=None,
        person_id=person,
    )
    return Review.objects.latest("pk")


def passed_on(who, kind: str = "unsure") -> Review:
    """Let this person say that they cannot tell; return the question."""
    task = labelling.next_tasks(access=who, count=1).held[0]
    labelling.submit(access=who, answers=[answer(who, task.task_id, kind)])
    return Review.objects.latest("pk")


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


# --- the queue -----------------------------------------------------------------------------------


def test_two_reviewers_get_different_images(ann, boss, cast, project):
    for image in labelled(ann, 4):
        asked(ann, image)
    owner = entry(project, cast.owner)
    mine = {r.pk for r in reviews.hold(access=boss, count=2)}
    theirs = {r.pk for r in reviews.hold(access=owner, count=4)}
    assert len(mine) == len(theirs) == 2
    assert not mine & theirs


def test_what_a_reviewer_left_lying_is_given_again(ann, boss, cast, project):
    asked(ann, labelled(ann)[0])
    reviews.hold(access=boss)
    Review.objects.update(held_until=timezone.now() - timedelta(seconds=1))
    assert len(reviews.hold(access=entry(project, cast.owner))) == 1


def test_the_queue_can_be_narrowed_to_a_reason(ann, boss):
    first, second = labelled(ann, 2)
    asked(ann, first)
    asked(ann, second, "sample")
    assert [r.reason for r in reviews.hold(access=boss, reason="sample", count=5)] == ["sample"]
    with pytest.raises(InvalidInputError):
        reviews.hold(access=boss, reason="nonsense")


def test_ones_own_answers_come_last(boss, ann):
    first, second = labelled(boss, 2)
    asked(ann, first, person=boss.user.pk)
    asked(ann, second, person=ann.user.pk)
    assert reviews.hold(access=boss)[0].image_id == second


def test_what_is_held_is_not_given_twice(ann, boss):
    for image in labelled(ann, 2):
        asked(ann, image)
    first = reviews.hold(access=boss)[0]
    assert reviews.hold(access=boss, holding=[first.pk])[0].pk != first.pk


def test_votes_are_shown_except_where_fresh_eyes_are_wanted(ann, boss, project):
    first, second = labelled(ann, 2)
    open_question, sample = asked(ann, first), asked(ann, second, "sample")
    shown, hidden = found_reviews.describe(project, [open_question, sample])
    assert (shown["label"], shown["votes"][0]["name"]) == (1, "Ann")
    assert (hidden["label"], hidden["votes"], hidden["hidden"]) == (None, [], True)
    assert found_reviews.describe(project, [sample], blind=False)[0]["label"] == 1


def test_who_fills_a_slot_does_not_see_the_other_votes(ann, boss, project):
    shown = found_reviews.describe(project, [passed_on(ann)], blind=False)[0]
    assert shown["votes"] == []


# --- random samples ------------------------------------------------------------------------------


def test_a_sample_is_the_beginning_of_one_order_and_grows(ann, boss, project):
    labelled(ann, 12)
    assert review_samples.draw(access=boss, kind="labels", size=5).added == 5
    first = set(Review.objects.values_list("image_id", flat=True))
    again = review_samples.draw(access=boss, kind="labels", size=5)
    assert (again.size, again.added) == (5, 0)
    grown = review_samples.draw(access=boss, kind="labels", size=8)
    assert (grown.size, grown.population, grown.added) == (8, 12, 3)
    assert first < set(Review.objects.values_list("image_id", flat=True))
    keys = [
        found_reviews.sample_key(project, seq)
        for seq in Review.objects.order_by("pk").values_list("image__seq", flat=True)
    ]
    assert keys == sorted(keys)
    assert Event.objects.filter(type="review.drawn").count() == 2


def test_a_sample_of_the_test_set_takes_marked_images_only(ann, boss, project, images):
    labelled(ann, 12)
    run = LabelBatch.objects.get().run
    for image in images[:6]:
        run.test_marks.create(image=image, seq=image.seq)
    assert review_samples.draw(access=boss, kind="test", size=4).population == 6
    assert set(Review.objects.values_list("image__seq", flat=True)) <= set(range(6))


def test_labels_that_came_in_before_the_last_one_drawn_join_the_sample(ann, boss, project):
    labelled(ann, 6)
    review_samples.draw(access=boss, kind="labels", size=6)
    labelled(ann, 10)
    drawn = review_samples.draw(access=boss, kind="labels", size=1)
    sampled = set(Review.objects.values_list("image__seq", flat=True))
    last = max(found_reviews.sample_key(project, seq) for seq in sampled)
    inside = {
        seq
        for seq in Label.objects.values_list("seq", flat=True)
        if found_reviews.sample_key(project, seq) <= last
    }
    assert sampled == inside
    assert drawn.size == len(sampled)


def test_the_size_follows_the_width_that_is_wanted(ann, boss):
    labelled(ann, 12)
    assert review_samples.size_for(access=boss, kind="labels", half_width=0.01) == 12
    assert review_samples.size_for(access=boss, kind="test", half_width=0.01) == 0


@pytest.mark.parametrize(("kind", "size"), [("labels", 0), ("labels", 10**9), ("all", 5)])
def test_nonsense_is_no_sample(boss, kind, size):
    with pytest.raises(InvalidInputError):
        review_samples.draw(access=boss, kind=kind, size=size)


def test_people_who_only_review_draw_no_samples(cast, project, batch):
    Membership.objects.filter(user=cast.annotator).update(role="reviewer")
    with pytest.raises(ForbiddenError):
        review_samples.draw(access=entry(project, cast.annotator), kind="labels", size=1)
