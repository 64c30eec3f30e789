"""The three curve models: one interface, the right optimum, the right spread, no crash."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import beta

from mcal_engine import curves, curves_joint, curves_law, curves_mode, curves_theta
from mcal_engine.types import THETAS, Criterion, CurveModel
from tests.engine.support import record

SIZES = (1000, 1500, 2250, 3400, 5000)
N = 100_000
MODELS = list(CurveModel)


def points(rate, sizes=SIZES, **more):
    made = tuple(record(b, lambda t, b=b: rate(b, t), n=N, **more) for b in sizes)
    return curves.points_of(made, N, 10, Criterion.OVERALL)


def power(b, theta):
    return 0.3 * (b / 1000) ** -0.5 * theta**1.5


def median(found, b, share=1.0):
    return float(np.median(found.rates(np.array([float(b)]), np.array([[share]]))))


# --- all models ------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_every_model_draws_curves_of_one_shape(model):
    found = curves.fit(points(power), 0, model)
    rates = found.rates(np.array([5000.0, 9000.0]), np.tile([0.0, 0.33, 1.0], (2, 1)))
    assert rates.shape == (curves.DRAWS, 2, 3)
    assert (rates[:, :, 0] == 0).all()
    assert found.luck.shape == (curves.DRAWS,)
    assert found.points == len(SIZES)
    assert found.horizon == 4 * 5000


@pytest.mark.parametrize("model", MODELS)
def test_every_model_knows_the_present(model):
    found = curves.fit(points(power, test_size=5000), 0, model)
    assert median(found, 5000) == pytest.approx(power(5000, 1.0), rel=0.08)


@pytest.mark.parametrize("model", MODELS)
def test_equal_seeds_draw_equal_curves(model):
    one, two, other = (curves.fit(points(power), seed, model) for seed in (1, 1, 2))
    assert np.array_equal(one.a, two.a)
    assert not np.array_equal(one.a, other.a)


def test_the_joint_fit_is_the_default():
    assert np.array_equal(
        curves.fit(points(power), 0).a, curves.fit(points(power), 0, CurveModel.JOINT).a
    )


@st.composite
def counted(draw):
    """Any counts that a run may show, three to six rounds: none wrong, all wrong, rising."""
    rounds, test = draw(st.integers(3, 6)), draw(st.sampled_from([0, 1, 20, 300]))
    sizes = np.cumsum(draw(st.lists(st.integers(1, 5000), min_size=rounds, max_size=rounds)))
    shares = draw(st.lists(st.floats(0, 1), min_size=rounds, max_size=rounds))
    made = [
        record(int(b), lambda t, share=share: share, test_size=test, n=N)
        for b, share in zip(sizes, shares, strict=True)
    ]
    return curves.points_of(tuple(made), N, draw(st.integers(2, 100)), Criterion.OVERALL)


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=15, deadline=None)
@given(seen=counted())
def test_whatever_was_counted_rates_are_probabilities_in_order(model, seen):
    found = curves.fit(seen, 0, model)
    b = np.geomspace(seen.sizes.max(), found.horizon, 3)
    wrong = found.rates(b, np.tile(THETAS, (3, 1)))
    assert np.isfinite(wrong).all()
    assert ((wrong >= 0) & (wrong <= 1)).all()
    assert (np.diff(wrong, axis=2) >= -1e-12).all()


@pytest.mark.parametrize("model", [CurveModel.JOINT, CurveModel.PER_THETA])
def test_errors_that_rise_are_forecast_to_stay(model):
    """No law here rises with B: the best that a bounded one can say is "no better"."""
    found = curves.fit(points(lambda b, t: 0.1 * (b / 1000) ** 0.5 * t), 0, model)
    assert median(found, 15_000) > 0.8 * median(found, 5000) > 0.1


@pytest.mark.parametrize("model", [CurveModel.JOINT, CurveModel.PER_THETA])
def test_a_guessing_start_does_not_set_the_law(model):
    """Two rounds of guessing, then a law: the forecast nears the law as the guesses count less."""

    def late(b, theta):
        return 0.9 if b < 2000 else power(b, theta)

    seen = points(late)
    equal = curves.Points(seen.n, seen.sizes, seen.tests, seen.errors, np.ones_like(seen.weights))
    true = power(10_000, 1.0)
    off, misled = (
        abs(np.log(median(curves.fit(p, 0, model), 10_000) / true)) for p in (seen, equal)
    )
    assert off < 0.75 * misled


# --- the optimum -------------------------------------------------------------------------------


def noisy_points(seed=0):
    rng = np.random.default_rng(seed)
    return points(lambda b, t: rng.binomial(500, power(b, t)) / 500)


def laws(floor=0.0):
    seen = noisy_points()
    joint = curves_joint._prior()
    alone = curves_mode.Prior(
        joint.mean, np.eye(20) / np.array([3.0, 0.5, 1.0])[:, None, None] ** 2
    )
    return [
        (curves_mode._Law(seen, np.full(20, floor), prior, temper), seen, prior, temper)
        for prior, temper in ((joint, 0.5), (alone, 1.0))
    ]


@pytest.mark.parametrize("floor", [0.0, 0.02])
@pytest.mark.parametrize("which", [0, 1])
def test_the_gradient_is_that_of_the_posterior(which, floor):
    law = laws(floor)[which][0]
    at = law.start() + np.random.default_rng(0).normal(0, 0.1, (3, 20))
    gradient = law.evaluate(at)[1]
    for p, j in ((0, 3), (0, 19), (1, 0), (1, 10), (2, 7)):
        step = np.zeros((3, 20))
        step[p, j] = 1e-5
        slope = (law.evaluate(at + step)[0] - law.evaluate(at - step)[0]) / 2e-5
        assert gradient[p, j] == pytest.approx(slope, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("floor", [0.0, 0.02])
@pytest.mark.parametrize("which", [0, 1])
def test_fisher_scoring_finds_what_a_general_optimiser_finds(which, floor):
    law, seen, prior, temper = laws(floor)[which]
    found = curves_mode.maximum(seen, np.full(20, floor), prior, temper)
    bounds = [(-20, 0)] * 20 + [(0, 3)] * 20 + [(0, 20)] * 20

    def loss(flat):
        value, gradient, _ = law.evaluate(flat.reshape(3, 20))
        return -value, -gradient.ravel()

    best = minimize(
        loss,
        law.start().ravel(),
        jac=True,
        bounds=bounds,
        method="L-BFGS-B",
        options={"maxiter": 3000, "maxfun": 5000},
    )
    assert found.height >= -best.fun - 0.02


def test_free_signs_are_out_of_bounds():
    found = curves.fit(points(lambda b, t: 0.1 * (b / 1000) ** 0.9 * t), 0, CurveModel.PER_THETA)
    assert (found.gamma >= 0).all()
    assert (found.gamma <= 3).all()
    assert (found.u >= 0).all()


# --- per theta ---------------------------------------------------------------------------------


def test_per_theta_recovers_the_truncated_power_law():
    """error = alpha B^-gamma exp(-B / k), N / k = 3, from large counts."""

    def truncated(b, theta):
        return 0.3 * theta * (b / 1000) ** -0.3 * np.exp(-3 * (b - 1000) / N)

    sizes = (1000, 2000, 4000, 8000, 16_000, 24_000)
    found = curves.fit(
        points(truncated, sizes, test_size=20_000, remainder=50_000), 0, CurveModel.PER_THETA
    )
    assert median(found, 48_000) == pytest.approx(truncated(48_000, 1.0), rel=0.15)
    assert np.median(found.u[:, -1]) == pytest.approx(3, abs=0.9)


def test_per_theta_has_neither_floor_nor_noise_of_the_extrapolation():
    found = curves.fit(points(power), 0, CurveModel.PER_THETA)
    assert not found.floor.any()
    assert not found.noise.any()


def test_per_theta_fits_each_theta_alone():
    """More errors at the largest theta move no other curve."""
    one = noisy_points()
    errors = one.errors.copy()
    errors[:, -1] *= 2
    two = curves.Points(one.n, one.sizes, one.tests, errors, one.weights)
    before, after = (curves_theta.fit(p, 0) for p in (one, two))
    assert np.allclose(before.a[:, :-1], after.a[:, :-1], atol=1e-3)
    assert (after.a[:, -1] > before.a[:, -1]).all()


# --- the last value ------------------------------------------------------------------------------


def test_the_last_value_is_a_beta_posterior_that_stays():
    seen = points(power)
    found = curves.fit(seen, 0, CurveModel.LAST_VALUE)
    tests, errors = seen.tests[-1, 9], seen.errors[-1, 9]
    expected = beta.ppf([0.1, 0.5, 0.9], errors + 0.5, tests - errors + 0.5)
    assert np.quantile(np.exp(found.a[:, 9]), [0.1, 0.5, 0.9]) == pytest.approx(expected, rel=0.02)
    assert median(found, 20_000) == median(found, 5000)


# --- the luck of T -------------------------------------------------------------------------------


def test_luck_is_a_standard_normal_that_opposes_what_t_hides():
    errors = np.full(20, 24.5)
    shift, luck = curves_law.luck_of_test(np.random.default_rng(0), errors)
    assert luck.std() == pytest.approx(1, abs=0.1)
    assert shift[:, 0].std() == pytest.approx(np.sqrt(curves_law.SAME / 25), rel=0.05)
    expected = -np.sqrt(curves_law.SAME)
    assert np.corrcoef(shift[:, 0], luck)[0, 1] == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("model", [CurveModel.JOINT, CurveModel.PER_THETA])
def test_more_rounds_on_the_same_t_never_make_it_a_larger_t(model):
    """Thirty rounds without learning: the level stays as uncertain as T's luck makes it."""
    sizes = [1000 + 10 * k for k in range(30)]
    found = curves.fit(points(lambda b, t: 0.1, sizes), 0, model)
    spread = np.log(found.rates(np.array([1290.0]), np.ones((1, 1)))[:, 0, 0]).std()
    assert spread > 0.9 * np.sqrt(curves_law.SAME / 50)


def test_near_guessing_points_count_little():
    seen = points(lambda b, t: 0.9 if b == 1000 else power(b, t))
    assert (seen.weights[0, 2:] == curves_law.CHANCE_WEIGHT).all()
    assert (seen.weights[1:] == 1.0).all()


def test_floors_share_the_draws_by_evidence_with_a_fifth_spread_evenly():
    assert curves_joint._evidence_shares([0.0] * 4) == [60] * 4
    assert curves_joint._evidence_shares([0.0, -50.0, -50.0, -50.0]) == [204, 12, 12, 12]
