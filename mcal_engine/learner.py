"""What the engine's drivers ask of a learner, and a synthetic one with known truth.

A learner knows the images; the algorithm never sees them. It is created for one pool
(`TorchLearner(images, classes)`) and then asked once per iteration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mcal_engine.types import IntArray, Scores


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
