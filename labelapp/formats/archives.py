"""Read zip archives that strangers send: nothing is unpacked before the whole list has passed.

Folders inside the zip are part of an image's relative name. Junk that systems leave behind
(__MACOSX, .DS_Store, ...) is ignored without a word. Plain Python.
"""

from __future__ import annotations

import errno
import re
import stat
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from labelapp.errors import BadArchiveError

_JUNK_NAMES = {".ds_store", "thumbs.db", "desktop.ini", ".directory", ".gitkeep"}
_JUNK_FOLDERS = {"__macosx", ".git", ".ipynb_checkpoints", "@eadir"}
_ENCRYPTED = 0x1
_UTF8_NAME = 0x800


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may hold at most."""

    files: int = 2_000_000
    total_bytes: int = 64 * 1024**3  # unpacked
    ratio: int = 200  # unpacked to packed, once more than `ratio_floor` bytes come out
    ratio_floor: int = 100 * 1024**2


@dataclass(frozen=True)
class ArchiveEntry:
    """One file of an archive; `name` is its cleaned relative path."""

    name: str
    size: int
    is_link: bool
    info: zipfile.ZipInfo


def is_junk(name: str) -> bool:
    """Tell whether a relative path is litter of an operating system, not somebody's image."""
    parts = name.lower().split("/")
    return parts[-1] in _JUNK_NAMES or parts[-1].startswith("._") or bool(_JUNK_FOLDERS & {*parts})


def clean_name(name: str) -> str:
    """Return a relative path that can be stored and shown: forward slashes, no control characters.

    Bytes that are no text become U+FFFD; empty, `.` and `..` parts are dropped.
    """
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    text = re.sub(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]", "\ufffd", text)
    parts = [part for part in text.replace("\\", "/").split("/") if part not in {"", ".", ".."}]
    return "/".join(parts)


class ZipSource:
    """An opened, checked zip archive. Use as a context manager."""

    def __init__(self, path: Path, limits: ArchiveLimits | None = None) -> None:
        """Open and check the archive; raise BadArchiveError."""
        try:
            self._zip = zipfile.ZipFile(path)
        except Exception as error:  # BadZipFile, ValueError, struct.error, ...
            if _is_of_the_disk(error):
                raise
            raise BadArchiveError("This is not a zip archive, or it is broken.") from error
        try:
            self.entries = _checked(self._zip, path.stat().st_size, limits or ArchiveLimits())
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()

    def read(self, entry: ArchiveEntry) -> bytes:
        """Return the bytes of one file; raise BadArchiveError when it cannot be unpacked."""
        try:
            return self._zip.read(entry.info)
        except Exception as error:  # zlib.error, BadZipFile, NotImplementedError, EOFError, ...
            if _is_of_the_disk(error):
                raise
            raise BadArchiveError(f"{entry.name} cannot be unpacked.", name=entry.name) from error


def _is_of_the_disk(error: Exception) -> bool:
    """Tell a failing disk from an archive that never came, or that is broken.

    A broken one's offsets may lead before its beginning: EINVAL.
    """
    archives = {None, errno.EINVAL, errno.ENOENT}
    return isinstance(error, OSError) and error.errno not in archives


def _checked(archive: zipfile.ZipFile, packed: int, limits: ArchiveLimits) -> list[ArchiveEntry]:
    infos = archive.infolist()
    if len(infos) > limits.files:
        raise BadArchiveError(f"The archive holds more than {limits.files:,} files.")
    entries = list(_entries(infos))
    if not entries:
        raise BadArchiveError("The archive is empty: it holds no files.")
    total = sum(entry.size for entry in entries)
    if total > limits.total_bytes:
        raise BadArchiveError(f"Unpacked, the archive is larger than {limits.total_bytes:,} bytes.")
    if total > limits.ratio_floor and total > limits.ratio * packed:
        raise BadArchiveError("The archive unpacks to an absurd size: a zip bomb?")
    return entries


def _entries(infos: list[zipfile.ZipInfo]) -> Iterator[ArchiveEntry]:
    for info in infos:
        name = _decoded(info)
        _refuse_unsafe(name, info)
        cleaned = clean_name(name)
        if info.is_dir() or is_junk(name) or not cleaned:
            continue
        mode = info.external_attr >> 16
        yield ArchiveEntry(cleaned, info.file_size, stat.S_ISLNK(mode), info)


def _decoded(info: zipfile.ZipInfo) -> str:
    """Return the name with forward slashes; programs often write UTF-8 without saying so."""
    name = info.filename
    if not info.flag_bits & _UTF8_NAME:
        with suppress(UnicodeError):  # else it really was an old code page
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _refuse_unsafe(name: str, info: zipfile.ZipInfo) -> None:
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/"):
        raise BadArchiveError(
            "The archive has a path that leads out of its folder; nothing was imported.",
            name=clean_name(name)[:200],
        )
    if info.flag_bits & _ENCRYPTED:
        raise BadArchiveError("The archive is encrypted; upload it without a password.")
