"""The search program: real networks, a child that is killed, and a learner that fine-tunes."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from mcal_engine import search_job, search_request
from mcal_engine.errors import CancelledError, DataError
from mcal_engine.search_job import Pause, Reporter
from mcal_engine.search_stages import MemberLearner, Step, TuningLearner
from mcal_engine.search_store import images_hash
from mcal_engine.vision import program
from mcal_engine.vision.search_learner import SearchLearner
from mcal_engine.vision.train import Progress
from tests.engine.vision.conftest import CLASSES, TinyPool, make_pool

ROOT = Path(__file__).parents[3]
QUICK = {"min_steps": 12, "epochs": 1, "batch": 16}
ARCH = "cnn_small+seeds=2"


def write(folder: Path, n: int = 240, **changes: object) -> Path:
    """Write a job folder; keywords replace fields of the request."""
    pool = make_pool(n)
    folder.mkdir(exist_ok=True)
    np.save(folder / "pool.npy", pool.images)
    np.save(folder / "labels.npy", pool.labels)
    request: dict[str, object] = {
        "schema": 1,
        "images": "pool.npy",
        "labels": "labels.npy",
        "classes": CLASSES,
        "settings": {"share": 0.6, "acquirer": ARCH, "model": ARCH},
        "seeds": [0],
        "held_out": 0.25,
        "flip": False,
        "device": "cpu",
        "threads": 1,
        "training": QUICK,
    }
    (folder / "request.json").write_text(json.dumps(request | changes))
    return folder


def result(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


def run(folder: Path, cancelled=lambda: False) -> int:
    return program.run(folder, cancelled, search_job.run_job)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A job that nobody disturbed."""
    folder = write(tmp_path_factory.mktemp("whole"))
    assert run(folder) == program.DONE, result(folder)
    return folder


def test_a_job_leaves_subset_parts_and_result(whole: Path):
    report, subset, part = (
        result(whole),
        np.load(whole / "subset.npy"),
        np.load(whole / "part.npy"),
    )
    assert report["ok"]
    assert report["sizes"] == [27, 54, 108]
    assert (len(subset), subset.dtype, part.dtype) == (108, np.int64, np.int16)
    assert [(part == k).sum() for k in (-1, 0, 1, 2, 3)] == [60, 72, 27, 27, 54]
    assert (part[subset] > 0).all()
    assert set(report["accuracy"]) == {"full", "search", "random"}
    assert report["accuracy"]["full"]["mean"] > 0.5
    for name in ("subset", "part"):
        digest = hashlib.sha256((whole / f"{name}.npy").read_bytes()).hexdigest()
        assert report[f"{name}_sha256"] == digest


def test_progress_ends_with_the_last_training_scored(whole: Path):
    progress = json.loads((whole / "progress.json").read_text())
    assert (progress["step"], progress["steps"], progress["purpose"]) == (5, 5, "random")
    assert (progress["phase"], progress["done"], progress["of"]) == ("score", 240, 240)


def test_members_do_not_stay_behind(whole: Path):
    assert not (whole / "members").exists()
    assert not [path.name for path in whole.rglob(".*")]


def test_a_job_that_is_killed_goes_on_where_it_was(tmp_path: Path, whole: Path):
    folder = write(tmp_path / "job")
    first = folder / "steps" / "0-stage-2.json"
    with killed_when(folder, first):
        pass
    kept = {path.name: path.stat().st_mtime_ns for path in (folder / "steps").glob("*.json")}
    assert first.name in kept
    assert not (folder / "result.json").exists()
    assert run(folder) == program.DONE
    now = {path.name: path.stat().st_mtime_ns for path in (folder / "steps").glob("*.json")}
    assert {name: now[name] for name in kept} == kept
    np.testing.assert_array_equal(np.load(folder / "subset.npy"), np.load(whole / "subset.npy"))
    assert result(folder)["accuracy"] == result(whole)["accuracy"]


class killed_when:  # noqa: N801  reads as a sentence
    """Start the program in this folder and kill it, hard, when a file is there."""

    def __init__(self, folder: Path, file: Path, stop: int = signal.SIGKILL) -> None:
        command = [sys.executable, "-m", "mcal_engine", "search-job", str(folder)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
        )
        self.file, self.stop = file, stop

    def __enter__(self) -> subprocess.Popen:
        deadline = time.monotonic() + 120
        try:
            while not self.file.exists():
                assert self.process.poll() is None, self.process.communicate()
                assert time.monotonic() < deadline, "it never came so far"
                time.sleep(0.005)
        finally:
            self.process.send_signal(self.stop)
            self.process.communicate()
        return self.process

    def __exit__(self, *_error: object) -> None:
        """Nothing is left to do."""


def test_sigterm_cancels_and_keeps_what_is_done(tmp_path: Path):
    folder = write(tmp_path / "job", training=QUICK | {"min_steps": 1_000_000})
    with killed_when(folder, folder / "progress.json", signal.SIGTERM) as process:
        assert process.returncode == program.CANCELLED
    assert result(folder)["code"] == "cancelled"
    assert (folder / "steps" / "0-stage-1.npy").exists()


def test_it_can_be_stopped_while_pixels_are_hashed():
    asked = iter((False, True))
    with pytest.raises(CancelledError):
        images_hash(np.zeros((9, 1)), rows=4, cancelled=lambda: next(asked))


def test_without_sets_nothing_is_judged(tmp_path: Path):
    folder = write(tmp_path / "job", sets=[])
    assert run(folder) == program.DONE
    assert result(folder)["accuracy"] == {}
    assert len(np.load(folder / "subset.npy")) == 108


def test_what_looks_at_features_gets_them(tmp_path: Path):
    chosen = {"share": 0.6, "acquisition": "k_center", "acquirer": "cnn_small", "model": ARCH}
    folder = write(tmp_path / "job", sets=[], settings=chosen)
    assert run(folder) == program.DONE, result(folder)
    assert len(np.unique(np.load(folder / "subset.npy"))) == 108


def test_who_is_held_out_can_be_given(tmp_path: Path):
    folder = write(tmp_path / "job", sets=[], held_out="held_out.npy")
    np.save(folder / "held_out.npy", np.arange(40))
    assert run(folder) == program.DONE
    part = np.load(folder / "part.npy")
    assert np.flatnonzero(part == -1).tolist() == list(range(40))


def test_only_the_chosen_rows_take_part(tmp_path: Path):
    """A search over some rows is one over an array that holds nothing else, and copies nothing."""
    chosen = np.delete(np.arange(240), [0, 7, 100])
    part, alone = write(tmp_path / "part", sets=["search"]), write(tmp_path / "alone")
    pixels, labels = np.load(part / "pool.npy"), np.load(part / "labels.npy")[chosen]
    for folder, changes in ((part, {"items": "rows.npy"}), (alone, {})):
        write(folder, sets=["search"], **changes)
        np.save(folder / "labels.npy", labels)
    np.save(part / "rows.npy", chosen)
    np.save(alone / "pool.npy", pixels[chosen])
    assert run(part) == run(alone) == program.DONE, (result(part), result(alone))
    assert (part / "part.npy").read_bytes() == (alone / "part.npy").read_bytes()
    assert result(part)["accuracy"] == result(alone)["accuracy"]
    images = np.load(part / "pool.npy", mmap_mode="r")
    assert isinstance(search_request.chosen_rows(images, np.arange(3, 9)), np.memmap)


@pytest.mark.parametrize(
    ("items", "words"),
    [([0, 240], "ascend, from 0 to 239"), ([3, 2], "ascend"), ([0.5], "whole numbers"), ([], "")],
)
def test_rows_that_are_not_there_are_refused(tmp_path: Path, items, words):
    folder = write(tmp_path / "job", items="rows.npy")
    np.save(folder / "rows.npy", np.array(items))
    assert run(folder) == program.FAILED
    assert result(folder)["code"] == "bad_data"
    assert words in result(folder)["message"]


def test_a_search_waits_while_somebody_else_needs_the_machine(tmp_path: Path, monkeypatch):
    """No step is done while the file is there; the time counts for no training."""
    folder, clock, steps = write(tmp_path / "job", sets=[]), [0.0], []

    def nap(seconds: float) -> None:
        clock[0] += 1_000.0
        if clock[0] == 3_000:
            (folder / "pause").unlink()

    def trained(reporter: Reporter, progress: Progress) -> None:
        steps.append((progress.step, clock[0]))
        if progress.step == 5 and not clock[0]:
            (folder / "pause").touch()

    monkeypatch.setattr(search_job.time, "sleep", nap)
    monkeypatch.setattr(search_job.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(Reporter, "training", trained)
    assert run(folder) == program.DONE, result(folder)
    assert steps[4:6] == [(5, 0), (6, 3_000)]
    stages = result(folder)["runs"][0]["stages"]
    assert [stage.get("train_seconds") for stage in stages] == [None, 0.0, 0.0]
    (folder / "pause").touch()
    assert Pause(folder / "pause", lambda: True)()  # a cancelled one does not wait


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": 2}, "schema 1"),
        ({"magic": 1}, "unknown fields ['magic']"),
        ({"classes": "ten"}, "classes must be of type int"),
        ({"settings": {}}, "the share is missing"),
        ({"settings": {"share": "half"}}, "share must be a number"),
        ({"settings": {"share": 0.5, "speed": 1}}, "unknown ['speed']"),
        ({"settings": {"share": 0.5, "scheme": "luck"}}, "'luck' is not one of: build_up"),
        ({"settings": {"share": 0.5, "model": 3}}, "model must be a text"),
        ({"settings": {"share": 1.0}}, "100 % is the whole set"),
        ({"settings": {"share": 0}}, "between 0 and 1"),
        ({"settings": {"share": 0.5, "acquirer": "cnn_small"}}, "one member of cnn_small is zero"),
        ({"settings": {"share": 0.2, "acquirer": ARCH, "model": ARCH}}, "too few"),
        ({"settings": {"share": 0.6, "acquirer": ARCH, "model": "huge"}}, "'huge'"),
        ({"seeds": ["one"]}, "whole numbers"),
        ({"seeds": []}, "one seed or more"),
        ({"held_out": True}, "held_out must be a share"),
        ({"held_out": 1.5}, "leaves nothing to judge by"),
        ({"held_out": "missing.npy"}, "missing.npy cannot be read"),
        ({"labels": "pool.npy"}, "do not go with labels"),
        ({"pretrained": {"magic": 1}}, "pretrained must be an object"),
        ({"pretrained": 3}, "pretrained must be of type dict"),
        ({"sets": ["best"]}, "some of: full, search, random"),
        ({"training": {"speed": 3}}, "no training setting 'speed'"),
        ({"device": "cuda:99"}, "does not have it"),
    ],
)
def test_a_wrong_request_is_refused_in_plain_words(tmp_path: Path, changes, words):
    folder = write(tmp_path / "job", **changes)
    assert run(folder) == program.FAILED
    assert not list(folder.glob("steps/*"))
    assert result(folder)["code"] in {"bad_data", "invalid_config"}
    assert words in result(folder)["message"]


def test_an_image_without_label_is_refused(tmp_path: Path):
    folder = write(tmp_path / "job")
    labels = np.load(folder / "labels.npy")
    labels[3] = -1
    np.save(folder / "labels.npy", labels)
    assert run(folder) == program.FAILED
    assert "1 of 240 images have no label" in result(folder)["message"]


def test_progress_is_written_at_each_start_then_once_a_second(tmp_path: Path):
    clock, seen = [0.0], []
    path = tmp_path / "progress.json"
    reporter = Reporter(path, n=10, now=lambda: clock[0])
    reporter.step(Step(0, 1, 4, "acquire", 2, 30))
    for step in range(1, 11):
        clock[0] += 0.25
        reporter.training(Progress(step, 10, step * 32, clock[0]))
        seen.append(json.loads(path.read_text())["done"])
    assert seen == [0, 0, 0, 4, 4, 4, 4, 8, 8, 10]
    reporter.scoring(10)
    last = json.loads(path.read_text())
    assert last == {
        "seed": 0, "step": 1, "steps": 4, "purpose": "acquire", "stage": 2, "images": 30,
        "phase": "score", "done": 10, "of": 10,
    }  # fmt: skip


# --- the learner -----------------------------------------------------------------------------


@pytest.fixture
def learner(pool: TinyPool, tmp_path: Path) -> SearchLearner:
    made = SearchLearner(pool.images, CLASSES, settings=QUICK, flip=False, device="cpu", threads=1)
    made.members_in = tmp_path
    return made


def test_the_learner_is_what_a_search_asks_for(learner: SearchLearner):
    assert isinstance(learner, TuningLearner)
    assert isinstance(learner, MemberLearner)


def weights(learner: SearchLearner) -> torch.Tensor:
    """Return the weights of the last run's network, in one row."""
    assert learner.model is not None
    return torch.cat([value.detach().flatten() for value in learner.model.net.parameters()])


def test_fine_tuning_goes_on_from_each_runs_own_weights(learner: SearchLearner, pool: TinyPool):
    """At a rate of nearly nothing the last run has the weights that it was pre-trained to."""
    items, labels = pool.first(60)
    learner.pretrain(items, labels, seed=5, arch=ARCH)
    base, few = weights(learner), items[:12]
    learner.tune(few, labels[:12], seed=5, arch=ARCH, rate=1e-12)
    torch.testing.assert_close(weights(learner), base)
    learner.tune(few, labels[:12], seed=5, arch=ARCH, rate=1e-3)
    near = (weights(learner) - base).abs().mean()
    learner.train_and_score(few, labels[:12], seed=5, arch=ARCH)
    assert 0 < near < (weights(learner) - base).abs().mean()


def test_nothing_is_tuned_that_was_not_trained(learner: SearchLearner, pool: TinyPool):
    items, labels = pool.first(60)
    learner.pretrain(items, labels, seed=5, arch=ARCH)
    with pytest.raises(DataError, match="not trained before with this seed"):
        learner.tune(items, labels, seed=6, arch=ARCH, rate=1e-3)


def test_a_plain_training_is_as_without_a_search(learner: SearchLearner, pool: TinyPool):
    items, labels = pool.first(60)
    first = learner.train_and_score(items, labels, seed=5, arch="cnn_small").scores
    learner.pretrain(items, labels, seed=5, arch="cnn_small")
    learner.tune(items, labels, seed=5, arch="cnn_small", rate=1e-3)
    again = learner.train_and_score(items, labels, seed=5, arch="cnn_small").scores
    assert first.model == again.model
    np.testing.assert_array_equal(first.uncertainty, again.uncertainty)


def test_a_network_that_cannot_be_built_is_known_beforehand(learner: SearchLearner):
    before = torch.random.get_rng_state()
    learner.check("cnn_small+seeds=3")
    learner.check("anything+tuned")
    with pytest.raises(DataError, match="'huge'"):
        learner.check("huge+seeds=2")
    with pytest.raises(DataError, match="17 pixels a side"):
        learner.check("resnet18")
    assert torch.equal(torch.random.get_rng_state(), before)
