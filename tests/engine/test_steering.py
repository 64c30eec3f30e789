"""A run that a manager steers: T stays fair, the promise holds, every paid label is delivered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mcal_engine import mcal, simulate, state_io, steering, whatif
from mcal_engine.errors import InvalidAnswerError, InvalidConfigError
from mcal_engine.learner import SyntheticLearner
from mcal_engine.types import (
    CertificateKind,
    Finished,
    LabelRequest,
    Pool,
    Scores,
    Target,
    TrainRequest,
)
from tests.engine.support import config, pool

AUDIT = Target(0.05, 0.05, certificate=CertificateKind.AUDIT)
N, MORE = 2000, 2600


class Grown:
    """A learner that knows the truth of all images and scores those that the run has."""

    def __init__(self, learner: SyntheticLearner) -> None:
        self.learner, self.n = learner, 0

    def train_and_score(self, *args, **more):
        model = self.learner.train_and_score(*args, **more)
        known = model.scores
        cut = Scores(
            known.pred[: self.n], known.uncertainty[: self.n], known.model, *_views(known, self.n)
        )
        return replace(model, scores=cut)


def _views(known: Scores, n: int):
    views = (known.least, known.entropy, known.features, known.mutual, known.variation)
    return [None if v is None else v[:n] for v in views]


class Driver(simulate.Driver):
    """A driver whose pool grows, and that hands out its last scores when the run is to stop."""

    def fit(self, n: int) -> None:
        self.learner.n, more = n, n - len(self.labels)
        if more <= 0:
            return
        for name in ("unusable", "excluded", "ahead", "train", "marked", "machine"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros(more, dtype=np.bool_)]))
        for name in ("labels", "machine_labels"):
            setattr(self, name, np.concatenate([getattr(self, name), np.full(more, -1)]))


def run(hook, *, seed=1, target=AUDIT, n=N):
    """Run to the end; `hook(state, request, driver)` may steer before each answer."""
    settings = replace(config(n, seed=seed, max_rounds=6), target=target)
    truth = np.random.default_rng(seed).integers(0, 4, MORE)
    learner = Grown(SyntheticLearner(truth, 4, world=seed))
    driver = Driver(settings, simulate.Oracle(truth), learner)
    state, request = mcal.start(settings)
    seen = []
    for _ in range(150):
        state, request = hook(state, request, driver)
        assert state_io.load(state_io.dump(state)) == state
        seen.append(request)
        if isinstance(request, Finished):
            return state, driver, seen
        driver.fit(state.config.n)
        answer = driver.answer(request)
        if isinstance(request, LabelRequest) and not request.frozen and state.wish:
            answer = replace(answer, scores=next(iter(driver.scores.values()), None))
        state, request = mcal.advance(state, answer)
    raise AssertionError("no end")


def at(phase: str, iteration: int, do):
    """Return a hook that steers once, when the run waits in this phase of this iteration."""
    done = []

    def hook(state, request, driver):
        if state.phase == phase and state.iteration >= iteration and not done:
            done.append(state)
            return do(state, request, driver)
        return state, request

    return hook


def wishes(what: str):
    return lambda state, request, driver: (steering.wish(state, what), request)


def whole(state, driver) -> None:
    """Every image has one label, what was paid among them; the promise holds."""
    assert driver.oracle.paid() == int((driver.labels >= 0).sum())
    assert not ((driver.labels >= 0) & driver.machine).any()
    assert int((driver.labels >= 0).sum() + driver.machine.sum()) == state.config.n
    ids = [request.id for request in driver.seen]
    assert len(ids) == len(set(ids))
    wrong = (driver.machine_labels != driver.oracle.truth[: state.config.n])[driver.machine].sum()
    assert wrong <= state.config.target.epsilon * state.config.n


def finished(hook, **more):
    state, driver, seen = run(hook, **more)
    driver.seen = seen
    whole(state, driver)
    return state, driver, seen


# --- stop ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["test", "label", "train"])
def test_a_run_that_is_asked_to_stop_trains_once_more_and_certifies(phase):
    iteration = 0 if phase == "test" else 2
    state, _driver, seen = finished(at(phase, iteration, wishes("stop")))
    trainings = [r.iteration for r in seen if isinstance(r, TrainRequest)]
    assert trainings[-1] == {"test": 1, "label": 3, "train": 2}[phase]
    assert state.records[-1].decision.endswith("the manager asked for it")
    assert state.attempts == 1


def test_where_nothing_new_was_learnt_nobody_trains_again():
    def drop(state, request, driver):
        empty = replace(request, buy=request.buy[:0], train=request.train[:0])
        return steering.wish(
            state, "stop"
        ), empty  # the app has cut the batch before its first image

    _state, _driver, seen = finished(at("label", 3, drop))
    assert max(r.iteration for r in seen if isinstance(r, TrainRequest)) == 3


def test_a_stop_is_taken_back_before_the_audit_is_paid():
    hooks = [
        at("train", 3, wishes("stop")),
        at("audit", 3, lambda s, r, d: (steering.unwish(s), r)),
    ]

    def hook(state, request, driver):
        state, request = hooks[0](state, request, driver)
        return hooks[1](state, request, driver) if state.wish else (state, request)

    state, driver, _seen = finished(hook)
    assert state.iteration > 3
    assert [c["attempt"] for c in driver.commitments] == list(range(1, state.attempts + 1))


def test_an_audit_that_went_on_before_the_wish_goes_on_without_it():
    same = []

    def there_and_back(state, request, driver):
        for what in ("stop", "by_hand"):
            back = steering.unwish(steering.wish(state, what), state.audit.attempt)
            same.append(back.audit == state.audit and not back.wish)
        return state, request

    finished(at("audit", 0, there_and_back))
    assert same == [True, True]


def test_asking_for_the_audit_changes_the_certificate():
    _state, driver, _ = finished(
        at("train", 3, wishes("audit")), target=replace(AUDIT, certificate=CertificateKind.TEST_SET)
    )
    assert driver.certificate["kind"] == "audit"


@pytest.mark.parametrize("phase", ["test", "audit"])
def test_people_can_label_the_rest_at_any_time(phase):
    state, driver, _ = finished(at(phase, 0, wishes("by_hand")))
    assert not driver.machine.any()
    assert state.stop_reason == steering.ASKED_BY_HAND


@pytest.mark.parametrize("phase", ["test", "label", "audit"])
def test_people_label_images_that_wait_to_join_with_the_rest(phase):
    both = at(phase, 0, lambda s, r, d: (steering.coming(steering.wish(s, "by_hand"), MORE), r))
    state, driver, seen = finished(both)
    assert state.config.n == MORE
    assert (driver.labels >= 0).all()
    rest = [request for request in seen if getattr(request, "purpose", "") == "residual"]
    assert set(range(N, MORE)) <= {int(item) for request in rest for item in request.buy}


def test_what_was_labelled_by_hand_after_a_growth_opens_again():
    both = at("audit", 0, lambda s, r, d: (steering.coming(steering.wish(s, "by_hand"), MORE), r))

    def open_again(state, request, driver):
        target = replace(state.config.target, epsilon=0.03)
        driver.fit(state.config.n)
        return steering.reopen(state, driver.pool(), driver.machine.copy(), None, target)

    again = at("finished", 0, open_again)
    _state, driver, _seen = finished(lambda s, r, d: again(*both(s, r, d), d))
    assert driver.train.all()


def test_once_the_machine_labels_are_chosen_it_is_too_late():
    state, _, _ = run(lambda state, request, driver: (state, request))
    for refused in (
        lambda: steering.wish(state, "stop"),
        lambda: steering.unwish(state),
        lambda: steering.reconfigure(state, acquisition="random"),
        lambda: steering.coming(state, MORE),
    ):
        with pytest.raises(InvalidAnswerError):
            refused()
    with pytest.raises(InvalidAnswerError, match="asked to"):
        steering.wish(state, "explode")


# --- methods ------------------------------------------------------------------------------------


def test_a_network_joins_the_race_and_another_leaves():
    def change(state, request, driver):
        return steering.reconfigure(state, rivals=("late",), acquisition="entropy"), request

    def leave(state, request, driver):
        return steering.reconfigure(state, arch="late", rivals=()), request

    hooks = [at("train", 2, change), at("label", 5, leave)]

    def hook(state, request, driver):
        for one in hooks:
            state, request = one(state, request, driver)
        return state, request

    state, _, seen = finished(hook)
    archs = [r.archs for r in seen if isinstance(r, TrainRequest)]
    assert archs[:3] == [("cnn_small",), ("cnn_small",), ("cnn_small", "late")]
    assert archs[-1] == ("late",)
    assert state.config.acquisition == "entropy"


def test_an_ensemble_takes_over_and_its_disagreement_counts_once_it_has_trained():
    """The batch after the change is chosen by margin: what trained last has one member."""
    archs = {"arch": "cnn_small+checkpoints=5", "rivals": ("cnn_small+seeds=2",)}

    def change(state, request, driver):
        return steering.reconfigure(state, **archs, acquisition="mutual_information"), request

    state, _, seen = finished(at("train", 2, change))
    trained = [r.archs for r in seen if isinstance(r, TrainRequest)]
    assert trained[1:3] == [("cnn_small",), ("cnn_small+checkpoints=5", "cnn_small+seeds=2")]
    assert state.config.acquisition == "mutual_information"
    with pytest.raises(InvalidConfigError, match="has one member"):
        mcal.start(replace(state.config, arch="cnn_small", rivals=()))


# --- more images --------------------------------------------------------------------------------


@pytest.mark.parametrize(("phase", "iteration"), [("seed", 0), ("audit", 3)])
def test_images_join_at_the_next_step_with_their_share_of_marks(phase, iteration):
    hook = at(phase, iteration, lambda s, r, d: (steering.coming(s, MORE), r))
    state, _driver, seen = finished(hook)
    assert state.config.n == MORE
    [grown] = [r for r in seen if isinstance(r, LabelRequest) and "from" in r.id]
    assert grown.mark.min() >= N
    assert len(grown.mark) == pytest.approx(60, abs=12)


def test_a_run_that_would_stop_takes_the_images_in_first():
    stop = at("train", 3, lambda s, r, d: (steering.wish(steering.coming(s, MORE), "stop"), r))
    state, _, seen = finished(stop)
    assert state.config.n == MORE
    assert [r.iteration for r in seen if isinstance(r, TrainRequest)][-1] == 4


def gap(seed: int) -> tuple[float, float]:
    """Return T's share of "wrong" images less the remainder's, after a growth; and without it.

    The new images are harder than the old ones. `naive`: T stays as it was.
    """
    chance = np.random.default_rng(seed)
    wrong = chance.random(MORE) < np.where(np.arange(MORE) < N, 0.1, 0.4)
    train, marked = np.zeros(N, dtype=np.bool_), np.zeros(N, dtype=np.bool_)
    train[chance.permutation(N)[:300]] = True
    marked[chance.permutation(N)[:200]] = True
    labels = np.where(train | marked, 0, -1)
    seen = Pool(train, marked, labels, np.zeros(N, dtype=np.bool_))
    state = mcal.start(replace(config(N, seed=seed), target=AUDIT))[0]
    state, request = steering.grow(replace(state, coming=MORE), seen)
    grown = seen.extended(MORE)
    before = wrong[grown.test].mean()
    grown.marked[request.mark] = True
    rest = wrong[grown.remainder].mean()
    return float(wrong[grown.test].mean() - rest), float(before - rest)


def test_t_stays_a_fair_part_of_a_pool_that_grew():
    gaps, naive = np.array([gap(seed) for seed in range(200)]).T
    error = gaps.std() / np.sqrt(len(gaps))
    assert abs(gaps.mean()) < 3 * error + 1e-3
    assert naive.mean() < -0.05


def test_marks_are_drawn_anew_where_no_t_is_left():
    empty = pool(N, train=range(N), labels=np.zeros(N))
    state = mcal.start(replace(config(N), target=AUDIT))[0]
    _, request = steering.grow(replace(state, coming=MORE), empty)
    assert len(request.mark) == 60


# --- open again ---------------------------------------------------------------------------------


def opening(epsilon: float, more: int = 0):
    def do(state, request, driver):
        view = next(iter(driver.scores.values()), None)
        withdrawn = driver.machine.copy()
        driver.machine[:], driver.machine_labels[:] = False, -1
        target = replace(state.config.target, epsilon=epsilon)
        state, request = steering.reopen(state, driver.pool(), withdrawn, view, target)
        return (steering.coming(state, more) if more else state), request

    return do


@pytest.mark.parametrize("more", [0, MORE])
def test_a_finished_run_opens_again_with_all_that_was_paid(more):
    paid = []

    def do(state, request, driver):
        paid.append(driver.labels >= 0)
        spent = state.spent_labels + state.spent_compute
        state, request = opening(0.03, more)(state, request, driver)
        told = whatif.answer(whatif.basis(state))
        assert min(told.cost, told.stop_cost) >= spent - 1e-9  # what is paid stays paid
        assert told.people.value >= (driver.labels >= 0).sum()
        return state, request

    state, driver, _seen = finished(at("finished", 0, do), seed=2)
    assert (driver.labels[: len(paid[0])][paid[0]] >= 0).all()
    assert state.config.n == (more or N)
    assert driver.certificate["epsilon"] == 0.03
    assert driver.certificate["attempt"] > 1


def test_what_people_did_at_the_end_joins_b_with_the_marks_among_it():
    kept = []

    def do(state, request, driver):
        view = next(iter(driver.scores.values()))
        cut = np.float32(state.certificate["threshold"])
        state, request = opening(0.05)(state, request, driver)
        kept.append((driver.pool(), request.train, view.uncertainty > cut))
        return state, request

    stop = at("label", 2, wishes("stop"))  # early, so that much is left to people
    again = at("finished", 0, do)

    def hook(state, request, driver):
        return again(*stop(state, request, driver), driver)

    finished(hook)
    [(seen, joins, above)] = kept
    inside = np.zeros(N, dtype=np.bool_)
    inside[joins] = True
    assert not (seen.train & inside).any()
    assert ((seen.labels >= 0) & ~seen.marked & ~seen.train & ~inside).sum() == 0
    assert (seen.test & above & ~inside).sum() == 0
    assert 0 < (seen.test & inside).sum() < seen.test.sum()


def test_a_run_whose_rest_is_half_labelled_stays_closed():
    def do(state, request, driver):
        half = request.buy[: len(request.buy) // 2]
        labels = driver.labels.copy()
        labels[half] = 0
        seen = replace(driver.pool(), labels=labels)
        view = next(iter(driver.scores.values()))
        with pytest.raises(InvalidAnswerError, match="let them finish"):
            steering.reopen(state, seen, driver.machine, view, state.config.target)
        nobody = steering.reopen(state, driver.pool(), driver.machine, view, state.config.target)
        assert len(nobody[1].train) > 0  # the audited images and their marks
        return state, request

    stop = at("label", 2, wishes("stop"))
    end = at("residual", 0, do)
    finished(lambda s, r, d: end(*stop(s, r, d), d))
