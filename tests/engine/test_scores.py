"""Uncertainties against exact arithmetic; no ties where float32 softmax has them."""

from decimal import Decimal, getcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcal_engine import scores
from mcal_engine.types import MEASURES

getcontext().prec = 60


def exact(logits):
    """Return 1 - margin, 1 - top and the entropy of the softmax, by 60-digit arithmetic."""
    weights = [Decimal(float(x)).exp() for x in logits]
    shares = sorted((w / sum(weights) for w in weights), reverse=True)
    entropy = -sum(p * p.ln() for p in shares)
    return float(1 - shares[0] + shares[1]), float(1 - shares[0]), float(entropy)


rows = st.lists(st.floats(-30, 30), min_size=2, max_size=6)


@given(rows)
def test_logits_give_the_exact_uncertainties(row):
    found = scores.from_logits(np.array([row]), "m")
    for measure, wanted in zip(MEASURES, exact(row), strict=True):
        assert found.by(measure)[0] == pytest.approx(wanted, rel=1e-5)


@given(st.lists(st.floats(-80, 0), min_size=2, max_size=6))
def test_float32_weights_keep_their_relative_precision(row):
    weights = np.exp(np.array([row])).astype(np.float32)
    found = scores.uncertainties(weights)
    wanted = exact(np.log(weights[0].astype(np.float64)))
    for value, true in zip(found[1:], wanted, strict=True):
        assert value[0] == pytest.approx(true, rel=2e-5, abs=1e-37)


@pytest.mark.parametrize("measure", MEASURES)
class TestEveryMeasure:
    def test_confident_rows_do_not_tie(self, measure):
        logits = np.array([[40.0, 0.0, 0.0], [41.0, 0.0, 0.0], [60.0, 0.0, 0.0]])
        found = scores.from_logits(logits, "m").by(measure)
        assert found[0] > found[1] > found[2] > 0

    def test_a_vanishing_runner_up_is_not_rounded_to_certain(self, measure):
        assert scores.from_logits(np.array([[200.0, 0.0]]), "m").by(measure)[0] > 0

    def test_a_certain_row_is_zero(self, measure):
        found = scores.from_probabilities(np.array([[0.0, 1.0, 0.0]]), "m")
        assert found.by(measure)[0] == 0

    def test_logits_and_probabilities_agree(self, measure):
        logits = np.random.default_rng(0).normal(size=(50, 5))
        weights = np.exp(logits)
        probabilities = weights / weights.sum(axis=1, keepdims=True)
        one, two = scores.from_logits(logits, "m"), scores.from_probabilities(probabilities, "m")
        assert np.array_equal(one.pred, two.pred)
        assert np.allclose(one.by(measure), two.by(measure), rtol=1e-6)

    def test_rows_need_not_sum_to_one(self, measure):
        weights = np.random.default_rng(3).random((40, 7))
        one, two = (scores.from_probabilities(scale * weights, "m") for scale in (1.0, 512.0))
        assert np.allclose(one.by(measure), two.by(measure), rtol=1e-6)

    def test_the_order_of_the_classes_does_not_matter(self, measure):
        weights = np.random.default_rng(4).random((40, 7))
        one = scores.from_probabilities(weights, "m").by(measure)
        two = scores.from_probabilities(weights[:, ::-1], "m").by(measure)
        assert np.allclose(one, two, rtol=1e-6)

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_is_float32_whatever_comes_in(self, measure, dtype):
        found = scores.from_probabilities(np.array([[0.5, 0.25, 0.25]], dtype=dtype), "m")
        assert found.by(measure).dtype == np.float32

    @pytest.mark.parametrize("threads", [1, 3])
    def test_blocks_and_threads_change_nothing(self, measure, threads, monkeypatch):
        weights = np.random.default_rng(1).random((103, 3))
        whole = scores.from_probabilities(weights, "m")
        monkeypatch.setattr(scores, "BLOCK", 30)
        parts = scores.from_chunks(lambda part: weights[part], weights.shape, "m", threads=threads)
        assert np.array_equal(whole.pred, parts.pred)
        assert np.array_equal(whole.by(measure), parts.by(measure))

    def test_what_is_no_number_stays_visible(self, measure):
        weights = np.array([[np.nan, 0.5], [0.0, 0.0], [0.5, np.nan], [0.5, 0.5]])
        found = scores.from_probabilities(weights, "m").by(measure)
        assert np.isfinite(found).tolist() == [False, False, False, True]


def test_infinite_logits_are_no_numbers():
    found = scores.from_logits(np.array([[np.inf, 0.0], [1.0, 0.0]]), "m").uncertainty
    assert np.isfinite(found).tolist() == [False, True]


def test_equal_classes_are_wholly_uncertain_and_the_first_one_wins():
    found = scores.from_logits(np.zeros((1, 4)), "m")
    assert found.pred[0] == 0
    assert found.uncertainty[0] == 1.0
    assert found.by("least_confidence")[0] == 0.75
    assert found.by("entropy")[0] == pytest.approx(np.log(4), rel=1e-6)


def test_margin_alone_is_the_same_margin():
    weights = np.random.default_rng(2).random((30, 4)).astype(np.float32)
    whole = scores.from_probabilities(weights, "m")
    short = scores.from_probabilities(weights, "m", margin_only=True)
    assert np.array_equal(whole.uncertainty, short.uncertainty)
    assert np.array_equal(whole.pred, short.pred)
    assert (short.least, short.entropy) == (None, None)


def test_a_block_is_never_larger_than_it_may_be():
    seen = []

    def make(part):
        seen.append(part.stop - part.start)
        return np.full((seen[-1], 1000), 1e-3, dtype=np.float32)

    scores.from_chunks(make, (1000, 1000), "m")
    assert sum(seen) == 1000
    assert max(seen) * 1000 <= scores.BLOCK


def test_two_classes_make_margin_and_least_confidence_one_measure():
    weights = np.random.default_rng(5).random((30, 2))
    found = scores.from_probabilities(weights, "m")
    assert np.allclose(found.uncertainty, 2 * found.by("least_confidence"), rtol=1e-6)


def test_no_images_give_no_scores():
    assert len(scores.from_probabilities(np.empty((0, 3)), "m").by("entropy")) == 0


def test_the_input_is_left_alone_and_the_types_are_small():
    probabilities = np.array([[0.7, 0.2, 0.1]])
    before = probabilities.copy()
    found = scores.from_probabilities(probabilities, "m")
    assert np.array_equal(probabilities, before)
    assert (found.pred.dtype, found.uncertainty.dtype) == (np.uint16, np.float32)
    assert found.uncertainty[0] == pytest.approx(0.5)
