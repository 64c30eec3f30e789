"""Evidence that a machine-labelled set holds few wrong labels: e-processes of certificate A.

A set of N labels holds E wrong ones, E unknown. Labels are checked one by one in random order,
without replacement; after n of them, k were wrong. The order of what was seen has probability
f(E) = C(N - n, E - k) / C(N, E). The e-value divides a mixture of f over all E that are allowed
by the largest f over those that are not. If E is not allowed, the e-value stays below a
non-negative martingale of mean 1, so it ever reaches 1 / alpha with probability <= alpha (Ville),
however long people look and whenever they stop. Sources: Waudby-Smith and Ramdas, "Confidence
sequences for sampling without replacement", 2020; `../shared/design/mcal.md`, "The promise".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from mcal_engine.types import FloatArray, IntArray

GRID = 400
"""At most so many values of E carry the mixture's weight."""
STRENGTH = 60
"""The forecast counts like so many labels that were checked."""


def level(alpha: float, attempt: int) -> float:
    """Return alpha_a = 0.8 alpha 0.2^(a-1): what attempt a = 1, 2, ... may spend; sums to alpha."""
    return float(0.8 * alpha * 0.2 ** (attempt - 1))


def log_e(
    n: ArrayLike,
    k: ArrayLike,
    size: int,
    allowance: int,
    forecast: float,
    *,
    corrected: bool = True,
) -> FloatArray:
    """Return the log of the e-value against "more than `allowance` wrong labels are left".

    `n` checked and `k` wrong among them are arrays [looks]; `forecast` is the error share that is
    expected in the set. With `corrected` the wrong labels that were found do not count, since
    people have put them right: the null is E - k > allowance, else E > allowance.
    inf where the null is impossible, 0 before the first label. Broadcasts over looks.
    """
    n, k = np.atleast_1d(np.asarray(n, np.int64)), np.atleast_1d(np.asarray(k, np.int64))
    first = allowance + 1 + (k if corrected else np.zeros_like(k))
    most = size - n + k
    mode = k * (size + 1) // np.maximum(n, 1)
    worst = np.minimum(most, np.maximum(first, mode))
    support, log_weights = _mixture(size, allowance, forecast)
    found = _log_path(support, n[:, None], k[:, None], size) + log_weights
    evidence = _log_sum(found) - _log_path(worst, n, k, size)
    return np.where(first > most, np.inf, np.where(n == 0, 0.0, evidence))


def smallest_allowance(n: int, k: int, size: int, forecast: float, level: float) -> int:
    """Return how many wrong labels are left at most, beside the k found (budget mode).

    One martingale for all E: the mixture over every E from 0 to `size`, divided by f(E). The E
    for which it stays below 1 / level form a confidence sequence, so the statement errs with
    probability <= `level` whenever it is read (prior-posterior ratio; Waudby-Smith and Ramdas).
    """
    support, log_weights = _mixture(size, size, forecast)
    total = float(_log_sum(_log_path(support, n, k, size) + log_weights))
    low, high = min(max(k, k * (size + 1) // max(n, 1)), size - n + k), size - n + k
    while low < high:  # f falls beyond its mode
        middle = (low + high + 1) // 2
        if total - float(_log_path(np.asarray(middle), n, k, size)) < -np.log(level):
            low = middle
        else:
            high = middle - 1
    return low - k


def _mixture(size: int, allowance: int, forecast: float) -> tuple[IntArray, FloatArray]:
    """Return the values E <= allowance [grid] that carry weight, and log weights that sum to 1.

    The grid is finer near 0, where small forecasts lie; weights are a Beta density times spacing.
    """
    steps = np.linspace(0.0, 1.0, GRID) ** 2
    support = np.unique(np.round(steps * min(allowance, size)).astype(np.int64))
    share = (support + 0.5) / (size + 1)
    p = min(max(forecast, 0.0), 1.0)
    density = (STRENGTH * p - 0.5) * np.log(share) + (STRENGTH * (1 - p) - 0.5) * np.log1p(-share)
    weights = density + np.log(np.diff(support, prepend=-1))
    return support, np.asarray(weights - _log_sum(weights))


def _log_path(wrong: IntArray, n: ArrayLike, k: ArrayLike, size: int) -> FloatArray:
    """Return log C(N - n, E - k) - log C(N, E), -inf where E cannot have shown k in n."""
    n, k = np.asarray(n), np.asarray(k)
    left, hidden = size - n, wrong - k
    possible = (hidden >= 0) & (hidden <= left)
    hidden = np.where(possible, hidden, 0)
    seen = _log_choose(left, hidden) - _log_choose(np.asarray(size), wrong)
    return np.where(possible, seen, -np.inf)


def _log_choose(n: IntArray, k: IntArray) -> FloatArray:
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0))


def _log_sum(values: FloatArray) -> FloatArray:
    """Return log(sum(exp)) over the last axis; -inf where all are."""
    top = values.max(axis=-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(values - top).sum(axis=-1)) + top[..., 0])
