"""Django's SQLite backend, with open connections kept for the next request.

Under ASGI each request has a thread of its own, so Django opens a connection for each: 4 of the
12 ms of CPU that an answer costs (connect, 60 registered functions, pragmas, and a checkpoint
when the last one closes). psycopg has a pool for this (trap 10 of the design), SQLite has none.
Nothing is kept until `keep_connections` is called: only the web process does.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from typing import Any

from django.db.backends.sqlite3 import base


class _Pool:
    """Idle connections by database, for threads of the process that made them."""

    def __init__(self) -> None:
        self.most = 0
        self.owner = 0
        self.idle: list[tuple[str, sqlite3.Connection]] = []
        self.lock = threading.Lock()

    def take(self, name: str) -> sqlite3.Connection | None:
        """Return an idle connection to this database, if there is one."""
        if self.owner != os.getpid():  # SQLite forbids to carry connections across a fork
            return None
        with self.lock:
            for position in reversed(range(len(self.idle))):
                if self.idle[position][0] == name:
                    return self.idle.pop(position)[1]
        return None

    def give(self, name: str, connection: sqlite3.Connection) -> bool:
        """Keep a connection; False if it must be closed (a transaction is open, enough kept)."""
        if self.owner != os.getpid() or connection.in_transaction:
            return False
        with self.lock:
            if len(self.idle) >= self.most:
                return False
            self.idle.append((name, connection))
            return True

    def clear(self) -> None:
        """Close what is idle."""
        with self.lock:
            while self.idle:
                self.idle.pop()[1].close()


_pool = _Pool()


def keep_connections(most: int) -> None:
    """Keep up to `most` idle connections in this process from now on; 0 closes them again."""
    _pool.clear()
    _pool.most, _pool.owner = most, os.getpid()


class DatabaseWrapper(base.DatabaseWrapper):
    """SQLite whose close hands the connection to the next request of this process."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a kept connection or a new one."""
        kept = _pool.take(str(conn_params["database"]))
        return kept if kept is not None else super().get_new_connection(conn_params)

    def _close(self) -> None:
        connection = self.connection
        if connection is None or not _pool.give(str(self.settings_dict["NAME"]), connection):
            super()._close()  # type: ignore[misc]  # django-stubs leave it out
