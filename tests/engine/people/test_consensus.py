"""Several answers -> one label."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from mcal_engine.errors import DataError
from mcal_engine.people.consensus import Method, consensus, crowdlab, majority
from mcal_engine.people.votes import votes
from tests.engine.people.test_agreement import crowds
from tests.engine.people.test_dawid_skene import crowd


def test_ties_go_to_the_class_that_was_given_first():
    made = votes([1, 0, 0, 1, 1, 0], [0, 0, 1, 1, 2, 2], [2, 1, 0, 0, 1, 2], n_items=3, classes=3)
    found = majority(made)
    assert found.labels.tolist() == [1, 2, -1]
    assert found.votes.tolist() == [3, 3, 0]
    assert found.agreement[:2] == pytest.approx([1 / 3, 1 / 3])
    assert np.isnan(found.agreement[2])


@settings(max_examples=80, deadline=None)
@given(crowds())
def test_the_majority_has_at_least_as_many_votes_as_any_class(made):
    found = majority(made)
    table = made.table().toarray()
    for item in range(made.n_items):
        if found.labels[item] < 0:
            assert table[item].sum() == 0
        else:
            assert table[item, found.labels[item]] == table[item].max()


@pytest.mark.parametrize("method", list(Method))
def test_one_answer_each_is_the_label(method):
    """With nothing to compare, no method changes an answer that a fair person gave."""
    made = votes(np.arange(30), np.arange(30) % 3, np.arange(30) % 2, classes=2)
    flat = np.full((30, 2), 0.5)
    found = consensus(method, made, flat)
    assert found.labels.tolist() == made.labels.tolist()


def test_crowdlab_lets_a_good_model_decide_ties():
    made, truth = crowd(300, 2, [0.3, 0.3, 0.3, 0.3], 3, seed=4)
    sure = np.full((300, 3), 0.02)
    sure[np.arange(300), truth] = 0.96
    found = crowdlab(made, sure)
    assert (found.labels == truth).mean() > (majority(made).labels == truth).mean() + 0.05
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()


def test_crowdlab_keeps_unanswered_images_and_absent_people_apart():
    made = votes(
        [0, 0, 2, 2, 2], [1, 4, 1, 4, 3], [0, 0, 1, 1, 0], n_items=4, n_workers=6, classes=2
    )
    found = crowdlab(made, np.full((4, 2), 0.5))
    assert found.labels.tolist() == [0, -1, 1, -1]


def test_crowdlab_says_what_it_lacks():
    made = votes([0, 0], [0, 1], [0, 1])
    with pytest.raises(DataError, match="probabilities"):
        consensus(Method.CROWDLAB, made)
    with pytest.raises(DataError, match="not 1 x"):
        crowdlab(made, np.ones((2, 2)))
    wide = votes([0, 0], [0, 1], [0, 1], n_items=10**5, n_workers=10**4)
    with pytest.raises(DataError, match="too many"):
        crowdlab(wide, np.ones((10**5, 2)))
