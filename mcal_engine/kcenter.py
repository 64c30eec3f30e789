"""Greedy k-center: take the image that is farthest from all that are taken, again and again.

Sener and Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach",
ICLR 2018, Algorithm 1; the paper's k-center M(.) (Sec. 5). Distances are Euclidean, in float32.

The plain algorithm passes over all candidates once per taken image, at the speed of memory. Here
a batch of taken images waits: a distance can only shrink, so an old one is an upper limit, and as
long as the farthest of a few (brought up to date one by one) is beyond the limits of all others
it is the true farthest. Then the waiting images are taken into account by one matrix product.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

AnyFloats = NDArray[np.floating[Any]]
Floats32 = NDArray[np.float32]

FRONT = 1024
"""Candidates whose distances are kept up to date between two products."""
WAITING = 128
"""Most images taken between two products."""
ROWS, CENTERS = 4096, 256
"""Candidates and centres of one product: their distances stay in the cache (4 MiB)."""


def greedy(features: AnyFloats, centers: AnyFloats, count: int) -> NDArray[np.int64]:
    """Return `count` places in `features` [m, d], the farthest from `centers` [c, d] first.

    With no centres the first place is taken first; equal distances go to the earlier place.
    All places if they are fewer. Needs the features once more as float32 and a few MiB.
    """
    if len(features) == 0:
        return np.empty(0, dtype=np.int64)
    middle = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    points = features.astype(np.float32)
    points -= middle  # small norms: small rounding
    squares = _squares(points)
    far = np.full(len(points), np.inf, dtype=np.float32)
    for start in range(0, len(centers), CENTERS):
        _shrink(far, points, squares, centers[start : start + CENTERS].astype(np.float32) - middle)
    taken: list[int] = []
    while len(taken) < count and far.max() > 0:
        new = _take(far, points, squares, count - len(taken))
        taken += new
        _shrink(far, points, squares, points[new])
        far[taken] = -np.inf
    places = np.array(taken, dtype=np.int64)
    same = np.flatnonzero(far > -np.inf)  # copies of taken points, when nothing else is left
    return np.concatenate([places, same[: count - len(places)]])


def _take(far: Floats32, points: Floats32, squares: Floats32, most: int) -> list[int]:
    """Take up to `most` points, at least one, as long as the farthest one is surely in front."""
    front, limit = _front(far)
    near, around = far[front], points[front]
    gaps = _gaps(around, squares[front], around)
    taken: list[int] = []
    while len(taken) < min(most, WAITING):
        best = int(near.argmax())
        if near[best] <= 0 or near[best] < limit:
            break
        taken.append(int(front[best]))
        np.minimum(near, gaps[best], out=near)
        near[best] = -np.inf
    return taken


def _front(far: Floats32) -> tuple[NDArray[np.int64], np.float32]:
    """Return the `FRONT` farthest points by place, and a limit of all other distances.

    Of those exactly at the limit the earliest are in front.
    """
    if len(far) <= FRONT:
        return np.arange(len(far)), np.float32(-np.inf)
    limit = np.partition(far, len(far) - FRONT)[len(far) - FRONT]
    beyond, at = np.flatnonzero(far > limit), np.flatnonzero(far == limit)
    return np.sort(np.concatenate([beyond, at[: FRONT - len(beyond)]])), limit


def _shrink(far: Floats32, points: Floats32, squares: Floats32, centers: Floats32) -> None:
    """Lower each squared distance to that of the nearest of these centres, block by block."""
    for first in range(0, len(points), ROWS):
        rows = slice(first, first + ROWS)
        nearest = _gaps(points[rows], squares[rows], centers).min(axis=0)
        np.minimum(far[rows], np.maximum(nearest, 0), out=far[rows])


def _gaps(points: Floats32, squares: Floats32, centers: Floats32) -> Floats32:
    """Return the squared distances [c, m] of m points to c centres; rounding may go below 0."""
    gaps = np.asarray((-2 * centers) @ points.T, dtype=np.float32)
    gaps += _squares(centers)[:, None]
    gaps += squares
    return gaps


def _squares(points: Floats32) -> Floats32:
    return np.asarray(np.einsum("nd,nd->n", points, points), dtype=np.float32)
