"""Write files so that a reader sees the old one or the whole new one, never a part."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> str:
    """Write through a temporary name, fsync and rename; return the content's SHA-256.

    `durable=False` skips the fsync: enough for progress, which a crash may lose.
    """
    return _replace(path, lambda file: file.write(content), durable=durable)


def write_json(path: Path, value: Mapping[str, object], *, durable: bool = True) -> str:
    """Write one JSON object atomically; return its SHA-256. NaN is refused: it is not JSON."""
    return write_bytes(path, json.dumps(value, allow_nan=False).encode(), durable=durable)


def write_array(path: Path, array: NDArray[Any]) -> str:
    """Write a .npy file atomically; return its SHA-256. Memory does not grow with the array."""
    return _replace(path, lambda file: np.save(file, array, allow_pickle=False), durable=True)


class _Hashed:
    """A file opened for writing that hashes what goes through it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.sha256 = hashlib.sha256()

    def write(self, content: bytes) -> int:
        self.sha256.update(content)
        return self.file.write(content)


def _replace(path: Path, fill: Callable[[Any], object], *, durable: bool) -> str:
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            hashed = _Hashed(file)
            fill(hashed)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
    if durable:
        _sync_folder(path.parent)
    return hashed.sha256.hexdigest()


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
