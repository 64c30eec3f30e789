"""The same training on a CUDA device: run with `pytest -m gpu tests/gpu`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mcal_engine.errors import TrainingError
from mcal_engine.vision.device import autocast, describe, pick_device
from mcal_engine.vision.learner import TorchLearner
from mcal_engine.vision.train import Recipe
from tests.engine.vision.conftest import CLASSES, FAST, make_pool


def fit(device: str | None, **changes):
    pool = make_pool()
    learner = TorchLearner(pool.images, CLASSES, recipe=Recipe(**(FAST | changes)), device=device)
    return learner.train_and_score(*pool.first(60), seed=0, arch="cnn_small").scores


def test_the_accelerator_is_chosen_when_there_is_one():
    assert pick_device().type == "cuda"
    assert "cuda" in describe(pick_device())


def test_it_computes_in_bf16():
    ones = torch.ones(4, 4, device="cuda")
    with autocast(torch.device("cuda")):
        assert (ones @ ones).dtype == torch.bfloat16


def test_it_learns_the_tiny_pool():
    scores = fit(None)
    assert (scores.pred == make_pool().labels)[60:].mean() > 0.95


def test_it_agrees_with_the_processor_on_nearly_all_images():
    assert (fit("cuda").pred == fit("cpu").pred).mean() > 0.95


def test_a_loss_that_is_not_a_number_fails_soon():
    with pytest.raises(TrainingError):
        fit("cuda", learning_rate=1e30, min_steps=5000)


def test_uncertainty_is_finite_and_within_bounds():
    uncertainty = fit("cuda").uncertainty
    assert np.isfinite(uncertainty).all()
    assert uncertainty.min() >= 0
    assert uncertainty.max() <= 1
