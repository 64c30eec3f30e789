"""An ensemble in a project: its members are checked, kept, read by M(.), and pruned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from labelapp import engine, queue
from labelapp.models import Job, Project
from labelapp.services import model_files, training
from tests.app.tasks import driving

pytestmark = pytest.mark.django_db

ARCH = "cnn_small+checkpoints=3+seeds=2"


@pytest.fixture
def together(ready, cast, fake_trainer):
    """A run of one ensemble that waits for its first training, with that job."""
    Project.objects.filter(pk=ready.pk).update(arch=ARCH, acquisition="mutual_information")
    ready.refresh_from_db()
    driving.start(ready, cast.owner)
    while ready.run.request_kind == "label":
        driving.answer_all(ready, cast.annotator)
        driving.do_one(ready.jobs.filter(kind="advance", state="waiting").first())
        ready.run.refresh_from_db()
    return ready.jobs.get(kind="train")


def folders(project, settings) -> list[Path]:
    models = project.run.models.order_by("pk")
    return [Path(settings.MEDIA_ROOT) / model.folder for model in models]


def test_members_are_kept_and_people_get_what_they_disagree_on(together, ready, settings):
    driving.do_jobs()
    (folder,) = folders(ready, settings)
    assert len(list((folder / "members").iterdir())) == 6
    assert not (folder / "model.pt").exists()
    model = ready.run.models.get()
    assert model.sha256 == model_files.file_hash(folder / "members.sha256")
    assert model.metrics["members"] == 6
    ready.run.refresh_from_db()
    assert ready.run.request_kind == "label"
    scores = engine.scores_of(engine.Frozen(folder, model.sha256))
    np.testing.assert_array_equal(scores.mutual, np.load(folder / "mutual.npy"))
    assert scores.variation.shape == scores.mutual.shape


def test_an_ensemble_with_a_lost_member_is_a_failed_attempt(together, ready, behave):
    behave("lose_member")
    assert driving.do_one(together) == "will be tried again"
    assert not ready.run.models.exists()
    behave("")
    assert driving.do_one(together) == "done"


def test_members_of_an_attempt_that_was_killed_do_not_pile_up(together, ready, behave):
    behave("lose_member")
    driving.do_one(together)
    left = list(training.run_folder(ready.run).glob("*/*"))
    assert any((attempt / "members").exists() for attempt in left)
    Job.objects.update(not_before=None)
    training.prepare(ready.run, queue.claim(together.pk), Path("pool.npy"), ARCH)
    assert all(attempt.exists() for attempt in left)  # what was said of it stays
    assert not any((attempt / "members").exists() for attempt in left)


def test_old_members_go_and_their_list_stays(together, ready, cast, settings):
    driving.do_jobs()
    driving.answer_all(ready, cast.annotator)
    driving.do_jobs()
    old, new = folders(ready, settings)
    assert not (old / "members").exists()
    assert (old / "members.sha256").exists()
    assert len(list((new / "members").iterdir())) == 6


@pytest.mark.parametrize("name", ["mutual", "variation"])
def test_measures_of_disagreement_are_checked_like_all_scores(together, ready, settings, name):
    driving.do_jobs()
    (folder,) = folders(ready, settings)
    metrics = ready.run.models.get().metrics
    project = ready.run.config
    model_files.check(folder, metrics, ready.run.n, project["classes"])
    values = np.load(folder / f"{name}.npy")
    np.save(folder / f"{name}.npy", values[:-1])
    with pytest.raises(model_files.BadModelError, match=name):
        model_files.check(folder, metrics, ready.run.n, project["classes"])
