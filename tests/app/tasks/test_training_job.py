"""The training job: an attempt in its own folder, a checked result, one charge."""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from labelapp import queue
from labelapp.models import Event, Job, Label, LedgerEntry, TrainItem
from labelapp.selectors.runs import run_status
from labelapp.services import pool_tensor, runs
from labelapp.services import training as service
from tests.app.tasks import driving

pytestmark = pytest.mark.django_db


def attempt_folders(project, settings) -> list[Path]:
    return list((Path(settings.JOBS_ROOT) / project.public_id / "training").glob("*/*"))


def when_the_trainer_runs(settings, action) -> threading.Thread:
    """Call action(pid) in a thread as soon as the fake trainer has written its pid."""

    def watch() -> None:
        end = time.monotonic() + 300  # whoever gives up leaves a trainer that hangs for ever
        while time.monotonic() < end:
            for path in Path(settings.JOBS_ROOT).glob("*/training/*/*/pid"):
                if path.read_text() and (path.parent / "progress.json").exists():
                    action(int(path.read_text()))
                    return
            time.sleep(0.02)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_a_training_makes_a_model_charges_once_and_wakes_the_engine(training, ready, settings):
    assert driving.do_one(training) == "done"
    model = ready.run.models.get()
    assert (Path(settings.MEDIA_ROOT) / model.folder / "pred.npy").exists()
    entry = LedgerEntry.objects.get(project=ready, purpose="compute")
    assert entry.key == "training:001-train:cnn_small"
    ready.counter.refresh_from_db()
    assert ready.counter.compute_spend == entry.amount > 0
    assert (
        Job.objects.get(kind="advance", state="waiting").key == f"advance:{ready.run.pk}:001-train"
    )
    assert attempt_folders(ready, settings) == []


def test_the_trainer_gets_b_and_nothing_of_t(training, ready):
    job = queue.claim(training.pk)
    marked = set(ready.run.test_marks.values_list("seq", flat=True))
    in_train = dict(TrainItem.objects.filter(run=ready.run).values_list("seq", "iteration"))
    attempt = service.prepare(ready.run, job, Path("pool.npy"), "cnn_small")
    items = np.load(attempt.folder / "train_items.npy")
    labels = np.load(attempt.folder / "train_labels.npy")
    assert set(items.tolist()) == set(in_train)
    assert not (marked - set(in_train)) & set(items.tolist())
    assert [driving.true_class(int(i)) for i in items] == labels.tolist()
    assert Label.objects.filter(project=ready).count() > len(items)  # T's labels do exist


def test_the_request_names_seed_and_architecture_of_the_engine(training, ready):
    attempt = service.prepare(ready.run, queue.claim(training.pk), Path("pool.npy"), "cnn_small")
    request = json.loads((attempt.folder / "request.json").read_text())
    assert (request["arch"], request["seed"], request["classes"]) == ("cnn_small", 1000, 3)
    assert request["flip"] is True


@pytest.mark.parametrize(("folder", "allowed"), [("", False), ("/srv/weights", True)])
def test_the_request_says_where_weights_come_from_and_features_stay(
    training, ready, settings, folder, allowed
):
    settings.WEIGHTS_DIR, settings.ALLOW_WEIGHT_DOWNLOAD = folder, allowed
    attempt = service.prepare(ready.run, queue.claim(training.pk), Path("pool.npy"), "cnn_small")
    asked = json.loads((attempt.folder / "request.json").read_text())["pretrained"]
    assert asked == {
        "weights": folder or None,
        "download": allowed,
        "features": str(Path(settings.JOBS_ROOT) / ready.public_id / "features"),
        "features_gib": 8.0,
    }


def test_a_corrected_label_is_used_by_the_next_training(training, ready):
    item = TrainItem.objects.filter(run=ready.run).order_by("seq").first()
    wrong = (driving.true_class(item.seq) + 1) % 3
    Label.objects.filter(image_id=item.image_id).update(class_index=wrong)
    assert service.training_set(ready.run)[0] == (item.seq, wrong)


def test_a_killed_trainer_is_a_failed_attempt_and_the_next_one_succeeds(
    training, ready, settings, behave
):
    behave("hang")
    thread = when_the_trainer_runs(settings, lambda pid: os.kill(pid, signal.SIGKILL))
    assert driving.do_one(training) == "will be tried again"
    thread.join()
    failed = Event.objects.get(project=ready, type="training.failed")
    assert "killed by signal 9" in failed.payload["message"]
    behave("")
    assert driving.do_one(training) == "done"
    assert LedgerEntry.objects.filter(project=ready, purpose="compute").count() == 1


def test_three_failures_stop_the_run_in_words_and_resume_tries_again(
    training, ready, owner, behave
):
    behave("fail")
    assert driving.do_jobs() == ["train will be tried again"] * 2 + ["train failed"]
    status = run_status(ready)
    assert status.state == "failed"
    assert status.message == "The training failed: the loss is NaN. Resume to try again."
    behave("")
    runs.resume_run(access=owner)
    assert "train done" in driving.do_jobs()


def test_a_full_disk_fails_the_attempt_in_words(training, ready, monkeypatch):
    def full(*args) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pool_tensor, "ensure", full)
    assert driving.do_jobs()[-1] == "train failed"
    words = "The training failed: The disk is full. Free some space. Resume to try again."
    assert run_status(ready).message == words
    assert Event.objects.filter(project=ready, type="training.failed").count() == 3


@pytest.mark.parametrize("behaviour", ["wrong_shape", "die"])
def test_a_bad_result_is_not_taken(training, ready, behave, behaviour):
    behave(behaviour)
    assert driving.do_one(training) == "will be tried again"
    assert not ready.run.models.exists()
    assert not LedgerEntry.objects.filter(project=ready, purpose="compute").exists()


def test_a_stop_ends_the_trainer_and_puts_the_job_back(training, ready, settings, behave):
    behave("hang")
    pids = []

    def stop(pid: int) -> None:
        pids.append(pid)
        queue.request_stop()

    thread = when_the_trainer_runs(settings, stop)
    assert driving.do_one(training) == "put back"
    thread.join()
    queue.clear_stop()
    assert not psutil.pid_exists(pids[0])
    behave("")
    assert driving.do_one(training) == "done"


def test_a_result_that_comes_after_the_claim_was_lost_is_thrown_away(training, ready):
    job = queue.claim(training.pk)
    images = pool_tensor.ensure(ready, ready.run.n, lambda share: None)
    attempt = service.prepare(ready.run, job, images, "cnn_small")
    result = service.run_program(attempt, queue.JobControl(job))
    Job.objects.filter(pk=job.pk).update(token="the next one's")
    with pytest.raises(queue.JobLost):
        service.accept(attempt, result)
    assert not ready.run.models.exists()
    assert not LedgerEntry.objects.filter(project=ready, purpose="compute").exists()


def test_a_training_that_is_done_already_is_not_repeated(training, ready):
    driving.do_one(training)
    again = Job.objects.create(kind="train", key=training.key, target=ready.run.pk, project=ready)
    assert driving.do_one(again) == "done"
    assert ready.run.models.count() == 1
    assert Event.objects.filter(project=ready, type="training.started").count() == 1


def test_a_training_whose_turn_comes_during_a_pause_waits_for_the_resume(training, ready, owner):
    runs.pause_run(access=owner)
    assert driving.do_one(training) == "done"
    assert not Event.objects.filter(project=ready, type="training.started").exists()
    runs.resume_run(access=owner)
    assert "train done" in driving.do_jobs()
    assert ready.run.models.count() == 1


def test_what_a_killed_worker_left_of_an_earlier_training_is_deleted(training, ready):
    left = service.run_folder(ready.run) / "000-train" / "token"
    failed = service.run_folder(ready.run) / "001-train" / "first attempt"
    for folder in (left, failed):
        folder.mkdir(parents=True)
    service.prepare(ready.run, queue.claim(training.pk), Path("pool.npy"), "cnn_small")
    assert not left.parent.exists()
    assert failed.exists()


def test_only_the_last_two_models_keep_their_scores(training, ready, cast, settings):
    driving.do_jobs()
    while ready.run.models.count() < 3:
        driving.answer_all(ready, cast.annotator)
        driving.do_jobs()
    root = Path(settings.MEDIA_ROOT) / "models" / ready.public_id
    assert len(list(root.glob("*/model.pt"))) == 3
    assert sorted(path.parent.name[:3] for path in root.glob("*/pred.npy")) == ["002", "003"]
