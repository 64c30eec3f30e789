"""Which set to audit: the one whose total cost is least, the audit's own labels included."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr

from mcal_engine.types import FloatArray

SHARES = (0.5, 0.7, 0.8, 0.87, 0.91, 0.94, 0.97)
"""Smaller sets that are audited along with S_J*, as shares of its size."""
LARGER = tuple(1.03**k for k in range(1, 17))
"""Larger ones, likewise: where T was unlucky one of them may pass."""
GAP = 1.015
"""The whole remainder is audited too if it is at least so much larger than the set before it."""


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
    sizes: ArrayLike,
    allowances: ArrayLike,
    rates: ArrayLike,
    n: int,
    level: float,
    needs: FloatArray | None = None,
) -> Choice | None:
    """Return the candidate with the least expected total cost; None if people are no dearer.

    `sizes`, `allowances` [sets] of nested candidates, ascending; `rates` [draws, sets] the error
    share inside each; `n` images in all, so that the cost is (n - |S| + audit) labels. A draw
    that does not fit S_J* costs the labels spent on it and delivers the best smaller set. `needs`
    [draws, sets] are their `expected_labels`, where somebody has them already.
    """
    counts = np.asarray(sizes, np.float64)
    if needs is None:
        needs = expected_labels(rates, counts, allowances, level)
    best: Choice | None = None
    for j in range(len(counts) - 1, -1, -1):
        if best is not None and n - counts[j] > best.people:
            break  # no smaller set can deliver as much as the best one does
        found = _judged(counts, needs, n, j)
        if found is not None and found.people < n and (best is None or found.people <= best.people):
            best = found
    return best


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
    so sets just below it would hold it up: the largest has 97 % of its size.
    """
    counts = np.asarray(sizes)
    return sorted({j for j in _places(counts, SHARES, index) if j <= index} | {int(index)})


def frame(sizes: ArrayLike, allowances: ArrayLike, rates: ArrayLike, index: int) -> list[int]:
    """Return the sets to freeze: those of `fallbacks`, and larger ones that may turn out to pass.

    `rates` [draws, sets]. An audited image outside the set that passes is one that people would
    have labelled anyway, so larger sets cost nothing; they end where the forecast does not fit.
    """
    counts, allowed = np.asarray(sizes), np.asarray(allowances)
    fits = np.asarray(rates).mean(axis=0) * counts < allowed
    above = [j for j in _places(counts, LARGER, index) if j > index and fits[j]]
    last = len(counts) - 1
    if fits[last] and counts[last] > GAP * counts[max([index, *above])]:
        above.append(last)
    return sorted({*fallbacks(sizes, index), *above})


def _places(counts: NDArray[Any], shares: tuple[float, ...], index: int) -> list[int]:
    """Return the largest candidate of at most each share of the size of S_J*."""
    found = np.searchsorted(counts, np.asarray(shares) * counts[index], side="right") - 1
    return [int(j) for j in found if j >= 0 and counts[j] > 0]
