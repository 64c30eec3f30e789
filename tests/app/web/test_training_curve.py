"""Loss and accuracy per epoch: from the trainer's file over events to the page's numbers."""

from __future__ import annotations

import pytest
from django.urls import reverse

from labelapp.models import Job, ModelVersion, Run, TrainItem
from labelapp.selectors.training_curves import training_curve
from labelapp.services import training_epochs
from tests.app import dashboard_data as data

pytestmark = pytest.mark.django_db


def rows(first: int, last: int, run: int = 1) -> list[list[float]]:
    return [[run, epoch, 2.0 / epoch, 1 - 1 / (1 + epoch)] for epoch in range(first, last + 1)]


def trains(project) -> Job:
    return Job.objects.create(kind="train", key="train:1", project=project, state="running")


def tell(project, epochs, arch: str = "cnn_small", **more) -> None:
    payload = {"iteration": 3, "arch": arch, "runs": 1, "epochs": epochs, **more}
    data.say(project, "training.progress", payload)


@pytest.fixture
def run(project) -> Run:
    return data.start(project)


def begin(project, arch: str = "cnn_small") -> None:
    started = {"iteration": 3, "size": 450, "attempt": 1, "arch": arch}
    data.say(project, "training.started", started)


# --- what an event carries --------------------------------------------------------------------


def test_an_event_carries_what_ended_since_the_one_before():
    news = training_epochs.News()
    first = news.of({"step": 1, "epochs": rows(1, 3)})
    assert first == {"step": 1, "epochs": rows(1, 3)}
    assert news.of({"step": 2, "epochs": rows(1, 3)}) == {"step": 2}
    assert news.of({"epochs": rows(1, 5)})["epochs"] == rows(4, 5)
    assert news.of({"epochs": rows(1, 5) + rows(1, 2, run=2)})["epochs"] == rows(1, 2, run=2)


def test_many_short_epochs_are_thinned_and_the_last_one_stays():
    found = training_epochs.News().of({"epochs": rows(1, 300)})["epochs"]
    assert len(found) <= training_epochs.MOST
    assert found[-1] == rows(300, 300)[0]
    assert found == sorted(found)
    kept = training_epochs.kept({"epochs": rows(1, 400), "steps": 3})
    assert len(kept["epochs"]) <= training_epochs.KEPT
    assert kept["steps"] == 3


def test_the_log_says_loss_and_accuracy():
    assert training_epochs.words({"epochs": [[1, 4, 0.5123, 0.8125]]}) == (
        ", loss 0.512, accuracy 81.2%"
    )
    assert training_epochs.words({"epochs": []}) == training_epochs.words({}) == ""


# --- what pages get -----------------------------------------------------------------------------


def test_before_the_first_training_there_is_nothing(project):
    assert training_curve(project)["state"] == "none"
    assert training_curve(project)["rows"] == []


def test_a_training_that_goes_on_shows_all_that_was_told(project, run):
    begin(project)
    tell(project, rows(1, 2))
    data.say(project, "training.finished", {"iteration": 2})
    trains(project)
    begin(project)
    tell(project, rows(1, 3))
    tell(project, rows(4, 5))
    data.say(project, "training.progress", {"iteration": 3, "arch": "cnn_small"})
    found = training_curve(project)
    assert found["state"] == "training"
    assert found["rows"] == rows(1, 5)
    assert (found["iteration"], found["size"], found["runs"]) == (3, 450, 1)
    assert found["says"].startswith("Training 3 goes on, with 450 images.")


def test_each_network_of_a_race_has_its_own_picture(project, run):
    trains(project)
    begin(project)
    tell(project, rows(1, 3))
    data.say(project, "training.finished", {"iteration": 3, "arch": "cnn_small"})
    begin(project, "resnet18")
    tell(project, rows(1, 1), arch="resnet18")
    found = training_curve(project)
    assert (found["arch"], found["rows"]) == ("resnet18", rows(1, 1))


def test_otherwise_the_last_training_that_ended_is_shown(project, run, images):
    for number, image in enumerate(images[:3]):
        TrainItem.objects.create(run=run, image=image, seq=image.seq, iteration=number)
    metrics = {"epochs": rows(1, 4), "runs": 2}
    made = {"folder": "x", "sha256": "y", "metrics": metrics}
    ModelVersion.objects.create(run=run, iteration=1, arch="resnet18", **made)
    ModelVersion.objects.create(run=run, iteration=2, arch="cnn_small", **made)
    found = training_curve(project)
    assert (found["state"], found["arch"], found["runs"]) == ("finished", "cnn_small", 2)
    assert found["rows"] == rows(1, 4)
    assert "2 images" in found["says"]


def test_a_model_of_before_kept_no_epochs(project, run):
    ModelVersion.objects.create(run=run, iteration=1, arch="cnn_small", folder="x", sha256="y")
    assert training_curve(project)["rows"] == []


def test_the_address_says_nothing_where_nothing_is_new(project, cast, run, sign_in):
    browser = sign_in(cast.manager)
    url = reverse("training_curve", args=[project.public_id])
    assert browser.get(url).json()["state"] == "none"
    trains(project)
    begin(project)
    tell(project, rows(1, 1))
    version = browser.get(url).json()["version"]
    assert browser.get(url, {"shown": version}).status_code == 204
    tell(project, rows(2, 2))
    assert browser.get(url, {"shown": version}).json()["rows"] == rows(1, 2)


def test_it_takes_few_queries_however_long_the_training(
    project, run, django_assert_max_num_queries
):
    trains(project)
    begin(project)
    for epoch in range(1, 30):
        tell(project, rows(epoch, epoch))
    with django_assert_max_num_queries(4):
        assert len(training_curve(project)["rows"]) == 29


def test_the_jobs_page_has_the_picture(project, cast, sign_in):
    text = sign_in(cast.manager).get(reverse("project_jobs", args=[project.public_id])).content
    assert b'id="training-curve"' in text
    assert reverse("training_curve", args=[project.public_id]).encode() in text
