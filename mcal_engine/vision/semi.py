"""Consistency training: images without a label teach that their views belong to one class.

In the manner of FixMatch (Sohn et al., arXiv:2001.07685) with FreeMatch's thresholds (Wang et al.,
arXiv:2205.07246, Eq. 5 to 8): the class that the network sees in a weak view, where it is sure
enough, is the target of a strong view of the same image. How sure is enough adapts: a global
threshold follows the network's mean confidence, one per class follows how often it sees that
class. FreeMatch's fairness term is left out. A running mean of the weights scores.

All images outside B are unlabelled ones, test marks among them: their pixels are used like any
other's, no human label of theirs is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional

from mcal_engine.errors import DataError
from mcal_engine.training import Semi
from mcal_engine.types import IntArray
from mcal_engine.vision.data import Augmenter, Images, Normalisation
from mcal_engine.vision.device import autocast
from mcal_engine.vision.recipes import Recipe
from mcal_engine.vision.semi_views import StrongViews
from mcal_engine.vision.train import Batch, Forward, Hooks, hits_of, labelled_loss

STREAM = 0x5E31  # tells the unlabelled draws from those of the labelled batches


def prepared(
    images: Images,
    items: IntArray,
    recipe: Recipe,
    hooks: Hooks,
    *,
    settings: Semi,
    classes: int,
    normalisation: Normalisation,
    seed: int,
    device: torch.device,
) -> tuple[Recipe, Hooks]:
    """Return recipe and hooks with which `train` learns from B = `items` and all images outside.

    Where every image is in B, those of a plain training. Raises `DataError` where the hooks bring
    a loss of their own.
    """
    outside = np.setdiff1d(np.arange(len(images), dtype=np.int64), items)
    if len(outside) == 0:
        return recipe, hooks
    if hooks.loss is not None:
        raise DataError("Consistency training cannot go with another loss.")
    generator = torch.Generator().manual_seed(seed ^ STREAM)
    loss = Consistency(
        Unlabelled(images, outside, recipe, normalisation, generator),
        Thresholds(classes, settings.memory, device),
        settings,
        device,
    )
    longer = replace(
        recipe,
        epochs=max(1, round(recipe.epochs * settings.longer)),
        min_steps=max(1, round(recipe.min_steps * settings.longer)),
        average=settings.average,
    )
    return longer, replace(hooks, loss=loss, seen=1.0 + 2 * settings.unlabelled)


class Unlabelled:
    """Draws images outside B: a weak and a strong view of each.

    They are read from the pool as they are drawn, so memory does not grow with it.
    """

    def __init__(
        self,
        images: Images,
        outside: IntArray,
        recipe: Recipe,
        normalisation: Normalisation,
        generator: torch.Generator,
    ) -> None:
        self.images, self.outside, self.normalisation = images, outside, normalisation
        self.generator = generator
        self.weak = Augmenter(generator, pad=recipe.pad, flip=recipe.flip)
        self.strong = StrongViews(generator, normalisation.mean)

    def draw(self, count: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weak and strong views, normalised [count, C, H, W], of `count` random images."""
        chosen = torch.randint(0, len(self.outside), (count,), generator=self.generator)
        pixels = torch.from_numpy(np.array(self.images[self.outside[chosen.numpy()]])).to(device)
        everything = torch.arange(count)
        weak = self.normalisation.apply(self.weak.take(pixels, everything))
        moved = self.weak.take(pixels, everything).permute(0, 3, 1, 2).float()
        strong = self.strong.apply(moved).permute(0, 2, 3, 1)
        return weak, self.normalisation.apply(strong)


class Thresholds:
    """FreeMatch's self-adaptive thresholds, one per class, from running means of what is seen."""

    def __init__(self, classes: int, memory: float, device: torch.device) -> None:
        self.memory = memory
        self.confidence = torch.tensor(1.0 / classes, device=device)
        self.seen = torch.full((classes,), 1.0 / classes, device=device)

    def update(self, probabilities: torch.Tensor) -> None:
        """Take in a batch of probabilities [n, C]: Eq. 5 and 6."""
        self.confidence = self._mean(self.confidence, probabilities.amax(dim=1).mean())
        self.seen = self._mean(self.seen, probabilities.mean(dim=0))

    @property
    def per_class(self) -> torch.Tensor:
        """The confidence [C] from which a class is believed: Eq. 8."""
        return self.confidence * self.seen / self.seen.amax()

    def _mean(self, old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        return self.memory * old + (1 - self.memory) * new


class Consistency:
    """The loss of a batch: cross entropy where there are labels, consistency where there are none."""

    def __init__(
        self,
        unlabelled: Unlabelled,
        thresholds: Thresholds,
        settings: Semi,
        device: torch.device,
    ) -> None:
        self.unlabelled, self.thresholds = unlabelled, thresholds
        self.settings, self.device = settings, device

    def __call__(self, forward: Forward, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss and how many labelled images were right."""
        n = len(batch.inputs)
        weak, strong = self.unlabelled.draw(n * self.settings.unlabelled, self.device)
        with torch.no_grad(), autocast(self.device):
            seen = forward(weak).float().softmax(dim=1)
        believed, targets = self._believed(seen)
        with autocast(self.device):
            logits = forward(torch.cat([batch.inputs, strong])).float()
        each = functional.cross_entropy(logits[n:], targets, reduction="none")
        loss = labelled_loss(logits[:n], batch) + self.settings.weight * (each * believed).mean()
        return loss, hits_of(logits[:n], batch)

    def _believed(self, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return which views [n] are believed, as 0 or 1, and the class [n] seen in each."""
        self.thresholds.update(seen)
        confidence, targets = seen.max(dim=1)
        return (confidence >= self.thresholds.per_class[targets]).float(), targets
