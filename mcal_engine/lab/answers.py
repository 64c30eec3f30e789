"""Real people's answers in place of the truth: `FILE.npz:ARRAY`, such as CIFAR-10N's."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mcal_engine.datasets import BROKEN
from mcal_engine.errors import DataError
from mcal_engine.types import IntArray


def load(source: str, truth: IntArray, classes: int) -> IntArray:
    """Return labels [N] as these people gave them; images beyond their file keep the truth.

    CIFAR-10N has answers for the 50,000 train images, which come first; the 10,000 test images
    have none. Raises `DataError` for a missing array, one that is too long, or unknown classes.
    """
    name, _, array = source.rpartition(":")
    if not name or not Path(name).is_file():
        raise DataError(f"answers are named FILE.npz:ARRAY; there is no file {name or source!r}")
    found = _array(Path(name), array)
    if found.ndim != 1 or len(found) > len(truth) or found.dtype.kind not in "iu":
        raise DataError(f"{source}: {found.shape} answers do not go with {len(truth)} images")
    if len(found) and (found.min() < 0 or found.max() >= classes):
        raise DataError(f"{source}: an answer is outside the {classes} classes")
    return np.concatenate([found.astype(np.int64), truth[len(found) :]])


def _array(path: Path, name: str) -> IntArray:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if name not in arrays:
                raise DataError(f"{path.name} has no array {name!r}, only {', '.join(arrays)}")
            return np.asarray(arrays[name])
    except BROKEN as error:
        raise DataError(f"{path.name} cannot be read: {error}") from error
