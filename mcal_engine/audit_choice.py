"""Which set to audit: the one whose total cost is least, the audit's own labels included."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import rel_entr

from mcal_engine.types import FloatArray

SHARES = (0.5, 0.7, 0.8, 0.87, 0.92, 0.96)
"""Smaller sets that are audited along with S_J*, as shares of its size."""


@dataclass(frozen=True)
class Choice:
    """The set to audit, S_J*, and what is expected of it on average over the draws.

    `index` into the candidates, `labels` the audit's own, `size` the machine labels delivered,
    `people` all labels that people will have given (B, T and residual included).
    """

    index: int
    labels: float
    size: float
    people: float


def expected_labels(
    rates: ArrayLike, sizes: ArrayLike, allowances: ArrayLike, level: float
) -> FloatArray:
    """Return the audit labels until a set passes, at most its size; broadcasts.

    n0 = 1.2 ln(1 / level) / KL(p || q), q = allowance / N, is the length in an endless set whose
    errors nobody corrects. Here every wrong label that is found makes room for another, so that
    the set has to be told from one with q + p n / N, and a sample without replacement says more:
    n (1 + (p n / N) / (q - p))^2 / (1 - n / N) = n0. inf where p is not below q.
    """
    p, n, allowed = (np.asarray(a, np.float64) for a in (rates, sizes, allowances))
    q = np.clip(allowed / np.maximum(n, 1.0), 0.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        endless = 1.2 * log(1.0 / level) / (rel_entr(p, q) + rel_entr(1.0 - p, 1.0 - q))
    possible = (p < q) & (n > 0)
    endless = np.where(possible, np.maximum(endless, 1.0), 1.0)
    room = np.where(possible, q - p, 1.0)
    labels = _shortened(endless, p / (np.maximum(n, 1.0) * room), np.maximum(n, 1.0))
    return np.where(possible, np.minimum(np.ceil(labels), n), np.inf)


def _shortened(endless: FloatArray, gain: FloatArray, size: FloatArray) -> FloatArray:
    """Solve n (1 + gain n)^2 / (1 - n / size) = endless for n by Newton's steps in log n."""
    n = np.minimum(endless, 0.9 * size)
    for _ in range(3):
        excess = np.log(n / endless) + 2 * np.log1p(gain * n) - np.log1p(-n / size)
        slope = 1 + 2 * gain * n / (1 + gain * n) + n / (size - n)
        n = np.minimum(n * np.exp(-excess / slope), 0.98 * size)
    return np.asarray(n)


def choose(
    sizes: ArrayLike, allowances: ArrayLike, rates: ArrayLike, n: int, level: float
) -> Choice | None:
    """Return the candidate with the least expected total cost; None if people are no dearer.

    `sizes`, `allowances` [sets] of nested candidates, ascending; `rates` [draws, sets] the error
    share inside each; `n` images in all, so that the cost is (n - |S| + audit) labels. A draw
    that does not fit S_J* costs the labels spent on it and delivers the best smaller set.
    """
    counts = np.asarray(sizes, np.float64)
    needs = expected_labels(rates, counts, allowances, level)
    found = [_judged(counts, needs, n, j) for j in range(len(counts))]
    worth = [choice for choice in found if choice is not None and choice.people < n]
    return min(worth, key=lambda choice: (choice.people, choice.index), default=None)


def _judged(sizes: FloatArray, needs: FloatArray, n: int, index: int) -> Choice | None:
    """Price one candidate over all draws; None where no draw fits it."""
    fits = np.isfinite(needs[:, index])
    if not fits.any():
        return None
    spent = float(np.median(needs[fits, index]))
    sets = fallbacks(sizes, index)
    alone = needs[:, sets]  # checked labels inside each set when it passes
    inside = spent * sizes[sets] / sizes[index]
    checked = np.where(np.isfinite(alone), np.maximum(alone, inside), np.inf)
    checked[:, -1] = alone[:, -1]
    delivered = np.maximum(sizes[sets] - checked, 0.0)
    best = np.argmax(delivered, axis=1)
    size = np.take_along_axis(delivered, best[:, None], axis=1)[:, 0]
    asked = (checked * sizes[index] / sizes[sets])[np.arange(len(best)), best]
    labels = np.where(size > 0, asked, spent)
    return Choice(index, float(labels.mean()), float(size.mean()), float(n - size.mean()))


def fallbacks(sizes: ArrayLike, index: int) -> list[int]:
    """Return the nested sets to audit, ascending, S_J* last: if it fails, a smaller one may pass.

    Chosen from sizes only. Each set below S_J* must pass without the benefit of its corrections,
    so sets just below it would hold it up: the largest has 96 % of its size.
    """
    counts = np.asarray(sizes)
    wanted = np.asarray(SHARES) * counts[index]
    below = np.searchsorted(counts[: index + 1], wanted, side="right") - 1
    return sorted({int(j) for j in below if j >= 0 and counts[j] > 0} | {int(index)})
