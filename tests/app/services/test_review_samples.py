"""Random samples for the reviewers: how they are drawn."""

from __future__ import annotations

import pytest

from labelapp.errors import ForbiddenError, InvalidInputError
from labelapp.models import Event, Label, LabelBatch, Membership, Review
from labelapp.selectors import reviews as found_reviews
from labelapp.services import review_samples
from tests.app.conftest import open_batch
from tests.app.services.labelling_help import entry
from tests.app.services.review_help import labelled

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(project, images) -> LabelBatch:
    return open_batch(project, images, "residual")


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
