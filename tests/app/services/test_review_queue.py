"""The reviewers' queue: who gets what, and what is shown."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from labelapp.errors import InvalidInputError
from labelapp.models import LabelBatch, Review
from labelapp.selectors import reviews as found_reviews
from labelapp.services import reviews
from tests.app.conftest import open_batch
from tests.app.services.labelling_help import entry
from tests.app.services.review_help import asked, labelled, passed_on

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(project, images) -> LabelBatch:
    return open_batch(project, images, "residual")


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
