"""The arithmetic of the verifier, from scratch: standard library only, nothing of the engine.

Written a second time on purpose (see evidence.py, guarantees.py): a slip in one is not in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal
from math import exp, inf, lgamma, log, log1p
from typing import Any

BUDGET = "bounded by an audit"
"""The promise on the one set that a budget chose: its bound, not a target, was proved."""


def allowance(epsilon: float, n: int, size: int) -> int:
    """Return min(epsilon N, min(4 epsilon, 1/2) |S|), rounded down: wrong labels allowed in S."""
    exact = Decimal(str(epsilon))
    whole, inside = exact * n, min(4 * exact, Decimal("0.5")) * size
    return int(min(whole, inside).to_integral_value(ROUND_FLOOR))


def log_choose(n: int, k: int) -> float:
    """Return log C(n, k), -inf where there is no way."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) if 0 <= k <= n else -inf


def log_sum(values: Sequence[float]) -> float:
    """Return log(sum(exp(values)))."""
    top = max(values)
    return top if top == -inf else top + log(sum(exp(value - top) for value in values))


# --- certificate A ----------------------------------------------------------------------------


def verdict(c: dict[str, Any], prefix: list[dict[str, Any]]) -> tuple[int | None, int]:
    """Return the certified set and how many wrong labels it may hold.

    A set is certified once its own evidence, in which found errors count as corrected, and that
    of every smaller set, in which they do not, ever reached 1 / level.
    """
    if c["promise"] == BUDGET:
        n, k = len(prefix), sum(is_wrong(entry) for entry in prefix)
        return 0, smallest_allowance(n, k, c["sizes"][0], c["forecasts"][0], c["level"])
    best, wrong, below = None, 0, True
    for j in range(len(c["sizes"])):
        inside = [e for e in prefix if e["uncertainty"] <= c["thresholds"][j]]
        wrong_ones = [is_wrong(entry) for entry in inside]
        plan = (c["sizes"][j], c["allowances"][j], c["forecasts"][j], c["level"])
        strict, own = evidence(wrong_ones, *plan)
        if below and own:
            best, wrong = j, c["allowances"][j] - (sum(wrong_ones) if strict else 0)
        below = below and strict
    return best, wrong


def is_wrong(entry: dict[str, Any]) -> bool:
    """Tell whether an audited machine label is wrong: so is one that nobody could check."""
    return entry["answer"] is None or entry["machine"] != entry["answer"]


def log_path(size: int, wrong: int, n: int, k: int) -> float:
    """Return log f(E) = log C(N - n, E - k) - log C(N, E): how likely what was seen is."""
    return log_choose(size - n, wrong - k) - log_choose(size, wrong)


def mixture(size: int, most: int, forecast: float) -> list[tuple[int, float]]:
    """Return up to 400 values of E <= most with log weights: a Beta density at the forecast."""
    counts = sorted({round((i / 399) ** 2 * min(most, size)) for i in range(400)})
    p, weights = min(max(forecast, 0.0), 1.0), []
    for before, count in zip([-1, *counts[:-1]], counts, strict=True):
        share = (count + 0.5) / (size + 1)
        density = (60 * p - 0.5) * log(share) + (60 * (1 - p) - 0.5) * log1p(-share)
        weights.append(density + log(count - before))
    whole = log_sum(weights)
    return [(count, weight - whole) for count, weight in zip(counts, weights, strict=True)]


def evidence(
    wrong: Sequence[bool], size: int, allowed: int, forecast: float, level: float
) -> tuple[bool, bool]:
    """Return whether a set passed without and with its corrections, at any look.

    `wrong` are its audited labels, in order. Between two wrong ones the e-value only rises.
    """
    looks, k = {(len(wrong), sum(wrong))}, 0
    for n, bad in enumerate(wrong):
        looks |= {(n, k), (n + 1, k + 1)} if bad else set()
        k += bad
    if size == 0:
        return False, False
    weights, strict, own = mixture(size, allowed, forecast), False, False
    for n, k in looks:
        total = log_sum([weight + log_path(size, e, n, k) for e, weight in weights])
        strict = strict or against(size, allowed + 1, n, k, total) >= -log(level)
        own = own or against(size, allowed + 1 + k, n, k, total) >= -log(level)
    return strict, own


def against(size: int, first: int, n: int, k: int, total: float) -> float:
    """Return the log e-value against "`first` or more are wrong"; inf where that cannot be."""
    most = size - n + k
    worst = min(most, max(first, k * (size + 1) // max(n, 1)))
    return inf if first > most else total - log_path(size, worst, n, k)


def smallest_allowance(n: int, k: int, size: int, forecast: float, level: float) -> int:
    """Return the most wrong labels that may be left after n labels with k wrong ones."""
    weights = mixture(size, size, forecast)
    total = log_sum([weight + log_path(size, e, n, k) for e, weight in weights])
    high = size - n + k
    low = min(max(k, k * (size + 1) // max(n, 1)), high)
    while low < high:
        middle = (low + high + 1) // 2
        if total - log_path(size, middle, n, k) < -log(level):
            low = middle
        else:
            high = middle - 1
    return low - k


# --- certificate B ----------------------------------------------------------------------------

Judged = tuple[list[int], list[int], int | None, int | None]


def upper_bound(size: int, tests: int, errors: int, level: float) -> int:
    """Return the most wrong labels in S for which so few errors in T have chance > level."""
    whole = size + tests
    low, high = errors, whole - tests + errors
    while low < high:
        middle = (low + high + 1) // 2
        seen = [
            log_choose(middle, i) + log_choose(whole - middle, tests - i) for i in range(errors + 1)
        ]
        if exp(log_sum(seen) - log_choose(whole, tests)) > level:
            low = middle
        else:
            high = middle - 1
    return low - errors


def walk(
    criterion: str,
    epsilon: float,
    level: float,
    n: int,
    sizes: list[int],
    tests: list[int],
    errors: list[int],
) -> Judged:
    """Return bounds, allowances, the first set judged and the one accepted (paper modes: plug-in).

    A set alone was chosen by a budget: it is accepted as it is.
    """
    columns = list(zip(sizes, tests, errors, strict=True))
    if criterion != "overall":
        bounds = [-(-size * k // t) if t else size for size, t, k in columns]
        allowed = [paper_allowance(criterion, epsilon, n, size) for size in sizes]
        fits = [
            t > 0 and bound <= a
            for (_, t, _), bound, a in zip(columns, bounds, allowed, strict=True)
        ]
        most = max((size for size, fit in zip(sizes, fits, strict=True) if fit), default=0)
        return bounds, allowed, 0, chosen(sizes, sizes.index(most) if most else None)
    bounds = [upper_bound(size, t, k, level) for size, t, k in columns]
    allowed = [allowance(epsilon, n, size) for size in sizes]
    start = first_judged(sizes, tests, allowed, level)
    fits = [bound <= a for bound, a in zip(bounds, allowed, strict=True)]
    first = start or 0
    passed = [*fits[first:], False].index(False)
    best = first + passed - 1 if passed else None
    alone = len(sizes) == 1
    return bounds, allowed, 0 if alone else start, chosen(sizes, best)


def paper_allowance(criterion: str, epsilon: float, n: int, size: int) -> int:
    """Return what the paper's modes allow: per_s bounds the share inside S."""
    if criterion != "per_s":
        return allowance(epsilon, n, size)
    return int((Decimal(str(epsilon)) * size).to_integral_value(ROUND_FLOOR))


def chosen(sizes: list[int], best: int | None) -> int | None:
    """Return the accepted set; the only one there is was chosen by a budget."""
    if len(sizes) == 1:
        return 0 if sizes[0] else None
    return best


def first_judged(
    sizes: list[int], tests: list[int], allowed: list[int], level: float
) -> int | None:
    """Return the first set that would pass with two wrong tests; else with one, or none."""
    for spare in (2, 1, 0):
        for j, (size, t) in enumerate(zip(sizes, tests, strict=True)):
            if t >= spare and size and upper_bound(size, t, spare, level) <= allowed[j]:
                return j
    return None
