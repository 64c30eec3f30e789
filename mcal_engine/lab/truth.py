"""What nobody in a run can know: the true errors of a recording's candidate sets."""

from __future__ import annotations

import numpy as np

from mcal_engine import guarantees, selection
from mcal_engine.lab.recording import Recording
from mcal_engine.types import FloatArray, IntArray, Pool, RunConfig


def pool_at(recording: Recording, labels: IntArray, config: RunConfig, number: int) -> Pool:
    """Return the pool after a recorded round, T drawn by `config.seed`; only B and T labelled."""
    train = recording.train(number)
    marked = np.zeros(config.n, dtype=np.bool_)
    marked[selection.draw_test(config)] = True
    known = np.where(train | marked, labels, -1)
    return Pool(train, marked, known, np.zeros(config.n, dtype=np.bool_))


def true_rates(recording: Recording, labels: IntArray, config: RunConfig) -> FloatArray:
    """Return the error rate inside each set of the theta grid [rounds, thetas].

    The sets are those of the remainder after each round, under L(.) and the criterion's cuts.
    """
    return np.stack([_rates(recording, labels, config, r.number) for r in recording.rounds])


def _rates(recording: Recording, labels: IntArray, config: RunConfig, number: int) -> FloatArray:
    pool = pool_at(recording, labels, config, number)
    scores = recording.rounds[number - 1].scores(config.arch)
    cuts = guarantees.count_candidates(pool, scores, config).thresholds
    unsure = scores.by(config.confidence)[pool.remainder]
    wrong = (scores.pred != labels)[pool.remainder]
    order = np.argsort(unsure, kind="stable")
    sizes = np.searchsorted(unsure[order], np.asarray(cuts, dtype=np.float32), side="right")
    errors = np.concatenate([[0], np.cumsum(wrong[order])])[sizes]
    return np.asarray(errors / np.maximum(sizes, 1), dtype=np.float64)


def machine_share(
    recording: Recording, labels: IntArray, config: RunConfig, number: int, part: float = 1.0
) -> float:
    """Return the largest |S|/N whose true errors are at most `part` of epsilon N.

    The most certain images of the remainder under L(.), T left out: what a perfect judge of a
    round's model could hand to the machine.
    """
    pool = pool_at(recording, labels, config, number)
    scores = recording.rounds[number - 1].scores(config.arch)
    wrong = (scores.pred != labels)[pool.remainder]
    order = np.argsort(scores.by(config.confidence)[pool.remainder], kind="stable")
    fits = np.cumsum(wrong[order]) <= part * config.target.epsilon * config.n
    return float(np.flatnonzero(fits)[-1] + 1) / config.n if fits.any() else 0.0
