"""M(.): what people label next; L(.): what the machine could label; the draws of T and B_0.

Nothing here is told which images are test marks: T stays a uniformly random part of the
remainder only while everything that takes images out of it is blind to the marks.
Chance is SHA-256 of a key that holds the stored seed (orders.py), equal on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from mcal_engine.acquisitions import ACQUISITIONS, Field
from mcal_engine.orders import hash_draw, hash_order, hash_share
from mcal_engine.types import (
    THETAS,
    BoolArray,
    Criterion,
    FloatArray,
    IntArray,
    RunConfig,
    Scores,
)

__all__ = [
    "ACQUISITIONS",
    "acquire",
    "draw_grown",
    "draw_seed",
    "draw_test",
    "draw_topup",
    "fine_thresholds",
    "hash_order",
    "machine_set",
    "machine_sizes",
    "minimum_delta",
    "seed_size",
    "test_size",
    "thresholds",
]


def test_size(config: RunConfig) -> int:
    """Return |T|: the share of N, at least 500, at most 1,000, and at most 10 % of N.

    A share above the default 1.5 % (the paper's 5 %) is taken at its word above 1,000.
    """
    wanted = round(config.test_share * config.n)
    most = 1000 if config.test_share <= 0.015 else max(1000, wanted)
    return min(max(500, min(wanted, most)), config.n // 10)


def seed_size(config: RunConfig) -> int:
    """Return |B_0|: as many as asked for, else the share of N, 6 per class expected at least."""
    if config.first is not None:
        return config.first
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


def draw_topup(config: RunConfig, items: IntArray, count: int, number: int) -> IntArray:
    """Draw further test marks uniformly from the remainder's items; `number` is 1, 2, ..."""
    return hash_draw(f"{config.seed}:topup:{number}", items, count)


def draw_grown(config: RunConfig, items: IntArray, expected: float) -> IntArray:
    """Draw test marks among images that joined late: `expected` of them on average, uniformly.

    The part behind the point is a coin, so each image is marked with one and the same probability.
    """
    key = f"{config.seed}:grown:{config.n}"
    return hash_draw(key, items, floor(expected + hash_share(key)))


def acquire(
    config: RunConfig,
    candidates: IntArray,
    scores: Scores | Sequence[Scores],
    delta: int,
    iteration: int | str,
    train: BoolArray | IntArray | None = None,
) -> IntArray:
    """Choose the next `delta` images for B (all of them if fewer): M(.) plus a random 5 %.

    `candidates` are all images outside B that can be labelled, test marks among them. Chance is
    drawn by `iteration`, a number or a name that occurs once in the run. Several architectures'
    scores: by their mean rank. `train` is B, as a mask [N] or as items; only
    k-center needs it. Raises `InvalidAnswerError` where the scores lack what M(.) looks at.
    """
    views = (scores,) if isinstance(scores, Scores) else tuple(scores)
    n, key = len(views[0].pred), f"{config.seed}:batch:{iteration}"
    count = min(delta, len(candidates))
    blind = round(config.random_share * count)
    field = Field(candidates, views, _mask(n, train), key, config.weighing)
    first = count - blind
    ranked = ACQUISITIONS[config.acquisition](field, first) if first else candidates[:0]
    rest = candidates[~_mask(n, ranked)[candidates]]
    return np.concatenate([ranked, hash_draw(f"{key}:random", rest, blind)])


def _mask(n: int, items: BoolArray | IntArray | None) -> BoolArray:
    """Return these items as a mask [n]; a mask stays what it is."""
    if items is not None and items.dtype == np.bool_:
        return np.asarray(items, dtype=np.bool_)
    mask = np.zeros(n, dtype=np.bool_)
    if items is not None:
        mask[items] = True
    return mask


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
    share = left if criterion is Criterion.OVERALL else n
    steps = len(THETAS)
    return _cuts(uncertainty, [Fraction(k, steps) * share for k in range(1, steps + 1)])


def fine_thresholds(uncertainty: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return the cuts of the shares 1/count, 2/count, ..., 1 of the remainder, for the audit.

    `uncertainty` is the remainder's; ties at a cut all fall below it. An empty remainder gives
    cuts of -1, which no image meets.
    """
    left = len(uncertainty)
    return _cuts(uncertainty, [Fraction(k * left, count) for k in range(1, count + 1)])


def _cuts(uncertainty: NDArray[np.float32], sizes: list[Fraction]) -> NDArray[np.float32]:
    """Return the uncertainty at each rank, between the first and the last."""
    left = len(uncertainty)
    if left == 0:
        return np.full(len(sizes), -1.0, dtype=np.float32)
    ranks = [min(max(floor(size), 1), left) - 1 for size in sizes]
    return np.partition(uncertainty, sorted(set(ranks)))[ranks]


def machine_set(
    remainder: BoolArray, scores: Scores, cut: float, measure: str = "margin"
) -> IntArray:
    """Return S_tau: the items of the remainder with uncertainty <= cut, by number.

    `measure` is L(.), one of `types.MEASURES`.
    """
    return np.flatnonzero(remainder & (scores.by(measure) <= np.float32(cut))).astype(np.int64)
