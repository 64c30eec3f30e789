"""How many labels an audit takes, and which set is audited."""

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcal_engine import audit


def test_an_audit_close_to_its_limit_is_long():
    found = audit.expected_labels([0.0, 0.02, 0.03, 0.04, 0.05, 0.06], 10_000, 500, 0.05)
    assert np.all(np.diff(found[:4]) > 0)
    assert found[0] == pytest.approx(1.2 * log(20) / -log(0.95), rel=0.02)
    assert found[1] == pytest.approx(1.2 * log(20) / 0.012143, rel=0.1)
    assert np.all(np.isinf(found[4:]))


@given(st.floats(0, 1), st.integers(0, 10**6), st.integers(0, 10**5), st.floats(1e-6, 0.2))
def test_an_audit_asks_for_no_more_than_the_set(rate, size, allowance, level):
    found = float(audit.expected_labels(rate, size, allowance, level))
    assert found == np.inf or 0 < found <= size


def test_errors_that_nobody_corrects_make_an_endless_sets_audit_longer():
    whole = audit.expected_labels(0.03, 10**9, 5 * 10**7, 0.05)
    assert float(whole) == pytest.approx(1.2 * log(20) / 0.0048833, rel=0.01)
    assert audit.expected_labels(0.03, 10_000, 500, 0.05) < whole


def grid(error, *, n=10_000, remainder=8000, epsilon=0.05):
    sizes = np.linspace(40, remainder, 200).astype(int)
    allowed = [audit.guarantees.allowance(epsilon, n, int(size)) for size in sizes]
    return sizes, allowed, error(sizes / remainder)


def test_the_set_of_least_cost_stays_off_its_limit():
    sizes, allowed, rates = grid(lambda x: 0.12 * x**3)
    draws = np.tile(rates, (20, 1))
    choice = audit.choose(sizes, allowed, draws, 10_000, 0.04)
    wrong = rates * sizes
    limit = int(np.flatnonzero(wrong <= 500)[-1])
    assert 0.7 * sizes[limit] < sizes[choice.index] < sizes[limit]
    assert choice.people == pytest.approx(10_000 - sizes[choice.index] + choice.labels)
    costs = 10_000 - sizes + audit.expected_labels(rates, sizes, allowed, 0.04)
    assert choice.people == pytest.approx(costs.min())


def test_unsure_draws_cost_more():
    sizes, allowed, rates = grid(lambda x: 0.12 * x**3)
    spread = np.exp(np.random.default_rng(0).normal(0, 0.3, (200, 1)))
    sure = audit.choose(sizes, allowed, np.tile(rates, (200, 1)), 10_000, 0.04)
    unsure = audit.choose(sizes, allowed, rates * spread, 10_000, 0.04)
    assert unsure.people > sure.people
    assert unsure.size + unsure.people == pytest.approx(10_000)


def test_a_draw_that_does_not_fit_falls_back_and_pays_its_audit():
    sizes, allowed, good = grid(lambda x: 0.02 * x)
    bad = np.where(sizes <= 4500, 0.001, 0.3)
    both = audit.choose(sizes, allowed, np.stack([good, good, good, bad]), 10_000, 0.04)
    alone = audit.choose(sizes, allowed, good[None], 10_000, 0.04)
    assert sizes[both.index] > 6000
    assert 0.25 * 3000 < both.people - alone.people < 0.25 * 10_000


@pytest.mark.parametrize("rate", [0.5, 0.9])
def test_a_useless_model_gets_no_audit(rate):
    sizes, allowed, rates = grid(lambda x: np.full(len(x), rate))
    assert audit.choose(sizes, allowed, rates[None], 10_000, 0.04) is None


def test_fallbacks_ascend_and_end_at_the_chosen_set():
    sizes = np.arange(1, 201) * 40
    found = audit.fallbacks(sizes, 180)
    assert found == sorted(set(found))
    assert found[-1] == 180
    assert sizes[found[0]] <= 0.5 * sizes[180]


def test_fallbacks_of_the_smallest_candidate_are_itself():
    assert audit.fallbacks([10, 20, 30], 0) == [0]


def test_equal_candidates_are_no_trouble():
    assert audit.fallbacks([0, 0, 5, 5, 5], 3) == [3]
