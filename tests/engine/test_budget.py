"""A budget: at most that sum is spent in all, and the best set within it is delivered."""

from dataclasses import replace

import numpy as np
import pytest

from mcal_engine import auditing, budgets, mcal, measuring, rules, simulate, situation
from mcal_engine.learner import SyntheticLearner
from mcal_engine.types import CertificateKind, Prices, RunConfig, Target
from tests.engine.situations import audited
from tests.engine.support import config, drive

AUDIT, TEST_SET = CertificateKind.AUDIT, CertificateKind.TEST_SET


def spent(n, budget, *, seed=0, certificate=AUDIT, hourly=3.6, rivals=(), ahead=0, **world):
    """Run within a budget; return (driver, result)."""
    target = Target(world.pop("epsilon", 0.05), certificate=certificate, budget=budget)
    prices = Prices(0.04, hourly)
    made = RunConfig(n, 5, prices, target, arch="a", rivals=rivals, seed=seed)
    labels = np.random.default_rng(seed).integers(0, 5, n)
    learner = SyntheticLearner(labels, 5, world=seed, strengths={"b": (1.1, 1.5)}, **world)
    driver = simulate.Driver(made, simulate.Oracle(labels), learner, label_ahead=ahead)
    return driver, simulate.drive(made, driver)


CASES = [
    # n, budget, certificate, $ per hour, rivals, labelled ahead, level of errors
    (800, 8.2, AUDIT, 0.36, ("b",), 0, 0.3),
    (800, 5.4, AUDIT, 36.0, (), 0, 0.6),
    (800, 13.0, AUDIT, 3.6, (), 40, 0.6),
    (800, 11.0, TEST_SET, 36.0, ("b",), 40, 0.3),
    (800, 17.0, TEST_SET, 0.36, (), 0, 0.1),
    (800, 6.0, TEST_SET, 3.6, ("b",), 40, 0.1),
]


@pytest.mark.parametrize(
    ("n", "budget", "certificate", "hourly", "rivals", "ahead", "level"), CASES
)
def test_no_run_spends_more_than_its_budget(n, budget, certificate, hourly, rivals, ahead, level):
    driver, result = spent(
        n, budget, certificate=certificate, hourly=hourly, rivals=rivals, ahead=ahead, level=level
    )
    assert result["cost"]["total"] <= budget + 1e-9
    labelled = (driver.labels >= 0) | driver.machine
    assert labelled.all()  # whatever the money: every image has a label in the end
    assert not ((driver.labels >= 0) & driver.machine).any()
    if result["promise"].get("promise") != "certified":
        assert result["bound"] > 0  # what error is to be expected is said
    if result["promise"].get("promise") == "bounded by an audit":
        assert "the money leaves" in result["iterations"][-1]["decision"]


def test_what_was_labelled_ahead_is_reckoned_with_where_a_run_would_train_on_after_an_audit():
    """Found by chance: the least batch could be paid for, the twelve labelled ahead could not."""
    world = {"rivals": ("b",), "ahead": 10, "level": 0.1, "hourly": 36.0}
    _, result = spent(500, 12.6313, seed=874441, **world)
    assert result["cost"]["total"] <= 12.6313


def test_all_who_race_are_reckoned_with_where_a_run_would_train_on_after_an_audit():
    driver, audits = in_audit(60.0)
    state, _ = audits[0]
    scores = next(s for s in driver.scores.values() if s.model == state.audit.model)
    alone = measuring.look_again(state, _pool_at(state, driver), scores).now
    slow = tuple(replace(r, arch="b") for r in state.records if r.arch == state.live[0])
    racing = replace(state, live=(state.live[0], "b"), records=(*state.records, *slow))
    both = measuring.look_again(racing, _pool_at(racing, driver), scores).now
    price = [situation.next_runs(now, now.trained + 10) - now.spent for now in (alone, both)]
    assert price[1] == pytest.approx(2 * price[0])


def test_the_bound_that_a_budget_leaves_holds():
    """The forced sets of many small runs: at most alpha of the bounds may fail, here one of 12."""
    broken = 0
    for seed in range(12):
        certificate = (AUDIT, TEST_SET)[seed % 2]
        _, result = spent(500, 5.0, seed=seed, certificate=certificate, level=0.3)
        broken += result["realised_error"] > result["bound"]
    assert broken <= 2


def test_more_money_leaves_fewer_errors():
    errors = [spent(800, budget, seed=3, level=0.3)[1]["realised_error"] for budget in (6, 12, 24)]
    assert errors[0] > errors[1] > errors[2]


# --- an audit within a budget ---------------------------------------------------------------------


def in_audit(budget):
    """Return a run that audits a set which its forecast took for good enough, and its truth."""
    made = config(1500, classes=4, seed=1)
    made = replace(made, target=Target(0.05, certificate=AUDIT, budget=budget))
    driver, steps, _ = drive(made, level=0.1)
    audits = [(state, request) for state, request in steps if state.phase == "audit"]
    return driver, audits


def test_an_audit_stops_where_the_budget_ends_and_the_money_chooses_then():
    """The set is full of errors that T did not show: the audit would go on and on."""
    driver, audits = in_audit(60.0)
    state, request = audits[0]
    truth = driver.oracle.truth.copy()
    poor = replace(state.config.target, budget=_just_enough(state, request))
    last = replace(state.audit, attempt=auditing.ATTEMPTS)  # or it would train on
    state = replace(state, config=replace(state.config, target=poor), audit=last, attempts=3)
    finished, total = _finish(state, request, driver, truth)
    assert total <= state.config.target.budget + 1e-9
    assert finished.certificate["promise"] == "bounded by an audit"
    assert "the budget does not pay" in finished.stop_reason
    assert finished.attempts == state.attempts + 1


def _just_enough(state, request):
    """Return what the chosen set costs if its audit needs 25 more labels: too few for a bad set."""
    labels = state.audit.n - state.audit.sizes[-1] + len(request.buy) + 25
    return state.spent_compute + labels * state.config.prices.label + 0.001


def _finish(state, request, driver, truth):
    """Answer to the end; every third image of the audited set is wrong. Return (state, dollars)."""
    seen = next(s for s in driver.scores.values() if s.model == state.audit.model)
    world = _pool_at(state, driver)
    labels = np.where(np.arange(len(truth)) % 3 == 0, (seen.pred + 1) % 4, seen.pred).astype(int)
    machine = np.zeros(len(truth), dtype=bool)
    while state.phase != "finished":
        if state.phase == "machine":
            machine[request.items] = True
            answer = simulate.Stored(request.id, world, machine)
        else:
            known = world.labels.copy()
            known[request.buy] = labels[request.buy]
            train, marked = world.train.copy(), world.marked.copy()
            train[request.train], marked[request.mark] = True, True
            world = simulate.Pool(train, marked, known, world.excluded)
            answer = simulate.Labelled(request.id, world, seen)
        state, request = mcal.advance(state, answer)
    bought = int((world.labels >= 0).sum())
    return state, bought * state.config.prices.label + state.spent_compute


def _pool_at(state, driver):
    """Return the pool as it was when the audit began: what was bought later is taken back."""
    order = [items for purpose, items in driver.oracle.sales if purpose in {"audit", "residual"}]
    labels = driver.labels.copy()
    for items in order:
        labels[items] = -1
    return simulate.Pool(driver.train.copy(), driver.marked.copy(), labels, driver.excluded.copy())


# --- what a budget still pays for -----------------------------------------------------------------


def test_labels_bought_at_other_prices_count_as_they_were_paid():
    state, _ = mcal.start(replace(config(), target=Target(0.05, budget=20.0)))
    state = replace(state, bought=100, spent_labels=6.0, spent_compute=1.0)
    # 20 - 1 - 6 = 13 dollars are left: 325 labels at 0.04 beside the 100
    assert budgets.labels_in_all(state) == 425
    assert budgets.pays(state, 425)
    assert not budgets.pays(state, 426)


def test_without_a_budget_there_is_no_limit():
    state, _ = mcal.start(config())
    assert budgets.labels_in_all(state) == float("inf")


def test_a_round_is_affordable_only_with_the_trainings_of_all_who_race():
    now = audited(budget=100.0)
    delta = now.small_batch
    rich = replace(now, config=replace(now.config, prices=Prices(0.04, 3600.0)))
    both = replace(rich, along=(rich.records,))
    labels = (rich.trained + rich.marked + delta) * 0.04
    budget = labels + 1.6 * budgets.SLACK * _run(rich, delta)
    tight = replace(rich.config.target, budget=budget)
    assert rules.affordable(replace(rich, config=replace(rich.config, target=tight)), delta)
    assert not rules.affordable(replace(both, config=replace(both.config, target=tight)), delta)


def _run(now, delta):
    return situation.next_runs(now, now.trained + delta) - now.spent


def test_no_more_marks_than_the_money_pays_for():
    made = replace(config(3000, classes=4), target=Target(0.05, budget=30.0))
    _, steps, answers = drive(made, level=0.1)
    trained = next(i for i, (state, _) in enumerate(steps) if len(state.records) >= 2)
    state, pool = steps[trained][0], answers[trained - 1].pool
    rich = measuring._affordable_marks(state, pool)
    poor = replace(state.config.target, budget=state.spent_labels + state.spent_compute)
    state = replace(state, config=replace(state.config, target=poor))
    assert rich > 0
    assert measuring._affordable_marks(state, pool) == 0


def test_people_are_asked_ahead_for_no_more_than_the_money_pays_for():
    made = replace(config(800, classes=4), target=Target(0.05, budget=7.0))
    _, steps, _ = drive(made, level=0.3)
    asked = [request.ahead for _, request in steps if hasattr(request, "archs")]
    assert all(isinstance(count, int) for count in asked)
    assert asked[-1] < asked[0]
