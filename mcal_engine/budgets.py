"""What a budget still pays for. A run spends at most its budget in all (docs/algorithm.md).

The one sum that nobody knows beforehand is the time of a training: the next one is taken to last
`SLACK` times its forecast, and the first one, which has no forecast, is what it is.
"""

from __future__ import annotations

from math import ceil, floor, inf

import numpy as np

from mcal_engine import costs, evidence, guarantees
from mcal_engine.errors import BudgetTooSmallError
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


# --- opening again ------------------------------------------------------------------------------


def check_reopening(state: McalState, pool: Pool, marks: int, bound: float) -> None:
    """Raise `BudgetTooSmallError` where opening a run again could only make its promise worse.

    `state` and `pool` are those of the opened run, `marks` the test labels that new images cost,
    `bound` the share of wrong labels that its certificate left possible.
    """
    budget = state.config.target.budget
    if budget is None or state.config.prices.label == 0:
        return
    least = least_to_reopen(state, pool, marks, bound)
    if budget < least - ROUNDING:
        raise BudgetTooSmallError(
            f"opening again within a budget of ${budget:,.2f} could only make the promise worse: it "
            f"takes ${cents_above(least):,.2f} or more",
            least,
        )


def cents_above(dollars: float) -> float:
    """Return the least whole number of cents that pays for it, in dollars."""
    return ceil(100 * dollars - 100 * ROUNDING) / 100


def least_to_reopen(state: McalState, pool: Pool, marks: int, bound: float) -> float:
    """Return the dollars, those spent among them, without which no promise is in reach.

    They pay for the marks, for a training that lasts `SLACK` times its forecast, and under
    certificate A for the shortest audit that could show what the old certificate or the target
    allows: one that finds no wrong label (of a whole set, for each label by hand is one less for
    the audit and one image less to be judged).
    """
    config = state.config
    new = max(state.coming - config.n, 0)
    n = new + int((~pool.excluded).sum())
    bought = int((pool.labels >= 0).sum()) + marks
    open_ones = n - int(((pool.labels >= 0) & ~pool.excluded).sum()) - marks
    allowed = max(floor(bound * n + ROUNDING), guarantees.allowance(config.target.epsilon, n, n))
    audit = 0
    if guarantees.is_audited(config.target):
        level = evidence.level(config.target.alpha, state.attempts + 1)
        audit = faultless_audit(open_ones, allowed, level)
    compute = next_trainings(state, int(pool.taught.sum()) + int(pool.ahead.sum()))
    dearer = state.spent_labels - state.bought * config.prices.label
    paid = state.spent_compute + dearer + SLACK * compute
    return paid + (bought + audit) * config.prices.label


def faultless_audit(size: int, allowed: int, level: float) -> int:
    """Return how many right labels in a row show that a set of `size` has at most `allowed` wrong.

    No e-value can say it earlier: it is at most 1 / P(no wrong one among them | one too many).
    """
    low, high = 0, max(size - allowed, 0)
    while low < high:
        middle = (low + high) // 2
        chance = guarantees.hypergeometric_cdf(0, size, allowed + 1, middle)
        if chance <= level * (1 + guarantees.ROUNDING):
            high = middle
        else:
            low = middle + 1
    return low
