"""Pools with a known law of error, under active learning: records as a run would measure them.

An image of hardness q errs after training on B with a probability that follows a law over B and
is concentrated on the hard images. Errors of one image hang together over the rounds, as those of
networks do; each training has its own luck; the most uncertain images join B.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from mcal_engine import selection
from mcal_engine.types import Criterion, IterationRecord

SAME = 0.8  # correlation of an image's errors between trainings
LUCK = 0.04  # of one training: log-error
FAMILIES = ("power", "truncated", "floor", "plateau", "s_shaped")


def law(family, b, first, gamma=0.45):
    """Return the mean error after training on b images (a share of the first size's error)."""
    power = (b / first) ** -gamma
    return {
        "power": power,
        "truncated": power * np.exp(-0.04 * (b / first - 1)),
        "floor": 0.25 + 0.75 * power**1.5,
        "plateau": max(power, 6**-gamma),
        "s_shaped": 1.3 / (1 + 0.3 * (b / first) ** (gamma + 0.35)),
    }[family]


@dataclass(frozen=True)
class World:
    """Records of a run and the true error rate of each set, [rounds, thetas]."""

    n: int
    classes: int
    records: tuple[IterationRecord, ...]
    truth: np.ndarray


def world(family, seed, *, n=20_000, test=600, rounds=10, growth=1.5, level=0.35, steep=2.0):
    """Run `rounds` trainings on sizes growing from 1 % of n, with errors by the family's law."""
    rng = np.random.default_rng([seed, *family.encode()])
    hardness, stays = rng.random(n), rng.standard_normal(n)
    train, marked = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    marked[rng.choice(n, test, replace=False)] = True
    first = n // 100
    train[rng.choice(n, first, replace=False)] = True
    records, truth = [], []
    for number in range(rounds):
        b = int(train.sum())
        mean = level * law(family, b, first) * np.exp(LUCK * rng.standard_normal())
        sharp = steep * (b / first) ** 0.15  # the surest images get better fastest
        chance = np.minimum(mean * (sharp + 1) * hardness**sharp, 0.9)
        wrong = ndtr(SAME * stays + (1 - SAME**2) ** 0.5 * rng.standard_normal(n)) < chance
        unsure = (chance * np.exp(0.5 * rng.standard_normal(n))).astype(np.float32)
        left = ~train & ~marked
        cuts = selection.thresholds(unsure[left], n, Criterion.OVERALL)
        tests = [unsure[marked & ~train] <= cut for cut in cuts]
        failed = wrong[marked & ~train]
        records.append(
            IterationRecord(
                number=number + 1,
                train_size=b,
                delta=0,
                test_size=int((marked & ~train).sum()),
                remainder=int(left.sum()),
                thresholds=tuple(map(float, cuts)),
                test_counts=tuple(int(inside.sum()) for inside in tests),
                test_errors=tuple(int(failed[inside].sum()) for inside in tests),
                train_seconds=1.0,
                score_seconds=1.0,
                samples_shown=1,
                committed=0.0,
            )
        )
        truth.append([wrong[left & (unsure <= cut)].mean() for cut in cuts])
        joins = np.argsort(np.where(train, -1.0, unsure))[-int(b * (growth - 1)) :]
        train[joins] = True
    return World(n, 10, tuple(records), np.array(truth))
