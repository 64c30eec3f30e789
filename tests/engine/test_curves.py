"""Curves recover known laws, stay humble, and are fast."""

import time

import numpy as np
import pytest

from mcal_engine import curves
from mcal_engine.types import THETAS, Criterion
from tests.engine.support import record

SIZES = (100, 200, 300, 450, 675, 1012, 1518)


def law(b, theta):
    return 0.35 * (b / 100) ** -0.4 * theta**2


def fitted(rate, points=5, seed=0, **more):
    records = tuple(record(b, lambda t, b=b: rate(b, t), **more) for b in SIZES[:points])
    return curves.fit(curves.points_of(records, 10_000, 10, Criterion.OVERALL), seed)


def at(found, b, share=1.0):
    return found.rates(np.array([float(b)]), np.array([[share]]))[:, 0, 0]


def noisy(seed, points):
    rng = np.random.default_rng(seed)
    steps = {b: np.diff([law(b, t) * t for t in (0.0, *THETAS)]) / 0.05 for b in SIZES}

    def draw(b):
        wrong = np.cumsum(rng.binomial(25, np.clip(steps[b], 0, 1)))
        return record(b, lambda t: wrong[round(t * 20) - 1] / round(t * 500))

    made = tuple(draw(b) for b in SIZES[:points])
    return curves.fit(curves.points_of(made, 10_000, 10, Criterion.OVERALL), 0)


@pytest.mark.parametrize("theta", [0.5, 0.75, 1.0])
def test_the_law_is_recovered_where_it_was_measured(theta):
    found = np.median(at(fitted(law), 675, theta))
    assert found == pytest.approx(law(675, theta), rel=0.15)


@pytest.mark.parametrize("points", [4, 5, 7])
def test_twice_the_size_is_forecast_within_a_quarter(points):
    ratios = []
    for seed in range(8):
        b = 2 * SIZES[points - 1]
        # the remainder shrinks with B: the same set is a larger share of it
        ratios.append(np.median(at(noisy(seed, points), b, 1.0)) / law(b, 1.0))
    assert 0.75 < np.median(ratios) < 1.25


def test_the_band_holds_the_truth_mostly():
    hits = []
    for seed in range(20):
        low, high = np.quantile(at(noisy(seed, 5), 1350), [0.1, 0.9])
        hits.append(low <= law(1350, 1.0) <= high)
    assert np.mean(hits) >= 0.6


def test_the_band_widens_with_distance():
    found = fitted(law)

    def width(b):
        low, high = np.quantile(np.log(at(found, b)), [0.1, 0.9])
        return high - low

    assert width(675) < width(1350) < width(2700)


def test_errors_never_rise_with_the_training_size_in_the_middle_of_the_band():
    found = fitted(law)
    medians = [np.median(at(found, b)) for b in (675, 900, 1350, 2700)]
    assert medians == sorted(medians, reverse=True)


def test_a_set_twice_as_large_is_never_cleaner():
    found = fitted(law)
    rates = found.rates(np.array([1000.0]), np.linspace(0.05, 1, 20)[None])
    assert (np.diff(rates, axis=2) >= -1e-12).all()


def test_no_wrong_test_image_at_all_is_a_fit_and_not_a_crash():
    found = fitted(lambda b, t: 0.0)
    assert np.median(at(found, 1350)) < 0.01


def test_guessing_forecasts_no_usable_set():
    found = fitted(lambda b, t: 0.9)
    assert np.quantile(at(found, 1350, 0.3), 0.1) > 0.2


def test_rates_stay_probabilities():
    rates = fitted(lambda b, t: 0.95).rates(np.array([100.0, 4000.0]), np.ones((2, 3)))
    assert ((rates >= 0) & (rates <= 1)).all()


def test_a_shrinking_remainder_is_no_learning():
    """The same sets with the same errors, seen as shares of ever smaller remainders."""
    records = tuple(
        record(b, lambda t, left=left: 0.2 * t * left, remainder=round(9000 * left))
        for b, left in ((100, 1.0), (200, 0.9), (400, 0.8), (800, 0.7))
    )
    points = curves.points_of(records, 10_000, 10, Criterion.OVERALL)
    share = points.errors / points.tests
    assert share[0, -1] == pytest.approx(share[-1, -1], rel=0.1)


def test_the_horizon_grows_with_the_points():
    assert fitted(law, points=5).horizon == 4 * 675
    assert fitted(law, points=6).horizon == 6 * 1012


def test_equal_seeds_fit_equal_curves():
    one, two = fitted(law, seed=3), fitted(law, seed=3)
    assert np.array_equal(at(one, 1000), at(two, 1000))
    assert not np.array_equal(at(one, 1000), at(fitted(law, seed=4), 1000))


def test_twenty_curves_through_ten_points_take_under_a_tenth_of_a_second():
    sizes = [100 * 1.5**k for k in range(10)]
    records = tuple(record(int(b), lambda t, b=b: law(b, t)) for b in sizes)
    points = curves.points_of(records, 100_000, 10, Criterion.OVERALL)
    curves.fit(points, 0)
    best = min(_seconds(lambda: curves.fit(points, 0)) for _ in range(5))
    assert best < 0.1


def _seconds(work):
    began = time.thread_time()
    work()
    return time.thread_time() - began
