"""What follows from a plan: is it stable, how large is the next batch, is it time to stop.

Alg. 1 of the paper, lines 12-20, with stop rules of our own: its line 9 read literally never
stops. Every decision comes with one plain sentence that says why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mcal_engine import costs, curves, planner, selection
from mcal_engine.planner import WORTHWHILE, Situation
from mcal_engine.types import McalState, Plan

STABLE_COST, STABLE_SIZE = 0.05, 0.20  # Delta of the paper
NEAR_OPTIMUM = 0.95
UNLIKELY = 0.30
TAX = 0.10  # exploration may cost this share of labelling everything by hand
FAIR_CHANCE = 0.20
VOTES = 2  # successive plans that must want to stop


@dataclass(frozen=True)
class Decision:
    """What to do after a training. `reason` to stop is empty while the run goes on."""

    plan: Plan | None
    stable: bool
    votes: int
    delta: int
    reason: str
    sentence: str


def decide(now: Situation, state: McalState) -> Decision:
    """Plan, then stop or choose the next batch size. `state` is the one before this training."""
    was_stable = bool(state.records) and state.records[-1].stable
    plan = planner.make_plan(now)
    if plan is not None:
        plan = paced(plan, state.plan, was_stable)
    stable = is_stable(plan, state.plan, len(now.records))
    wish = reason_to_stop(now, plan)
    votes = state.stop_votes + 1 if wish else 0
    delta = min(next_delta(now, plan, stable), now.n - now.trained)
    reason = _reason(now, plan, wish, votes, delta)
    sentence = _stops(now, reason) if reason else _buys(now, plan, wish, delta)
    return Decision(plan, stable, votes, delta, reason, sentence)


def _reason(now: Situation, plan: Plan | None, wish: str, votes: int, delta: int) -> str:
    if delta <= 0:
        return "every image that can be labelled is in the training set"
    if tax_exceeded(now, plan, delta):
        return "training costs more than a tenth of labelling by hand and no plan is cheaper"
    if votes >= VOTES:
        return f"two plans in a row agree that {wish}"
    if len(now.records) >= now.config.max_rounds:
        rounds = now.config.max_rounds
        return f"the limit of {rounds} round{'' if rounds == 1 else 's'} is reached"
    return ""


def _stops(now: Situation, reason: str) -> str:
    if now.walk.size == 0:
        return f"stops: {reason}; {nothing_fits(now)}, people label the rest"
    return f"stops and lets the machine label {_images(now.walk.size)}: {reason}"


def nothing_fits(now: Situation) -> str:
    """Say why S is empty: the errors that T shows, or a T too small to show that few."""
    if now.walk.start is None:
        return f"{now.marked:,} test images are too few to show that any set meets the error target"
    return "no machine-labelled set met the error target"


def _buys(now: Situation, plan: Plan | None, wish: str, delta: int) -> str:
    more = f"buys {_more(delta, 'label')}"
    if plan is None:
        missing = _more(curves.MIN_POINTS - len(now.records), "training")
        return f"{more} because a forecast needs {missing}"
    if wish:
        return f"{more} to make sure before it stops, since {wish}"
    saving = plan.stop_now - plan.c_star.value
    if plan.steps == 0 or saving <= 0:
        return f"{more} because nothing can be machine-labelled yet and the curves may still fall"
    gain = _expected_machine(now, plan) - now.walk.size
    machine = f"let the machine label {_more(gain, 'image')} than now and " if gain > 0 else ""
    return (
        f"{more} because training on {plan.b_opt.value:,.0f} is expected to {machine}"
        f"save ${saving:,.2f}"
    )


def _more(count: int, noun: str) -> str:
    return f"{count:,} more {noun}{'' if count == 1 else 's'}"


def _images(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"


def _expected_machine(now: Situation, plan: Plan) -> int:
    """Return the mean |S| after training on B_opt: the images whose labels are not paid."""
    price = now.config.prices.label
    if price == 0:
        return 0
    labels = plan.grid_labels[plan.grid_b.index(round(plan.b_opt.value))]
    return round(now.n - labels / price)


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


def next_delta(now: Situation, plan: Plan | None, stable: bool) -> int:
    """Return how many images join B next (Alg. 1, lines 13-19).

    Before plans are stable B grows by half, but not past the size that the plan would stop at:
    the step that only makes sure costs 1 % of X.
    """
    least = selection.minimum_delta(now.n)
    growth = max(least, now.trained // 2)
    if plan is None or len(now.records) < curves.STABLE_POINTS:
        return growth
    if plan.steps == 0:
        return growth if now.walk.size == 0 else least
    gap = plan.b_opt.value - now.trained
    rounds_left = now.config.max_rounds - len(now.records)
    if stable or rounds_left <= 1:
        return max(least, round(gap / max(1, min(plan.steps, rounds_left))))
    return max(least, round(min(growth, gap)))


def reason_to_stop(now: Situation, plan: Plan | None) -> str:
    """Return why this plan would rather stop, in words; empty if it would not.

    Stopping takes two such plans in a row. With nothing to machine-label yet, every label will
    be bought anyway and going on costs compute only: then a fair chance is enough to go on.
    """
    if plan is None or len(now.records) < curves.STABLE_POINTS:
        return ""
    if now.walk.size == 0 and plan.probability_worthwhile >= FAIR_CHANCE:
        return ""
    if plan.stop_now - plan.c_star.value < WORTHWHILE * plan.c_star.value:
        return "no plan saves 1 % or more over stopping now"
    if now.trained >= NEAR_OPTIMUM * plan.b_opt.value:
        return "the training set has reached the size that is expected to be cheapest"
    if plan.probability_lower < UNLIKELY:
        return "another round is unlikely to lower the total cost"
    return ""


def tax_exceeded(now: Situation, plan: Plan | None, delta: int) -> bool:
    """Tell whether exploring costs over 10 % of human-only and no plan beats human-only."""
    human = planner.human_only_cost(now.config, now.n)
    size = np.array([float(now.trained + delta)])
    next_run = float(costs.fit_compute(now.records).seconds(size)[0])
    spent = now.spent + costs.compute_dollars(next_run, now.config.prices)
    return spent > TAX * human and (plan is None or plan.c_star.value >= human)
