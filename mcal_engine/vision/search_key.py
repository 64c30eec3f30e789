"""What a learner adds to the key of a search: whatever else decides how its networks come out."""

from __future__ import annotations

from collections.abc import Iterable

from mcal_engine.candidates import FRESH, parse
from mcal_engine.vision import weights
from mcal_engine.vision.learner import TorchLearner


def told(learner: TorchLearner, archs: Iterable[str]) -> dict[str, object]:
    """Return training settings, mirror images, the kind of device, and the SHA-256 of the weights.

    Weights count by what they are, not by where they lie: those of another folder go on with a
    search, others under the same name begin it anew. `archs` are the candidates that it trains.
    Raises `WeightsError` where weights are missing or wrong: before the first training.
    """
    _, height, width, channels = learner.images.shape
    source = learner.prior.source
    nets = sorted({one.net for one in map(parse, archs) if one.weights != FRESH})
    found = {
        net: weights.load(net, source, channels=channels, side=min(height, width)).sha256
        for net in nets
    }
    return {
        "training": dict(learner.settings),
        "flip": learner.flip,
        "device": learner.device.type,
        **({"weights": found, "side": source.side} if found else {}),
    }
