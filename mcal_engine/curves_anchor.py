"""Tie drawn error curves to what T shows now: the fit says how errors fall, T where they stand.

A fit over all rounds and thetas smooths: on real sets, where the last few per cent of the
remainder hold most errors, it put the whole remainder 20 % too low and small sets 40 % too high.
T's present counts are unbiased. So each draw keeps its slopes and takes its present level from a
gamma posterior of the wrong T images in each band between two thetas, the fit being its prior.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mcal_engine.curves_law import SAME, Curves, Points, normal_scores
from mcal_engine.types import THETAS, FloatArray

TRUST = 0.2  # the fit weighs like so many test sets of this size
LEAST = 0.02  # wrong images expected in a band at least, for the prior's shape


def anchored(drawn: Curves, points: Points, seed: int) -> Curves:
    """Return the curves with their present levels drawn anew from T's present counts."""
    tests, errors = points.tests[-1], points.errors[-1]
    now = _present(drawn)
    expected = np.maximum(np.diff(now.mean(axis=0) * tests, prepend=0.0), LEAST)
    counted = np.maximum(np.diff(errors, prepend=0.0), 0.0)
    shape = counted + TRUST * expected
    rng = np.random.default_rng([seed, 1])
    level = np.cumsum(rng.gamma(shape, size=(len(now), len(THETAS))), axis=1) / (1 + TRUST)
    shift = np.log(np.maximum(level / np.maximum(tests, 1.0), 1e-9) / np.maximum(now, 1e-9))
    return replace(
        drawn,
        floor=drawn.floor * np.exp(shift),
        a=drawn.a + shift,
        luck=_luck(rng, level[:, -1]),
    )


def _luck(rng: np.random.Generator, wrong: FloatArray) -> FloatArray:
    """Return how T's next counts fall out [draws]: low again where X is worse than T shows."""
    stays = (wrong - wrong.mean()) / max(float(wrong.std()), 1e-9)
    return np.asarray(np.sqrt(1 - SAME) * normal_scores(rng) - np.sqrt(SAME) * stays)


def _present(drawn: Curves) -> FloatArray:
    """Return the drawn rates [draws, thetas] at the last |B|, without noise of extrapolation."""
    still = replace(drawn, noise=np.zeros_like(drawn.noise))
    return still.rates(np.array([drawn.last]), np.asarray(THETAS)[None])[:, 0]
