"""Real crowds, and whole runs whose people make mistakes: figures, and the bound that covers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mcal_engine.errors import DataError
from mcal_engine.lab import crowds, recording
from mcal_engine.lab.commands import main
from mcal_engine.lab.experiments import Run
from mcal_engine.lab.people_runs import promised
from mcal_engine.lab.recorder import record
from mcal_engine.lab.replay import played, settings
from mcal_engine.people import agreement, consensus, dawid_skene
from mcal_engine.types import Prices, Target
from tests.engine.lab.support import job

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
real = pytest.mark.skipif(
    not (SHARED / "crowd_labels.npz").is_file(),
    reason="NO REAL CROWDS: ../shared/data/crowd_labels.npz is not here",
)

CROWD_KIT = {"bluebirds": 0.8888888888888888, "dogs": 0.8426270136307311, "labelme": 0.789}
"""Accuracy of crowd-kit 1.4.2 on the same answers (it smooths nothing, ours does):
DawidSkene(n_iter=200, tol=1e-8).fit_predict(answers)."""
CROWD_KIT_ALPHA = {
    "bluebirds": 0.12550057220224353,
    "dogs": 0.5194178413233577,
    "labelme": 0.6773569009663831,
}
"""crowdkit.metrics.data.alpha_krippendorff(answers)."""


def mistaken(truth, share=0.08, seed=1):
    """Return people's labels: this share of them another class."""
    generator = np.random.default_rng(seed)
    slips = generator.random(len(truth)) < share
    classes = int(truth.max()) + 1
    return np.where(slips, (truth + generator.integers(1, classes, len(truth))) % classes, truth)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """A recording whose people are wrong in 4 %, with the learner taught by their labels."""
    path = tmp_path_factory.mktemp("noisy") / "noisy.npz"
    plain, learner = job(n=4000, classes=10, seed=2)
    given = mistaken(plain.truth, 0.04)
    made, _ = job(n=4000, classes=10, seed=2, given=given, given_name="people", keep_truth=True)
    record(made, learner, path)
    return Run("noisy", recording.load(path), plain.truth, given)


def test_the_combined_bound_covers_in_every_replay(noisy):
    covered = machine = 0
    usual = settings(noisy.recording, Prices(0.04, 3.6), Target(epsilon=0.12))
    for seed in range(10):
        config = replace(usual, seed=seed)
        _, driver = played(noisy.recording, noisy.truth, config, given=noisy.given)
        found = promised(driver, noisy, config, None)
        machine += driver.machine.any()
        covered += found["covered"]
        assert found["confidence"] == pytest.approx(0.9 if driver.machine.any() else 0.95)
    assert machine == 10
    assert covered == 10


def test_a_part_of_t_may_be_reviewed(noisy):
    config = settings(noisy.recording, Prices(0.04, 3.6), Target(epsilon=0.12))
    _, driver = played(noisy.recording, noisy.truth, config, given=noisy.given)
    part = promised(driver, noisy, config, 40)
    assert part["reviewed"] == 40
    assert part["people"]["bound"] > 1 - 0.05 ** (1 / 40) - 0.01  # what no wrong one of 40 gives
    assert part["covered"]


def test_the_experiment_on_people(noisy, tmp_path, capsys):
    path = tmp_path / "toy.npz"
    made, learner = job(n=2000, classes=4, keep_truth=True)
    record(made, learner, path)
    where = ["--recording", str(path), "--out", str(tmp_path)]
    more = ["--seeds", "0,1", "--epsilon", "0.1", "--review", "20"]
    code = main(["people", *where, *more])
    assert code == 0
    kept = json.loads((tmp_path / "people.json").read_text())["toy"]
    assert [one["seed"] for one in kept["runs"]] == [0, 1]
    assert kept["covered"] == 2
    assert "2 of 2" in capsys.readouterr().out


def test_crowds_that_are_not_there(tmp_path, capsys):
    with pytest.raises(DataError, match="no crowd_labels"):
        crowds.load(tmp_path, "dogs")
    assert main(["crowd", "--data", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "crowd_labels.npz" in capsys.readouterr().err


def test_out_of_sample_probabilities_learn_what_the_features_say():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 300)
    features = generator.normal(size=(300, 5)).astype(np.float32)
    features[np.arange(300), labels] += 3
    found = crowds.out_of_sample(features, labels, 3)
    assert found.sum(axis=1) == pytest.approx(np.ones(300))
    assert (found.argmax(axis=1) == labels).mean() > 0.9
    noise = crowds.out_of_sample(generator.normal(size=(300, 5)).astype(np.float32), labels, 3)
    assert (noise.argmax(axis=1) == labels).mean() < 0.5  # nothing leaks from its own fold


def test_three_columns_of_answers_are_a_crowd():
    made = crowds.c10n(np.array([[0, 0, 1], [2, 1, 1]]), np.array([0, 1]))
    found = crowds.judged(made)
    assert found["accuracy"]["majority"] == 1.0
    assert found["answers"] == 6


@real
@pytest.mark.parametrize("name", ["bluebirds", "dogs", "c10s"])
def test_dawid_skene_is_at_least_as_right_as_the_majority(name):
    found = crowds.judged(crowds.load(SHARED, name))
    assert found["accuracy"]["dawid_skene"] >= found["accuracy"]["majority"]


@real
@pytest.mark.parametrize("name", crowds.SETS)
def test_crowd_kit_finds_the_same(name):
    made = crowds.load(SHARED, name)
    alpha = agreement.krippendorff(made.votes, replicates=100)
    bare = dawid_skene.fit(made.votes, prior=dawid_skene.Prior(crowd=0.0, floor=1e-6, share=1e-3))
    labels = consensus.by_posterior(made.votes, bare.posterior).labels
    assert (labels == made.truth).mean() == pytest.approx(CROWD_KIT[name], abs=0.0101)
    assert alpha.value == pytest.approx(CROWD_KIT_ALPHA[name], abs=1e-9)


@real
def test_crowdlab_gains_by_a_model_of_the_features():
    accuracy = crowds.judged(crowds.load(SHARED, "labelme"))["accuracy"]
    assert accuracy["crowdlab"] > accuracy["majority"]
    assert accuracy["crowdlab"] > accuracy["dawid_skene"]
