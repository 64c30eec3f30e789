"""Recorded scores keep their order and ties exactly, and their values nearly."""

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcal_engine.errors import DataError
from mcal_engine.lab.codec import KNOTS, decode, encode

VALUES = arrays.arrays(
    np.float32,
    st.integers(1, 60),
    elements=st.floats(0, 2, width=32, allow_subnormal=True),
)


def order(values):
    return np.unique(values, return_inverse=True)[1]


def skewed(n, seed=0):
    """Return uncertainties over 30 powers of ten, many of them near 1, with ties."""
    rng = np.random.default_rng(seed)
    values = np.exp(-rng.gamma(0.7, 6.0, n)).astype(np.float32)
    values[: n // 50] = values[n // 2]
    return values


@given(VALUES)
def test_few_values_come_back_exactly(values):
    assert np.array_equal(decode(encode(values)), values)


@pytest.mark.parametrize("n", [2_000, 70_000])
def test_order_and_ties_survive_exactly(n):
    values = skewed(n)
    assert np.array_equal(order(decode(encode(values))), order(values))


def test_order_survives_where_values_are_one_bit_apart():
    bits = np.arange(0x3F000000, 0x3F000000 + 3 * KNOTS, dtype=np.uint32)
    values = np.random.default_rng(1).permutation(bits).view(np.float32)
    assert np.array_equal(decode(encode(values)), values)


def test_values_come_back_nearly():
    values = skewed(70_000)
    wrong = np.abs(decode(encode(values)) / values - 1)
    assert np.quantile(wrong, 0.99) < 0.01
    assert np.quantile(wrong, 0.999) < 0.05  # these values span thirty powers of ten
    assert np.median(wrong) < 1e-3


def test_coding_twice_changes_nothing_more():
    once = decode(encode(skewed(20_000)))
    assert np.array_equal(decode(encode(once)), once)


def test_minus_zero_is_zero():
    assert decode(encode(np.array([-0.0, 0.5], dtype=np.float32))).tolist() == [0.0, 0.5]


def test_nothing_codes_to_nothing():
    assert len(decode(encode(np.empty(0, dtype=np.float32)))) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.5])
def test_what_is_no_uncertainty_is_refused(bad):
    with pytest.raises(DataError, match="finite"):
        encode(np.array([0.5, bad], dtype=np.float32))
