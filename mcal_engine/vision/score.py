"""Score every image of a pool with a trained model, chunk by chunk, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from mcal_engine.errors import CancelledError, DataError, TrainingError
from mcal_engine.scores import Uncertainties, uncertainties
from mcal_engine.types import Scores
from mcal_engine.vision.checkpoints import Model, sha256
from mcal_engine.vision.data import Images, mirror
from mcal_engine.vision.device import autocast

CHUNK = {"cpu": 500, "cuda": 8192, "mps": 2048}
"""Images at a time: on the CPU the activations should stay in the cache and memory small."""

LAYER_BYTES = {"cpu": 2**28, "cuda": 2**31, "mps": 2**29}
"""The most that the widest layer's output may take: wide networks get smaller chunks."""

HALF_MAX = float(np.finfo(np.float16).max)


def score(
    model: Model,
    images: Images,
    device: torch.device,
    *,
    features: bool = False,
    watch: Callable[[Views], None] = lambda views: None,
    report: Callable[[int], None] = lambda done: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Scores:
    """Return class and all three uncertainties of each image, named by the checkpoint's SHA-256.

    With `features` also the input of the last linear layer, float16 [N, d], mean of the mirror
    views. `watch` sees each chunk, in the order of the images, and keeps what it wants of it.
    `report` gets the number of images done. Raises `CancelledError` when asked to stop,
    `TrainingError` when the model's output is not a number.
    """
    with Head(model.net) as head:
        found = Found(len(images), head.width if features else 0)
        chunk = chunk_size(model, images, device)
        for rows in slices(len(images), chunk):
            if cancelled():
                raise CancelledError("The scoring was asked to stop.")
            views = look(model, images[rows], device, head)
            check_numbers(views, rows)
            found.fill(rows, uncertainties(views.probabilities), views.features)
            watch(views)
            report(rows.stop)
    return found.scores(sha256(model))


def slices(stop: int, size: int, start: int = 0) -> Iterator[slice]:
    """Yield the rows from `start` to `stop` in pieces of at most `size`."""
    for first in range(start, stop, size):
        yield slice(first, min(first + size, stop))


class Head:
    """The last linear layer of a network, computed in float32 and watched while this is entered.

    Under bf16 autocast its output would have 8 bits, and thousands of images would tie.
    """

    def __init__(self, net: nn.Module) -> None:
        linear = [layer for layer in net.modules() if isinstance(layer, nn.Linear)]
        if not linear:
            raise DataError("The network has no linear layer to read the features from.")
        self.linear = linear[-1]
        self.width = self.linear.in_features
        self.seen = torch.empty(0)  # its last input, float32 [n, width]

    def __enter__(self) -> Self:
        """Start watching."""
        self._hook = self.linear.register_forward_hook(self._compute)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop watching; the network is as before."""
        self._hook.remove()

    def _compute(
        self, layer: nn.Module, inputs: tuple[torch.Tensor], _out: torch.Tensor
    ) -> torch.Tensor:
        self.seen = inputs[0].float()
        with torch.autocast(self.seen.device.type, enabled=False):
            return functional.linear(self.seen, self.linear.weight, self.linear.bias)


@dataclass(frozen=True)
class Views:
    """What a model says about some images: probabilities [n, C] and features [n, d]."""

    probabilities: NDArray[np.float64]
    features: NDArray[np.float32]


def half(values: NDArray[Any]) -> NDArray[np.float16]:
    """Return the values as float16; what is too large becomes the largest number, not infinity."""
    return values.clip(-HALF_MAX, HALF_MAX).astype(np.float16)


def check_numbers(views: Views, rows: slice) -> None:
    """Raise `TrainingError` where the output for these images is not a number."""
    if not np.isfinite(views.probabilities).all():
        raise TrainingError(
            f"The model's output is not a number (images {rows.start} to {rows.stop - 1})."
        )


class Found:
    """The results of all N images, filled chunk by chunk."""

    def __init__(self, n: int, width: int) -> None:
        self.pred = np.empty(n, dtype=np.uint16)
        self.margin, self.least, self.entropy = (np.empty(n, dtype=np.float32) for _ in range(3))
        self.features = np.empty((n, width), dtype=np.float16) if width else None

    def fill(self, rows: slice, part: Uncertainties, features: NDArray[np.float32]) -> None:
        """Keep what was found of these images."""
        self.pred[rows], self.margin[rows] = part.pred, part.margin
        self.least[rows], self.entropy[rows] = part.least, part.entropy
        if self.features is not None:
            self.features[rows] = half(features)

    def scores(self, model: str) -> Scores:
        """Return the scores under this name."""
        return Scores(self.pred, self.margin, model, self.least, self.entropy, self.features)


@torch.inference_mode()
def look(model: Model, images: Images, device: torch.device, head: Head) -> Views:
    """Say what a model sees in a chunk: the mean of both mirror views where mirroring keeps the class.

    float64 keeps the small probabilities apart.
    """
    inputs = _inputs(model, images, device)
    probabilities, features = [], []
    for view in [inputs, mirror(inputs)] if model.spec.flip else [inputs]:
        with autocast(device):
            logits = model.net(view)
        probabilities.append(logits.float().cpu().double().softmax(1))
        features.append(head.seen)
    return Views(
        torch.stack(probabilities).mean(0).numpy(), torch.stack(features).mean(0).cpu().numpy()
    )


def _inputs(model: Model, images: Images, device: torch.device) -> torch.Tensor:
    pixels = torch.from_numpy(np.array(images)).to(device)  # a copy: a mapped file is read-only
    return model.normalisation.apply(pixels)


@torch.inference_mode()
def chunk_size(model: Model, images: Images, device: torch.device) -> int:
    """Return how many images to score at a time, from the widest layer that one image makes."""
    widest = 1

    def watch(_layer: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        nonlocal widest
        widest = max(widest, output.numel())

    layers = [layer for layer in model.net.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(watch) for layer in layers]
    try:
        model.net(_inputs(model, images[:1], device))
    finally:
        for hook in hooks:
            hook.remove()
    return max(1, min(CHUNK[device.type], LAYER_BYTES[device.type] // (4 * widest)))
