"""What the engine's drivers ask of a learner, and a synthetic one with known truth.

A learner knows the images; the algorithm never sees them. It is created for one pool
(`TorchLearner(images, classes)`) and then asked once per iteration.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlog1py, xlogy

from mcal_engine.candidates import is_ensemble, parse
from mcal_engine.types import FloatArray, IntArray, Scores

FEATURES = 8


@dataclass(frozen=True)
class TrainedModel:
    """What one training measured: the scores of all N images and what it took.

    `samples_shown` counts augmented images seen by the optimiser (steps * batch); `device` is the
    kind of device ("cpu", "cuda", "mps") whose hour is paid.
    """

    scores: Scores
    train_seconds: float
    score_seconds: float
    samples_shown: int
    device: str = ""


@dataclass(frozen=True)
class Earlier:
    """The last round's model of the same candidate: what it said, and what it was trained on.

    `train_items` are B of that training. Images that joined B since have labels that this model
    has not seen; pseudo-labels are calibrated on them (`pseudo.choose`). `round` counts the
    candidate's trainings up to that one.
    """

    scores: Scores
    train_items: IntArray
    round: int = 1


class Learner(Protocol):
    """Trains fresh weights on some images of its pool and scores every image of it."""

    def train_and_score(
        self,
        train_items: IntArray,
        train_labels: IntArray,
        *,
        seed: int,
        arch: str,
        features: bool = False,
        earlier: Earlier | None = None,
    ) -> TrainedModel:
        """Train on these images and labels (same length), then score all N images.

        The scores hold all three measures of uncertainty, and the last hidden layer where
        `features` asks for it. `arch` is the name of a candidate (`candidates.parse`), `earlier`
        its model of the round before, for candidates that learn from it. Equal arguments give
        equal scores on one device. Raises `DataError`, `TrainingError`, `CancelledError`.
        """
        ...


@dataclass(frozen=True)
class SyntheticLearner:
    """A learner without images whose truth is known in closed form, for fast tests.

    Image i has the hardness q_i, uniform on (0, 1). A model trained on |B| images errs on it with
    the probability `error_probability`: overall `level` * (|B| / 100)^-gamma, concentrated on the
    hard images, so that active learning pays. Its uncertainty is that probability blurred. With
    `learnable` off it guesses, whatever it is given, as on random labels. `strengths` gives an
    architecture its own (factor of `level`, factor of all seconds); others have (1, 1).
    """

    labels: IntArray
    classes: int
    level: float = 0.30
    gamma: float = 0.40
    steepness: float = 4.0
    blur: float = 0.5
    learnable: bool = True
    world: int = 0
    strengths: dict[str, tuple[float, float]] = field(default_factory=dict)

    def error_probability(self, size: int, arch: str = "") -> FloatArray:
        """Return the error probability of each image after training on `size` images."""
        chance = 1 - 1 / self.classes
        if not self.learnable:
            return np.full(len(self.labels), chance)
        mean = self.level * self._strength(arch)[0] * (max(size, 1) / 100) ** -self.gamma
        steep = self.steepness
        return np.asarray(np.minimum(mean * (steep + 1) * self._hardness() ** steep, chance))

    def train_and_score(
        self,
        train_items: IntArray,
        train_labels: IntArray,
        *,
        seed: int,
        arch: str,
        features: bool = False,
        earlier: Earlier | None = None,
    ) -> TrainedModel:
        """Guess every image; trained images are right. Takes simulated seconds only."""
        size, slow = len(train_items), self._strength(arch)[1]
        samples = max(38_400, 30 * size)
        scores = self._scores(train_items, train_labels, seed, arch)
        return TrainedModel(
            scores=replace(scores, features=self._features()) if features else scores,
            train_seconds=slow * (1.0 + samples / 6000),
            score_seconds=slow * len(self.labels) / 10_000,
            samples_shown=samples,
            device="cpu",
        )

    def _strength(self, arch: str) -> tuple[float, float]:
        return self.strengths.get(arch, (1.0, 1.0))

    def _hardness(self) -> FloatArray:
        return np.random.default_rng([self.world, 1]).random(len(self.labels))

    def _scores(self, items: IntArray, labels: IntArray, seed: int, arch: str) -> Scores:
        """Draw who is wrong, and by how much each image seems so; rivals draw their own."""
        rival = (zlib.crc32(arch.encode()),) if arch in self.strengths else ()
        rng = np.random.default_rng([self.world, 2, seed, *rival])
        n, wrong_with = len(self.labels), self.error_probability(len(items), arch)
        wrong = rng.random(n) < wrong_with
        shift = rng.integers(1, self.classes, n)
        pred = np.where(wrong, (self.labels + shift) % self.classes, self.labels)
        pred[items] = labels
        uncertainty = np.minimum(wrong_with * np.exp(self.blur * rng.standard_normal(n)), 1.0)
        least, entropy = self._other_measures(uncertainty, rng)
        found = Scores(
            pred=pred.astype(np.uint16),
            uncertainty=uncertainty.astype(np.float32),
            model=f"synthetic:{arch}:{len(items)}:{seed}",
            least=least.astype(np.float32),
            entropy=entropy.astype(np.float32),
        )
        return _disagreeing(found, arch, rng) if is_ensemble(arch) else found

    def _other_measures(
        self, uncertainty: FloatArray, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        """Return 1 - p1 and the entropy of probabilities that have this 1 - p1 + p2.

        The second class holds a random share of 1 - p1; the others have equal parts of the rest.
        """
        others = max(self.classes - 2, 1)
        share = rng.uniform(1 / (self.classes - 1), 1, len(uncertainty))
        least = uncertainty / (1 + share)
        second, rest = least * share, least * (1 - share) / others
        top_term = -xlog1py(1 - least, -least)  # keeps its precision where 1 - p1 is tiny
        entropy = top_term - xlogy(second, second) - others * xlogy(rest, rest)
        return least, np.asarray(entropy, dtype=np.float64)

    def _features(self) -> NDArray[np.float16]:
        """Return [N, 8]: each class is a line from its own corner (easy) towards 0 (hard)."""
        corners = np.random.default_rng([self.world, 3]).standard_normal((self.classes, FEATURES))
        easy = 1 - self._hardness()
        return (corners[self.labels] * easy[:, None]).astype(np.float16)


def _disagreeing(scores: Scores, arch: str, rng: np.random.Generator) -> Scores:
    """Add how far an ensemble's members disagree: more where it is less certain, within bounds."""
    assert scores.least is not None
    assert scores.entropy is not None
    members = parse(arch).members
    votes = rng.binomial(members, scores.least)
    return replace(
        scores,
        mutual=(scores.entropy * rng.uniform(0, 1, len(votes))).astype(np.float32),
        variation=(np.minimum(votes, members - 1) / members).astype(np.float32),
    )
