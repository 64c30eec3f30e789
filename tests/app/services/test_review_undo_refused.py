"""A reviewer's decision that something was built on: it stands, with a clear word why."""

from __future__ import annotations

import pytest
from django.utils import timezone

from labelapp.errors import ConflictError
from labelapp.models import AuditLog, GoldItem, Job, Label, LabelBatch, Review
from labelapp.services import exclusions, reviews
from labelapp.services.review_decisions import decide
from labelapp.services.review_undo import undo
from tests.app.conftest import open_batch
from tests.app.services.review_help import passed_on
from tests.app.services.review_undo_help import (
    ACCEPT,
    BACK,
    EXCLUDE,
    STAR,
    asked,
    everything,
    labelled,
    say,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(project, images) -> LabelBatch:
    return open_batch(project, images, "residual")


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
