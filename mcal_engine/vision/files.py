"""Write files so that a reader sees the old one or the whole new one, never a part."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
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


class ArrayWriter:
    """An array that is written row by row: neither memory nor the reader ever holds a part of it."""

    def __init__(self, file: _Hashed, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._file, self._dtype = file, dtype
        self._missing, self._row = shape[0], shape[1:]
        header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(file, header)

    def append(self, rows: NDArray[Any]) -> None:
        """Write the next rows. Raises ValueError for rows of another shape, or too many."""
        if rows.shape[1:] != self._row or len(rows) > self._missing:
            raise ValueError(f"{rows.shape} does not go on with {self._missing} x {self._row}.")
        self._missing -= len(rows)
        self._file.write(np.ascontiguousarray(rows, dtype=self._dtype).tobytes())

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was written so far; of the file, once all rows are there."""
        return self._file.sha256.hexdigest()

    def finish(self) -> None:
        """Raise ValueError unless all rows were written."""
        if self._missing:
            raise ValueError(f"{self._missing} rows are missing.")


@contextmanager
def array_writer(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Iterator[ArrayWriter]:
    """Write a .npy file of this shape in pieces; it is there when the block ends without error."""
    with _replacing(path, durable=True) as file:
        writer = ArrayWriter(file, shape, dtype)
        yield writer
        writer.finish()


class _Hashed:
    """A file opened for writing that hashes what goes through it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.sha256 = hashlib.sha256()

    def write(self, content: bytes) -> int:
        self.sha256.update(content)
        return self.file.write(content)


def _replace(path: Path, fill: Callable[[Any], object], *, durable: bool) -> str:
    with _replacing(path, durable=durable) as file:
        fill(file)
    return file.sha256.hexdigest()


@contextmanager
def _replacing(path: Path, *, durable: bool) -> Iterator[_Hashed]:
    """Open a temporary file that takes the path's place when the block ends without error."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield _Hashed(file)
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


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
