"""Our M(.) takes what scikit-activeml takes, on small pools. It is a tool of this test only."""

from dataclasses import replace

import numpy as np
import pytest

from mcal_engine.acquisitions import ACQUISITIONS, Field
from mcal_engine.scores import from_probabilities

METHODS = {"margin": "margin_sampling", "entropy": "entropy", "least_confidence": "least_confident"}
POOL, KNOWN, BATCH, CLASSES = 120, 30, 12, 4


@pytest.fixture(scope="module")
def oracle():
    """scikit-activeml, imported when a test needs it: it takes seconds."""
    from skactiveml import classifier, pool  # noqa: PLC0415

    return classifier, pool


def world(seed):
    """Images as points of four overlapping clouds; the first ones are B, the others unlabelled."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, CLASSES, POOL)
    points = rng.normal(size=(CLASSES, 6))[truth] + rng.normal(size=(POOL, 6))
    points = points.astype(np.float16).astype(np.float64)
    return points, np.where(np.arange(POOL) < KNOWN, truth, np.nan)


def ours(name, points, probabilities):
    found = from_probabilities(probabilities, "oracle")
    found = replace(found, features=points.astype(np.float16))
    train = np.arange(POOL) < KNOWN
    return ACQUISITIONS[name](Field(np.flatnonzero(~train), (found,), train, "key"), BATCH).tolist()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", sorted(METHODS))
def test_uncertainty_takes_the_same_images_in_the_same_order(oracle, name, seed):
    classifier, pool = oracle
    points, labels = world(seed)
    model = classifier.ParzenWindowClassifier(classes=range(CLASSES), random_state=0)
    model.fit(points, labels)
    strategy = pool.UncertaintySampling(method=METHODS[name], random_state=0)
    theirs = strategy.query(points, labels, model, fit_clf=False, batch_size=BATCH)
    assert ours(name, points, model.predict_proba(points)) == theirs.tolist()


@pytest.mark.parametrize("seed", range(4))
def test_k_center_takes_the_same_images_in_the_same_order(oracle, seed):
    points, labels = world(seed)
    theirs = oracle[1].CoreSet(random_state=0).query(points, labels, batch_size=BATCH)
    flat = np.full((POOL, CLASSES), 1 / CLASSES)
    assert ours("k_center", points, flat) == theirs.tolist()
