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
from mcal_engine.types import IntArray
from mcal_engine.vision.checkpoints import Model, NetSpec
from mcal_engine.vision.data import Augmenter, Images, Normalisation, as_tensor, spread
from mcal_engine.vision.device import autocast
from mcal_engine.vision.nets import build, place
from mcal_engine.vision.nets_fast import whiten
from mcal_engine.vision.recipes import Recipe, optimizer_of

__all__ = ["Progress", "Recipe", "Trained", "ignore", "never", "train"]

CHECK_EVERY = {"cpu": 1, "cuda": 16, "mps": 16}
"""Steps between looks at the loss: a look makes an accelerator wait for its queue."""

WHITENING_SAMPLE = 300  # images; some 250,000 patches


@dataclass(frozen=True)
class Progress:
    """How far a training is; `images` counts augmented images shown so far."""

    step: int
    steps: int
    images: int
    seconds: float


@dataclass(frozen=True)
class Trained:
    """A trained model and what its training took.

    `final_loss` and `train_accuracy` are means over the last pass over B, on augmented images,
    each measured before its step.
    """

    model: Model
    steps: int
    samples_shown: int
    seconds: float
    final_loss: float
    train_accuracy: float


def ignore(progress: Progress) -> None:
    """Report nothing."""


def never() -> bool:
    """Never cancel."""
    return False


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
    report: Callable[[Progress], None] = ignore,
    cancelled: Callable[[], bool] = never,
) -> Trained:
    """Train fresh weights on `images[items]` (uint8 [N, H, W, C]) with `labels`.

    `report` and `cancelled` are called at every step. Raises `TrainingError` at the first loss
    that is not finite or when there is nothing to train on, `CancelledError` when asked to stop.
    """
    if len(items) == 0:
        raise TrainingError("There is no labelled image to train on.")
    started = time.monotonic()
    steps, size = recipe.steps(len(items)), recipe.batch_size(len(items))
    net = _fresh_net(spec, images, normalisation, seed, device)
    mean = _running_mean(net, recipe)
    optimizer, schedule = optimizer_of(net, recipe, steps)
    # not net.compile(): of a Sequential that would compile next to nothing
    forward = torch.compile(net) if recipe.compiled else net
    tail = _Tail(length=math.ceil(len(items) / size), size=size)
    batches = _batches(images, items, labels, recipe, normalisation, seed, device)
    for step, (inputs, targets) in zip(range(1, steps + 1), batches, strict=False):
        if cancelled():
            raise CancelledError("The training was asked to stop.")
        tail.add(*_step(forward, optimizer, inputs, targets, device))
        schedule.step()
        if mean is not None:
            mean.update_parameters(net)
        if step % CHECK_EVERY[device.type] == 0 or step == steps:
            tail.check(step)
        report(Progress(step, steps, step * size, time.monotonic() - started))
    return Trained(
        model=Model(spec, (net if mean is None else mean.module).eval(), normalisation),
        steps=steps,
        samples_shown=steps * size,
        seconds=time.monotonic() - started,
        final_loss=tail.loss(),
        train_accuracy=tail.accuracy(),
    )


def _fresh_net(
    spec: NetSpec, images: Images, normalisation: Normalisation, seed: int, device: torch.device
) -> nn.Module:
    """Build on the CPU, so that every device starts from the same weights and filters."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # noqa: TID251  the one place: weights use the global generator
        net = build(spec.arch, channels=spec.channels, classes=spec.classes, side=spec.side)
    whiten(net, normalisation.apply(spread(images, WHITENING_SAMPLE)))
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
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield endless (inputs, targets): whole batches across the borders of reshuffles of B."""
    generator = torch.Generator().manual_seed(seed)
    augmenter = Augmenter(generator, pad=recipe.pad, flip=recipe.flip, cutout=recipe.cutout)
    pixels, targets = as_tensor(images, items, device), torch.from_numpy(labels).to(device)
    size = recipe.batch_size(len(items))
    order = torch.empty(0, dtype=torch.int64)
    while True:
        while len(order) < size:
            order = torch.cat([order, torch.randperm(len(items), generator=generator)])
        chosen, order = order[:size], order[size:]
        inputs = normalisation.apply(augmenter.take(pixels, chosen))
        yield augmenter.blank(inputs), targets[chosen.to(device)]


def _step(
    forward: Callable[[torch.Tensor], torch.Tensor],
    optimizer: torch.optim.Optimizer,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Take one optimiser step; return the loss and how many were right, left on the device."""
    with autocast(device):
        logits = forward(inputs)
    loss = functional.cross_entropy(logits.float(), targets)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.detach(), (logits.detach().argmax(1) == targets).sum()


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

    def loss(self) -> float:
        return float(torch.stack(list(self.losses)).mean().item())

    def accuracy(self) -> float:
        return float(torch.stack(list(self.hits)).float().mean().item()) / self.size
