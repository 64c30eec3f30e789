"""Several networks in one training request: each is trained, accepted and paid on its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from labelapp import queue
from labelapp.models import Event, Job, LedgerEntry, Project
from labelapp.selectors.runs import run_status
from labelapp.services import outstanding, pool_tensor
from labelapp.services import training as service
from tests.app.tasks import driving

pytestmark = pytest.mark.django_db

ARCHS = ["cnn_small", "resnet18"]


@pytest.fixture
def racing(ready, cast, fake_trainer):
    """A run of two networks that waits for its first training, with that job."""
    Project.objects.filter(pk=ready.pk).update(rivals=["resnet18"], acquisition="k_center")
    ready.refresh_from_db()
    driving.start(ready, cast.owner)
    while ready.run.request_kind == "label":
        driving.answer_all(ready, cast.annotator)
        driving.do_one(ready.jobs.filter(kind="advance", state="waiting").first())
        ready.run.refresh_from_db()
    return ready.jobs.get(kind="train")


def models(project) -> list[str]:
    return list(project.run.models.order_by("pk").values_list("arch", flat=True))


def test_one_job_trains_each_network_and_wakes_the_engine_once(racing, ready, settings):
    assert driving.do_one(racing) == "done"
    assert models(ready) == ARCHS
    keys = LedgerEntry.objects.filter(purpose="compute").values_list("key", flat=True)
    assert sorted(keys) == [f"training:001-train:{arch}" for arch in ARCHS]
    assert Job.objects.filter(kind="advance", state="waiting").count() == 1
    folders = {Path(settings.MEDIA_ROOT) / model.folder for model in ready.run.models.all()}
    assert len(folders) == 2
    assert list((Path(settings.JOBS_ROOT) / ready.public_id / "training").glob("*/*")) == []


def test_a_network_that_fails_is_tried_again_without_repeating_the_others(racing, ready, behave):
    behave("fail resnet18")
    assert driving.do_one(racing) == "will be tried again"
    assert models(ready) == ["cnn_small"]
    assert outstanding.missing_models(ready.run) == ["resnet18"]
    assert not Job.objects.filter(kind="advance", state="waiting").exists()
    assert run_status(ready).state != "deciding"
    behave("")
    assert driving.do_one(racing) == "done"
    assert models(ready) == ARCHS
    started = Event.objects.filter(type="training.started").order_by("seq")
    assert [event.payload["arch"] for event in started] == [*ARCHS, "resnet18"]
    assert LedgerEntry.objects.filter(purpose="compute").count() == 2


def test_progress_counts_over_all_networks(racing, ready):
    job = queue.claim(racing.pk)
    images = pool_tensor.ensure(ready, ready.run.n, lambda share: None)
    attempt = service.prepare(ready.run, job, images, "resnet18")
    halfway = {"phase": "train", "step": 2, "steps": 4, "seconds_left": 3.0}
    (attempt.folder / "progress.json").write_text(json.dumps(halfway))
    told = service._progress(attempt)
    assert told["progress"] == pytest.approx((1 + 0.5 * service.TRAIN_SHARE) / 2, abs=1e-3)
    assert service._message(attempt).startswith("Training resnet18 (2 of 2) on ")


def test_only_the_first_network_is_asked_for_its_last_layer(racing, ready, settings):
    driving.do_one(racing)
    first, second = (Path(settings.MEDIA_ROOT) / m.folder for m in ready.run.models.order_by("pk"))
    assert np.load(first / "features.npy").shape == (600, 1)
    assert np.load(first / "probs.npy").shape == (600, 3)
    assert not (second / "features.npy").exists()
    assert not (second / "probs.npy").exists()


def test_the_iteration_keeps_the_leaders_record_and_those_of_the_others(racing, ready):
    driving.do_jobs()
    iteration = ready.run.iterations.get()
    told = [iteration.record, *iteration.others]
    assert sorted(record["arch"] for record in told) == ARCHS
    assert iteration.model.arch == iteration.record["arch"]
    assert iteration.seconds == sum(r["train_seconds"] + r["score_seconds"] for r in told)
    ready.run.refresh_from_db()
    assert iteration.record["arch"] == ready.run.state["state"]["live"][0]


def test_features_of_earlier_trainings_are_deleted(racing, ready, cast, settings):
    driving.do_jobs()
    driving.answer_all(ready, cast.annotator)
    driving.do_jobs()
    root = Path(settings.MEDIA_ROOT) / "models" / ready.public_id
    for name in ("features", "probs"):
        assert [path.parent.name[:3] for path in root.glob(f"*/{name}.npy")] == ["002"]
