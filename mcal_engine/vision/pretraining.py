"""Pre-train a network on a labelled set, as weights that a run on another set can begin with.

Writes NET.pt, a checkpoint, and NET.pt.sha256 beside it: what `weights.load` finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mcal_engine.candidates import parse
from mcal_engine.errors import DataError, InvalidConfigError
from mcal_engine.orders import hash_order
from mcal_engine.types import IntArray
from mcal_engine.vision import checkpoints
from mcal_engine.vision.data import Images
from mcal_engine.vision.files import write_bytes
from mcal_engine.vision.learner import TorchLearner


@dataclass(frozen=True)
class Made:
    """A file of weights, its SHA-256, and how well the network does on images left out."""

    path: Path
    sha256: str
    images: int
    accuracy: float | None  # None where nothing was left out
    seconds: float


def pretrain(
    images: Images,
    labels: IntArray,
    classes: int,
    net: str,
    out: Path,
    *,
    seed: int = 0,
    held_out: float = 0.05,
    flip: bool = True,
    device: str | None = None,
) -> Made:
    """Train fresh weights on all images [N, H, W, C] but a share `held_out`; leave them in `out`.

    Raises `InvalidConfigError` for a name that is more than a network's, `DataError`.
    """
    if parse(net).name != net or "+" in net:
        raise InvalidConfigError(f"{net}: only a network by itself can be pre-trained")
    if not 0 <= held_out < 1:
        raise InvalidConfigError(f"the share left out must lie in [0, 1), not {held_out}")
    learner = TorchLearner(images, classes, flip=flip, device=device)
    kept, left = _split(len(labels), held_out, seed)
    trained = learner.train(kept, labels[kept], seed=seed, arch=net)
    accuracy = None
    if len(left):
        found = learner.score().pred[left]
        accuracy = float((found == labels[left]).mean())
    path = out / f"{net}.pt"
    try:
        out.mkdir(parents=True, exist_ok=True)
        digest = checkpoints.save(trained.model, path)
        write_bytes(path.with_name(f"{path.name}.sha256"), f"{digest}  {path.name}\n".encode())
    except OSError as error:
        raise DataError(f"The weights cannot be written to {out}: {error}") from error
    return Made(path, digest, len(kept), accuracy, trained.seconds)


def _split(n: int, share: float, seed: int) -> tuple[IntArray, IntArray]:
    """Return the items to train on and those left out, each ascending."""
    order = hash_order(f"{seed}:held out", np.arange(n, dtype=np.int64))
    count = round(share * n)
    return np.sort(order[count:]), np.sort(order[:count])
