"""What follows from a plan: is it stable, how large is the next batch, is it time to stop.

Alg. 1 of the paper, lines 12-20, with stop rules of our own: its line 9 read literally never
stops. Every decision comes with one plain sentence that says why.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from mcal_engine import budgets, curves, planner, sentences, situation
from mcal_engine.planner import WORTHWHILE, Present, Situation, Weighed
from mcal_engine.sentences import Facts
from mcal_engine.types import McalState, Plan

STABLE_COST, STABLE_SIZE = 0.05, 0.20  # Delta of the paper
NEAR_OPTIMUM = 0.95
UNLIKELY = 0.30
TAX = 0.10  # exploration may cost this share of labelling everything by hand
FAIR_CHANCE = 0.20
VOTES = 2  # successive plans that must want to stop
SURE_POINTS = 5
"""Trainings from which one plan is enough under certificate A: an audit, not T, judges the end,
and a round that only makes sure costs 1 % of X (docs/decisions/010)."""
ASKED = "the manager asked for it"
RISES = 2  # successive rises of the cost that end naive active learning


@dataclass(frozen=True)
class Decision:
    """What to do after a training. `reason` to stop is empty while the run goes on."""

    plan: Plan | None
    stable: bool
    votes: int
    delta: int
    reason: str
    facts: Facts
    present: Present

    @property
    def sentence(self) -> str:
        """The decision in plain English."""
        return sentences.sentence(self.facts)


def decide(now: Situation, state: McalState, weighed: Weighed | None = None) -> Decision:
    """Plan, then stop or choose the next batch size. `state` is the one before this training.

    `weighed` is the leader's, where the race has already weighed it.
    """
    weighed = planner.weigh(now) if weighed is None else weighed
    was_stable = len(now.records) > 1 and now.records[-2].stable
    plan = weighed.plan
    if plan is not None:
        plan = paced(plan, state.plan, was_stable)
    weighed = replace(weighed, plan=plan)
    stable = is_stable(plan, state.plan, len(now.records))
    wish = reason_to_stop(now, weighed)
    votes = state.stop_votes + 1 if wish else 0
    delta = _with_ahead(now, next_delta(now, weighed, stable))
    reason = ASKED if state.wish else _reason(now, weighed, wish, votes, delta)
    facts = _stops(now, weighed, reason) if reason else _buys(now, weighed, wish, delta)
    return Decision(plan, stable, votes, delta, reason, facts, weighed.present)


def _reason(now: Situation, weighed: Weighed, wish: str, votes: int, delta: int) -> str:
    """Return why the run stops at this training, in words; empty if it goes on."""
    if delta <= 0:
        return "every image that can be labelled is in the training set"
    if found := _at_once(now, weighed, delta):
        return found
    if now.config.fixed_delta is not None:
        if rising(now, weighed.present.cost):
            return "the cost of stopping has risen twice in a row"
    elif wish and votes >= _votes_needed(now):
        return f"two plans in a row agree that {wish}" if votes >= VOTES else wish
    if len(now.records) >= now.config.max_rounds:
        rounds = now.config.max_rounds
        return f"the limit of {rounds} round{'' if rounds == 1 else 's'} is reached"
    return ""


def _votes_needed(now: Situation) -> int:
    return 1 if now.audited and len(now.records) >= SURE_POINTS else VOTES


def _at_once(now: Situation, weighed: Weighed, delta: int) -> str:
    """Return a reason to stop that needs no second plan."""
    if now.price == 0:
        return "labels cost nothing, so no machine label can save anything"
    if planner.hopeless(now):
        return f"{_too_few(now)}, even if the model never erred"
    if not affordable(now, delta):
        return "the budget has no room for another round"
    if tax_exceeded(now, weighed, delta):
        return "training costs more than a tenth of labelling by hand and no plan is cheaper"
    if now.config.fixed_delta is None and cannot_pay(now, weighed, delta):
        return "another training would cost more than all that it could still save"
    return ""


def _stops(now: Situation, weighed: Weighed, reason: str) -> Facts:
    found = weighed.present
    if found.size == 0:
        return {"why": "by_hand", "reason": by_hand(now, found, reason)}
    if found.forced:
        error = found.error
        return {"why": "forced", "reason": reason, "machine": found.size, "error": error}
    return {"why": "machine", "reason": reason, "machine": found.size}


def by_hand(now: Situation, found: Present, reason: str) -> str:
    """Return the reason to stop and why people label the rest, each said once."""
    why = nothing_fits(now, found)
    return reason if why in reason else f"{reason}, and {why}"


def nothing_fits(now: Situation, found: Present) -> str:
    """Say why S is empty: the errors that T shows, or a T too small to show that few."""
    if now.price == 0:
        return "labels cost nothing"
    if planner.hopeless(now) or (now.walk.start is None and not now.audited):
        return _too_few(now)
    if found.forced:
        return "the budget pays for every label"
    if now.audited:
        return "no machine-labelled set is worth its audit under the error target"
    return "no machine-labelled set met the error target"


def _too_few(now: Situation) -> str:
    if now.audited:
        return "under so small an error target the audit takes nearly every image"
    return f"{now.marked:,} test images are too few to show that any set meets the error target"


def _buys(now: Situation, weighed: Weighed, wish: str, delta: int) -> Facts:
    """Return what joins training and why; some of it may be paid already (marks of T)."""
    plan, found = weighed.plan, weighed.present
    facts: Facts = {"images": delta}
    if now.config.fixed_delta is not None:
        return facts | {"why": "fixed"}
    if plan is None:
        return facts | {"why": "forecast", "trainings": curves.MIN_POINTS - len(now.records)}
    if wish:
        return facts | {"why": "sure", "reason": wish}
    to = plan.b_opt.value
    if weighed.forced:
        error, error_now = weighed.error, found.error
        return facts | {"why": "budget", "to": to, "error": error, "error_now": error_now}
    saving = plan.stop_now - plan.c_star.value
    if plan.steps == 0 or saving <= 0:
        if found.size > 0 and len(now.records) < curves.STABLE_POINTS:
            return facts | {"why": "early", "to": curves.STABLE_POINTS}
        return facts | {"why": "open"}
    gain = _expected_machine(now, plan) - found.size
    return facts | {"why": "saves", "to": to, "more": gain, "dollars": saving}


def _expected_machine(now: Situation, plan: Plan) -> int:
    """Return the mean |S| after training on B_opt: the images whose labels are not paid."""
    labels = plan.grid_labels[plan.grid_b.index(round(plan.b_opt.value))]
    return round(now.n - labels / now.price)


def is_stable(plan: Plan | None, previous: Plan | None, points: int) -> bool:
    """Tell whether two successive plans agree on cost and size (Alg. 1, line 12)."""
    if plan is None or previous is None or points < curves.STABLE_POINTS:
        return False
    cost = abs(plan.c_star.value - previous.c_star.value)
    size = abs(plan.b_opt.value - previous.b_opt.value)
    return (
        cost <= STABLE_COST * previous.c_star.value and size <= STABLE_SIZE * previous.b_opt.value
    )


def paced(plan: Plan, previous: Plan | None, was_stable: bool) -> Plan:
    """Count the steps down once a stable plan has set them.

    Choosing up to `MAX_STEPS` afresh each time would close a fixed part of the gap per round and
    never arrive.
    """
    if not was_stable or previous is None or previous.steps == 0 or plan.steps == 0:
        return plan
    return replace(plan, steps=min(plan.steps, max(1, previous.steps - 1)))


def next_delta(now: Situation, weighed: Weighed, stable: bool) -> int:
    """Return how many images join B next (Alg. 1, lines 13-19).

    Before plans are stable B grows by half, but not past the size that the plan would stop at:
    the step that only makes sure costs 1 % of X. Naive active learning adds a fixed number.
    """
    if now.config.fixed_delta is not None:
        return now.config.fixed_delta
    plan, least = weighed.plan, now.small_batch
    late = now.records[0].number > 1  # it joined a run that knows its way
    growth = least if late else max(least, now.trained // 2)
    if plan is None or len(now.records) < curves.STABLE_POINTS:
        return _within_budget(now, growth)
    if plan.steps == 0:
        return _within_budget(now, growth if weighed.present.size == 0 else least)
    gap = plan.b_opt.value - now.trained
    rounds_left = now.config.max_rounds - len(now.records)
    if stable or rounds_left <= 1:
        return max(least, round(gap / max(1, min(plan.steps, rounds_left))))
    return max(least, round(min(growth, gap)))


def _with_ahead(now: Situation, delta: int) -> int:
    """Return the batch with all that was asked for ahead; 0 where nothing else is outside B."""
    others = now.n - now.trained - now.ahead
    return min(max(delta, now.ahead), now.ahead + others) if others > 0 else 0


def _within_budget(now: Situation, delta: int) -> int:
    """Shrink a batch that no plan has weighed until the budget pays for it."""
    while delta > now.small_batch and not affordable(now, delta):
        delta = max(now.small_batch, delta // 2)
    return delta


def affordable(now: Situation, delta: int) -> bool:
    """Tell whether the budget pays for this batch and its training (True without a budget).

    What was labelled ahead joins B with the batch, however small that is.
    """
    budget = now.config.target.budget
    if budget is None:
        return True
    size = now.trained + now.checked + max(delta, now.ahead)
    compute = now.spent + budgets.SLACK * (situation.next_runs(now, size) - now.spent)
    return (size + now.marked) * now.price + compute <= budget


def _after_next_run(now: Situation, delta: int) -> float:
    """Return compute dollars once B has grown by `delta` and was trained on."""
    return float(situation.compute_to(now, np.array([float(now.trained + delta)]), 1)[0])


def reason_to_stop(now: Situation, weighed: Weighed) -> str:
    """Return why this plan would rather stop, in words; empty if it would not.

    Stopping takes two such plans in a row. With nothing to machine-label yet, every label will
    be bought anyway and going on costs compute only: then a fair chance is enough to go on.
    """
    plan = weighed.plan
    if plan is None or len(now.records) < curves.STABLE_POINTS:
        return ""
    if weighed.forced:
        return _reason_within_budget(weighed)
    if weighed.present.size == 0 and plan.probability_worthwhile >= FAIR_CHANCE:
        return ""
    if plan.stop_now - plan.c_star.value < WORTHWHILE * plan.c_star.value:
        return "no plan saves 1 % or more over stopping now"
    if now.trained >= NEAR_OPTIMUM * plan.b_opt.value:
        return "the training set has reached the size that is expected to be cheapest"
    if plan.probability_lower < UNLIKELY:
        return "another round is unlikely to lower the total cost"
    return ""


def _reason_within_budget(weighed: Weighed) -> str:
    plan = weighed.plan
    if plan is None or plan.steps == 0 or plan.probability_lower < UNLIKELY:
        return "no plan within the budget is likely to leave fewer images wrong"
    if weighed.error > weighed.present.error * (1 - WORTHWHILE):
        return "no plan within the budget leaves 1 % fewer images wrong"
    return ""


def rising(now: Situation, cost: float) -> bool:
    """Tell whether stopping now costs more than a round ago, and that more than the round before.

    The stop rule of naive active learning, without a forecast. While nothing can be
    machine-labelled the cost only counts the training, so no rise counts before that.
    """
    human = planner.human_only_cost(now.config, now.n)
    past = [record.stop_now for record in now.records[:-1] if record.stop_now is not None]
    path = [*past, cost][-1 - RISES :]
    climbed = all(after > before for before, after in itertools.pairwise(path))
    return len(path) > RISES and climbed and min([*past, cost]) < human


def tax_exceeded(now: Situation, weighed: Weighed, delta: int) -> bool:
    """Tell whether exploring costs over 10 % of human-only and no plan beats human-only."""
    human = planner.human_only_cost(now.config, now.n)
    plan = weighed.plan
    best = weighed.present.cost if plan is None else min(plan.c_star.value, plan.stop_now)
    return _after_next_run(now, delta) > TAX * human and best >= human


def cannot_pay(now: Situation, weighed: Weighed, delta: int) -> bool:
    """Tell whether a perfect model after the next round would not beat stopping now.

    It would still leave the labels of B and T and all compute to pay. Needs no forecast.
    """
    if weighed.present.forced:
        return False
    least = (now.trained + now.ahead + now.marked) * now.price + _after_next_run(now, delta)
    return least >= weighed.present.cost and _after_next_run(now, delta) > now.spent
