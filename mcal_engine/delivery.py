"""How much a model would be allowed to label, under each promise, for each drawn error curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from mcal_engine import audit, curves, guarantees, selection, situation
from mcal_engine.situation import Situation
from mcal_engine.types import THETAS, BoolArray, Criterion, FloatArray

FINE = np.arange(1, guarantees.FINE_STEPS + 1) / guarantees.FINE_STEPS
COARSE = FINE[1::2]  # what an audit leaves hardly changes with the last per cent of a set
ROOM = 0.85  # a set whose predicted error is above this share of what is allowed is not audited
STEPS = 33  # of the table of audit lengths, up to ROOM
SCATTER = 0.6  # of the log of an audit's length: 90 % of audits end within 1.8 times the mean
FAILED = 0.95  # an audit of a set above this share runs out of patience


@dataclass(frozen=True)
class Delivery:
    """What training on each B' of a grid delivers. All arrays [draws, grid].

    `machine` images keep a machine label, which no audit has replaced by then; `share` is the
    chosen set as a share of the remainder (of X in the paper's tables); `wrong` expects the
    wrong labels among them.
    """

    machine: FloatArray
    share: FloatArray
    wrong: FloatArray


def deliver(now: Situation, drawn: curves.Curves, grid: FloatArray) -> Delivery:
    """Return the largest set that would be accepted after training on each B' of the grid.

    With labels for nothing people label everything: no machine label could save a cent.
    """
    marked, remainder = situation.pool_at(now, grid)
    shares, sizes = _sets(now, remainder)
    relative = situation.relative(now, sizes)
    rates = drawn.rates(grid, relative)
    tests = (marked / np.maximum(remainder, 1))[:, None] * sizes
    if now.price == 0:
        return _taken(
            rates,
            shares,
            sizes,
            np.zeros(rates.shape[:2], dtype=np.int64),
            np.zeros(rates.shape[:2], dtype=np.bool_),
        )
    if now.audited:
        return _audited(now, rates, drawn.counted(grid, relative, tests), shares, sizes)
    fits = _accepted(now, drawn.counted(grid, relative, tests), sizes, tests)
    best = np.where(fits, sizes[None], 0.0).argmax(axis=2)
    return _taken(rates, shares, sizes, best, np.asarray(fits.any(axis=2)))


def _sets(now: Situation, remainder: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (shares [sets], sizes [grid, sets]) of the candidate sets at each remainder."""
    if now.audited:
        return COARSE, remainder[:, None] * COARSE
    if now.config.target.criterion is Criterion.PLUG_IN:
        return FINE, remainder[:, None] * FINE
    ranking = guarantees.ranking(now.config.target.criterion)
    return np.asarray(THETAS), selection.machine_sizes(now.n, remainder, ranking)


def _accepted(
    now: Situation, counted: FloatArray, sizes: FloatArray, tests: FloatArray
) -> BoolArray:
    """Return which sets certificate B or a paper mode would take, [draws, grid, sets]."""
    target = now.config.target
    most = guarantees.largest_rate(now.n, sizes, tests, target, now.live)
    fits = counted <= most[None]
    if target.criterion is Criterion.OVERALL:
        unjudged = guarantees.unjudged(most, tests)
        fits = np.logical_and.accumulate(fits | unjudged[None], axis=2) & ~unjudged[None]
    return np.asarray(fits)


def _taken(
    rates: FloatArray,
    shares: FloatArray,
    sizes: FloatArray,
    best: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    accepted: BoolArray,
) -> Delivery:
    """Read off the set `best` [draws, grid] where one is `accepted`."""
    rate = np.take_along_axis(rates, best[..., None], axis=2)[..., 0]
    machine = np.floor(sizes[np.arange(len(sizes)), best]) * accepted
    return Delivery(machine, shares[best] * accepted, rate * machine)


# --- certificate A ----------------------------------------------------------------------------


def allowed_wrong(now: Situation, sizes: FloatArray) -> FloatArray:
    """Return the wrong labels that sets of these sizes may hold, before rounding."""
    epsilon = now.config.target.epsilon
    return np.asarray(np.minimum(epsilon * now.n, np.minimum(4 * epsilon, 0.5) * sizes))


def _audited(
    now: Situation, rates: FloatArray, seen: FloatArray, shares: FloatArray, sizes: FloatArray
) -> Delivery:
    """Choose each set by what is seen of it; what the audit then finds is the truth.

    A set that turns out worse than it looked costs its audit and leaves the largest smaller set
    that does fit.
    """
    level = audit.level(now.config.target.alpha, now.attempts + 1)
    limits = allowed_wrong(now, sizes) / np.maximum(sizes, 1)
    kept = audited_sizes(seen, sizes, limits, level)
    best = kept.argmax(axis=2)
    rows = np.arange(len(sizes))
    spent = sizes[rows, best] - np.take_along_axis(kept, best[..., None], axis=2)[..., 0]
    true = np.take_along_axis(rates, best[..., None], axis=2)[..., 0]
    fallback = (rates <= ROOM * limits).sum(axis=2) - 1
    failed = true > FAILED * limits[rows, best]
    smaller = np.where(fallback >= 0, sizes[rows, np.maximum(fallback, 0)], 0.0)
    size = np.where(failed, np.minimum(smaller, sizes[rows, best]), sizes[rows, best])
    spent *= audit_luck(len(rates))[:, None]
    machine = np.floor(np.maximum(size - spent, 0.0)) * (kept.max(axis=2) > 0)
    return Delivery(machine, shares[best] * (machine > 0), true * machine)


def audit_luck(draws: int) -> FloatArray:
    """Return how an audit's length falls out, as a multiple of the expected one [draws]; mean 1."""
    scores = np.random.default_rng(draws).permutation(ndtri((np.arange(draws) + 0.5) / draws))
    luck = np.exp(SCATTER * scores)
    return np.asarray(luck / luck.mean())


def audited_sizes(
    rates: FloatArray, sizes: FloatArray, limits: FloatArray, level: float
) -> FloatArray:
    """Return the images of each set that are left to the machine after its audit, at least 0.

    `rates` [draws, ..., sets], the others [..., sets]; 0 where a set is too close to its limit to
    be audited. Read from a table over the error as a share of the limit, between its `STEPS`.
    """
    steps = np.linspace(0.0, ROOM, STEPS)
    allowed = (limits * sizes)[..., None]
    needs = audit.expected_labels(steps * limits[..., None], sizes[..., None], allowed, level)
    table = np.maximum(sizes[..., None] - needs, 0.0).ravel()
    place = rates * ((STEPS - 1) / ROOM / np.maximum(limits, 1e-12))
    fits = place < STEPS - 1
    low = np.where(fits, place, 0.0).astype(np.int32)
    first = low + STEPS * np.arange(sizes.size, dtype=np.int32).reshape(sizes.shape)
    place -= low
    left = table.take(first, mode="clip")
    place *= np.diff(table, append=0.0).take(first, mode="clip")
    place += left
    place *= fits
    return place
