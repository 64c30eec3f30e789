"""What members say together: closed forms, bounds, order, streams. Equations of Chitta et al."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mcal_engine import acquisitions, mcal
from mcal_engine.acquisitions import Field
from mcal_engine.ensembles import (
    Tally,
    error_count,
    mutual_information,
    predictive_entropy,
    tally_of,
    variation_ratios,
)
from mcal_engine.errors import InvalidAnswerError, InvalidConfigError
from mcal_engine.scores import from_probabilities
from mcal_engine.types import ENSEMBLE_MEASURES, Measured, Trained
from mcal_engine.validation import check_trained, validate
from tests.engine.support import config, scores, simulated

CLOSE = 1e-6  # float32


def ensemble(members: int, n: int, classes: int, seed: int = 0) -> np.ndarray:
    """Probabilities [E, n, C]."""
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.3), (members, n))


ensembles = st.tuples(
    st.integers(1, 7), st.integers(1, 5), st.integers(2, 6), st.integers(0, 2**32 - 1)
).map(lambda drawn: ensemble(*drawn))


# --- closed forms -----------------------------------------------------------------------------


def test_members_that_are_sure_of_different_classes_disagree_wholly():
    """Two certain members, two classes: H(p) = log 2, each H(p_e) = 0, half vote otherwise."""
    members = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    assert predictive_entropy(members)[0] == pytest.approx(math.log(2))
    assert mutual_information(members)[0] == pytest.approx(math.log(2))
    assert variation_ratios(members)[0] == 0.5


def test_members_that_all_doubt_alike_do_not_disagree():
    members = np.full((5, 1, 4), 0.25)
    assert predictive_entropy(members)[0] == pytest.approx(math.log(4))
    assert mutual_information(members)[0] == pytest.approx(0.0, abs=1e-12)
    assert variation_ratios(members)[0] == 0.0


def test_mutual_information_of_a_known_pair():
    one, two = np.array([0.9, 0.1]), np.array([0.5, 0.5])
    mean = (one + two) / 2

    def entropy(p: np.ndarray) -> float:
        return float(-(p * np.log(p)).sum())

    expected = entropy(mean) - (entropy(one) + entropy(two)) / 2
    assert mutual_information(np.stack([one, two])[:, None])[0] == pytest.approx(expected, abs=1e-7)


def test_error_count_is_the_share_of_members_that_contradict_the_label():
    votes = np.array([[0, 1], [0, 1], [2, 1], [0, 0]])  # members x images
    members = np.eye(3)[votes]
    assert error_count(members, np.array([0, 1])).tolist() == [0.25, 0.25]
    assert error_count(members, np.array([2, 2])).tolist() == [0.75, 1.0]


def test_variation_ratios_count_those_outside_the_largest_camp():
    members = np.eye(3)[np.array([[0], [0], [1], [2]])]
    assert variation_ratios(members).tolist() == [0.5]


# --- properties -------------------------------------------------------------------------------


@given(ensembles)
def test_bounds(members):
    count = len(members)
    mutual, variation = mutual_information(members), variation_ratios(members)
    assert (mutual >= 0).all()
    assert (mutual <= predictive_entropy(members) + CLOSE).all()
    assert (variation >= 0).all()
    assert (variation <= np.float32(1 - 1 / count)).all()


@given(ensembles, st.randoms(use_true_random=False))
def test_the_order_of_the_members_does_not_matter(members, random):
    order = list(range(len(members)))
    random.shuffle(order)
    for measure in (predictive_entropy, mutual_information):
        np.testing.assert_allclose(measure(members[order]), measure(members), atol=CLOSE)
    assert np.array_equal(variation_ratios(members[order]), variation_ratios(members))


@given(ensembles)
def test_one_member_agrees_with_itself(members):
    """Identically zero, so it would rank nothing."""
    assert not mutual_information(members[:1]).any()
    assert not variation_ratios(members[:1]).any()


@given(ensembles)
def test_the_same_member_many_times_disagrees_with_nobody(members):
    copies = np.repeat(members[:1], 8, axis=0)
    np.testing.assert_allclose(mutual_information(copies), 0, atol=1e-12)
    assert not variation_ratios(copies).any()


@given(
    hnp.arrays(np.float64, (3, 4, 3), elements=st.floats(1e-30, 1.0)),
)
def test_small_probabilities_leave_no_figure_outside_its_bounds(weights):
    members = weights / weights.sum(axis=2, keepdims=True)
    found = tally_of(members).scores("m")
    assert np.isfinite(found.mutual).all()
    assert (found.mutual <= found.entropy + CLOSE).all()


# --- streaming --------------------------------------------------------------------------------


def test_a_stream_in_pieces_says_what_all_members_at_once_say():
    members = ensemble(6, 11, 4)
    tally = Tally(11, 4)
    for probabilities in members:
        for rows in (slice(0, 4), slice(4, 11)):
            tally.add(probabilities[rows], rows)
    np.testing.assert_array_equal(tally.mutual(), mutual_information(members))
    np.testing.assert_array_equal(tally.variation(), variation_ratios(members))
    np.testing.assert_allclose(tally.mean(), members.mean(axis=0))
    assert tally.members == 6


def test_scores_are_those_of_the_mean():
    members = ensemble(5, 40, 6)
    found = tally_of(members).scores("name")
    mean = from_probabilities(members.mean(axis=0), "name")
    assert np.array_equal(found.pred, mean.pred)
    for measure in ("margin", "least_confidence", "entropy"):
        np.testing.assert_allclose(found.by(measure), mean.by(measure), rtol=1e-5)
    assert found.mutual.dtype == found.variation.dtype == np.float32


def test_a_part_of_a_tally_says_the_same_of_its_images():
    members = ensemble(4, 10, 3)
    tally = tally_of(members)
    part = tally.part(slice(3, 7))
    assert np.array_equal(part.mutual(), tally.mutual()[3:7])
    assert np.array_equal(part.uncertainties().pred, tally.uncertainties().pred[3:7])


def test_memory_does_not_grow_with_the_members():
    tally = Tally(100, 10)
    held = [array.nbytes for array in (tally.sums, tally.inner, tally.votes, tally.seen)]
    assert sum(held) == 100 * (10 * 10 + 12)
    assert Tally.rows_within(sum(held), 10) == 100
    assert Tally.rows_within(1, 10) == 1


def test_images_that_not_every_member_saw_are_noticed():
    tally = Tally(4, 3)
    with pytest.raises(InvalidAnswerError, match="all have scored"):
        tally.mutual()
    tally.add(np.full((2, 3), 1 / 3), slice(0, 2))
    with pytest.raises(InvalidAnswerError, match="all have scored"):
        tally.variation()


def test_a_member_of_another_shape_is_refused():
    with pytest.raises(InvalidAnswerError, match="are \\(4, 5\\), not \\(4, 3\\)"):
        Tally(4, 3).add(np.full((4, 5), 0.2))
    with pytest.raises(InvalidAnswerError, match="at least one member"):
        tally_of([])
    with pytest.raises(InvalidAnswerError, match="labels do not go"):
        error_count(ensemble(2, 4, 3), np.zeros(5, dtype=np.int64))
    for missing in (-1, 3):  # -1 would count against the last class
        with pytest.raises(InvalidAnswerError, match="every image has a label"):
            error_count(ensemble(2, 4, 3), np.array([0, 1, 2, missing]))


# --- M(.) -------------------------------------------------------------------------------------


def field(found, candidates=None) -> Field:
    views = found if isinstance(found, tuple) else (found,)
    n = len(views[0].pred)
    items = np.arange(n) if candidates is None else candidates
    return Field(items, views, np.zeros(n, dtype=np.bool_), "key")


def disagreeing(variation, mutual):
    n = len(variation)
    return replace(
        scores(np.zeros(n)),
        variation=np.array(variation, dtype=np.float32),
        mutual=np.array(mutual, dtype=np.float32),
    )


def test_ties_of_variation_ratios_are_broken_by_mutual_information():
    found = disagreeing([0.2, 0.4, 0.2, 0.4, 0.0], [0.9, 0.1, 0.3, 0.2, 0.8])
    taken = acquisitions.by_variation_ratios(field(found), 5)
    assert taken.tolist() == [3, 1, 0, 2, 4]


def test_mutual_information_takes_where_members_disagree_most():
    found = disagreeing([0.0] * 4, [0.1, 0.4, 0.2, 0.3])
    assert acquisitions.by_mutual_information(field(found), 2).tolist() == [1, 3]


def test_several_ensembles_count_by_their_mean_rank():
    one = disagreeing([0.1, 0.2, 0.3], [0.0, 0.0, 0.0])
    two = disagreeing([0.2, 0.3, 0.1], [0.0, 0.0, 0.0])
    assert acquisitions.by_variation_ratios(field((one, two)), 1).tolist() == [1]


@pytest.mark.parametrize("name", ENSEMBLE_MEASURES)
def test_a_single_model_has_no_disagreement_and_is_refused(name):
    found = scores(np.zeros(5))
    with pytest.raises(InvalidAnswerError, match="reported no"):
        acquisitions.ACQUISITIONS[name](field(found), 2)
    assert not acquisitions.can_use(name, found)
    assert not acquisitions.can_use(name, disagreeing([0.0] * 5, [0.0] * 5), found)


# --- a run ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENSEMBLE_MEASURES)
@pytest.mark.parametrize("archs", [("net",), ("net+checkpoints=5", "net"), ("net+frozen",)])
def test_a_run_with_one_member_is_refused_before_its_first_label(name, archs):
    settings = config(2000, acquisition=name, arch=archs[0], rivals=archs[1:])
    with pytest.raises(InvalidConfigError, match="has one member and would give zero"):
        mcal.start(settings)


@pytest.mark.parametrize("name", ENSEMBLE_MEASURES)
def test_a_run_whose_candidates_are_ensembles_may_use_their_disagreement(name):
    archs = ("net+checkpoints=5", "net+seeds=2")
    validate(config(2000, acquisition=name, arch=archs[0], rivals=archs[1:]))


def test_two_spellings_of_one_candidate_do_not_race():
    settings = config(2000, arch="net+seeds=2+checkpoints=3", rivals=("net+checkpoints=3+seeds=2",))
    with pytest.raises(InvalidConfigError, match="race with itself"):
        validate(settings)


@pytest.mark.parametrize(
    "wrong",
    [{"mutual": None}, {"variation": None}, {"mutual": np.full(2000, np.nan, np.float32)}],
)
def test_an_ensemble_that_does_not_say_how_far_it_disagrees_is_refused(wrong):
    settings = config(2000, arch="net+checkpoints=5")
    found = replace(disagreeing(np.zeros(2000), np.zeros(2000)), **wrong)
    model = Measured("net+checkpoints=5", found, 1.0, 1.0, 100)
    with pytest.raises(InvalidAnswerError):
        check_trained(settings, Trained("id", None, (model,)), settings.archs)


@pytest.mark.parametrize("name", [*ENSEMBLE_MEASURES, "entropy"])
def test_a_run_of_an_ensemble_ends_with_a_label_for_every_image(name):
    found = simulated(config(1500, acquisition=name, arch="net+checkpoints=8", seed=3))
    assert sum(found["counts"].values()) == 1500
    assert found["realised_error"] <= 0.05


def test_a_race_of_ensembles_chooses_by_all_that_are_left():
    settings = config(1500, acquisition="variation_ratios", arch="a+seeds=2", rivals=("b+seeds=3",))
    assert sum(simulated(settings)["counts"].values()) == 1500
