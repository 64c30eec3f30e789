"""A project with real little images and a trainer that starts at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelapp.selectors.projects import access
from labelapp.services import training as trainings
from tests.app.tasks import driving


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
