"""The people's error: exact intervals, their coverage, and what a review costs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, hypergeom

from mcal_engine.errors import DataError
from mcal_engine.people.human_error import (
    Covers,
    Source,
    best,
    clopper_pearson,
    from_gold,
    from_overlap,
    from_review,
)
from mcal_engine.people.sample_size import half_width, review_size
from mcal_engine.people.votes import votes
from tests.engine.people.test_dawid_skene import crowd


def test_clopper_pearson_closed_forms():
    low, high, upper = clopper_pearson(0, 20)
    assert low == 0.0
    assert high == pytest.approx(1 - 0.025 ** (1 / 20))
    assert upper == pytest.approx(1 - 0.05 ** (1 / 20))
    low, high, upper = clopper_pearson(20, 20)
    assert (high, upper) == (1.0, 1.0)
    assert low == pytest.approx(0.025 ** (1 / 20))
    assert clopper_pearson(3, 10)[:2] == pytest.approx((0.06673951, 0.65245285))  # R: binom.test


def test_a_review_of_everything_knows_everything():
    found = from_review(Source.REVIEW, population=40, n=40, wrong=6)
    assert (found.low, found.share, found.high, found.upper) == (0.15, 0.15, 0.15, 0.15)
    assert found.covers is Covers.HUMAN_LABELS


def test_a_review_agrees_with_scipy():
    found = from_review(Source.TEST_REVIEW, population=500, n=60, wrong=4)
    fits = [e for e in range(501) if hypergeom.cdf(4, 500, e, 60) > 0.05]
    assert found.upper == max(fits) / 500
    below = [e for e in range(501) if hypergeom.sf(3, 500, e, 60) > 0.025]
    assert found.low == min(below) / 500
    assert found.covers is Covers.ALL
    assert found.bound


@pytest.mark.parametrize("wrong", [0, 12, 47])
def test_the_exact_intervals_cover(wrong):
    """All samples at once: the probability that the interval holds is summed, not drawn."""
    chance = {"two": 0.0, "one": 0.0}
    for seen in range(min(wrong, 40) + 1):
        p = float(hypergeom.pmf(seen, 300, wrong, 40))
        found = from_review(Source.REVIEW, population=300, n=40, wrong=seen)
        chance["two"] += p * (found.low * 300 - 1e-9 <= wrong <= found.high * 300 + 1e-9)
        chance["one"] += p * (wrong <= found.upper * 300 + 1e-9)
    assert chance["two"] >= 0.95
    assert chance["one"] >= 0.95


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_intervals_are_in_order(data):
    population = data.draw(st.integers(1, 400))
    n = data.draw(st.integers(1, population))
    wrong = data.draw(st.integers(0, n))
    for found in (
        from_review(Source.REVIEW, population=population, n=n, wrong=wrong),
        from_gold(n=n, wrong=wrong),
    ):
        assert 0 <= found.low <= found.share + 1e-12
        assert found.share <= found.upper + 1e-12
        assert found.upper <= found.high + 1e-12
        assert found.high <= 1


def test_overlap_estimates_and_never_bounds():
    made, truth = crowd(1500, 3, [0.1, 0.15, 0.2, 0.25], 4, seed=7)
    answers = from_overlap(made, of="answers")
    true = (made.labels != truth[made.items]).mean()
    assert answers is not None
    assert answers.low - 0.01 <= true <= answers.high + 0.01
    assert not answers.bound
    labels = from_overlap(made)
    assert labels is not None
    assert labels.share < answers.share
    assert labels.covers is Covers.OVERLAP_IMAGES


def test_overlap_of_few_images_says_nothing():
    assert from_overlap(votes([0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 1])) is None
    assert from_overlap(votes(np.arange(50), np.zeros(50, int), np.zeros(50, int))) is None


def test_the_best_source_comes_first():
    made, _ = crowd(200, 2, [0.1, 0.2], 3, seed=1)
    found = [
        from_overlap(made),
        from_gold(n=30, wrong=2),
        from_review(Source.REVIEW, population=200, n=30, wrong=2),
        from_review(Source.TEST_REVIEW, population=900, n=10, wrong=0),
    ]
    assert [one.source for one in best(f for f in found if f)] == list(Source)


@pytest.mark.parametrize(("n", "wrong"), [(0, 0), (5, 6), (5, -1)])
def test_counts_that_cannot_be(n, wrong):
    with pytest.raises(DataError):
        from_gold(n=n, wrong=wrong)
    with pytest.raises(DataError):
        from_review(Source.REVIEW, population=100, n=n, wrong=wrong)


def test_more_reviewed_than_there_is():
    with pytest.raises(DataError):
        from_review(Source.REVIEW, population=4, n=5, wrong=0)


# --- sample size -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("population", "expected", "wanted"),
    [(10_000, 0.05, 0.02), (50_000, 0.17, 0.03), (300, 0.1, 0.03), (10_000, 0.0, 0.01)],
)
def test_the_sample_reaches_its_width_and_hardly_more(population, expected, wanted):
    n = review_size(population, expected=expected, wanted=wanted)
    assert half_width(population, n, expected) <= wanted
    assert half_width(population, max(n * 9 // 10, 1), expected) > wanted


def test_it_is_about_what_the_normal_formula_says():
    n = review_size(10**6, expected=0.05, wanted=0.02)
    assert n == pytest.approx(1.96**2 * 0.05 * 0.95 / 0.02**2, rel=0.25)
    tail = beta.ppf([0.025, 0.975], [round(0.05 * n), round(0.05 * n) + 1], [n, n])
    assert tail[0] < tail[1]


def test_never_more_than_there_is():
    assert review_size(12, wanted=0.001) == 12
    assert review_size(1) == 1


@pytest.mark.parametrize("bad", [{"expected": 2.0}, {"wanted": 0.0}, {"confidence": 1.0}])
def test_wishes_that_make_no_sense(bad):
    with pytest.raises(DataError):
        review_size(100, **bad)
    with pytest.raises(DataError):
        review_size(0)
