from __future__ import annotations

import numpy as np
import pytest
import torch

from mcal_engine.errors import CancelledError, DataError, TrainingError
from mcal_engine.vision.learner import TorchLearner
from mcal_engine.vision.train import Progress, Recipe
from tests.engine.vision.conftest import CLASSES, FAST, TinyPool, make_pool

RECIPE = Recipe(**FAST)


def learner(pool: TinyPool, **changes) -> TorchLearner:
    return TorchLearner(pool.images, CLASSES, **({"recipe": RECIPE, "device": "cpu"} | changes))


def fit(pool: TinyPool, count: int, *, seed: int = 0, **changes):
    return learner(pool, **changes).train_and_score(*pool.first(count), seed=seed, arch="cnn_small")


def test_it_learns_the_tiny_pool(pool):
    scores = fit(pool, 60).scores
    assert (scores.pred == pool.labels)[60:].mean() > 0.95


def test_the_same_seed_gives_the_same_scores_to_the_last_bit(pool):
    first, again = fit(pool, 60, seed=3).scores, fit(pool, 60, seed=3).scores
    assert first.model == again.model
    np.testing.assert_array_equal(first.uncertainty, again.uncertainty)


def test_another_seed_gives_another_model(pool):
    assert fit(pool, 20, seed=3).scores.model != fit(pool, 20, seed=4).scores.model


def test_the_global_random_state_of_torch_is_left_alone(pool):
    before = torch.get_rng_state()
    fit(pool, 10)
    assert torch.equal(before, torch.get_rng_state())


def test_every_image_gets_a_class_and_an_uncertainty(pool):
    scores = fit(pool, 40).scores
    assert scores.pred.shape == scores.uncertainty.shape == (len(pool.images),)
    assert (scores.pred.dtype, scores.uncertainty.dtype) == (np.uint16, np.float32)
    assert ((scores.uncertainty >= 0) & (scores.uncertainty <= 1)).all()


def test_features_come_when_asked_for_and_change_no_score(pool):
    plain, asked = (
        fit(pool, 20).scores,
        learner(pool)
        .train_and_score(*pool.first(20), seed=0, arch="cnn_small", features=True)
        .scores,
    )
    assert plain.features is None
    assert (asked.features.shape, asked.features.dtype) == ((160, 64), np.float16)
    np.testing.assert_array_equal(plain.uncertainty, asked.uncertainty)


def test_features_of_one_class_lie_closer_together_than_those_of_others(pool):
    model = learner(pool).train_and_score(*pool.first(60), seed=0, arch="cnn_small", features=True)
    features = model.scores.features.astype(np.float32)
    means = np.stack([features[pool.labels == label].mean(0) for label in range(CLASSES)])
    distances = np.linalg.norm(features[:, None] - means, axis=2)
    assert (distances.argmin(1) == pool.labels).mean() > 0.95


def test_the_kind_of_device_goes_with_the_seconds(pool):
    assert fit(pool, 5).device == "cpu"


def test_confident_images_do_not_tie(pool):
    recipe = Recipe(**(FAST | {"min_steps": 150}))
    uncertainty = fit(pool, 100, recipe=recipe).scores.uncertainty
    assert np.median(uncertainty) < 1e-3
    assert len(np.unique(uncertainty)) > 0.9 * len(uncertainty)


def test_samples_shown_counts_the_augmented_images(pool):
    model = fit(pool, 60)
    assert model.samples_shown == 30 * 32
    assert model.train_seconds > 0
    assert model.score_seconds > 0


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_a_tiny_training_set_trains(pool, count):
    scores = fit(pool, count).scores
    assert np.isfinite(scores.uncertainty).all()


def test_a_class_without_labels_is_no_error_and_is_hardly_predicted(pool):
    items = np.flatnonzero(pool.labels[:80] != 2)
    scores = (
        learner(pool).train_and_score(items, pool.labels[items], seed=0, arch="cnn_small").scores
    )
    assert (scores.pred == 2).mean() < 0.05


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (13, 3), (32, 3), (64, 3)])
def test_sizes_and_colours(side, channels):
    pool = make_pool(n=24, side=side, channels=channels)
    recipe = Recipe(**(FAST | {"min_steps": 3, "flip": True}))
    assert len(fit(pool, 12, recipe=recipe).scores.pred) == 24


def test_images_without_a_channel_axis_are_grey(pool):
    flat = TorchLearner(pool.images[..., 0], CLASSES, recipe=RECIPE, device="cpu")
    scores = flat.train_and_score(*pool.first(30), seed=0, arch="cnn_small").scores
    assert scores.model == fit(pool, 30).scores.model


def test_the_images_are_left_as_they_were(pool):
    before = pool.images.copy()
    fit(pool, 20)
    np.testing.assert_array_equal(before, pool.images)


def test_the_labels_of_other_images_cannot_matter(pool):
    shuffled = TinyPool(pool.images, pool.labels.copy())
    shuffled.labels[40:] = 0
    assert fit(pool, 40).scores.model == fit(shuffled, 40).scores.model


def test_a_loss_that_is_not_a_number_fails_at_once(pool):
    steps: list[Progress] = []
    wild = Recipe(**(FAST | {"learning_rate": 1e30, "min_steps": 5000}))
    with pytest.raises(TrainingError, match="no longer a number"):
        fit(pool, 60, recipe=wild, report_training=steps.append)
    assert len(steps) < 50


def test_it_stops_between_two_steps_when_cancelled(pool):
    steps: list[Progress] = []
    with pytest.raises(CancelledError):
        fit(pool, 60, report_training=steps.append, cancelled=lambda: len(steps) >= 5)
    assert len(steps) == 5


def test_it_stops_while_scoring_when_cancelled(pool):
    calls: list[int] = []
    one = learner(pool, cancelled=lambda: bool(calls))
    one.train(*pool.first(10), seed=0, arch="cnn_small")
    calls.append(1)
    with pytest.raises(CancelledError):
        one.score()


def test_nothing_to_train_on_is_an_error(pool):
    with pytest.raises(TrainingError, match="no labelled image"):
        fit(pool, 0)


def test_scoring_before_training_is_an_error(pool):
    with pytest.raises(DataError, match="Nothing has been trained"):
        learner(pool).score()


@pytest.mark.parametrize(
    ("items", "labels", "words"),
    [
        ([0, 160], [0, 1], "outside 0 to 159"),
        ([-1, 2], [0, 1], "outside 0 to 159"),
        ([0, 1], [0, 4], "outside 0 to 3"),
        ([0, 1], [0, -1], "outside 0 to 3"),
        ([0, 0], [0, 1], "listed twice"),
        ([0, 1, 2], [0, 1], "do not go with"),
        ([0.5, 1.0], [0, 1], "whole numbers"),
    ],
)
def test_a_wrong_training_set_is_refused(pool, items, labels, words):
    with pytest.raises(DataError, match=words):
        learner(pool).train_and_score(np.array(items), np.array(labels), seed=0, arch="cnn_small")


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((5, 12, 12), np.float32),
        np.zeros((5, 144), np.uint8),
        np.zeros((0, 12, 12, 1), np.uint8),
    ],
)
def test_anything_but_uint8_images_is_refused(images):
    with pytest.raises(DataError, match="uint8"):
        TorchLearner(images, CLASSES, device="cpu")


@pytest.mark.parametrize("classes", [0, 1, 70_000])
def test_a_senseless_number_of_classes_is_refused(pool, classes):
    with pytest.raises(DataError, match="classes"):
        TorchLearner(pool.images, classes, device="cpu")


def test_an_unknown_architecture_is_refused_by_name(pool):
    with pytest.raises(DataError, match="'huge'"):
        learner(pool).train_and_score(*pool.first(8), seed=0, arch="huge")


def test_images_too_small_to_convolve_are_refused():
    with pytest.raises(DataError, match="too small"):
        fit(make_pool(n=8, side=4), 4)
