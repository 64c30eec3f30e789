"""Strong views of images for consistency training: moved, recoloured, with a square blanked.

In the manner of RandAugment (Cubuk et al., arXiv:1909.13719) with one geometric and one colour
operation per image, each drawn with its strength, then a square as FixMatch ends with
(arXiv:2001.07685, Sec. 2.3). All of a batch at once, on tensors; no operation mirrors.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch.nn import functional

TURN = math.radians(30)
SHEAR = 0.3
SHIFT = 0.25  # of the side
STRENGTH = 0.9  # brightness, contrast, saturation, sharpness: factor 1 - 0.9 to 1 + 0.9
BITS = (4, 8)  # kept by posterising
SQUARE = 0.5  # side of the blanked square at most, as a share of the image's

Operation = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(pixels [n, C, H, W] from 0 to 255, strength [n] from -1 to 1) -> the pixels changed."""


class StrongViews:
    """Draws strong views; `fill` [C] are the grey levels of the blanked square.

    The draws come from a generator on the CPU, so every device sees the same ones.
    """

    def __init__(self, generator: torch.Generator, fill: tuple[float, ...]) -> None:
        self.generator = generator
        self.fill = fill

    def apply(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return one strong view of each image: float [n, C, H, W], grey levels of 0 to 255."""
        pixels = self._moved(pixels)
        pixels = self._recoloured(pixels)
        return self._blanked(pixels)

    def _draw(self, n: int, low: float = -1.0, high: float = 1.0) -> torch.Tensor:
        return low + (high - low) * torch.rand(n, generator=self.generator)

    def _moved(self, pixels: torch.Tensor) -> torch.Tensor:
        n = len(pixels)
        kind = torch.randint(0, 6, (n,), generator=self.generator)
        matrix = transforms(kind, self._draw(n)).to(pixels.device)
        grid = functional.affine_grid(matrix, list(pixels.shape), align_corners=False)
        return functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)

    def _recoloured(self, pixels: torch.Tensor) -> torch.Tensor:
        n, operations = len(pixels), COLOUR if pixels.shape[1] == 3 else GREY
        kind = torch.randint(-1, len(operations), (n,), generator=self.generator)
        strength, changed = self._draw(n), pixels.clone()
        for k, operation in enumerate(operations):
            rows = torch.nonzero(kind == k)[:, 0]
            if len(rows):
                there = rows.to(pixels.device)
                changed[there] = operation(pixels[there], strength[rows].to(pixels.device))
        return changed.clamp(0.0, 255.0)

    def _blanked(self, pixels: torch.Tensor) -> torch.Tensor:
        side = self._draw(len(pixels), 0.0, SQUARE)
        rows, columns = (self._covered(side, length) for length in pixels.shape[2:])
        square = (rows[:, :, None] & columns[:, None, :])[:, None].to(pixels.device)
        fill = torch.tensor(self.fill, device=pixels.device)[None, :, None, None]
        return torch.where(square, fill, pixels)

    def _covered(self, side: torch.Tensor, length: int) -> torch.Tensor:
        """Return the positions [n, length] under squares of these sides around random centres."""
        centre = self._draw(len(side), 0.0, float(length))
        reach = side * length / 2
        position = torch.arange(length)[None, :] + 0.5
        return (position - centre[:, None]).abs() < reach[:, None]


def transforms(kind: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Return the affine matrices [n, 2, 3] of these kinds [n] at these strengths [n], -1 to 1.

    0 leaves the image, 1 turns it, 2 and 3 shear it along x and y, 4 and 5 shift it.
    """
    angle = torch.where(kind == 1, TURN * strength, torch.zeros_like(strength))
    matrix = torch.zeros(len(kind), 2, 3)
    matrix[:, 0, 0] = matrix[:, 1, 1] = angle.cos()
    matrix[:, 0, 1], matrix[:, 1, 0] = -angle.sin(), angle.sin()
    for k, (row, column, most) in {
        2: (0, 1, SHEAR),
        3: (1, 0, SHEAR),
        4: (0, 2, 2 * SHIFT),  # coordinates run from -1 to 1
        5: (1, 2, 2 * SHIFT),
    }.items():
        matrix[kind == k, row, column] = most * strength[kind == k]
    return matrix


# --- colour operations ----------------------------------------------------------------------------


def _mixed(pixels: torch.Tensor, plain: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Return plain + factor * (pixels - plain): less of what tells them apart, or more."""
    factor = (1 + STRENGTH * strength)[:, None, None, None]
    return plain + factor * (pixels - plain)


def brightness(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Darker or brighter."""
    return _mixed(pixels, torch.zeros_like(pixels), strength)


def contrast(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Towards the image's mean grey, or away from it."""
    return _mixed(pixels, pixels.mean(dim=(1, 2, 3), keepdim=True), strength)


def saturation(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Towards grey, or away from it."""
    return _mixed(pixels, pixels.mean(dim=1, keepdim=True), strength)


def sharpness(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Blurred, or its edges stressed."""
    padded = functional.pad(pixels, (1, 1, 1, 1), mode="replicate")
    return _mixed(pixels, functional.avg_pool2d(padded, 3, stride=1), strength)


def posterise(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Fewer grey levels: 4 to 8 bits of each."""
    low, high = BITS
    bits = (low + (high - low) * (strength + 1) / 2).round()
    step = (2.0 ** (8 - bits))[:, None, None, None]
    return (pixels / step).floor() * step


def solarise(pixels: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Inverted where brighter than a bound."""
    bound = (255 * (strength + 1) / 2)[:, None, None, None]
    return torch.where(pixels >= bound, 255 - pixels, pixels)


def equalise(pixels: torch.Tensor, _strength: torch.Tensor) -> torch.Tensor:
    """Stretched to all grey levels, each channel for itself."""
    low, high = pixels.amin(dim=(2, 3), keepdim=True), pixels.amax(dim=(2, 3), keepdim=True)
    return (pixels - low) * (255 / (high - low).clamp_min(1.0))


GREY: tuple[Operation, ...] = (brightness, contrast, sharpness, posterise, solarise, equalise)
COLOUR: tuple[Operation, ...] = (*GREY, saturation)
