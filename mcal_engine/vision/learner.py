"""The real learner: a network on this machine, behind the engine's `Learner` protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from mcal_engine.errors import DataError
from mcal_engine.learner import TrainedModel
from mcal_engine.types import IntArray, Scores
from mcal_engine.vision.checkpoints import Model, NetSpec
from mcal_engine.vision.data import Images, measure
from mcal_engine.vision.device import pick_device, use_threads
from mcal_engine.vision.recipes import suited
from mcal_engine.vision.score import Views, score
from mcal_engine.vision.train import Progress, Recipe, Trained, ignore, never, train


class TorchLearner:
    """Trains fresh weights on some images of one pool and scores every image of it.

    `images` is uint8 [N, H, W, C] or [N, H, W]; a memory-mapped file will do. After a call,
    `model` and `trained` hold what the last training made.
    """

    def __init__(
        self,
        images: Images,
        classes: int,
        *,
        recipe: Recipe | None = None,
        flip: bool = True,
        device: str | None = None,
        threads: int | None = None,
        report_training: Callable[[Progress], None] = ignore,
        report_scoring: Callable[[int], None] = lambda done: None,
        cancelled: Callable[[], bool] = never,
    ) -> None:
        self.images = checked_images(images)
        self.classes = checked_classes(classes)
        self.fixed_recipe = recipe
        self.flip = flip if recipe is None else recipe.flip
        self.device = pick_device(device)
        self.report_training = report_training
        self.report_scoring = report_scoring
        self.cancelled = cancelled
        self.normalisation = measure(self.images)
        self.model: Model | None = None
        self.trained: Trained | None = None
        use_threads(threads)

    def train_and_score(
        self,
        train_items: IntArray,
        train_labels: IntArray,
        *,
        seed: int,
        arch: str,
        features: bool = False,
    ) -> TrainedModel:
        """Train on these images and labels (same length), then score all N images.

        `features` asks for the last hidden layer of every image as well (2 bytes x N x d). Equal arguments give equal scores on one device. Raises `DataError` for items or labels
        out of range, `TrainingError` when nothing can be learnt, `CancelledError` when stopped.
        """
        trained = self.train(train_items, train_labels, seed=seed, arch=arch)
        started = time.monotonic()
        scores = self.score(features=features)
        return TrainedModel(
            scores=scores,
            train_seconds=trained.seconds,
            score_seconds=time.monotonic() - started,
            samples_shown=trained.samples_shown,
            device=self.device.type,
        )

    def train(self, items: IntArray, labels: IntArray, *, seed: int, arch: str) -> Trained:
        """Train only; `score` then uses the result."""
        check_training_set(items, labels, n=len(self.images), classes=self.classes)
        with seeded(seed, self.device):
            self.trained = train(
                self.images,
                items.astype(np.int64),
                labels.astype(np.int64),
                spec=self._spec(arch),
                recipe=self.recipe(arch),
                normalisation=self.normalisation,
                seed=seed,
                device=self.device,
                report=self.report_training,
                cancelled=self.cancelled,
            )
        self.model = self.trained.model
        return self.trained

    def score(
        self, *, features: bool = False, watch: Callable[[Views], None] = lambda views: None
    ) -> Scores:
        """Score all N images with the last trained model. Arguments and errors: `score.score`."""
        if self.model is None:
            raise DataError("Nothing has been trained yet, so nothing can be scored.")
        return score(
            self.model,
            self.images,
            self.device,
            features=features,
            watch=watch,
            report=self.report_scoring,
            cancelled=self.cancelled,
        )

    def recipe(self, arch: str) -> Recipe:
        """Return the recipe that was given, or the one that suits the network and the images."""
        channels = self.images.shape[3]
        return self.fixed_recipe or suited(arch, channels=channels, flip=self.flip)

    def _spec(self, arch: str) -> NetSpec:
        _, height, width, channels = self.images.shape
        return NetSpec(
            arch=arch,
            channels=channels,
            classes=self.classes,
            side=min(height, width),
            flip=self.flip,
        )


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators, from which dropout draws; put them back at the end."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)  # noqa: TID251  networks with dropout know no other generator
        yield


def checked_images(images: Images) -> Images:
    """Return the images as uint8 [N, H, W, C]. Raises `DataError` for anything else."""
    if images.dtype != np.uint8 or images.ndim not in {3, 4} or 0 in images.shape:
        raise DataError(
            "The images must be uint8 with the shape N x H x W or N x H x W x C, "
            f"not {images.dtype} {'x'.join(map(str, images.shape))}."
        )
    return images if images.ndim == 4 else images[..., None]


def checked_classes(classes: int) -> int:
    """Return the number of classes if predictions fit uint16 and there is a choice at all."""
    if not 2 <= classes <= 65_535:
        raise DataError(f"{classes} classes: there must be 2 to 65,535.")
    return classes


def check_training_set(items: IntArray, labels: IntArray, *, n: int, classes: int) -> None:
    """Raise `DataError` unless the items are distinct numbers of images with a label each."""
    if items.ndim != 1 or items.shape != labels.shape:
        raise DataError(f"{items.shape} training images do not go with {labels.shape} labels.")
    if items.dtype.kind not in "iu" or labels.dtype.kind not in "iu":
        raise DataError("Training images and labels must be whole numbers.")
    if len(items) == 0:
        return  # the training itself says that there is nothing to train on
    if items.min() < 0 or items.max() >= n:
        raise DataError(f"A training image is outside 0 to {n - 1}.")
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(f"A training label is outside 0 to {classes - 1}.")
    if len(np.unique(items)) != len(items):
        raise DataError("A training image is listed twice.")
