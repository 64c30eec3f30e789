"""M(.): what people label next; L(.): what the machine could label; the draws of T and B_0.

Nothing here is told which images are test marks: T stays a uniformly random part of the
remainder only while everything that takes images out of it is blind to the marks.
Random orders are sorts by SHA-256(seed || item), equal on every machine and NumPy version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from mcal_engine.types import (
    THETAS,
    BoolArray,
    Criterion,
    FloatArray,
    IntArray,
    RunConfig,
    Scores,
)

Acquisition = Callable[[IntArray, Scores, int, str], IntArray]
"""(candidates, scores, how many, key of the tie order) -> items, the first to label first."""


def hash_order(key: str, items: IntArray) -> IntArray:
    """Return the items sorted by SHA-256(key || item): a reproducible random order."""
    base = hashlib.sha256(key.encode() + b"|")
    digests = np.empty(len(items), dtype=np.uint64)
    for position, item in enumerate(items.tolist()):
        one = base.copy()
        one.update(item.to_bytes(8, "big"))
        digests[position] = int.from_bytes(one.digest()[:8], "big")
    return items[np.lexsort((items, digests))]


def test_size(config: RunConfig) -> int:
    """Return |T|: the share of N, at least 500, at most 1,000, and at most 10 % of N.

    A share above the default 1.5 % (the paper's 5 %) is taken at its word above 1,000.
    """
    wanted = round(config.test_share * config.n)
    most = 1000 if config.test_share <= 0.015 else max(1000, wanted)
    return min(max(500, min(wanted, most)), config.n // 10)


def seed_size(config: RunConfig) -> int:
    """Return |B_0|: the share of N, at least 6 images per class expected."""
    return max(round(config.seed_share * config.n), 6 * config.classes)


def draw_test(config: RunConfig) -> IntArray:
    """Draw the test marks uniformly from all of X."""
    return hash_order(f"{config.seed}:test", np.arange(config.n))[: test_size(config)]


def draw_seed(config: RunConfig, candidates: IntArray) -> IntArray:
    """Draw B_0 uniformly from all images that can be labelled, marked or not."""
    return hash_order(f"{config.seed}:seed", candidates)[: seed_size(config)]


def minimum_delta(n: int) -> int:
    """Return the smallest batch worth a training: 1 % of X."""
    return max(1, ceil(n / 100))


def by_margin(candidates: IntArray, scores: Scores, count: int, key: str) -> IntArray:
    """Take the least certain images; ties by the stored seed's order, then item number."""
    uncertainty = scores.uncertainty[candidates]
    if count >= len(candidates):
        chosen = candidates
    else:
        cut = np.partition(uncertainty, len(candidates) - count)[len(candidates) - count]
        sure = candidates[uncertainty > cut]
        tied = hash_order(key, candidates[uncertainty == cut])
        chosen = np.concatenate([sure, tied[: count - len(sure)]])
    order = hash_order(key, chosen)
    return order[np.argsort(-scores.uncertainty[order], kind="stable")]


def by_chance(candidates: IntArray, _scores: Scores, count: int, key: str) -> IntArray:
    """Take uniformly random images."""
    return hash_order(key, candidates)[:count]


ACQUISITIONS: dict[str, Acquisition] = {"margin": by_margin, "random": by_chance}


def acquire(
    config: RunConfig,
    candidates: IntArray,
    scores: Scores | tuple[Scores, ...],
    delta: int,
    iteration: int,
    train: BoolArray | None = None,
) -> IntArray:
    """Choose the next `delta` images for B (all of them if fewer): M(.) plus a random 5 %.

    `candidates` are all images outside B that can be labelled, test marks among them.
    """
    count = min(delta, len(candidates))
    blind = round(config.random_share * count)
    key = f"{config.seed}:batch:{iteration}"
    scores = scores[0] if isinstance(scores, tuple) else scores
    ranked = ACQUISITIONS[config.acquisition](candidates, scores, count - blind, key)
    rest = np.setdiff1d(candidates, ranked, assume_unique=True)
    return np.concatenate([ranked, hash_order(f"{key}:random", rest)[:blind]])


def machine_sizes(n: int, remainder: FloatArray | int, criterion: Criterion) -> FloatArray:
    """Return |S| per theta of the grid, before rounding; 0 where theta asks for too many.

    theta is a share of the remainder; in the paper modes a share of X, by rank.
    `remainder` may be an array; theta becomes the last axis.
    """
    left = np.asarray(remainder, dtype=np.float64)[..., None]
    theta = np.asarray(THETAS)
    if criterion is Criterion.OVERALL:
        return np.asarray(theta * left)
    return np.where(theta * n <= left, theta * n, 0.0)


def thresholds(
    uncertainty: NDArray[np.float32], n: int, criterion: Criterion
) -> NDArray[np.float32]:
    """Return the cut per theta: S_tau holds the remainder's images with uncertainty <= cut.

    `uncertainty` is the remainder's. A theta beyond the remainder takes all of it; an empty
    remainder gives cuts of -1, which no image meets.
    """
    left = len(uncertainty)
    if left == 0:
        return np.full(len(THETAS), -1.0, dtype=np.float32)
    share = left if criterion is Criterion.OVERALL else n
    ranks = [_rank(Fraction(k, 20) * share, left) for k in range(1, len(THETAS) + 1)]
    return np.partition(uncertainty, sorted(set(ranks)))[ranks]


def _rank(size: Fraction, left: int) -> int:
    return min(max(floor(size), 1), left) - 1


def machine_set(remainder: BoolArray, scores: Scores, cut: float) -> IntArray:
    """Return S_tau: the items of the remainder with uncertainty <= cut, by number."""
    return np.flatnonzero(remainder & (scores.uncertainty <= np.float32(cut))).astype(np.int64)


def fine_thresholds(uncertainty: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return `count` cuts of the remainder's uncertainty at equal steps of its share."""
    left = np.sort(uncertainty)
    if len(left) == 0:
        return np.full(count, -1.0, dtype=np.float32)
    return left[[max(len(left) * k // count, 1) - 1 for k in range(1, count + 1)]]


def draw_topup(config: RunConfig, items: IntArray, count: int, number: int) -> IntArray:
    """Draw `count` more test marks uniformly from the remainder's items."""
    return hash_order(f"{config.seed}:topup:{number}", items)[:count]
