"""Whole runs of the real engine and the real network on real images: the promise is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcal_engine import datasets, simulate
from mcal_engine.types import Prices, RunConfig, Target
from mcal_engine.vision.learner import TorchLearner

DEMO_SET = Path(__file__).resolve().parents[3] / "labelapp" / "demo_data" / "fashion_10k.npz"


def whole_run(*, limit: int, seed: int, max_rounds: int) -> dict[str, object]:
    data = datasets.load(DEMO_SET, limit=limit, seed=seed)
    classes = len(data.class_names)
    config = RunConfig(
        n=len(data.labels),
        classes=classes,
        prices=Prices(0.04, 3.6),
        target=Target(0.05),
        seed=seed,
        max_rounds=max_rounds,
    )
    learner = TorchLearner(data.images, classes)
    return simulate.run(config, simulate.Oracle(data.labels), learner)


def test_a_short_run_on_real_images_keeps_its_target_and_saves():
    result = whole_run(limit=3000, seed=0, max_rounds=5)
    assert result["realised_error"] <= 0.05
    assert result["machine_fraction"] >= 0.3
    assert sum(result["counts"].values()) == 3000


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_whole_demo_set_keeps_its_target_and_saves_half(seed):
    result = whole_run(limit=10_000, seed=seed, max_rounds=8)
    assert result["realised_error"] <= 0.05
    assert result["machine_fraction"] >= 0.5
    assert result["savings"] >= 0.5
    assert len(result["iterations"]) <= 8
