"""An image that is excluded: asked no more, counted no more, never back by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from labelapp.errors import ConflictError, ForbiddenError, NotFoundError
from labelapp.models import (
    Exclusion,
    Label,
    LabelBatch,
    Membership,
    Project,
    ProjectCounter,
    Task,
    TrainItem,
)
from labelapp.rights import Role
from labelapp.services.exclusions import exclude
from labelapp.services.labelling import heartbeat, next_tasks
from tests.app.conftest import open_batch
from tests.app.services.labelling_help import answer, entry, ids
from tests.app.services.test_labelling_answers import send, take


@pytest.fixture
def batch(project, images) -> LabelBatch:
    return open_batch(project, images[:2], "residual")


def test_an_excluded_image_is_asked_no_more_and_its_batch_closes(owner, ann, project):
    task, other = ids(next_tasks(access=ann, count=2))
    send(ann, answer(ann, other))
    found = exclude(access=owner, task_id=task, reason="  a black\n picture ")
    assert found.reason == "a black picture"
    batch = LabelBatch.objects.get()
    assert (batch.state, batch.remaining) == ("done", 0)
    counter = ProjectCounter.objects.get(project=project)
    assert (counter.residual, counter.excluded) == (1, 1)
    assert heartbeat(access=ann, holding=[task]) == [task]


def test_an_answer_that_comes_after_the_exclusion_is_kept_as_an_extra_vote(owner, ann):
    task = take(ann)
    exclude(access=owner, task_id=task.pk)
    assert send(ann, answer(ann, task.pk)) == ["extra"]
    assert not Label.objects.exists()


def test_an_image_with_a_label_can_be_excluded(owner, ann, project):
    task = take(ann)
    send(ann, answer(ann, task.pk))
    exclude(access=owner, image_id=task.image_id)
    assert not Label.objects.exists()
    counter = ProjectCounter.objects.get(project=project)
    assert (counter.residual, counter.excluded) == (0, 1)
    assert counter.label_spend == project.price_per_label  # the answer stays paid
    assert LabelBatch.objects.get().remaining == 1


def test_nobody_brings_an_excluded_image_back(project, ann, ben, owner):
    Project.objects.filter(pk=project.pk).update(overlap=2, overlap_max=4)
    Task.objects.update(wanted=2)
    LabelBatch.objects.update(remaining=4, size=4)
    me, other = entry(project, ann.user), entry(project, ben.user)
    task = take(me)
    send(me, answer(me, task.pk))
    Task.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    for held in next_tasks(access=other, count=9).held:
        if held.image_id == task.image_id:
            send(other, answer(other, held.task_id))
    assert Label.objects.get().votes == 2
    exclude(access=owner, image_id=task.image_id)
    assert send(me, answer(me, task.pk, "withdrawn")) == ["conflict"]
    assert send(me, answer(me, task.pk, **{"class": 0})) == ["corrected"]  # they differ now
    assert not Task.objects.filter(image_id=task.image_id).exclude(state="done").exists()
    assert not Label.objects.exists()
    assert LabelBatch.objects.get().remaining == 2


def test_to_exclude_twice_changes_nothing_more(owner, ann):
    task = take(ann)
    first = exclude(access=owner, task_id=task.pk, reason="a")
    assert exclude(access=owner, task_id=task.pk, reason="b") == first
    assert Exclusion.objects.get().reason == "a"
    assert LabelBatch.objects.get().remaining == 1


def test_only_reviewers_exclude_and_only_in_their_project(owner, ann, eve, project, cast):
    task = take(ann)
    with pytest.raises(ForbiddenError):
        exclude(access=ann, task_id=task.pk)
    other = Project.objects.create(name="Other")
    Membership.objects.create(project=other, user=cast.owner, role=Role.OWNER)
    for wrong in ({"task_id": task.pk}, {"image_id": task.image_id}, {}):
        with pytest.raises(NotFoundError):
            exclude(access=entry(other, cast.owner), **wrong)
    exclude(access=eve, task_id=task.pk)


def test_what_the_machine_labelled_is_not_excluded(owner, images, project):
    Label.objects.create(
        image=images[7], project=project, seq=7, class_index=0, source="machine", purpose="machine"
    )
    with pytest.raises(ConflictError):
        exclude(access=owner, image_id=images[7].pk)


def test_an_image_of_an_audit_that_was_judged_is_not_excluded(owner, project, images, cast):
    batch = open_batch(project, images[5:6], "audit")
    Task.objects.exclude(batch=batch).update(state="done")
    me = entry(project, cast.annotator)
    send(me, answer(me, take(me).pk))
    with pytest.raises(ConflictError):
        exclude(access=owner, image_id=images[5].pk)
    TrainItem.objects.create(run=batch.run, image=images[5], seq=5, iteration=2)
    ProjectCounter.objects.update(train=1, audit=0)  # as when it joined B
    exclude(access=owner, image_id=images[5].pk)
    assert ProjectCounter.objects.get(project=project).train == 0
