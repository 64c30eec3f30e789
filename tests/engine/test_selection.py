"""The draws of T and B_0, batches with their random part, and the cuts of L(.)."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcal_engine import selection
from mcal_engine.scores import from_logits
from mcal_engine.types import MEASURES, THETAS, Criterion
from tests.engine.support import config, scores


@pytest.mark.parametrize(
    ("n", "size"), [(400, 40), (3000, 300), (10_000, 500), (50_000, 750), (10**6, 1000)]
)
def test_the_test_set_has_its_size(n, size):
    assert selection.test_size(config(n)) == size


def test_the_papers_five_percent_is_taken_at_its_word():
    assert selection.test_size(config(70_000, test_share=0.05)) == 3500


def test_the_seed_has_six_images_per_class_or_one_percent():
    assert selection.seed_size(config(1000, classes=10)) == 60
    assert selection.seed_size(config(50_000, classes=10)) == 500


def test_a_batch_is_distinct_and_has_the_wanted_size():
    settings = config(1000)
    view = scores(np.random.default_rng(0).random(1000))
    batch = selection.acquire(settings, np.arange(1000), view, 100, 3)
    assert len(np.unique(batch)) == 100


def test_one_in_twenty_of_a_batch_is_random():
    settings = config(1000)
    view = scores(np.arange(1000) / 1000)
    batch = selection.acquire(settings, np.arange(1000), view, 100, 3)
    assert set(batch[:95]) == set(range(905, 1000))
    assert batch[95:].min() < 905


def test_the_random_part_is_uniform_over_the_rest():
    view, counts = scores(np.arange(40) / 40), np.zeros(40)
    for seed in range(400):
        settings = config(1000, seed=seed, random_share=0.5)
        counts[selection.acquire(settings, np.arange(40), view, 20, 1)[10:]] += 1
    assert counts[30:].sum() == 0
    assert ((counts[:30] - 400 / 3) ** 2 / (400 / 3)).sum() < 60  # chi-square, 29, p < 0.001


def test_a_batch_larger_than_the_pool_is_the_pool():
    view = scores(np.random.default_rng(0).random(50))
    batch = selection.acquire(config(1000), np.arange(50), view, 100, 1)
    assert set(batch) == set(range(50))


def test_thresholds_cut_the_remainder_into_equal_parts():
    cuts = selection.thresholds(np.arange(1, 101, dtype=np.float32), 150, Criterion.OVERALL)
    assert cuts.tolist() == [5.0 * k for k in range(1, 21)]


def test_thresholds_of_the_paper_modes_are_ranks_of_the_whole_set():
    cuts = selection.thresholds(np.arange(1, 101, dtype=np.float32), 150, Criterion.PER_S)
    assert cuts[:3].tolist() == [7.0, 15.0, 22.0]
    assert cuts[-1] == 100.0


def test_an_empty_remainder_has_cuts_that_take_nothing():
    cuts = selection.thresholds(np.empty(0, dtype=np.float32), 10, Criterion.OVERALL)
    assert len(cuts) == len(THETAS)
    assert (cuts < 0).all()


@pytest.mark.parametrize("count", [1, 7, 200])
def test_fine_thresholds_cut_the_remainder_into_equal_shares(count):
    unsure = np.random.default_rng(0).random(1000).astype(np.float32)
    cuts = selection.fine_thresholds(unsure, count)
    below = [(unsure <= cut).sum() for cut in cuts]
    assert below == [1000 * k // count for k in range(1, count + 1)]


def test_fine_thresholds_on_the_grid_of_theta_are_the_thresholds():
    unsure = np.random.default_rng(1).random(777).astype(np.float32)
    one = selection.fine_thresholds(unsure, len(THETAS))
    assert np.array_equal(one, selection.thresholds(unsure, 900, Criterion.OVERALL))


@given(st.lists(st.floats(0, 1, width=32), max_size=30), st.integers(1, 50))
def test_fine_thresholds_never_fall_and_end_at_the_last(unsure, count):
    cuts = selection.fine_thresholds(np.array(unsure, dtype=np.float32), count)
    assert len(cuts) == count
    assert (np.diff(cuts) >= 0).all()
    assert cuts[-1] == (max(unsure) if unsure else -1)


def test_top_ups_are_drawn_from_the_remainder_and_differ():
    remainder = np.arange(1, 500, 2)
    one, two = (selection.draw_topup(config(1000), remainder, 60, number) for number in (1, 2))
    assert len(set(one.tolist())) == len(one) == 60
    assert set(one) <= set(remainder)
    assert set(one) != set(two)


def test_a_top_up_of_a_small_remainder_is_all_of_it():
    drawn = selection.draw_topup(config(1000), np.array([4, 8, 9]), 60, 1)
    assert sorted(drawn) == [4, 8, 9]


def test_top_ups_are_uniform():
    counts = np.zeros(30)
    for seed in range(400):
        counts[selection.draw_topup(config(1000, seed=seed), np.arange(30), 10, 1)] += 1
    assert ((counts - 400 / 3) ** 2 / (400 / 3)).sum() < 60  # chi-square, 29 degrees, p < 0.001


@pytest.mark.parametrize("measure", MEASURES)
def test_every_confidence_has_nested_sets(measure):
    view = from_logits(np.random.default_rng(3).normal(size=(200, 4)), "m")
    remainder = np.arange(200) % 3 > 0
    cuts = selection.thresholds(view.by(measure)[remainder], 200, Criterion.OVERALL)
    sets = [set(selection.machine_set(remainder, view, cut, measure)) for cut in cuts]
    assert all(small < large for small, large in pairwise(sets))
    assert sets[-1] == set(np.flatnonzero(remainder))
    assert [len(one) for one in sets] == [133 * k // 20 for k in range(1, 21)]


def test_the_machine_set_holds_the_certain_part_of_the_remainder():
    view = scores([0.1, 0.2, 0.3, 0.4])
    remainder = np.array([True, False, True, True])
    assert selection.machine_set(remainder, view, 0.3).tolist() == [0, 2]
