"""Fit and extrapolate the error curves, one per theta, jointly (paper, Sec. 3.1, Eq. 3).

rate_theta(B) = c_theta + exp(a_theta - gamma_theta log(B / B_last) - u_theta (B - B_last) / N),

a truncated power law (u = N / kappa) plus a floor c_theta = 0.9 f * (present smoothed error) that
is 0 in the paper; f in {0, 1/4, 1/2, 3/4} is averaged by posterior height. Wrong T images are
counts with a Poisson likelihood, never logs of rates: no error among 150 images is normal.
Random-walk priors tie neighbouring thetas together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from mcal_engine import selection
from mcal_engine.types import THETAS, BoolArray, Criterion, FloatArray, IterationRecord

DRAWS = 240
MIN_POINTS = 3  # before any plan
STABLE_POINTS = 4  # before a plan can be called stable
TEMPER = 0.5  # the same T is counted each round, so its counts are worth less than fresh ones
FLOORS = (0.0, 0.25, 0.5, 0.75)
EVIDENCE_FLOOR = 0.2  # this share of the draws is spread evenly over FLOORS
CHANCE_WEIGHT = 0.1  # of points so near guessing that they say little about the law
NOISE = 0.10  # of the extrapolation: log-error per doubling of B
_WALK_SD = np.array([0.25, 0.12, 0.5])  # of a, gamma, u from one theta to the next
_PRIOR_MEAN = np.array([-2.0, 0.5, 0.0])
_PRIOR_SD = np.array([3.0, 0.3, 3.0])
_J = len(THETAS)


@dataclass(frozen=True)
class Points:
    """Counts on T per iteration (rows) and theta (columns)."""

    n: int
    sizes: FloatArray  # |B| per iteration
    tests: FloatArray
    errors: FloatArray
    weights: FloatArray


@dataclass(frozen=True)
class Curves:
    """Posterior draws of the error curves: one row per draw, one column per theta."""

    n: int
    last: float  # the largest |B| measured
    points: int
    floor: FloatArray
    a: FloatArray
    gamma: FloatArray
    u: FloatArray
    noise: FloatArray  # [draws], a multiplier exp(noise * log2(1 + B / last))
    luck: FloatArray  # [draws], standard normal: how T's next counts fall out

    def rates(self, b: FloatArray, shares: FloatArray) -> FloatArray:
        """Return error rates [draws, len(b), sets] of the most certain images after B' = b.

        `shares` [len(b), sets] are sizes of sets relative to the remainder at the last training.
        Rates never fall with the share, since the sets are nested from the most certain on.
        """
        wrong = self._grid_rates(b) * np.asarray(THETAS)
        wrong = np.concatenate([np.zeros((*wrong.shape[:2], 1)), wrong], axis=2)
        place = np.clip(shares, 0.0, 1.0) * _J
        low = np.minimum(np.floor(place).astype(np.int64), _J - 1)
        below = np.take_along_axis(wrong, low[None], axis=2)
        above = np.take_along_axis(wrong, low[None] + 1, axis=2)
        rate = (below + (above - below) * (place - low)) / np.maximum(shares, 1e-9)
        return np.asarray(np.where(shares > 0, rate, 0.0))

    def _grid_rates(self, b: FloatArray) -> FloatArray:
        size = np.asarray(b, dtype=np.float64)[None, :, None]
        power = self.a[:, None, :] - self.gamma[:, None, :] * np.log(size / self.last)
        power -= self.u[:, None, :] * (size - self.last) / self.n
        drift = np.exp(self.noise[:, None, None] * np.log2(1 + size / self.last))
        rate = (self.floor[:, None, :] + np.exp(np.minimum(power, 0.0))) * drift
        return np.asarray(np.minimum(np.maximum.accumulate(rate, axis=2), 1.0))

    @property
    def horizon(self) -> float:
        """The largest |B| that may be forecast: 4 times the last, 6 times from 6 points on."""
        return self.last * (4 if self.points < 6 else 6)


def points_of(
    records: tuple[IterationRecord, ...], n: int, classes: int, criterion: Criterion
) -> Points:
    """Collect the measured counts of a run; n is |X|.

    Columns are sets of equal *size* in every iteration: the theta most certain of the remainder
    that is left now. M(.) takes the hard images out, so the theta most certain of a shrinking
    remainder get easier even when nothing is learned; a set of fixed size does not.
    """
    now = np.asarray(THETAS) * records[-1].remainder
    tests, errors = (
        np.array([_at_sizes(r, getattr(r, name), now, n, criterion) for r in records])
        for name in ("test_counts", "test_errors")
    )
    near_chance = errors > 0.7 * (1 - 1 / classes) * np.maximum(tests, 1)
    return Points(
        n=n,
        sizes=np.array([r.train_size for r in records], dtype=np.float64),
        tests=tests,
        errors=errors,
        weights=np.where(near_chance, CHANCE_WEIGHT, 1.0) * TEMPER,
    )


def _at_sizes(
    record: IterationRecord,
    counts: tuple[int, ...],
    sizes: FloatArray,
    n: int,
    criterion: Criterion,
) -> FloatArray:
    """Read the counts of one iteration at other set sizes, linearly between thresholds."""
    measured = selection.machine_sizes(n, record.remainder, criterion)
    measured = np.where(measured > 0, measured, record.remainder)
    return np.asarray(np.interp(sizes, np.append(0.0, measured), np.append(0.0, counts)))


def fit(points: Points, seed: int) -> Curves:
    """Fit all thetas and draw from the posterior. Needs at least `MIN_POINTS` rows.

    Equal seeds use equal random numbers, so that plans of successive iterations differ by what
    was learned and not by chance.
    """
    rng = np.random.default_rng(seed)
    law = _maximum(points, np.zeros(_J))
    present = np.maximum.accumulate(np.exp(law.mode[0]))
    fits = [law] + [_maximum(points, 0.9 * f * present) for f in FLOORS[1:]]
    shares = _evidence_shares([f.evidence for f in fits])
    drawn = [f.draw(rng, count) for f, count in zip(fits, shares, strict=True)]
    mode = np.concatenate(drawn, axis=0)
    floors = np.repeat([f.floor for f in fits], shares, axis=0)
    return Curves(
        n=points.n,
        last=float(points.sizes.max()),
        points=len(points.sizes),
        floor=floors,
        a=mode[:, 0],
        gamma=mode[:, 1],
        u=mode[:, 2],
        noise=NOISE * rng.permutation(_normal_scores(DRAWS)),
        luck=rng.permutation(_normal_scores(DRAWS)),
    )


def _normal_scores(count: int) -> FloatArray:
    return np.asarray(ndtri((np.arange(count) + 0.5) / count))


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


@dataclass(frozen=True)
class _Fit:
    """A posterior mode [3, thetas] of (a, gamma, u) and its precision [3 * thetas] squared."""

    floor: FloatArray
    mode: FloatArray
    precision: FloatArray
    evidence: float

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Draw [count, 3, thetas] from the Laplace approximation, cut off at gamma, u >= 0."""
        factor = np.linalg.cholesky(self.precision)
        noise = np.linalg.solve(factor.T, rng.standard_normal((self.mode.size, count)))
        drawn = self.mode[None] + noise.T.reshape(count, 3, _J)
        drawn[:, 1:] = np.maximum(drawn[:, 1:], 0.0)
        drawn[:, 1] = np.minimum(drawn[:, 1], 3.0)
        return np.asarray(drawn)


def _maximum(points: Points, floor: FloatArray) -> _Fit:
    """Find the posterior mode by Fisher scoring with the bounds 0 <= gamma <= 3, u >= 0."""
    law = _Law(points, floor)
    params = law.start()
    value, gradient, precision = law.evaluate(params)
    for _ in range(40):
        step = law.step(params, gradient, precision)
        scale = 1.0
        while True:
            trial = law.clip(params + scale * step)
            found = law.evaluate(trial)
            if found[0] >= value - 1e-9 or scale < 1e-4:
                break
            scale /= 2
        done = np.abs(trial - params).max() < 1e-4
        params, (value, gradient, precision) = trial, found
        if done:
            break
    return _Fit(floor, params, precision, value)


class _Law:
    """The log posterior of one floor, its gradient and its expected curvature."""

    def __init__(self, points: Points, floor: FloatArray) -> None:
        self.points, self.floor = points, floor
        last = points.sizes.max()
        ones = np.ones_like(points.sizes)
        self.features = np.stack(
            [ones, -np.log(points.sizes / last), -(points.sizes - last) / points.n]
        )  # [3, rounds]
        self.prior = _prior_precision()

    def start(self) -> FloatArray:
        tests, errors = self.points.tests[-1], self.points.errors[-1]
        rate = np.maximum((errors + 0.5) / (tests + 1) - self.floor, 1e-3)
        return np.stack([np.log(rate), np.full(_J, 0.5), np.full(_J, 0.05)])

    @staticmethod
    def clip(params: FloatArray) -> FloatArray:
        lowest = np.array([-20.0, 0.0, 0.0])[:, None]
        highest = np.array([0.0, 3.0, 20.0])[:, None]
        return np.clip(params, lowest, highest)

    def evaluate(self, params: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Return (log posterior, gradient [3, thetas], precision [3 thetas, 3 thetas])."""
        p = self.points
        power = np.exp(np.einsum("pr,pj->rj", self.features, params))  # [rounds, thetas]
        rate = self.floor + power
        score = p.weights * (p.errors / rate - p.tests) * power
        curve = p.weights * p.tests * power**2 / rate
        away = params - _PRIOR_MEAN[:, None]
        pull = np.einsum("pij,pj->pi", self.prior, away)
        value = (p.weights * (p.errors * np.log(rate) - p.tests * rate)).sum()
        value -= 0.5 * (away * pull).sum()
        gradient = np.einsum("pr,rj->pj", self.features, score) - pull
        return float(value), gradient, self._precision(curve)

    def _precision(self, curve: FloatArray) -> FloatArray:
        blocks = np.einsum("pr,rj,qr->jpq", self.features, curve, self.features)
        whole = np.zeros((3, _J, 3, _J))
        theta = np.arange(_J)
        whole[:, theta, :, theta] = blocks
        for p in range(3):
            whole[p, :, p, :] += self.prior[p]
        return whole.reshape(3 * _J, 3 * _J)

    def step(self, params: FloatArray, gradient: FloatArray, precision: FloatArray) -> FloatArray:
        """Return the scoring step of the parameters that no bound holds back."""
        free = ~self._held(params, gradient).ravel()
        step = np.zeros(params.size)
        step[free] = np.linalg.solve(precision[np.ix_(free, free)], gradient.ravel()[free])
        return step.reshape(params.shape)

    def _held(self, params: FloatArray, gradient: FloatArray) -> BoolArray:
        at_low = (params[1:] <= 0.0) & (gradient[1:] < 0)
        at_high = (params >= np.array([0.0, 3.0, 20.0])[:, None]) & (gradient > 0)
        at_high[1:] |= at_low
        return np.asarray(at_high)


def _prior_precision() -> FloatArray:
    """Return [3, thetas, thetas]: a random walk over theta plus the prior of each value.

    The prior of a value is spread over the grid, so that all thetas together hold it once:
    gamma ~ N(.5, .3) is a statement about the law, not twenty independent ones.
    """
    walk = np.diff(np.eye(_J), axis=0)
    whole = walk.T @ walk
    return np.stack(
        [
            whole / sd**2 + np.eye(_J) / (_J * prior**2)
            for sd, prior in zip(_WALK_SD, _PRIOR_SD, strict=True)
        ]
    )
