"""Posterior mode of the curves' law under a Gaussian prior, by Fisher scoring within bounds.

Wrong T images are counts with a Poisson likelihood, never logs of rates: no error among 150
images is normal. One linear system of 3 parameters times all thetas; the prior decides whether
thetas are tied together (joint fit) or stand alone (the paper's fit).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcal_engine.curves_law import Points
from mcal_engine.types import THETAS, BoolArray, FloatArray

_J = len(THETAS)
_LOWEST = np.array([-20.0, 0.0, 0.0])[:, None]  # of a, gamma, u
_HIGHEST = np.array([0.0, 3.0, 20.0])[:, None]


@dataclass(frozen=True)
class Prior:
    """Gaussian over (a, gamma, u): the means [3, thetas] and the precision per parameter over theta.

    `precision` is [3, thetas, thetas]; parameters are independent of each other.
    """

    mean: FloatArray
    precision: FloatArray


@dataclass(frozen=True)
class Mode:
    """A posterior mode [3, thetas] of (a, gamma, u) and its precision [3 * thetas] squared.

    `floor` [thetas] was held fixed; `height` is the log posterior at the mode.
    """

    floor: FloatArray
    params: FloatArray
    precision: FloatArray
    height: float


def maximum(points: Points, floor: FloatArray, prior: Prior, temper: float = 1.0) -> Mode:
    """Find the mode under the bounds 0 <= gamma <= 3, u >= 0; rates stay at most 1 + floor.

    `temper` weighs the likelihood.
    """
    law = _Law(points, floor, prior, temper)
    params = law.start()
    value, gradient, precision = law.evaluate(params)
    for _ in range(40):
        step = law.step(params, gradient, precision)
        scale = 1.0
        while True:
            trial = np.clip(params + scale * step, _LOWEST, _HIGHEST)
            found = law.evaluate(trial)
            if found[0] >= value - 1e-9 or scale < 1e-4:
                break
            scale /= 2
        done = np.abs(trial - params).max() < 1e-4
        params, (value, gradient, precision) = trial, found
        if done:
            break
    return Mode(floor, params, precision, value)


def within_bounds(params: FloatArray) -> FloatArray:
    """Return drawn (a, gamma, u), on axis 1, cut off at 0 <= gamma <= 3 and u >= 0."""
    params[:, 1:] = np.maximum(params[:, 1:], 0.0)
    params[:, 1] = np.minimum(params[:, 1], 3.0)
    return params


class _Law:
    """The log posterior of one floor, its gradient and its expected curvature."""

    def __init__(self, points: Points, floor: FloatArray, prior: Prior, temper: float) -> None:
        self.points, self.floor, self.prior = points, floor, prior
        self.weights = points.weights * temper
        last = points.sizes.max()
        ones = np.ones_like(points.sizes)
        self.features = np.stack(
            [ones, -np.log(points.sizes / last), -(points.sizes - last) / points.n]
        )  # [3, rounds]

    def start(self) -> FloatArray:
        tests, errors = self.points.tests[-1], self.points.errors[-1]
        rate = np.maximum((errors + 0.5) / (tests + 1) - self.floor, 1e-3)
        return np.stack([np.log(rate), np.full(_J, 0.5), np.full(_J, 0.05)])

    def evaluate(self, params: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Return (log posterior, gradient [3, thetas], precision [3 thetas, 3 thetas])."""
        p, weights = self.points, self.weights
        power = np.exp(np.einsum("pr,pj->rj", self.features, params))  # [rounds, thetas]
        rate = self.floor + power
        score = weights * (p.errors / rate - p.tests) * power
        curve = weights * p.tests * power**2 / rate
        away = params - self.prior.mean
        pull = np.einsum("pij,pj->pi", self.prior.precision, away)
        value = (weights * (p.errors * np.log(rate) - p.tests * rate)).sum()
        value -= 0.5 * (away * pull).sum()
        gradient = np.einsum("pr,rj->pj", self.features, score) - pull
        return float(value), gradient, self._precision(curve)

    def _precision(self, curve: FloatArray) -> FloatArray:
        blocks = np.einsum("pr,rj,qr->jpq", self.features, curve, self.features)
        whole = np.zeros((3, _J, 3, _J))
        theta = np.arange(_J)
        whole[:, theta, :, theta] = blocks
        for p in range(3):
            whole[p, :, p, :] += self.prior.precision[p]
        return whole.reshape(3 * _J, 3 * _J)

    def step(self, params: FloatArray, gradient: FloatArray, precision: FloatArray) -> FloatArray:
        """Return the scoring step of the parameters that no bound holds back."""
        free = ~_held(params, gradient).ravel()
        step = np.zeros(params.size)
        step[free] = np.linalg.solve(precision[np.ix_(free, free)], gradient.ravel()[free])
        return step.reshape(params.shape)


def _held(params: FloatArray, gradient: FloatArray) -> BoolArray:
    at_low = (params[1:] <= 0.0) & (gradient[1:] < 0)
    at_high = (params >= _HIGHEST) & (gradient > 0)
    at_high[1:] |= at_low
    return np.asarray(at_high)
