"""The labels that a recording or a replay needs: the truth, and people's answers beside it.

People's answers are named `FILE.npz:ARRAY`, such as CIFAR-10N's three per image.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mcal_engine import datasets
from mcal_engine.datasets import BROKEN
from mcal_engine.errors import DataError
from mcal_engine.lab.recording import Recording
from mcal_engine.types import IntArray


def given_by(source: str, truth: IntArray, classes: int) -> IntArray:
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


def of(recording: Recording, folder: Path) -> tuple[IntArray, IntArray | None]:
    """Return (truth, people's answers or None) [N] of a recording.

    Both are looked for in `folder` under the recorded names, unless the recording holds the
    truth itself. Raises `DataError` where they are not there.
    """
    about = recording.about
    truth = recording.truth if recording.truth is not None else _truth(recording, folder)
    if about.given_sha256 == about.labels_sha256:
        return truth, None
    return truth, given_by(str(folder / about.given), truth, about.classes)


def _truth(recording: Recording, folder: Path) -> IntArray:
    about = recording.about
    packed = folder / f"{about.data}.npz"
    if packed.is_file() and about.limit is None:  # the labels alone: no picture is decoded
        return _array(packed, "labels").astype(np.int64)
    source = packed if packed.is_file() else folder / about.data
    return datasets.load(source, limit=about.limit, seed=about.seed).labels


def _array(path: Path, name: str) -> IntArray:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if name not in arrays:
                raise DataError(f"{path.name} has no array {name!r}, only {', '.join(arrays)}")
            return np.asarray(arrays[name])
    except BROKEN as error:
        raise DataError(f"{path.name} cannot be read: {error}") from error
