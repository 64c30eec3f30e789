"""Images labelled while a training runs: T stays fair, the arithmetic and the promise hold."""

from dataclasses import replace

import numpy as np
import pytest

from mcal_engine import ahead, mcal, selection, simulate
from mcal_engine.errors import EngineError
from mcal_engine.types import (
    CertificateKind,
    Finished,
    Labelled,
    LabelRequest,
    Pool,
    Purpose,
    Target,
    Trained,
    TrainRequest,
)
from tests.engine.support import config, pool, scores, world

N = 2000


# --- the order and its cut --------------------------------------------------------------------


def view(n=N, seed=0):
    return scores(np.random.default_rng(seed).random(n))


def test_the_order_does_not_look_at_the_marks():
    settings, seen = config(N), view()
    one = ahead.asking_order(settings, pool(N, train=range(50)), [seen], 60, 3)
    other = pool(N, train=range(50), marked=range(40, 400))
    assert list(one) == list(ahead.asking_order(settings, other, [seen], 60, 3))


def test_the_order_holds_the_least_certain_images_outside_b_and_a_few_random_ones():
    settings, seen = config(N), view()
    order = ahead.asking_order(settings, pool(N, train=range(1000)), [seen], 100, 3)
    assert len(order) == len(set(order)) == 100
    assert order.min() >= 1000
    hardest = 1000 + np.argsort(-seen.uncertainty[1000:])[:95]
    assert set(hardest) <= set(order)


def test_the_order_is_shuffled_and_repeats_under_its_seed():
    settings, seen = config(N), view()
    order = ahead.asking_order(settings, pool(N), [seen], 100, 3)
    assert list(order) == list(ahead.asking_order(settings, pool(N), [seen], 100, 3))
    falls = np.diff(seen.uncertainty[order]) < 0
    assert 0.3 < falls.mean() < 0.7
    assert list(order) != list(ahead.asking_order(settings, pool(N), [seen], 100, 4))


def test_nothing_that_is_taken_or_broken_stands_in_the_order():
    seen = pool(N, train=range(100), excluded=range(100, 300))
    early = np.zeros(N, dtype=bool)
    early[300:500] = True
    seen = Pool(seen.train, seen.marked, seen.labels, seen.excluded, early)
    order = ahead.asking_order(config(N), seen, [view()], N, 1)
    assert set(order) == set(range(500, N))


def test_k_center_chooses_by_margin_here():
    order = ahead.asking_order(config(N, acquisition="k_center"), pool(N), [view()], 50, 1)
    assert set(order) == set(ahead.asking_order(config(N), pool(N), [view()], 50, 1))


def test_several_networks_choose_together():
    views = [view(seed=1), view(seed=2)]
    order = ahead.asking_order(config(N), pool(N), views, 50, 1)
    assert len(set(order)) == 50


@pytest.mark.parametrize(
    ("worked_on", "expected"),
    [([0, 0, 0, 0], 0), ([1, 0, 0, 0], 1), ([0, 0, 1, 0], 3), ([1, 1, 1, 1], 4)],
)
def test_the_cut_lies_behind_the_last_image_that_was_worked_on(worked_on, expected):
    order = np.array([7, 3, 9, 1])
    assert list(ahead.prefix(order, np.array(worked_on, dtype=bool))) == list(order[:expected])


def test_images_asked_ahead_are_in_neither_t_nor_the_remainder_until_they_join_b():
    early = np.array([1, 1, 1, 0, 0, 0], dtype=bool)
    made = pool(6, train=[0], marked=[1, 3])
    made = Pool(made.train, made.marked, made.labels, made.excluded, early)
    assert list(made.ahead) == [False, True, True, False, False, False]
    assert list(np.flatnonzero(made.test)) == [3]
    assert list(np.flatnonzero(made.remainder)) == [4, 5]


# --- T stays a uniformly random part of what is left ------------------------------------------

BATCHES = (60, 100, 150)


def gap(seed: int, rule: str) -> float:
    """Return T's error rate less the remainder's, with images labelled ahead before each batch.

    People stop after a random number of images; under `hard` after some that the model gets
    wrong, which is a length that depends on what they saw. Under `answered` the marks between
    the answered images stay in T: the rule that is wrong.
    """
    settings = config(1500, seed=seed, test_share=0.1)
    labels, learner = world(settings)
    chance = np.random.default_rng([seed, 3])
    marked, train, early = np.zeros((3, settings.n), dtype=np.bool_)
    marked[selection.draw_test(settings)] = True
    train[selection.draw_seed(settings, np.arange(settings.n))] = True
    last = None
    for step, delta in enumerate((*BATCHES, 0), start=1):
        seen = Pool(train, marked, np.where(marked | train, labels, -1), np.zeros_like(train))
        if last is not None:
            order = ahead.asking_order(settings, seen, [last], 150, step)
            worked_on = _worked_on(order, marked, last.pred != labels, chance, rule)
            taken = ahead.prefix(order, worked_on)
            early[taken if rule != "answered" else order[worked_on]] = True
        items = np.flatnonzero(train)
        last = learner.train_and_score(items, labels[items], seed=step, arch="net").scores
        if delta:
            train, early = train | early, np.zeros_like(early)
            left = np.flatnonzero(~train)
            train[selection.acquire(settings, left, last, delta, step, train)] = True
    seen = Pool(train, marked, labels, np.zeros_like(train), early)
    wrong = last.pred != labels
    return float(wrong[seen.test].mean() - wrong[seen.remainder].mean())


def _worked_on(order, marked, wrong, chance, rule):
    asked = np.flatnonzero(~marked[order])
    if rule == "hard":
        behind = np.cumsum(wrong[order][asked]) >= chance.integers(5, 25)
        asked = asked[: int(np.argmax(behind)) + 1] if behind.any() else asked
    else:
        asked = asked[: chance.integers(0, 120)]
    found = np.zeros(len(order), dtype=bool)
    found[asked] = True
    return found


def standard_errors(rule: str, pools: int = 400) -> float:
    """Return the mean gap over the pools in its standard errors."""
    gaps = [gap(seed, rule) for seed in range(pools)]
    return float(np.mean(gaps) / (np.std(gaps, ddof=1) / np.sqrt(len(gaps))))


@pytest.mark.parametrize("rule", ["random", "hard"])
def test_t_errs_as_the_remainder_does(rule):
    assert abs(standard_errors(rule)) <= 2


def test_taking_the_answered_images_without_their_marks_would_be_seen():
    assert standard_errors("answered") > 10


# --- whole runs -------------------------------------------------------------------------------


def followed(settings, *, label_ahead=40, unusable=None, **learner):
    """Run to the end; return the driver, [(state, request)] and the answers."""
    labels, model = world(settings, **learner)
    oracle = simulate.Oracle(labels)
    driver = simulate.Driver(settings, oracle, model, label_ahead=label_ahead, unusable=unusable)
    steps, answers = [mcal.start(settings)], []
    while not isinstance(steps[-1][1], Finished):
        answers.append(driver.answer(steps[-1][1]))
        steps.append(mcal.advance(steps[-1][0], answers[-1]))
    return driver, steps, answers


@pytest.fixture(scope="module")
def runs():
    settings = [config(3000, classes=10, seed=seed) for seed in range(10)]
    audited = Target(0.05, certificate=CertificateKind.AUDIT)
    return [followed(replace(one, target=audited) if one.seed % 2 else one) for one in settings]


def test_images_are_labelled_ahead_in_every_run(runs):
    for driver, steps, _ in runs:
        trainings = sum(isinstance(request, TrainRequest) for _, request in steps)
        assert driver.oracle.paid(Purpose.AHEAD) == 40 * (trainings - 1) > 0


def test_the_whole_prefix_joins_b_with_the_next_batch(runs):
    joined = 0
    for _, steps, answers in runs:
        for answer, (_, request) in zip(answers, steps[1:], strict=True):
            is_batch = isinstance(request, LabelRequest) and request.purpose is Purpose.TRAIN
            if isinstance(answer, Trained) and is_batch:
                early = np.flatnonzero(answer.pool.ahead)
                assert set(early) <= set(request.train)
                open_ones = early[answer.pool.labels[early] < 0]
                assert set(open_ones) <= set(request.buy)
                assert len(open_ones) == (1 if len(early) else 0)  # what was on a screen
                joined += len(early)
    assert joined > 0


def test_marked_images_of_the_prefix_leave_t_unpaid(runs):
    left = 0
    for driver, _, answers in runs:
        for answer in answers:
            left += int((answer.pool.ahead & answer.pool.marked).sum())
        sold = np.concatenate([items for _, items in driver.oracle.sales])
        assert len(np.unique(sold)) == len(sold)
    assert left > 0


def test_the_batch_counts_what_was_labelled_ahead(runs):
    for _, steps, answers in runs:
        for answer, (state, request) in zip(answers, steps[1:], strict=True):
            if isinstance(answer, Trained) and state.phase == "label":
                wanted = state.records[-1].next_delta
                assert len(request.train) == wanted >= int(answer.pool.ahead.sum())


def test_a_run_that_stops_does_not_train_on_them(runs):
    """They end as people's labels: after the last decision no training follows."""
    ended = 0
    for driver, steps, answers in runs:
        trained = [i for i, answer in enumerate(answers) if isinstance(answer, Trained)]
        after = steps[trained[-1] + 1 :]
        assert not any(isinstance(request, TrainRequest) for _, request in after)
        early = answers[-1].pool.ahead
        ended += int(early.sum())
        assert not driver.machine[early].any()
        assert (driver.labels[early] >= 0).all()
    assert ended > 0


def test_every_image_has_one_label_and_the_money_adds_up(runs):
    for driver, steps, _ in runs:
        result = simulate.report(steps[-1][0], steps[-1][1], driver)
        assert sum(result["counts"].values()) == result["n"]
        assert ((driver.labels >= 0) ^ driver.machine).all()
        people = result["n"] - result["counts"]["machine"]
        assert result["cost"]["labels"] == pytest.approx(people * 0.04)


def test_the_promise_holds_in_all_but_a_rare_run(runs):
    broken = 0
    for driver, steps, _ in runs:
        result = simulate.report(steps[-1][0], steps[-1][1], driver)
        broken += result["realised_error"] > min(result["bound"], 0.05)
    assert broken <= 1


def test_images_labelled_ahead_are_in_no_audited_set(runs):
    audits = 0
    for _, steps, answers in runs:
        for (_, request), answer in zip(steps, answers, strict=False):
            if isinstance(request, LabelRequest) and request.purpose is Purpose.AUDIT:
                audits += 1
                assert not answer.pool.ahead[request.buy].any()
    assert audits > 0


def test_what_a_plan_expects_to_pay_counts_them_once(runs):
    """Stopping now costs every image outside S once, those labelled ahead among them."""
    for _, _, answers in runs:
        for answer in answers:
            seen = answer.pool
            parts = [seen.train, seen.test, seen.ahead, seen.remainder]
            assert (np.sum(parts, axis=0) == 1).all()


def test_few_more_labels_are_bought_than_without(runs):
    """The least certain images would be labelled by people in the end."""
    seeds = (0, 2, 4, 6)
    alone = [followed(config(3000, classes=10, seed=s), label_ahead=0)[0] for s in seeds]
    bought = np.mean([runs[s][0].oracle.paid() for s in seeds])
    assert bought < 1.1 * np.mean([driver.oracle.paid() for driver in alone])


def test_a_run_with_images_ahead_repeats_under_its_seed():
    one, two = (followed(config(2000, seed=5)) for _ in range(2))
    assert one[1][-1] == two[1][-1]


def test_a_negative_number_is_refused():
    settings = config(2000)
    labels, model = world(settings)
    with pytest.raises(EngineError, match="-1 images"):
        simulate.Driver(settings, simulate.Oracle(labels), model, label_ahead=-1)


def test_more_ahead_than_the_plan_wants_still_joins_whole():
    """A batch is never smaller than what people have done."""
    _, steps, answers = followed(config(2000, seed=2), label_ahead=300)
    for answer, (state, request) in zip(answers, steps[1:], strict=True):
        if isinstance(answer, Trained) and state.phase == "label":
            assert set(np.flatnonzero(answer.pool.ahead)) <= set(request.train)
    assert isinstance(steps[-1][1], Finished)


def test_a_batch_that_is_all_answered_needs_nobody():
    _, steps, answers = followed(config(2000, seed=2), label_ahead=400)
    sizes = [
        len(request.buy)
        for answer, (state, request) in zip(answers, steps[1:], strict=True)
        if isinstance(answer, Trained) and state.phase == "label"
    ]
    assert min(sizes) == 1  # the one on a screen
    assert all(isinstance(answer, Labelled | Trained) for answer in answers[:4])
