"""The paper's networks as its text and Keras' CIFAR-10 example describe them.

The paper (Sec. 5) names CNN18, RESNET18 and RESNET50 and cites Keras' example "Training ResNet on
CIFAR-10", whose ResNet v1 of depth 6n + 2 has three stages of n blocks with 16, 32 and 64
channels. Our reading:

    paper_resnet18   depth 20 (n = 3), the example's default and its depth nearest to 18
    paper_resnet50   depth 50 (n = 8), which the example's formula gives exactly
    paper_cnn18      nine plain 3x3 convolutions, three a stage: RESNET18 with the branch of each
                     block cut to one convolution and no skip connections

Convolutions have biases, as in Keras, so that the counts of parameters are those it prints
(273,066 trainable for depth 20). Batch normalisation keeps torch's momentum of 0.1: Keras' 0.99
(0.01 here) would not reach its statistics in the few hundred steps of a small B.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

STAGES = (16, 32, 64)
"""Channels per stage; the second and third halve the image."""


class PlainUnit(nn.Sequential):
    """A 3x3 convolution with bias, batch normalisation and, if `active`, ReLU."""

    def __init__(
        self, channels_in: int, channels_out: int, *, stride: int = 1, active: bool = True
    ) -> None:
        conv = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1)
        layers: list[nn.Module] = [_he(conv), nn.BatchNorm2d(channels_out)]
        super().__init__(*layers, *([nn.ReLU(inplace=True)] if active else []))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a skip connection (He et al. 2016, version 1).

    Where the shape changes the skip is a 1x1 convolution without normalisation, as in Keras.
    """

    def __init__(self, channels_in: int, channels_out: int, *, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            PlainUnit(channels_in, channels_out, stride=stride),
            PlainUnit(channels_out, channels_out, active=False),
        )
        same = stride == 1 and channels_in == channels_out
        self.skip = nn.Identity() if same else _he(nn.Conv2d(channels_in, channels_out, 1, stride))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return relu(branch(x) + skip(x))."""
        return functional.relu(self.branch(x) + self.skip(x), inplace=True)


def paper_cnn18(channels: int, classes: int, side: int) -> nn.Module:
    """Return nine plain 3x3 convolutions, 0.12 M parameters at 3 channels and 10 classes."""
    layers: list[nn.Module] = []
    before = channels
    for stage, width in enumerate(STAGES):
        for unit in range(3):
            layers.append(PlainUnit(before, width, stride=_stride(stage, unit)))
            before = width
    return nn.Sequential(*layers, *_head(before, classes))


def paper_resnet18(channels: int, classes: int, side: int) -> nn.Module:
    """Return Keras' ResNet-20 v1 for CIFAR, 0.27 M parameters."""
    return _resnet(3, channels, classes)


def paper_resnet50(channels: int, classes: int, side: int) -> nn.Module:
    """Return Keras' ResNet-50 v1 for CIFAR (n = 8 basic blocks a stage), 0.76 M parameters."""
    return _resnet(8, channels, classes)


def _resnet(blocks: int, channels: int, classes: int) -> nn.Module:
    layers: list[nn.Module] = [PlainUnit(channels, STAGES[0])]
    before = STAGES[0]
    for stage, width in enumerate(STAGES):
        for block in range(blocks):
            layers.append(BasicBlock(before, width, stride=_stride(stage, block)))
            before = width
    return nn.Sequential(*layers, *_head(before, classes))


def _stride(stage: int, place: int) -> int:
    return 2 if stage > 0 and place == 0 else 1


def _head(features: int, classes: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), _he(nn.Linear(features, classes))]


def _he(layer: nn.Conv2d | nn.Linear) -> nn.Module:
    """Start as Keras' he_normal does: variance 2 / fan-in, biases zero."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
