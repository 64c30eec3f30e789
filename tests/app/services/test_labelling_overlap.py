"""Several answers to an image: slots, votes, one more where people differ, cursors."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labelapp.models import (
    Answer,
    Label,
    LabelBatch,
    LedgerEntry,
    Membership,
    Project,
    ProjectCounter,
    QueueCursor,
    Review,
    Run,
    Task,
)
from labelapp.orders import LabelOrder
from labelapp.rights import Role
from labelapp.services import batches, claims
from labelapp.services.labelling import next_tasks, submit
from tests.app.conftest import add_images
from tests.app.services.labelling_help import answer, entry, query_plan
from tests.app.services.test_labelling_answers import send


class Crowd:
    """A project that wants several answers, and the people in it."""

    def __init__(self, project, cast, images, **changes) -> None:
        Project.objects.filter(pk=project.pk).update(
            status=Project.Status.RUNNING, **{"overlap": 2, **changes}
        )
        project.refresh_from_db()
        self.project = project
        Membership.objects.create(project=project, user=cast.outsider, role=Role.ANNOTATOR)
        self.users = [cast.annotator, cast.second_annotator, cast.outsider, cast.manager]
        self.run = Run.objects.create(
            project=project,
            n=project.images.count(),
            config={"seed": 1},
            state={},
            waiting_for="x",
            request_kind="label",
        )
        self.batch = self.open([image.seq for image in images])

    def open(self, seqs, purpose="residual", id_="x") -> LabelBatch:
        order = LabelOrder(id=id_, purpose=purpose, iteration=0, buy=seqs, train=[], mark=[])
        return batches.open_batch(run=self.run, order=order)

    @property
    def people(self):
        self.project.refresh_from_db()
        return [entry(self.project, user) for user in self.users]

    def label(self) -> Label:
        return Label.objects.get()

    def counted(self) -> int:
        return ProjectCounter.objects.get(project=self.project).residual

    def left(self) -> int:
        self.batch.refresh_from_db()
        return self.batch.remaining


@pytest.fixture
def one(project, cast, images) -> Crowd:
    """Two answers to one image."""
    return Crowd(project, cast, images[:1])


def take(who) -> int:
    (held,) = next_tasks(access=who, count=1).held
    return held.task_id


def ids(work) -> list[int]:
    return [held.task_id for held in work.held]


def say(who, index: int) -> list[str]:
    return send(who, answer(who, take(who), **{"class": index}))


def expire() -> None:
    Task.objects.update(lease_until=timezone.now().replace(year=2020))


def test_a_batch_wants_all_answers_of_all_images(project, cast, images):
    crowd = Crowd(project, cast, images[:5], overlap=3)
    assert (crowd.batch.size, crowd.batch.remaining) == (15, 15)
    assert Task.objects.count() == 5  # the later slots come when the first are filled


def test_a_share_of_the_images_gets_several_answers(project, cast, images):
    crowd = Crowd(project, cast, images, overlap=3, overlap_share=0.5)
    wanted = sorted(Task.objects.values_list("wanted", flat=True))
    assert set(wanted) == {1, 3}
    assert crowd.batch.remaining == sum(wanted)


def test_the_second_slot_comes_when_the_first_is_filled(one):
    ann, ben, *_ = one.people
    assert say(ann, 1) == ["accepted"]
    first, second = Task.objects.order_by("slot")
    assert (first.state, second.state) == ("done", "open")
    assert (second.slot, second.wanted, second.rank) == (1, 2, first.rank + 1)
    assert (one.left(), one.counted()) == (1, 0)
    assert say(ben, 1) == ["accepted"]
    assert (one.left(), one.counted()) == (0, 1)
    assert one.batch.state == "done"


def test_nobody_is_asked_an_image_twice(one):
    ann, *_ = one.people
    say(ann, 1)
    assert ids(next_tasks(access=ann, count=5)) == []


def test_the_label_is_there_from_the_first_answer_on(one):
    ann, ben, *_ = one.people
    say(ann, 2)
    label = one.label()
    assert (label.class_index, label.votes, label.agreement, label.method) == (2, 1, None, "")
    say(ben, 2)
    label = one.label()
    assert (label.class_index, label.votes, label.agreement) == (2, 2, 1.0)
    assert (label.method, label.user) == ("majority", ann.user)


def test_among_equals_the_earliest_class_is_the_label_and_reviewers_see_it(one):
    ann, ben, *_ = one.people
    say(ann, 2)
    say(ben, 0)
    label = one.label()
    assert (label.class_index, label.agreement) == (2, 0.5)
    review = Review.objects.get()
    assert (review.reason, review.image_id) == ("disagreement", label.image_id)


def test_each_answer_is_paid_with_the_purpose_of_the_batch(one):
    for who in one.people[:2]:
        say(who, 1)
    paid = LedgerEntry.objects.values_list("purpose", "amount", "user_id")
    price = one.project.price_per_label
    assert sorted(paid) == [("residual", price, user.pk) for user in one.users[:2]]
    assert ProjectCounter.objects.get().label_spend == 2 * price


def test_where_people_differ_one_more_is_asked(project, cast, images):
    crowd = Crowd(project, cast, images[:1], overlap_max=3)
    ann, ben, cem, _ = crowd.people
    say(ann, 0)
    say(ben, 1)
    assert (crowd.left(), crowd.batch.size, crowd.counted()) == (1, 3, 0)
    assert not Review.objects.exists()
    say(cem, 1)
    assert (crowd.left(), crowd.counted()) == (0, 1)
    label = crowd.label()
    assert (label.class_index, label.votes, label.agreement) == (1, 3, pytest.approx(2 / 3))


def test_where_people_agree_nobody_more_is_asked(project, cast, images):
    crowd = Crowd(project, cast, images[:1], overlap_max=4)
    ann, ben, *_ = crowd.people
    say(ann, 1)
    say(ben, 1)
    assert (crowd.left(), crowd.batch.state) == (0, "done")


def test_there_are_never_more_than_the_most(project, cast, images):
    crowd = Crowd(project, cast, images[:1], overlap_max=3)
    for index, who in enumerate(crowd.people[:3]):
        say(who, index)
    assert crowd.left() == 0
    assert crowd.label().votes == 3
    assert Review.objects.get().reason == "disagreement"


def test_a_correction_that_brings_disagreement_asks_one_more(project, cast, images):
    crowd = Crowd(project, cast, images[:2], overlap_max=3)
    ann, ben, *_ = crowd.people
    task = take(ann)
    send(ann, answer(ann, task))
    expire()
    say(ben, 1)
    assert (crowd.left(), crowd.counted()) == (2, 1)
    assert send(ann, answer(ann, task, **{"class": 0})) == ["corrected"]
    assert (crowd.left(), crowd.counted()) == (3, 0)
    label = crowd.label()
    assert (label.class_index, label.votes) == (1, 2)  # the corrected answer is the later one


def test_a_correction_changes_the_majority(one):
    ann, ben, *_ = one.people
    task = take(ann)
    send(ann, answer(ann, task, **{"class": 2}))
    say(ben, 0)
    send(ann, answer(ann, task, **{"class": 0}))
    label = one.label()
    assert (label.class_index, label.agreement, label.user) == (0, 1.0, ben.user)
    assert one.project.counter.label_spend == 2 * one.project.price_per_label


def test_an_undo_takes_one_vote_away(project, cast, images):
    crowd = Crowd(project, cast, images[:2])
    ann, ben, *_ = crowd.people
    task = take(ann)
    send(ann, answer(ann, task, **{"class": 2}))
    expire()
    say(ben, 0)
    assert send(ann, answer(ann, task, "withdrawn")) == ["withdrawn"]
    label = crowd.label()
    assert (label.class_index, label.votes, label.user) == (0, 1, ben.user)
    assert (crowd.left(), crowd.counted()) == (3, 0)
    paid = LedgerEntry.objects.values_list("user_id").annotate(sum=Sum("amount"))
    assert dict(paid) == {ann.user.pk: Decimal(0), ben.user.pk: crowd.project.price_per_label}


def test_a_late_answer_fills_a_slot_that_is_still_open(one):
    ann, ben, *_ = one.people
    task = take(ann)
    expire()
    assert take(ben) == task
    send(ben, answer(ben, task))
    assert send(ann, answer(ann, task)) == ["accepted"]  # the second slot
    assert one.label().votes == 2
    assert one.left() == 0


def test_a_late_answer_to_a_full_image_is_an_extra_vote(one):
    ann, ben, cem, _ = one.people
    task = take(ann)
    expire()
    say(ben, 1)
    say(cem, 1)
    late = answer(ann, task, **{"class": 0})
    assert send(ann, late) == ["extra"]
    assert send(ann, late) == ["duplicate"]
    label = one.label()
    assert (label.votes, label.agreement) == (2, 1.0)
    assert LedgerEntry.objects.count() == 2


def test_who_gave_an_extra_vote_may_fill_a_slot_that_opens_again(project, cast, images):
    crowd = Crowd(project, cast, images[:2])
    ann, ben, cem, _ = crowd.people
    task = take(ann)
    expire()
    bens = take(ben)
    send(ben, answer(ben, bens))
    expire()
    say(cem, 1)
    assert send(ann, answer(ann, task)) == ["extra"]
    send(ben, answer(ben, bens, "withdrawn"))
    Task.objects.filter(pk=bens).update(lease_until=timezone.now().replace(year=2020))
    image = Task.objects.get(pk=bens).image_id
    again = [held for held in next_tasks(access=ann, count=9).held if held.image_id == image]
    assert send(ann, answer(ann, again[0].task_id)) == ["accepted"]
    assert Answer.objects.filter(user=ann.user, superseded_by=None).count() == 1


def test_the_repeat_of_an_answer_that_filled_another_slot_is_a_duplicate(one):
    ann, ben, *_ = one.people
    task = take(ann)
    expire()
    send(ben, answer(ben, take(ben)))
    late = answer(ann, task)
    assert send(ann, late, late) == ["accepted", "duplicate"]
    assert Answer.objects.get(user=ann.user).task_id != task


def test_people_work_on_different_images_and_none_waits(project, cast, images):
    crowd = Crowd(project, cast, images)
    first, second = (next_tasks(access=who, count=9) for who in crowd.people[:2])
    assert len(ids(first)) == len(ids(second)) == 9
    assert set(ids(first)).isdisjoint(ids(second))


def test_two_people_finish_a_batch(project, cast, images):
    crowd = Crowd(project, cast, images)
    ann, ben, *_ = crowd.people
    for who in (ann, ben, ann, ben, ann, ben):
        held = ids(next_tasks(access=who, count=20))
        assert set(send(who, *[answer(who, task) for task in held])) <= {"accepted"}
    assert crowd.left() == 0
    assert set(Label.objects.values_list("votes", flat=True)) == {2}


# --- one person alone ----------------------------------------------------------------------------


@pytest.fixture
def alone(project, cast, images, monkeypatch):
    """Ann has answered 60 images once each, by twenties; nobody else is there."""
    monkeypatch.setattr(claims, "WINDOW", 16)
    crowd = Crowd(project, cast, images + add_images(project, 60))
    ann, *_ = crowd.people
    for _ in range(3):
        held = ids(next_tasks(access=ann, count=20))
        send(ann, *[answer(ann, task) for task in held])
    return crowd


def test_one_person_alone_does_not_walk_over_what_they_answered(alone):
    ann, *_ = alone.people
    held = ids(next_tasks(access=ann, count=9))
    with CaptureQueriesContext(connection) as queries:
        submit(access=ann, answers=[answer(ann, held[0])], count=1, holding=held[1:])
    claimed = [q["sql"] for q in queries if " SET lease_user_id = " in q["sql"]]
    assert len(claimed) == 1
    if connection.vendor == "sqlite":  # PostgreSQL's plan depends on its statistics
        plan = query_plan(claimed[0])
        assert "task_open (project_id=? AND rank>?)" in plan
        assert "TEMP B-TREE" not in plan
    assert QueueCursor.objects.get(user=ann.user).rank > 40 * 16


def test_a_window_is_read_from_the_partial_index(alone):
    ann, *_ = alone.people
    with CaptureQueriesContext(connection) as queries:
        next_tasks(access=ann, count=9)
    window = next(q["sql"] for q in queries if "LIMIT 16" in q["sql"])
    if connection.vendor == "sqlite":  # PostgreSQL's plan depends on its statistics
        plan = query_plan(window)
        assert "task_open" in plan
        assert "TEMP B-TREE" not in plan


def test_others_begin_where_their_own_cursor_is(alone):
    ben = alone.people[1]
    first = Task.objects.filter(state="open").order_by("rank").values_list("pk", flat=True)[:5]
    assert ids(next_tasks(access=ben, count=5)) == list(first)


def test_what_is_taken_back_is_found_behind_the_cursors(alone):
    """Ann's cursor has passed both slots of the image that she takes back."""
    ann, ben, *_ = alone.people
    taken_back = Answer.objects.filter(user=ann.user).order_by("created").first()
    send(ann, answer(ann, taken_back.task_id, "withdrawn"))
    expire()
    first, second = Task.objects.filter(image_id=taken_back.image_id).order_by("slot")
    assert send(ben, answer(ben, first.pk)) == ["accepted"]
    held, more = [], ids(next_tasks(access=ann, count=100))
    while more:
        held += more
        more = ids(next_tasks(access=ann, count=100, holding=held))
    assert second.pk in held


def test_a_new_batch_lies_behind_every_cursor(alone):
    ann, ben, *_ = alone.people
    for who in (ben, ann, ben, ann):
        while held := ids(next_tasks(access=who, count=20)):
            send(who, *[answer(who, task) for task in held])
    assert alone.left() == 0
    fresh = add_images(alone.project, 3)
    following = alone.open([image.seq for image in fresh], id_="y")
    assert len(ids(next_tasks(access=ann, count=9))) == 3
    assert following.remaining == 6


def test_the_last_images_of_others_are_taken_over_once_each(project, cast, images):
    crowd = Crowd(project, cast, images[:3])
    ann, ben, *_ = crowd.people
    mine = ids(next_tasks(access=ann, count=3))
    theirs = next_tasks(access=ben, count=9).held
    assert [held.task_id for held in theirs] == mine[1:]
    assert len({held.image_id for held in theirs}) == 2
