"""One real uvicorn for a benchmark, a database for it, and processes that keep the cores busy."""

from __future__ import annotations

import hashlib
import http.client
import json
import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg

ROOT = Path(__file__).resolve().parents[1]


class SqliteStore:
    """Keeps a filled SQLite file and gives out copies of it."""

    name = "SQLite"

    def __init__(self, folder: Path, images: int, overlap: int) -> None:
        self.folder = folder / f"sqlite_{images}_{overlap}"
        self.cast = _fill(self.folder, self._environment("full"), images, overlap)
        self.environment = self._environment("work")

    def fresh(self) -> None:
        """Put a fresh copy in place (no server may be running)."""
        for old in self.folder.glob("work.sqlite3*"):
            old.unlink()
        shutil.copy(self.folder / "full.sqlite3", self.folder / "work.sqlite3")

    def query(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one statement on the copy in use ("?" for parameters)."""
        with closing(sqlite3.connect(self.folder / "work.sqlite3", timeout=30)) as connection:
            rows = connection.execute(statement, parameters).fetchall()
            connection.commit()
        return rows

    def drop(self) -> None:
        """Remove the files."""
        shutil.rmtree(self.folder)

    def _environment(self, name: str) -> dict[str, str]:
        return {
            "MCAL_DATA_DIR": str(self.folder),
            "MCAL_DATABASE_URL": f"sqlite:///{self.folder / name}.sqlite3",
        }


class PostgresStore:
    """Keeps a filled PostgreSQL database and makes copies of it by TEMPLATE."""

    name = "PostgreSQL"

    def __init__(self, folder: Path, images: int, overlap: int, url: str) -> None:
        self.folder = folder / f"postgres_{images}_{overlap}"
        self.url = url
        mark = hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]
        self.full, self.work = (f"bench_{name}_{images}_{overlap}_{mark}" for name in ("a", "b"))
        if not (self.folder / "cast.json").exists():
            drop = f"DROP DATABASE IF EXISTS {self.full} WITH (FORCE)"
            self._admin(drop, f"CREATE DATABASE {self.full}")
        self.cast = _fill(self.folder, self._environment(self.full), images, overlap)
        self.environment = self._environment(self.work)

    def fresh(self) -> None:
        """Put a fresh copy in place (no server may be running)."""
        self._admin(
            f"DROP DATABASE IF EXISTS {self.work} WITH (FORCE)",
            f"CREATE DATABASE {self.work} TEMPLATE {self.full}",
            "CHECKPOINT",
        )

    def query(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one statement on the copy in use ("?" for parameters)."""
        with psycopg.connect(self._address(self.work)) as connection:
            cursor = connection.execute(statement.replace("?", "%s"), parameters)
            return cursor.fetchall() if cursor.description else []

    def drop(self) -> None:
        """Drop both databases."""
        for name in (self.work, self.full):
            self._admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _environment(self, name: str) -> dict[str, str]:
        return {"MCAL_DATA_DIR": str(self.folder), "MCAL_DATABASE_URL": self._address(name)}

    def _address(self, name: str) -> str:
        return urlsplit(self.url)._replace(path=f"/{name}").geturl()

    def _admin(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[call-overload]  # names of our own


Store = SqliteStore | PostgresStore


def _fill(folder: Path, environment: dict[str, str], images: int, overlap: int) -> dict[str, Any]:
    """Fill the database in a process of its own, if that is not done yet; return its people."""
    kept = folder / "cast.json"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "benchmarks.database", "--images", str(images)]
        command += ["--overlap", str(overlap)]
        changed = {**os.environ, **environment}
        made = subprocess.run(command, cwd=ROOT, env=changed, check=True, stdout=subprocess.PIPE)
        kept.write_bytes(made.stdout)
    cast: dict[str, Any] = json.loads(kept.read_text())
    return cast


@contextmanager
def running(environment: dict[str, str], port: int) -> Iterator[psutil.Process]:
    """Run one web process on this database until the block ends."""
    command = [sys.executable, "-m", "uvicorn", "labelapp.asgi:application", "--no-access-log"]
    command += ["--port", str(port), "--log-level", "warning"]
    server = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment})
    try:
        wait_for(port, "/accounts/login/")
        yield psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait()


def wait_for(port: int, path: str, seconds: float = 60) -> None:
    """Return when this address answers; raise SystemExit when it does not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            connection.getresponse().read()
            connection.close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit(f"nothing answers on port {port}")


@contextmanager
def training(processes: int) -> Iterator[None]:
    """Keep so many processes busy at nice 10, as the trainer is."""
    busy = [multiprocessing.Process(target=_burn, daemon=True) for _ in range(processes)]
    for process in busy:
        process.start()
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.join()


def _burn() -> None:
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # whatever the benchmark runs as
    os.setpriority(os.PRIO_PROCESS, 0, 10)
    while True:
        sum(range(10_000))


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU seconds that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)
