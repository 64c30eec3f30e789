"""Exact intervals of a share, in plain Python: pages show them without loading SciPy."""

from __future__ import annotations

from math import exp, lgamma, log, log1p

_STEPS = 60  # halvings: far below what is ever shown
_TINY = 1e-300


def share_interval(right: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a share of `right` in `n`; (0, 1) for n = 0.

    Clopper and Pearson, Biometrika 26 (1934): it holds at least as often as `confidence` says.
    """
    tail = (1 - confidence) / 2
    low = 0.0 if right == 0 else _solve(right, n - right + 1, tail)
    high = 1.0 if right == n else _solve(right + 1, n - right, 1 - tail)
    return low, high


def _solve(a: int, b: int, wanted: float) -> float:
    """Return the x at which the regularised incomplete beta function has this value."""
    low, high = 0.0, 1.0
    for _step in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if incomplete_beta(a, b, middle) < wanted else (low, middle)
    return (low + high) / 2


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Return I_x(a, b) by its continued fraction (Lentz' method); relative error about 1e-12."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    front = exp(a * log(x) + b * log1p(-x) + lgamma(a + b) - lgamma(a) - lgamma(b)) / a
    return front * _fraction(a, b, x)


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 / _apart(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 400):
        for top in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _apart(1 + top * d)
            c = _apart(1 + top / c)
            value *= c * d
        if abs(c * d - 1) < 1e-13:
            break
    return value


def _apart(value: float) -> float:
    """Keep a divisor away from zero."""
    return value if abs(value) > _TINY else _TINY
