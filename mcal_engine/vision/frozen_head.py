"""A linear head on features that stay as they are: multinomial logistic regression by L-BFGS.

Minimises, over weights W and biases b of standardised features z (mean and deviation of the pool,
which no label enters),

    mean over B of - log softmax(W z + b)[label]  +  strength / 2 * |W|^2

(a weighted mean where images weigh differently: pseudo-labels count less).
The strength is the one of `STRENGTHS` with the least loss on parts of B that were left out. The
loss is convex: it has one best solution, and no seed is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from mcal_engine.errors import CancelledError, TrainingError
from mcal_engine.types import FloatArray, IntArray
from mcal_engine.vision.frozen_cache import Features

STRENGTHS = (1.0, 0.1, 0.01, 0.001)
FOLDS = 4
LARGE_TRAIN = 2_000  # images; from here on one part that is left out says enough
STEPS = 100
TOLERANCE = 1e-5  # of the gradient's largest entry
SAMPLE = 10_000  # images whose features say mean and deviation
FLAT = 1e-3  # the least deviation, as a share of the mean one: a feature that never varies


@dataclass(frozen=True)
class Head:
    """`weight` [C, d] and `bias` [C] for features as they are, and how its training went.

    `samples` counts images as often as the optimiser looked at them.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    strength: float
    samples: int
    steps: int
    loss: float
    accuracy: float


@dataclass
class _Work:
    """What was done so far, and whether somebody wants it to end."""

    cancelled: Callable[[], bool]
    samples: int = 0
    steps: int = 0

    def look(self, count: int) -> None:
        if self.cancelled():
            raise CancelledError("The training was asked to stop.")
        self.samples += count
        self.steps += 1


@dataclass(frozen=True)
class _Labelled:
    """Standardised features [n, d] in float64, their labels [n] and weights [n]."""

    inputs: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor
    classes: int

    def part(self, chosen: torch.Tensor) -> _Labelled:
        return _Labelled(
            self.inputs[chosen], self.targets[chosen], self.weights[chosen], self.classes
        )

    def loss(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the mean loss, weighed, without the strength's part."""
        logits = _logits(self.inputs, weight)
        each = functional.cross_entropy(logits, self.targets, reduction="none")
        return (each * self.weights).sum() / self.weights.sum()


def fit_head(
    features: Features,
    items: IntArray,
    labels: IntArray,
    classes: int,
    *,
    weights: FloatArray | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Head:
    """Fit the head to `features[items]` [n, d] with `labels` [n] and, maybe, `weights` [n].

    Raises `TrainingError` without labels or for features that are no numbers, `CancelledError`.
    """
    if len(items) == 0:
        raise TrainingError("There is no labelled image to train on.")
    work = _Work(cancelled)
    mean, spread = _standard(features)
    inputs = torch.from_numpy((features[items].astype(np.float64) - mean) / spread)
    if not torch.isfinite(inputs).all():
        raise TrainingError("The features are not numbers.")
    weigh = np.ones(len(items)) if weights is None else weights.astype(np.float64)
    batch = _Labelled(
        inputs, torch.from_numpy(labels.astype(np.int64)), torch.from_numpy(weigh), classes
    )
    strength = _best_strength(batch, work)
    weight = _fit(batch, strength, work)
    hits = _logits(inputs, weight).argmax(1) == batch.targets
    scaled = weight[:, :-1].numpy() / spread
    bias = weight[:, -1].numpy() - scaled @ mean
    return Head(
        weight=scaled.astype(np.float32),
        bias=bias.astype(np.float32),
        strength=strength,
        samples=work.samples,
        steps=work.steps,
        loss=float(batch.loss(weight)),
        accuracy=float(hits.double().mean()),
    )


def _standard(features: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and deviation [d] of evenly spread images of the pool."""
    step = -(-len(features) // SAMPLE)
    some = features[::step].astype(np.float64)
    mean, spread = some.mean(axis=0), some.std(axis=0)
    least = max(FLAT * float(spread.mean()), float(np.finfo(np.float32).tiny))
    return mean, np.maximum(spread, least)


def _best_strength(batch: _Labelled, work: _Work) -> float:
    """Return the strength with the least loss on what was left out; the strongest of equals."""
    count = len(batch.targets)
    if count < 2 * FOLDS:
        return STRENGTHS[0]
    fold = torch.arange(count) % FOLDS
    losses = dict.fromkeys(STRENGTHS, 0.0)
    for number in range(1 if count >= LARGE_TRAIN else FOLDS):
        kept, out = batch.part(fold != number), batch.part(fold == number)
        weight: torch.Tensor | None = None
        for strength in STRENGTHS:
            weight = _fit(kept, strength, work, weight)
            losses[strength] += float(out.loss(weight))
    return min(STRENGTHS, key=lambda strength: losses[strength])


def _fit(
    batch: _Labelled, strength: float, work: _Work, start: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the weights and, as last column, biases [C, d + 1] of the least loss."""
    blank = torch.zeros((batch.classes, batch.inputs.shape[1] + 1), dtype=torch.float64)
    weight = (blank if start is None else start.clone()).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weight],
        max_iter=STEPS,
        tolerance_grad=TOLERANCE,
        tolerance_change=1e-9,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        work.look(len(batch.targets))
        optimizer.zero_grad()
        loss = batch.loss(weight) + 0.5 * strength * weight[:, :-1].square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    if not torch.isfinite(weight).all():
        raise TrainingError("The linear head could not be fitted: its loss is no number.")
    return weight.detach()


def _logits(inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return functional.linear(inputs, weight[:, :-1], weight[:, -1])
