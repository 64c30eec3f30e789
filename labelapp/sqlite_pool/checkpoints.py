"""Moves what SQLite's write-ahead log holds into the database, beside the requests.

SQLite does it in the commit that makes the log longer than 1,000 pages: every fiftieth answer
waited for two fsyncs, and in a large database for thousands of pages all over the file. Here a
thread does it within a second of a commit; commits do it only when that falls far behind. Each
time the log is synced first, so a power cut takes a second of answers at the most, not a log.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

SECONDS = 1.0  # from a commit to its checkpoint, about


class Checkpoints:
    """One thread per process, asleep until somebody has written."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.written = threading.Event()
        threading.Thread(target=self._run, name="checkpoints", daemon=True).start()

    def wake(self) -> None:
        """Say that something was committed."""
        self.written.set()

    def _run(self) -> None:
        while True:
            self.written.wait()
            threading.Event().wait(SECONDS)
            self.written.clear()
            checkpoint(self.path)


def checkpoint(path: str) -> bool:
    """Move all that can be moved without anybody waiting; False where it was not possible.

    Then the next one, or a commit, makes up for it.
    """
    try:
        with closing(sqlite3.connect(path, timeout=5)) as database:
            database.execute("PRAGMA wal_checkpoint(PASSIVE)")
    except sqlite3.Error:
        return False
    return True
