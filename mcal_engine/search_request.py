"""The request.json of a search job: read, checked, made into settings and a pool."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from mcal_engine import training
from mcal_engine.errors import DataError
from mcal_engine.orders import hash_draw
from mcal_engine.search import LabelledPool, Scheme, SearchSettings
from mcal_engine.search_compare import SETS
from mcal_engine.types import IntArray

SCHEMA = 1
HELD_OUT = 0.2  # share of the images that judges, where the request does not say

_T = TypeVar("_T")


@dataclass(frozen=True)
class SearchRequest:
    """What request.json says. Paths are those of the request, relative ones below its folder.

    `held_out` is a share of the images, drawn by `draw_seed`, or a .npy of their numbers. `sets`
    are trained and judged on the held-out images once the search is over; none of them, and only
    the subset is left. `training` are settings of every training (`training.OPTIONS`),
    `pretrained` where pre-trained weights come from (`vision.pretrained.prior_of`). With `items`,
    a .npy of ascending numbers, only those rows of `images` take part: `labels` belong to them,
    and every other number (held out, in the result) counts among them from 0.
    """

    images: Path
    labels: Path
    classes: int
    settings: SearchSettings
    seeds: tuple[int, ...]
    held_out: float | Path
    draw_seed: int
    sets: tuple[str, ...]
    flip: bool
    training: dict[str, float]
    device: str | None
    threads: int | None
    pretrained: dict[str, Any] | None = None
    items: Path | None = None


class Rows:
    """Some rows of an array [N, ...], read where they lie: only what is asked for is copied.

    It answers what a learner asks of an array: length, shape, type, numbers, slices, lists.
    """

    def __init__(self, images: NDArray[np.uint8], items: IntArray) -> None:
        self.images, self.items = images, items
        self.shape = (len(items), *images.shape[1:])
        self.dtype, self.ndim = images.dtype, images.ndim

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        rows: NDArray[np.uint8] = self.images[self.items[key]]
        return rows


def read(folder: Path) -> SearchRequest:
    """Read and check request.json. Raises `DataError` or `InvalidConfigError` in words."""
    try:
        raw = json.loads((folder / "request.json").read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"request.json cannot be read: {error}") from error
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise DataError(f"request.json must be an object with schema {SCHEMA}.")
    known = {field.name for field in fields(SearchRequest)} | {"schema"}
    if unknown := sorted(set(raw) - known):
        raise DataError(f"request.json: unknown fields {unknown}")
    return SearchRequest(
        images=folder / _field(raw, "images", str),
        labels=folder / _field(raw, "labels", str),
        classes=_field(raw, "classes", int),
        settings=_settings(_field(raw, "settings", dict)),
        seeds=_seeds(raw),
        held_out=_held_out(raw, folder),
        draw_seed=_field(raw, "draw_seed", int, 0),
        sets=_sets(raw),
        flip=_field(raw, "flip", bool, True),
        training=training.checked(_field(raw, "training", dict, {})),
        device=_optional(raw, "device", str),
        threads=_optional(raw, "threads", int),
        pretrained=_optional(raw, "pretrained", dict),
        items=folder / _field(raw, "items", str) if raw.get("items") is not None else None,
    )


def load(request: SearchRequest) -> tuple[NDArray[np.uint8], LabelledPool]:
    """Return images (mapped, not read) and the labelled pool. Raises `DataError`."""
    images, labels = array(request.images, mmap=True), array(request.labels)
    if request.items is not None:
        images = chosen_rows(images, array(request.items))
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(images) != len(labels):
        raise DataError(f"{len(images):,} images do not go with labels of shape {labels.shape}")
    if isinstance(request.held_out, Path):
        chosen = array(request.held_out)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu":
            raise DataError("held_out must be one row of whole numbers")
        held_out = marked(chosen.astype(np.int64), len(labels))
    else:
        held_out = drawn(len(labels), request.held_out, request.draw_seed)
    return images, LabelledPool(labels.astype(np.int64), held_out, request.classes)


def chosen_rows(images: NDArray[np.uint8], items: NDArray[Any]) -> NDArray[np.uint8]:
    """Return these rows as an array of their own, without a copy. Raises `DataError`."""
    if items.ndim != 1 or items.dtype.kind not in "iu" or not len(items):
        raise DataError("items must be one row of whole numbers")
    items = items.astype(np.int64)
    if items[0] < 0 or items[-1] >= len(images) or (np.diff(items) < 1).any():
        raise DataError(f"items must ascend, from 0 to {len(images) - 1}")
    if len(items) == items[-1] - items[0] + 1:
        return images[items[0] : items[-1] + 1]
    images = images if images.ndim == 4 else images[..., None]
    return cast("NDArray[np.uint8]", Rows(images, items))


def marked(items: IntArray, n: int) -> NDArray[np.bool_]:
    """Return a mask [n] of these numbers. Raises `DataError` for one outside."""
    if len(items) and (items.min() < 0 or items.max() >= n):
        raise DataError(f"a held-out image is outside 0 to {n - 1}")
    found = np.zeros(n, dtype=np.bool_)
    found[items] = True
    return found


def drawn(n: int, share: float, seed: int) -> NDArray[np.bool_]:
    """Return a mask [n] of a random share that is held out. Raises `DataError`."""
    count = round(share * n) if 0 < share < 1 else 0
    if not 0 < count < n:
        raise DataError(f"a held-out share of {share:g} of {n:,} images leaves nothing to judge by")
    return marked(hash_draw(f"{seed}:search:held_out", np.arange(n), count), n)


def array(path: Path, *, mmap: bool = False) -> NDArray[Any]:
    """Read a .npy file. Raises `DataError`."""
    try:
        return np.asanyarray(np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path.name} cannot be read as an array: {error}") from error


def _settings(raw: dict[str, Any]) -> SearchSettings:
    known = {field.name for field in fields(SearchSettings)}
    if unknown := sorted(set(raw) - known):
        raise DataError(f"settings: unknown {unknown}; there is: {', '.join(sorted(known))}")
    numbers = {"share", "start", "outliers", "tune_rate"}
    for name, value in raw.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number != (name in numbers) or (name not in numbers and not isinstance(value, str)):
            raise DataError(f"settings: {name} must be a {'number' if name in numbers else 'text'}")
    if "share" not in raw:
        raise DataError("settings: the share is missing")
    try:
        scheme = Scheme(raw.get("scheme", Scheme.BUILD_UP))
    except ValueError as error:
        schemes = ", ".join(one.value for one in Scheme)
        raise DataError(f"settings: {raw['scheme']!r} is not one of: {schemes}") from error
    floats = {name: float(value) for name, value in raw.items() if name in numbers}
    return SearchSettings(**{**raw, **floats, "scheme": scheme})


def _field(raw: Mapping[str, Any], name: str, kind: type[_T], default: _T | None = None) -> _T:
    value = raw.get(name, default)
    if type(value) is not kind:
        raise DataError(f"request.json: {name} must be of type {kind.__name__}.")
    return value


def _optional(raw: Mapping[str, Any], name: str, kind: type[_T]) -> _T | None:
    return None if raw.get(name) is None else _field(raw, name, kind)


def _seeds(raw: Mapping[str, Any]) -> tuple[int, ...]:
    seeds = _field(raw, "seeds", list, [0])
    if any(type(seed) is not int for seed in seeds):
        raise DataError("request.json: seeds must be whole numbers.")
    return tuple(seeds)


def _held_out(raw: Mapping[str, Any], folder: Path) -> float | Path:
    value = raw.get("held_out", HELD_OUT)
    if isinstance(value, str):
        return folder / value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError("request.json: held_out must be a share or the name of a .npy file.")
    return float(value)


def _sets(raw: Mapping[str, Any]) -> tuple[str, ...]:
    sets = _field(raw, "sets", list, list(SETS))
    if any(name not in SETS for name in sets):
        raise DataError(f"request.json: sets are some of: {', '.join(SETS)}.")
    return tuple(name for name in SETS if name in sets)
