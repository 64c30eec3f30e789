"""What relaxing epsilon buys: |S| of the present model under other error targets, all else equal.

Nothing is trained and no curve is fitted: each target is put to the model that there is, as
stopping now would put it (`stopping.unlimited`). For audits the size is the one that is expected
to be certified.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mcal_engine import guarantees, stopping
from mcal_engine.stopping import Present
from mcal_engine.types import FloatArray
from mcal_engine.whatif import Basis


@dataclass(frozen=True)
class Point:
    """One target: images that keep a machine label, the audit's labels, the final total.

    `low`, `high` bound the size with 80 % probability; `error` is the share of X to be expected
    (certificate A) or bounded (B).
    """

    epsilon: float
    size: int
    low: float
    high: float
    audit: int
    cost: float
    error: float


def curve(known: Basis, epsilons: Sequence[float]) -> list[Point]:
    """Return what the leader would be allowed to label under each target, if stopped now."""
    return [_point(known, float(epsilon)) for epsilon in epsilons]


def _point(known: Basis, epsilon: float) -> Point:
    state, view = known.state, known.views[0]
    config = replace(state.config, target=replace(state.config.target, epsilon=epsilon))
    walk = guarantees.EMPTY
    if not guarantees.is_audited(config.target):
        walk = guarantees.walk(view.counted, config.target, view.now.live)
    repriced = state.spent_labels - state.bought * config.prices.label
    spent = state.spent_compute + repriced
    now = replace(view.now, config=config, spent=spent, walk=walk, attempts=known.attempts)
    found = stopping.unlimited(now, view.drawn)
    low, high = np.quantile(_kept(found, now.n, spent, now.price), [0.1, 0.9])
    size = found.size
    return Point(
        epsilon=epsilon,
        size=size,
        low=float(min(low, size)),
        high=float(max(high, size)),
        audit=found.audit,
        cost=found.cost,
        error=found.error,
    )


def _kept(found: Present, n: int, spent: float, price: float) -> FloatArray:
    """Return the images left to the machine per draw [draws], from what the draws cost."""
    if price == 0:
        return np.full(1, float(found.size))
    return np.asarray(n - (found.totals - spent) / price)
