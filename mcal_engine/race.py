"""The race between architectures that share one B: who leads, and who is dropped.

Each candidate's curves give its total cost C* per draw (`planner.weigh`). Equal seeds give equal
random numbers, so draw d of one candidate is compared with draw d of another (common random
numbers). All training is charged, also that of those who are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mcal_engine import curves
from mcal_engine.types import FloatArray

HOPELESS = 0.05  # a candidate this unlikely to be the cheapest is dropped


def standings(totals: Mapping[str, FloatArray]) -> dict[str, float]:
    """Return P(cheapest) per architecture from its total cost per draw, all [draws].

    Candidates that tie in a draw share it, so the probabilities add up to 1.
    """
    costs = np.stack(list(totals.values()))
    least = costs.min(axis=0)[None]
    cheapest = costs <= least + 1e-12 * np.abs(least)
    shares = (cheapest / cheapest.sum(axis=0)[None]).mean(axis=1)
    return dict(zip(totals, shares.tolist(), strict=True))


def leader(totals: Mapping[str, FloatArray]) -> str:
    """Return the architecture of the lowest expected total; the first one wins a tie."""
    return min(totals, key=lambda arch: float(totals[arch].mean()))


def survivors(totals: Mapping[str, FloatArray], points: int) -> tuple[str, ...]:
    """Return who stays in the race, the leader first, the others as they were.

    Nobody is dropped before `points` trainings allow a stable plan, and never the leader.
    """
    first = leader(totals)
    chances = standings(totals)
    dropped = points >= curves.STABLE_POINTS
    others = [a for a in totals if a != first and not (dropped and chances[a] < HOPELESS)]
    return (first, *others)
