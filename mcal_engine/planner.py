"""Search for the cheapest (training size, machine-labelled set) under the error target.

Alg. 1 of the paper, its lines 12-21: for every drawn error curve, every training size B' of a
grid and every number of steps towards it, take the largest S that would be accepted; B_opt
minimises the mean cost over the draws. Two plans need no forecast and are always in the list:
stop now, and people label everything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcal_engine import costs, curves, guarantees, selection
from mcal_engine.types import (
    THETAS,
    FloatArray,
    Interval,
    IterationRecord,
    Plan,
    RunConfig,
)

GRID = 32
MAX_STEPS = 4
STABLE_COST, STABLE_SIZE = 0.05, 0.20  # Delta of the paper
STEP_SLACK = 0.10  # beta of the paper
NEAR_OPTIMUM = 0.95
UNLIKELY = 0.30
WORTHWHILE = 0.01  # a saving below this share of C* is none
TAX = 0.10  # exploration may cost this share of labelling everything by hand
VOTES = 2
SIGNIFICANT = 6  # digits kept of the charts' figures


@dataclass(frozen=True)
class Situation:
    """What is known when a plan is made. Money in dollars, sizes in images.

    `n` counts the images of X that can be labelled, `marked` is |T outside B|, `spent` the
    compute paid so far, `compute_seconds` its time; `walk` is what would be accepted now.
    """

    config: RunConfig
    records: tuple[IterationRecord, ...]
    n: int
    trained: int
    marked: int
    spent: float
    walk: guarantees.Walk


@dataclass(frozen=True)
class _Search:
    """Costs over draws [draws] x grid [B'] and what they are made of."""

    sizes: FloatArray  # B' grid
    labels: FloatArray  # [draws, grid] dollars
    share: FloatArray  # [draws, grid] theta, 0 where S is empty
    compute: FloatArray  # [MAX_STEPS, grid] dollars, inf where a step would be too small

    @property
    def mean(self) -> FloatArray:
        """Mean total per number of steps and B'."""
        return np.asarray(self.labels.mean(axis=0)[None, :] + self.compute)


def human_only_cost(config: RunConfig, n: int) -> float:
    """Return what it costs when people label all n images and nothing is trained."""
    return n * config.prices.label


def stop_now_cost(now: Situation) -> float:
    """Return the final total if S is stored now: every image outside S is paid."""
    return (now.n - now.walk.size) * now.config.prices.label + now.spent


def make_plan(now: Situation) -> Plan | None:
    """Return the cheapest plan, None before there are enough points to fit a curve."""
    if len(now.records) < curves.MIN_POINTS:
        return None
    points = curves.points_of(now.records, now.n, now.config.classes)
    drawn = curves.fit(points, now.config.seed)
    grid = _grid(now, drawn.horizon)
    if len(grid) == 0:
        return _standing_plan(now, drawn)
    search = _search(now, drawn, grid)
    return _choose(now, drawn, search)


def _grid(now: Situation, horizon: float) -> FloatArray:
    """Return training sizes to try: at least 1 % of X more than now, at most the horizon."""
    first = now.trained + selection.minimum_delta(now.n)
    last = min(horizon, now.n - now.marked - 1)
    if last < first:
        return np.empty(0)
    return np.unique(np.rint(np.geomspace(first, last, GRID)))


def _search(now: Situation, drawn: curves.Curves, grid: FloatArray) -> _Search:
    config, n = now.config, now.n
    marked = now.marked * (n - grid) / (n - now.trained)  # M(.) takes marks in proportion
    remainder = n - grid - marked
    sizes = selection.machine_sizes(n, remainder, config.target.criterion)
    tests = marked[:, None] * sizes / np.maximum(remainder, 1)[:, None]
    most = guarantees.largest_rate(n, sizes, tests, config.target)
    fits = drawn.rates(grid) <= most[None]
    if config.target.criterion.value == "overall":
        unjudged = tests < guarantees.MIN_TEST
        fits = np.logical_and.accumulate(fits | unjudged[None], axis=2) & ~unjudged[None]
    machine = np.where(fits, np.floor(sizes)[None], 0.0).max(axis=2)
    share = np.where(fits, np.asarray(THETAS), 0.0).max(axis=2)
    return _Search(
        sizes=grid,
        labels=(n - machine) * config.prices.label,
        share=share,
        compute=_compute(now, grid),
    )


def _compute(now: Situation, grid: FloatArray) -> FloatArray:
    """Return compute dollars, spent and planned, per number of steps and B'."""
    model = costs.fit_compute(now.records)
    smallest = selection.minimum_delta(now.n)
    rows = []
    for steps in range(1, MAX_STEPS + 1):
        seconds = model.path_seconds(now.trained, grid, steps)
        dollars = now.spent + seconds * now.config.prices.compute_per_hour / 3600
        allowed = (grid - now.trained) / steps >= smallest
        rows.append(np.where(allowed, dollars, np.inf))
    return np.stack(rows)


def _choose(now: Situation, drawn: curves.Curves, search: _Search) -> Plan:
    mean = search.mean
    best = int(mean.min(axis=0).argmin())
    stop = stop_now_cost(now)
    totals = search.labels + search.compute.min(axis=0)[None, :]
    one_step = search.labels + search.compute[0][None, :]
    next_best = int(one_step.mean(axis=0).argmin())
    goes_on = mean[:, best].min() < stop
    theta = 0.0 if now.walk.accepted is None else THETAS[now.walk.accepted]
    return Plan(
        c_star=_interval(mean[:, best].min(), totals[:, best]) if goes_on else _exactly(stop),
        b_opt=_interval(
            search.sizes[best] if goes_on else now.trained, _best_sizes(now, search, totals, stop)
        ),
        theta_star=_interval(np.median(search.share[:, best]), search.share[:, best])
        if goes_on
        else _exactly(theta),
        steps=_steps(mean[:, best]) if goes_on else 0,
        human_only=human_only_cost(now.config, now.n),
        stop_now=stop,
        machine_now=now.walk.size,
        error_bound_now=now.walk.wrong / now.n,
        probability_lower=float((one_step[:, next_best] < stop).mean()),
        **_charts(drawn, search),
    )


def _steps(mean: FloatArray) -> int:
    """Return the largest number of steps whose cost stays within C* (1 + beta)."""
    within = np.flatnonzero(mean <= mean.min() * (1 + STEP_SLACK))
    return int(within[-1]) + 1


def _best_sizes(now: Situation, search: _Search, totals: FloatArray, stop: float) -> FloatArray:
    best = search.sizes[totals.argmin(axis=1)]
    return np.where(totals.min(axis=1) < stop, best, now.trained)


def _standing_plan(now: Situation, drawn: curves.Curves) -> Plan:
    """Plan when the pool leaves no room for another batch."""
    stop = stop_now_cost(now)
    theta = 0.0 if now.walk.accepted is None else THETAS[now.walk.accepted]
    return Plan(
        c_star=_exactly(stop),
        b_opt=_exactly(now.trained),
        theta_star=_exactly(theta),
        steps=0,
        human_only=human_only_cost(now.config, now.n),
        stop_now=stop,
        machine_now=now.walk.size,
        error_bound_now=now.walk.wrong / now.n,
        probability_lower=0.0,
        curve_median=(),
    )


def _exactly(value: float) -> Interval:
    return Interval(*[float(value)] * 5)


def _interval(value: float, draws: FloatArray) -> Interval:
    low95, low80, high80, high95 = np.quantile(draws, [0.025, 0.1, 0.9, 0.975]).tolist()
    value = float(value)
    return Interval(
        value, min(low80, value), max(high80, value), min(low95, value), max(high95, value)
    )


def _charts(drawn: curves.Curves, search: _Search) -> dict[str, object]:
    rates = drawn.rates(search.sizes)
    low, median, high = np.quantile(rates, [0.1, 0.5, 0.9], axis=0)
    labels, compute = search.labels.mean(axis=0), search.compute.min(axis=0)
    return {}
