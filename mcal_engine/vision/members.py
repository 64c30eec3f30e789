"""An ensemble's members on disk: kept in half precision while they are trained, each with its hash.

    FOLDER/members/000.pt, 001.pt, ...   checkpoints (`checkpoints.to_bytes`), weights in float16
    FOLDER/members.sha256                one line a member, as `sha256sum --check` reads them

The hash of the second file names the ensemble's scores: it is over the members' hashes. Scores
are computed from the rounded weights, read back from disk and checked, never from those in memory.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from mcal_engine.errors import DataError, DiskFullError
from mcal_engine.vision.checkpoints import Model, load_into, to_bytes
from mcal_engine.vision.files import write_bytes

FOLDER = "members"
MANIFEST = "members.sha256"
MOST_BYTES = 4 * 2**30
"""The most that one ensemble may take on disk, where nobody says otherwise."""

HEADING_BYTES = 4_096
ENTRY_BYTES = 512
"""What a checkpoint takes beside its weights, and for each of them: on the safe side."""

_LINE = re.compile(r"([0-9a-f]{64})  members/([0-9]{3,})\.pt")
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True)
class Members:
    """E members that lie in FOLDER/members; `hashes` are their SHA-256, in order."""

    folder: Path
    hashes: tuple[str, ...]

    @property
    def manifest(self) -> str:
        """The text of members.sha256."""
        lines = (f"{sha}  {FOLDER}/{_name(number)}\n" for number, sha in enumerate(self.hashes))
        return "".join(lines)

    @property
    def sha256(self) -> str:
        """The name of the ensemble's scores."""
        return hashlib.sha256(self.manifest.encode()).hexdigest()

    def path(self, number: int) -> Path:
        """Return where member `number` (0, 1, ...) lies."""
        return self.folder / FOLDER / _name(number)

    @property
    def bytes(self) -> int:
        """What all members take on disk."""
        return sum(self.path(number).stat().st_size for number in range(len(self.hashes)))

    def load_into(self, model: Model, number: int) -> None:
        """Put member `number` (0, 1, ...) into this model's network.

        Raises `DataError` where its file is missing, cut, changed or of another network.
        """
        name = _name(number)
        try:
            content = self.path(number).read_bytes()
        except OSError as error:
            raise DataError(f"The ensemble's member {name} cannot be read: {error}") from error
        if hashlib.sha256(content).hexdigest() != self.hashes[number]:
            raise DataError(f"The ensemble's member {name} is not the file that was kept.")
        load_into(model, content, name)

    def keep(self, folder: Path) -> str:
        """Leave members and manifest in this folder, safe from a power cut; return the name."""
        with in_words(f"{len(self.hashes)} members"):
            if folder != self.folder:
                shutil.copytree(self.folder / FOLDER, folder / FOLDER, dirs_exist_ok=True)
            for number in range(len(self.hashes)):
                _sync(folder / FOLDER / _name(number))
            return write_bytes(folder / MANIFEST, self.manifest.encode())


def read(folder: Path) -> Members:
    """Return the ensemble that lies in this folder. Raises `DataError` where there is none."""
    try:
        lines = (folder / MANIFEST).read_text().splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{MANIFEST} cannot be read: {error}") from error
    found = [_LINE.fullmatch(line) for line in lines]
    numbers = [int(line[2]) for line in found if line]
    if not lines or numbers != list(range(len(lines))):
        raise DataError(f"{MANIFEST} does not list members 000, 001 and so on.")
    return Members(folder, tuple(line[1] for line in found if line))


class Shelf:
    """Takes the members of one ensemble as they are trained, within a bound in bytes.

    Without a folder they lie in a temporary one, for as long as this object lives.
    """

    def __init__(self, folder: Path | None = None, *, most_bytes: int = MOST_BYTES) -> None:
        if most_bytes < 1:
            raise DataError("An ensemble needs room on disk: at least 1 byte.")
        self.folder = folder or Path(tempfile.mkdtemp(prefix="mcal-members-"))
        if folder is None:
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.most_bytes, self.bytes = most_bytes, 0
        self.hashes: list[str] = []

    def check_room(self, net: nn.Module, count: int) -> None:
        """Raise `DiskFullError` unless `count` members of this network fit, before any is trained."""
        needed = count * member_bytes(net)
        if self.bytes + needed > self.most_bytes:
            raise DiskFullError(
                f"{count} members take {_mib(needed)} on disk; at most {_mib(self.most_bytes)} are "
                "allowed. Ask for fewer, or allow more."
            )
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise DiskFullError(
                f"{count} members take {_mib(needed)}; {_mib(free)} are free. Free some space."
            )

    def add(self, model: Model) -> None:
        """Keep the model as the next member. Raises `DiskFullError`; the others stay whole."""
        number = len(self.hashes)
        content = to_bytes(model, half=True)
        if self.bytes + len(content) > self.most_bytes:
            raise DiskFullError(
                f"The members outgrew the {_mib(self.most_bytes)} allowed, at number {number}."
            )
        with in_words(f"member {number}"):
            place = self.folder / FOLDER
            place.mkdir(parents=True, exist_ok=True)
            self.hashes.append(write_bytes(place / _name(number), content, durable=False))
        self.bytes += len(content)

    def members(self) -> Members:
        """Return what was kept."""
        return Members(self.folder, tuple(self.hashes))

    def discard(self) -> None:
        """Delete what was kept: an ensemble that did not become whole counts for nothing."""
        shutil.rmtree(self.folder / FOLDER, ignore_errors=True)
        self.hashes.clear()
        self.bytes = 0


def member_bytes(net: nn.Module) -> int:
    """Return what one member takes on disk, at most: 2 bytes for each weight, and its frame."""
    values = net.state_dict().values()
    weights: int = sum(
        v.numel() * (2 if v.is_floating_point() else v.element_size()) for v in values
    )
    return weights + ENTRY_BYTES * len(values) + HEADING_BYTES


@contextmanager
def in_words(what: str) -> Iterator[None]:
    """Say that the disk is full where that is why something could not be kept."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError(f"The disk is full: {what} could not be kept.") from error
        raise


def _name(number: int) -> str:
    return f"{number:03d}.pt"


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems refuse; the rename has happened
            os.fsync(handle)
    finally:
        os.close(handle)
