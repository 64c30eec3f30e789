"""What stopping now delivers and costs: the plan that needs no forecast, always in the list."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor

import numpy as np
from scipy.special import betaincinv

from mcal_engine import audit, curves, delivery, guarantees, situation
from mcal_engine.situation import Situation
from mcal_engine.types import Criterion, FloatArray

SPLITS = np.linspace(0.0, 1.0, 21)
"""Shares of the labels that a budget leaves which may go into the audit of the forced set."""
AS_GOOD = 1.05  # a bound that near to the least one is as good: a smaller audit errs less
WORTH_AUDITING = 0.05  # of X: if a faultless model saved less after its audit, nobody would train


@dataclass(frozen=True)
class Present:
    """What the present model delivers. Sizes in images, money in dollars, errors as shares of X.

    `size` is |S| in the end, `wanted` the set that is chosen, `audit` the labels that its audit
    takes out of it. `error` is bounded by certificate B, estimated in the paper modes, expected
    under A. `forced`: the budget chose the set, the target did not; its audit then takes the share
    `audit_share` of the labels that are left. `totals` [draws] is the cost per drawn curve.
    """

    size: int
    audit: int
    wanted: int
    cost: float
    error: float
    theta: float
    totals: FloatArray
    forced: bool = False
    audit_share: float = 0.0


def present(now: Situation, drawn: curves.Curves | None = None) -> Present:
    """Return what stopping now delivers under the run's promise and within its budget.

    `drawn` are the run's fitted curves; they are fitted here where they are not given.
    """
    drawn = situation.fitted(now) if drawn is None else drawn
    found = unlimited(now, drawn)
    budget = now.config.target.budget
    if budget is None or found.cost <= budget:
        return found
    return forced(now, drawn, budget) or found


def present_rates(
    now: Situation, sizes: FloatArray, drawn: curves.Curves | None = None
) -> FloatArray:
    """Return error rates [draws, sets] of the present model's `sizes` most certain images."""
    drawn = situation.fitted(now) if drawn is None else drawn
    at = np.array([float(now.records[-1].train_size)])
    shares = situation.relative(now, np.asarray(sizes, dtype=np.float64)[None])
    return np.asarray(drawn.rates(at, shares)[:, 0])


def unlimited(now: Situation, drawn: curves.Curves) -> Present:
    """Return what stopping now delivers under the run's promise, whatever it costs.

    With labels for nothing people label everything: no machine label could save a cent.
    """
    if now.price == 0:
        return _nothing(now)
    if now.audited:
        return _audited(now, drawn)
    walk = now.walk
    if walk.accepted is None:
        return _nothing(now)
    return _present(now, walk.size, 0, walk.wrong / max(now.n, 1))


def _nothing(now: Situation) -> Present:
    return _present(now, 0, 0, 0.0)


def _present(now: Situation, size: int, labels: int, error: float) -> Present:
    cost = (now.n - size) * now.price + now.spent
    whole = now.n if now.config.target.criterion is Criterion.PER_S else now.remainder
    return Present(
        size=size,
        audit=labels,
        wanted=size + labels,
        cost=cost,
        error=error,
        theta=(size + labels) / max(whole, 1),
        totals=np.full(curves.DRAWS, cost),
    )


def _audited(now: Situation, drawn: curves.Curves) -> Present:
    """Choose the set by expected total cost over the draws, as the audit will."""
    sizes = np.floor(delivery.FINE * now.remainder)
    rates = present_rates(now, sizes, drawn)
    allowed = np.floor(delivery.allowed_wrong(now, sizes))
    level = audit.level(now.config.target.alpha, now.attempts + 1)
    needs = audit.expected_labels(rates, sizes, allowed, level)
    choice = audit.choose(sizes, allowed, rates, now.n, level, needs)
    if choice is None or floor(choice.size) <= 0:
        return _nothing(now)
    size = floor(choice.size)
    wrong = float(rates[:, choice.index].mean()) * size
    found = _present(now, size, int(sizes[choice.index]) - size, wrong / max(now.n, 1))
    kept = _per_draw(sizes, needs, choice.index)
    kept += choice.size - kept.mean() + found.audit * (1.0 - delivery.audit_luck(len(kept)))
    return replace(found, totals=(now.n - kept) * now.price + now.spent)


def _per_draw(sizes: FloatArray, needs: FloatArray, index: int) -> FloatArray:
    """Return what each draw [draws] delivers: the chosen set, or the best smaller one."""
    spent = float(np.median(needs[np.isfinite(needs[:, index]), index]))
    sets = audit.fallbacks(sizes, index)
    labels = np.maximum(needs[:, sets], spent * sizes[sets] / sizes[index])
    labels[:, -1] = needs[:, index]
    return np.asarray(np.maximum(sizes[sets] - labels, 0.0).max(axis=1))


# --- budget -----------------------------------------------------------------------------------


def forced(now: Situation, drawn: curves.Curves, budget: float) -> Present | None:
    """Return stopping now with the labels that the budget still pays; None where they are free.

    The machine then labels the rest, whatever its error (paper, Sec. 4).
    """
    if now.price == 0:
        return None
    labels = floor((budget - now.spent) / now.price + 1e-9)  # of all n images, those paid already
    unlabelled = max(now.remainder - now.checked, 0)
    size = min(max(now.n - labels, 0), unlabelled)
    left = max(labels - now.trained - now.ahead - now.marked - now.checked, 0)
    tried = forced_audit(now, drawn, size, min(left, unlabelled - size))
    wanted = size + tried
    rates = present_rates(now, np.array([float(max(wanted, 1))]), drawn)
    found = _present(now, size, tried, float(rates.mean()) * size / max(now.n, 1))
    return replace(found, forced=True, audit_share=tried / max(left, 1))


def forced_audit(now: Situation, drawn: curves.Curves, size: int, most: int) -> int:
    """Return how many labels, at most `most`, audit a forced set of which `size` images stay.

    People label what the audit leaves, the least certain images. So a longer audit tells more of a
    set that is larger and has more errors. Least is best: the bound on the errors that are left,
    were the audit to find what the curves forecast (Clopper-Pearson at the audit's level).
    """
    if not now.audited or size == 0 or most <= 0:
        return 0
    tried = np.unique(np.rint(SPLITS * most))
    wrong = tried * present_rates(now, size + tried, drawn).mean(axis=0)
    level = audit.level(now.config.target.alpha, now.attempts + 1)
    bound = betaincinv(wrong + 1.0, np.maximum(tried - wrong, 1e-9), 1.0 - level)
    bound[tried == 0] = 1.0
    return int(tried[int(np.argmax(bound <= AS_GOOD * bound.min()))])


def hopeless(now: Situation) -> bool:
    """Tell whether even a faultless model could label nothing worth its audit, now or later.

    The test set is then too small to show that few errors, or the audit takes nearly every image,
    and people label everything: training on would only cost.
    """
    if now.config.target.criterion is not Criterion.OVERALL or now.config.target.budget is not None:
        return False
    grid = np.linspace(now.trained, max(now.n - now.marked - 1, now.trained), 12)
    marked, remainder = situation.pool_at(now, grid)
    sizes = remainder[:, None] * delivery.FINE
    if now.audited:
        allowed = np.floor(delivery.allowed_wrong(now, sizes))
        level = audit.level(now.config.target.alpha, now.attempts + 1)
        saved = sizes - audit.expected_labels(0.0, sizes, allowed, level)
        return bool((saved < WORTH_AUDITING * now.n).all())
    tests = marked[:, None] * delivery.FINE
    return not guarantees.faultless_passes(now.n, sizes, tests, now.config.target).any()
