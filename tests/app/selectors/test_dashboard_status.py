"""The overview says what happens, who is at work, and what can be done next."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from labelapp.models import Answer, Import, LabelClass, Project, ProjectCounter, Run, WorkerBeat
from labelapp.selectors.dashboard import overview
from labelapp.selectors.dashboard_people import _person
from labelapp.selectors.project_list import project_rows
from tests.app import dashboard_data as data
from tests.app.conftest import add_images, open_batch
from tests.app.selectors.dashboard_look import actions


@pytest.fixture
def running(project) -> Run:
    data.beat()
    return data.running(project)


def test_an_empty_project_asks_for_images(project):
    found = actions(project)
    assert found["project_images"]["primary"]
    assert found["run_start"]["reason"] == "There are no images yet."


def test_the_start_button_says_what_it_buys_and_for_how_much(project):
    data.set_up_images(project)
    start = actions(project)["run_start"]
    assert start["label"] == "Start: people label 600 images first ($24.00)"
    assert start["primary"]
    assert start["reason"] == ""


def test_repeats_are_in_the_price_of_the_start(project):
    data.set_up_images(project)
    Project.objects.filter(pk=project.pk).update(overlap=2)
    assert "($48.00)" in actions(project)["run_start"]["label"]


def test_too_few_images_disable_the_start_with_the_number_needed(project):
    ProjectCounter.objects.filter(project=project).update(images=12)
    assert actions(project)["run_start"]["reason"] == "At least 19 images are needed."


def test_an_import_disables_the_start(project):
    data.beat()
    data.set_up_images(project)
    Import.objects.create(project=project, kind="zip", source="x", state="running")
    assert "import" in actions(project)["run_start"]["reason"]


@pytest.mark.parametrize("state", ["uploading", "waiting", "running"])
def test_a_project_that_images_come_into_is_not_called_ready(project, cast, state):
    data.set_up_images(project)
    assert project_rows(cast.owner)[0].state == "Ready to start"
    Import.objects.create(project=project, kind="zip", source="x", state=state)
    assert project_rows(cast.owner)[0].state == "Images are coming in"


def test_a_browser_that_still_sends_images_is_told_of_before_the_start(project):
    data.beat()
    data.set_up_images(project)
    assert "sending" not in overview(project)["status"]["message"]
    Import.objects.create(project=project, kind="files", source="x", state="uploading")
    assert "A browser is still sending images." in overview(project)["status"]["message"]


def test_the_list_of_projects_says_the_same_of_people_alone(running, project, cast):
    Project.objects.filter(pk=project.pk).update(price_per_label="0.06")
    Run.objects.update(config={"prices": {"label": 0.06}})
    data.say(project, "run.changed")
    alone = project_rows(cast.owner)[0].human_only
    assert f"${alone:,.2f}" == overview(project)["ledger"]["human_only"]


@pytest.mark.parametrize(
    ("status", "button"),
    [("running", "run_pause"), ("paused", "run_resume"), ("finished", "project_export")],
)
def test_each_state_offers_its_next_step(running, project, status, button):
    Project.objects.filter(pk=project.pk).update(status=status)
    assert next(iter(actions(project))) == button


def test_a_failed_run_can_be_tried_again(running, project):
    Run.objects.filter(pk=running.pk).update(failure="out of memory")
    found = overview(project)["status"]
    assert (found["state"], found["message"]) == ("failed", "out of memory")
    assert found["actions"][0]["label"] == "Try again"


def test_a_training_shows_its_progress_and_time_left(project):
    data.beat()
    data.training(project)
    job = overview(project)["status"]["job"]
    assert job["percent"] == 40
    assert job["left"].startswith("about 3")


def test_the_engines_last_decision_is_told_once(project):
    data.beat()
    data.training(project)
    status = overview(project)["status"]
    assert status["decision"] == (
        "After training 6 the engine adds 163\u00a0images to training to make sure before it stops, "
        "since no plan saves 1\u00a0% or more over stopping now."
    )


def test_labelling_without_a_worker_carries_a_warning(project):
    data.running(project)
    assert "No worker is running" in overview(project)["status"]["warning"]
    data.beat()
    assert overview(project)["status"]["warning"] == ""


def test_training_without_a_worker_says_so_and_how_to_start_one(project):
    data.training(project)
    WorkerBeat.objects.all().delete()
    status = overview(project)["status"]
    assert status["title"] == "No worker is running"
    assert "make run" in status["message"]


def test_who_labels_now_is_named_with_their_pace(cast, project):
    batch = open_batch(project, add_images(project, 20))
    label_class = LabelClass.objects.get(project=project, index=0)
    for number, task in enumerate(batch.tasks.all()[:10]):
        Answer.objects.create(
            id=f"{number:032x}",
            task=task,
            batch=batch,
            project=project,
            image=task.image,
            user=cast.annotator,
            kind="class",
            label_class=label_class,
        )
    # all within the last moments: counted over the shortest time that says something, 30 s
    assert overview(project)["people"]["now"] == [{"name": "Ann", "per_minute": 20.0}]
    assert overview(project)["people"]["per_minute"] == 20.0


def test_the_pace_counts_from_a_persons_first_answer_of_the_last_minutes():
    now = timezone.now()
    row = {"user__display_name": "Ann", "user__email": "a@example.org", "recent": 30}
    row |= {"first": now - timedelta(minutes=2), "last": now - timedelta(seconds=90)}
    one = _person(row, now)
    assert (one["per_minute"], one["present"]) == (15.0, False)


def test_time_left_is_told_only_while_people_are_at_work(running, project):
    batch = overview(project)["people"]["batch"]
    assert (batch["done"], batch["remaining"], batch["time_left"]) == (80, 73, "")
