"""Networks that learn most in few seconds: a whitening stem, then convolutions that pool early.

The plan is that of the CIFAR-10 speed records (K. Jordan, "94 % on CIFAR-10 in 3.29 seconds",
arXiv:2404.00498), with channel counts in multiples of 32, which bfloat16 matrix units want.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

STEM = 32
"""Filters of the stem: at most 16 directions of the patches, each with both signs."""

PATCH = 3  # pixels a side
GREY_WIDTHS = (32, 64, 128)
COLOUR_WIDTHS = (64, 128, 256)
NOISE = 5e-4
"""Added to each variance: keeps directions without content from being blown up to noise."""


class Whitening(nn.Module):
    """A fixed convolution that decorrelates patches: the pool's pixels set it, never its labels.

    The filters are a buffer, so they travel with the weights but no step changes them.
    """

    weight: torch.Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        kept = min(STEM // 2, channels * PATCH**2)
        start = torch.randn(kept, channels, PATCH, PATCH) / PATCH
        self.register_buffer("weight", torch.cat([start, -start]))

    @property
    def width(self) -> int:
        """Channels that come out."""
        return len(self.weight)

    @torch.no_grad()
    def measure(self, images: torch.Tensor) -> None:
        """Set the filters from normalised images [n, C, H, W]: patch directions of variance 1."""
        patches = functional.unfold(images.contiguous(), PATCH).transpose(1, 2).flatten(0, 1)
        covariance = (patches.T @ patches).double() / len(patches)
        variances, directions = torch.linalg.eigh(covariance)  # ascending
        kept = self.width // 2
        scaled = directions[:, -kept:] / (variances[-kept:] + NOISE).sqrt()
        half = scaled.T.flip(0).reshape(kept, *self.weight.shape[1:])
        self.weight.copy_(torch.cat([half, -half]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(x, self.weight)


class Block(nn.Sequential):
    """Two 3x3 convolutions; the image is halved right after the first, where `pool` is set."""

    def __init__(self, channels_in: int, channels_out: int, *, pool: bool) -> None:
        halve: list[nn.Module] = [nn.MaxPool2d(2)] if pool else []
        super().__init__(
            nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
            *halve,
            nn.BatchNorm2d(channels_out),
            nn.GELU(),
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.GELU(),
        )


class Peak(nn.Module):
    """The largest value of each channel, then one linear layer."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.linear(_peaks(x))
        return logits


def _peaks(x: torch.Tensor) -> torch.Tensor:
    """Return the maximum over the image, [n, C]; the gradient goes to all places that hold it.

    Compiled, it goes to one of them: fused with the layers before, the gradient of `amax` compares
    rounded values with unrounded ones, finds none equal and divides by zero (torch 2.13, bf16).
    """
    if torch.compiler.is_compiling():
        return functional.adaptive_max_pool2d(x, 1).flatten(1)
    return x.amax((2, 3))


def whiten(net: nn.Module, images: torch.Tensor) -> None:
    """Set every whitening stem of `net` from normalised images [n, C, H, W]; others are as before."""
    for part in net.modules():
        if isinstance(part, Whitening):
            part.measure(images)


def cnn_fast(channels: int, classes: int, side: int) -> nn.Module:
    """Return the net that is best for its seconds on 28x28 to 32x32 images (WIDTHS by channels)."""
    stem = Whitening(channels)
    layers: list[nn.Module] = [stem, nn.GELU()]
    before, side = stem.width, side - PATCH + 1
    for width in GREY_WIDTHS if channels == 1 else COLOUR_WIDTHS:
        layers.append(Block(before, width, pool=side >= 4))
        before, side = width, side // 2 if side >= 4 else side
    return nn.Sequential(*layers, Peak(before, classes))
