"""Write files so that a reader sees the old one or the whole new one, never a part."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> str:
    """Write through a temporary name, fsync and rename; return the content's SHA-256.

    `durable=False` skips the fsync: enough for progress, which a crash may lose.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
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
    return hashlib.sha256(content).hexdigest()


def write_json(path: Path, value: Mapping[str, object], *, durable: bool = True) -> str:
    """Write one JSON object atomically; return its SHA-256. NaN is refused: it is not JSON."""
    return write_bytes(path, json.dumps(value, allow_nan=False).encode(), durable=durable)


def write_array(path: Path, array: NDArray[Any]) -> str:
    """Write a .npy file atomically; return its SHA-256."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return write_bytes(path, buffer.getvalue())


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
