"""The step function: pure, repeatable, picky about answers, and its counts add up."""

from dataclasses import replace

import numpy as np
import pytest

from mcal_engine import guarantees, mcal
from mcal_engine.errors import InvalidAnswerError, InvalidConfigError
from mcal_engine.types import (
    Changed,
    Finished,
    Labelled,
    LabelRequest,
    MachineLabelRequest,
    Prices,
    Purpose,
    Stored,
    Target,
    Trained,
    TrainRequest,
)
from tests.engine.support import config, drive, pool, scores, trained

SETTINGS = config(2000, classes=4, seed=3)


@pytest.fixture(scope="module")
def ran():
    return drive(SETTINGS)


def same(one, two):
    """Compare requests field by field, arrays by content."""
    pairs = ((getattr(one, name), getattr(two, name)) for name in one.__dataclass_fields__)
    return type(one) is type(two) and all(np.array_equal(a, b) for a, b in pairs)


def test_a_run_asks_in_the_papers_order(ran):
    _, steps, _ = ran
    kinds = [r.purpose.value if isinstance(r, LabelRequest) else type(r).__name__ for _, r in steps]
    assert kinds[:3] == ["test", "seed", "TrainRequest"]
    middle = kinds[3:-3]
    assert middle == ["train", "TrainRequest"] * (len(middle) // 2)
    assert kinds[-3:] == ["MachineLabelRequest", "residual", "Finished"]


def test_the_same_answer_gives_the_same_step(ran):
    _, steps, answers = ran
    for (state, _), answer, (after, request) in zip(steps, answers, steps[1:], strict=False):
        again, asked = mcal.advance(state, answer)
        assert again == after
        assert same(asked, request)


def test_every_request_id_occurs_once(ran):
    _, steps, _ = ran
    ids = [request.id for _, request in steps]
    assert len(set(ids)) == len(ids)
    assert all(state.waiting_for == request.id for state, request in steps)


def test_every_image_is_counted_once_and_has_one_label(ran):
    driver, _, _ = ran
    human = driver.labels >= 0
    assert (human ^ driver.machine).all()
    assert driver.oracle.paid() + driver.machine.sum() == SETTINGS.n


def test_records_add_up_to_the_pool(ran):
    _, steps, _ = ran
    for record in steps[-1][0].records:
        assert record.train_size + record.test_size + record.remainder == SETTINGS.n
        assert record.test_counts[-1] == record.test_size
    sizes = [record.train_size for record in steps[-1][0].records]
    assert np.diff([0, *sizes]).tolist() == [r.delta for r in steps[-1][0].records]


def test_every_decision_says_why(ran):
    _, steps, _ = ran
    records = steps[-1][0].records
    assert all(record.decision.startswith("adds ") for record in records[:-1])
    assert records[-1].decision.startswith("stops")
    assert records[-1].next_delta is None


def test_machine_labels_go_only_where_no_human_label_is(ran):
    _, steps, answers = ran
    asked = next(r for _, r in steps if isinstance(r, MachineLabelRequest))
    before = next(a for a in answers if isinstance(a, Stored)).pool
    assert (before.labels[asked.items] == -1).all()
    assert not before.train[asked.items].any()
    assert not before.marked[asked.items].any()
    assert len(asked.items) == len(asked.labels) == len(asked.uncertainty)
    assert asked.uncertainty.max() <= asked.certificate["threshold"]


def test_test_marks_join_the_training_set_unpaid(ran):
    driver, steps, _ = ran
    batches = [r for _, r in steps if isinstance(r, LabelRequest) and len(r.train)]
    free = sum(len(r.train) - len(r.buy) for r in batches)
    assert free == (driver.train & driver.marked).sum() > 0


def test_permuting_the_marks_changes_no_batch():
    """M(.) is blind: other marks, same scores, same batch."""
    settings = config(1000, classes=4)
    n, rng = 1000, np.random.default_rng(0)
    view = scores(rng.random(n), rng.integers(0, 4, n))
    state = replace(mcal.start(settings)[0], phase="train", waiting_for="x", iteration=1)
    labels, batches = rng.integers(0, 4, n), []
    for marks in (range(50, 150), range(850, 950)):
        known = np.full(n, -1)
        known[:20], known[list(marks)] = labels[:20], labels[list(marks)]
        seen = pool(n, train=range(20), marked=marks, labels=known)
        _, request = mcal.advance(state, trained("x", seen, view))
        batches.append(request.train)
    assert np.array_equal(*batches)


def test_a_mark_that_could_not_be_labelled_counts_as_wrong():
    labels = np.array([0, 0, 0, -1, -1, -1])
    seen = pool(6, train=[0], marked=[1, 2, 3], labels=labels, excluded=[3])
    found = guarantees.count_candidates(seen, scores([0.1] * 6), config(6))
    assert (found.tests[-1], found.errors[-1], found.n) == (3, 1, 5)


def test_labels_bought_ahead_keep_their_human_label():
    """An image of S that a person labelled meanwhile is not overwritten."""
    driver, steps, answers = drive(SETTINGS, until=MachineLabelRequest)
    state, request = steps[-2][0], steps[-1][1]
    ahead = request.items[:5]
    seen = answers[-1].pool
    labels = seen.labels.copy()
    labels[ahead] = driver.oracle.truth[ahead]
    told = replace(answers[-1], pool=replace(seen, labels=labels))
    _, again = mcal.advance(state, told)
    assert not set(ahead) & set(again.items)


def test_images_that_cannot_be_labelled_are_never_asked_for():
    state, request = mcal.start(SETTINGS)
    broken = [i for i in range(200) if i not in set(request.buy.tolist())]
    labels = np.full(2000, -1)
    labels[request.buy] = 0
    seen = pool(2000, marked=request.buy, labels=labels, excluded=broken)
    _, seeded = mcal.advance(state, Labelled(request.id, seen))
    assert not set(seeded.train) & set(broken)


def test_nothing_labelled_in_the_seed_is_human_only():
    _, steps, _ = drive(SETTINGS, until=TrainRequest)
    (state, request) = steps[1]
    seen = pool(2000, labels=np.full(2000, -1))
    after, asked = mcal.advance(state, Labelled(request.id, seen))
    assert asked.purpose is Purpose.RESIDUAL
    assert len(asked.buy) == 2000
    assert "nothing to train on" in after.stop_reason


def test_random_labels_end_with_people_labelling_everything():
    driver, steps, _ = drive(SETTINGS, learnable=False)
    end = steps[-1][1]
    assert end.outcome == "human_only"
    assert "no machine-labelled set" in end.reason
    assert driver.oracle.paid() == SETTINGS.n
    assert not any(isinstance(request, MachineLabelRequest) for _, request in steps)


def test_a_test_set_too_small_for_the_target_is_said_at_the_end():
    _, steps, _ = drive(config(500, epsilon=0.01, seed=3))
    assert "test images are too few" in steps[-1][1].reason


def test_dear_compute_stops_at_once_on_the_exploration_tax():
    _, steps, _ = drive(config(2000, compute=20_000.0, seed=3))
    state = steps[-1][0]
    assert len(state.records) <= 3
    assert "a tenth of labelling by hand" in state.stop_reason


def test_the_limit_of_rounds_is_kept():
    _, steps, _ = drive(config(2000, seed=3, max_rounds=3))
    assert len(steps[-1][0].records) == 3


def test_another_requests_answer_is_refused(ran):
    _, steps, answers = ran
    with pytest.raises(InvalidAnswerError, match="does not answer"):
        mcal.advance(steps[2][0], answers[0])


def test_an_answer_of_the_wrong_kind_is_refused(ran):
    _, steps, answers = ran
    wrong = Stored(steps[0][1].id, answers[0].pool, answers[0].pool.train)
    with pytest.raises(InvalidAnswerError, match="Stored"):
        mcal.advance(steps[0][0], wrong)


def test_a_pool_of_another_size_is_refused():
    state, request = mcal.start(SETTINGS)
    with pytest.raises(InvalidAnswerError, match="2000 images"):
        mcal.advance(state, Labelled(request.id, pool(7)))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"scores": scores(np.full(2000, np.nan))}, "not finite"),
        ({"scores": scores(np.zeros(1999))}, "all 2000 images"),
        ({"train_seconds": -1.0}, "seconds"),
        ({"score_seconds": float("inf")}, "seconds"),
    ],
)
def test_a_training_that_measured_nonsense_is_refused(ran, wrong, words):
    _, steps, answers = ran
    at = next(i for i, answer in enumerate(answers) if isinstance(answer, Trained))
    models = (replace(answers[at].models[0], **wrong),)
    with pytest.raises(InvalidAnswerError, match=words):
        mcal.advance(steps[at][0], replace(answers[at], models=models))


def test_a_finished_run_takes_no_answers(ran):
    _, steps, answers = ran
    with pytest.raises(InvalidAnswerError, match="finished"):
        mcal.advance(steps[-1][0], answers[-1])


# --- changes midway -------------------------------------------------------------------------


def test_a_change_keeps_the_outstanding_request():
    _, steps, _ = drive(SETTINGS, until=TrainRequest)
    state = steps[-1][0]
    changed = mcal.change(state, Prices(0.1, 1.0), Target(0.1))
    assert changed.waiting_for == state.waiting_for
    assert changed.config.target.epsilon == 0.1


def test_a_looser_target_machine_labels_more():
    driver, steps, _ = drive(SETTINGS, until=TrainRequest)
    loose = mcal.change(steps[-1][0], SETTINGS.prices, Target(0.15))
    state, request = loose, steps[-1][1]
    while not isinstance(request, Finished):
        state, request = mcal.advance(state, driver.answer(request))
    usual, _, _ = drive(SETTINGS)
    assert driver.machine.sum() > usual.machine.sum()


def test_a_target_cannot_change_once_machine_labels_are_chosen():
    _, steps, _ = drive(SETTINGS, until=MachineLabelRequest)
    state = steps[-1][0]
    with pytest.raises(InvalidAnswerError, match="already chosen"):
        mcal.change(state, SETTINGS.prices, Target(0.2))
    assert mcal.change(state, Prices(9.0, 9.0), SETTINGS.target).config.prices.label == 9.0


def test_a_change_to_nonsense_is_refused():
    state, _ = mcal.start(SETTINGS)
    with pytest.raises(InvalidConfigError, match="epsilon"):
        mcal.change(state, SETTINGS.prices, Target(1.5))


def test_advance_points_to_change():
    state, _ = mcal.start(SETTINGS)
    with pytest.raises(InvalidAnswerError, match=r"mcal\.change"):
        mcal.advance(state, Changed(SETTINGS.prices, SETTINGS.target))


# --- settings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (config(classes=1), "two classes"),
        (config(epsilon=0.0), "epsilon"),
        (config(epsilon=1.0), "epsilon"),
        (config(epsilon=float("nan")), "epsilon"),
        (config(alpha=1.0), "alpha"),
        (config(label=-0.01), "price per label"),
        (config(compute=-1.0), "price per compute hour"),
        (config(label=float("inf")), "price per label"),
        (config(compute=float("inf")), "price per compute hour"),
        (config(seed=-1), "seed"),
        (config(60, classes=10), "66 are needed"),
        (config(0), "too few"),
        (config(max_rounds=0), "one round"),
        (config(acquisition="oracle"), "margin, mutual_information, random"),
        (config(test_share=0.0), "test images"),
        (config(seed_share=2.0), "first labels"),
        (config(random_share=-1.0), "random share"),
        (config(test_share=float("nan")), "test_share"),
        (config(seed_share=float("nan")), "seed_share"),
        (config(random_share=float("nan")), "random_share"),
        (config(fixed_delta=0), "fixed_delta must be a whole number from 1 to the 2000 images"),
        (config(fixed_delta=-5), "fixed_delta .* not -5"),
        (config(fixed_delta=2001), "fixed_delta .* not 2001"),
        (config(fixed_delta=float("nan")), "fixed_delta .* not nan"),
        (config(fixed_delta=2.5), "fixed_delta .* not 2.5"),
        (config(fixed_delta=True), "fixed_delta .* not True"),
        (config(first=float("nan")), "first must be"),
        (config(max_rounds=float("inf")), "max_rounds must be"),
        (config(seed=1.5), "seed must be"),
        (config(n=2000.5), "n must be"),
    ],
)
def test_nonsense_is_refused_in_words(settings, words):
    with pytest.raises(InvalidConfigError, match=words):
        mcal.start(settings)
