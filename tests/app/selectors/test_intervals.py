"""The intervals that pages show are the exact ones."""

from __future__ import annotations

import pytest
from scipy.stats import beta

from labelapp.selectors.intervals import incomplete_beta, share_interval


@pytest.mark.parametrize(("right", "n"), [(0, 1), (1, 1), (0, 20), (20, 20), (13, 20), (970, 1000)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_the_interval_is_clopper_and_pearsons(right, n, confidence):
    tail = (1 - confidence) / 2
    low = 0.0 if right == 0 else beta.ppf(tail, right, n - right + 1)
    high = 1.0 if right == n else beta.ppf(1 - tail, right + 1, n - right)
    assert share_interval(right, n, confidence) == pytest.approx((low, high), abs=1e-9)


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (3, 70), (5_000, 200), (1, 1)])
@pytest.mark.parametrize("x", [0.001, 0.3, 0.97])
def test_the_incomplete_beta_function_is_scipys(a, b, x):
    assert incomplete_beta(a, b, x) == pytest.approx(beta.cdf(x, a, b), abs=1e-10)


def test_nobody_asked_nothing_known():
    assert share_interval(0, 0) == (0.0, 1.0)
