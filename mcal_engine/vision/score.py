"""Score every image of a pool with a trained model, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from mcal_engine.errors import CancelledError
from mcal_engine.scores import margin_uncertainty
from mcal_engine.vision.checkpoints import Model
from mcal_engine.vision.data import Images, mirror
from mcal_engine.vision.device import autocast

CHUNK = {"cpu": 500, "cuda": 8192, "mps": 2048}
"""Images at a time: on the CPU the activations should stay in the cache and memory small."""


def score(
    model: Model,
    images: Images,
    device: torch.device,
    *,
    report: Callable[[int], None] = lambda done: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
    """Return (predicted class uint16 [N], uncertainty = 1 - margin float32 [N]).

    `report` gets the number of images done. Raises `CancelledError` when asked to stop.
    """
    pred = np.empty(len(images), dtype=np.uint16)
    uncertainty = np.empty(len(images), dtype=np.float32)
    chunk = CHUNK[device.type]
    for start in range(0, len(images), chunk):
        if cancelled():
            raise CancelledError("The scoring was asked to stop.")
        rows = slice(start, min(start + chunk, len(images)))
        pred[rows], uncertainty[rows] = margin_uncertainty(
            _probabilities(model, images[rows], device)
        )
        report(rows.stop)
    return pred, uncertainty


@torch.inference_mode()
def _probabilities(model: Model, images: Images, device: torch.device) -> NDArray[np.float64]:
    """Average both mirror views, where mirroring keeps the class; float64 keeps small ones apart."""
    pixels = torch.from_numpy(np.array(images)).to(device)  # a copy: a mapped file is read-only
    inputs = model.normalisation.apply(pixels)
    views = [inputs, mirror(inputs)] if model.spec.flip else [inputs]
    with autocast(device):
        logits = [model.net(view) for view in views]
    weights = [view.float().cpu().double().softmax(1) for view in logits]
    return np.asarray(torch.stack(weights).mean(0).numpy(), dtype=np.float64)
