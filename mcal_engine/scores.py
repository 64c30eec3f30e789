"""Class probabilities -> predicted class and uncertainty = 1 - margin, without ties near zero.

A float32 softmax has many top probabilities equal to 1.0, so 1 - (p1 - p2) ties at zero exactly
where the machine-labelled set is cut. Computed from the small probabilities the same figure keeps
its relative precision: 1 - margin = (sum of all non-top probabilities) + p2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcal_engine.types import FloatArray, Scores

CHUNK = 65_536
AnyFloats = NDArray[np.floating[Any]]


def from_logits(logits: AnyFloats, model: str) -> Scores:
    """Score logits [N, C]; the uncertainty is exact to float32 down to about 1e-38."""
    return _in_chunks(logits, model, _exponentials)


def from_probabilities(probabilities: AnyFloats, model: str) -> Scores:
    """Score probabilities [N, C] whose small entries are accurate; rows need not sum to 1."""
    return _in_chunks(probabilities, model, lambda rows: rows.astype(np.float64))


def _exponentials(rows: AnyFloats) -> FloatArray:
    wide = rows.astype(np.float64)
    return np.asarray(np.exp(wide - wide.max(axis=1, keepdims=True)), dtype=np.float64)


def _in_chunks(values: AnyFloats, model: str, weigh: Callable[[AnyFloats], FloatArray]) -> Scores:
    """Work row block by row block, so that memory beyond the result stays constant."""
    n = len(values)
    pred = np.empty(n, dtype=np.uint16)
    uncertainty = np.empty(n, dtype=np.float32)
    for start in range(0, n, CHUNK):
        rows = slice(start, start + CHUNK)
        pred[rows], uncertainty[rows] = margin_uncertainty(weigh(values[rows]))
    return Scores(pred=pred, uncertainty=uncertainty, model=model)


def margin_uncertainty(weights: FloatArray) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
    """Return (argmax, 1 - margin) of non-negative weights [n, C] proportional to probabilities.

    The first class wins a tie for the top. The top weight is added last, so the small ones are
    never rounded away against it.
    """
    top = weights.argmax(axis=1)
    rest = weights.copy()
    np.put_along_axis(rest, top[:, None], 0.0, axis=1)
    others = rest.sum(axis=1)
    total = others + np.take_along_axis(weights, top[:, None], axis=1)[:, 0]
    uncertainty = (others + rest.max(axis=1)) / total
    tiny = np.finfo(np.float32).tiny  # a positive figure must not become a tie at zero
    uncertainty = np.where(uncertainty > 0, np.maximum(uncertainty, tiny), 0.0)
    return top.astype(np.uint16), uncertainty.astype(np.float32)
