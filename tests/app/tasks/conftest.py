"""A project with real little images and a trainer that starts at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelapp import queue
from labelapp.models import Curation, Run
from labelapp.selectors import curations as found
from labelapp.selectors.projects import access
from labelapp.services import curation_program, curations, programs
from labelapp.services import training as trainings
from labelapp.services.curation_settings import CurationSettings
from tests.app.curation_world import finish
from tests.app.tasks import driving
from tests.app.tasks.driving_commands import FAKE_SEARCH
from tests.app.tasks.searches import IMAGES, SETTINGS


@pytest.fixture(scope="session", autouse=True)
def _looking_often():
    """See at once that the fake trainer, which takes a moment, has ended."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainings, "POLL_SECONDS", 0.03)
        yield


@pytest.fixture
def fake_trainer(settings):
    settings.TRAINER_COMMAND = driving.FAKE_TRAINER


@pytest.fixture
def ready(project, settings):
    """The project with 600 images of 16x16, ready to start."""
    driving.fill(project, Path(settings.MEDIA_ROOT), 600)
    return project


@pytest.fixture
def owner(cast, project):
    """The owner's access to the project."""
    return access(cast.owner, project.public_id)


@pytest.fixture
def training(ready, cast, fake_trainer):
    """A run that waits for its first training, with that job."""
    driving.start(ready, cast.owner)
    while ready.run.request_kind == "label":
        driving.answer_all(ready, cast.annotator)
        job = ready.jobs.filter(kind="advance", state="waiting").first()
        driving.do_one(job)
        ready.run.refresh_from_db()
    return ready.jobs.get(kind="train")


@pytest.fixture
def behave(settings):
    """Return a function that tells the fake trainer what to do."""

    def tell(what: str) -> None:
        root = Path(settings.JOBS_ROOT)
        root.mkdir(parents=True, exist_ok=True)
        (root / "behave.txt").write_text(what)

    return tell


@pytest.fixture
def over(project, settings, monkeypatch):
    """A finished project of real images; every 17th is a test mark."""
    monkeypatch.setattr(programs, "lower_priority", lambda _pid, _niceness: None)  # a busy machine
    settings.SEARCH_COMMAND = FAKE_SEARCH
    driving.fill(project, Path(settings.MEDIA_ROOT), IMAGES)
    images = list(project.images.order_by("seq"))
    finish(project, images)
    run = Run.objects.get(project=project)
    Run.objects.update(config={"classes": 3, "training": {"epochs": 1}})
    run.test_marks.bulk_create(
        run.test_marks.model(run=run, image=one, seq=one.seq) for one in images if one.seq % 17 == 0
    )
    project.counter.refresh_from_db()
    project.counter.train = IMAGES - project.counter.machine
    project.counter.save()
    return project


@pytest.fixture
def begin(over, owner):
    """Return a function that starts a search in the finished project."""

    def start(**changes) -> Curation:
        asked = CurationSettings.of(SETTINGS.as_json() | changes)
        return curations.start(access=access(owner.user, over.public_id), settings=asked)

    return start


@pytest.fixture
def while_it_runs(monkeypatch):
    """Return a function that has `action(pid)` called at each report of the running search."""
    monkeypatch.setattr(curation_program, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(queue, "TICK_SECONDS", 0.05)
    tick = queue.JobControl.tick

    def watch(record: Curation, action) -> None:
        file = found.folder(record) / "pid"

        def telling(control, *args) -> None:
            tick(control, *args)
            if file.exists() and file.read_text():
                action(int(file.read_text()))

        monkeypatch.setattr(queue.JobControl, "tick", telling)

    return watch
