"""How far people agree beyond chance: Cohen's, Fleiss' and Krippendorff's coefficients.

All are 1 for perfect agreement and about 0 for chance. Missing answers are normal: Cohen takes
the images that both answered, Fleiss and Krippendorff every image with two answers or more.
Intervals: Cohen in closed form (Fleiss, Cohen and Everitt 1969, large samples), the other two by
a bootstrap over images (percentiles), where images with the same answers are drawn together, so
that a million images cost no more than the patterns among them.

A coefficient has no value (None, `why` says so) where no image has two answers ("no_overlap") or
where everybody always gave one and the same class ("one_class"): then chance agrees always, too.

Sources: Cohen 1960; Fleiss 1971 (equal numbers of answers; here the mean over images of the
share of agreeing pairs, whatever their number); Krippendorff, "Content Analysis", 2004, nominal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse
from scipy.stats import norm

from mcal_engine.people.votes import Floats, Ints, Votes

REPLICATES = 1000
CELLS = 20_000_000  # of one bootstrap: replicates times patterns
FEW_ITEMS = 5  # fewer images than this give a value without an interval


@dataclass(frozen=True)
class Coefficient:
    """A coefficient with its interval. `why` says why there is none, or no interval."""

    value: float | None
    low: float | None
    high: float | None
    items: int
    why: str = ""  # "", no_overlap, one_class, few_items


@dataclass(frozen=True)
class Pair:
    """Cohen's kappa of two people, by their numbers."""

    a: int
    b: int
    kappa: Coefficient


@dataclass(frozen=True)
class _Patterns:
    """Images with two answers or more, those with the same answers together."""

    table: sparse.csr_array  # [patterns, classes]: how often each class was given
    sizes: Ints  # answers per image of the pattern
    frequency: Ints  # images of the pattern

    @property
    def items(self) -> int:
        return int(self.frequency.sum())

    @property
    def alike(self) -> Floats:
        """Return the number of ordered pairs of answers that agree."""
        squares = self.table.multiply(self.table).sum(axis=1)
        return np.asarray(squares, dtype=np.float64).ravel() - self.sizes


Measure = Callable[[_Patterns, Floats], Floats]


def fleiss(
    votes: Votes, *, confidence: float = 0.95, replicates: int = REPLICATES, seed: int = 0
) -> Coefficient:
    """Return Fleiss' kappa."""
    return _with_interval(_patterns(votes), _fleiss, confidence, replicates, seed)


def krippendorff(
    votes: Votes, *, confidence: float = 0.95, replicates: int = REPLICATES, seed: int = 0
) -> Coefficient:
    """Return Krippendorff's alpha for nominal classes."""
    return _with_interval(_patterns(votes), _alpha, confidence, replicates, seed)


def _patterns(votes: Votes) -> _Patterns:
    table = votes.table()
    table.sum_duplicates()
    sizes = votes.per_item
    kept = np.flatnonzero(sizes >= 2)
    # two images with the same counts have the same sum; different ones differ but by a miracle
    tags = np.random.default_rng(20_260).integers(1, 2**62, votes.classes, dtype=np.int64)
    sums = (table[kept].astype(np.int64) @ tags) if len(kept) else np.empty(0, dtype=np.int64)
    _, first, frequency = np.unique(sums, return_index=True, return_counts=True)
    chosen = kept[first]
    return _Patterns(table[chosen], sizes[chosen], frequency.astype(np.int64))


def _fleiss(patterns: _Patterns, weights: Floats) -> Floats:
    """Return kappa for each row of weights [replicates, patterns]; NaN where it has none."""
    agreeing = patterns.alike / (patterns.sizes * (patterns.sizes - 1.0))
    observed = weights @ agreeing / weights.sum(axis=1)
    given = weights @ patterns.table
    shares = given / given.sum(axis=1, keepdims=True)
    return _beyond(observed, (shares**2).sum(axis=1))


def _alpha(patterns: _Patterns, weights: Floats) -> Floats:
    """Return alpha for each row of weights [replicates, patterns]; NaN where it has none."""
    sizes = patterns.sizes.astype(np.float64)
    total = weights @ sizes
    observed = weights @ (patterns.alike / (sizes - 1.0)) / total
    given = weights @ patterns.table
    chance = ((given**2).sum(axis=1) - total) / (total * (total - 1.0))
    return _beyond(observed, chance)


def _beyond(observed: Floats, chance: Floats) -> Floats:
    """Return (observed - chance) / (1 - chance)."""
    room = 1.0 - chance
    defined = room > 1e-12
    return np.where(defined, (observed - chance) / np.where(defined, room, 1.0), np.nan)


def _with_interval(
    patterns: _Patterns, measure: Measure, confidence: float, replicates: int, seed: int
) -> Coefficient:
    items = patterns.items
    if items == 0:
        return Coefficient(None, None, None, 0, "no_overlap")
    value = float(measure(patterns, patterns.frequency[None, :].astype(np.float64))[0])
    if np.isnan(value):
        return Coefficient(None, None, None, items, "one_class")
    if items < FEW_ITEMS:
        return Coefficient(value, None, None, items, "few_items")
    draws = min(replicates, max(CELLS // len(patterns.frequency), 100))
    chances = patterns.frequency / items
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(items, chances, size=draws).astype(np.float64)
    found = measure(patterns, drawn)
    found = found[~np.isnan(found)]
    if len(found) == 0:
        return Coefficient(value, None, None, items, "few_items")
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(found, [tail, 1.0 - tail])
    return Coefficient(value, float(min(low, value)), float(max(high, value)), items)


# --- two people --------------------------------------------------------------------------------


def cohen(first: Ints, second: Ints, *, classes: int, confidence: float = 0.95) -> Coefficient:
    """Return Cohen's kappa of two people's classes for the same images, in the same order.

    The interval is symmetric and cut at -1 and 1; standard error by Fleiss, Cohen and Everitt
    (1969), eq. 13. With perfect agreement it has no width: the images are then too few to tell.
    """
    n = len(first)
    if n == 0:
        return Coefficient(None, None, None, 0, "no_overlap")
    joint = np.bincount(first * classes + second, minlength=classes**2).reshape(classes, classes)
    p = joint / n
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    chance, observed = float(rows @ columns), float(np.trace(p))
    if 1.0 - chance <= 1e-12:
        return Coefficient(None, None, None, n, "one_class")
    kappa = (observed - chance) / (1.0 - chance)
    if n < FEW_ITEMS:
        return Coefficient(kappa, None, None, n, "few_items")
    wide = float(norm.ppf((1.0 + confidence) / 2.0) * _cohen_error(p, kappa) / np.sqrt(n))
    return Coefficient(kappa, max(kappa - wide, -1.0), min(kappa + wide, 1.0), n)


def _cohen_error(p: Floats, kappa: float) -> float:
    """Return the standard error of kappa times the square root of n."""
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    chance, left = float(rows @ columns), 1.0 - kappa
    diagonal = np.diag(p)
    on = float((diagonal * (1.0 - (rows + columns) * left) ** 2).sum())
    apart = (columns[:, None] + rows[None, :]) ** 2  # of cell (i, j): p_.i + p_j.
    off = left**2 * float((p * apart).sum() - (diagonal * np.diag(apart)).sum())
    variance = on + off - (kappa - chance * left) ** 2
    return float(np.sqrt(max(variance, 0.0)) / (1.0 - chance))


def cohen_pairs(votes: Votes, *, most: int = 100, confidence: float = 0.95) -> list[Pair]:
    """Return the kappa of pairs of people who share images, those who share most first."""
    found = [
        Pair(a, b, cohen(first, second, classes=votes.classes, confidence=confidence))
        for a, b, first, second in _shared(votes, most)
    ]
    return sorted(found, key=lambda pair: (-pair.kappa.items, pair.a, pair.b))


def _shared(votes: Votes, most: int) -> Iterator[tuple[int, int, Ints, Ints]]:
    """Yield (a, b, classes of a, classes of b) for the `most` pairs that share most images."""
    ones = np.ones(len(votes))
    seen = sparse.csr_array(
        (ones, (votes.items, votes.workers)), shape=(votes.n_items, votes.n_workers)
    )
    together = (seen.T @ seen).tocoo()
    upper = together.row < together.col
    a, b, shared = together.row[upper], together.col[upper], together.data[upper]
    busiest = np.lexsort((b, a, -shared))[:most]
    order = np.lexsort((votes.items, votes.workers))
    cuts = np.searchsorted(votes.workers[order], np.arange(votes.n_workers + 1))
    rows = [order[low:high] for low, high in pairwise(cuts)]
    for pair in busiest:
        left, right = rows[a[pair]], rows[b[pair]]
        _, at_left, at_right = np.intersect1d(
            votes.items[left], votes.items[right], assume_unique=True, return_indices=True
        )
        first, second = votes.labels[left[at_left]], votes.labels[right[at_right]]
        yield int(a[pair]), int(b[pair]), first, second


def same_shares(votes: Votes) -> tuple[Ints, Ints]:
    """Return (pairs, pairs alike) of each person: their answers beside others' to one image."""
    said = votes.items * votes.classes + votes.labels
    _, place, counts = np.unique(said, return_inverse=True, return_counts=True)
    others, alike = votes.per_item[votes.items] - 1, counts[place] - 1
    pairs = np.bincount(votes.workers, others, votes.n_workers)
    same = np.bincount(votes.workers, alike, votes.n_workers)
    return pairs.round().astype(np.int64), same.round().astype(np.int64)
