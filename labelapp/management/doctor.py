"""What `manage.py doctor` looks at: each check returns findings in plain words."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from labelapp import queue
from labelapp.env import BASE_DIR, child_environment
from labelapp.management.instance import running_on
from labelapp.models import Job

_LOW_DISK_BYTES = 1_000_000_000
_TORCH_SECONDS = 120


class Level(StrEnum):
    """How bad it is."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    level: Level
    text: str


Check = Callable[[], Iterator[Finding]]


def ok(text: str) -> Finding:
    """Return a line that says that something is well."""
    return Finding(Level.OK, text)


def warn(text: str) -> Finding:
    """Return a line that says that somebody should look."""
    return Finding(Level.WARN, text)


def fail(text: str) -> Finding:
    """Return a line that says that something does not work."""
    return Finding(Level.FAIL, text)


def python() -> Iterator[Finding]:
    """Check the version of Python."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield (
        ok(f"Python {version}")
        if sys.version_info >= (3, 11)
        else fail(f"Python {version}: 3.11 or newer is needed")
    )


def packages() -> Iterator[Finding]:
    """Compare the installed packages with requirements.txt."""
    pinned = re.findall(
        r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^\s#]+)",
        (BASE_DIR / "requirements.txt").read_text(),
        re.MULTILINE,
    )
    wrong = [line for name, version in pinned if (line := _version_problem(name, version))]
    yield from map(warn, wrong)
    if not wrong:
        yield ok(f"all {len(pinned)} packages have the versions of requirements.txt")


def _version_problem(name: str, wanted: str) -> str:
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"{name} is not installed; run `make run`"
    # "2.13.0+cpu" is 2.13.0 built for this machine
    return "" if found.partition("+")[0] == wanted else f"{name} is {found}, not {wanted}"


def torch() -> Iterator[Finding]:
    """Import torch and torchvision in a process of their own, as the trainer does."""
    code = (
        "import torch; import mcal_engine.vision.torchvision_shim as shim;"
        "print(torch.__version__, 'cuda' if torch.cuda.is_available() else 'cpu')"
    )
    try:
        done = subprocess.run(  # noqa: S603 - our own code
            [sys.executable, "-W", "ignore", "-c", code],
            cwd=BASE_DIR,
            env=child_environment(),
            capture_output=True,
            text=True,
            timeout=_TORCH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield fail(f"torch did not load within {_TORCH_SECONDS} s")
        return
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        yield fail(f"torch does not load, so nothing can be trained: {last[0]}")
    else:
        yield ok(f"torch {done.stdout.strip()}")


def folder() -> Iterator[Finding]:
    """Check that the data folder can be written and has space."""
    place = Path(settings.DATA_DIR)
    probe = place / ".doctor"
    try:
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        yield fail(f"the data folder {place} cannot be written: {error.strerror}")
        return
    yield ok(f"data folder {place}")
    free = shutil.disk_usage(place).free
    size = f"{free / 1e9:.1f} GB free"
    yield ok(size) if free >= _LOW_DISK_BYTES else warn(f"the disk is nearly full: {size}")


def database() -> Iterator[Finding]:
    """Check that the database answers, is whole, and is set up as it should be."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        yield fail(f"the database does not answer: {error}")
        return
    if connection.vendor == "sqlite":
        yield from _sqlite()
    else:
        yield ok(f"database {connection.vendor}")
    plan = MigrationExecutor(connection)
    waiting = plan.migration_plan(plan.loader.graph.leaf_nodes())
    yield (
        fail(f"{len(waiting)} migrations are missing; `make run` applies them")
        if waiting
        else ok("all migrations are applied")
    )


def _sqlite() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA quick_check(1)")
        check = str(cursor.fetchone()[0])
        cursor.execute("PRAGMA journal_mode")
        mode = str(cursor.fetchone()[0])
    yield ok("SQLite quick_check") if check == "ok" else fail(f"SQLite is damaged: {check}")
    yield (
        ok("SQLite in WAL mode")
        if mode == "wal"
        else warn(f"SQLite is in {mode} mode, not WAL: is the data folder on a network disk?")
    )


def worker() -> Iterator[Finding]:
    """Check that somebody does the jobs."""
    holder = running_on(Path(settings.DATA_DIR))
    if queue.worker_alive():
        yield ok("a worker is alive")
    elif holder is None:
        yield warn("the product is not running (`make run`), so no worker does the jobs")
    else:
        yield fail("the product runs but no worker gives a sign of life; look at its messages")


def jobs() -> Iterator[Finding]:
    """Look for jobs that claim to run but do not, and for failed ones."""
    running = list(Job.objects.filter(state=Job.State.RUNNING))
    stale = [job for job in running if queue.is_dead(job)]
    for job in stale:
        yield warn(f"{job.kind} job {job.pk} is marked running but its process is gone")
    if not stale:
        yield ok(f"{len(running)} jobs are running, none of them is dead")
    failed = Job.objects.filter(state=Job.State.FAILED).order_by("-pk")[:3]
    for job in failed:
        yield warn(f"{job.kind} job {job.pk} failed: {job.message or 'no message'}")
