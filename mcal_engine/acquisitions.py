"""M(.): how the images that people label next are ranked. Each is blind to the test marks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcal_engine import kcenter
from mcal_engine.config import EVEN, Weighing
from mcal_engine.errors import InvalidAnswerError
from mcal_engine.informativeness import informativeness
from mcal_engine.orders import hash_draw, hash_order
from mcal_engine.types import ENSEMBLE_MEASURES, BoolArray, FloatArray, IntArray, Scores

MOST_NUMBERS = 2**25
"""Features that are held as float32 (128 MiB): beyond, M(.) looks at a part of the pool."""


@dataclass(frozen=True)
class Field:
    """What M(.) may look at: `candidates` are all images outside B that can be labelled.

    One `Scores` per live architecture, the leader first; `train` is B [N]; `key` orders ties;
    `weighing` is for `informativeness`.
    """

    candidates: IntArray
    scores: tuple[Scores, ...]
    train: BoolArray
    key: str
    weighing: Weighing = EVEN


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
    looked_at = _looked_at(field, features, count, "k_center")
    looked_at = hash_order(field.key, looked_at)  # equal distances go to the earlier one
    points, centers = features[looked_at], features[field.train]
    if not (np.isfinite(points).all() and np.isfinite(centers).all()):
        raise InvalidAnswerError("the training left features that are not finite numbers")
    return looked_at[kcenter.greedy(points, centers, count)]


def by_mutual_information(field: Field, count: int) -> IntArray:
    """Take the images on which an ensemble's members disagree most (`ensembles`, Eq. 4).

    Raises `InvalidAnswerError` for scores of a single model, which agrees with itself.
    """
    return _least_certain(field, count, "mutual_information")


def by_variation_ratios(field: Field, count: int) -> IntArray:
    """Take the images with the most members outside the largest camp (`ensembles`, Eq. 5).

    There are only E values, so ties are many: mutual information breaks them. Raises
    `InvalidAnswerError` for scores of a single model.
    """
    views = [_places(s.by("variation_ratios"), s.by("mutual_information")) for s in field.scores]
    return _highest(field, count, _together(field, views))


def by_informativeness(field: Field, count: int) -> IntArray:
    """Take images that the model is unsure of and that are like many others without a label.

    Ranks by `informativeness.informativeness` of the margin and of the features of the first
    architecture that has them, weighed by `field.weighing`. Looks at as many candidates as
    `by_k_center`; where the representativeness has no weight, at all of them, by margin alone.
    Raises `InvalidAnswerError` without features of all N images.
    """
    if field.weighing.representativeness == 0:
        return by_margin(field, count)
    features = _features(field)
    looked_at = np.sort(_looked_at(field, features, count, "informativeness"))
    unsure = _together(field, [s.by("margin") for s in field.scores])
    found = np.zeros(len(field.train))
    found[looked_at] = informativeness(features[looked_at], unsure[looked_at], field.weighing)
    return _highest(replace(field, candidates=looked_at), count, found)


def by_chance(field: Field, count: int) -> IntArray:
    """Take uniformly random images."""
    return hash_draw(field.key, field.candidates, count)


ACQUISITIONS: dict[str, Acquisition] = {
    "margin": by_margin,
    "entropy": by_entropy,
    "least_confidence": by_least_confidence,
    "k_center": by_k_center,
    "mutual_information": by_mutual_information,
    "variation_ratios": by_variation_ratios,
    "informativeness": by_informativeness,
    "random": by_chance,
}


NEEDS_FEATURES = frozenset({"k_center", "informativeness"})
"""These look at the last hidden layer; a training request asks for it."""


def can_use(acquisition: str, *views: Scores) -> bool:
    """Tell whether M(.) finds what it needs in the race's scores: it may have been chosen since.

    Disagreement must be there of every candidate, features of one.
    """
    if acquisition in ENSEMBLE_MEASURES:
        return all(s.mutual is not None and s.variation is not None for s in views)
    return acquisition not in NEEDS_FEATURES or any(s.features is not None for s in views)


def _features(field: Field) -> NDArray[np.float16]:
    found = next((s.features for s in field.scores if s.features is not None), None)
    if found is None:
        raise InvalidAnswerError("this M(.) needs the features of the last hidden layer")
    if found.ndim != 2 or len(found) != len(field.train):
        raise InvalidAnswerError(f"the features must have {len(field.train)} rows")
    return found


def _looked_at(field: Field, features: NDArray[np.float16], count: int, name: str) -> IntArray:
    """Draw the candidates whose features fit into `MOST_NUMBERS`, no fewer than are wanted."""
    most = max(MOST_NUMBERS // max(features.shape[1], 1), count)
    return hash_draw(f"{field.key}:{name}", field.candidates, most)


def _least_certain(field: Field, count: int, measure: str) -> IntArray:
    """Take the images that are highest in this measure of uncertainty."""
    return _highest(field, count, _together(field, [s.by(measure) for s in field.scores]))


def _highest(field: Field, count: int, unsure: NDArray[np.floating[Any]]) -> IntArray:
    """Take the highest of `unsure` [N]; ties by the stored seed's order, then item number."""
    chosen = field.candidates
    if count < len(chosen):
        here = unsure[chosen]
        cut = np.partition(here, len(here) - count)[len(here) - count]
        above, tied = chosen[here > cut], hash_order(field.key, chosen[here == cut])
        chosen = np.concatenate([above, tied[: count - len(above)]])
    order = hash_order(field.key, chosen)
    return order[np.argsort(-unsure[order], kind="stable")]


def _together(
    field: Field, views: Sequence[NDArray[np.floating[Any]]]
) -> NDArray[np.floating[Any]]:
    """Return the uncertainty [N]; of several architectures the mean rank over the candidates."""
    if len(views) == 1:
        return views[0]
    unsure = np.zeros(len(field.train))
    for view in views:
        unsure[field.candidates] += _ranks(view[field.candidates]) / len(views)
    return unsure


def _places(first: NDArray[np.float32], second: NDArray[np.float32]) -> FloatArray:
    """Return each image's place [N] by `first` and, where that ties, by `second`: 0 is lowest.

    Images that tie in both share a place.
    """
    order = np.lexsort((second, first))
    pairs = np.stack([first[order], second[order]])
    new = np.any(pairs[:, 1:] != pairs[:, :-1], axis=0)
    places = np.zeros(len(first))
    places[order[1:]] = np.cumsum(new)
    return places


def _ranks(values: NDArray[np.floating[Any]]) -> FloatArray:
    """Return ranks in (0, 1), equal values the mean of theirs: models differ in their scale."""
    _, kinds, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(middle[kinds] / (len(values) + 1))
