"""What people, training and scoring cost (paper, Sec. 3.2). Dollars and seconds, floats.

Past cost is recorded, never modelled; the future part sums the planned runs. Eq. 4 of the paper,
C_t = |B| (|B| / delta + 1) / 2, is the sum of linear runs on equal steps from zero.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy.optimize import nnls

from mcal_engine.errors import InvalidConfigError
from mcal_engine.types import CostModel, FloatArray, IterationRecord, Prices

SPREAD = 0.05
"""Samples shown must differ by this share of the most, or the fixed part cannot be told apart."""


def compute_dollars(seconds: float, prices: Prices, device: str = "") -> float:
    """Return what this much time costs on a kind of device, at its own price where it has one."""
    return seconds * prices.devices.get(device, prices.compute_per_hour) / 3600


def label_price(per_answer: float, overlap: int, share: float = 1.0) -> float:
    """Return the mean price of an image where a share of them gets `overlap` answers.

    The others get one. Raises `InvalidConfigError` below one answer, or for no share of images.
    """
    if overlap < 1 or not 0 <= share <= 1:
        raise InvalidConfigError(f"no image gets {overlap} answers in a share of {share}")
    return per_answer * (1 + share * (overlap - 1))


@dataclass(frozen=True)
class ComputeModel:
    """Seconds of a future training on |B| images, scoring of the whole pool included.

    A training takes `fixed` + `per_sample` * samples shown. These grow with (|B| / `last_size`) to
    the `power` from the last run's, and are never fewer than the `least` of any run: a learner
    shows a small B in a floor of steps. How soon that floor is left is not known while all runs
    were on it; the growth is then an upper limit, so a dear computer is never promised too cheap.
    """

    fixed: float
    per_sample: float
    scoring: float
    last_size: float
    last_samples: float
    least: float
    power: int = 1

    def samples(self, size: FloatArray) -> FloatArray:
        """Return the samples shown in a training on `size` images, elementwise."""
        grown = self.last_samples * (size / self.last_size) ** self.power
        return np.asarray(np.maximum(grown, self.least))

    def training(self, size: FloatArray) -> FloatArray:
        """Return seconds of a training on `size` images without scoring, elementwise."""
        return self.fixed + self.per_sample * self.samples(size)

    def seconds(self, size: FloatArray) -> FloatArray:
        """Return seconds of a training on `size` images and of scoring the pool, elementwise."""
        return self.training(size) + self.scoring

    def path_seconds(self, start: float, ends: FloatArray, steps: int) -> FloatArray:
        """Return seconds of `steps` trainings on the equal steps from `start` to each end."""
        parts = np.arange(1, steps + 1) / steps
        sizes = start + parts[:, None] * (ends - start)[None, :]
        return np.asarray(self.seconds(sizes).sum(axis=0))


@dataclass(frozen=True)
class MeasuredModel(ComputeModel):
    """Seconds between measured runs by interpolation, beyond them as the linear model grows.

    `times` go with `sizes`, both ascending: a run that took less than a smaller one was lucky.
    """

    sizes: tuple[float, ...] = ()
    times: tuple[float, ...] = ()

    def training(self, size: FloatArray) -> FloatArray:
        """Return seconds of a training on `size` images without scoring, elementwise."""
        last = np.array([self.sizes[-1]])
        beyond = super().training(np.maximum(size, last)) - super().training(last)
        return np.asarray(np.interp(size, self.sizes, self.times) + beyond)


def fit_compute(
    records: tuple[IterationRecord, ...], model: CostModel = CostModel.LINEAR
) -> ComputeModel:
    """Fit the cost model to the runs of one architecture (at least one).

    LINEAR: samples shown grow with |B|; QUADRATIC: with |B|^2, so that the total is cubic
    (footnote 3); FIXED: every training takes the mean time; MEASURED: interpolates.
    """
    seconds = np.array([r.train_seconds for r in records], dtype=np.float64)
    samples = np.array([r.samples_shown for r in records], dtype=np.float64)
    fixed, per_sample = float(seconds.mean()), 0.0
    if model is not CostModel.FIXED:
        fixed, per_sample = _regress(samples, seconds)
    fitted = ComputeModel(
        fixed=fixed,
        per_sample=per_sample,
        scoring=float(np.median([r.score_seconds for r in records])),
        last_size=float(max(records[-1].train_size, 1)),
        last_samples=float(max(samples[-1], 1.0)),
        least=float(samples.min()),
        power=2 if model is CostModel.QUADRATIC else 1,
    )
    return _measured(fitted, records, seconds) if model is CostModel.MEASURED else fitted


def _regress(samples: FloatArray, seconds: FloatArray) -> tuple[float, float]:
    """Return the fixed seconds and those per sample by least squares, both at least 0.

    Runs of one size cannot tell the fixed part from the rest: all is then taken as per sample,
    which never underestimates a larger run.
    """
    if np.ptp(samples) <= SPREAD * samples.max():
        return 0.0, float(seconds.mean() / max(samples.mean(), 1.0))
    scale = samples.max()
    fixed, slope = nnls(np.stack([np.ones_like(samples), samples / scale], axis=1), seconds)[0]
    return float(fixed), float(slope / scale)


def _measured(
    fitted: ComputeModel, records: tuple[IterationRecord, ...], seconds: FloatArray
) -> MeasuredModel:
    """Return the interpolation of the mean time at each measured size."""
    taken = np.array([r.train_size for r in records], dtype=np.float64)
    sizes, places = np.unique(taken, return_inverse=True)
    means = np.bincount(places, weights=seconds) / np.bincount(places)
    known = {field.name: getattr(fitted, field.name) for field in fields(fitted)}
    times = np.maximum.accumulate(means)
    return MeasuredModel(**known, sizes=tuple(sizes.tolist()), times=tuple(times.tolist()))
