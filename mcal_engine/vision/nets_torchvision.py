"""torchvision's networks with stems that fit small images, fresh weights.

ResNet-18 and ResNet-50 are the second reading of the paper's RESNET18 and RESNET50,
EfficientNet-B0 the network of its ImageNet run (Sec. 5); ResNet-10, ResNet-18 and DenseNet-121 are
those of Chitta et al.; DenseNet, GoogLeNet, ResNet, SqueezeNet and Inception v3 those of Gikunda.
Nothing is fetched here. As published, the stems shrink an image twice to sixteen times before the
first block, which leaves nothing of 32 pixels:

    side             below 64                        64 to 127             from 128
    ResNet           3x3 of stride 1                 3x3, max-pool         as published (7x7 / 2)
    DenseNet-121     3x3 of stride 1                 3x3, max-pool         as published (7x7 / 2)
    GoogLeNet        3x3 of stride 1                 3x3, max-pool         as published (7x7 / 2)
    SqueezeNet 1.1   3x3 of stride 1                 3x3, max-pool         as published (3x3 / 2)
    EfficientNet-B0  stem of stride 1                as published          as published
    ConvNeXt-T       patches of 2                    as published (4)      as published
    ViT-B/16         patches of 4                    patches of 8          as published (16)
    Inception v3     as published; below its least side of 75 the image is enlarged to that

ViT takes square images only: all are made square, in multiples of a patch. The heads that GoogLeNet
and Inception v3 train along in the middle are left out. SqueezeNet's last convolution is a linear
layer after the pooling, which computes the same logits but for its last ReLU.
"""

from __future__ import annotations

from typing import Any, cast

from torch import nn

from mcal_engine.errors import DataError
from mcal_engine.vision.nets_sized import Resized
from mcal_engine.vision.torchvision_shim import torchvision_models

SMALL, LARGE = 64, 128
MIN_SIDE = 17
"""Below it the last stage sees one pixel, which one image cannot normalise."""

INCEPTION_SIDE = 75
"""The least that Inception v3's convolutions without padding leave a pixel of."""


def resnet10(channels: int, classes: int, side: int) -> nn.Module:
    """Return a ResNet with one basic block a stage, 4.9 M parameters at 10 classes."""
    _check_side("resnet10", side)
    models = torchvision_models()
    net = models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=classes)
    return _resnet(net, channels, side)


def resnet18(channels: int, classes: int, side: int) -> nn.Module:
    """Return torchvision's ResNet-18, 11.2 M parameters at 10 classes."""
    return _resnet(_fresh("resnet18", classes, side), channels, side)


def resnet50(channels: int, classes: int, side: int) -> nn.Module:
    """Return torchvision's ResNet-50, 23.5 M parameters at 10 classes."""
    return _resnet(_fresh("resnet50", classes, side), channels, side)


def densenet121(channels: int, classes: int, side: int) -> nn.Module:
    """Return torchvision's DenseNet-121 (Huang et al. 2017), 7.0 M parameters at 10 classes."""
    net = _fresh("densenet121", classes, side)
    net.features.conv0 = _stem(net.features.conv0, channels, side)
    if side < SMALL:
        net.features.pool0 = nn.Identity()
    return cast("nn.Module", net)


def googlenet(channels: int, classes: int, side: int) -> nn.Module:
    """Return torchvision's GoogLeNet (Szegedy et al. 2015), 5.6 M parameters at 10 classes."""
    net = _fresh("googlenet", classes, side, aux_logits=False, init_weights=True)
    net.conv1.conv = _stem(net.conv1.conv, channels, side)
    if side < SMALL:
        net.maxpool1 = nn.Identity()
    return cast("nn.Module", net)


def inception_v3(channels: int, classes: int, side: int) -> nn.Module:
    """Return torchvision's Inception v3 (Szegedy et al. 2016), 21.8 M parameters at 10 classes."""
    net = _fresh("inception_v3", classes, side, aux_logits=False, init_weights=True)
    first = net.Conv2d_1a_3x3
    first.conv = _kaiming(nn.Conv2d(channels, first.conv.out_channels, 3, 2, bias=False))
    return Resized(net, INCEPTION_SIDE) if side < INCEPTION_SIDE else cast("nn.Module", net)


def squeezenet1_1(channels: int, classes: int, side: int) -> nn.Module:
    """Return torchvision's SqueezeNet 1.1 (Iandola et al. 2016), 0.73 M parameters."""
    net = _fresh("squeezenet1_1", classes, side)
    stride = 1 if side < LARGE else 2
    net.features[0] = nn.Conv2d(channels, 64, 3, stride, padding=2 - stride)
    nn.init.kaiming_uniform_(net.features[0].weight)
    nn.init.zeros_(net.features[0].bias)
    if side < SMALL:
        net.features[2] = nn.Identity()
    return with_linear_head(net, classes)


def with_linear_head(squeezenet: Any, classes: int) -> nn.Module:
    """Put pooling and a linear layer in the place of SqueezeNet's last convolution.

    The mean over the image and a 1x1 convolution are both linear, so their order is free.
    """
    squeezenet.classifier = nn.Sequential(
        nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes)
    )
    return cast("nn.Module", squeezenet)


def efficientnet_b0(channels: int, classes: int, side: int) -> nn.Module:
    """Return torchvision's EfficientNet-B0 (Tan and Le 2019), 4.0 M parameters at 10 classes."""
    net = _fresh("efficientnet_b0", classes, side)
    stem = net.features[0][0]
    net.features[0][0] = _stem_like(stem, channels, stride=1 if side < SMALL else 2)
    return cast("nn.Module", net)


def convnext_tiny(channels: int, classes: int, side: int) -> nn.Module:
    """Return torchvision's ConvNeXt-T (Liu et al. 2022), 27.8 M parameters at 10 classes."""
    net = _fresh("convnext_tiny", classes, side)
    patch = 2 if side < SMALL else 4
    stem = nn.Conv2d(channels, net.features[0][0].out_channels, patch, patch)
    nn.init.trunc_normal_(stem.weight, std=0.02)
    nn.init.zeros_(cast("nn.Parameter", stem.bias))
    net.features[0][0] = stem
    return cast("nn.Module", net)


def vit_b_16(channels: int, classes: int, side: int) -> nn.Module:
    """Return torchvision's ViT-B (Dosovitskiy et al. 2021), 85.2 M parameters at 10 classes."""
    _check_side("vit_b_16", side)
    patch = 4 if side < SMALL else 8 if side < LARGE else 16
    square = -(-side // patch) * patch
    net = torchvision_models().VisionTransformer(
        square, patch, num_layers=12, num_heads=12, hidden_dim=768, mlp_dim=3072,
        num_classes=classes,
    )  # fmt: skip
    first = nn.Conv2d(channels, 768, patch, patch)
    nn.init.trunc_normal_(first.weight, std=(channels * patch**2) ** -0.5)
    nn.init.zeros_(cast("nn.Parameter", first.bias))
    net.conv_proj = first
    nn.init.trunc_normal_(net.heads.head.weight, std=0.02)  # torchvision's zeros stop gradients
    return Resized(net, square, square=True)


def _resnet(net: Any, channels: int, side: int) -> nn.Module:
    net.conv1 = _stem(net.conv1, channels, side)
    if side < SMALL:
        net.maxpool = nn.Identity()
    return cast("nn.Module", net)


def _stem(published: nn.Conv2d, channels: int, side: int) -> nn.Conv2d:
    """Return a 3x3 convolution of stride 1 for small images, else one like the published."""
    if side >= LARGE:
        return _stem_like(published, channels, stride=2)
    return _kaiming(nn.Conv2d(channels, published.out_channels, 3, padding=1, bias=False))


def _fresh(name: str, classes: int, side: int, **more: object) -> Any:
    _check_side(name, side)
    return getattr(torchvision_models(), name)(weights=None, num_classes=classes, **more)


def _check_side(name: str, side: int) -> None:
    if side < MIN_SIDE:
        raise DataError(f"{name} needs images of {MIN_SIDE} pixels a side; these have {side}.")


def _stem_like(stem: nn.Conv2d, channels: int, *, stride: int) -> nn.Conv2d:
    """Return the first convolution for another number of channels or another stride."""
    kernel, padding = stem.kernel_size[0], stem.kernel_size[0] // 2
    conv = nn.Conv2d(channels, stem.out_channels, kernel, stride, padding, bias=False)
    return _kaiming(conv)


def _kaiming(conv: nn.Conv2d) -> nn.Conv2d:
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv
