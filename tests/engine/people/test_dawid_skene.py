"""Dawid-Skene: recovers a crowd that it assumes, never gets worse, and is fast."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings

from mcal_engine.errors import DataError
from mcal_engine.people import consensus, dawid_skene
from mcal_engine.people.votes import Votes, votes
from tests.engine.people.test_agreement import crowds


def crowd(
    n: int, each: int, errors: list[float], classes: int, seed: int
) -> tuple[Votes, np.ndarray]:
    """Draw people who err independently, `each` of them on every image; return the truth, too."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, classes, n)
    workers = np.argsort(generator.random((n, len(errors))), axis=1)[:, :each].ravel()
    items = np.repeat(np.arange(n), each)
    slips = generator.random(len(items)) < np.array(errors)[workers]
    other = (truth[items] + generator.integers(1, classes, len(items))) % classes
    labels = np.where(slips, other, truth[items])
    return votes(items, workers, labels, n_items=n, n_workers=len(errors), classes=classes), truth


def test_finds_out_who_errs_and_beats_the_majority():
    errors = [0.05, 0.05, 0.5, 0.6, 0.6, 0.3]
    made, truth = crowd(3000, 4, errors, 4, seed=1)
    fitted = dawid_skene.fit(made)
    assert fitted.converged
    found = [one.error for one in dawid_skene.worker_errors(made, fitted)]
    assert found == pytest.approx(errors, abs=0.04)
    by_model = (fitted.posterior.argmax(axis=1) != truth).mean()
    by_votes = (consensus.majority(made).labels != truth).mean()
    assert by_model < 0.6 * by_votes
    assert (1 - fitted.posterior.max(axis=1)).mean() == pytest.approx(by_model, abs=0.02)


def test_the_intervals_of_people_cover_their_error():
    errors = [0.05, 0.1, 0.2, 0.3, 0.15]
    hit = 0
    for seed in range(20):
        made, truth = crowd(400, 5, errors, 3, seed=seed)
        rows = dawid_skene.worker_errors(made, dawid_skene.fit(made))
        wrong = np.bincount(made.workers, made.labels != truth[made.items])
        true = wrong / np.bincount(made.workers)
        hit += sum(row.low <= share <= row.high for row, share in zip(rows, true, strict=True))
    assert hit >= 95  # of 100


def test_a_confusion_that_is_not_symmetric():
    """Everybody calls two in five of class 1 a 0."""
    generator = np.random.default_rng(5)
    truth = generator.integers(0, 3, 2000)
    items = np.repeat(np.arange(2000), 3)
    labels = np.where((truth[items] == 1) & (generator.random(6000) < 0.4), 0, truth[items])
    made = votes(items, np.tile([0, 1, 2], 2000), labels, classes=3)
    fitted = dawid_skene.fit(made)
    assert fitted.confusion[:, 1, 0] == pytest.approx([0.4] * 3, abs=0.08)
    assert (fitted.posterior.argmax(axis=1) == truth).mean() > 0.95


@settings(max_examples=50, deadline=None)
@given(crowds())
def test_the_objective_never_falls_and_all_are_probabilities(made):
    fitted = dawid_skene.fit(made, most=40)
    assert np.diff(fitted.objective).min(initial=0.0) >= -1e-9
    assert fitted.posterior.sum(axis=1) == pytest.approx(np.ones(made.n_items))
    assert fitted.confusion.sum(axis=2) == pytest.approx(np.ones((made.n_workers, made.classes)))
    assert (fitted.confusion > 0).all()


@settings(max_examples=30, deadline=None)
@given(crowds())
def test_the_order_of_answers_plays_no_part(made):
    back = votes(
        made.items[::-1],
        made.workers[::-1],
        made.labels[::-1],
        n_items=made.n_items,
        n_workers=made.n_workers,
        classes=made.classes,
    )
    there = dawid_skene.fit(back, most=30).posterior
    assert dawid_skene.fit(made, most=30).posterior == pytest.approx(there, abs=1e-6)


def test_weights_count_images_several_times():
    made, _ = crowd(60, 3, [0.1, 0.2, 0.3], 3, seed=2)
    twice = votes(
        np.r_[made.items, made.items[made.items < 30] + 60],
        np.r_[made.workers, made.workers[made.items < 30]],
        np.r_[made.labels, made.labels[made.items < 30]],
        classes=3,
    )
    weights = np.where(np.arange(60) < 30, 2.0, 1.0)
    weighted = dawid_skene.fit(made, weights=weights, tolerance=1e-12)
    repeated = dawid_skene.fit(twice, tolerance=1e-12)
    assert weighted.confusion == pytest.approx(repeated.confusion, abs=1e-4)


def test_nobody_and_images_without_answers():
    empty = votes([], [], [], n_items=2, n_workers=1, classes=2)
    fitted = dawid_skene.fit(empty)
    assert fitted.posterior == pytest.approx(np.full((2, 2), 0.5))
    row = dawid_skene.worker_errors(empty, fitted)[0]
    assert row.answers == 0
    assert np.isnan(row.error)


def test_too_much_for_memory_is_refused():
    made = votes([0], [0], [0], n_items=10**6, n_workers=1, classes=1000)
    with pytest.raises(DataError, match="too many"):
        dawid_skene.fit(made)


def test_200_000_answers_take_seconds():
    """A million answers took 4 s of one busy core (docs/people.md)."""
    made, truth = crowd(66_667, 3, list(np.linspace(0.05, 0.4, 50)), 10, seed=9)
    began = time.process_time()
    fitted = dawid_skene.fit(made)
    assert time.process_time() - began < 10
    assert fitted.converged
    by_votes = (consensus.majority(made).labels == truth).mean()
    assert (fitted.posterior.argmax(axis=1) == truth).mean() > by_votes
