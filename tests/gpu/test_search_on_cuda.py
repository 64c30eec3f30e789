"""A search on a CUDA device: run with `pytest -m gpu tests/gpu`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mcal_engine.search import LabelledPool, Scheme, SearchSettings
from mcal_engine.search_compare import compare
from mcal_engine.search_store import Memory
from mcal_engine.vision.parking import park
from mcal_engine.vision.search_learner import SearchLearner
from tests.engine.vision.conftest import CLASSES, make_pool

ARCH = "cnn_small+checkpoints=2+seeds=2"


@pytest.mark.parametrize("scheme", list(Scheme))
def test_every_scheme_ends_with_models_that_learnt(scheme, tmp_path):
    tiny = make_pool(320)
    held_out = np.arange(320) % 5 == 0  # of every class some
    pool = LabelledPool(tiny.labels, held_out, CLASSES)
    quick = {"min_steps": 40, "epochs": 1, "batch": 32}
    learner = SearchLearner(tiny.images, CLASSES, settings=quick, flip=False, device="cuda")
    learner.members_in = tmp_path
    settings = SearchSettings(0.5, scheme, acquirer=ARCH, model=ARCH)
    result, subset = compare(settings, pool, learner, Memory(), (0,))
    assert len(np.unique(subset)) == 128
    assert not held_out[subset].any()
    assert result["accuracy"]["full"]["mean"] > 0.9
    assert result["runs"][0]["models"]["search"]["device"] == "cuda"


def test_a_search_that_waits_gives_its_memory_back_and_ends_alike(tmp_path):
    """Parked at each step: every tensor's place is free meanwhile, and the weights come back."""
    tiny = make_pool(320)
    items, labels = tiny.first(64)
    learner = SearchLearner(
        tiny.images, CLASSES, settings={"min_steps": 10, "epochs": 1}, flip=False, device="cuda"
    )
    learner.members_in = tmp_path
    ballast = torch.ones(2**26, device="cuda")  # 256 MiB
    alone = learner.train_and_score(items, labels, seed=5, arch=ARCH).scores
    free = []

    def parking() -> bool:
        before = torch.cuda.memory_reserved()
        fill = park(learner.device)
        free.append(before - torch.cuda.memory_reserved())
        fill()
        return False

    learner.cancelled = parking
    again = learner.train_and_score(items, labels, seed=5, arch=ARCH).scores
    assert min(free) >= 2**28
    assert again.model == alone.model
    assert ballast.sum() == 2**26
