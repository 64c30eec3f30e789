"""What a search has done so far, on disk: a killed search goes on where it was.

    FOLDER/<name>.npy    an array, such as S after a stage
    FOLDER/<name>.json   its facts, written last: {"key", "sha256", "facts"}

`key` is the SHA-256 of all that decides the result. Whatever has another key, or an array whose
hash is not the one in its JSON, does not count and is made anew.
"""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mcal_engine.errors import CancelledError, DataError, DiskFullError, EngineError
from mcal_engine.search import LabelledPool, SearchSettings
from mcal_engine.types import IntArray
from mcal_engine.vision.files import write_array, write_json

SCHEMA = 1
Facts = dict[str, Any]
"""Plain JSON values."""


class Store(Protocol):
    """Keeps finished steps by name."""

    def get(self, name: str) -> tuple[Facts, IntArray] | None:
        """Return facts and items of a finished step, None where it is still to do."""
        ...

    def put(self, name: str, facts: Facts, items: IntArray) -> None:
        """Keep a finished step."""
        ...


class Memory:
    """Keeps steps as long as the program runs."""

    def __init__(self) -> None:
        self.steps: dict[str, tuple[Facts, IntArray]] = {}

    def get(self, name: str) -> tuple[Facts, IntArray] | None:
        """Return a finished step."""
        return self.steps.get(name)

    def put(self, name: str, facts: Facts, items: IntArray) -> None:
        """Keep a finished step."""
        self.steps[name] = (facts, items)


class Folder:
    """Keeps steps as files. Raises `DiskFullError`, or `DataError` where they cannot be written."""

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refusal(error, path) from error

    def get(self, name: str) -> tuple[Facts, IntArray] | None:
        """Return a finished step of the same key whose array is whole."""
        try:
            raw = json.loads(self._file(name, "json").read_text())
            content = self._file(name, "npy").read_bytes()
        except (OSError, ValueError):
            return None
        if not isinstance(raw, dict) or raw.get("schema") != SCHEMA or raw.get("key") != self.key:
            return None
        facts = raw.get("facts")
        if not isinstance(facts, dict) or raw.get("sha256") != hashlib.sha256(content).hexdigest():
            return None
        items = np.load(self._file(name, "npy"), allow_pickle=False).astype(np.int64)
        return facts, items

    def put(self, name: str, facts: Facts, items: IntArray) -> None:
        """Write the array, then its facts, each whole or not at all."""
        try:
            digest = write_array(self._file(name, "npy"), items.astype(np.int64))
            content = {"schema": SCHEMA, "key": self.key, "sha256": digest, "facts": facts}
            write_json(self._file(name, "json"), content)
        except OSError as error:
            raise refusal(error, self.path) from error

    def _file(self, name: str, ending: str) -> Path:
        return self.path / f"{name}.{ending}"


def refusal(error: OSError, path: Path) -> EngineError:
    """Return the error to raise where a file cannot be written: a full disk has its own code."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFullError(f"The disk is full: nothing more can be kept in {path}.")
    return DataError(f"{path} cannot be written: {error.strerror}")


def key_of(
    settings: SearchSettings, pool: LabelledPool, images: str, more: Mapping[str, object]
) -> str:
    """Return the SHA-256 of what decides a search: settings, labels, who is held out, the images.

    `images` is a hash of them, `more` whatever else the learner was told (its recipe).
    """
    about = {
        "schema": SCHEMA,
        "settings": asdict(settings),
        "classes": pool.classes,
        "labels": hashlib.sha256(pool.labels.astype("<i8").tobytes()).hexdigest(),
        "held_out": hashlib.sha256(np.packbits(pool.held_out).tobytes()).hexdigest(),
        "n": len(pool.labels),
        "images": images,
        "more": dict(more),
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def images_hash(
    images: np.ndarray[Any, Any],
    rows: int = 4096,
    *,
    cancelled: Callable[[], bool] = lambda: False,
) -> str:
    """Return the SHA-256 of shape and pixels, a block of rows at a time. Raises `CancelledError`."""
    digest = hashlib.sha256(f"{images.dtype} {images.shape}".encode())
    for start in range(0, len(images), rows):
        if cancelled():
            raise CancelledError("The search was asked to stop.")
        digest.update(np.ascontiguousarray(images[start : start + rows]).tobytes())
    return digest.hexdigest()
