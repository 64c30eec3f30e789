"""The networks by name. Each takes normalised float images [n, C, H, W] and returns logits.

`cnn_small` is made for few labels and two CPU cores: 28x28 to 64x64 inputs, about 17 ms for a
training step of 128 grey 28x28 images (2 cores of an AMD EPYC 9004).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from mcal_engine.errors import DataError
from mcal_engine.vision import nets_fast, nets_paper, nets_published, nets_torchvision
from mcal_engine.vision.nets_sized import Resized

MIN_SIDE = 8  # below, nothing is left to convolve
WIDTHS = (16, 32, 64)
RESIZED, ORIGINAL = "resized", "original"
"""Forms of a network behind a dot: for weights that were trained at another size."""


def build(arch: str, *, channels: int, classes: int, side: int) -> nn.Module:
    """Return fresh weights of the named network for images of about `side` pixels a side.

    The weights come from torch's global generator. `NAME.resized` is the network for `side` pixels
    behind a resize, `NAME.original` torchvision's as published: what pre-trained weights fit.
    Raises `DataError` for an unknown name or images that are too small.
    """
    name, _, form = arch.partition(".")
    if name not in ARCHITECTURES or form not in {"", RESIZED, ORIGINAL}:
        raise DataError(f"There is no architecture {arch!r}; there is: {', '.join(ARCHITECTURES)}.")
    if side < MIN_SIDE:
        raise DataError(f"Images of {side} pixels a side are too small; {MIN_SIDE} is the least.")
    if form == ORIGINAL:
        return nets_published.published(name, channels, classes, side)
    net = ARCHITECTURES[name](channels, classes, side)
    return Resized(net, side) if form == RESIZED else net


def place(net: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to the device, in the memory order that convolutions are fastest in."""
    net.to(device)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in torch's stub
    return net


class ConvUnit(nn.Sequential):
    """Convolution, batch normalisation, SiLU (smoother margins than ReLU)."""

    def __init__(self, channels_in: int, channels_out: int, *, kernel: int, stride: int) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.SiLU(inplace=True),
        )


class PooledLinear(nn.Module):
    """Average over the image, then one linear layer."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.linear(functional.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits


def cnn_small(channels: int, classes: int, side: int) -> nn.Module:
    """Return a stem of stride 2 and two stages of two 3x3 convolutions with pooling."""
    layers: list[nn.Module] = [ConvUnit(channels, WIDTHS[0], kernel=5, stride=2)]
    side = (side + 1) // 2
    while side >= 24:  # large inputs: as much work behind the stem as for 28x28
        layers.append(nn.MaxPool2d(2))
        side //= 2
    before = WIDTHS[0]
    for width in WIDTHS[1:]:
        layers += _stage(before, width, pool=side >= 6)
        side = side // 2 if side >= 6 else side
        before = width
    return nn.Sequential(*layers, PooledLinear(before, classes))


def _stage(channels_in: int, channels_out: int, *, pool: bool) -> list[nn.Module]:
    first = ConvUnit(channels_in, channels_out, kernel=3, stride=1)
    second = ConvUnit(channels_out, channels_out, kernel=3, stride=1)
    return [first, nn.MaxPool2d(2), second] if pool else [first, second]


ARCHITECTURES: dict[str, Callable[[int, int, int], nn.Module]] = {
    "cnn_small": cnn_small,
    "cnn_fast": nets_fast.cnn_fast,
    "paper_cnn18": nets_paper.paper_cnn18,
    "paper_resnet18": nets_paper.paper_resnet18,
    "paper_resnet50": nets_paper.paper_resnet50,
    "resnet10": nets_torchvision.resnet10,
    "resnet18": nets_torchvision.resnet18,
    "resnet50": nets_torchvision.resnet50,
    "squeezenet1_1": nets_torchvision.squeezenet1_1,
    "densenet121": nets_torchvision.densenet121,
    "googlenet": nets_torchvision.googlenet,
    "inception_v3": nets_torchvision.inception_v3,
    "efficientnet_b0": nets_torchvision.efficientnet_b0,
    "convnext_tiny": nets_torchvision.convnext_tiny,
    "vit_b_16": nets_torchvision.vit_b_16,
}
"""Name -> builder(channels, classes, side) of fresh weights."""
