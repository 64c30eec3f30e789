"""A frozen pre-trained network with a linear head: a round takes seconds, on a CPU too.

The features of all images are computed once, by the first round that needs them, and kept
(`frozen_cache`); later rounds fit the head (`frozen_head`) and multiply two matrices.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mcal_engine.errors import CancelledError
from mcal_engine.scores import uncertainties
from mcal_engine.types import FloatArray, IntArray, Scores
from mcal_engine.vision import checkpoints
from mcal_engine.vision.checkpoints import Model
from mcal_engine.vision.data import Images
from mcal_engine.vision.device import autocast
from mcal_engine.vision.frozen_cache import Features
from mcal_engine.vision.frozen_head import Head as LinearHead
from mcal_engine.vision.frozen_head import fit_head
from mcal_engine.vision.pretrained import Prior, frozen_model
from mcal_engine.vision.score import Found, Head, Views, check_numbers, chunk_size, half, slices
from mcal_engine.vision.train import Progress, Trained, ignore, never

ROWS = 8192  # scored at a time


@dataclass(frozen=True)
class Frozen:
    """A head on features [N, d] of one pool: what `fitted.Fitted` asks for."""

    model: Model
    head: LinearHead
    features: Features

    def score(
        self,
        images: Images,
        device: torch.device,
        *,
        features: bool,
        watch: Callable[[Views], None],
        report: Callable[[int], None],
        cancelled: Callable[[], bool],
    ) -> Scores:
        """Score all N images from their features. Arguments and errors: `score.score`."""
        found = Found(len(self.features), 0)
        for rows in slices(len(self.features), ROWS):
            if cancelled():
                raise CancelledError("The scoring was asked to stop.")
            seen = self.features[rows].astype(np.float32)
            views = Views(_softmax(seen @ self.head.weight.T + self.head.bias), seen)
            check_numbers(views, rows)
            found.fill(rows, uncertainties(views.probabilities), seen)
            watch(views)
            report(rows.stop)
        found.features = self.features if features else None
        return found.scores(checkpoints.sha256(self.model))

    def keep(self, folder: Path) -> str:
        """Write model.pt, the network with this head; return its SHA-256."""
        return checkpoints.save(self.model, folder / "model.pt")


@dataclass(frozen=True)
class Pool:
    """The images [N, H, W, C] whose features are taken, and where and how."""

    images: Images
    classes: int
    device: torch.device
    prior: Prior
    report: Callable[[Progress], None] = ignore
    cancelled: Callable[[], bool] = never


def fit_frozen(
    pool: Pool, net: str, items: IntArray, labels: IntArray, weights: FloatArray | None = None
) -> tuple[Trained, Frozen]:
    """Fit a linear head on the frozen features of `images[items]`; the features stay for later.

    `weights` [n] weigh the loss of each item. The seconds of features that were not there yet are
    `Trained.preparation`. Raises `WeightsError`, `TrainingError`, `CancelledError`, `DataError` for a full disk.
    """
    started = time.monotonic()
    model, name = frozen_model(
        net, pool.images, pool.classes, source=pool.prior.source, device=pool.device
    )
    features, computed = _features(pool, model, name)
    prepared = time.monotonic()
    head = fit_head(
        features, items, labels, pool.classes, weights=weights, cancelled=pool.cancelled
    )
    _put(model, head)
    trained = Trained(
        model=model,
        steps=head.steps,
        samples_shown=head.samples,
        seconds=time.monotonic() - (prepared if computed else started),
        final_loss=head.loss,
        train_accuracy=head.accuracy,
        preparation=prepared - started if computed else 0.0,
    )
    return trained, Frozen(model, head, features)


def _features(pool: Pool, model: Model, name: str) -> tuple[Features, int]:
    """Return the features of all images and how many were computed for it."""
    with Head(model.net) as head:
        size = chunk_size(model, pool.images, pool.device)

        def compute(items: IntArray) -> Iterator[Features]:
            return _computed(pool, model, head, items, size)

        kept = pool.prior.cache.of(_key(model, name, pool.images), pool.images, head.width, compute)
    return kept.features, kept.computed


def _key(model: Model, weights: str, images: Images) -> str:
    """Return the name of these features: what they are computed with, and the images' shape."""
    parts = (weights, model.spec.arch, model.spec.side, model.normalisation, images.shape[1:])
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:40]


@torch.inference_mode()
def _computed(
    pool: Pool, model: Model, head: Head, items: IntArray, size: int
) -> Iterator[Features]:
    """Yield the features of these images, in their order, chunk by chunk."""
    started = time.monotonic()
    for rows in slices(len(items), size):
        if pool.cancelled():
            raise CancelledError("The training was asked to stop.")
        pixels = torch.from_numpy(np.array(pool.images[items[rows]])).to(pool.device)
        with autocast(pool.device):
            model.net(model.normalisation.apply(pixels))
        yield half(head.seen.cpu().numpy())
        seconds = time.monotonic() - started
        pool.report(Progress(rows.stop, len(items), rows.stop, seconds))


@torch.no_grad()
def _put(model: Model, head: LinearHead) -> None:
    """Make the head the network's last layer."""
    linear = Head(model.net).linear
    linear.weight.copy_(torch.from_numpy(head.weight))
    linear.bias.copy_(torch.from_numpy(head.bias))


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probabilities, in float64: small ones stay apart."""
    wide = logits.astype(np.float64)
    wide = np.exp(wide - wide.max(axis=1, keepdims=True))
    return np.asarray(wide / wide.sum(axis=1, keepdims=True))
