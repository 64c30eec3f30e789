"""torchvision's ResNet-18, ResNet-50 and EfficientNet-B0 with stems that fit small images.

The second reading of the paper's RESNET18 and RESNET50, and the network of its ImageNet run
(Sec. 5). Weights are always fresh, never fetched. torchvision's own stems shrink an image four
times (ResNet) or twice (EfficientNet) before the first block, which leaves nothing of 32 pixels:

    side          ResNet                            EfficientNet-B0
    below 64      3x3 of stride 1                   stem of stride 1
    64 to 127     3x3 of stride 1, max-pool         torchvision's
    from 128      torchvision's (7x7 / 2, pool)     torchvision's
"""

from __future__ import annotations

import importlib
from typing import Any, cast

from torch import nn

from mcal_engine.errors import DataError
from mcal_engine.vision.torchvision_shim import import_torchvision

SMALL, LARGE = 64, 128
MIN_SIDE = 17
"""Below it the last stage sees one pixel, which one image cannot normalise."""


def resnet18(channels: int, classes: int, side: int) -> nn.Module:
    """Return torchvision's ResNet-18, 11.2 M parameters at 10 classes."""
    return _resnet("resnet18", channels, classes, side)


def resnet50(channels: int, classes: int, side: int) -> nn.Module:
    """Return torchvision's ResNet-50, 23.5 M parameters at 10 classes."""
    return _resnet("resnet50", channels, classes, side)


def efficientnet_b0(channels: int, classes: int, side: int) -> nn.Module:
    """Return torchvision's EfficientNet-B0 (Tan and Le 2019), 4.0 M parameters at 10 classes."""
    net = _fresh("efficientnet_b0", classes, side)
    stem = net.features[0][0]
    net.features[0][0] = _stem_like(stem, channels, stride=1 if side < SMALL else 2)
    return cast("nn.Module", net)


def _resnet(name: str, channels: int, classes: int, side: int) -> nn.Module:
    net = _fresh(name, classes, side)
    if side < LARGE:
        net.conv1 = _kaiming(nn.Conv2d(channels, 64, 3, padding=1, bias=False))
    else:
        net.conv1 = _stem_like(net.conv1, channels, stride=2)
    if side < SMALL:
        net.maxpool = nn.Identity()
    return cast("nn.Module", net)


def _fresh(name: str, classes: int, side: int) -> Any:
    if side < MIN_SIDE:
        raise DataError(f"{name} needs images of {MIN_SIDE} pixels a side; these have {side}.")
    import_torchvision()
    models = importlib.import_module("torchvision.models")
    return getattr(models, name)(weights=None, num_classes=classes)


def _stem_like(stem: nn.Conv2d, channels: int, *, stride: int) -> nn.Conv2d:
    """Return the first convolution for another number of channels or another stride."""
    kernel, padding = stem.kernel_size[0], stem.kernel_size[0] // 2
    conv = nn.Conv2d(channels, stem.out_channels, kernel, stride, padding, bias=False)
    return _kaiming(conv)


def _kaiming(conv: nn.Conv2d) -> nn.Conv2d:
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv
