"""Every M(.) is seeded, blind to marks, leaves its input alone, and ranks by what it says."""

from dataclasses import replace

import numpy as np
import pytest

from mcal_engine import acquisitions, selection
from mcal_engine.errors import EngineError
from mcal_engine.orders import hash_draw
from mcal_engine.scores import from_logits
from tests.engine.support import config, scores

MEASURED = {
    "margin": "by_margin",
    "entropy": "by_entropy",
    "least_confidence": "by_least_confidence",
}
every = pytest.mark.parametrize("name", sorted(selection.ACQUISITIONS))


def view(n, seed=2, classes=5, width=4):
    """Scores with all that any M(.) looks at."""
    rng = np.random.default_rng(seed)
    found = from_logits(2 * rng.normal(size=(n, classes)), f"model {seed}")
    return replace(
        found,
        features=rng.normal(size=(n, width)).astype(np.float16),
        mutual=rng.random(n, dtype=np.float32),
        variation=(rng.integers(0, 4, n) / 5).astype(np.float32),
    )


def field(found, candidates=None, train=(), key="key"):
    views = found if isinstance(found, tuple) else (found,)
    n = len(views[0].pred)
    mask = np.zeros(n, dtype=np.bool_)
    mask[list(train)] = True
    items = np.flatnonzero(~mask) if candidates is None else np.asarray(candidates)
    return acquisitions.Field(items, views, mask, key)


def first(name, count, *arguments, **more):
    return selection.ACQUISITIONS[name](field(*arguments, **more), count)


# --- each of them -----------------------------------------------------------------------------


@every
class TestEveryAcquisition:
    def acquire(self, name, found, candidates=None, **more):
        settings = config(500, acquisition=name, **more)
        open_items = np.arange(20, 500) if candidates is None else candidates
        return selection.acquire(settings, open_items, found, 40, 2, np.arange(20))

    def test_repeats_under_a_seed(self, name):
        one, two = (self.acquire(name, view(500)) for _ in range(2))
        assert np.array_equal(one, two)

    def test_another_seed_takes_other_random_images(self, name):
        one, two = (self.acquire(name, view(500), seed=seed) for seed in (1, 2))
        assert not np.array_equal(one, two)

    def test_leaves_its_input_alone(self, name):
        found, fresh, candidates = view(500), view(500), np.arange(20, 500)
        self.acquire(name, found, candidates)
        for part in ("pred", "uncertainty", "least", "entropy", "features"):
            assert np.array_equal(getattr(found, part), getattr(fresh, part))
        assert np.array_equal(candidates, np.arange(20, 500))

    def test_takes_distinct_candidates_and_no_others(self, name):
        candidates = np.arange(30, 500, 3)
        batch = self.acquire(name, view(500), candidates)
        assert len(set(batch.tolist())) == len(batch) == 40
        assert set(batch) <= set(candidates)

    def test_takes_all_of_a_small_pool(self, name):
        batch = self.acquire(name, view(500), np.arange(100, 120))
        assert sorted(batch) == list(range(100, 120))

    def test_takes_nothing_of_an_empty_pool(self, name):
        assert len(self.acquire(name, view(500), np.empty(0, dtype=np.int64))) == 0

    def test_copes_with_scores_that_are_all_equal(self, name):
        flat = scores(np.full(500, 0.5))
        flat = replace(flat, least=flat.uncertainty, entropy=flat.uncertainty)
        flat = replace(flat, mutual=flat.uncertainty, variation=flat.uncertainty)
        batch = self.acquire(name, replace(flat, features=np.ones((500, 4), np.float16)))
        assert len(set(batch.tolist())) == 40
        assert set(batch) != set(range(20, 60))

    def test_several_architectures_give_one_batch(self, name):
        batch = self.acquire(name, (view(500, 1), view(500, 2)))
        assert len(set(batch.tolist())) == 40

    def test_leaves_the_marks_uniform_over_the_remainder(self, name):
        """Hard items go first, yet marks outside B have the same mean hardness as the rest."""
        gaps = []
        for seed in range(60):
            settings = config(1000, seed=seed, acquisition=name, test_share=0.2)
            found = view(1000, seed, width=2)
            hardness = found.uncertainty + np.abs(found.features).sum(axis=1) / 10
            batch = selection.acquire(settings, np.arange(10, 1000), found, 300, 1, np.arange(10))
            outside = np.setdiff1d(np.arange(10, 1000), batch)
            marks = np.intersect1d(outside, selection.draw_test(settings))
            rest = np.setdiff1d(outside, marks)
            gaps.append(hardness[marks].mean() - hardness[rest].mean())
        assert abs(np.mean(gaps)) < 4 * np.std(gaps) / np.sqrt(len(gaps))


# --- by uncertainty ---------------------------------------------------------------------------


@pytest.mark.parametrize("measure", sorted(MEASURED))
class TestByUncertainty:
    def test_takes_the_least_certain_first(self, measure):
        found = view(300)
        taken = first(measure, 25, found)
        assert taken.tolist() == np.argsort(-found.by(measure))[:25].tolist()

    def test_is_the_function_of_its_name(self, measure):
        found = field(view(300))
        one = getattr(acquisitions, MEASURED[measure])(found, 25)
        assert np.array_equal(one, selection.ACQUISITIONS[measure](found, 25))

    def test_asks_for_its_scores(self, measure):
        bare = replace(view(9), uncertainty=None, least=None, entropy=None)
        with pytest.raises(EngineError, match=measure):
            first(measure, 3, bare)

    def test_two_equal_models_are_one(self, measure):
        found = view(300)
        assert set(first(measure, 25, (found, found))) == set(first(measure, 25, found))


def test_ties_are_broken_by_the_seed_and_not_by_number():
    flat = scores(np.full(200, 0.5))
    one, two = (first("margin", 20, flat, key=key) for key in "ab")
    assert set(one) != set(two)
    assert set(one) != set(range(20))


def test_several_models_are_asked_by_rank_and_not_by_scale():
    """One model is loud, one is quiet: each has half the say."""
    loud = scores([0.1, 0.9, 0.8, 0.2])
    quiet = scores([1e-9, 3e-9, 4e-9, 2e-9])
    assert set(first("margin", 2, (loud, quiet))) == {1, 2}
    assert first("margin", 4, (loud, quiet)).tolist()[2:] == [3, 0]


def test_ranks_are_over_the_candidates_alone():
    """What is already in B, sure or unsure, moves nobody's rank."""
    one = scores([0.5, 0.1, 0.2, 0.3, 0.9, 0.9])
    two = scores([0.5, 0.3, 0.2, 0.15, 0.0, 0.0])
    both = first("margin", 3, (one, two), candidates=[1, 2, 3])
    alone = [scores(s.uncertainty[[0, 1, 2, 3]]) for s in (one, two)]
    assert np.array_equal(both, first("margin", 3, tuple(alone), candidates=[1, 2, 3]))


# --- k-center ---------------------------------------------------------------------------------


def placed(points):
    """Scores of images that lie at these places of the last hidden layer."""
    features = np.array(points, dtype=np.float16).reshape(len(points), -1)
    return replace(scores(np.zeros(len(points))), features=features)


def test_k_center_goes_where_b_is_not():
    found = placed([0, 1, 2, 10, 11, 20])
    assert first("k_center", 2, found, train=[0]).tolist() == [5, 3]
    assert first("k_center", 1, found, train=[0, 5]).tolist() in ([3], [4])


def test_k_center_of_equal_distances_goes_by_the_seed():
    found = placed([0] + [1] * 40)
    taken = {int(first("k_center", 1, found, train=[0], key=f"{key}")[0]) for key in range(20)}
    assert len(taken) > 5


def test_b_may_be_a_mask_or_items():
    settings, found = config(100, acquisition="k_center"), view(100)
    mask = np.arange(100) < 10
    one = selection.acquire(settings, np.arange(10, 100), found, 20, 1, mask)
    two = selection.acquire(settings, np.arange(10, 100), found, 20, 1, np.arange(10))
    assert np.array_equal(one, two)


def test_k_center_takes_the_first_architecture_that_has_features():
    bare, full = replace(view(60, 1), features=None), view(60, 2)
    assert np.array_equal(first("k_center", 9, (bare, full)), first("k_center", 9, full))


def test_k_center_in_a_large_pool_looks_at_a_part(monkeypatch):
    monkeypatch.setattr(acquisitions, "MOST_NUMBERS", 4 * 50)
    found = view(400)
    looked_at = hash_draw("key:k_center", np.arange(400), 50)
    assert set(first("k_center", 10, found)) <= set(looked_at)
    assert len(first("k_center", 120, found)) == 120


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (None, "needs the features"),
        (np.ones((9, 2), np.float16), "60 rows"),
        (np.ones(60, np.float16), "60 rows"),
        (np.full((60, 2), np.nan, np.float16), "not finite"),
    ],
)
def test_k_center_says_what_is_wrong_with_the_features(features, words):
    with pytest.raises(EngineError, match=words):
        first("k_center", 3, replace(view(60), features=features))
