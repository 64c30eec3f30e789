"""torchvision's networks exactly as published, so that its weights fit, with a fresh last layer.

They take images of three channels, normalised as torchvision does; the resize to the side that the
weights want is part of the network (`Resized`), so a checkpoint of it holds all there is to say.
"""

from __future__ import annotations

from typing import Any, cast

from torch import nn

from mcal_engine.errors import DataError
from mcal_engine.vision.nets_sized import Resized
from mcal_engine.vision.nets_torchvision import INCEPTION_SIDE, with_linear_head
from mcal_engine.vision.torchvision_shim import torchvision_models

CHANNELS = 3
PATCH = 16  # of ViT-B/16

SIDES = {
    "resnet18": 224,
    "resnet50": 224,
    "densenet121": 224,
    "googlenet": 224,
    "inception_v3": 299,
    "squeezenet1_1": 224,
    "efficientnet_b0": 224,
    "convnext_tiny": 224,
    "vit_b_16": 224,
}
"""Networks that torchvision has weights of, and the side in pixels that these were trained on."""

LEAST_SIDES = {"inception_v3": INCEPTION_SIDE, "vit_b_16": 2 * PATCH}
LEAST_SIDE = 32

SMALL_IMAGE, SMALL_SIDE = 96, 96
"""Images below this side are enlarged to that and no more: 224 pixels cost five times as much."""

_MORE: dict[str, dict[str, object]] = {
    # their weights come from TensorFlow, whose normalisation they apply to torchvision's
    "googlenet": {"aux_logits": False, "transform_input": True, "init_weights": False},
    "inception_v3": {"aux_logits": False, "transform_input": True, "init_weights": False},
}


def usual_side(name: str, side: int) -> int:
    """Return the side in pixels to which images of `side` are brought for published weights."""
    return SIDES[name] if side >= SMALL_IMAGE else SMALL_SIDE


def published(name: str, channels: int, classes: int, side: int) -> nn.Module:
    """Return the published network for inputs that are brought to `side` pixels.

    Raises `DataError` for a network that torchvision has no weights of, or a side or a number of
    channels that it cannot take.
    """
    if name not in SIDES:
        raise DataError(f"torchvision has no weights of {name}; it has of {', '.join(SIDES)}.")
    if channels != CHANNELS:
        raise DataError(f"{name} as published takes images of 3 channels, not of {channels}.")
    least = LEAST_SIDES.get(name, LEAST_SIDE)
    if side < least or (name == "vit_b_16" and side % PATCH):
        steps = f" in steps of {PATCH}" if name == "vit_b_16" else ""
        raise DataError(f"{name} takes {least} pixels a side or more{steps}, not {side}.")
    more = dict(_MORE.get(name, {}))
    if name == "vit_b_16":
        more["image_size"] = side
    net: Any = getattr(torchvision_models(), name)(weights=None, num_classes=classes, **more)
    if name == "squeezenet1_1":
        net = with_linear_head(net, classes)
    return Resized(cast("nn.Module", net), side, square=name == "vit_b_16")
