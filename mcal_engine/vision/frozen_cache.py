"""Features of a frozen network, computed once per image and kept on disk.

A cache folder holds for each key (weights, input side, normalisation) three files: `KEY.npy`, the
features as float16 [N, d]; `KEY.rows.npy`, a hash of each image's pixels; `KEY.json`, written last,
with the SHA-256 of both. What is half-written, changed or of another key therefore never counts. A
row belongs to an image's pixels, not to its number: only images that are new or changed are
computed anew.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mcal_engine.errors import DataError
from mcal_engine.types import IntArray
from mcal_engine.vision.data import Images
from mcal_engine.vision.files import array_writer, write_array, write_json

SCHEMA = 1
MOST_BYTES = 8 * 2**30
"""What the caches of one folder may take; the oldest leave first."""

ROWS = 1024  # written at a time
STALE_SECONDS = 3600
"""A file without a note that nobody has written to for so long is what a killed program left."""

HEADERS = 1024  # bytes at most of the note and of the arrays' headers
DIGEST = 16  # bytes of an image's hash

Features = NDArray[np.float16]
Compute = Callable[[IntArray], Iterator[Features]]
"""Items -> their features in this order, block by block."""


@dataclass(frozen=True)
class Kept:
    """Features [N, d] of all images and how many of them had to be computed."""

    features: Features
    computed: int


class FeatureCache:
    """The features that one folder holds; without a folder, those of this process."""

    def __init__(self, folder: Path | None = None, *, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder
        self.most_bytes = most_bytes
        self._here: dict[str, tuple[NDArray[np.uint8], Features]] = {}

    def of(self, key: str, images: Images, width: int, compute: Compute) -> Kept:
        """Return the features of these images [N, H, W, C], from the cache as far as they are there.

        `compute` is called once, with the items that are missing. Raises `DataError` where the
        folder cannot hold them; nothing half-written stays.
        """
        hashes = pixel_hashes(images)
        known = self._known(key, width)
        if known is not None and np.array_equal(known[0], hashes):
            return Kept(known[1], 0)
        places = _places(hashes, known)
        missing = np.flatnonzero(places < 0).astype(np.int64)
        old = None if known is None else known[1]
        if self.folder is None:
            features = _in_memory(places, old, missing, width, compute)
            self._here = {key: (hashes, features)}
        else:
            features = self._on_disk(self.folder, key, hashes, places, old, width, compute)
        return Kept(features, len(missing))

    def _known(self, key: str, width: int) -> tuple[NDArray[np.uint8], Features] | None:
        """Return (hashes, features) that are whole and have this width."""
        found = self._here.get(key) if self.folder is None else _read(self.folder, key)
        return found if found is not None and found[1].shape[1] == width else None

    def _on_disk(
        self,
        folder: Path,
        key: str,
        hashes: NDArray[np.uint8],
        places: IntArray,
        old: Features | None,
        width: int,
        compute: Compute,
    ) -> Features:
        missing = np.flatnonzero(places < 0).astype(np.int64)
        with _disk_errors_in_words(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._make_room(folder, key, hashes.nbytes + 2 * len(hashes) * width + HEADERS)
            shape = (len(hashes), width)
            with array_writer(folder / f"{key}.npy", shape, np.dtype(np.float16)) as writer:
                for rows in _filled(places, old, compute(missing), width):
                    writer.append(rows)
            note = {
                "schema": SCHEMA,
                "features_sha256": writer.sha256,
                "rows_sha256": write_array(folder / f"{key}.rows.npy", hashes),
            }
            write_json(folder / f"{key}.json", note)
        return _mapped(folder / f"{key}.npy")

    def _make_room(self, folder: Path, key: str, needed: int) -> None:
        """Let the oldest caches go. Raises `DataError` where this one does not fit at all."""
        if needed > self.most_bytes:
            raise DataError(
                f"The features take {_mib(needed)} MiB; at most {_mib(self.most_bytes)} MiB may "
                "be kept. Choose a network with fewer features, or allow more."
            )
        notes = [note for note in folder.glob("*.json") if note.stem != key]
        notes.sort(key=lambda note: note.stat().st_mtime)
        taken = {note.stem: _bytes_of(folder, note.stem) for note in notes}
        others = _without_note(folder, {*taken, key})
        for note in notes:
            if others + sum(taken.values()) + needed <= self.most_bytes:
                break
            _drop(folder, note.stem)
            del taken[note.stem]
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise DataError(
                f"The disk is full: the features take {_mib(needed)} MiB in {folder}, and "
                f"{_mib(free)} MiB are free. Free some space."
            )


def pixel_hashes(images: Images) -> NDArray[np.uint8]:
    """Return a hash of each image's pixels, uint8 [N, 16], its shape included by the key."""
    found = np.empty((len(images), DIGEST), dtype=np.uint8)
    for number, image in enumerate(images):
        digest = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=DIGEST).digest()
        found[number] = np.frombuffer(digest, dtype=np.uint8)
    return found


def _places(
    hashes: NDArray[np.uint8], known: tuple[NDArray[np.uint8], Features] | None
) -> IntArray:
    """Return for each image the row that holds its features already, or -1."""
    if known is None:
        return np.full(len(hashes), -1, dtype=np.int64)
    rows = {row.tobytes(): number for number, row in enumerate(known[0])}
    return np.array([rows.get(row.tobytes(), -1) for row in hashes], dtype=np.int64)


def _in_memory(
    places: IntArray, old: Features | None, missing: IntArray, width: int, compute: Compute
) -> Features:
    blocks = list(_filled(places, old, compute(missing), width))
    return np.concatenate(blocks) if blocks else np.empty((0, width), dtype=np.float16)


def _filled(
    places: IntArray, old: Features | None, new: Iterator[Features], width: int
) -> Iterator[Features]:
    """Yield all rows in order, block by block: known ones from `old`, the others from `new`."""
    waiting = np.empty((0, width), dtype=np.float16)
    for start in range(0, len(places), ROWS):
        part = places[start : start + ROWS]
        block, needed = np.empty((len(part), width), dtype=np.float16), int((part < 0).sum())
        while len(waiting) < needed:
            waiting = np.concatenate([waiting, next(new)])
        block[part < 0], waiting = waiting[:needed], waiting[needed:]
        if old is not None:
            block[part >= 0] = old[part[part >= 0]]
        yield block


def _read(folder: Path, key: str) -> tuple[NDArray[np.uint8], Features] | None:
    """Return (hashes, features) of a whole cache; None for anything else."""
    try:
        note = json.loads((folder / f"{key}.json").read_text())
        same = note["schema"] == SCHEMA and all(
            note[f"{name}_sha256"] == _sha256(folder / file)
            for name, file in (("features", f"{key}.npy"), ("rows", f"{key}.rows.npy"))
        )
        if not same:
            return None
        hashes = np.load(folder / f"{key}.rows.npy", allow_pickle=False)
        features = _mapped(folder / f"{key}.npy")
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    return (hashes, features) if len(hashes) == len(features) else None


def _mapped(path: Path) -> Features:
    return np.asanyarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _without_note(folder: Path, noted: set[str]) -> int:
    """Delete what killed programs left, and return the bytes of files that others still write."""
    size = 0
    for file in folder.iterdir():
        if file.name.partition(".")[0] in noted:
            continue
        with suppress(OSError):
            found = file.stat()
            if time.time() - found.st_mtime > STALE_SECONDS:
                file.unlink()
            else:
                size += found.st_size
    return size


def _drop(folder: Path, key: str) -> None:
    for name in (f"{key}.json", f"{key}.npy", f"{key}.rows.npy"):  # the note first
        (folder / name).unlink(missing_ok=True)


def _bytes_of(folder: Path, key: str) -> int:
    size = 0
    for name in (f"{key}.json", f"{key}.npy", f"{key}.rows.npy"):
        with suppress(OSError):
            size += (folder / name).stat().st_size
    return size


def _mib(size: int) -> int:
    return -(-size // 2**20)


@contextmanager
def _disk_errors_in_words(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        what = "The disk is full" if full else str(error)
        raise DataError(f"The features cannot be kept in {folder}: {what}.") from error
