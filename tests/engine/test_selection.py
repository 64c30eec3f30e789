"""M(.) is seeded, blind to marks, and takes what it says; T is uniform whatever M(.) does."""

import numpy as np
import pytest

from mcal_engine import selection
from mcal_engine.types import THETAS, Criterion
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


def test_hash_order_is_the_same_on_every_machine():
    assert selection.hash_order("7:test", np.arange(8)).tolist() == [6, 3, 1, 4, 7, 2, 5, 0]


def test_hash_order_depends_on_the_key_and_not_on_the_order_given():
    items = np.arange(100)
    one = selection.hash_order("a", items)
    assert np.array_equal(one, selection.hash_order("a", items[::-1]))
    assert not np.array_equal(one, selection.hash_order("b", items))
    assert np.array_equal(np.sort(one), items)


def test_hash_order_is_uniform():
    first = [selection.hash_order(f"{seed}", np.arange(10))[0] for seed in range(2000)]
    counts = np.bincount(first, minlength=10)
    assert ((counts - 200) ** 2 / 200).sum() < 27.9  # chi-square, 9 degrees, p = 0.001


def test_margin_takes_the_least_certain_first():
    view = scores([0.1, 0.9, 0.5, 0.7])
    chosen = selection.by_margin(np.array([0, 1, 2, 3]), view, 2, "key")
    assert chosen.tolist() == [1, 3]


def test_ties_are_broken_by_the_seed_and_not_by_number():
    view = scores(np.full(200, 0.5))
    one = selection.by_margin(np.arange(200), view, 20, "a")
    two = selection.by_margin(np.arange(200), view, 20, "b")
    assert set(one) != set(two)
    assert set(one) != set(range(20))


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


def test_a_batch_larger_than_the_pool_is_the_pool():
    view = scores(np.random.default_rng(0).random(50))
    batch = selection.acquire(config(1000), np.arange(50), view, 100, 1)
    assert set(batch) == set(range(50))


@pytest.mark.parametrize("name", sorted(selection.ACQUISITIONS))
class TestEveryAcquisition:
    def test_repeats_under_a_seed(self, name):
        settings = config(500, acquisition=name)
        view = scores(np.random.default_rng(2).random(500))
        one, two = (selection.acquire(settings, np.arange(500), view, 40, 2) for _ in range(2))
        assert np.array_equal(one, two)

    def test_leaves_its_input_alone(self, name):
        settings = config(500, acquisition=name)
        view, candidates = scores(np.random.default_rng(2).random(500)), np.arange(500)
        before = view.uncertainty.copy()
        selection.acquire(settings, candidates, view, 40, 2)
        assert np.array_equal(view.uncertainty, before)
        assert np.array_equal(candidates, np.arange(500))

    def test_takes_only_candidates(self, name):
        settings = config(500, acquisition=name)
        view = scores(np.random.default_rng(2).random(500))
        candidates = np.arange(0, 500, 3)
        assert set(selection.acquire(settings, candidates, view, 40, 2)) <= set(candidates)

    def test_leaves_the_marks_uniform_over_the_remainder(self, name):
        """Hard items go first, yet marks outside B have the same mean hardness as the rest."""
        gaps = []
        for seed in range(60):
            settings = config(1000, seed=seed, acquisition=name, test_share=0.2)
            hardness = np.random.default_rng(seed).random(1000)
            batch = selection.acquire(settings, np.arange(1000), scores(hardness), 300, 1)
            outside = np.setdiff1d(np.arange(1000), batch)
            marks = np.intersect1d(outside, selection.draw_test(settings))
            rest = np.setdiff1d(outside, marks)
            gaps.append(hardness[marks].mean() - hardness[rest].mean())
        assert abs(np.mean(gaps)) < 4 * np.std(gaps) / np.sqrt(len(gaps))


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


def test_the_machine_set_holds_the_certain_part_of_the_remainder():
    view = scores([0.1, 0.2, 0.3, 0.4])
    remainder = np.array([True, False, True, True])
    assert selection.machine_set(remainder, view, 0.3).tolist() == [0, 2]
