"""The present level of drawn curves is what T shows, whatever the fit over all rounds says."""

import numpy as np
import pytest

from mcal_engine import curves
from mcal_engine.types import THETAS, Criterion, CurveModel
from tests.engine.support import record

SIZES = (500, 1000, 1500, 2200, 3300)


def steep(theta):
    """Most errors sit in the last few per cent of the remainder, as on real sets."""
    return 0.004 * theta + 0.05 * max(theta - 0.8, 0.0) / 0.2 * theta


def drawn(model, errors=steep, test_size=1000):
    history = tuple(
        record(size, lambda t, s=size: errors(t) * (SIZES[-1] / s) ** 0.5, test_size=test_size)
        for size in SIZES
    )
    points = curves.points_of(history, 10_000, 10, Criterion.OVERALL)
    return points, curves.fit(points, 0, model)


def present(found):
    rates = found.rates(np.array([found.last]), np.asarray(THETAS)[None])[:, 0]
    return rates.mean(axis=0)


@pytest.mark.parametrize("model", [CurveModel.JOINT, CurveModel.PER_THETA])
def test_the_whole_remainder_is_not_smoothed_away(model):
    points, found = drawn(model)
    shown = points.errors[-1] / points.tests[-1]
    assert present(found)[-1] == pytest.approx(shown[-1], rel=0.15)
    assert present(found)[15] < 0.5 * shown[-1]


@pytest.mark.parametrize("model", [CurveModel.JOINT, CurveModel.PER_THETA])
def test_draws_scatter_as_counts_do(model):
    points, found = drawn(model)
    rates = found.rates(np.array([found.last]), np.ones((1, 1)))[:, 0, 0]
    expected = 1 / np.sqrt(points.errors[-1][-1])
    assert 0.7 * expected < rates.std() / rates.mean() < 1.6 * expected


def test_luck_opposes_the_error():
    """Where X is worse than T shows, T will look too good again."""
    _, found = drawn(CurveModel.JOINT)
    rates = found.rates(np.array([found.last]), np.ones((1, 1)))[:, 0, 0]
    assert np.corrcoef(rates, found.luck)[0, 1] < -0.4
    assert found.luck.std() == pytest.approx(1.0, abs=0.15)


def test_a_test_set_without_an_error_leaves_a_small_rate():
    _, found = drawn(CurveModel.JOINT, errors=lambda t: 0.0)
    assert 0 < present(found)[-1] < 0.002


def test_equal_seeds_draw_equal_curves():
    (_, one), (_, two) = drawn(CurveModel.JOINT), drawn(CurveModel.JOINT)
    assert np.array_equal(one.a, two.a)
    assert np.array_equal(one.luck, two.luck)
