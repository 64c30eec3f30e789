"""The back-test: what it forecasts, and that its figures are right."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from mcal_engine import curves
from mcal_engine.lab import backtest
from mcal_engine.types import THETAS, Criterion, CurveModel
from tests.engine.curve_worlds import FAMILIES, world
from tests.engine.support import record

MODELS = ("joint", "per_theta", "last_value")


@pytest.fixture(scope="module")
def worlds():
    return [world(family, 0, n=6_000, rounds=8) for family in FAMILIES]


@pytest.fixture(scope="module")
def pooled(worlds):
    """Figures against the true rates, over all families."""
    found = [f for w in worlds for f in backtest.forecasts(w.records, w.n, 10, truth=w.truth)]
    return backtest.summary(found)["models"]


@pytest.fixture(scope="module")
def counted(worlds):
    found = [f for w in worlds for f in backtest.forecasts(w.records, w.n, 10)]
    return backtest.summary(found)["models"]


def flat(rate, sizes, **more):
    return [record(b, lambda t: rate, n=100_000, **more) for b in sizes]


def one(records, model=CurveModel.LAST_VALUE, **more):
    return backtest.forecasts(records, 100_000, 10, models=(model,), **more)


def test_every_model_is_judged_one_two_and_all_trainings_ahead(worlds):
    w = worlds[0]
    found = backtest.forecasts(w.records[:6], w.n, 10)
    seen = {(f.model.value, f.points, f.horizon) for f in found}
    ahead = [(i, h) for i in (3, 4, 5) for h in ("next", "second", "end")]
    ahead.remove((5, "second"))
    assert seen == {(model, i, h) for model in MODELS for i, h in ahead}


def test_fewer_than_four_trainings_forecast_nothing(worlds):
    w = worlds[0]
    assert backtest.forecasts(w.records[:3], w.n, 10) == ()
    assert backtest.backtest(w.records[:3], w.n, 10)["models"] == {}


def test_nothing_is_forecast_beyond_the_horizon():
    found = one(flat(0.2, (1000, 1500, 2000, 3000, 9000)))
    assert [(f.points, f.horizon) for f in found] == [
        (3, "next"),
        (4, "next"),
        (4, "end"),
    ]


def test_a_forecast_never_sees_what_comes_later(worlds):
    w = worlds[0]
    changed = [*w.records[:5], replace(w.records[5], test_errors=(0,) * len(THETAS))]
    before = {(f.points, f.horizon, f.model): f for f in backtest.forecasts(changed, w.n, 10)}
    again = {(f.points, f.horizon, f.model): f for f in backtest.forecasts(w.records[:6], w.n, 10)}
    key = (3, "next", CurveModel.JOINT)
    assert np.array_equal(before[key].log_error, again[key].log_error, equal_nan=True)
    key = (5, "next", CurveModel.JOINT)
    assert (before[key].log_error[-5:] > again[key].log_error[-5:]).all()


def test_the_log_error_is_that_of_the_median_with_half_an_error_added():
    """Error in proportion to theta, so that the curves keep their order by themselves."""
    *records, later = (
        record(b, lambda t, top=top: top * t, n=100_000, remainder=98_000)
        for b, top in ((1000, 0.2), (1500, 0.2), (2000, 0.2), (3000, 0.1))
    )
    (found,) = (f for f in one([*records, later]) if f.horizon == "next")
    assert found.log_error[-1] == pytest.approx(np.log((0.2 * 500 + 0.5) / 50.5), abs=0.01)


def test_a_true_rate_is_inside_where_the_draws_surround_it():
    records = flat(0.2, (1000, 1500, 2000, 2200))
    drawn = curves.fit(
        curves.points_of(tuple(records[:3]), 100_000, 10, Criterion.OVERALL),
        0,
        CurveModel.LAST_VALUE,
    )
    share = records[3].remainder / records[2].remainder
    rates = drawn.rates(np.array([2200.0]), np.array([[share]]))[:, 0, 0]

    def inside(quantile):
        truth = np.full((4, len(THETAS)), np.quantile(rates, quantile))
        found = one(records, truth=truth)[0]
        return found.inside80[-1], found.inside95[-1]

    assert [inside(q) for q in (0.01, 0.05, 0.5, 0.95, 0.99)] == [
        (0, 0),
        (0, 1),
        (1, 1),
        (0, 1),
        (0, 0),
    ]


def test_counts_on_the_edge_of_an_interval_count_in_part():
    """One test image in the smallest set: nobody can cover exactly 80 % without breaking ties."""
    made = flat(0.3, (1000, 1500, 2000, 2200), test_size=20)
    found = [f.inside80[0] for f in one(made)]
    assert all(0 < part < 1 for part in found)


def test_exact_coverage_of_a_known_binomial():
    """Averaged over all counts that it may show."""
    tests, rate = 7, 0.3
    k = np.arange(tests + 1)
    below, upto = binom.cdf(k - 1, tests, rate), binom.cdf(k, tests, rate)
    for tail in (0.1, 0.025):
        covered = backtest._inside(below, upto, tail) @ binom.pmf(k, tests, rate)
        assert covered == pytest.approx(1 - 2 * tail, abs=1e-12)


def test_figures_are_plain_json_with_a_list_per_theta(worlds):
    w = worlds[0]
    found = json.loads(json.dumps(backtest.backtest(w.records, w.n, 10), allow_nan=False))
    figures = found["models"]["joint"]["end"]
    assert found["thetas"] == list(THETAS)
    assert set(figures["by_theta"]) == {"median_abs_log_error", "bias", "cover80", "cover95"}
    assert all(len(column) == len(THETAS) for column in figures["by_theta"].values())
    assert figures["forecasts"] == sum(
        w.records[-1].train_size <= (4 if i < 6 else 6) * w.records[i - 1].train_size
        for i in range(3, len(w.records))
    )


def test_a_set_that_t_never_saw_is_null_and_spoils_nothing():
    made = [
        replace(r, test_counts=(0, *r.test_counts[1:])) for r in flat(0.2, (100, 150, 200, 300))
    ]
    found = backtest.backtest(made, 100_000, 10)["models"]["joint"]["next"]
    assert found["by_theta"]["bias"][0] is None
    assert found["by_theta"]["bias"][1] is not None
    assert found["bias"] is not None


def test_pooling_joins_the_forecasts_of_several_runs(worlds):
    parts = [backtest.forecasts(w.records, w.n, 10) for w in worlds[:2]]
    both = backtest.summary([*parts[0], *parts[1]])["models"]["joint"]["next"]
    assert both["forecasts"] == sum(len(w.records) - 3 for w in worlds[:2])


def test_the_joint_fit_forecasts_better_than_the_last_value(counted):
    for horizon in backtest.HORIZONS:
        joint, last = (counted[m][horizon]["median_abs_log_error"] for m in ("joint", "last_value"))
        assert joint < 0.8 * last


def test_bands_of_the_joint_fit_cover_the_true_rates_of_large_sets(pooled):
    """theta from 60 % on: where plans are decided. Smaller sets hold next to no error."""
    for horizon in backtest.HORIZONS:
        by_theta = pooled["joint"][horizon]["by_theta"]
        assert 0.70 <= np.mean(by_theta["cover80"][11:]) <= 0.97
        assert np.mean(by_theta["cover95"][11:]) >= 0.88


def test_bands_of_the_joint_fit_cover_the_counts(counted):
    for horizon in backtest.HORIZONS:
        assert 0.72 <= counted["joint"][horizon]["cover80"] <= 0.95
        assert counted["joint"][horizon]["cover95"] >= 0.90


def test_equal_seeds_give_equal_figures(worlds):
    w = worlds[0]
    one, two = (backtest.backtest(w.records, w.n, 10, seed=3) for _ in range(2))
    assert one == two
