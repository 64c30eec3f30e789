"""Certificate A inside a run: what is asked when, what happens when it fails or is changed."""

from dataclasses import replace

import numpy as np
import pytest

from mcal_engine import auditing, mcal, simulate, state_io
from mcal_engine.errors import InvalidAnswerError
from mcal_engine.learner import SyntheticLearner
from mcal_engine.selection import draw_test
from mcal_engine.types import (
    CertificateKind,
    Finished,
    LabelRequest,
    MachineLabelRequest,
    Purpose,
    Target,
)
from tests.engine.support import config, drive, simulated, world

AUDIT = Target(0.05, certificate=CertificateKind.AUDIT)
SETTINGS = replace(config(6000, classes=10, seed=3), target=AUDIT)


@pytest.fixture(scope="module")
def ran():
    return drive(SETTINGS)


def audits(steps):
    return [
        (state, request)
        for state, request in steps
        if isinstance(request, LabelRequest) and request.purpose is Purpose.AUDIT
    ]


def last_attempt(steps):
    """An earlier attempt may have failed; its images are in B by now."""
    attempt = steps[-1][0].attempts
    return [(state, request) for state, request in audits(steps) if state.audit.attempt == attempt]


def test_the_delivered_set_is_certified_and_keeps_the_target(ran):
    driver, steps, _ = ran
    asked = next(r for _, r in steps if isinstance(r, MachineLabelRequest))
    assert asked.certificate["promise"] == "certified"
    assert asked.certificate["wrong_at_most"] <= 0.05 * 6000
    assert driver.oracle.wrong(driver.machine_labels, driver.machine) <= 0.05 * 6000


def test_the_commitment_stands_before_the_first_audit_label(ran):
    """The state that asks for the first audit label already fixes order, sets and level."""
    _, steps, _ = ran
    state, request = last_attempt(steps)[0]
    assert state.audit.looked == 0
    for name in ("key", "frozen", "sizes", "allowances", "cuts", "alpha", "model"):
        assert request.commitment[name] == getattr(state.audit, name)
    assert all(r.commitment == request.commitment for _, r in last_attempt(steps))


def test_labels_are_asked_in_the_committed_order(ran):
    driver, steps, _ = ran
    asked = np.concatenate([request.buy for _, request in last_attempt(steps)])
    certificate = next(r for _, r in steps if isinstance(r, MachineLabelRequest)).certificate
    assert [entry["item"] for entry in certificate["audited"]] == asked.tolist()
    assert [entry["order"] for entry in certificate["audited"]] == list(range(len(asked)))
    every = sum(len(request.buy) for _, request in audits(steps))
    assert driver.oracle.paid(Purpose.AUDIT) == every


def test_audited_images_keep_their_human_label_and_train_nothing(ran):
    driver, steps, _ = ran
    asked = np.concatenate([request.buy for _, request in last_attempt(steps)])
    assert not driver.machine[asked].any()
    assert not driver.train[asked].any()
    assert not driver.marked[asked].any()


def test_the_saved_state_stays_small(ran):
    _, steps, _ = ran
    assert max(len(state_io.dump(state)) for state, _ in steps) < 100_000
    assert state_io.load(state_io.dump(steps[-1][0])) == steps[-1][0]


def test_an_audit_without_the_frozen_scores_is_refused():
    _, steps, answers = drive(SETTINGS, until=MachineLabelRequest)
    at = next(i for i, (_, r) in enumerate(steps) if getattr(r, "frozen", ""))
    for scores in (None, replace(answers[at].scores, model="another")):
        with pytest.raises(InvalidAnswerError, match="scores of model"):
            mcal.advance(steps[at][0], replace(answers[at], scores=scores))


@pytest.mark.parametrize("seed", range(8))
def test_the_target_holds_on_every_synthetic_pool(seed):
    result = simulated(replace(config(6000, classes=10, seed=seed), target=AUDIT))
    assert result["realised_error"] <= 0.05
    assert sum(result["counts"].values()) == result["n"]
    assert result["counts"]["machine"] > 0


# --- an audit that fails --------------------------------------------------------------------


class FlattersTheTest(SyntheticLearner):
    """Is right on every test mark, whatever it does elsewhere: T promises too much."""

    def train_and_score(self, train_items, train_labels, **more):
        model = super().train_and_score(train_items, train_labels, **more)
        pred = model.scores.pred.copy()
        marks = draw_test(SETTINGS)
        pred[marks] = self.labels[marks]
        return replace(model, scores=replace(model.scores, pred=pred))


@pytest.fixture(scope="module")
def deceived():
    labels, _ = world(SETTINGS)
    learner = FlattersTheTest(labels, 10, level=0.9, gamma=0.1, steepness=0.3, world=3)
    driver = simulate.Driver(SETTINGS, simulate.Oracle(labels), learner)
    steps = [mcal.start(SETTINGS)]
    while not isinstance(steps[-1][1], Finished):
        steps.append(mcal.advance(steps[-1][0], driver.answer(steps[-1][1])))
    return driver, steps


def test_a_test_set_that_flatters_does_not_break_the_target(deceived):
    driver, _ = deceived
    assert driver.oracle.wrong(driver.machine_labels, driver.machine) <= 0.05 * 6000


def test_each_attempt_spends_less_and_draws_a_new_order(deceived):
    _, steps = deceived
    begun = {state.audit.attempt: state.audit for state, _ in steps if state.audit}
    assert len(begun) == auditing.ATTEMPTS
    levels = [begun[a].alpha for a in sorted(begun)]
    assert levels == pytest.approx([0.04, 0.008, 0.0016])
    assert len({audit.key for audit in begun.values()}) == len(begun)


def test_audited_images_join_the_training_set_with_their_share_of_the_marks(deceived):
    driver, steps = deceived
    state, request = next((s, r) for s, r in steps if s.phase == "unfreeze")
    asked = np.concatenate(
        [r.buy for s, r in audits(steps) if s.audit.attempt == state.audit.attempt]
    )
    assert len(request.buy) == 0
    assert set(asked) <= set(request.train)
    marks = set(request.train) - set(asked)
    assert driver.marked[list(marks)].all()
    size, tests = state.audit.sizes[-1], state.records[-1].test_counts[-1]
    assert len(marks) <= 3 + 3 * len(asked) * tests / size


# --- what happens during an audit ------------------------------------------------------------


@pytest.fixture(scope="module")
def begun():
    """The run at its first audit request: (driver, state, request, pool, scores)."""
    driver, steps, _ = drive(SETTINGS, until=LabelRequest)
    state, request = steps[-1]
    while getattr(request, "purpose", None) is not Purpose.AUDIT:
        state, request = mcal.advance(state, driver.answer(request))
    return driver, state, request, driver.pool(), driver.scores[request.frozen]


def test_an_image_with_an_answer_is_not_asked_for_again(begun):
    """Labels that came meanwhile keep their place in the order, and are paid once."""
    _, state, request, pool, scores = begun
    again = replace(state, audit=replace(state.audit, asked=0))
    pool.labels[request.buy[3]] = 1
    pool.excluded[request.buy[5]] = True
    after, items = auditing.next_batch(again, pool, scores)
    assert items.tolist() == np.delete(request.buy, [3, 5]).tolist()
    assert after.audit.asked == len(request.buy)


# --- a target that changes meanwhile --------------------------------------------------------


def test_a_new_target_ends_the_attempt_and_loses_no_label():
    driver, steps, _ = drive(SETTINGS, until=LabelRequest)
    state, request = steps[-1]
    while getattr(request, "purpose", None) is not Purpose.AUDIT:
        state, request = mcal.advance(state, driver.answer(request))
    changed = mcal.change(state, state.config.prices, replace(AUDIT, epsilon=0.08))
    bought = driver.oracle.paid()
    changed, request = mcal.advance(changed, driver.answer(request))
    assert changed.phase == "unfreeze"
    assert len(request.buy) == 0
    changed, request = mcal.advance(changed, driver.answer(request))
    assert request.purpose is Purpose.AUDIT
    assert changed.audit.attempt == 2
    assert changed.audit.allowances[-1] > state.audit.allowances[-1]
    assert changed.iteration == state.iteration
    assert bought < driver.oracle.paid() + len(request.buy)


def test_an_audit_that_certified_what_it_was_after_is_not_tried_again(ran):
    """Larger sets are audited along; that they fail is no reason to train on."""
    _, steps, _ = ran
    state = next(s for s, r in reversed(steps) if isinstance(r, LabelRequest) and s.audit)
    sizes = (1000, 2000, 3000)
    audit = replace(state.audit, sizes=sizes, wanted=2000, attempt=1, ended=auditing.DEARER)
    for passed, again in [((True, True, False), False), ((True, False, False), True)]:
        assert auditing.try_again(replace(state, audit=replace(audit, passed=passed))) == again


def test_one_set_that_meets_the_target_is_certified_though_there_is_a_budget(monkeypatch):
    """Only a set that the budget chose is delivered whatever its audit finds."""
    monkeypatch.setattr(auditing.audit, "frame", lambda *given: np.array([given[3]]))
    rich = replace(SETTINGS, target=replace(AUDIT, budget=10_000.0))
    _, steps, _ = drive(rich)
    first = audits(steps)[0][0]
    assert (len(first.audit.cuts), first.audit.forced) == (1, False)
    asked = next(r for _, r in steps if isinstance(r, MachineLabelRequest))
    assert asked.certificate["promise"] == "certified"
    assert asked.certificate["wrong_at_most"] <= 0.05 * 6000


def test_states_of_before_keep_the_sets_that_their_budget_chose(ran):
    _, steps, _ = ran
    state = audits(steps)[0][0]
    poor = replace(state.config, target=replace(AUDIT, budget=100.0))
    one = replace(state.audit, cuts=state.audit.cuts[:1], forced=None)
    assert auditing.is_forced(replace(state, config=poor, audit=one))
    assert not auditing.is_forced(replace(state, audit=one))
    assert not auditing.is_forced(replace(state, config=poor, audit=replace(one, forced=False)))
