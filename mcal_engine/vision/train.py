"""Train a fresh network on the labels there are: the whole recipe, top to bottom.

Random crops, flips and blanked squares, batches of min(128, |B|) from endless reshuffles of B (a
dropped last batch would train nothing on a small B), at least `min_steps` optimiser steps. Same
seed, same data, same CPU and threads: the same weights to the last bit.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mcal_engine.errors import CancelledError, TrainingError
from mcal_engine.types import FloatArray, IntArray
from mcal_engine.vision.checkpoints import Model, NetSpec
from mcal_engine.vision.data import Augmenter, Images, Normalisation, as_tensor, spread
from mcal_engine.vision.device import autocast
from mcal_engine.vision.nets import build, place
from mcal_engine.vision.nets_fast import whiten
from mcal_engine.vision.recipes import Recipe, optimizer_of

__all__ = ["Epoch", "Hooks", "Progress", "Recipe", "Trained", "ignore", "never", "train"]

CHECK_EVERY = {"cpu": 1, "cuda": 16, "mps": 16}
"""Steps between looks at the loss: a look makes an accelerator wait for its queue."""

WHITENING_SAMPLE = 300  # images; some 250,000 patches


@dataclass(frozen=True)
class Epoch:
    """Means over one pass over B, on augmented images, each measured before its step."""

    number: int  # 1, 2, ...
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Progress:
    """How far a training is; `images` counts augmented images shown so far.

    `epoch` is the pass over B that ended with this step, where one did.
    """

    step: int
    steps: int
    images: int
    seconds: float
    epoch: Epoch | None = None


@dataclass(frozen=True)
class Trained:
    """A trained model and what its training took.

    `final_loss` and `train_accuracy` are means over the last pass over B, on augmented images,
    each measured before its step. `preparation` are seconds that were needed once, for the
    features of a frozen network: they are booked with the scoring, beside `seconds`.
    """

    model: Model
    steps: int
    samples_shown: int
    seconds: float
    final_loss: float
    train_accuracy: float
    preparation: float = 0.0


@dataclass(frozen=True)
class Batch:
    """Inputs [n, C, H, W], targets [n] and, where items weigh differently, weights [n]."""

    inputs: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor | None = None


Forward = Callable[[torch.Tensor], torch.Tensor]
Loss = Callable[[Forward, Batch], tuple[torch.Tensor, torch.Tensor]]
"""(network, batch) -> the loss and how many labelled images were right, left on the device."""


def ignore(progress: Progress) -> None:
    """Report nothing."""


def never() -> bool:
    """Never cancel."""
    return False


@dataclass(frozen=True)
class Hooks:
    """What others add to a training; each may be left out.

    `report` and `cancelled` are called at every step. `weights` [n] weigh the loss of each item
    (pseudo-labels count less), `start` prepares the fresh network before its first step
    (pre-trained weights), `keep(step, steps, net)` sees the network that would score after each
    step, from 1 (checkpoints of an ensemble). `loss` replaces the cross entropy of the labelled batch where
    more than that is learned from; the network then sees `seen` images for each labelled one.
    """

    report: Callable[[Progress], None] = ignore
    cancelled: Callable[[], bool] = never
    weights: FloatArray | None = None
    start: Callable[[nn.Module], None] | None = None
    keep: Callable[[int, int, nn.Module], None] | None = None
    loss: Loss | None = None
    seen: float = 1.0


def train(
    images: Images,
    items: IntArray,
    labels: IntArray,
    *,
    spec: NetSpec,
    recipe: Recipe,
    normalisation: Normalisation,
    seed: int,
    device: torch.device,
    hooks: Hooks = Hooks(),
) -> Trained:
    """Train fresh weights on `images[items]` (uint8 [N, H, W, C]) with `labels`.

    Raises `TrainingError` at the first loss that is not finite or when there is nothing to train
    on, `CancelledError` when asked to stop.
    """
    if len(items) == 0:
        raise TrainingError("There is no labelled image to train on.")
    started = time.monotonic()
    steps, size = recipe.steps(len(items)), recipe.batch_size(len(items))
    net = _fresh_net(spec, images, normalisation, seed, device, hooks.start)
    mean = _running_mean(net, recipe)
    optimizer, schedule = optimizer_of(net, recipe, steps)
    # not net.compile(): of a Sequential that would compile next to nothing
    forward = torch.compile(net) if recipe.compiled else net
    tail = _Tail(length=math.ceil(len(items) / size), size=size)
    batches = _batches(images, items, labels, recipe, normalisation, seed, device, hooks.weights)
    loss_of, shown = hooks.loss or supervised, size * hooks.seen
    for step, batch in zip(range(1, steps + 1), batches, strict=False):
        if hooks.cancelled():
            raise CancelledError("The training was asked to stop.")
        tail.add(*_step(forward, optimizer, batch, loss_of))
        schedule.step()
        if mean is not None:
            mean.update_parameters(net)
        if hooks.keep is not None:
            hooks.keep(step, steps, net if mean is None else mean.module)
        if step % CHECK_EVERY[device.type] == 0 or step == steps:
            tail.check(step)
        seconds = time.monotonic() - started
        hooks.report(Progress(step, steps, round(step * shown), seconds, tail.epoch(step)))
    return Trained(
        model=Model(spec, (net if mean is None else mean.module).eval(), normalisation),
        steps=steps,
        samples_shown=round(steps * shown),
        seconds=time.monotonic() - started,
        final_loss=tail.loss(),
        train_accuracy=tail.accuracy(),
    )


def _fresh_net(
    spec: NetSpec,
    images: Images,
    normalisation: Normalisation,
    seed: int,
    device: torch.device,
    start: Callable[[nn.Module], None] | None = None,
) -> nn.Module:
    """Build on the CPU, so that every device starts from the same weights and filters."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # noqa: TID251  the one place: weights use the global generator
        net = build(spec.arch, channels=spec.channels, classes=spec.classes, side=spec.side)
    whiten(net, normalisation.apply(spread(images, WHITENING_SAMPLE)))
    if start is not None:
        start(net)
    return place(net, device).train()


def _running_mean(net: nn.Module, recipe: Recipe) -> AveragedModel | None:
    """Return the mean that follows weights and batch statistics, where the recipe wants one."""
    if recipe.average == 0:
        return None
    follow = get_ema_multi_avg_fn(recipe.average)  # type: ignore[no-untyped-call]
    return AveragedModel(net, multi_avg_fn=follow, use_buffers=True)


def _batches(
    images: Images,
    items: IntArray,
    labels: IntArray,
    recipe: Recipe,
    normalisation: Normalisation,
    seed: int,
    device: torch.device,
    weights: FloatArray | None = None,
) -> Iterator[Batch]:
    """Yield endless batches: whole ones across the borders of reshuffles of B."""
    generator = torch.Generator().manual_seed(seed)
    augmenter = Augmenter(generator, pad=recipe.pad, flip=recipe.flip, cutout=recipe.cutout)
    pixels, targets = as_tensor(images, items, device), torch.from_numpy(labels).to(device)
    weigh = None if weights is None else torch.from_numpy(weights).float().to(device)
    size = recipe.batch_size(len(items))
    order = torch.empty(0, dtype=torch.int64)
    while True:
        while len(order) < size:
            order = torch.cat([order, torch.randperm(len(items), generator=generator)])
        chosen, order = order[:size], order[size:]
        inputs = normalisation.apply(augmenter.take(pixels, chosen))
        there = chosen.to(device)
        weight = None if weigh is None else weigh[there]
        yield Batch(augmenter.blank(inputs), targets[there], weight)


def _step(
    forward: Forward, optimizer: torch.optim.Optimizer, batch: Batch, loss_of: Loss
) -> tuple[torch.Tensor, torch.Tensor]:
    """Take one optimiser step; return the loss and how many were right, left on the device."""
    loss, hits = loss_of(forward, batch)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.detach(), hits


def supervised(forward: Forward, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the cross entropy of the batch, weighed where its items are, and the hits."""
    with autocast(batch.inputs.device):
        logits = forward(batch.inputs)
    return labelled_loss(logits.float(), batch), hits_of(logits, batch)


def labelled_loss(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Return the mean cross entropy of logits [n, C], weighed where the items are."""
    if batch.weights is None:
        return functional.cross_entropy(logits, batch.targets)
    each = functional.cross_entropy(logits, batch.targets, reduction="none")
    return (each * batch.weights).sum() / batch.weights.sum().clamp_min(1e-12)


def hits_of(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Count the images of the batch whose target has the highest logit."""
    return (logits.detach().argmax(1) == batch.targets).sum()


class _Tail:
    """The last epoch's losses and hits, kept on the device until somebody asks."""

    def __init__(self, *, length: int, size: int) -> None:
        self.losses: deque[torch.Tensor] = deque(maxlen=length)
        self.hits: deque[torch.Tensor] = deque(maxlen=length)
        self.size = size

    def add(self, loss: torch.Tensor, hits: torch.Tensor) -> None:
        self.losses.append(loss)
        self.hits.append(hits)

    def check(self, step: int) -> None:
        """Raise at a loss that is not finite (NaN stays NaN, so a look now and then is enough)."""
        if not math.isfinite(self.losses[-1].item()):
            raise TrainingError(f"The loss is no longer a number at step {step}.")

    def epoch(self, step: int) -> Epoch | None:
        """Return the figures of the pass over B that this step ended, if it ended one."""
        length = self.losses.maxlen or 1
        if step % length:
            return None
        return Epoch(step // length, self.loss(), self.accuracy())

    def loss(self) -> float:
        return float(torch.stack(list(self.losses)).mean().item())

    def accuracy(self) -> float:
        return float(torch.stack(list(self.hits)).float().mean().item()) / self.size
