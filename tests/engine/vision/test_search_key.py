"""A search goes on only with what decides how its networks come out: device and weights too."""

from __future__ import annotations

import pytest
import torch

from mcal_engine.errors import WeightsError
from mcal_engine.lab import search_commands
from mcal_engine.vision.pretrained import Prior
from mcal_engine.vision.search_key import told
from mcal_engine.vision.search_learner import SearchLearner
from mcal_engine.vision.weights import Source
from tests.engine.vision.conftest import CLASSES, TinyPool
from tests.engine.vision.test_weights import put

TUNED = ("cnn_small+seeds=2+tuned", "cnn_small")


def learner_of(pool: TinyPool, folder=None, **more) -> SearchLearner:
    found = SearchLearner(pool.images, CLASSES, device="cpu", threads=1, **more)
    found.prior = Prior(Source(folder))
    return found


def test_weights_count_by_what_they_are_not_by_where_they_lie(pool: TinyPool, tmp_path):
    first, moved, other = (tmp_path / name for name in ("first", "moved", "other"))
    first.mkdir()
    other.mkdir()
    put(first)
    put(other)
    moved.symlink_to(first)
    known = told(learner_of(pool, first), TUNED)
    assert told(learner_of(pool, moved), TUNED) == known
    assert told(learner_of(pool, other), TUNED) != known
    assert "weights" not in told(learner_of(pool, first), ("cnn_small+seeds=3",))
    with pytest.raises(WeightsError, match="No folder of weights"):
        told(learner_of(pool), TUNED)


def test_the_device_and_the_settings_are_told(pool: TinyPool):
    known = told(learner_of(pool), ("cnn_small",))
    assert known == {"training": {}, "flip": True, "device": "cpu"}
    assert told(learner_of(pool, flip=False), ("cnn_small",)) != known
    assert told(learner_of(pool, settings={"epochs": 3}), ("cnn_small",)) != known
    elsewhere = learner_of(pool)
    elsewhere.device = torch.device("cuda")
    assert told(elsewhere, ("cnn_small",)) != known
    assert search_commands.told_of(elsewhere, ("cnn_small",))["device"] == "cuda"
