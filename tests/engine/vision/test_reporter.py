"""What a training says while it goes on: its epochs, and the model of the round before."""

import json

import numpy as np
import pytest

from mcal_engine.errors import DataError
from mcal_engine.vision import earlier_files, program
from mcal_engine.vision.reporter import MOST_EPOCHS, Reporter
from mcal_engine.vision.train import Epoch, Progress


def told(path, count, *, runs=1, per_run=None):
    reporter = Reporter(path, n=10, runs=runs)
    for step in range(1, count + 1):
        number = step if per_run is None else (step - 1) % per_run + 1
        epoch = Epoch(number, 1 / step, 0.5)
        reporter.training(Progress(step, count, step * 8, float(step), epoch))
    return reporter


def test_the_last_epochs_are_told_with_the_progress(tmp_path):
    told(tmp_path / "progress.json", MOST_EPOCHS + 50)
    found = json.loads((tmp_path / "progress.json").read_text())
    assert len(found["epochs"]) == MOST_EPOCHS
    assert found["epochs"][-1] == [1, MOST_EPOCHS + 50, round(1 / (MOST_EPOCHS + 50), 5), 0.5]
    assert found["runs"] == 1


def test_epochs_that_begin_anew_are_another_run(tmp_path):
    reporter = told(tmp_path / "progress.json", 6, runs=3, per_run=2)
    numbers = [row[:2] for row in reporter.figures()["epochs"]]
    assert numbers == [[1, 1], [1, 2], [2, 1], [2, 2], [3, 1], [3, 2]]


# --- jobs -------------------------------------------------------------------------------------


@pytest.fixture
def job(tmp_path):
    """Return a function that runs a job of these fields in a folder; it returns the result."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    pixels = rng.integers(0, 60, (200, 10, 10))
    pixels[labels == 1, :5] += 150
    np.save(tmp_path / "images.npy", pixels.astype(np.uint8))
    (tmp_path / "before").mkdir()
    arrays = {
        "pred": labels.astype(np.uint16),
        "uncertainty": np.full(200, 0.01, dtype=np.float32),
        "least": np.full(200, 0.005, dtype=np.float32),
    }
    for name, array in arrays.items():
        np.save(tmp_path / "before" / f"{name}.npy", array)
    items = np.arange(80)
    np.save(tmp_path / "items.npy", items)
    np.save(tmp_path / "labels.npy", labels[items])
    np.save(tmp_path / "earlier_items.npy", np.arange(20))

    def run(**fields):
        request = {
            "schema": 1,
            "images": "images.npy",
            "train_items": "items.npy",
            "train_labels": "labels.npy",
            "classes": 2,
            "arch": "cnn_small+pseudo",
            "seed": 0,
            "options": {"epochs": 1, "min_steps": 5, "batch": 20, "threads": 1},
            "earlier": {"folder": "before", "train_items": "earlier_items.npy", "round": 1},
        }
        (tmp_path / "request.json").write_text(json.dumps(request | fields))
        program.run(tmp_path, lambda: False)
        return json.loads((tmp_path / "result.json").read_text())

    return run


def test_a_job_trains_with_pseudo_labels_and_says_how_many(job):
    result = job()
    assert result["pseudo"]["items"] > 50
    assert result["pseudo"]["tested"] == 60
    assert result["steps"] >= (80 + result["pseudo"]["items"]) // 20  # they are in the epochs


def test_a_job_without_an_earlier_model_has_none(job):
    found = job(earlier=None)["pseudo"]
    assert (found["items"], found["why"]) == (0, "there is no earlier model")


def test_settings_reach_the_training(job):
    assert job(training={"pseudo_threshold": 1.0, "pseudo_floor": 1.0})["pseudo"]["items"] == 0
    assert job(arch="cnn_small", training={"min_steps": 7}, options={"threads": 1})["steps"] >= 7
    refused = job(training={"speed": 1})
    assert (refused["code"], "no training setting" in refused["message"]) == ("bad_data", True)


@pytest.mark.parametrize(
    ("earlier", "words"),
    [
        ([], "earlier must hold"),
        ({"folder": "before", "train_items": "earlier_items.npy"}, "earlier must hold"),
        ({"folder": "away", "train_items": "earlier_items.npy", "round": 1}, "cannot be read"),
        ({"folder": "before", "train_items": "images.npy", "round": 1}, "not numbers from 0"),
    ],
)
def test_an_earlier_model_that_is_not_there_is_said(job, earlier, words):
    result = job(earlier=earlier)
    assert (result["ok"], result["code"]) == (False, "bad_data")
    assert words in result["message"]


def test_scores_of_another_pool_are_refused(tmp_path, job):
    given = {"folder": "before", "train_items": "earlier_items.npy", "round": 1}
    with pytest.raises(DataError, match="do not fit 201 images"):
        earlier_files.read(tmp_path, given, 201)
