"""The verifier's arithmetic against the engine's."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcal_engine import audit, evidence, guarantees, verify_numbers


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3000), st.floats(0, 0.5), st.floats(0, 1), st.randoms(use_true_random=False))
def test_both_find_the_same_evidence(size, share, forecast, random):
    allowed = int(share * size)
    wrong = [random.random() < share / 2 for _ in range(random.randint(0, min(size, 120)))]
    n, k = np.arange(len(wrong) + 1), np.concatenate([[0], np.cumsum(wrong)]).astype(int)
    highest = [
        audit.log_e(n, k, size, allowed, forecast, corrected=corrected).max()
        for corrected in (False, True)
    ]
    for level in (0.3, 0.04, 1e-6):
        expected = tuple(bool(e >= -math.log(level)) for e in highest)
        assert verify_numbers.evidence(wrong, size, allowed, forecast, level) == expected


@given(st.integers(1, 5000), st.floats(0, 1), st.floats(0, 0.3), st.floats(0, 0.5))
def test_both_find_the_same_smallest_allowance(size, share, rate, forecast):
    n = int(share * size)
    args = (n, int(rate * n), size, forecast, 0.04)
    assert verify_numbers.smallest_allowance(*args) == audit.smallest_allowance(*args)


def test_both_mix_the_same_numbers_of_wrong_labels():
    for size, most in [(1, 0), (50, 7), (10_000, 500), (1_300_000, 65_000)]:
        support, weights = evidence._mixture(size, most, 0.03)
        other = verify_numbers.mixture(size, most, 0.03)
        assert [count for count, _ in other] == support.tolist()
        assert [weight for _, weight in other] == pytest.approx(weights.tolist(), abs=1e-9)


@given(
    st.integers(0, 4000), st.integers(1, 600), st.floats(0, 1), st.sampled_from([0.0251, 0.2999])
)
def test_both_bound_a_fixed_sample_alike(size, tests, rate, level):
    errors = int(rate * tests)
    expected = guarantees.wrong_upper_bound(size + tests, tests, errors, level) - errors
    assert verify_numbers.upper_bound(size, tests, errors, level) == expected


def test_both_allow_the_same():
    for epsilon, n, size in [(0.29, 100, 100), (0.05, 10_000, 100), (0.3, 100, 10)]:
        assert verify_numbers.allowance(epsilon, n, size) == guarantees.allowance(epsilon, n, size)
