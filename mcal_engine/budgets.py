"""What a budget still pays for. A run spends at most its budget in all (docs/algorithm.md).

The one sum that nobody knows beforehand is the time of a training: the next one is taken to last
`SLACK` times its forecast, and the first one, which has no forecast, is what it is.
"""

from __future__ import annotations

from math import floor, inf

import numpy as np

from mcal_engine import costs
from mcal_engine.types import McalState, Pool

SLACK = 1.25
ROUNDING = 1e-9


def labels_in_all(state: McalState, compute: float = 0.0) -> float:
    """Return how many human labels the budget pays for in all, those bought among them.

    `compute` dollars are still to come. inf without a budget, or where labels cost nothing.
    """
    budget, price = state.config.target.budget, state.config.prices.label
    if budget is None or price == 0:
        return inf
    dearer = state.spent_labels - state.bought * price  # bought at other prices
    return floor((budget - state.spent_compute - compute - dearer) / price + ROUNDING)


def pays(state: McalState, labels: int) -> bool:
    """Tell whether the budget pays for so many human labels in all."""
    return labels <= labels_in_all(state)


def room(state: McalState, pool: Pool) -> float:
    """Return how many labels can be bought beside the next training on what B then holds."""
    left = labels_in_all(state)
    if left == inf:
        return inf
    bought = int((pool.labels >= 0).sum())
    compute = next_trainings(state, int(pool.taught.sum()) + int(pool.ahead.sum()))
    return max(labels_in_all(state, SLACK * compute) - bought, 0)


def room_ahead(state: McalState, pool: Pool) -> int | None:
    """Return how many images people may label while the next training runs; None: any number."""
    found = room(state, pool)
    return None if found == inf else int(found)


def next_trainings(state: McalState, size: int) -> float:
    """Return dollars of training all live candidates on `size` images; 0 where none was timed."""
    seconds = sum(r.train_seconds + r.score_seconds for r in state.records)
    rate = state.spent_compute / seconds if seconds > 0 else 0.0
    at, total = np.array([float(max(size, 1))]), 0.0
    for arch in state.live:
        timed = tuple(record for record in state.records if record.arch == arch)
        if timed:
            total += float(costs.fit_compute(timed, state.config.cost_model).seconds(at)[0])
    return total * rate
