"""Pseudo-labels: which machine labels of the last round are sure enough to train along."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcal_engine import pseudo, simulate
from mcal_engine.learner import Earlier, SyntheticLearner, TrainedModel
from mcal_engine.training import Pseudo
from mcal_engine.types import Scores
from tests.engine.support import config

N, CLASSES = 2000, 4
USUAL = Pseudo()
TRUTH = np.random.default_rng(0).integers(0, CLASSES, N)


def earlier(confidence, pred=TRUTH, trained=range(100), number=1):
    least = (1 - np.asarray(confidence)).astype(np.float32)
    scores = Scores(np.asarray(pred, dtype=np.uint16), least, "model", least=least)
    return Earlier(scores, np.array(trained, dtype=np.int64), number)


def sure(seed=1, low=0.3):
    return np.random.default_rng(seed).uniform(low, 0.999, N)


def chosen(model, size=300, labels=TRUTH, rules=USUAL):
    items = np.arange(size)
    return pseudo.choose(model, items, labels[items], rules)


# --- when there are none ----------------------------------------------------------------------


def test_the_first_round_has_none():
    assert len(chosen(None).items) == 0
    assert chosen(None).why == "there is no earlier model"


def test_too_few_new_labels_give_none():
    found = chosen(earlier(sure(), trained=range(251)), size=300)
    assert len(found.items) == 0
    assert found.why.startswith("49 new labels")


# --- the temperature --------------------------------------------------------------------------


def test_a_calibrated_model_keeps_its_confidence():
    rng = np.random.default_rng(2)
    confidence = rng.uniform(0.5, 0.99, 20_000)
    assert pseudo.temperature(confidence, rng.random(20_000) < confidence) == pytest.approx(
        1, abs=0.05
    )


@pytest.mark.parametrize("heat", [1.5, 3.0])
def test_an_overconfident_model_is_cooled_by_what_it_boasts(heat):
    rng = np.random.default_rng(3)
    truth = rng.uniform(0.5, 0.99, 40_000)
    boast = pseudo.calibrated(truth, 1 / heat)
    found = pseudo.temperature(boast, rng.random(40_000) < truth)
    assert found == pytest.approx(heat, rel=0.08)
    assert pseudo.calibrated(boast, heat) == pytest.approx(truth, abs=1e-6)


def test_hard_images_alone_leave_it_to_the_prior():
    hard = np.random.default_rng(4).uniform(0.45, 0.55, 120)
    found = pseudo.temperature(hard, np.random.default_rng(5).random(120) < 0.4)
    assert found == pytest.approx(pseudo.BOASTING, rel=0.3)


def test_a_sample_of_the_unsure_stands_for_all_by_its_few_sure_ones():
    """A boasting model whose batch is nearly all hard: the few sure images decide."""
    rng = np.random.default_rng(6)
    others = rng.uniform(0.4, 0.999, 5000)
    sample = np.concatenate([rng.uniform(0.4, 0.5, 190), rng.uniform(0.5, 0.999, 10)])
    weights = pseudo.stand_for(sample, others)
    sure = sample >= 0.5
    assert weights[sure].sum() / weights.sum() == pytest.approx(0.83, abs=0.12)
    assert 10 <= weights.sum() <= 30  # little more than the sure ones count
    same = pseudo.stand_for(others[:500], others)
    assert same.sum() == pytest.approx(500, rel=0.05)


def test_no_sample_and_no_others_weigh_nothing():
    assert len(pseudo.stand_for(np.empty(0), np.ones(3))) == 0
    assert list(pseudo.stand_for(np.ones(2), np.empty(0))) == [1, 1]


def test_a_timid_model_is_not_made_bolder():
    confidence = np.full(500, 0.7)
    assert pseudo.temperature(confidence, np.ones(500, dtype=bool)) == 1.0


def test_a_model_that_is_wrong_where_it_is_sure_teaches_nothing():
    wrong = (TRUTH + 1) % CLASSES
    found = chosen(earlier(sure(low=0.9), pred=wrong))
    assert len(found.items) == 0
    assert found.temperature == pytest.approx(pseudo.HOTTEST, rel=0.05)


# --- the threshold ----------------------------------------------------------------------------


def test_the_threshold_falls_with_each_round_down_to_its_floor():
    rules = Pseudo(threshold=0.95, decay=0.02, floor=0.90)
    found = [pseudo.threshold_of(number, rules) for number in (1, 2, 3, 9)]
    assert found == pytest.approx([0.95, 0.93, 0.91, 0.90])


def test_only_what_is_sure_enough_is_taken_with_the_machine_label():
    confidence = sure()
    found = chosen(earlier(confidence), rules=Pseudo(most=100, balance=1000))
    wanted = np.flatnonzero(
        (confidence.astype(np.float32) >= np.float32(0.95)) & (np.arange(N) >= 300)
    )
    assert list(found.items) == list(wanted)
    assert list(found.labels) == list(TRUTH[wanted])


# --- balance ----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0.5, 0.99),
    st.floats(1, 10),
    st.integers(0, 500),
)
def test_balance_holds_and_takes_the_surest(seed, threshold, balance, most):
    rng = np.random.default_rng(seed)
    confidence = rng.random(400)
    pred = rng.choice(5, 400, p=[0.6, 0.2, 0.1, 0.08, 0.02]).astype(np.uint16)
    found = pseudo.balanced(confidence, pred, threshold, 5, balance, most)
    counts = np.bincount(pred[found], minlength=5)
    there = np.bincount(pred[confidence >= threshold], minlength=5)
    assert len(found) <= most
    assert counts.max() <= balance * max(there.min(), 1)
    assert (confidence[found] >= threshold).all()
    assert list(found) == sorted(set(found.tolist()))
    for k in range(5):
        left = np.setdiff1d(np.flatnonzero((pred == k) & (confidence >= threshold)), found)
        if counts[k] and len(left):
            assert confidence[left].max() <= confidence[found[pred[found] == k]].min()


def test_weights_tell_them_from_human_labels():
    found = chosen(earlier(sure()))
    items, labels, weights = pseudo.extended(
        np.arange(300), TRUTH[:300], found, Pseudo(weight=0.25)
    )
    assert set(weights[:300]) == {1.0}
    assert set(weights[300:]) == {0.25}
    assert len(items) == len(labels) == len(weights)
    assert len(np.unique(items)) == len(items)


# --- T ----------------------------------------------------------------------------------------


def test_labels_outside_b_are_never_looked_at():
    other = TRUTH.copy()
    other[300:] = -1
    one, two = chosen(earlier(sure())), chosen(earlier(sure()), labels=other)
    assert list(one.items) == list(two.items)
    assert one.temperature == two.temperature


def test_marks_are_taken_like_all_others():
    """D^H is blind to the marks, so as large a share of them is in it as of the others."""
    shares = []
    for seed in range(30):
        marks = np.random.default_rng([seed, 9]).permutation(np.arange(300, N))[:300]
        found = chosen(earlier(sure(seed=seed)), rules=Pseudo(most=100)).items
        shares.append((np.isin(found, marks).sum(), len(found) * 300 / (N - 300)))
    taken, expected = np.sum(shares, axis=0)
    assert taken == pytest.approx(expected, abs=3 * np.sqrt(expected))


# --- in a run ---------------------------------------------------------------------------------


class Remembering(SyntheticLearner):
    """Keeps what it was given of each candidate's round before."""

    def __init__(self, labels, classes):
        super().__init__(labels, classes, level=0.2)
        object.__setattr__(self, "seen", [])

    def train_and_score(self, train_items, train_labels, *, earlier=None, **more) -> TrainedModel:
        self.seen.append((more["arch"], earlier, train_items))
        return super().train_and_score(train_items, train_labels, **more)


def test_a_run_hands_on_the_model_of_the_round_before_to_who_learns_from_it():
    made = config(800, classes=4, arch="a", rivals=("a+pseudo",), max_rounds=4)
    labels = np.random.default_rng(0).integers(0, 4, made.n)
    learner = Remembering(labels, 4)
    simulate.run(made, simulate.Oracle(labels), learner)
    assert all(found is None for arch, found, _ in learner.seen if arch == "a")
    mine = [(found, items) for arch, found, items in learner.seen if arch == "a+pseudo"]
    assert mine[0][0] is None
    for number, ((_, before), (found, _items)) in enumerate(itertools.pairwise(mine), 1):
        assert found.round == number
        assert list(found.train_items) == list(before)
