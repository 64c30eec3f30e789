"""The synthetic learner: its measures are those of real probabilities, its rivals differ."""

from __future__ import annotations

import numpy as np
import pytest

from mcal_engine.learner import SyntheticLearner

ITEMS = np.arange(300)


def world(classes=4, n=4000, **more):
    labels = np.random.default_rng(5).integers(0, classes, n)
    return SyntheticLearner(labels, classes, world=9, **more)


def fit(learner, *, arch="x", **more):
    return learner.train_and_score(ITEMS, learner.labels[ITEMS], seed=1, arch=arch, **more)


def errors(learner, arch):
    return float((fit(learner, arch=arch).scores.pred != learner.labels).mean())


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_least_confidence_lies_between_half_of_the_margin_measure_and_all_of_it(classes):
    scores = fit(world(classes)).scores
    low, high = scores.uncertainty / 2, scores.uncertainty * (classes - 1) / classes
    assert (scores.least >= low * (1 - 1e-5)).all()
    assert (scores.least <= high * (1 + 1e-5)).all()


def test_with_two_classes_the_entropy_is_that_of_a_coin():
    scores = fit(world(2)).scores
    p = scores.least.astype(np.float64)
    expected = -p * np.log(p) - (1 - p) * np.log1p(-p)
    np.testing.assert_allclose(scores.entropy, expected, rtol=1e-5)


def test_entropy_stays_within_its_bounds():
    entropy = fit(world(10, learnable=False)).scores.entropy
    assert entropy.min() > 0
    assert entropy.max() <= np.log(10) * (1 + 1e-6)


def test_the_three_measures_rank_differently_but_agree_on_the_whole():
    scores = fit(world(10)).scores
    ranks = [np.argsort(np.argsort(m)) for m in (scores.uncertainty, scores.least, scores.entropy)]
    assert not np.array_equal(ranks[0], ranks[1])
    assert np.corrcoef(ranks).min() > 0.9


def test_features_come_only_when_asked_for_and_tell_the_classes_apart():
    learner = world(4)
    features = fit(learner, features=True).scores.features
    assert fit(learner).scores.features is None
    assert (features.shape, features.dtype) == ((4000, 8), np.float16)
    directions = features / np.linalg.norm(features.astype(np.float32), axis=1, keepdims=True)
    for label in range(4):
        own = directions[learner.labels == label]
        assert np.abs(own - own[0]).max() < 0.02


def test_asking_for_features_changes_nothing_else():
    learner = world()
    plain, asked = fit(learner).scores, fit(learner, features=True).scores
    np.testing.assert_array_equal(plain.pred, asked.pred)
    np.testing.assert_array_equal(plain.entropy, asked.entropy)


def test_a_stronger_rival_errs_less_and_a_slow_one_takes_longer():
    learner = world(strengths={"strong": (0.5, 10.0), "weak": (2.0, 0.1)})
    assert errors(learner, "strong") < errors(learner, "plain") < errors(learner, "weak")
    plain, strong = fit(learner, arch="plain"), fit(learner, arch="strong")
    assert strong.train_seconds == pytest.approx(10 * plain.train_seconds)
    assert strong.score_seconds == pytest.approx(10 * plain.score_seconds)


def test_a_rivals_error_is_what_its_error_probability_says():
    learner = world(n=20_000, strengths={"strong": (0.5, 1.0)})
    wrong = (fit(learner, arch="strong").scores.pred != learner.labels)[len(ITEMS) :]
    expected = learner.error_probability(len(ITEMS), "strong")[len(ITEMS) :].mean()
    assert wrong.mean() == pytest.approx(expected, abs=0.01)


def test_rivals_of_equal_strength_make_their_own_mistakes():
    learner = world(strengths={"a": (1.0, 1.0), "b": (1.0, 1.0)})
    assert (fit(learner, arch="a").scores.pred != fit(learner, arch="b").scores.pred).any()


def test_the_device_is_named():
    assert fit(world()).device == "cpu"
