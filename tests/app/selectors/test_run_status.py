"""Where a run stands, in words that annotators and managers can use."""

from __future__ import annotations

import pytest
from django.utils import timezone

from labelapp import queue
from labelapp.models import Import, Job, LabelBatch, LabelClass, ModelVersion, Project, Run
from labelapp.selectors.runs import run_status
from tests.app.conftest import add_images, open_batch

pytestmark = pytest.mark.django_db


@pytest.fixture
def worker():
    queue.beat()


@pytest.fixture
def labelling(project, images):
    """A run that waits for a batch of 20."""
    batch = open_batch(project, images, "train")
    Run.objects.update(waiting_for=batch.request_id)
    return batch


@pytest.fixture
def waiting_for_training(project, labelling) -> Job:
    Run.objects.update(request_kind="train", waiting_for="001-train", iteration=1)
    key = f"train:{labelling.run_id}:001-train"
    return Job.objects.create(kind="train", key=key, project=project, target=labelling.run_id)


def state(project) -> str:
    return run_status(project).state


def test_without_images_it_is_being_set_up(project):
    assert run_status(project).next_step == "Import images."


def test_with_one_class_it_is_being_set_up(project, images):
    LabelClass.objects.filter(project=project, index__gt=0).delete()
    assert run_status(project).next_step == "Add classes."


def test_with_images_and_classes_it_is_ready(project, images):
    assert state(project) == "ready"


def test_an_import_is_shown_with_its_job(project, worker):
    Import.objects.create(project=project, kind="zip", source="x", state="running")
    assert state(project) == "importing"


def test_an_import_without_a_worker_says_how_to_start_one(project):
    Import.objects.create(project=project, kind="zip", source="x")
    status = run_status(project)
    assert status.state == "no_worker"
    assert "make run" in status.message


def test_labelling_says_how_many_wait_and_nothing_of_its_purpose(project, labelling):
    LabelBatch.objects.update(remaining=7, purpose="test")
    status = run_status(project)
    assert status.state == "labelling"
    assert status.message == "7 of 20 images of this round wait for labels."
    assert "test" in status.next_step


def test_a_closed_batch_is_being_decided_about(project, labelling, worker):
    LabelBatch.objects.update(state="done", remaining=0)
    assert state(project) == "deciding"


def test_a_closed_batch_without_a_worker_says_so(project, labelling):
    LabelBatch.objects.update(state="done", remaining=0)
    assert state(project) == "no_worker"


def test_a_training_says_how_long_it_takes(project, waiting_for_training, worker):
    job = queue.claim(waiting_for_training.pk)
    queue.JobControl(job).tick(0.4, "step 4", 40.0)
    status = run_status(project)
    assert status.state == "training"
    assert status.message == "The model is training, about 40 s."
    assert status.job.progress == 0.4


def test_a_training_that_waits_without_a_worker_says_so(project, waiting_for_training):
    assert state(project) == "no_worker"


def test_a_training_that_is_tried_again_says_so(project, waiting_for_training, worker):
    Job.objects.update(attempts=1, message="Trying again: the loss is NaN")
    assert "the loss is NaN" in run_status(project).message


def test_a_trained_model_is_being_decided_about(project, waiting_for_training, worker):
    run = Run.objects.get()
    ModelVersion.objects.create(run=run, iteration=1, arch="a", folder="f", sha256="s")
    assert state(project) == "deciding"


def test_a_paused_project_says_so(project, labelling):
    Project.objects.update(status="paused")
    project.refresh_from_db()
    assert run_status(project).message == "Labelling is paused."


def test_a_paused_project_tells_of_the_training_that_goes_on(project, waiting_for_training):
    queue.claim(waiting_for_training.pk)
    project.status = "paused"
    assert "goes on to its end" in run_status(project).message


def test_a_failure_is_shown_in_its_words(project, labelling):
    Run.objects.update(failure="The training failed: no disk left.")
    status = run_status(project)
    assert (status.state, status.message) == ("failed", "The training failed: no disk left.")


def test_a_finished_run_says_so(project, labelling):
    Run.objects.update(finished=timezone.now())
    assert state(project) == "finished"


def test_the_status_costs_few_queries(project, waiting_for_training, django_assert_max_num_queries):
    add_images(project, 5)
    with django_assert_max_num_queries(5):
        run_status(project)
