"""Compute seconds by four models, in closed form, and never promised too cheap; label prices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcal_engine import costs
from mcal_engine.errors import EngineError
from mcal_engine.types import CostModel, Prices
from tests.engine.support import record


def measured(*runs, **more):
    """Records of (|B|, samples shown, training seconds); scoring takes 1 s."""
    return tuple(
        record(b, lambda t: 0.1, seconds=seconds, samples_shown=shown, **more)
        for b, shown, seconds in runs
    )


def seconds(model, *sizes):
    return model.seconds(np.array(sizes, dtype=np.float64)).tolist()


# --- prices -----------------------------------------------------------------------------------


def test_an_hour_of_compute_costs_its_price():
    assert costs.compute_dollars(3600, Prices(0.04, 3.6)) == pytest.approx(3.6)


def test_a_device_may_have_its_own_price():
    prices = Prices(0.04, 3.6, {"cuda": 1.8})
    assert costs.compute_dollars(3600, prices, "cuda") == pytest.approx(1.8)
    assert costs.compute_dollars(3600, prices, "cpu") == pytest.approx(3.6)


def test_an_image_with_three_answers_costs_three():
    assert costs.label_price(0.04, 3) == pytest.approx(0.12)


def test_overlap_on_a_share_of_the_images_costs_its_share():
    assert costs.label_price(0.04, 3, 0.1) == pytest.approx(0.04 * (0.9 + 0.1 * 3))


@given(st.floats(0, 10), st.integers(1, 20), st.floats(0, 1))
def test_the_mean_price_lies_between_one_answer_and_all(price, overlap, share):
    mean = costs.label_price(price, overlap, share)
    assert price <= mean <= price * overlap * (1 + 1e-12)


@pytest.mark.parametrize(("overlap", "share"), [(0, 1.0), (2, -0.1), (2, 1.1), (2, float("nan"))])
def test_an_overlap_that_makes_no_sense_is_refused(overlap, share):
    with pytest.raises(EngineError):
        costs.label_price(0.04, overlap, share)


# --- linear -----------------------------------------------------------------------------------


def test_seconds_are_a_fixed_part_and_one_per_sample():
    model = costs.fit_compute(measured((1000, 20_000, 7.0), (2000, 40_000, 12.0)))
    assert model.fixed == pytest.approx(2.0)
    assert seconds(model, 4000) == [pytest.approx(2 + 80_000 * 0.00025 + 1)]


def test_runs_of_one_size_are_taken_as_per_sample():
    model = costs.fit_compute(measured((100, 38_400, 8.0), (200, 38_400, 8.0)))
    assert model.fixed == 0.0
    assert seconds(model, 200) == [pytest.approx(8 + 1)]


def test_runs_on_the_floor_of_steps_show_where_it_is():
    """30 epochs, at least 38,400 samples: the floor ends at |B| = 1,280."""
    runs = [(b, max(38_400, 30 * b), max(38_400, 30 * b) / 6000) for b in (100, 500, 2000, 4000)]
    model = costs.fit_compute(measured(*runs))
    assert model.samples(np.array([50.0, 100, 1280, 1500, 8000])).tolist() == [
        pytest.approx(wanted) for wanted in (38_400, 38_400, 38_400, 45_000, 240_000)
    ]


def test_a_larger_run_from_the_floor_is_an_upper_limit():
    """Whatever the epochs are, 300 images at 38,400 samples leave at most 128 of them."""
    model = costs.fit_compute(measured((100, 38_400, 8.0), (300, 38_400, 8.0)))
    for epochs in (1, 30, 128):
        assert model.samples(np.array([900.0]))[0] >= max(38_400, epochs * 900)


def test_the_sum_of_equal_steps_from_zero_is_equation_4():
    delta, steps = 500.0, 12
    runs = measured(
        *[(delta * k, delta * k, 0.01 * delta * k) for k in (1, 2, 3)], score_seconds=0.0
    )
    size = delta * steps
    path = costs.fit_compute(runs).path_seconds(0, np.array([size]), steps)
    assert path[0] == pytest.approx(0.01 * size * (size / delta + 1) / 2)


# --- the others -------------------------------------------------------------------------------


def test_epochs_in_proportion_to_b_make_the_total_cubic():
    """Footnote 3: the sum of k^2 over n steps is n (n + 1) (2n + 1) / 6."""
    delta, n = 100, 9
    runs = [(delta * k, 2 * (delta * k) ** 2, 1e-5 * (delta * k) ** 2) for k in (1, 2, 4)]
    model = costs.fit_compute(measured(*runs, score_seconds=0.0), CostModel.QUADRATIC)
    assert seconds(model, 3000) == [pytest.approx(1e-5 * 3000**2)]
    path = model.path_seconds(0, np.array([float(delta * n)]), n)
    assert path[0] == pytest.approx(1e-5 * delta**2 * n * (n + 1) * (2 * n + 1) / 6)


def test_fixed_trainings_take_the_mean():
    model = costs.fit_compute(measured((100, 100, 8.0), (900, 900, 12.0)), CostModel.FIXED)
    assert seconds(model, 10, 500, 90_000) == [11.0, 11.0, 11.0]


def test_measured_times_are_met_and_joined_by_lines():
    runs = measured((100, 1000, 4.0), (300, 3000, 6.0), (700, 7000, 20.0))
    model = costs.fit_compute(runs, CostModel.MEASURED)
    assert seconds(model, 50, 100, 200, 300, 500, 700) == [5.0, 5.0, 6.0, 7.0, 14.0, 21.0]


def test_beyond_the_measured_ones_it_grows_like_the_linear_model():
    runs = measured((100, 1000, 4.0), (300, 3000, 6.0), (700, 7000, 20.0))
    exact, line = (costs.fit_compute(runs, kind) for kind in (CostModel.MEASURED, CostModel.LINEAR))
    grown = np.diff(seconds(line, 700, 1500))[0]
    assert grown > 0
    assert seconds(exact, 1500) == [pytest.approx(21.0 + grown)]


def test_measured_runs_of_one_size_count_by_their_mean_and_luck_is_no_saving():
    runs = measured((100, 1000, 4.0), (100, 1000, 6.0), (200, 2000, 3.0))
    assert seconds(costs.fit_compute(runs, CostModel.MEASURED), 100, 150, 200) == [6.0, 6.0, 6.0]


# --- all of them ------------------------------------------------------------------------------

times = st.lists(
    st.tuples(st.integers(1, 10**6), st.integers(0, 10**8), st.floats(0, 1e4)),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("kind", list(CostModel))
class TestEveryModel:
    @given(runs=times)
    def test_a_larger_training_never_takes_less(self, kind, runs):
        model = costs.fit_compute(measured(*runs), kind)
        found = model.seconds(np.linspace(1, 2_000_000, 50))
        assert (found >= 1.0).all()
        assert (np.diff(found) >= -1e-9 * found[1:]).all()

    @given(runs=times)
    def test_no_part_is_ever_negative(self, kind, runs):
        model = costs.fit_compute(measured(*runs), kind)
        assert model.fixed >= 0
        assert model.per_sample >= 0

    def test_a_path_adds_up_its_runs(self, kind):
        model = costs.fit_compute(measured((1000, 20_000, 7.0), (2000, 40_000, 12.0)), kind)
        ends = np.array([4000.0, 6000.0])
        by_hand = sum(model.seconds(2000 + part * (ends - 2000)) for part in (0.5, 1.0))
        assert np.allclose(model.path_seconds(2000, ends, 2), by_hand)

    def test_one_run_is_repeated_at_its_own_time(self, kind):
        model = costs.fit_compute(measured((1000, 20_000, 7.0)), kind)
        assert seconds(model, 1000) == [pytest.approx(8.0)]

    def test_free_training_stays_free(self, kind):
        runs = measured((1000, 0, 0.0), (2000, 0, 0.0), score_seconds=0.0)
        assert seconds(costs.fit_compute(runs, kind), 3000) == [0.0]
