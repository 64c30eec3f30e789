"""The real learner: a network on this machine, behind the engine's `Learner` protocol."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mcal_engine import candidates, pseudo, training
from mcal_engine.candidates import FROZEN, TUNED, Candidate
from mcal_engine.errors import DataError
from mcal_engine.learner import Earlier, TrainedModel
from mcal_engine.types import FloatArray, IntArray, Scores
from mcal_engine.vision import ensemble, frozen, pretrained, semi
from mcal_engine.vision.checkpoints import Model, NetSpec
from mcal_engine.vision.data import Images, measure
from mcal_engine.vision.device import pick_device, use_threads
from mcal_engine.vision.ensemble import MemberWatch
from mcal_engine.vision.fitted import Fitted, Single
from mcal_engine.vision.members import Shelf
from mcal_engine.vision.recipes import suited
from mcal_engine.vision.score import Views
from mcal_engine.vision.train import Hooks, Progress, Recipe, Trained, ignore, never, train


class TorchLearner:
    """Trains fresh weights on some images of one pool and scores every image of it.

    `images` is uint8 [N, H, W, C] or [N, H, W]; a memory-mapped file will do. After a call,
    `trained` holds what the last training took, `fitted` what it left and scores with, `model`
    the network of its last run, `chosen` the pseudo-labels that trained along. `settings` are
    those of a run's `RunConfig.training`. An ensemble's members lie in the folder `members_in`
    where it is set, else in a temporary one while they are needed; `on_member`, where set, sees what each
    member says while it scores. `prior` says where pre-trained weights come from and where the
    features of frozen networks are kept.
    """

    def __init__(
        self,
        images: Images,
        classes: int,
        *,
        recipe: Recipe | None = None,
        settings: Mapping[str, float] | None = None,
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
        self.settings = training.checked(settings or {})
        self.flip = flip if recipe is None else recipe.flip
        self.device = pick_device(device)
        self.report_training = report_training
        self.report_scoring = report_scoring
        self.cancelled = cancelled
        self.members_in: Path | None = None
        self.on_member: MemberWatch | None = None
        self.prior = pretrained.Prior()
        self.normalisation = measure(self.images)
        self.model: Model | None = None
        self.trained: Trained | None = None
        self.fitted: Fitted | None = None
        self.chosen: pseudo.Chosen | None = None
        self._begun = pretrained.Beginning(self._spec(""), self.normalisation)
        use_threads(threads)

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

        `features` asks for the last hidden layer of every image as well (2 bytes x N x d). `arch`
        names a candidate (`candidates.parse`), `earlier` is its model of the round before. Equal
        arguments give equal scores on one device. Raises `InvalidConfigError` for a name that
        makes no sense, `DataError` for items or labels out of range, `TrainingError` when nothing
        can be learnt, `CancelledError` when stopped.
        """
        trained = self.train(train_items, train_labels, seed=seed, arch=arch, earlier=earlier)
        started = time.monotonic()
        scores = self.score(features=features)
        return TrainedModel(
            scores=scores,
            train_seconds=trained.seconds,
            score_seconds=time.monotonic() - started + trained.preparation,
            samples_shown=trained.samples_shown,
            device=self.device.type,
        )

    def train(
        self,
        items: IntArray,
        labels: IntArray,
        *,
        seed: int,
        arch: str,
        earlier: Earlier | None = None,
    ) -> Trained:
        """Train only; `score` then uses the result. Arguments and errors: `train_and_score`."""
        candidate = candidates.parse(arch)
        check_training_set(items, labels, n=len(self.images), classes=self.classes)
        self.trained, self.fitted = self._fit(
            candidate, items.astype(np.int64), labels.astype(np.int64), seed, earlier
        )
        self.model = self.trained.model
        return self.trained

    def _fit(
        self,
        candidate: Candidate,
        items: IntArray,
        labels: IntArray,
        seed: int,
        earlier: Earlier | None,
    ) -> tuple[Trained, Fitted]:
        """Train as the candidate's name says; return what it took and what it left."""
        items, labels, weights = self._with_pseudo(candidate, items, labels, earlier)
        if candidate.weights == FROZEN:
            pool = frozen.Pool(
                self.images,
                self.classes,
                self.device,
                self.prior,
                report=self.report_training,
                cancelled=self.cancelled,
            )
            return frozen.fit_frozen(pool, candidate.net, items, labels, weights)
        recipe = self._longer(self._begin(candidate), len(items))
        hooks = Hooks(
            report=self.report_training,
            cancelled=self.cancelled,
            weights=weights,
            start=self._begun.start,
        )
        if candidate.members > 1:
            return ensemble.fit(
                candidate,
                lambda seed, recipe, hooks: self._run(
                    candidate, items, labels, seed, recipe, hooks
                ),
                spec=self._begun.spec,
                normalisation=self._begun.normalisation,
                recipe=recipe,
                seed=seed,
                hooks=hooks,
                shelf=Shelf(self.members_in, most_bytes=training.members_of(self.settings).bytes),
            )
        trained = self._run(candidate, items, labels, seed, recipe, hooks)
        return trained, Single(trained.model)

    def _begin(self, candidate: Candidate) -> Recipe:
        """Find what the candidate's trainings begin at; return how they go on."""
        usual = self.recipe(candidate.net)
        if candidate.weights != TUNED:
            self._begun = pretrained.Beginning(self._spec(candidate.net), self.normalisation)
            return usual
        self._begun = pretrained.beginning(
            candidate.net, self.images, self.classes, flip=self.flip, source=self.prior.source
        )
        asked = training.recipe_of(self.settings)
        return replace(pretrained.gentler(usual, self._begun.spec.arch), **asked)

    def _with_pseudo(
        self, candidate: Candidate, items: IntArray, labels: IntArray, earlier: Earlier | None
    ) -> tuple[IntArray, IntArray, FloatArray | None]:
        """Return (items, labels, weights) with the candidate's pseudo-labels, if it has any."""
        self.chosen = None
        if not candidate.pseudo:
            return items, labels, None
        settings = training.pseudo_of(self.settings)
        self.chosen = pseudo.choose(earlier, items, labels, settings)
        return pseudo.extended(items, labels, self.chosen, settings)

    def _longer(self, recipe: Recipe, size: int) -> Recipe:
        """Return the recipe with as many steps at least for each human label as without pseudo-
        labels: a floor of steps that all `size` images share would show B less often.
        """
        more = 0 if self.chosen is None else len(self.chosen.items)
        if more == 0:
            return recipe
        return replace(recipe, min_steps=math.ceil(recipe.min_steps * size / max(size - more, 1)))

    def _run(
        self,
        candidate: Candidate,
        items: IntArray,
        labels: IntArray,
        seed: int,
        recipe: Recipe,
        hooks: Hooks,
    ) -> Trained:
        """Train one network of the candidate once, on these images and labels."""
        if candidate.semi:
            recipe, hooks = semi.prepared(
                self.images,
                items,
                recipe,
                hooks,
                settings=training.semi_of(self.settings),
                classes=self.classes,
                normalisation=self.normalisation,
                seed=seed,
                device=self.device,
            )
        with seeded(seed, self.device):
            return train(
                self.images,
                items,
                labels,
                spec=self._begun.spec,
                recipe=recipe,
                normalisation=self._begun.normalisation,
                seed=seed,
                device=self.device,
                hooks=hooks,
            )

    def score(
        self, *, features: bool = False, watch: Callable[[Views], None] = lambda views: None
    ) -> Scores:
        """Score all N images with the last trained model. Arguments and errors: `score.score`."""
        if self.fitted is None:
            raise DataError("Nothing has been trained yet, so nothing can be scored.")
        more: dict[str, Any] = {}
        if isinstance(self.fitted, ensemble.Ensemble):
            more["on_member"] = self.on_member
        elif self.on_member is not None:
            watch = ensemble.as_member(watch, self.on_member)
        return self.fitted.score(
            self.images,
            self.device,
            features=features,
            watch=watch,
            report=self.report_scoring,
            cancelled=self.cancelled,
            **more,
        )

    def recipe(self, net: str) -> Recipe:
        """Return the recipe that was given, or the one that suits the network and the images."""
        channels = self.images.shape[3]
        usual = self.fixed_recipe or suited(net, channels=channels, flip=self.flip)
        return replace(usual, **training.recipe_of(self.settings))

    def _spec(self, net: str) -> NetSpec:
        _, height, width, channels = self.images.shape
        return NetSpec(
            arch=net,
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
