"""E-values against exact enumeration."""

from fractions import Fraction
from math import comb, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcal_engine import audit, evidence


def test_attempts_spend_no_more_than_alpha():
    assert audit.level(0.05, 1) == pytest.approx(0.04)
    assert audit.level(0.05, 2) == pytest.approx(0.008)
    assert sum(audit.level(0.05, a) for a in range(1, 60)) == pytest.approx(0.05)


def paths(size, wrong, n):
    """Return [(k, probability)] of all counts after n draws from `size` with `wrong` wrong."""
    whole = comb(size, n)
    return [
        (k, Fraction(comb(wrong, k) * comb(size - wrong, n - k), whole))
        for k in range(max(0, n - size + wrong), min(n, wrong) + 1)
    ]


@pytest.mark.parametrize("corrected", [True, False])
@pytest.mark.parametrize(("size", "allowance"), [(22, 3), (17, 8), (12, 0)])
def test_under_the_null_the_mean_of_e_is_at_most_one(size, allowance, corrected):
    """Ville's condition, by exact enumeration, for every number of wrong labels and of draws.

    A corrected null holds only while E - k > allowance: outside it e is not counted.
    """
    for wrong in range(allowance + 1, size + 1):
        for n in range(size + 1):
            mean = 0.0
            for k, probability in paths(size, wrong, n):
                e = np.exp(audit.log_e(n, k, size, allowance, 0.1, corrected=corrected)[0])
                mean += float(probability) * e if not corrected or wrong - k > allowance else 0.0
            assert mean <= 1 + 1e-9


@given(st.integers(20, 200), st.data())
def test_e_is_below_one_martingale_for_every_number_of_wrong_labels(size, data):
    """e <= mixture / f(E) for each E of the null: what the proof rests on."""
    allowance = data.draw(st.integers(0, size // 3))
    n = data.draw(st.integers(1, size))
    k = data.draw(st.integers(0, n))
    support_, weights = evidence._mixture(size, allowance, 0.05)
    mixture = evidence._log_sum(evidence._log_path(support_, n, k, size) + weights)
    null = np.arange(allowance + 1 + k, size - n + k + 1)
    if len(null):
        direct = float(mixture - evidence._log_path(null, n, k, size).max())
        assert audit.log_e(n, k, size, allowance, 0.05)[0] == pytest.approx(direct, abs=1e-7)
    else:
        assert audit.log_e(n, k, size, allowance, 0.05)[0] == np.inf


def test_the_weights_of_the_mixture_sum_to_one():
    for size, allowance, forecast in [(10, 0, 0.0), (10_000, 500, 0.03), (1_300_000, 65_000, 1.0)]:
        support_, weights = evidence._mixture(size, allowance, forecast)
        assert np.exp(weights).sum() == pytest.approx(1.0)
        assert len(support_) <= evidence.GRID
        assert support_[0] == 0
        assert support_[-1] == allowance


def test_no_label_is_no_evidence():
    assert audit.log_e(0, 0, 9000, 500, 0.03)[0] == 0.0


def test_a_set_without_room_for_more_wrong_labels_has_passed():
    assert audit.log_e(5501, 2, 6000, 500, 0.03)[0] == np.inf
    assert np.isfinite(audit.log_e(5499, 2, 6000, 500, 0.03)[0])


def test_without_corrections_the_found_ones_still_count():
    assert audit.log_e(5502, 2, 6000, 500, 0.03, corrected=False)[0] == np.inf
    assert np.isfinite(audit.log_e(5502, 3, 6000, 500, 0.03, corrected=False)[0])


def test_one_right_label_weighs_what_it_should():
    """Allowance 0: the mixture sits on E = 0, where the path is sure; the null's best is E = 1."""
    n, size = 40, 100
    expected = -log(comb(size - n, 1) / comb(size, 1))
    assert audit.log_e(n, 0, size, 0, 0.01)[0] == pytest.approx(expected)


@given(st.integers(50, 5000), st.floats(0, 0.1), st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_a_right_label_never_weakens_the_evidence(size, forecast, share, rate, corrected):
    """So between two wrong labels the e-value only rises, and `look` may leap."""
    n = int(share * (size - 1))
    k = int(rate * min(n, size // 20))
    first, second = audit.log_e([n, n + 1], [k, k], size, size // 20, forecast, corrected=corrected)
    assert second >= first - 1e-9


@given(st.integers(50, 5000), st.floats(0, 1), st.floats(0, 1))
def test_the_corrections_only_help(size, share, rate):
    n = int(share * size)
    k = int(rate * min(n, size // 20))
    args = (n, k, size, size // 20, 0.03)
    assert audit.log_e(*args)[0] >= audit.log_e(*args, corrected=False)[0] - 1e-9


def test_the_smallest_allowance_is_where_the_martingale_falls_below_the_level():
    n, k, size, forecast, level = 120, 5, 800, 0.04, 0.05
    support_, weights = evidence._mixture(size, size, forecast)
    mixture = evidence._log_sum(evidence._log_path(support_, n, k, size) + weights)
    every = np.arange(k, size - n + k + 1)
    open_ = every[mixture - evidence._log_path(every, n, k, size) < log(1 / level)]
    assert audit.smallest_allowance(n, k, size, forecast, level) == open_.max() - k


def test_the_smallest_allowance_without_labels_is_everything_and_with_all_nothing():
    assert audit.smallest_allowance(0, 0, 500, 0.03, 0.05) == 500
    assert audit.smallest_allowance(500, 20, 500, 0.03, 0.05) == 0


@pytest.mark.parametrize("wrong", [0, 3, 20])
def test_the_smallest_allowance_holds_at_every_look_together(wrong):
    """Exact over all paths of 40 labels: the chance that it is ever too small."""
    size, level = 60, 0.2
    alive = {0: Fraction(1)}
    missed = Fraction(0)
    for n in range(1, 41):
        following: dict[int, Fraction] = {}
        for k, mass in alive.items():
            bad = Fraction(wrong - k, size - n + 1)
            for more, share in ((1, bad), (0, 1 - bad)):
                if share > 0:
                    following[k + more] = following.get(k + more, Fraction(0)) + mass * share
        alive = {}
        for k, mass in following.items():
            if audit.smallest_allowance(n, k, size, 0.05, level) < wrong - k:
                missed += mass
            else:
                alive[k] = mass
    assert missed <= Fraction(1, 5)
