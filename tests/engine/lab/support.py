"""Small recorded worlds."""

from __future__ import annotations

import numpy as np

from mcal_engine.lab.recorder import Job, record
from tests.engine.support import config, world

SIZES = (60, 100, 150, 220, 320, 450, 600)


def job(n=3000, classes=4, seed=0, **more):
    settings = config(n, classes, seed=seed)
    truth, learner = world(settings)
    return Job(
        **{"data": "toy", "truth": truth, "classes": classes, "sizes": SIZES, "seed": seed} | more
    ), learner


def recorded(tmp_path, **more):
    made, learner = job(**more)
    return record(made, learner, tmp_path / "run.npz")


class Breaking:
    """A learner that is killed at its n-th training."""

    def __init__(self, learner, trainings):
        self.learner, self.left = learner, trainings

    def train_and_score(self, items, labels, **more):
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return self.learner.train_and_score(items, labels, **more)


def same(one, two):
    """Tell whether two recordings hold the same, byte by byte."""
    assert one.sizes == two.sizes
    assert np.array_equal(one.joined, two.joined)
    for a, b in zip(one.rounds, two.rounds, strict=True):
        assert list(a.takes) == list(b.takes)
        for arch in a.takes:
            first, second = a.take(arch), b.take(arch)
            assert first.model == second.model
            assert list(first.measures) == list(second.measures)
            assert np.array_equal(first.pred, second.pred)
            for name in first.measures:
                assert np.array_equal(first.measures[name].ranks, second.measures[name].ranks)
    return True
