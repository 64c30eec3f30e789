"""The tables on SQLite, made once for all test processes and sites of the same migrations.

Applying the migrations takes seconds (SQLite copies a table for each change); copying what came of
them takes none. The copy lies in the folder for temporary files, named by what it was made from.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from sqlite3 import connect
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def kept() -> Path:
    """Return where the copy lies, or would."""
    digest = hashlib.sha256((ROOT / "requirements.txt").read_bytes())
    for file in sorted((ROOT / "labelapp" / "migrations").glob("*.py")):
        digest.update(file.read_bytes())
    return Path(tempfile.gettempdir()) / f"mcal-tables-{os.getuid()}-{digest.hexdigest()[:16]}"


def take(target: Path) -> bool:
    """Put a copy of the tables there, over whatever lies there; False where nobody has made one."""
    for old in (target, *(target.with_name(target.name + end) for end in ("-wal", "-shm"))):
        old.unlink(missing_ok=True)
    if not kept().exists():
        return False
    shutil.copy(kept(), target)
    return True


def keep(connection: Any) -> None:
    """Keep a copy of this database, in which nothing but the migrations was done."""
    half = kept().with_suffix(f".{os.getpid()}")
    connection.ensure_connection()
    with closing(connect(half)) as copy:
        connection.connection.backup(copy)
    half.replace(kept())


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let one process make the tables while the others wait for its copy."""
    with kept().with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
