"""One running product per data folder: a lock that the operating system frees by itself."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path
from types import TracebackType
from typing import Self


class AlreadyRunningError(Exception):
    """Another process runs on this data folder; the text says which and where."""


class InstanceLock:
    """Held while the product runs on a data folder. A killed process never leaves it behind."""

    def __init__(self, data_dir: Path, note: str) -> None:
        self.path = data_dir / "up.lock"
        self.note = note
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Take the lock; raise AlreadyRunningError when somebody has it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 200).decode(errors="replace").strip()
            os.close(descriptor)
            raise AlreadyRunningError(holder) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()}, {self.note}\n".encode())
        self._descriptor = descriptor
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def running_on(data_dir: Path) -> str | None:
    """Return the note of the process that runs on this data folder, None when nothing does."""
    try:
        with InstanceLock(data_dir, "checking"):
            return None
    except AlreadyRunningError as holder:
        return str(holder) or "another process"


def running_address(data_dir: Path) -> str | None:
    """Return the address that the product serves on this data folder, None when it does not."""
    found = re.search(r"http://\S+", running_on(data_dir) or "")
    return found.group() if found else None
