"""Compute seconds are regressed with non-negative parts and never promised too cheap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcal_engine import costs
from mcal_engine.types import Prices
from tests.engine.support import record


def measured(*runs):
    return tuple(
        record(b, lambda t: 0.1, seconds=seconds, samples_shown=shown) for b, shown, seconds in runs
    )


def test_an_hour_of_compute_costs_its_price():
    assert costs.compute_dollars(3600, Prices(0.04, 3.6)) == pytest.approx(3.6)


def test_seconds_are_a_fixed_part_and_one_per_sample():
    model = costs.fit_compute(measured((1000, 20_000, 7.0), (2000, 40_000, 12.0)))
    assert model.fixed == pytest.approx(2.0)
    assert model.seconds(np.array([4000.0]))[0] == pytest.approx(2 + 80_000 * 0.00025 + 1)


def test_runs_of_one_size_are_taken_as_per_sample():
    model = costs.fit_compute(measured((100, 38_400, 8.0), (200, 38_400, 8.0)))
    assert model.fixed == 0.0
    assert model.seconds(np.array([200.0]))[0] == pytest.approx(8 + 1)


times = st.lists(st.tuples(st.integers(1, 10**6), st.floats(0.1, 1e4)), min_size=1, max_size=8)


@given(times)
def test_no_part_is_ever_negative(runs):
    model = costs.fit_compute(measured(*[(shown, shown, seconds) for shown, seconds in runs]))
    assert model.fixed >= 0
    assert model.per_sample >= 0


def test_a_path_adds_up_its_runs():
    model = costs.fit_compute(measured((1000, 20_000, 7.0), (2000, 40_000, 12.0)))
    ends = np.array([4000.0, 6000.0])
    by_hand = sum(model.seconds(2000 + part * (ends - 2000)) for part in (0.5, 1.0))
    assert np.allclose(model.path_seconds(2000, ends, 2), by_hand)


def test_a_larger_training_never_takes_less():
    model = costs.fit_compute(measured((100, 38_400, 8.0), (4000, 80_000, 15.0)))
    assert (np.diff(model.seconds(np.linspace(100, 9000, 50))) >= 0).all()
