"""The series of a plan that only the page draws: costs over B', error curves with their bands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mcal_engine import curves, guarantees, selection, situation
from mcal_engine.situation import Situation
from mcal_engine.types import FloatArray, Plan

DOLLAR_DIGITS, RATE_DIGITS = 5, 3  # of the charts' figures
PAST = 24  # measured sizes that the curves are drawn at, at most


def with_costs(
    plan: Plan, now: Situation, grid: FloatArray, labels: FloatArray, compute: FloatArray
) -> Plan:
    """Add C(B') and its parts in dollars [grid], from stopping now on, in few digits."""
    sizes = np.concatenate([[now.trained], grid])
    labels = np.concatenate([[plan.stop_now - now.spent], labels])
    compute = np.concatenate([[now.spent], compute])
    return replace(
        plan,
        grid_b=tuple(int(size) for size in sizes),
        grid_total=_short(labels + compute, DOLLAR_DIGITS),
        grid_labels=_short(labels, DOLLAR_DIGITS),
        grid_compute=_short(compute, DOLLAR_DIGITS),
    )


def with_curves(plan: Plan, now: Situation, drawn: curves.Curves) -> Plan:
    """Add the fitted curves with their 80 % band: over what was measured, and the forecast."""
    measured = sorted({record.train_size for record in now.records})
    past = {measured[k] for k in np.linspace(0, len(measured) - 1, PAST).astype(int)}
    sizes = np.array(sorted(past | set(plan.grid_b)), dtype=np.float64)
    _, remainder = situation.pool_at(now, sizes)
    ranking = guarantees.ranking(now.config.target.criterion)
    machine = situation.relative(now, selection.machine_sizes(now.n, remainder, ranking))
    shares = np.minimum(machine, 1.0)  # the remainder was larger then; the sets are today's
    low, median, high = np.quantile(drawn.rates(sizes, shares), [0.1, 0.5, 0.9], axis=0)
    return replace(
        plan,
        curve_b=tuple(int(size) for size in sizes),
        curve_median=tuple(_short(row, RATE_DIGITS) for row in median.T),
        curve_low=tuple(_short(row, RATE_DIGITS) for row in low.T),
        curve_high=tuple(_short(row, RATE_DIGITS) for row in high.T),
    )


def _short(values: FloatArray, digits: int) -> tuple[float, ...]:
    """Round to what a chart can show, so that a saved state stays small."""
    return tuple(float(f"{value:.{digits}g}") for value in values.tolist())


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
