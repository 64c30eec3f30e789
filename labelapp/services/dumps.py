"""Copy the database to a file and back: SQLite by VACUUM INTO, PostgreSQL by pg_dump."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.db import connection

from labelapp.env import child_environment
from labelapp.errors import ConflictError

SQLITE_NAME = "database.sqlite3"
POSTGRES_NAME = "database.dump"


def dump_database(folder: Path) -> Path:
    """Write a consistent copy of the running database below `folder` and return its path."""
    if connection.vendor == "sqlite":
        path = folder / SQLITE_NAME
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(path)])
        return path
    path = folder / POSTGRES_NAME
    _postgres("pg_dump", "--format=custom", "--no-owner", f"--file={path}")
    return path


def wanted_name() -> str:
    """Return the name that this installation's kind of database has in a backup."""
    return SQLITE_NAME if connection.vendor == "sqlite" else POSTGRES_NAME


def check_kind(names: Iterable[str]) -> None:
    """Raise ConflictError unless a backup with these members holds our kind of database."""
    found = sorted({SQLITE_NAME, POSTGRES_NAME} & {*names})
    if wanted_name() not in found:
        raise ConflictError(
            f"The backup holds {' and '.join(found) or 'no database'}, this installation needs "
            f"{wanted_name()}: set MCAL_DATABASE_URL to the kind of database that the backup was "
            "made from."
        )


def load_database(dump: Path) -> None:
    """Put a copy made by `dump_database` in the place of the (absent or emptied) database.

    Raises ConflictError when the copy is broken.
    """
    connection.close()
    if connection.vendor == "sqlite":
        target = Path(str(settings.DATABASES["default"]["NAME"]))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(dump, target)
    else:
        options = (
            "--clean",
            "--if-exists",
            "--no-owner",
            "--exit-on-error",
            "--single-transaction",
        )
        _postgres("pg_restore", *options, f"--dbname={_database_name()}", str(dump))


def check_sqlite(path: Path) -> None:
    """Raise ConflictError when this is not a whole SQLite database."""
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            (answer,) = database.execute("PRAGMA quick_check").fetchone()
        database.close()
    except sqlite3.DatabaseError as error:
        raise ConflictError(f"The database in the backup is broken: {error}.") from error
    if answer != "ok":
        raise ConflictError(f"The database in the backup is broken: {answer}.")


def _postgres(program: str, *options: str) -> None:
    path = shutil.which(program)
    if path is None:
        raise ConflictError(
            f"{program} is not installed here. Install PostgreSQL's client programs "
            "(Debian: postgresql-client), or back the database up on its own machine."
        )
    database = connection.settings_dict
    named = {
        "PGHOST": database["HOST"],
        "PGPORT": str(database["PORT"] or ""),
        "PGUSER": database["USER"],
        "PGPASSWORD": database["PASSWORD"],
        "PGDATABASE": _database_name(),
    }
    done = subprocess.run(  # noqa: S603 - a fixed program, no shell
        [path, "--no-password", *options],
        env=child_environment(**{name: value for name, value in named.items() if value}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ConflictError(f"{program} failed: {done.stderr.strip()[-400:]}")


def _database_name() -> str:
    return str(connection.settings_dict["NAME"])
