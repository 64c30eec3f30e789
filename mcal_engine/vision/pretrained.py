"""Candidates that start from pre-trained weights: fine-tuned (`+tuned`) or as they are (`+frozen`).

Both take the images as the weights want them: brought to their size inside the network, normalised
as they were trained, grey images as three equal channels where they want colours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mcal_engine.errors import DataError
from mcal_engine.vision import weights
from mcal_engine.vision.checkpoints import Model, NetSpec
from mcal_engine.vision.data import Images, Normalisation
from mcal_engine.vision.frozen_cache import MOST_BYTES, FeatureCache
from mcal_engine.vision.nets import ORIGINAL, build, place
from mcal_engine.vision.recipes import Recipe
from mcal_engine.vision.weights import Pretrained, Source

GENTLER = 5.0
"""Fine-tuning takes the usual rate divided by this (docs/pretrained.md)."""

FIELDS: dict[str, Any] = {
    "weights": str,
    "download": bool,
    "side": int,
    "features": str,
    "features_gib": (int, float),
}

PUBLISHED_RATE, PUBLISHED_STEPS = 3e-4, 200
"""The largest rate of published networks (AdamW), and their least number of steps."""


@dataclass(frozen=True)
class Prior:
    """What a learner has before its first label: a source of weights, a place for features."""

    source: Source = field(default_factory=Source)
    cache: FeatureCache = field(default_factory=FeatureCache)


def prior_of(raw: object) -> Prior:
    """Return what a request's field `pretrained` says, or what there is without it: nothing.

    {"weights": FOLDER, "download": true, "side": pixels, "features": FOLDER, "features_gib": 8},
    each of which may be left out or null. Raises `DataError` that names what is wrong.
    """
    if raw is None:
        return Prior()
    if not isinstance(raw, dict) or (unknown := sorted(set(raw) - set(FIELDS))):
        names = "" if not isinstance(raw, dict) else f" (not {', '.join(map(str, unknown))})"
        raise DataError(f"pretrained must be an object of {', '.join(FIELDS)}{names}.")
    for name, kind in FIELDS.items():
        value = raw.get(name)
        if value is not None and (isinstance(value, bool) != (kind is bool)):
            raise DataError(f"pretrained: {name} cannot be {value!r}.")
        if value is not None and not isinstance(value, kind):
            raise DataError(f"pretrained: {name} cannot be {value!r}.")
    side, gib = raw.get("side"), raw.get("features_gib")
    if (side is not None and side < 1) or (gib is not None and not 0 < gib < inf):
        raise DataError("pretrained: side and features_gib must be more than 0.")
    folder = raw.get("features")
    most = MOST_BYTES if gib is None else int(gib * 2**30)
    return Prior(
        Source(
            folder=None if raw.get("weights") is None else Path(raw["weights"]),
            download=bool(raw.get("download")),
            side=side,
        ),
        FeatureCache(None if folder is None else Path(folder), most_bytes=most),
    )


@dataclass(frozen=True)
class Beginning:
    """What `train.train` needs to begin; `start` is for its hooks, None for fresh weights."""

    spec: NetSpec
    normalisation: Normalisation
    start: Callable[[nn.Module], None] | None = None


def beginning(net: str, images: Images, classes: int, *, flip: bool, source: Source) -> Beginning:
    """Return how a network begins at its pre-trained weights for images [N, H, W, C].

    Raises `WeightsError` where there are none, or none that fit.
    """
    found = _weights(net, images, source)
    spec = NetSpec(found.arch, found.channels, classes, found.side, flip)
    return Beginning(spec, found.normalisation, found.start)


def gentler(usual: Recipe, arch: str) -> Recipe:
    """Return the recipe that fine-tunes: what is learnt already must not be shaken off.

    `arch` is `Beginning.spec.arch`: published networks are deep, and of another optimiser's rate.
    """
    if arch.endswith(f".{ORIGINAL}"):
        return replace(
            usual,
            learning_rate=min(usual.learning_rate, PUBLISHED_RATE),
            min_steps=min(usual.min_steps, PUBLISHED_STEPS),
            average=0.0,
        )
    return replace(usual, learning_rate=usual.learning_rate / GENTLER)


def frozen_model(
    net: str, images: Images, classes: int, *, source: Source, device: torch.device
) -> tuple[Model, str]:
    """Return the network with its pre-trained weights, ready to look at images, and their SHA-256.

    Its last layer means nothing yet. Images are seen once, never mirrored, so that the model's
    own output is that of the head on the features. Raises `WeightsError`.
    """
    found = _weights(net, images, source)
    spec = NetSpec(found.arch, found.channels, classes, found.side, flip=False)
    with torch.random.fork_rng(devices=[]):  # the fresh last layer moves nobody's generator
        built = build(found.arch, channels=found.channels, classes=classes, side=found.side)
    found.start(built)
    return Model(spec, place(built, device).eval(), found.normalisation), found.sha256


def _weights(net: str, images: Images, source: Source) -> Pretrained:
    _, height, width, channels = images.shape
    return weights.load(net, source, channels=channels, side=min(height, width))
