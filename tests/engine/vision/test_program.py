"""The fit program: in this process where that is enough, as a real child where it dies."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from mcal_engine.vision import files, program
from mcal_engine.vision import job as job_module
from mcal_engine.vision import reporter as reporter_module
from mcal_engine.vision.files import array_writer, write_array
from mcal_engine.vision.job import read_request, recipe_of
from mcal_engine.vision.learner import TorchLearner
from mcal_engine.vision.reporter import Reporter
from mcal_engine.vision.train import Progress, Recipe
from tests.engine.vision.conftest import CLASSES, FAST, TinyPool

LONG = {k: v for k, v in FAST.items() if k != "flip"} | {"min_steps": 1_000_000}
ROOT = Path(__file__).parents[3]


def never() -> bool:
    return False


def result(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


@contextmanager
def child(folder: Path, stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", "mcal_engine", "fit", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=stdin, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_training(folder: Path, process: subprocess.Popen, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not (folder / "progress.json").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the training never started"
        time.sleep(0.02)


def test_a_job_leaves_model_scores_and_result(job: Callable[..., Path], pool: TinyPool):
    folder = job()
    assert program.run(folder, never) == program.DONE
    report = result(folder)
    pred, uncertainty = np.load(folder / "pred.npy"), np.load(folder / "uncertainty.npy")
    assert (pred.dtype, uncertainty.dtype) == (np.uint16, np.float32)
    assert (pred == pool.labels)[60:].mean() > 0.9
    assert (report["schema"], report["ok"], report["steps"]) == (1, True, 30)
    assert report["samples_shown"] == 30 * 32
    assert report["train_accuracy"] > 0.5
    assert report["peak_rss_mib"] > 50


def test_the_hashes_in_the_result_are_those_of_the_files(job):
    folder = job()
    program.run(folder, never)
    arrays = ("pred", "uncertainty", "least", "entropy")
    for name in ("model.pt", *(f"{key}.npy" for key in arrays)):
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert result(folder)[f"{Path(name).stem}_sha256"] == digest


def test_features_are_left_only_where_they_were_asked_for(job, pool):
    folder = job()
    program.run(folder, never)
    assert "features_sha256" not in result(folder)
    assert not (folder / "features.npy").exists()
    program.run(job(features=True), never)
    features = np.load(folder / "features.npy")
    assert (features.shape, features.dtype) == ((len(pool.images), 64), np.float16)
    digest = hashlib.sha256((folder / "features.npy").read_bytes()).hexdigest()
    assert result(folder)["features_sha256"] == digest


def test_what_pages_show_is_left_where_it_was_asked_for(job, pool):
    program.run(folder := job(), never)
    assert not (folder / "probs.npy").exists()
    plain = (folder / "pred.npy").read_bytes()
    program.run(job(display=True), never)
    assert (folder / "pred.npy").read_bytes() == plain
    probs, features = np.load(folder / "probs.npy"), np.load(folder / "features.npy")
    assert (probs.shape, probs.dtype) == ((len(pool.images), CLASSES), np.float16)
    assert (features.shape, features.dtype) == ((len(pool.images), 64), np.float16)
    np.testing.assert_array_equal(probs.argmax(1), np.load(folder / "pred.npy"))
    np.testing.assert_allclose(1 - probs.max(1), np.load(folder / "least.npy"), atol=1e-3)
    for name in ("probs", "features"):
        digest = hashlib.sha256((folder / f"{name}.npy").read_bytes()).hexdigest()
        assert result(folder)[f"{name}_sha256"] == digest


def test_features_for_pages_are_those_that_the_engine_asks_for(job):
    program.run(folder := job(display=True), never)
    shown = (folder / "features.npy").read_bytes()
    program.run(job(features=True), never)
    assert (folder / "features.npy").read_bytes() == shown


def test_what_pages_show_stays_away_where_it_would_be_large(job, pool, monkeypatch):
    monkeypatch.setattr("mcal_engine.vision.job.DISPLAY_BYTES", 2 * CLASSES * len(pool.images))
    folder = job(display=True)
    program.run(folder, never)
    assert (folder / "probs.npy").exists()
    assert not (folder / "features.npy").exists()
    assert "features_sha256" not in result(folder)


def test_all_measures_of_a_job_are_those_of_the_learner(job, pool):
    folder = job()
    program.run(folder, never)
    learner = TorchLearner(pool.images, CLASSES, recipe=Recipe(**FAST), device="cpu")
    scores = learner.train_and_score(*pool.first(60), seed=123, arch="cnn_small").scores
    for name in ("pred", "uncertainty", "least", "entropy"):
        np.testing.assert_array_equal(np.load(folder / f"{name}.npy"), getattr(scores, name))


def test_the_kind_of_device_is_said_for_its_price(job):
    folder = job()
    program.run(folder, never)
    assert result(folder)["device_kind"] == "cpu"
    assert result(folder)["device"].startswith("cpu, ")


def test_the_same_request_gives_the_same_files(job):
    folder = job()
    program.run(folder, never)
    first = result(folder)
    program.run(folder, never)
    for key in ("model_sha256", "pred_sha256", "uncertainty_sha256"):
        assert result(folder)[key] == first[key]


def test_progress_ends_with_scoring_done(job):
    folder = job()
    program.run(folder, never)
    progress = json.loads((folder / "progress.json").read_text())
    assert progress["phase"] == "score"
    assert progress["seconds_left"] == 0
    assert progress["step"] == progress["steps"] == 30


def test_no_temporary_file_is_left_behind(job):
    folder = job()
    program.run(folder, never)
    assert not [p.name for p in folder.iterdir() if p.name.startswith(".")]


def test_a_cancelled_job_says_so(job):
    folder = job()
    assert program.run(folder, lambda: True) == program.CANCELLED
    assert (result(folder)["ok"], result(folder)["code"]) == (False, "cancelled")


def test_a_diverging_training_fails_with_its_code_and_leaves_no_scores(job):
    folder = job(options=LONG | {"learning_rate": 1e30})
    assert program.run(folder, never) == program.FAILED
    assert result(folder)["code"] == "training_failed"
    assert not (folder / "pred.npy").exists()


def test_an_old_result_is_gone_before_the_work_starts(job, monkeypatch):
    folder = job()
    (folder / "result.json").write_text('{"ok": true}')
    seen = []

    def work(folder: Path, _cancelled: Callable[[], bool]) -> dict[str, object]:
        seen.append((folder / "result.json").exists())
        return {}

    monkeypatch.setattr(job_module, "run_job", work)
    program.run(folder, never)
    assert seen == [False]


def test_an_unexpected_error_is_reported_too(job, monkeypatch, capsys):
    def work(_folder: Path, _cancelled: Callable[[], bool]) -> dict[str, object]:
        raise MemoryError("no room")

    folder = job()
    monkeypatch.setattr(job_module, "run_job", work)
    assert program.run(folder, never) == program.FAILED
    assert result(folder)["code"] == "internal_error"
    assert "MemoryError: no room" in result(folder)["message"]
    assert "Traceback" in capsys.readouterr().err


def test_a_missing_folder_is_said_on_stderr(tmp_path, capsys):
    assert program.run(tmp_path / "nowhere", never) == program.FAILED
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": 2}, "schema 1"),
        ({"classes": "ten"}, "classes must be of type int"),
        ({"classes": True}, "classes must be of type int"),
        ({"classes": 1}, "2 to 65,535"),
        ({"features": 1}, "features must be of type bool"),
        ({"arch": None}, "arch must be of type str"),
        ({"arch": "huge"}, "'huge'"),
        ({"device": 3}, "device must be a text"),
        ({"device": "cuda:99"}, "does not have it"),
        ({"images": "missing.npy"}, "missing.npy cannot be read"),
        ({"train_items": "request.json"}, "request.json cannot be read as an array"),
        ({"options": {"speed": 3}}, "Unknown options"),
        ({"options": {"epochs": "many"}}, "epochs must look like"),
        ({"options": {"epochs": 0}}, "at least 1"),
        ({"options": {"threads": 0}}, "threads must be a whole number"),
        ({"options": []}, "options must be of type dict"),
    ],
)
def test_a_wrong_request_is_refused_in_plain_words(job, changes, words):
    folder = job(**changes)
    assert program.run(folder, never) == program.FAILED
    assert result(folder)["code"] == "bad_data"
    assert words in result(folder)["message"]


def test_a_request_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "request.json").write_text("{")
    program.run(tmp_path, never)
    assert "request.json cannot be read" in result(tmp_path)["message"]


def test_options_reach_the_recipe(job):
    request = read_request(job(options={"epochs": 3, "learning_rate": 1, "threads": 1}, flip=True))
    recipe = recipe_of(request, channels=1)
    assert (recipe.epochs, recipe.learning_rate) == (3, 1)
    assert (recipe.flip, request.threads) == (True, 1)


def test_without_options_the_recipe_suits_network_and_images(job):
    request = read_request(job(arch="cnn_fast", options={"min_steps": 7}, flip=False))
    grey, colour = recipe_of(request, channels=1), recipe_of(request, channels=3)
    assert grey.epochs < colour.epochs
    assert grey.min_steps == colour.min_steps == 7
    assert not grey.flip


def test_absolute_and_relative_paths_both_work(job):
    folder = job()
    request = read_request(folder)
    assert request.train_items == folder / "train_items.npy"
    assert request.images == folder / "pool.npy"


def test_progress_is_written_once_a_second_and_at_the_end(tmp_path, monkeypatch):
    clock, written = [0.0], []
    monkeypatch.setattr(
        reporter_module, "write_json", lambda _path, value, **_: written.append(value["step"])
    )
    reporter = Reporter(tmp_path / "progress.json", n=100, now=lambda: clock[0])
    for step in range(1, 11):
        reporter.training(Progress(step, 10, step * 32, seconds=step * 0.25))
        clock[0] += 0.25
    assert written == [1, 5, 9, 10]


def test_the_time_left_counts_the_scoring_to_come(tmp_path):
    reporter = Reporter(tmp_path / "progress.json", n=1000)
    reporter.training(Progress(step=10, steps=20, images=1000, seconds=10.0))
    progress = json.loads((tmp_path / "progress.json").read_text())
    assert progress["images_per_second"] == 100
    assert progress["seconds_left"] == pytest.approx(10 + 0.2 * 1000 / 100)


def test_a_file_that_cannot_be_renamed_leaves_nothing(tmp_path, monkeypatch):
    def fail(_self: Path, _target: Path) -> Path:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        files.write_json(tmp_path / "result.json", {"ok": True})
    assert list(tmp_path.iterdir()) == []


def test_an_array_is_the_file_that_its_hash_says(tmp_path):
    array = np.arange(5_000_000, dtype=np.float32).reshape(-1, 2)[::2]  # not contiguous, 2 buffers
    digest = files.write_array(tmp_path / "a.npy", array)
    assert digest == hashlib.sha256((tmp_path / "a.npy").read_bytes()).hexdigest()
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), array)


def test_an_array_in_pieces_is_the_same_file_as_at_once(tmp_path):
    rows = np.arange(35, dtype=np.float16).reshape(7, 5)
    with array_writer(tmp_path / "a.npy", (7, 5), rows.dtype) as writer:
        for start in (0, 3, 6):
            writer.append(rows[start : start + 3])
        assert not (tmp_path / "a.npy").exists()
    assert write_array(tmp_path / "b.npy", rows) == writer.sha256
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


@pytest.mark.parametrize("shape", [(2, 5), (3, 4), (4, 5)])
def test_an_array_with_missing_or_wrong_rows_leaves_nothing(tmp_path, shape):
    with (
        pytest.raises(ValueError, match=r"missing|does not go on"),
        array_writer(tmp_path / "a.npy", (3, 5), np.dtype(np.float16)) as writer,
    ):
        writer.append(np.zeros(shape))
    assert list(tmp_path.iterdir()) == []


def test_a_reader_never_sees_half_of_a_file(tmp_path):
    target = tmp_path / "result.json"
    files.write_json(target, {"size": "x" * 100_000})
    with target.open() as old:
        files.write_json(target, {"size": "y"})
        assert len(old.read()) > 100_000
    assert json.loads(target.read_text()) == {"size": "y"}


def test_a_figure_that_is_no_number_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "result.json", {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_sigterm_ends_it_soon_with_the_code_cancelled(job):
    folder = job(options=LONG)
    with child(folder) as process:
        wait_for_training(folder, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == program.CANCELLED
    assert result(folder)["code"] == "cancelled"


def test_kill_nine_leaves_no_result(job):
    folder = job(options=LONG)
    with child(folder) as process:
        wait_for_training(folder, process)
        process.kill()
        assert process.wait(timeout=20) == -signal.SIGKILL
    assert not (folder / "result.json").exists()


def test_it_leaves_when_its_starter_dies(job):
    folder = job(options=LONG)
    with child(folder, stdin=subprocess.PIPE) as process:
        wait_for_training(folder, process)
        process.stdin.close()
        process.stdin = None
        assert process.wait(timeout=20) == program.ORPHANED
    assert not (folder / "result.json").exists()


def test_it_goes_on_while_its_starter_holds_the_pipe_and_ends_well(job):
    folder = job()
    with child(folder, stdin=subprocess.PIPE) as process:
        assert process.wait(timeout=60) == program.DONE
    assert result(folder)["ok"] is True


def test_threads_wait_passively_in_the_program():
    code = "import mcal_engine.vision, os, sys; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["PASSIVE", "False"]
