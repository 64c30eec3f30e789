"""Scores in few bytes: the order of all images is kept exactly, their values nearly.

Every decision of the engine hangs on the order of the uncertainties, none on their values, so a
recording keeps each image's dense rank (about 2 bytes after compression) and the values of some
ranks. Between two such knots the bit patterns of the float32 values are interpolated: they grow
with the value, and distinct values have distinct patterns, so ranks and ties survive exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcal_engine.errors import DataError
from mcal_engine.types import IntArray

KNOTS = 2048
MOST = 2**24  # ranks have three bytes


@dataclass(frozen=True)
class Coded:
    """One measure of uncertainty of N images: ranks as `low` + 65,536 `high`, values at knots."""

    low: NDArray[np.uint16]  # [N]
    high: NDArray[np.uint8]  # [N]
    knots: NDArray[np.uint32]  # bit patterns of float32, at most KNOTS

    @property
    def ranks(self) -> IntArray:
        """Return the dense ranks [N]: equal values have equal ranks, 0 is the most certain."""
        return self.low.astype(np.int64) | (self.high.astype(np.int64) << 16)


def encode(values: NDArray[np.float32]) -> Coded:
    """Code finite, non-negative values [N]. Raises `DataError` for others or over 2^24 levels."""
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise DataError("only finite uncertainties of 0 or more can be recorded")
    distinct, ranks = np.unique(values.astype(np.float32) + np.float32(0), return_inverse=True)
    if len(distinct) > MOST:
        raise DataError(f"{len(distinct)} levels of uncertainty are too many to record")
    knots = np.ascontiguousarray(distinct[_knot_ranks(len(distinct))]).view(np.uint32)
    return Coded((ranks & 0xFFFF).astype(np.uint16), (ranks >> 16).astype(np.uint8), knots)


def decode(coded: Coded) -> NDArray[np.float32]:
    """Return values [N] of the same order and ties as the coded ones; exact at the knots."""
    ranks = coded.ranks
    if len(ranks) == 0:
        return np.empty(0, dtype=np.float32)
    levels = int(ranks.max()) + 1
    at, bits = _knot_ranks(levels), coded.knots.astype(np.int64)
    if len(at) != len(bits):
        raise DataError("the recorded scores are damaged: ranks and knots do not match")
    every = np.arange(levels)
    left = np.clip(np.searchsorted(at, every, side="right") - 1, 0, max(len(at) - 2, 0))
    right = np.minimum(left + 1, len(at) - 1)
    width = np.maximum(at[right] - at[left], 1)
    between = bits[left] + (bits[right] - bits[left]) * (every - at[left]) // width
    values: NDArray[np.float32] = between.astype(np.uint32).view(np.float32)
    return values[ranks]


def _knot_ranks(levels: int) -> IntArray:
    """Return the ranks whose values are kept: all, or at most KNOTS, dense at both thin ends."""
    if levels <= KNOTS:
        return np.arange(levels)
    shares = np.sin(np.linspace(0, np.pi / 2, KNOTS)) ** 2
    return np.unique(np.rint((levels - 1) * shares).astype(np.int64))
