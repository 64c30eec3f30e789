"""Search for the cheapest (training size, machine-labelled set) under the error target.

Alg. 1 of the paper, its lines 12-21: for every drawn error curve, every training size B' of a
grid and every number of steps towards it, take the largest S that would be accepted; B_opt
minimises the mean cost over the draws. Two plans need no forecast and are always in the list:
stop now, and people label everything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mcal_engine import costs, curves, guarantees, selection
from mcal_engine.types import (
    THETAS,
    Criterion,
    FloatArray,
    Interval,
    IterationRecord,
    Plan,
    RunConfig,
)

GRID = 32
MAX_STEPS = 4
STEP_SLACK = 0.10  # beta of the paper
WORTHWHILE = 0.01  # a saving below this share of C* is none
DIGITS = 5  # of the charts' figures


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
    criterion = now.config.target.criterion
    points = curves.points_of(now.records, now.n, now.config.classes, criterion)
    drawn = curves.fit(points, now.config.seed)
    grid = _grid(now, drawn.horizon)
    if len(grid) == 0:
        return _standing(now)
    return _choose(now, drawn, _search(now, drawn, grid))


def _grid(now: Situation, horizon: float) -> FloatArray:
    """Return training sizes to try: at least 1 % of X more than now, at most the horizon."""
    first = now.trained + selection.minimum_delta(now.n)
    last = min(horizon, now.n - now.marked - 1)
    if last < first:
        return np.empty(0)
    return np.unique(np.rint(np.geomspace(first, last, GRID)))


def _search(now: Situation, drawn: curves.Curves, grid: FloatArray) -> _Search:
    config, n = now.config, now.n
    sizes, tests = _machine_sizes(now, grid)
    most = guarantees.largest_rate(n, sizes, tests, config.target)
    rates = drawn.rates(grid, sizes / max(now.records[-1].remainder, 1))
    fits = _as_counted(rates, tests, drawn.luck) <= most[None]
    if config.target.criterion is Criterion.OVERALL:
        unjudged = guarantees.unjudged(most, tests)
        fits = np.logical_and.accumulate(fits | unjudged[None], axis=2) & ~unjudged[None]
    machine = np.where(fits, np.floor(sizes)[None], 0.0).max(axis=2)
    share = np.where(fits, np.asarray(THETAS), 0.0).max(axis=2)
    return _Search(
        sizes=grid,
        labels=(n - machine) * config.prices.label,
        share=share,
        compute=_compute(now, grid),
    )


def _machine_sizes(now: Situation, grid: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return |S| and the T images below its threshold, [grid, thetas]."""
    marked = now.marked * (now.n - grid) / (now.n - now.trained)  # M(.) takes marks in proportion
    remainder = now.n - grid - marked
    sizes = selection.machine_sizes(now.n, remainder, now.config.target.criterion)
    return sizes, marked[:, None] * sizes / np.maximum(remainder, 1)[:, None]


def _as_counted(rates: FloatArray, tests: FloatArray, luck: FloatArray) -> FloatArray:
    """Return the rates that T will show: S hangs on its counts, which scatter by sqrt(count)."""
    scatter = np.sqrt(rates / np.maximum(tests, 1)[None])
    return np.maximum(rates + luck[:, None, None] * scatter, 0.0)


def _compute(now: Situation, grid: FloatArray) -> FloatArray:
    """Return compute dollars, spent and planned, per number of steps and B'."""
    model = costs.fit_compute(now.records)
    smallest = selection.minimum_delta(now.n)
    rows = []
    for steps in range(1, MAX_STEPS + 1):
        seconds = model.path_seconds(now.trained, grid, steps)
        dollars = now.spent + seconds * costs.compute_dollars(1.0, now.config.prices)
        allowed = (grid - now.trained) / steps >= smallest
        rows.append(np.where(allowed, dollars, np.inf))
    return np.stack(rows)


def _choose(now: Situation, drawn: curves.Curves, search: _Search) -> Plan:
    """Weigh the cheapest mean cost of the grid against stopping now."""
    mean = search.labels.mean(axis=0)[None, :] + search.compute
    best, stop = int(mean.min(axis=0).argmin()), stop_now_cost(now)
    totals = search.labels + search.compute.min(axis=0)[None, :]
    lowest = totals.min(axis=1)
    plan = replace(
        _standing(now),
        b_opt=_interval(
            now.trained, np.where(lowest < stop, search.sizes[totals.argmin(axis=1)], now.trained)
        ),
        probability_lower=_probability_lower(search, stop),
        probability_worthwhile=float((lowest <= stop * (1 - WORTHWHILE)).mean()),
    )
    if mean[:, best].min() < stop:
        plan = replace(
            plan,
            c_star=_interval(mean[:, best].min(), totals[:, best]),
            b_opt=_widened(plan.b_opt, search.sizes[best]),
            theta_star=_interval(np.median(search.share[:, best]), search.share[:, best]),
            steps=_steps(mean[:, best]),
        )
    return _with_charts(plan, now, drawn, search)


def _standing(now: Situation) -> Plan:
    """Return the plan to stop now; all of it where the pool leaves no room for a batch."""
    theta = 0.0 if now.walk.accepted is None else THETAS[now.walk.accepted]
    return Plan(
        c_star=_exactly(stop_now_cost(now)),
        b_opt=_exactly(now.trained),
        theta_star=_exactly(theta),
        steps=0,
        human_only=human_only_cost(now.config, now.n),
        stop_now=stop_now_cost(now),
        machine_now=now.walk.size,
        error_bound_now=now.walk.wrong / now.n,
        probability_lower=0.0,
    )


def _probability_lower(search: _Search, stop: float) -> float:
    """Return P(the one more round that is cheapest on average ends below stopping now)."""
    one = search.labels + search.compute[0][None, :]
    return float((one[:, int(one.mean(axis=0).argmin())] < stop).mean())


def _steps(mean: FloatArray) -> int:
    """Return the largest number of steps whose cost stays within C* (1 + beta)."""
    return int(np.flatnonzero(mean <= mean.min() * (1 + STEP_SLACK))[-1]) + 1


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


def _with_charts(plan: Plan, now: Situation, drawn: curves.Curves, search: _Search) -> Plan:
    """Add the forecast over the sizes from |B| to the horizon, in few digits."""
    sizes = np.concatenate([[now.trained], search.sizes])
    labels = np.concatenate([[plan.stop_now - now.spent], search.labels.mean(axis=0)])
    compute = np.concatenate([[now.spent], search.compute.min(axis=0)])
    plan = replace(
        plan,
        grid_b=tuple(int(size) for size in sizes),
        grid_total=_short(labels + compute),
        grid_labels=_short(labels),
        grid_compute=_short(compute),
    )
    return _with_curves(plan, now, drawn)


def _with_curves(plan: Plan, now: Situation, drawn: curves.Curves) -> Plan:
    """Add the fitted curves with their 80 % band: over what was measured, and the forecast."""
    past = {record.train_size for record in now.records}
    sizes = np.array(sorted(past | set(plan.grid_b)), dtype=np.float64)
    machine = _machine_sizes(now, sizes)[0] / max(now.records[-1].remainder, 1)
    shares = np.minimum(machine, 1.0)  # the remainder was larger then; the sets are today's
    low, median, high = np.quantile(drawn.rates(sizes, shares), [0.1, 0.5, 0.9], axis=0)
    return replace(
        plan,
        curve_b=tuple(int(size) for size in sizes),
        curve_median=tuple(_short(row) for row in median.T),
        curve_low=tuple(_short(row) for row in low.T),
        curve_high=tuple(_short(row) for row in high.T),
    )


def _short(values: FloatArray) -> tuple[float, ...]:
    """Round to what a chart can show, so that a saved state stays small."""
    return tuple(float(f"{value:.{DIGITS}g}") for value in values.tolist())


def without_charts(plan: Plan) -> Plan:
    """Return the plan without the series that only the page draws."""
    empty: tuple[float, ...] = ()
    return replace(
        plan,
        grid_b=(),
        curve_b=(),
        grid_total=empty,
        grid_labels=empty,
        grid_compute=empty,
        curve_median=(),
        curve_low=(),
        curve_high=(),
    )
