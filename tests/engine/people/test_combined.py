"""The machine's bound and the people's together: the sum, its coverage, and when there is none."""

from __future__ import annotations

import numpy as np
import pytest

from mcal_engine.guarantees import wrong_upper_bound
from mcal_engine.people.combined import Machine, Missing, combined
from mcal_engine.people.human_error import HumanError, Source, from_gold, from_overlap, from_review
from tests.engine.people.test_dawid_skene import crowd

CERTIFIED = Machine("certified", labels=600, wrong_at_most=30, confidence=0.95)


def test_the_sum():
    people = from_review(Source.TEST_REVIEW, population=1000, n=100, wrong=4)
    found = combined(images=1003, excluded=3, machine=CERTIFIED, people=people, corrected=4)
    bound = wrong_upper_bound(1000, 100, 4, 0.05)
    assert found.people_wrong_at_most == bound
    assert found.together is not None
    assert found.together.wrong_at_most == 30 + bound + 3 - 4
    assert found.together.confidence == pytest.approx(0.9)
    assert found.together.bound
    assert found.missing is Missing.NOTHING


def test_a_review_of_human_labels_says_nothing_of_the_machines():
    people = from_review(Source.REVIEW, population=400, n=100, wrong=4)
    found = combined(images=1000, excluded=0, machine=CERTIFIED, people=people)
    assert found.together is None
    assert found.missing is Missing.ONLY_HUMAN_LABELS
    alone = combined(images=400, excluded=0, machine=Machine("", 0, 0, 1.0), people=people)
    assert alone.together is not None
    assert alone.together.bound
    assert alone.together.confidence == pytest.approx(0.95)


def test_gold_and_overlap_are_no_bounds():
    gold = combined(images=1000, excluded=0, machine=CERTIFIED, people=from_gold(n=50, wrong=1))
    assert (gold.together, gold.missing) == (None, Missing.NOT_REPRESENTATIVE)
    made, _ = crowd(300, 3, [0.1, 0.2, 0.2], 3, seed=1)
    overlap = combined(images=1000, excluded=0, machine=CERTIFIED, people=from_overlap(made))
    assert overlap.missing is Missing.ONLY_ESTIMATED
    assert overlap.together is not None
    assert not overlap.together.bound


def test_without_a_measure_there_is_only_the_machine():
    found = combined(images=1000, excluded=0, machine=CERTIFIED, people=None)
    assert (found.together, found.missing) == (None, Missing.NO_MEASURE)


def test_never_more_than_all():
    people = from_review(Source.TEST_REVIEW, population=1000, n=10, wrong=9)
    everything = Machine("estimated", 900, 700, 0.95)
    found = combined(images=1000, excluded=0, machine=everything, people=people)
    assert found.together is not None
    assert found.together.wrong_at_most == 1000


def test_the_bound_covers_when_machine_and_people_err_on_the_same_images():
    """Hard images fool both, labels of H are people's, S is judged against people: 300 worlds."""
    generator = np.random.default_rng(8)
    covered = 0
    for _ in range(300):
        n = 2000
        hard = generator.random(n) < 0.2
        people_wrong = generator.random(n) < np.where(hard, 0.3, 0.02)
        same = people_wrong & (generator.random(n) < 0.7)  # the machine learnt the mistake
        machine_wrong = same | (generator.random(n) < np.where(hard, 0.2, 0.01))
        s = generator.random(n) < np.where(hard, 0.3, 0.8)
        against_people = (s & machine_wrong & ~same) | (s & people_wrong & ~same)
        drawn = generator.permutation(n)[:150]
        people = from_review(
            Source.TEST_REVIEW, population=n, n=150, wrong=int(people_wrong[drawn].sum())
        )
        machine = Machine("certified", int(s.sum()), int(against_people.sum()), 1.0)
        found = combined(images=n, excluded=0, machine=machine, people=people)
        delivered_wrong = (s & machine_wrong).sum() + (~s & people_wrong).sum()
        assert isinstance(found.people, HumanError)
        assert found.together is not None
        covered += delivered_wrong <= found.together.wrong_at_most
    assert covered >= 285
