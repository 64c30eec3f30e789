"""The write-ahead log is emptied beside the requests."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from labelapp.sqlite_pool import checkpoints


@pytest.fixture
def database(tmp_path):
    """A database whose only row lies in the log."""
    path = tmp_path / "x.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("CREATE TABLE t (a)")
        connection.execute("INSERT INTO t VALUES (1)")
        connection.commit()
        yield path


def rows_without_log(path: Path) -> int:
    """Count the rows that a copy of the main file alone has."""
    copy = path.with_name("copy.sqlite3")
    shutil.copy(path, copy)
    with closing(sqlite3.connect(copy)) as connection:
        try:
            return connection.execute("SELECT COUNT(*) FROM t").fetchone()[0]
        except sqlite3.OperationalError:  # not even the table
            return 0


def test_a_checkpoint_moves_the_log_into_the_database(database):
    assert rows_without_log(database) == 0
    assert checkpoints.checkpoint(str(database)) is True
    assert rows_without_log(database) == 1


def test_it_comes_by_itself_after_a_write(database, monkeypatch):
    monkeypatch.setattr(checkpoints, "SECONDS", 0.01)
    checkpoints.Checkpoints(str(database)).wake()
    deadline = time.monotonic() + 5
    while not rows_without_log(database) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert rows_without_log(database) == 1


def test_a_database_that_cannot_be_opened_stops_nothing(tmp_path):
    assert checkpoints.checkpoint(str(tmp_path / "no" / "such.sqlite3")) is False
