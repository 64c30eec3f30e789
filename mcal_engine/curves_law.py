"""Error curves as records: what was counted on T, and draws of the curves fitted to it.

rate_theta(B) = c_theta + exp(a_theta - gamma_theta log(B / B_last) - u_theta (B - B_last) / N)

is the law of every model: the paper's (Sec. 3.1, Eq. 3) where the floor c_theta is 0, with
u = N / k; the last value where gamma and u are 0 as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtri

from mcal_engine import selection
from mcal_engine.types import THETAS, Criterion, FloatArray, IterationRecord

DRAWS = 240
CHANCE_WEIGHT = 0.03  # of points so near guessing that they say little about the law
SAME = 0.5  # correlation of an image's errors between trainings; .35-.7 on Fashion-MNIST
REMEMBERED = 6  # answers, 3 MB each: a plan's grid, its counts; stopping now, the plan's own size
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
    """Posterior draws of the error curves: one row per draw, one column per theta.

    They are of the error in X; what T will count is `rates` + luck * sqrt(rates / tests).
    """

    n: int
    last: float  # the largest |B| measured
    points: int
    floor: FloatArray
    a: FloatArray
    gamma: FloatArray
    u: FloatArray
    noise: FloatArray  # [draws], a multiplier exp(noise * log2(1 + B / last))
    luck: FloatArray  # [draws], standard normal: how T's counts fall out
    asked: dict[tuple[bytes, ...], FloatArray] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )  # the last answers: other prices and targets ask for the same again

    def rates(self, b: FloatArray, shares: FloatArray) -> FloatArray:
        """Return error rates [draws, len(b), sets] of the most certain images after B' = b.

        `shares` [len(b), sets] are sizes of sets relative to the remainder at the last training.
        Rates never fall with the share, since the sets are nested from the most certain on. The
        array is read-only.
        """
        return self._remembered((b.tobytes(), shares.tobytes()), lambda: self._rates(b, shares))

    def counted(self, b: FloatArray, shares: FloatArray, tests: FloatArray) -> FloatArray:
        """Return the rates that T will show: S hangs on its counts, which scatter by sqrt(count).

        As `rates`; `tests` [len(b), sets] are T's images in each set.
        """
        key = (b.tobytes(), shares.tobytes(), tests.tobytes())
        return self._remembered(key, lambda: self._counted(self.rates(b, shares), tests))

    def _counted(self, rates: FloatArray, tests: FloatArray) -> FloatArray:
        scatter = np.sqrt(rates / np.maximum(tests, 1)[None])
        return np.maximum(rates + self.luck[:, None, None] * scatter, 0.0)

    def _remembered(self, key: tuple[bytes, ...], make: Callable[[], FloatArray]) -> FloatArray:
        found = self.asked.get(key)
        if found is None:
            found = make()
            found.flags.writeable = False
            while len(self.asked) >= REMEMBERED:
                self.asked.pop(next(iter(self.asked)), None)
            self.asked[key] = found
        return found

    def _rates(self, b: FloatArray, shares: FloatArray) -> FloatArray:
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
        weights=np.where(near_chance, CHANCE_WEIGHT, 1.0),
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


def normal_scores(rng: np.random.Generator) -> FloatArray:
    """Return `DRAWS` standard normal values, evenly spread over their quantiles, shuffled."""
    return np.asarray(rng.permutation(ndtri((np.arange(DRAWS) + 0.5) / DRAWS)))


def luck_of_test(rng: np.random.Generator, errors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the log of (error in X / error rate of T) [draws, thetas] and the luck [draws].

    Fits see one T again and again, and an image that is wrong once tends to be wrong again: the
    share `SAME` of the scatter of T's counts (`errors` expected in each set) never averages out,
    however many rounds there are. Where X is worse than T shows, T's counts will again be low:
    `luck` opposes the first part.
    """
    stays, comes = normal_scores(rng), normal_scores(rng)
    shift = stays[:, None] * np.sqrt(SAME / (errors + 0.5))
    return shift, np.sqrt(1 - SAME) * comes - np.sqrt(SAME) * stays
