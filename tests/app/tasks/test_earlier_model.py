"""A candidate with pseudo-labels gets its model of the round before, as files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from labelapp.models import ModelVersion, Project, TrainItem
from labelapp.services import earlier_model, pool_tensor
from labelapp.services import training as service
from tests.app.tasks import driving

pytestmark = pytest.mark.django_db

ARCH = "cnn_small+pseudo"


@pytest.fixture
def own_lessons(ready, cast, fake_trainer):
    """A run of a network with pseudo-labels that waits for its first training, with that job."""
    settings = {**ready.settings, "training": {"pseudo_weight": 0.25, "epochs": 3}}
    Project.objects.filter(pk=ready.pk).update(arch=ARCH, rivals=[], settings=settings)
    ready.refresh_from_db()
    driving.start(ready, cast.owner)
    while ready.run.request_kind == "label":
        driving.answer_all(ready, cast.annotator)
        driving.do_one(ready.jobs.filter(kind="advance", state="waiting").first())
        ready.run.refresh_from_db()
    return ready.jobs.get(kind="train")


def asked_for(project, job) -> tuple[Path, dict]:
    """Write the request of the training that the run waits for; return its folder and content."""
    images = pool_tensor.ensure(project, project.run.n, lambda share: None)
    attempt = service.prepare(project.run, job, images, ARCH)
    return attempt.folder, json.loads((attempt.folder / "request.json").read_text())


def test_the_first_training_has_none_and_takes_the_projects_settings(own_lessons, ready):
    _, request = asked_for(ready, own_lessons)
    assert request["earlier"] is None
    assert request["training"] == {"pseudo_weight": 0.25, "epochs": 3}


def second_training(ready, job, cast):
    """Do the first training and label the next batch; return the job of the second training."""
    driving.do_one(job)
    while True:
        advance = ready.jobs.filter(kind="advance", state="waiting").first()
        if advance is not None:
            driving.do_one(advance)
        ready.run.refresh_from_db()
        if ready.run.request_kind == "train":
            return ready.jobs.filter(kind="train", state="waiting").first()
        driving.answer_all(ready, cast.annotator)


def test_the_second_one_gets_scores_and_b_of_the_first(own_lessons, ready, cast):
    first_b = list(TrainItem.objects.order_by("seq").values_list("seq", flat=True))
    job = second_training(ready, own_lessons, cast)
    folder, request = asked_for(ready, job)
    assert request["earlier"]["round"] == 1
    assert list(np.load(folder / request["earlier"]["train_items"])) == first_b
    scores = folder / request["earlier"]["folder"]
    model = ModelVersion.objects.get()
    for name in ("pred", "uncertainty", "least"):
        kept = np.load(earlier_model.model_files.folder_of(model) / f"{name}.npy")
        assert np.array_equal(np.load(scores / f"{name}.npy"), kept)
    assert len(np.load(folder / "train_items.npy")) > len(first_b)


def test_scores_that_are_gone_teach_nothing(own_lessons, ready, cast, settings):
    job = second_training(ready, own_lessons, cast)
    (earlier_model.model_files.folder_of(ModelVersion.objects.get()) / "least.npy").unlink()
    assert asked_for(ready, job)[1]["earlier"] is None


def test_images_that_were_added_are_none_that_the_model_is_sure_of(own_lessons, ready, cast):
    second_training(ready, own_lessons, cast)
    run = ready.run
    run.n += 5
    found = earlier_model._scores(ModelVersion.objects.get(), run)
    assert all(len(array) == run.n for array in found.values())
    assert list(found["least"][-5:]) == [1.0] * 5
