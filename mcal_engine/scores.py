"""Class probabilities -> predicted class and three uncertainties, without ties near zero.

A float32 softmax has many top probabilities equal to 1.0, so 1 - (p1 - p2) ties at zero exactly
where the machine-labelled set is cut. Computed from the small probabilities the same figures keep
their relative precision. With q = sum of all non-top probabilities, p1 the top, p2 the second:

    margin             1 - (p1 - p2)     = q + p2
    least confidence   1 - p1            = q
    entropy in nats    - sum of p log p  = - sum over non-top of p log p  -  p1 log1p(-q)
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mcal_engine.types import FloatArray, Scores

BLOCK = 65_536
"""Weights worked on at a time: few enough to stay in a core's cache."""

AnyFloats = NDArray[np.floating[Any]]
Floats32 = NDArray[np.float32]


class Uncertainties(NamedTuple):
    """Predicted class and the three uncertainties of each row; entropy in nats."""

    pred: NDArray[np.uint16]
    margin: Floats32
    least: Floats32
    entropy: Floats32


def from_logits(logits: AnyFloats, model: str, *, margin_only: bool = False) -> Scores:
    """Score logits [N, C]; the uncertainties are exact to float32 down to about 1e-38."""

    def weights(rows: slice) -> FloatArray:
        wide = logits[rows].astype(np.float64)
        with np.errstate(invalid="ignore"):  # an infinite logit: NaN, which the driver refuses
            return np.asarray(np.exp(wide - wide.max(axis=1, keepdims=True)), dtype=np.float64)

    return from_chunks(weights, logits.shape, model, margin_only=margin_only)


def from_probabilities(
    probabilities: AnyFloats, model: str, *, margin_only: bool = False
) -> Scores:
    """Score probabilities [N, C] whose small entries are accurate; rows need not sum to 1."""
    shape = probabilities.shape
    return from_chunks(lambda rows: probabilities[rows], shape, model, margin_only=margin_only)


def from_chunks(
    weights: Callable[[slice], AnyFloats],
    shape: tuple[int, ...],
    model: str,
    *,
    margin_only: bool = False,
    threads: int = 1,
) -> Scores:
    """Score N x C weights that are made block by block: memory beyond the result stays constant.

    `weights(rows)` returns those rows; with several threads it is called from all of them.
    """
    n, classes = shape
    found = _empty(n)
    size = max(1, BLOCK // max(classes, 1))

    def work(first: int) -> None:
        for start in range(first * size, n, threads * size):
            rows = slice(start, min(start + size, n))
            _fill(found, rows, weights(rows), margin_only)

    with ThreadPoolExecutor(threads) as workers:
        list(workers.map(work, range(threads)))
    if margin_only:
        return Scores(found.pred, found.margin, model)
    return Scores(found.pred, found.margin, model, found.least, found.entropy)


def _fill(found: Uncertainties, rows: slice, block: AnyFloats, margin_only: bool) -> None:
    if margin_only:
        found.pred[rows], found.margin[rows] = margin_uncertainty(block)
        return
    part = uncertainties(block)
    found.pred[rows], found.margin[rows] = part.pred, part.margin
    found.least[rows], found.entropy[rows] = part.least, part.entropy


def _empty(n: int) -> Uncertainties:
    margin, least, entropy = (np.empty(n, dtype=np.float32) for _ in range(3))
    return Uncertainties(np.empty(n, dtype=np.uint16), margin, least, entropy)


def uncertainties(weights: AnyFloats) -> Uncertainties:
    """Return the class and all uncertainties of non-negative weights [n, C], any row sums.

    The first class wins a tie for the top. Rows that are all zero or hold NaN give NaN.
    """
    top, tops, rest = _apart(weights)
    others = rest.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = others + tops
        margin, least = (others + rest.max(axis=1)) / total, others / total
        entropy = _entropy(rest, tops / total, least, total)
    return Uncertainties(top.astype(np.uint16), narrow(margin), narrow(least), narrow(entropy))


def entropies(weights: AnyFloats) -> FloatArray:
    """Return only the entropy in nats of non-negative weights [n, C], unrounded float64."""
    _, tops, rest = _apart(weights.astype(np.float64, copy=False))
    others = rest.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = others + tops
        return np.asarray(_entropy(rest, tops / total, others / total, total), dtype=np.float64)


def margin_uncertainty(weights: AnyFloats) -> tuple[NDArray[np.uint16], Floats32]:
    """Return only (argmax, 1 - margin) of non-negative weights [n, C]: no logarithms."""
    top, tops, rest = _apart(weights)
    others = rest.sum(axis=1)
    with np.errstate(invalid="ignore"):
        margin = (others + rest.max(axis=1)) / (others + tops)
    return top.astype(np.uint16), narrow(margin)


def _apart(weights: AnyFloats) -> tuple[NDArray[np.intp], AnyFloats, AnyFloats]:
    """Return the top class [n], its weight [n] and a copy of the weights without it [n, C].

    The top stands apart so that the small ones are never rounded away against it.
    """
    wide = np.result_type(weights, np.float32)
    top = weights.argmax(axis=1)
    rest = weights.astype(wide, order="C")
    every = np.arange(len(weights))
    tops = rest[every, top]
    rest[every, top] = 0.0
    return top, tops, rest


def _entropy(rest: AnyFloats, first: AnyFloats, others: AnyFloats, total: AnyFloats) -> AnyFloats:
    """Return the entropy in nats; `rest` is overwritten. Shares: `first` p1, `others` q."""
    rest /= total[:, None]
    logs = np.log(np.maximum(rest, np.finfo(rest.dtype).tiny))  # 0 log 0 = 0
    logs *= rest
    return np.asarray(-(logs.sum(axis=1) + first * np.log1p(-others)))


def narrow(values: AnyFloats) -> Floats32:
    """Round to float32; a positive figure does not become a tie at zero."""
    tiny = np.finfo(np.float32).tiny
    return np.where(values > 0, np.maximum(values, tiny), values).astype(np.float32)
