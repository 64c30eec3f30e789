"""Images as tensors: the training set on the device, normalisation, crops and flips.

A whole data set is one uint8 tensor, so no loader processes are needed (they die inside django-q2's
daemonic workers, and cost more than the training at this size).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mcal_engine.types import IntArray

Images = NDArray[np.uint8]
STATISTICS_SAMPLE = 10_000  # images; enough for a mean to three digits at any N


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation per channel, in grey levels of 0 to 255."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def apply(self, batch: torch.Tensor) -> torch.Tensor:
        """Turn uint8 [n, H, W, C] into normalised float32 [n, C, H, W] (channels-last memory)."""
        mean = torch.tensor(self.mean, device=batch.device)
        std = torch.tensor(self.std, device=batch.device)
        return ((batch.float() - mean) / std).permute(0, 3, 1, 2)


def measure(images: Images) -> Normalisation:
    """Measure the pool's pixels, never its labels: at most 10,000 images, evenly spread."""
    step = -(-len(images) // STATISTICS_SAMPLE)
    sums = np.zeros((2, images.shape[3]))
    count = 0
    for start in range(0, len(images), step * 1000):
        part = images[start : start + step * 1000 : step].astype(np.float32)
        sums += (
            part.sum(axis=(0, 1, 2), dtype=np.float64),
            (part * part).sum(axis=(0, 1, 2), dtype=np.float64),
        )
        count += part.size // part.shape[3]
    mean, square = sums / count
    std = np.sqrt(np.maximum(square - mean**2, 1.0))  # a flat channel must not divide by zero
    return Normalisation(tuple(map(float, mean)), tuple(map(float, std)))


def as_tensor(images: Images, items: IntArray, device: torch.device) -> torch.Tensor:
    """Copy these images onto the device: uint8 [n, H, W, C]."""
    return torch.from_numpy(np.ascontiguousarray(images[items])).to(device)


def spread(images: Images, count: int) -> torch.Tensor:
    """Return at most `count` images, evenly spread over the pool: uint8 [n, H, W, C]."""
    step = -(-len(images) // count)
    return torch.from_numpy(np.array(images[::step]))


class Augmenter:
    """Draws random crops (the image shifted by up to `pad` pixels, edges mirrored), flips and
    squares of `cutout` pixels a side to blank (DeVries and Taylor, arXiv:1708.04552).

    The draws come from a generator on the CPU, so every device sees the same ones.
    """

    def __init__(
        self, generator: torch.Generator, *, pad: int, flip: bool, cutout: int = 0
    ) -> None:
        self.generator = generator
        self.pad = pad
        self.flip = flip
        self.cutout = cutout

    def take(self, images: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Return the images [len(items), H, W, C] with new crops and flips, in one gather."""
        n, height, width = len(items), images.shape[1], images.shape[2]
        rows = self._shifted(n, height)
        columns = self._shifted(n, width)
        if self.flip:
            columns = self._mirrored(columns)
        device = images.device
        return images[
            items.to(device)[:, None, None],
            rows.to(device)[:, :, None],
            columns.to(device)[:, None, :],
        ]

    def blank(self, inputs: torch.Tensor) -> torch.Tensor:
        """Set a random square of each image of [n, C, H, W] to 0, the pool's mean colour.

        Its centre lies anywhere in the image, so that it may reach beyond the edge.
        """
        if self.cutout == 0:
            return inputs
        rows, columns = (self._covered(len(inputs), side) for side in inputs.shape[2:])
        square = (rows[:, :, None] & columns[:, None, :])[:, None]
        return inputs.masked_fill(square.to(inputs.device), 0.0)

    def _covered(self, n: int, side: int) -> torch.Tensor:
        start = torch.randint(0, side, (n, 1), generator=self.generator) - self.cutout // 2
        position = torch.arange(side)[None, :]
        return (position >= start) & (position < start + self.cutout)

    def _shifted(self, n: int, side: int) -> torch.Tensor:
        """Return source positions [n, side], mirrored at both edges."""
        pad = min(self.pad, side - 1)
        shift = torch.randint(-pad, pad + 1, (n, 1), generator=self.generator)
        position = (torch.arange(side)[None, :] + shift).abs()
        return (side - 1) - ((side - 1) - position).abs()

    def _mirrored(self, columns: torch.Tensor) -> torch.Tensor:
        chosen = torch.rand((len(columns), 1), generator=self.generator) < 0.5
        return torch.where(chosen, columns.flip(1), columns)


def mirror(batch: torch.Tensor) -> torch.Tensor:
    """Flip normalised images [n, C, H, W] left to right."""
    return batch.flip(3).contiguous(memory_format=torch.channels_last)
