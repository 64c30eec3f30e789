"""What people, training and scoring cost (paper, Sec. 3.2). Dollars and seconds, floats.

Seconds of a training = a + c * samples shown, regressed on the measured runs. Past compute is
recorded, never modelled; the future part sums the planned runs (Eq. 4 is the special case of
equal steps from zero).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from mcal_engine.types import FloatArray, IterationRecord, Prices


def compute_dollars(seconds: float, prices: Prices, device: str = "") -> float:
    """Return what this much time on this kind of device costs."""
    return seconds * prices.devices.get(device, prices.compute_per_hour) / 3600


@dataclass(frozen=True)
class ComputeModel:
    """Seconds of a future training on |B| images, scoring of the whole pool included."""

    fixed: float
    per_sample: float
    scoring: float
    last_size: float
    last_samples: float

    def seconds(self, size: FloatArray) -> FloatArray:
        """Return seconds for trainings on `size` images, elementwise.

        Samples shown grow with |B| from the last run on; below the learner's floor of steps
        this is an upper limit, so a dear computer is never promised too cheap.
        """
        samples = self.last_samples * np.maximum(1.0, size / self.last_size)
        return self.fixed + self.per_sample * samples + self.scoring

    def path_seconds(self, start: float, ends: FloatArray, steps: int) -> FloatArray:
        """Return seconds of `steps` trainings on the equal steps from `start` to each end."""
        parts = np.arange(1, steps + 1) / steps
        sizes = start + parts[:, None] * (ends - start)[None, :]
        return np.asarray(self.seconds(sizes).sum(axis=0))


def fit_compute(records: tuple[IterationRecord, ...]) -> ComputeModel:
    """Regress training seconds on samples shown; both coefficients are at least 0.

    Runs of one size cannot tell the fixed part from the rest: all is then taken as per sample,
    which never underestimates a larger run.
    """
    samples = np.array([r.samples_shown for r in records], dtype=np.float64)
    seconds = np.array([r.train_seconds for r in records], dtype=np.float64)
    fixed, per_sample = 0.0, float(seconds.mean() / max(samples.mean(), 1.0))
    if np.ptp(samples) > 0.05 * samples.max():
        scale = samples.max()
        fixed, slope = nnls(np.stack([np.ones_like(samples), samples / scale], axis=1), seconds)[0]
        per_sample = float(slope / scale)
    return ComputeModel(
        fixed=float(fixed),
        per_sample=per_sample,
        scoring=float(np.median([r.score_seconds for r in records])),
        last_size=float(records[-1].train_size),
        last_samples=float(max(samples[-1], 1.0)),
    )
