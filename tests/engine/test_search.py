"""The arithmetic of a search: sizes of its stages, who is taken, what is refused, intervals."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcal_engine import search
from mcal_engine.errors import DataError, InvalidAnswerError, InvalidConfigError
from mcal_engine.search import LabelledPool, Scheme
from mcal_engine.types import Scores
from tests.engine.search_worlds import World, settings


def pool_of(n=100, held_out=20, classes=2):
    held = np.zeros(n, dtype=np.bool_)
    held[n - held_out :] = True
    return LabelledPool(np.arange(n) % classes, held, classes)


def scores_of(values):
    """Return scores whose every uncertainty is `values`, as of an ensemble."""
    floats = np.asarray(values, dtype=np.float32)
    return Scores(
        np.zeros(len(floats), np.uint16), floats, "toy", floats, floats, None, floats, floats
    )


@pytest.mark.parametrize(
    ("share", "more", "sizes"),
    [
        (0.5, {}, (125, 250, 500)),  # the paper's CIFAR-10
        (0.8, {}, (200, 400, 800)),  # the paper's CIFAR-100 and ImageNet
        (0.1, {}, (50, 100)),  # at least one acquisition
        (0.9, {"start": 0.1}, (56, 112, 225, 450, 900)),
        (0.5, {"scheme": Scheme.COMPRESS}, (500,)),
        (0.5, {"scheme": Scheme.PRETRAIN}, (500,)),
    ],
)
def test_the_stages_double_up_to_the_share(share, more, sizes):
    assert search.stage_sizes(settings(share, **more), 1000) == sizes


@given(st.floats(0.02, 0.98), st.floats(0.05, 0.9), st.integers(500, 100_000))
def test_build_up_ends_at_the_share_and_starts_small(share, start, n):
    sizes = search.stage_sizes(settings(share, start=start), n)
    assert sizes[-1] == round(share * n)
    assert all(abs(2 * a - b) <= 2 for a, b in pairwise(sizes))
    assert len(sizes) == 2 or sizes[0] <= start * n + 1
    assert len(sizes) >= 2


def test_the_most_uncertain_are_taken_first():
    pool, values = pool_of(), np.linspace(0, 1, 100)
    found = search.acquire(settings(), pool, np.empty(0, np.int64), 10, "k", scores_of(values))
    assert found.tolist() == list(range(79, 69, -1))  # the held-out 80 to 99 are never taken


@pytest.mark.parametrize("name", ["mutual_information", "variation_ratios", "entropy", "margin"])
def test_what_is_in_the_subset_is_not_taken_again(name):
    pool, values = pool_of(), np.linspace(0, 1, 100)
    here = np.array([79, 77, 3])
    found = search.acquire(settings(acquisition=name), pool, here, 6, "k", scores_of(values))
    assert found.tolist() == [78, 76, 75]


def test_outliers_are_the_most_uncertain_of_all_labelled_images():
    """The paper's example: of 50 % with 12.5 % outliers the ranks 12.5 to 62.5 % are taken."""
    pool, values = pool_of(), np.linspace(0, 1, 100)
    found = search.acquire(
        settings(0.5, outliers=0.125), pool, np.empty(0, np.int64), 40, "k", scores_of(values)
    )
    assert found.tolist() == list(range(69, 29, -1))


@given(st.integers(0, 2**20), st.integers(0, 60), st.integers(1, 20), st.floats(0, 0.2))
def test_an_acquisition_is_new_distinct_of_the_right_size_and_never_held_out(
    seed, before, more, out
):
    rng = np.random.default_rng(seed)
    pool = pool_of()
    here = rng.permutation(pool.items)[: min(before, 80 - more - round(80 * out))]
    values = rng.choice([0.0, 0.5, 1.0], 100)  # ties
    chosen = settings(outliers=out)
    found = search.acquire(chosen, pool, here, len(here) + more, "k", scores_of(values))
    assert len(found) == more == len(np.unique(found))
    assert not pool.held_out[found].any()
    assert not np.isin(found, here).any()
    again = search.acquire(chosen, pool, here, len(here) + more, "k", scores_of(values))
    assert found.tolist() == again.tolist()


def test_ties_hang_on_the_key_alone():
    pool, flat = pool_of(), scores_of(np.ones(100))
    none = np.empty(0, np.int64)
    a, b = (search.acquire(settings(), pool, none, 20, key, flat).tolist() for key in "ab")
    assert a != b


def test_more_than_there_is_cannot_be_taken():
    with pytest.raises(InvalidConfigError, match="80 images are left and 81 are wanted"):
        search.acquire(
            settings(), pool_of(), np.empty(0, np.int64), 81, "k", scores_of(np.ones(100))
        )


def test_the_error_count_takes_what_most_members_get_wrong_then_where_they_disagree():
    pool = pool_of()
    wrong = np.zeros(100)
    wrong[[5, 6, 7]] = [0.4, 1.0, 0.4]
    mutual = np.zeros(100)
    mutual[7] = 1.0
    chosen = settings(acquisition="error_count")
    found = search.acquire(chosen, pool, np.empty(0, np.int64), 3, "k", scores_of(mutual), wrong)
    assert found.tolist() == [6, 7, 5]
    single = replace(scores_of(mutual), mutual=None)
    assert sorted(
        search.acquire(chosen, pool, np.empty(0, np.int64), 3, "k", single, wrong).tolist()
    ) == [5, 6, 7]


def test_without_votes_no_error_is_counted():
    with pytest.raises(InvalidAnswerError, match="no votes"):
        search.acquire(
            settings(acquisition="error_count"), pool_of(), np.empty(0, np.int64), 3, "k", None
        )


@pytest.mark.parametrize("name", ["mutual_information", "variation_ratios"])
def test_a_single_models_scores_rank_no_disagreement(name):
    single = replace(scores_of(np.ones(100)), mutual=None, variation=None)
    with pytest.raises(InvalidAnswerError, match=f"no {name} scores"):
        search.acquire(settings(acquisition=name), pool_of(), np.empty(0, np.int64), 3, "k", single)


def test_random_takes_without_any_model():
    chosen = settings(acquisition="random")
    found = search.acquire(chosen, pool_of(), np.empty(0, np.int64), 10, "k", None)
    assert len(np.unique(found)) == 10


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"share": 0.0}, "between 0 and 1, not 0"),
        ({"share": 1.0}, "100 % is the whole set"),
        ({"share": 1.5}, "between 0 and 1"),
        ({"share": float("nan")}, "between 0 and 1"),
        ({"start": 0.0}, "random start"),
        ({"outliers": -0.1}, "outliers must be 0 or more"),
        ({"share": 0.6, "outliers": 0.5}, "no 60.0% is left"),
        ({"tune_rate": 0.0}, "fine-tuning"),
        ({"acquisition": "luck"}, "'luck' is not one of"),
        ({"acquisition": "random", "outliers": 0.1}, "ranks no image"),
        ({"acquirer": "toy"}, "one member of toy is zero"),
        ({"acquirer": "toy", "acquisition": "variation_ratios"}, "one member of toy is zero"),
        ({"acquirer": "toy+semi", "acquisition": "margin"}, "outside its training set"),
        ({"model": "toy+pseudo"}, "outside its training set"),
        ({"model": "toy+frozen", "scheme": Scheme.PRETRAIN}, "starts from fresh weights"),
        ({"model": "toy+magic"}, "'magic' is not one of"),
    ],
)
def test_settings_that_make_no_sense_are_refused_in_words(change, words):
    with pytest.raises(InvalidConfigError, match=words):
        search.check(settings(**change), World().pool)


def test_one_member_is_enough_for_what_one_model_can_say():
    search.check(settings(acquirer="toy", acquisition="entropy"), World().pool)
    search.check(settings(acquirer="toy", acquisition="error_count"), World().pool)


def test_too_few_images_are_counted():
    with pytest.raises(DataError, match=r"80 labelled .* hold 8 of them, and 2 classes need 12"):
        search.check(settings(0.2), pool_of())


def test_unlabelled_images_are_counted():
    world = World()
    labels = world.labels.copy()
    labels[[1, 2, 3]] = -1
    with pytest.raises(DataError, match="3 of 2,000 images have no label"):
        search.check(settings(), replace(world.pool, labels=labels))


def test_labels_beyond_the_classes_are_refused():
    with pytest.raises(DataError, match="beyond the 3 classes"):
        search.check(settings(), replace(World().pool, classes=3))


def test_one_class_teaches_nothing():
    pool = World().pool
    with pytest.raises(DataError, match="fewer than two classes"):
        search.check(settings(), replace(pool, labels=np.zeros_like(pool.labels)))


def test_somebody_must_be_held_out():
    pool = World().pool
    with pytest.raises(DataError, match="no image is held out"):
        search.check(settings(), replace(pool, held_out=np.zeros_like(pool.held_out)))


@pytest.mark.parametrize("seeds", [(), (1, 1), (-1,)])
def test_seeds_are_distinct_and_not_negative(seeds):
    with pytest.raises(InvalidConfigError, match="one seed or more"):
        search.check_seeds(seeds)


def test_training_seeds_differ_by_purpose_and_fit_torch():
    seeds = {search.training_seed(s, p) for s in range(20) for p in ("model", "acquirer:2")}
    assert len(seeds) == 40
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_the_interval_is_students():
    found = search.spread([0.90, 0.92, 0.94])
    half = 4.302652729749464 * 0.02 / np.sqrt(3)  # t of 2 degrees of freedom, 97.5 %
    assert found["mean"] == pytest.approx(0.92)
    assert found["std"] == pytest.approx(0.02)
    assert (found["low"], found["high"]) == (
        pytest.approx(0.92 - half),
        pytest.approx(0.92 + half),
    )


def test_one_value_has_no_interval():
    assert search.spread([0.9]) == {
        "values": [0.9], "mean": 0.9, "std": None, "low": None, "high": None
    }  # fmt: skip
