"""Search for the cheapest (training size, machine-labelled set) under the error target.

Alg. 1 of the paper, its lines 12-21: for every drawn error curve, every training size B' of a
grid and every number of steps towards it, take the largest S that would be accepted; B_opt
minimises the mean cost over the draws. Two plans need no forecast and are always in the list:
stop now, and people label everything. With a budget that no such plan meets, the expected error
is minimised instead (paper, Sec. 4).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mcal_engine import charts, curves, delivery, stopping
from mcal_engine import situation as situations
from mcal_engine.charts import without_charts
from mcal_engine.situation import Situation, human_only_cost
from mcal_engine.stopping import Present, hopeless, present, present_rates
from mcal_engine.types import FloatArray, Interval, Plan

__all__ = [
    "Present",
    "Situation",
    "Weighed",
    "hopeless",
    "human_only_cost",
    "make_plan",
    "present",
    "present_rates",
    "stop_now_cost",
    "weigh",
    "without_charts",
]

GRID = 32
MAX_STEPS = 4
STEP_SLACK = 0.10  # beta of the paper
WORTHWHILE = 0.01  # a saving below this share of C* is none


@dataclass(frozen=True)
class Weighed:
    """What one architecture's curves say: the plan, stopping now, and C* per draw [draws].

    `forced` plans are those of a budget that the error target does not fit: `error` expects the
    share of X that they leave wrong, `present.error` the one of stopping now.
    """

    plan: Plan | None
    present: Present
    totals: FloatArray
    forced: bool = False
    error: float = 0.0


@dataclass(frozen=True)
class _Search:
    """Costs over draws [draws] x grid [B'] and what they are made of."""

    sizes: FloatArray  # B' grid
    labels: FloatArray  # [draws, grid] dollars
    share: FloatArray  # [draws, grid] theta, 0 where S is empty
    compute: FloatArray  # [MAX_STEPS, grid] dollars, inf where a step would be too small

    @property
    def mean(self) -> FloatArray:
        """Expected total [MAX_STEPS, grid]."""
        return np.asarray(self.labels.mean(axis=0)[None, :] + self.compute)

    @property
    def totals(self) -> FloatArray:
        """Total [draws, grid] in the cheapest number of steps."""
        return np.asarray(self.labels + self.compute.min(axis=0)[None, :])


def stop_now_cost(now: Situation) -> float:
    """Return the final total if S is stored now: every image outside S is paid."""
    return present(now).cost


def make_plan(now: Situation) -> Plan | None:
    """Return the cheapest plan, None before there are enough points to fit a curve."""
    return weigh(now).plan


def weigh(now: Situation, drawn: curves.Curves | None = None) -> Weighed:
    """Plan, and return beside the plan what it was weighed against.

    `drawn` are the situation's fitted curves, where somebody has them already: the plan then goes
    without the pictures of the curves, which it would only repeat.
    """
    known, drawn = drawn is not None, situations.fitted(now) if drawn is None else drawn
    stop = present(now, drawn)
    if len(now.records) < curves.MIN_POINTS:
        return Weighed(None, stop, stop.totals)
    grid = _grid(now, drawn.horizon)
    if len(grid) == 0:
        return Weighed(_standing(now, stop), stop, stop.totals, stop.forced, stop.error)
    search = _search(now, drawn, grid)
    free = stopping.unlimited(now, drawn) if stop.forced else stop
    plan, totals = _cheapest(now, search, free)
    forced, error = stop.forced and plan.c_star.value > stop.cost, 0.0
    if forced:
        plan, error = _within_budget(now, drawn, search, stop)
        totals = np.full(curves.DRAWS, plan.c_star.value)
    plan = _with_costs(plan, now, search)
    plan = plan if known else charts.with_curves(plan, now, drawn)
    return Weighed(plan, stop, totals, forced, error)


def _grid(now: Situation, horizon: float) -> FloatArray:
    """Return training sizes to try: at least 1 % of X more than now, at most the horizon.

    What was asked for ahead joins B with the next batch, whatever its size.
    """
    first = now.trained + max(now.small_batch, now.ahead)
    last = min(horizon, now.n - now.marked - 1)
    if last < first:
        return np.empty(0)
    return np.unique(np.rint(np.geomspace(first, last, GRID)))


def _search(now: Situation, drawn: curves.Curves, grid: FloatArray) -> _Search:
    found = delivery.deliver(now, drawn, grid)
    return _Search(
        sizes=grid,
        labels=(now.n - found.machine) * now.price,
        share=found.share,
        compute=_compute(now, grid),
    )


def _compute(now: Situation, grid: FloatArray) -> FloatArray:
    """Return compute dollars, spent and planned, per number of steps and B'."""
    rows = []
    for steps in range(1, MAX_STEPS + 1):
        allowed = (grid - now.trained) / steps >= now.small_batch
        rows.append(np.where(allowed, situations.compute_to(now, grid, steps), np.inf))
    return np.stack(rows)


def _cheapest(now: Situation, search: _Search, stop: Present) -> tuple[Plan, FloatArray]:
    """Weigh the cheapest mean cost of the grid against stopping now; return C* per draw too.

    Where stopping now is cheapest, one more small round may still make sure of it: its interval
    holds both.
    """
    mean, totals = search.mean, search.totals
    best, lowest = int(mean.min(axis=0).argmin()), totals.min(axis=1)
    sizes = np.where(lowest < stop.totals, search.sizes[totals.argmin(axis=1)], now.trained)
    plan = _standing(now, stop)
    plan = replace(
        plan,
        c_star=_interval(stop.cost, np.concatenate([stop.totals, totals[:, 0]])),
        b_opt=_interval(now.trained, sizes),
        probability_lower=_probability_lower(search, stop),
        probability_worthwhile=float((lowest <= stop.totals * (1 - WORTHWHILE)).mean()),
    )
    if mean[:, best].min() >= stop.cost:
        return plan, stop.totals
    plan = replace(
        plan,
        c_star=_interval(mean[:, best].min(), totals[:, best]),
        b_opt=_widened(plan.b_opt, search.sizes[best]),
        theta_star=_interval(np.median(search.share[:, best]), search.share[:, best]),
        steps=_steps(mean[:, best]),
    )
    return plan, totals[:, best]


def _standing(now: Situation, stop: Present) -> Plan:
    """Return the plan to stop now; all of it where the pool leaves no room for a batch."""
    return Plan(
        c_star=_interval(stop.cost, stop.totals),
        b_opt=_exactly(now.trained),
        theta_star=_exactly(stop.theta),
        steps=0,
        human_only=human_only_cost(now.config, now.n),
        stop_now=stop.cost,
        machine_now=stop.size,
        error_bound_now=stop.error,
        probability_lower=0.0,
    )


def _probability_lower(search: _Search, stop: Present) -> float:
    """Return P(the one more round that is cheapest on average ends below stopping now)."""
    one = search.labels + search.compute[0][None, :]
    return float((one[:, int(one.mean(axis=0).argmin())] < stop.totals).mean())


def _steps(mean: FloatArray) -> int:
    """Return the largest number of steps whose cost stays within C* (1 + beta)."""
    return int(np.flatnonzero(mean <= mean.min() * (1 + STEP_SLACK))[-1]) + 1


# --- budget -----------------------------------------------------------------------------------


def _within_budget(
    now: Situation, drawn: curves.Curves, search: _Search, stop: Present
) -> tuple[Plan, float]:
    """Minimise the expected error over the plans that cost what stopping now within budget does.

    The machine labels what the money leaves; B' and T must still be paid, and an audit takes the
    same share of the rest. Returns the plan and the share of X that it is expected to leave wrong.
    """
    marked, remainder = situations.pool_at(now, search.sizes)
    labels = np.floor((stop.cost - search.compute.min(axis=0)) / now.price)
    machine = np.clip(now.n - labels, 0, None)
    affordable = (labels >= search.sizes + marked) & (machine <= remainder)
    tried = stop.audit_share * np.maximum(labels - search.sizes - marked, 0.0)
    shares = situations.relative(now, np.minimum(machine + tried, remainder))
    wrong = drawn.rates(search.sizes, shares[:, None])[..., 0] * machine
    errors = np.where(affordable, wrong.mean(axis=0) / now.n, np.inf)
    best = int(errors.argmin())
    plan = replace(_standing(now, stop), c_star=_exactly(stop.cost))
    if not errors[best] < stop.error:
        return plan, stop.error
    plan = replace(
        plan,
        b_opt=_exactly(search.sizes[best]),
        theta_star=_exactly(machine[best] / max(remainder[best], 1.0)),
        steps=1,
        probability_lower=_probability_better(now, drawn, wrong[:, best], stop),
    )
    return plan, float(errors[best])


def _probability_better(
    now: Situation, drawn: curves.Curves, wrong: FloatArray, stop: Present
) -> float:
    """Return P(the plan leaves fewer wrong labels [draws] than stopping now does)."""
    rates = stopping.present_rates(now, np.array([float(max(stop.wanted, 1))]), drawn)[:, 0]
    return float((wrong < rates * stop.size).mean())


# --- figures ----------------------------------------------------------------------------------


def _exactly(value: float) -> Interval:
    value = float(value)
    return Interval(value, value, value, value, value)


def _interval(value: float, draws: FloatArray) -> Interval:
    low95, low80, high80, high95 = (float(q) for q in np.quantile(draws, [0.025, 0.1, 0.9, 0.975]))
    return _widened(Interval(low80, low80, high80, low95, high95), value)


def _widened(interval: Interval, value: float) -> Interval:
    """Return the interval around another value, which it then includes."""
    value = float(value)
    return Interval(
        value,
        min(interval.low80, value),
        max(interval.high80, value),
        min(interval.low95, value),
        max(interval.high95, value),
    )


def _with_costs(plan: Plan, now: Situation, search: _Search) -> Plan:
    labels, compute = search.labels.mean(axis=0), search.compute.min(axis=0)
    return charts.with_costs(plan, now, search.sizes, labels, compute)
