"""Uncertainty against exact arithmetic; no ties where float32 softmax has them."""

from decimal import Decimal, getcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcal_engine import scores

getcontext().prec = 60


def exact_uncertainty(logits):
    weights = [Decimal(float(x)).exp() for x in logits]
    first, second = sorted(weights, reverse=True)[:2]
    return float(1 - (first - second) / sum(weights))


rows = st.lists(st.floats(-30, 30), min_size=2, max_size=6)


@given(rows)
def test_logits_give_the_exact_margin(row):
    found = scores.from_logits(np.array([row]), "m").uncertainty[0]
    assert found == pytest.approx(exact_uncertainty(row), rel=1e-5)


def test_confident_rows_do_not_tie():
    logits = np.array([[40.0, 0.0, 0.0], [41.0, 0.0, 0.0], [60.0, 0.0, 0.0]])
    found = scores.from_logits(logits, "m").uncertainty
    assert found[0] > found[1] > found[2] > 0


def test_a_vanishing_runner_up_is_not_rounded_to_certain():
    found = scores.from_logits(np.array([[200.0, 0.0]]), "m").uncertainty
    assert found[0] > 0


def test_logits_and_probabilities_agree():
    logits = np.random.default_rng(0).normal(size=(50, 5))
    weights = np.exp(logits)
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    one, two = scores.from_logits(logits, "m"), scores.from_probabilities(probabilities, "m")
    assert np.array_equal(one.pred, two.pred)
    assert np.allclose(one.uncertainty, two.uncertainty, rtol=1e-6)


def test_equal_classes_are_wholly_uncertain_and_the_first_one_wins():
    found = scores.from_logits(np.zeros((1, 4)), "m")
    assert found.pred[0] == 0
    assert found.uncertainty[0] == 1.0


def test_chunks_change_nothing(monkeypatch):
    logits = np.random.default_rng(1).normal(size=(103, 3))
    whole = scores.from_logits(logits, "m")
    monkeypatch.setattr(scores, "CHUNK", 10)
    parts = scores.from_logits(logits, "m")
    assert np.array_equal(whole.pred, parts.pred)
    assert np.array_equal(whole.uncertainty, parts.uncertainty)


def test_the_input_is_left_alone_and_the_types_are_small():
    probabilities = np.array([[0.7, 0.2, 0.1]])
    before = probabilities.copy()
    found = scores.from_probabilities(probabilities, "m")
    assert np.array_equal(probabilities, before)
    assert (found.pred.dtype, found.uncertainty.dtype) == (np.uint16, np.float32)
    assert found.uncertainty[0] == pytest.approx(0.5)
