"""The candidate's model of the round before, from its files: what a job learns pseudo-labels from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcal_engine.errors import DataError
from mcal_engine.learner import Earlier
from mcal_engine.types import Scores

FILES = ("pred", "uncertainty", "least")


def read(folder: Path, raw: object, n: int) -> Earlier | None:
    """Return the model that a request's `earlier` names, None where it names none.

    `raw` holds `folder` (with pred.npy, uncertainty.npy, least.npy of n images), `train_items` (an
    array file) and `round`, 1 for the candidate's first training; paths are relative to the job's
    `folder`. Raises `DataError` for files that are missing or do not fit.
    """
    if raw is None:
        return None
    if not isinstance(raw, dict) or not _is_round(raw.get("round")):
        raise DataError("request.json: earlier must hold folder, train_items and round.")
    if not isinstance(raw.get("folder"), str) or not isinstance(raw.get("train_items"), str):
        raise DataError("request.json: earlier must hold folder, train_items and round.")
    where = folder / raw["folder"]
    pred, uncertainty, least = (_array(where / f"{name}.npy") for name in FILES)
    items = _array(folder / raw["train_items"])
    if any(array.shape != (n,) for array in (pred, uncertainty, least)):
        raise DataError(f"The earlier model's scores do not fit {n} images.")
    if items.ndim != 1 or items.dtype.kind not in "iu" or not _inside(items, n):
        raise DataError(f"The earlier model's training images are not numbers from 0 to {n - 1}.")
    scores = Scores(pred.astype(np.uint16), uncertainty, where.name, least=least)
    return Earlier(scores, items.astype(np.int64), raw["round"])


def _is_round(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _inside(items: NDArray[Any], n: int) -> bool:
    return len(items) == 0 or bool(items.min() >= 0 and items.max() < n)


def _array(path: Path) -> NDArray[Any]:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"The earlier model's {path.name} cannot be read: {error}") from error
