"""The race between architectures that share one B: who leads, and who is dropped.

Each candidate's curves give its total cost C* per draw (`planner.weigh`). Equal seeds give equal
random numbers, so draw d of one candidate is compared with draw d of another (common random
numbers). All training is charged, also that of those who are dropped.

Consistency training costs many times its network's plain training. Where the plain one races too,
it waits until the plain one has been timed, and then until even a faultless model could pay for
its first training: before, no curve of its own could speak for it (docs/pseudo_labels.md).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mcal_engine import candidates, costs, curves, situation, training
from mcal_engine.situation import Situation
from mcal_engine.types import FloatArray, IterationRecord, RunConfig

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


# --- who waits before it trains ------------------------------------------------------------------


def starters(config: RunConfig) -> tuple[str, ...]:
    """Return who trains first: everybody but those who wait."""
    return tuple(arch for arch in config.archs if not waits(config, arch))


def waits(config: RunConfig, arch: str) -> bool:
    """Tell whether a candidate trains only once it is known to be affordable."""
    return candidates.without_semi(arch) in config.archs


def joining(
    config: RunConfig,
    records: tuple[IterationRecord, ...],
    now: Situation,
    delta: int,
    cost: float,
) -> tuple[str, ...]:
    """Return who has waited and could now pay for its first training.

    `records` are all trainings, `now` the leader's view, `delta` the next batch and `cost` the
    total that is expected without the candidate.
    """
    trained = {record.arch for record in records}
    waiting = [arch for arch in config.archs if waits(config, arch) and arch not in trained]
    return tuple(arch for arch in waiting if _could_pay(arch, records, now, delta, cost))


def _could_pay(
    arch: str, records: tuple[IterationRecord, ...], now: Situation, delta: int, cost: float
) -> bool:
    """Tell whether a faultless model of the candidate would end below `cost`.

    The labels of B with the next batch and of T, the compute so far, the next trainings of those
    who race and the candidate's own are then paid in any case.
    """
    plain = candidates.without_semi(arch)
    timed = tuple(record for record in records if record.arch == plain)
    if not timed:
        return False
    size = np.array([float(now.trained + delta)])
    labels = (now.trained + max(delta, now.ahead) + now.marked) * now.price
    spent = situation.next_runs(now, size[0])
    return labels + spent + first_price(now, timed, size) < cost


def first_price(now: Situation, timed: tuple[IterationRecord, ...], size: FloatArray) -> float:
    """Return dollars of a first training with consistency, from the plain one's `timed` runs."""
    model = costs.fit_compute(timed, now.config.cost_model)
    more = training.semi_of(now.config.training).images
    seconds = float(model.training(size)[0]) * more + model.scoring
    return seconds * costs.compute_dollars(1.0, now.config.prices, now.device)
