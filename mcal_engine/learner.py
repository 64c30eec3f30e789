"""What the engine's drivers ask of a learner, and a synthetic one with known truth.

A learner knows the images; the algorithm never sees them. It is created for one pool
(`TorchLearner(images, classes)`) and then asked once per iteration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mcal_engine.types import FloatArray, IntArray, Scores


@dataclass(frozen=True)
class TrainedModel:
    """What one training measured: the scores of all N images and what it took.

    `samples_shown` counts augmented images seen by the optimiser (steps * batch).
    """

    scores: Scores
    train_seconds: float
    score_seconds: float
    samples_shown: int


class Learner(Protocol):
    """Trains fresh weights on some images of its pool and scores every image of it."""

    def train_and_score(
        self, train_items: IntArray, train_labels: IntArray, *, seed: int, arch: str
    ) -> TrainedModel:
        """Train on these images and labels (same length), then score all N images.

        Equal arguments give equal scores on one device. Raises `TrainingError`.
        """
        ...


@dataclass(frozen=True)
class SyntheticLearner:
    """A learner without images whose truth is known in closed form, for fast tests.

    Image i has the hardness q_i, uniform on (0, 1). A model trained on |B| images errs on it with
    the probability `error_probability`: overall `level` * (|B| / 100)^-gamma, concentrated on the
    hard images, so that active learning pays. Its uncertainty is that probability blurred. With
    `learnable` off it guesses, whatever it is given, as on random labels.
    """

    labels: IntArray
    classes: int
    level: float = 0.30
    gamma: float = 0.40
    steepness: float = 4.0
    blur: float = 0.5
    learnable: bool = True
    world: int = 0

    def error_probability(self, size: int) -> FloatArray:
        """Return the error probability of each image after training on `size` images."""
        chance = 1 - 1 / self.classes
        if not self.learnable:
            return np.full(len(self.labels), chance)
        hardness = np.random.default_rng([self.world, 1]).random(len(self.labels))
        mean = self.level * (max(size, 1) / 100) ** -self.gamma
        steep = self.steepness
        return np.asarray(np.minimum(mean * (steep + 1) * hardness**steep, chance))

    def train_and_score(
        self, train_items: IntArray, train_labels: IntArray, *, seed: int, arch: str
    ) -> TrainedModel:
        """Guess every image; trained images are right. Takes simulated seconds only."""
        rng = np.random.default_rng([self.world, 2, seed])
        n, size = len(self.labels), len(train_items)
        wrong_with = self.error_probability(size)
        wrong = rng.random(n) < wrong_with
        shift = rng.integers(1, self.classes, n)
        pred = np.where(wrong, (self.labels + shift) % self.classes, self.labels)
        pred[train_items] = train_labels
        uncertainty = wrong_with * np.exp(self.blur * rng.standard_normal(n))
        samples = max(38_400, 30 * size)
        return TrainedModel(
            scores=Scores(
                pred=pred.astype(np.uint16),
                uncertainty=np.minimum(uncertainty, 1.0).astype(np.float32),
                model=f"synthetic:{arch}:{size}:{seed}",
            ),
            train_seconds=1.0 + samples / 6000,
            score_seconds=n / 10_000,
            samples_shown=samples,
        )
