"""How the forecasts converged, and how earlier ones did against what came.

A training's plan never changes once it is stored, so what it forecast is read once per process:
plans carry their charts (some 30 KB each), of which a handful of numbers is kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from math import exp, log, sqrt
from typing import Any

from labelapp.models import Iteration
from labelapp.selectors.dashboard_charts import THETAS, forced, wilson
from labelapp.selectors.forecast_facts import Facts

_Z80 = 1.2815515655446004
_KEPT = 2000
_KNOWN: OrderedDict[int, dict[str, Any]] = OrderedDict()

Row = dict[str, Any]


def forecasts(facts: Facts) -> list[Row]:
    """Return what each training's plan forecast, {} where there was none yet."""
    missing = [key for key in facts.keys if key not in _KNOWN]
    if missing:
        plans = dict(Iteration.objects.filter(pk__in=missing).values_list("pk", "plan"))
        for place, key in enumerate(facts.keys):
            if key in plans:
                _KNOWN[key] = _distilled(plans[key] or {}, facts.records[place])
    found = [_KNOWN.get(key, {}) for key in facts.keys]
    while len(_KNOWN) > _KEPT:
        _KNOWN.popitem(last=False)
    return found


def forget() -> None:
    """Forget what this process has read (tests, which use row numbers again)."""
    _KNOWN.clear()


def _distilled(plan: dict[str, Any], record: dict[str, Any]) -> Row:
    """Keep of a plan its intervals, and two of its error curves: at theta* and of everything."""
    if not plan:
        return {}
    theta = float(plan["theta_star"]["value"])
    star = min(range(len(THETAS)), key=lambda k: abs(THETAS[k] - theta)) if theta else None
    last = len(THETAS) - 1
    places = [last] if star is None or star == last else [star, last]
    return {
        "c_star": plan["c_star"],
        "b_opt": plan["b_opt"],
        "forced": forced(plan),
        "arch": record.get("arch", ""),
        "sizes": list(plan.get("curve_b") or []),
        "curves": {
            place: [list(plan[name][place]) for name in ("curve_median", "curve_low", "curve_high")]
            for place in places
            if plan.get("curve_b")
        },
    }


# --- the next training's error -------------------------------------------------------------------


def foresight(facts: Facts) -> list[Row]:
    """Return, per training and share theta, the error forecast before it and the one measured.

    `low` and `high` are the forecast's 80 % band, widened by the chance of so few test images:
    80 % of the measured shares should lie in them.
    """
    rows: list[Row] = []
    plans = forecasts(facts)
    for plan, record in zip(plans, facts.records[1:], strict=False):
        same = plan.get("arch", "") == record.get("arch", "")
        for place, curves in (plan.get("curves") or {}).items() if same else ():
            row = _foreseen(plan["sizes"], curves, record, int(place))
            if row is not None:
                rows.append(row)
    return rows


def _foreseen(
    sizes: list[int], curves: list[list[float]], record: dict[str, Any], place: int
) -> Row | None:
    count, errors = record["test_counts"][place], record["test_errors"][place]
    size = record["train_size"]
    if not count or not sizes or not sizes[0] <= size <= sizes[-1]:
        return None
    median, low, high = (at_size(sizes, line, size) for line in curves)
    luck = _Z80**2 * median * (1 - median) / count
    below = max(0.0, median - sqrt((median - low) ** 2 + luck))
    above = min(1.0, median + sqrt((high - median) ** 2 + luck))
    seen = errors / count
    measured_low, measured_high = wilson(errors, count)
    return {
        "number": record["number"],
        "train_size": size,
        "theta": THETAS[place],
        "forecast": _short(median),
        "low": _short(below),
        "high": _short(above),
        "errors": errors,
        "count": count,
        "share": _short(seen),
        "share_low": _short(measured_low),
        "share_high": _short(measured_high),
        "held": below <= seen <= above,
    }


def at_size(sizes: list[int], values: list[float], size: float) -> float:
    """Return a curve's value at a size between its own: straight on logarithmic axes."""
    right = min(max(bisect_right(sizes, size), 1), len(sizes) - 1)
    left = right - 1
    if sizes[left] == sizes[right]:
        return float(values[left])
    part = (log(size) - log(sizes[left])) / (log(sizes[right]) - log(sizes[left]))
    low, high = max(values[left], 1e-9), max(values[right], 1e-9)
    return exp(log(low) + part * (log(high) - log(low)))


# --- the total -----------------------------------------------------------------------------------


def totals(facts: Facts) -> dict[str, Any]:
    """Return each training's forecast of the total, and whether it holds what is known now.

    Against the final cost where the run is finished, else against the newest forecast.
    """
    plans = forecasts(facts)
    known = [row["c_star"] for row in plans if row]
    truth = float(facts.spent) if facts.finished else (known[-1]["value"] if known else None)
    rows = []
    for plan, record in zip(plans, facts.records, strict=True):
        if plan:
            rows.append(_total(plan["c_star"], record, truth))
    judged = rows if facts.finished else rows[:-1]  # the newest cannot be judged by itself
    return {
        "final": facts.finished,
        "truth": truth,
        "rows": rows,
        "judged": len(judged),
        "held80": sum(row["held80"] for row in judged),
        "held95": sum(row["held95"] for row in judged),
    }


def _total(star: dict[str, float], record: dict[str, Any], truth: float | None) -> Row:
    value = float(star["value"])
    slack = 0.005  # a cent's rounding is no miss
    return {
        "number": record["number"],
        "train_size": record["train_size"],
        "value": value,
        "low80": star["low80"],
        "high80": star["high80"],
        "low95": star["low95"],
        "high95": star["high95"],
        "off": None if not truth else _short(value / truth - 1),
        "held80": truth is not None and star["low80"] - slack <= truth <= star["high80"] + slack,
        "held95": truth is not None and star["low95"] - slack <= truth <= star["high95"] + slack,
    }


def history_chart(facts: Facts, drawn: dict[str, Any]) -> dict[str, Any]:
    """Return the dashboard's history with the 95 % interval and, at the end, the final cost."""
    plans = forecasts(facts)
    bounds = [plan.get("c_star") or {} for plan in plans]
    return drawn | {
        "low95": [bound.get("low95") for bound in bounds],
        "high95": [bound.get("high95") for bound in bounds],
        "final": float(facts.spent) if facts.finished else None,
    }


def sizes_chart(facts: Facts) -> dict[str, Any]:
    """Return B_opt with its 80 % interval, and the size trained on, per training."""
    plans = forecasts(facts)
    optima: list[dict[str, float]] = [plan.get("b_opt") or {} for plan in plans]
    return {
        "n": facts.n,
        "number": [record["number"] for record in facts.records],
        "train_size": [record["train_size"] for record in facts.records],
        "b_opt": [found.get("value") for found in optima],
        "low": [found.get("low80") for found in optima],
        "high": [found.get("high80") for found in optima],
        "forced": [bool(plan.get("forced")) for plan in plans],
        "final": facts.finished,
    }


def race_chart(facts: Facts) -> dict[str, Any]:
    """Return every network's forecast total per training; no lines where nobody races."""
    lines: dict[str, dict[int, Row]] = {}
    if facts.project.rivals:
        for leader, others in zip(facts.records, facts.others, strict=True):
            for record in (leader, *others):
                lines.setdefault(record["arch"], {})[record["number"]] = record
    return {
        "currency": facts.currency,
        "number": [record["number"] for record in facts.records] if lines else [],
        "leader": facts.records[-1]["arch"] if lines else "",
        "lines": [_line(arch, found, facts) for arch, found in sorted(lines.items())],
    }


def _line(arch: str, found: dict[int, Row], facts: Facts) -> dict[str, Any]:
    rows = [found.get(record["number"], {}) for record in facts.records]
    return {
        "arch": arch,
        "c_star": [row.get("c_star") for row in rows],
        "low": [row.get("c_low") for row in rows],
        "high": [row.get("c_high") for row in rows],
        "errors": [row["test_errors"][-1] if row else None for row in rows],
        "count": [row["test_counts"][-1] if row else None for row in rows],
    }


def _short(value: float) -> float:
    return float(f"{value:.5g}")
