"""Informativeness: its formula on small cases, its limits, outliers, and the same answer twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcal_engine import acquisitions, informativeness, options, selection
from mcal_engine.config import EVEN, Weighing
from mcal_engine.errors import InvalidAnswerError, InvalidConfigError
from mcal_engine.informativeness import informativeness as informative
from mcal_engine.informativeness import representativeness
from tests.engine.support import config, scores


def cloud(n, width=8, seed=1, groups=4):
    rng = np.random.default_rng(seed)
    centres = 4 * rng.random((groups, width))
    points = centres[rng.integers(0, groups, n)] + rng.normal(size=(n, width))
    return np.maximum(points, 0).astype(np.float32)


def by_hand(features, k):
    """The definition, pair by pair."""
    points = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-30)
    like = points @ points.T
    np.fill_diagonal(like, -np.inf)
    most = min(k, len(points) - 1)
    return np.clip(np.sort(like, axis=1)[:, -most:].mean(axis=1), 0, 1)


# --- representativeness -----------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3, 10, 99, 500])
def test_representativeness_is_the_mean_similarity_of_the_nearest(k):
    features = cloud(100)
    assert np.allclose(representativeness(features, k), by_hand(features, k), atol=1e-6)


def test_three_directions_of_the_plane():
    features = np.array([[1, 0], [1, 1], [0, 1]], dtype=np.float32)
    half = np.sqrt(0.5)
    assert np.allclose(representativeness(features, 1), half)
    assert np.allclose(representativeness(features, 2), [half / 2, half, half / 2])


def test_length_does_not_matter_and_opposites_count_nothing():
    assert np.allclose(representativeness(np.array([[1.0, 0], [9.0, 0]]), 1), 1)
    assert np.allclose(representativeness(np.array([[1.0, 0], [-1.0, 0]]), 1), 0)


def test_a_single_image_represents_itself_and_none_is_no_error():
    assert representativeness(np.ones((1, 4)), 5).tolist() == [1]
    assert representativeness(np.ones((0, 4)), 5).tolist() == []


def test_features_of_zeros_are_like_nothing():
    features = np.array([[0, 0], [1, 0], [1, 0]], dtype=np.float16)
    assert representativeness(features, 1).tolist() == [0, 1, 1]


def test_copies_of_an_image_are_its_neighbours():
    features = np.array([[1, 2]] * 5 + [[2, -1]], dtype=np.float16)
    assert np.allclose(representativeness(features, 3)[:5], 1)


def test_beyond_the_exact_size_neighbours_are_found_by_cells(monkeypatch):
    features = cloud(3_000, width=16, groups=30)
    exact = representativeness(features, 10)
    monkeypatch.setattr(informativeness, "EXACT", 100)
    nearly = representativeness(features, 10)
    assert np.array_equal(nearly, representativeness(features, 10))
    assert np.all(nearly <= exact + 1e-6)  # what is missed makes it less
    assert np.abs(nearly - exact).max() < 0.02


# --- informativeness --------------------------------------------------------------------------


@given(a=st.floats(0, 3), b=st.floats(0, 3), k=st.integers(1, 30), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=25)
def test_it_is_the_product_of_the_two_powers(a, b, k, seed):
    features, unsure = cloud(40, seed=seed), np.random.default_rng(seed).random(40)
    weighing = Weighing(a, b, k) if a or b else EVEN
    expected = by_hand(features, weighing.neighbours) ** weighing.representativeness
    expected *= unsure**weighing.uncertainty
    assert np.allclose(informative(features, unsure, weighing), expected, atol=1e-5)


def test_without_representativeness_it_is_the_uncertainty_ranking():
    features, unsure = cloud(300), np.random.default_rng(3).random(300).astype(np.float32)
    found = informative(features, unsure, Weighing(representativeness=0))
    assert np.array_equal(found, unsure.astype(np.float64))


def test_an_outlier_ranks_below_equally_uncertain_images_of_the_crowd():
    crowd = np.abs(np.random.default_rng(0).normal([5, 5, 0], 0.3, (60, 3)))
    features = np.concatenate([crowd, [[0, 0, 7]]])
    found = informative(features, np.full(61, 0.7))
    assert found.argmin() == 60
    assert found[60] < 0.5 * found[:60].min()


def test_a_larger_power_keeps_outliers_further_away():
    features, unsure = cloud(200, groups=1), np.full(200, 0.5)
    features[0] = [0, 0, 0, 0, 0, 0, 0, 9]
    share = [
        informative(features, unsure, Weighing(representativeness=a))[0] / 0.5 for a in (1, 2, 4)
    ]
    assert share[0] > share[1] > share[2]


@pytest.mark.parametrize(
    ("features", "unsure", "words"),
    [
        (np.ones((3, 2)), np.ones(2), "the same images"),
        (np.full((2, 2), np.nan), np.ones(2), "finite"),
        (np.ones((2, 2)), np.array([1, np.inf]), "finite"),
        (np.ones((2, 2)), np.array([1, -0.1]), "0 or more"),
    ],
)
def test_what_makes_no_sense_is_refused(features, unsure, words):
    with pytest.raises(InvalidAnswerError, match=words):
        informative(features, unsure)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ((-1, 1, 5), "0 or more"),
        ((0, 0, 5), "not both 0"),
        ((1, float("nan"), 5), "0 or more"),
        ((1, 1, 0), "1 neighbour"),
    ],
)
def test_weights_that_rank_nothing_are_refused(wrong, words):
    with pytest.raises(InvalidConfigError, match=words):
        Weighing(*wrong)


# --- as M(.) ----------------------------------------------------------------------------------


def seen(n=300, seed=4):
    rng = np.random.default_rng(seed)
    return replace(scores(rng.random(n)), features=cloud(n, seed=seed).astype(np.float16))


def taken(found, count=40, train=10, **weighing):
    n = len(found.pred)
    settings_ = config(n, acquisition="informativeness", weighing=Weighing(**weighing))
    return selection.acquire(settings_, np.arange(train, n), found, count, 1, np.arange(train))


def test_it_is_an_m_that_asks_for_features():
    assert "informativeness" in selection.ACQUISITIONS
    assert "informativeness" in acquisitions.NEEDS_FEATURES
    with pytest.raises(InvalidAnswerError, match="features"):
        taken(replace(seen(), features=None))


def test_it_takes_the_highest_products_among_the_candidates_alone():
    found = seen()
    candidates = np.arange(10, 300)
    product = by_hand(found.features[candidates].astype(np.float32), 10)
    product = product * found.uncertainty[candidates]
    field = acquisitions.Field(candidates, (found,), np.arange(300) < 10, "key")
    first = acquisitions.by_informativeness(field, 25)
    assert set(first) == set(candidates[np.argsort(-product)[:25]])


def test_without_representativeness_the_batch_is_that_of_the_margin():
    found = seen()
    margin = selection.acquire(config(300), np.arange(10, 300), found, 40, 1, np.arange(10))
    assert np.array_equal(taken(found, representativeness=0), margin)


def test_equal_inputs_give_equal_batches():
    assert np.array_equal(taken(seen()), taken(seen()))


def test_of_a_large_pool_as_many_are_looked_at_as_fit(monkeypatch):
    monkeypatch.setattr(acquisitions, "MOST_NUMBERS", 8 * 50)
    batch = taken(seen(), count=45)
    assert len(set(batch.tolist())) == 45


def test_the_command_line_sets_the_weights():
    import argparse  # noqa: PLC0415

    parser = argparse.ArgumentParser()
    options.add_run_options(parser)
    given_ = ["--acquisition", "informativeness", "--neighbours", "7", "--representativeness", "2"]
    made = options.run_config(parser.parse_args([*given_, "--uncertainty", "0.5"]), 1000, 10)
    assert made.weighing == Weighing(2, 0.5, 7)
    assert options.run_config(parser.parse_args([]), 1000, 10).weighing == EVEN
