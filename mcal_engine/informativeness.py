"""Informativeness: uncertain images that are like many others, so that outliers are not asked for.

With features z(x), normalised to length 1, and N_k(x) the k images most like x among those that
have no label (x itself is none of them):

    representativeness  R(x) = max(0, mean over y in N_k(x) of z(x) . z(y)),     in [0, 1]
    informativeness     I(x) = R(x)^a * U(x)^b

U is an uncertainty of 0 or more. a = 0 leaves the uncertainty, b = 0 the representativeness.
Gikunda ("Deep Active Learning with Budget Annotation") names the two parts and their purpose and
defines neither: the definitions are ours, after density-weighted active learning (Settles and
Craven, EMNLP 2008, Eq. 13), whose mean runs over all unlabelled images instead of the nearest.

Neighbours come from faiss: every pair is compared up to `EXACT` images; beyond, images are put into
cells around centres, and those of the nearest cells are compared. One thread and a fixed seed, so
that equal inputs give equal results.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcal_engine.config import EVEN, Weighing
from mcal_engine.errors import InvalidAnswerError
from mcal_engine.types import FloatArray, IntArray

EXACT = 20_000
"""Images up to which every pair is compared: about as quick as cells, and exact."""

LOOKED_INTO = 8
"""Cells of which images are compared, of about sqrt(n)."""

AnyFloats = NDArray[np.floating[Any]]
Floats32 = NDArray[np.float32]


def informativeness(
    features: AnyFloats, uncertainty: AnyFloats, weighing: Weighing = EVEN
) -> FloatArray:
    """Return R^a * U^b [n] of images with these `features` [n, d] and `uncertainty` [n].

    All images given count as unlabelled. Raises `InvalidAnswerError` for values that are not
    finite numbers, or a negative uncertainty.
    """
    if len(features) != len(uncertainty):
        raise InvalidAnswerError("features and uncertainty must be of the same images")
    if not np.isfinite(features).all() or not np.isfinite(uncertainty).all():
        raise InvalidAnswerError("features and uncertainty must be finite numbers")
    if len(uncertainty) and uncertainty.min() < 0:
        raise InvalidAnswerError("an uncertainty is 0 or more")
    found = uncertainty.astype(np.float64) ** weighing.uncertainty
    if weighing.representativeness == 0:
        return np.asarray(found)
    like = representativeness(features, weighing.neighbours).astype(np.float64)
    return np.asarray(found * like**weighing.representativeness)


def representativeness(features: AnyFloats, neighbours: int) -> Floats32:
    """Return R [n], the mean cosine similarity to the `neighbours` most similar of the others.

    Of fewer images all others count; a single one represents itself (1). A feature that is all
    zeros is like nothing (0). Takes the features as float32 twice.
    """
    n, most = len(features), min(neighbours, len(features) - 1)
    if most < 1:
        return np.ones(n, dtype=np.float32)
    points = _normalised(features)
    return np.clip(_mean_of_nearest(points, most), 0.0, 1.0).astype(np.float32)


def _normalised(features: AnyFloats) -> Floats32:
    points = features.astype(np.float32)
    lengths = np.sqrt(np.einsum("nd,nd->n", points, points, dtype=np.float64))
    points /= np.maximum(lengths, np.finfo(np.float32).tiny).astype(np.float32)[:, None]
    return points


def _mean_of_nearest(points: Floats32, most: int) -> FloatArray:
    """Return the mean product with the `most` nearest others [n]; 0 for those not found."""
    like, items = _nearest(points, most + 1)
    others = (items >= 0) & (items != np.arange(len(points))[:, None])
    kept = others & (np.cumsum(others, axis=1) <= most)  # one too many where it missed itself
    return np.asarray(np.where(kept, like, 0.0).sum(axis=1) / most)


def _nearest(points: Floats32, count: int) -> tuple[Floats32, IntArray]:
    """Return products [n, count], the largest first, and of which images; -1 for none found."""
    import faiss  # noqa: PLC0415 - 65 MB that only this M(.) needs

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        index: Any = faiss.IndexFlatIP(points.shape[1])
        if len(points) > EXACT:
            cells = round(len(points) ** 0.5)
            index = faiss.IndexIVFFlat(index, points.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
            index.train(points)
            index.nprobe = LOOKED_INTO
        index.add(points)
        like, items = index.search(points, count)
        return like, items
    finally:
        faiss.omp_set_num_threads(threads)
