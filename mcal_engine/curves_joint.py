"""The joint fit: all thetas together, with a floor, averaged over floors (default model).

c_theta = 0.9 f * (present smoothed error) is 0 in the paper; f in {0, 1/4, 1/2, 3/4} is averaged
by posterior height. Random-walk priors tie neighbouring thetas together.
"""

from __future__ import annotations

import numpy as np

from mcal_engine.curves_law import DRAWS, Curves, Points, luck_of_test, normal_scores
from mcal_engine.curves_mode import Mode, Prior, maximum, within_bounds
from mcal_engine.types import THETAS, FloatArray

TEMPER = 0.5  # the same T is counted each round, so its counts are worth less than fresh ones
FLOORS = (0.0, 0.25, 0.5, 0.75)
EVIDENCE_FLOOR = 0.2  # this share of the draws is spread evenly over FLOORS
NOISE = 0.15  # of the extrapolation: log-error per doubling of B
_WALK_SD = np.array([0.25, 0.12, 0.5])  # of a, gamma, u from one theta to the next
_PRIOR_MEAN = np.array([-2.0, 0.5, 0.0])
_PRIOR_SD = np.array([3.0, 0.3, 3.0])
_J = len(THETAS)


def fit(points: Points, seed: int) -> Curves:
    """Fit all thetas together and draw from the posterior, floors and all.

    Equal seeds use equal random numbers, so that plans of successive iterations differ by what
    was learned and not by chance.
    """
    rng = np.random.default_rng(seed)
    prior = _prior()
    law = maximum(points, np.zeros(_J), prior, TEMPER)
    present = np.maximum.accumulate(np.exp(law.params[0]))
    fits = [law] + [maximum(points, 0.9 * f * present, prior, TEMPER) for f in FLOORS[1:]]
    shares = _evidence_shares([f.height for f in fits])
    drawn = [_draw(f, rng, count) for f, count in zip(fits, shares, strict=True)]
    params = np.concatenate(drawn, axis=0)
    floor = np.repeat([f.floor for f in fits], shares, axis=0)
    shift, luck = luck_of_test(rng, present * points.tests[-1])
    return Curves(
        n=points.n,
        last=float(points.sizes.max()),
        points=len(points.sizes),
        floor=floor * np.exp(shift),
        a=params[:, 0] + shift,
        gamma=params[:, 1],
        u=params[:, 2],
        noise=NOISE * normal_scores(rng),
        luck=luck,
    )


def _evidence_shares(evidence: list[float]) -> list[int]:
    """Split `DRAWS` over the floors: 80 % by evidence, 20 % evenly.

    Evidence is the height of the posterior mode. Laplace's determinant is left out: a floor that
    is anchored at the measured error hides `a` from the data, and the determinant rewards that.
    """
    logs = np.array(evidence) - max(evidence)
    weights = np.exp(logs) / np.exp(logs).sum()
    weights = (1 - EVIDENCE_FLOOR) * weights + EVIDENCE_FLOOR / len(weights)
    edges = np.rint(np.cumsum(weights) * DRAWS).astype(int)
    return [int(count) for count in np.diff(edges, prepend=0)]


def _draw(mode: Mode, rng: np.random.Generator, count: int) -> FloatArray:
    """Draw [count, 3, thetas] from the Laplace approximation, cut off at the bounds."""
    factor = np.linalg.cholesky(mode.precision)
    noise = np.linalg.solve(factor.T, rng.standard_normal((mode.params.size, count)))
    return within_bounds(mode.params[None] + noise.T.reshape(count, 3, _J))


def _prior() -> Prior:
    """Return a random walk over theta plus the prior of each value.

    The prior of a value is spread over the grid, so that all thetas together hold it once:
    gamma ~ N(.5, .3) is a statement about the law, not twenty independent ones.
    """
    walk = np.diff(np.eye(_J), axis=0)
    whole = walk.T @ walk
    precision = [
        whole / sd**2 + np.eye(_J) / (_J * prior**2)
        for sd, prior in zip(_WALK_SD, _PRIOR_SD, strict=True)
    ]
    return Prior(np.repeat(_PRIOR_MEAN[:, None], _J, axis=1), np.stack(precision))
