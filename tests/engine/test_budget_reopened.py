"""Opening a run again within its budget: never a cent above it, and never only to be worse off."""

from copy import deepcopy
from dataclasses import replace
from functools import cache
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcal_engine import budgets, evidence, mcal, simulate, steering
from mcal_engine.errors import BudgetTooSmallError
from mcal_engine.learner import SyntheticLearner
from mcal_engine.types import CertificateKind, Finished, Prices, Purpose, RunConfig, Target

N, BUDGET, PRICE = 500, 6.0, 0.04


@cache
def finished(certificate=CertificateKind.AUDIT):
    """Return (state, driver) of a run whose budget chose its end."""
    state, request, driver = begun(certificate)
    state, _ = to_the_end(state, request, driver)
    return state, driver


def begun(certificate=CertificateKind.AUDIT):
    target = Target(0.05, certificate=certificate, budget=BUDGET)
    made = RunConfig(N, 5, Prices(PRICE, 3.6), target, arch="a", max_rounds=6)
    labels = np.random.default_rng(0).integers(0, 5, N)
    driver = simulate.Driver(made, simulate.Oracle(labels), SyntheticLearner(labels, 5))
    return (*mcal.start(made), driver)


def to_the_end(state, request, driver):
    """Return the last state and the dollars that everything came to."""
    while not isinstance(request, Finished):
        state, request = mcal.advance(state, driver.answer(request))
    return state, driver.oracle.paid() * PRICE + state.spent_compute


def opened(state, driver, **target):
    """Open the finished run again; return (state, request, driver)."""
    driver, view = deepcopy(driver), next(iter(driver.scores.values()))
    machine = driver.machine.copy()
    driver.machine[:], driver.machine_labels[:] = False, -1
    target = replace(state.config.target, **target)
    return (*steering.reopen(state, driver.pool(), machine, view, target), driver)


def spent():
    state, driver = finished()
    return driver.oracle.paid() * PRICE + state.spent_compute


@cache
def least():
    state, driver = finished()
    with pytest.raises(BudgetTooSmallError) as refused:
        opened(state, driver)
    return refused.value.least


def test_with_hardly_a_cent_left_a_run_is_not_opened_again():
    """It went one cent over its budget, and its new certificate was worse than the old one."""
    state, driver = finished()
    assert BUDGET - PRICE < spent() <= BUDGET
    with pytest.raises(BudgetTooSmallError, match=rf"\${BUDGET:.2f} could only make") as refused:
        opened(state, driver)
    assert refused.value.least > BUDGET
    assert str(refused.value).endswith(f"takes ${budgets.cents_above(least()):,.2f} or more")


def test_the_least_sum_is_what_is_spent_a_training_and_the_shortest_check():
    state, driver = finished()
    again, request, _ = opened(state, driver, budget=least())
    size = int(driver.train.sum()) + len(request.train)
    training = budgets.SLACK * budgets.next_trainings(again, size)
    assert training > 0
    open_ones, allowed = int(driver.machine.sum()), state.certificate["wrong_at_most"]
    assert allowed > 0.05 * N  # more than the target allows
    level = evidence.level(0.05, state.attempts + 1)
    check = budgets.faultless_audit(open_ones, allowed, level)
    assert check > 0
    assert least() == pytest.approx(spent() + training + check * PRICE)


@settings(max_examples=5, deadline=None)
@given(st.floats(0, 4))
def test_no_sum_is_exceeded_by_a_cent(extra):
    state, driver = finished()
    budget = spent() + extra
    if budget < least():
        with pytest.raises(BudgetTooSmallError):
            opened(state, driver, budget=budget)
        budget = budgets.cents_above(least())
    step = opened(state, driver, budget=budget)
    _, total = to_the_end(*step)
    assert total <= budget + 1e-9
    assert ((step[2].labels >= 0) ^ step[2].machine).all()


def test_where_the_test_set_judges_only_a_training_is_needed():
    state, driver = finished(CertificateKind.TEST_SET)
    bought = driver.oracle.paid() * PRICE + state.spent_compute
    again, request, _ = opened(state, driver, budget=1000.0)
    size = int(driver.train.sum()) + len(request.train)
    needed = bought + budgets.SLACK * budgets.next_trainings(again, size)
    assert opened(state, driver, budget=needed)[1].purpose is Purpose.TRAIN
    with pytest.raises(BudgetTooSmallError):
        opened(state, driver, budget=needed - 0.001)


def test_a_looser_target_asks_for_a_shorter_check():
    state, driver = finished()
    again = opened(state, driver, budget=1000.0)[0]
    pool = driver.pool()
    loose = replace(again.config, target=replace(again.config.target, epsilon=0.4))
    args = (pool, 0, 0.1)  # a tenth was left possible
    shorter = budgets.least_to_reopen(replace(again, config=loose), *args)
    assert shorter < budgets.least_to_reopen(again, *args)


def test_new_images_cost_their_share_of_the_test_marks():
    state, driver = finished()
    pool, machine = driver.pool(), driver.machine
    view = next(iter(driver.scores.values()))
    rich = replace(state.config.target, budget=1000.0)
    again, _ = steering.reopen(state, pool, machine, view, rich, N + 300)
    assert again.coming == N + 300
    args = (pool, 30, 1.0)
    more = budgets.least_to_reopen(again, *args)
    assert more == pytest.approx(budgets.least_to_reopen(again, pool, 0, 1.0) + 30 * PRICE)
    with pytest.raises(BudgetTooSmallError):
        steering.reopen(state, pool, machine, view, state.config.target, N + 300)


def test_a_wish_is_taken_back_whatever_the_budget_still_pays_for():
    """Nobody has begun to label the rest: the run goes on as if it had not been asked."""
    state, request, driver = begun()
    while not state.records:
        state, request = mcal.advance(state, driver.answer(request))
    state, request = mcal.advance(steering.wish(state, steering.BY_HAND), driver.answer(request))
    assert request.purpose is Purpose.RESIDUAL
    spent_now = driver.oracle.paid() * PRICE + state.spent_compute
    target = replace(state.config.target, budget=spent_now + 10 * PRICE)
    args = (driver.pool(), driver.machine, None, target)
    again, _ = steering.reopen(state, *args)
    assert (again.wish, again.phase) == ("", "reopen")
    with pytest.raises(BudgetTooSmallError):
        steering.reopen(replace(state, phase="finished"), *args)


def test_without_a_budget_a_run_opens_as_ever():
    state, driver = finished()
    assert opened(state, driver, budget=None)[1].purpose is Purpose.TRAIN


# --- the shortest check ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "allowed", "level", "found"),
    [
        (100, 100, 0.04, 0),  # nothing to show
        (100, 99, 0.04, 1),
        (100, 0, 0.04, 96),  # the wrong one may be among the last four
        (10, 4, 0.04, 4),  # 5/10 4/9 3/8 2/7 = 0.0238; three leave 0.0833
    ],
)
def test_the_shortest_check_of_small_sets(size, allowed, level, found):
    assert budgets.faultless_audit(size, allowed, level) == found


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_audit_shows_as_much_with_fewer_labels(data):
    size = data.draw(st.integers(1, 300))
    n = data.draw(st.integers(0, size))
    k = data.draw(st.integers(0, n))
    forecast = data.draw(st.floats(0, 1))
    level = evidence.level(0.05, data.draw(st.integers(1, 3)))
    left = evidence.smallest_allowance(n, k, size, forecast, level)
    assert n >= budgets.faultless_audit(size, left, level)
    allowed = data.draw(st.integers(0, size))
    if evidence.log_e(n, k, size, allowed, forecast)[0] >= log(1 / level):
        assert n >= budgets.faultless_audit(size, allowed, level)
