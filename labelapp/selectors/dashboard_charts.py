"""The numbers behind the dashboard's pictures, ready to draw: the browser computes nothing.

Error curves (points with binomial intervals, fit, band, limit), the cost C(B) and its parts, the
margins of T, and the history of C*. Sizes are images, money is in the project's currency.
"""

from __future__ import annotations

from decimal import Decimal
from math import sqrt
from typing import Any, Protocol

from labelapp.models import Project
from labelapp.selectors.outlook import Outlook

THETAS = tuple(round(0.05 * k, 2) for k in range(1, 21))
"""The engine's grid of machine-labelled shares of the remainder; a test compares the two."""

_Z80 = 1.2815515655446004


class Facts(Protocol):
    """What the pictures are drawn from: the dashboard's facts, or the forecast pages'."""

    @property
    def project(self) -> Project: ...
    @property
    def n(self) -> int: ...
    @property
    def records(self) -> list[dict[str, Any]]: ...
    @property
    def plan(self) -> dict[str, Any] | None: ...
    @property
    def margins(self) -> dict[str, Any]: ...
    @property
    def certificate(self) -> dict[str, Any] | None: ...
    @property
    def currency(self) -> str: ...
    @property
    def human_only(self) -> Decimal: ...
    @property
    def theta_star(self) -> float | None: ...
    @property
    def finished(self) -> bool: ...
    @property
    def spent(self) -> Decimal: ...
    @property
    def outlook(self) -> Outlook: ...


def charts(facts: Facts) -> dict[str, Any]:
    """Return the four pictures; their arrays are empty while there is nothing to draw."""
    return {
        "curves": _curves(facts),
        "cost": _cost(facts),
        "margins": _margins(facts),
        "history": _history(facts),
    }


def wilson(errors: int, count: int, z: float = _Z80) -> tuple[float, float]:
    """Return the Wilson interval of a binomial share (80 % by default)."""
    if count == 0:
        return 0.0, 1.0
    share, square = errors / count, z * z
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = z / (1 + square / count) * sqrt(share * (1 - share) / count + square / (4 * count**2))
    low, high = middle - half, middle + half
    return (low if errors else 0.0), (high if errors < count else 1.0)


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _curves(facts: Facts) -> dict[str, Any]:
    plan = facts.plan or {}
    return {
        "n": facts.n,
        "epsilon": facts.project.epsilon,
        "thetas": list(THETAS),
        "theta_star": facts.theta_star,
        "shown": _shown_thetas(facts.theta_star),
        "present": facts.records[-1]["train_size"] if facts.records else None,
        "b_opt": _interval(plan.get("b_opt")),
        "forced": forced(plan),
        "points": [_points(facts.records, index) for index in range(len(THETAS))],
        "grid": list(plan.get("curve_b") or []),
        "median": plan.get("curve_median") or [],
        "low": plan.get("curve_low") or [],
        "high": plan.get("curve_high") or [],
        "limit": _limit(facts),
    }


def _shown_thetas(theta_star: float | None) -> list[float]:
    """Return the three shares that are drawn at first: theta*, a half, everything."""
    wanted = {0.5, 1.0}
    if theta_star is not None:
        wanted.add(min(THETAS, key=lambda theta: abs(theta - theta_star)))
    return sorted(wanted if len(wanted) == 3 else wanted | {0.25})


def _points(records: list[dict[str, Any]], index: int) -> list[list[float]]:
    """Return [|B|, errors, marks, share, low, high] per training, for one theta."""
    rows: list[list[float]] = []
    for record in records:
        count, errors = record["test_counts"][index], record["test_errors"][index]
        if count:
            low, high = wilson(errors, count)
            share = errors / count
            rows.append([record["train_size"], errors, count, *map(_short, (share, low, high))])
    return rows


def _limit(facts: Facts) -> dict[str, Any]:
    """Return the largest error inside S that the target allows at theta*, over |B|.

    epsilon N wrong labels spread over |S| = theta (N - |B| - |T|), and never more than
    min(4 epsilon, 1/2) inside S.
    """
    theta, plan = facts.theta_star, facts.plan
    if not theta or not plan or not facts.records:
        return {"theta": None, "x": [], "y": []}
    sizes = sorted({r["train_size"] for r in facts.records} | set(plan.get("grid_b") or []))
    last = facts.records[-1]
    marked = last["test_size"] / max(1, facts.n - last["train_size"])
    return {
        "theta": theta,
        "x": sizes,
        "y": [_short(_allowed(facts, theta, (facts.n - b) * (1 - marked))) for b in sizes],
    }


def _allowed(facts: Facts, theta: float, remainder: float) -> float:
    epsilon = facts.project.epsilon
    return min(epsilon * facts.n / max(1.0, theta * remainder), 4 * epsilon, 0.5)


def _cost(facts: Facts) -> dict[str, Any]:
    plan = facts.plan or {}
    return {
        "currency": facts.currency,
        "human_only": float(facts.human_only),
        "present": facts.records[-1]["train_size"] if facts.records else None,
        "stop_now": None if facts.finished else facts.outlook.stop,
        "spent": float(facts.spent) if facts.finished else None,
        "c_star": _interval(plan.get("c_star")),
        "b_opt": None if forced(plan) else _interval(plan.get("b_opt")),
        "grid": list(plan.get("grid_b") or []),
        "total": plan.get("grid_total") or [],
        "labels": plan.get("grid_labels") or [],
        "compute": plan.get("grid_compute") or [],
    }


def forced(plan: dict[str, Any]) -> bool:
    """Tell whether the budget chose the plan: its size is then not the cheapest on the curve."""
    return bool((plan.get("answer") or {}).get("forced"))


def _interval(found: dict[str, float] | None) -> dict[str, float] | None:
    if found is None:
        return None
    return {
        "value": _short(found["value"]),
        "low": _short(found["low80"]),
        "high": _short(found["high80"]),
        "low95": _short(found.get("low95", found["low80"])),
        "high95": _short(found.get("high95", found["high80"])),
    }


def _margins(facts: Facts) -> dict[str, Any]:
    histogram = facts.margins
    return {
        "edges": histogram.get("edges", []),
        "right": histogram.get("right", []),
        "wrong": histogram.get("wrong", []),
        "threshold": threshold(facts),
        "theta": facts.theta_star,
    }


def threshold(facts: Facts) -> float | None:
    """Return the margin above which the machine would label (1 - uncertainty at theta*).

    None where L(.) is not the margin: then no margin separates what the machine labels.
    """
    if facts.project.certainty != "margin":
        return None
    if facts.certificate and facts.certificate.get("threshold") is not None:
        return _short(1 - float(facts.certificate["threshold"]))
    theta = facts.theta_star
    if not theta or not facts.records:
        return None
    index = min(range(len(THETAS)), key=lambda i: abs(THETAS[i] - theta))
    return _short(1 - float(facts.records[-1]["thresholds"][index]))


def _history(facts: Facts) -> dict[str, Any]:
    records = facts.records
    return {
        "currency": facts.currency,
        "human_only": float(facts.human_only),
        "number": [record["number"] for record in records],
        "train_size": [record["train_size"] for record in records],
        "c_star": [record["c_star"] for record in records],
        "low": [record["c_low"] for record in records],
        "high": [record["c_high"] for record in records],
        "stop_now": [record["stop_now"] for record in records],
        "committed": [_short(record["committed"]) for record in records],
    }
