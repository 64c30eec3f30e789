"""M(.): how the images that people label next are ranked. Each is blind to the test marks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcal_engine import kcenter
from mcal_engine.errors import InvalidAnswerError
from mcal_engine.orders import hash_draw, hash_order
from mcal_engine.types import BoolArray, FloatArray, IntArray, Scores

MOST_NUMBERS = 2**25
"""Features that k-center holds as float32 (128 MiB): beyond, it looks at a part of the pool."""


@dataclass(frozen=True)
class Field:
    """What M(.) may look at: `candidates` are all images outside B that can be labelled.

    One `Scores` per live architecture, the leader first; `train` is B [N]; `key` orders ties.
    """

    candidates: IntArray
    scores: tuple[Scores, ...]
    train: BoolArray
    key: str


Acquisition = Callable[[Field, int], IntArray]
"""(field, how many, fewer than the candidates or all) -> items, the first to label first."""


def by_margin(field: Field, count: int) -> IntArray:
    """Take the smallest margins between the two likeliest classes."""
    return _least_certain(field, count, "margin")


def by_entropy(field: Field, count: int) -> IntArray:
    """Take the highest entropies of the class probabilities."""
    return _least_certain(field, count, "entropy")


def by_least_confidence(field: Field, count: int) -> IntArray:
    """Take the lowest top probabilities."""
    return _least_certain(field, count, "least_confidence")


def by_k_center(field: Field, count: int) -> IntArray:
    """Take the images farthest from B in the last hidden layer, greedily (`kcenter.greedy`).

    The features of the first architecture that has them. With d features, at most
    `MOST_NUMBERS` / d candidates, drawn by hash, are looked at (65,536 at d = 512), but no
    fewer than are wanted. Raises `InvalidAnswerError` without features of all N images.
    """
    features = _features(field)
    most = max(MOST_NUMBERS // max(features.shape[1], 1), count)
    looked_at = hash_draw(f"{field.key}:k_center", field.candidates, most)
    looked_at = hash_order(field.key, looked_at)  # equal distances go to the earlier one
    points, centers = features[looked_at], features[field.train]
    if not (np.isfinite(points).all() and np.isfinite(centers).all()):
        raise InvalidAnswerError("the training left features that are not finite numbers")
    return looked_at[kcenter.greedy(points, centers, count)]


def by_chance(field: Field, count: int) -> IntArray:
    """Take uniformly random images."""
    return hash_draw(field.key, field.candidates, count)


ACQUISITIONS: dict[str, Acquisition] = {
    "margin": by_margin,
    "entropy": by_entropy,
    "least_confidence": by_least_confidence,
    "k_center": by_k_center,
    "random": by_chance,
}


def _features(field: Field) -> NDArray[np.float16]:
    found = next((s.features for s in field.scores if s.features is not None), None)
    if found is None:
        raise InvalidAnswerError("k-center needs the features of the last hidden layer")
    if found.ndim != 2 or len(found) != len(field.train):
        raise InvalidAnswerError(f"the features must have {len(field.train)} rows")
    return found


def _least_certain(field: Field, count: int, measure: str) -> IntArray:
    """Take the least certain images; ties by the stored seed's order, then item number."""
    unsure, chosen = _unsure(field, measure), field.candidates
    if count < len(chosen):
        here = unsure[chosen]
        cut = np.partition(here, len(here) - count)[len(here) - count]
        above, tied = chosen[here > cut], hash_order(field.key, chosen[here == cut])
        chosen = np.concatenate([above, tied[: count - len(above)]])
    order = hash_order(field.key, chosen)
    return order[np.argsort(-unsure[order], kind="stable")]


def _unsure(field: Field, measure: str) -> NDArray[np.floating[Any]]:
    """Return the uncertainty [N]; of several architectures the mean rank over the candidates."""
    views = [scores.by(measure) for scores in field.scores]
    if len(views) == 1:
        return views[0]
    unsure = np.zeros(len(field.train))
    for view in views:
        unsure[field.candidates] += _ranks(view[field.candidates]) / len(views)
    return unsure


def _ranks(values: NDArray[np.float32]) -> FloatArray:
    """Return ranks in (0, 1), equal values the mean of theirs: models differ in their scale."""
    _, kinds, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(middle[kinds] / (len(values) + 1))
