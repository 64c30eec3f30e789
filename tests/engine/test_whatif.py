"""What if: with the run's own settings its own plan; under others what must hold of any plan."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import settings as patience
from hypothesis import strategies as st

from mcal_engine import mcal, state_io, steering, whatif
from mcal_engine.errors import InvalidConfigError
from mcal_engine.types import CertificateKind, LabelRequest, McalState, Prices, Purpose, Target
from tests.engine.support import config, drive

AUDITED, ESTIMATED = CertificateKind.AUDIT, CertificateKind.TEST_SET


@cache
def states(kind: CertificateKind, rivals: tuple[str, ...] = ()) -> tuple[McalState, ...]:
    """Return the states of a whole run that follow a training, as they are saved."""
    settings = config(3000, seed=3, rivals=rivals)
    settings = replace(settings, target=replace(settings.target, certificate=kind))
    _, steps, _ = drive(settings)
    made: dict[int, McalState] = {}
    for state, _request in steps:
        if state.records and state.phase != "train":
            made.setdefault(len(state.records), state)
    return tuple(state_io.load(state_io.dump(state)) for state in made.values())


@cache
def all_states(kind: CertificateKind) -> tuple[McalState, ...]:
    """Return every state of that run."""
    settings = config(3000, seed=3)
    settings = replace(settings, target=replace(settings.target, certificate=kind))
    return tuple(state for state, _request in drive(settings)[1])


@cache
def known(kind: CertificateKind, back: int = 2) -> whatif.Basis:
    """Return what is known some trainings before the end."""
    return whatif.basis(states(kind)[-back])


@pytest.mark.parametrize(
    ("kind", "rivals"), [(AUDITED, ()), (ESTIMATED, ()), (ESTIMATED, ("resnet18",))]
)
def test_with_the_present_settings_it_is_the_runs_own_plan(kind, rivals):
    found = states(kind, rivals)
    assert len(found) >= 4
    for state in found:
        answer = whatif.answer(whatif.basis(state))
        assert answer.arch == state.live[0]
        assert answer.decision == next(
            r.decision for r in reversed(state.records) if r.arch == state.live[0]
        )
        if state.plan is None:
            assert answer.total is None
            continue
        assert (answer.total, answer.b_opt) == (state.plan.c_star, state.plan.b_opt)
        assert (answer.steps, answer.stop_cost) == (state.plan.steps, state.plan.stop_now)
        assert (answer.stop_machine, answer.stop_error) == (
            state.plan.machine_now,
            state.plan.error_bound_now,
        )
        assert answer.grid_total == state.plan.grid_total


@pytest.mark.parametrize("kind", [AUDITED, ESTIMATED])
def test_what_pages_draw_of_the_present_plan_is_the_runs_own(kind):
    """All of it: the costs by size, the curves with their bands."""
    seen = 0
    for state in states(kind):
        answer, plan = whatif.present(whatif.basis(state))
        assert plan == state.plan
        assert answer == whatif.answer(whatif.basis(state))
        seen += plan is not None
    assert seen >= 2


def test_an_audit_that_a_change_has_ended_counts_as_an_attempt():
    """The next plan is made with the smaller share of alpha, and pages say so before it is made."""
    audited = [state for state in all_states(AUDITED) if state.phase == "audit"][-1]
    going = whatif.basis(audited)
    assert (going.checking, going.attempts) == (True, audited.attempts - 1)
    stopped = steering.unwish(steering.wish(audited, "stop"))
    ended = whatif.basis(stopped)
    assert (ended.checking, ended.attempts) == (False, audited.attempts)
    assert whatif.answer(ended).stop_machine < whatif.answer(going).stop_machine
    other = replace(ended.asked.target, epsilon=0.06)
    asked = whatif.answer(ended, whatif.Asked(ended.asked.prices, other))
    again = whatif.answer(going, whatif.Asked(going.asked.prices, other))
    assert asked == again  # as when another target ends it


def test_networks_that_were_taken_out_still_count_among_those_that_t_compared():
    state = states(ESTIMATED, ("resnet18",))[-2]
    alone = steering.reconfigure(state, rivals=())
    assert whatif.basis(alone).views[0].now.live == 2


def test_before_the_first_training_nothing_is_known():
    state, _ = mcal.start(config())
    assert whatif.basis(state) is None


def test_before_the_third_training_there_is_no_total_but_stopping_has_a_price():
    answer = whatif.answer(whatif.basis(states(AUDITED)[1]))
    assert answer.total is None
    assert answer.cost == answer.stop_cost > 0
    assert "because a forecast needs 1 more training" in answer.decision


def priced(basis, *, label=None, compute=None, **target):
    own = basis.asked
    prices = Prices(
        own.prices.label if label is None else label,
        own.prices.compute_per_hour if compute is None else compute,
    )
    return whatif.answer(basis, whatif.Asked(prices, replace(own.target, **target)))


@patience(max_examples=6, deadline=None)
@given(label=st.floats(0.001, 2), more=st.floats(1.01, 5))
def test_people_alone_never_get_cheaper_by_a_dearer_label(label, more):
    cheap, dear = (priced(known(AUDITED), label=price) for price in (label, label * more))
    assert dear.human_only > cheap.human_only
    assert dear.cost > cheap.cost
    assert dear.committed == cheap.committed


@patience(max_examples=6, deadline=None)
@given(kind=st.sampled_from([AUDITED, ESTIMATED]), low=st.floats(0.01, 0.2), more=st.floats(1, 2))
def test_a_wider_target_never_lets_the_present_model_label_less(kind, low, more):
    tight, wide = (priced(known(kind), epsilon=e) for e in (low, low * more))
    # an audit may choose a set that is cheaper by less than a label
    assert wide.stop_machine >= tight.stop_machine - 1
    assert wide.stop_cost <= tight.stop_cost + 0.04


@patience(max_examples=5, deadline=None)
@given(label=st.floats(0.001, 1), compute=st.floats(0, 500), epsilon=st.floats(0.005, 0.3))
def test_nothing_that_was_bought_is_lost(label, compute, epsilon):
    basis = known(AUDITED)
    found = priced(basis, label=label, compute=compute, epsilon=epsilon)
    assert found.committed == basis.committed == pytest.approx(priced(basis).committed)
    assert found.cost >= found.committed - 1e-6
    assert found.people.value >= basis.state.bought
    assert found.people.low95 <= found.people.low80 <= found.people.value <= found.people.high80
    assert found.machine.value + found.people.value == pytest.approx(basis.state.config.n)
    assert found.error <= 1
    assert found.bound <= epsilon + 1e-9


def test_human_only_is_what_was_paid_and_the_rest_at_the_new_price():
    basis = known(AUDITED)
    state = basis.state
    paid, left = state.spent_labels, state.config.n - state.bought
    assert priced(basis, label=0.1).human_only == pytest.approx(paid + 0.1 * left)


def test_a_budget_that_is_too_small_is_said_and_kept():
    basis = known(AUDITED)
    free = priced(basis)
    budget = basis.committed + 0.3 * (free.cost - basis.committed)
    found = priced(basis, budget=budget)
    assert found.forced
    assert found.cost <= budget + 0.04
    assert found.machine.value > free.machine.value
    assert found.bound == found.error > free.error


def test_a_budget_that_only_going_on_meets_keeps_the_promise():
    basis = known(AUDITED)
    free = priced(basis)
    found = priced(basis, budget=(free.cost + free.stop_cost) / 2)
    assert free.cost < free.stop_cost - 0.5
    assert not found.forced
    assert found.total == free.total
    assert found.bound == free.bound > found.error


def test_an_epsilon_that_no_audit_can_show_and_dear_computing_leave_all_to_people():
    found = priced(known(AUDITED), epsilon=0.0001, compute=1e5)
    assert found.machine.value == 0
    assert found.nothing
    assert found.people.value == known(AUDITED).state.config.n


def test_another_target_during_an_audit_needs_a_stricter_one_next():
    going = checking_state()
    basis = whatif.basis(going)
    assert basis.checking
    same, other = whatif.answer(basis), priced(basis, alpha=0.0500001)
    assert same.total == going.plan.c_star
    assert other.stop_cost > same.stop_cost  # alpha_2 is a fifth of alpha_1


def checking_state() -> McalState:
    settings = replace(config(3000, seed=3), target=Target(0.05, certificate=AUDITED))
    _, steps, _ = drive(settings)
    return next(
        state for state, r in steps if isinstance(r, LabelRequest) and r.purpose is Purpose.AUDIT
    )


def test_states_of_before_records_kept_sizes_are_answered_nearly():
    state = states(ESTIMATED)[-2]
    old = json.loads(state_io.dump(state))
    for record in old["state"]["records"]:
        if isinstance(record, dict):
            for name in ("sizes", "marked", "ahead"):
                record.pop(name)
    then = whatif.answer(whatif.basis(state_io.load(json.dumps(old))))
    assert then.cost == pytest.approx(whatif.answer(whatif.basis(state)).cost, rel=0.01)


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(InvalidConfigError, match="epsilon"):
        priced(known(AUDITED), epsilon=1.5)
