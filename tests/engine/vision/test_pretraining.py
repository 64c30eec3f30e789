"""`python -m mcal_engine pretrain`: weights that a run can begin with, and what it refuses."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from mcal_engine import __main__ as command
from mcal_engine import options as run_options
from mcal_engine.vision import pretraining
from mcal_engine.vision.recipes import Recipe
from mcal_engine.vision.weights import Source, load
from tests.engine.vision.conftest import FAST, make_pool


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setattr("mcal_engine.vision.learner.suited", lambda *_a, **_m: Recipe(**FAST))
    pool = make_pool(120)
    path = tmp_path / "set.npz"
    np.savez(path, images=pool.images, labels=pool.labels)
    return path


def run(data, out, *more):
    return command.main(["pretrain", "--data", str(data), "--out", str(out), *more])


def test_it_leaves_weights_that_are_found_with_their_hash(data, tmp_path, capsys):
    assert run(data, tmp_path / "weights", "--device", "cpu", "--no-flip") == 0
    path = tmp_path / "weights" / "cnn_small.pt"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (tmp_path / "weights" / "cnn_small.pt.sha256").read_text().split()[0] == digest
    assert load("cnn_small", Source(tmp_path / "weights"), channels=1, side=28).sha256 == digest
    said = capsys.readouterr().out
    assert "114 images, 4 classes" in said
    assert "right on those left out" in said


def test_the_same_seed_gives_the_same_file(data, tmp_path):
    run(data, tmp_path / "a", "--device", "cpu")
    run(data, tmp_path / "b", "--device", "cpu")
    one, two = (tmp_path / name / "cnn_small.pt" for name in "ab")
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--arch", "cnn_small+seeds=2"], "only a network by itself"),
        (["--held-out", "1"], "must lie in"),
        (["--arch", "no_such_net"], "There is no architecture"),
    ],
)
def test_what_makes_no_sense_is_refused(more, words, data, tmp_path, capsys):
    assert run(data, tmp_path / "weights", *more) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "weights" / "cnn_small.pt").exists()


def test_all_images_may_train(data, tmp_path):
    with np.load(data) as arrays:
        made = pretraining.pretrain(
            arrays["images"], arrays["labels"], 4, "cnn_small", tmp_path, held_out=0, device="cpu"
        )
    assert made.accuracy is None
    assert made.images == 120


def test_the_command_line_and_the_environment_say_where_weights_are(monkeypatch):
    import argparse  # noqa: PLC0415

    def asked(*arguments):
        parser = argparse.ArgumentParser()
        run_options.add_prior_options(parser)
        return run_options.prior_request(parser.parse_args(arguments))

    for name in ("MCAL_WEIGHTS_DIR", "MCAL_ALLOW_WEIGHT_DOWNLOAD"):
        monkeypatch.delenv(name, raising=False)
    assert asked() == {"weights": None, "download": False, "side": None, "features": None}
    monkeypatch.setenv("MCAL_WEIGHTS_DIR", "/models")
    monkeypatch.setenv("MCAL_ALLOW_WEIGHT_DOWNLOAD", "true")
    assert asked("--input-side", "64", "--feature-cache", "/tmp/x") == {
        "weights": "/models", "download": True, "side": 64, "features": "/tmp/x",
    }  # fmt: skip
    assert asked("--weights", "/other")["weights"] == "/other"
