"""Curves one theta at a time: the paper's law (Sec. 3.1, Eq. 3), and the last value as baseline.

The paper's form is error = alpha |B|^-gamma exp(-|B| / k). Here with weak priors
gamma ~ N(.5, .5) and N / k ~ half-normal(1) and the bounds 0 <= gamma <= 3, 1/k >= 0: the
free-sign least-squares fit is off by more than 2x in 89-100 % of cases with 3-5 points.
"""

from __future__ import annotations

import numpy as np
from scipy.special import betaincinv, ndtr

from mcal_engine.curves_law import DRAWS, Curves, Points, luck_of_test, normal_scores
from mcal_engine.curves_mode import Mode, Prior, maximum, within_bounds
from mcal_engine.types import THETAS, FloatArray

_J = len(THETAS)
_PRIOR_MEAN = np.array([-2.0, 0.5, 0.0])  # of a, gamma, u = N / k
_PRIOR_SD = np.array([3.0, 0.5, 1.0])


def fit(points: Points, seed: int) -> Curves:
    """Fit each theta alone to its own counts and draw from the Laplace approximations."""
    rng = np.random.default_rng(seed)
    own = np.eye(_J) / _PRIOR_SD[:, None, None] ** 2
    mode = maximum(points, np.zeros(_J), Prior(np.repeat(_PRIOR_MEAN[:, None], _J, axis=1), own))
    params = _draw(mode, rng)
    shift, luck = luck_of_test(rng, np.exp(mode.params[0]) * points.tests[-1])
    params[:, 0] += shift
    return _curves(points, params, luck)


def last_value(points: Points, seed: int) -> Curves:
    """Take it that the error stays as it is: draws from Beta(k + 1/2, n - k + 1/2) per theta.

    One quantile per draw holds for all thetas, since a larger set counts a smaller one's errors.
    """
    rng = np.random.default_rng(seed)
    quantile = ndtr(normal_scores(rng))[:, None]
    tests, errors = points.tests[-1], points.errors[-1]
    rate = betaincinv(errors + 0.5, np.maximum(tests - errors, 0.0) + 0.5, quantile)
    params = np.zeros((DRAWS, 3, _J))
    params[:, 0] = np.log(np.maximum(rate, 1e-12))
    return _curves(points, params, normal_scores(rng))


def _curves(points: Points, params: FloatArray, luck: FloatArray) -> Curves:
    """Return curves without floor and without noise of the extrapolation."""
    return Curves(
        n=points.n,
        last=float(points.sizes.max()),
        points=len(points.sizes),
        floor=np.zeros((DRAWS, _J)),
        a=params[:, 0],
        gamma=params[:, 1],
        u=params[:, 2],
        noise=np.zeros(DRAWS),
        luck=luck,
    )


def _draw(mode: Mode, rng: np.random.Generator) -> FloatArray:
    """Draw [DRAWS, 3, thetas] within the bounds.

    All thetas share their random numbers: their counts are nested, and the running maximum over
    theta would raise curves that scatter apart.
    """
    theta = np.arange(_J)
    blocks = mode.precision.reshape(3, _J, 3, _J)[:, theta, :, theta]  # [thetas, 3, 3]
    upper = np.swapaxes(np.linalg.cholesky(blocks), 1, 2)
    noise = np.linalg.solve(upper, np.broadcast_to(rng.standard_normal((3, DRAWS)), (_J, 3, DRAWS)))
    return within_bounds(mode.params[None] + noise.transpose(2, 1, 0))
