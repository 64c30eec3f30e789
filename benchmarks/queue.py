"""How long "answer + next tasks" takes on the server, for queues of any length.

    python -m benchmarks.queue [--sizes 1000,100000,1000000] [--databases sqlite,postgres]
        [--cases idle,training,four,sixteen,overlap,alone] [--seconds 15] [--quick]

One real uvicorn, real HTTP over loopback, a fresh copy of the database for each case. After each
case the database is read: every acknowledged answer must be there once, no slot filled twice.
Prints a table in Markdown; asserts nothing but the duplicates.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a file: this folder's queue.py would hide Python's own
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product

from benchmarks import load, server

POSTGRES = "postgres://postgres@127.0.0.1:5432/postgres"


@dataclass(frozen=True)
class Case:
    """How many people work, how fast, and on what."""

    words: str
    people: int
    pace: float = 0.0
    busy: bool = False  # while a training runs
    overlap: int = 1


CASES = {
    "idle": Case("4 people, one answer per 0.3 s", 4, pace=0.3),
    "training": Case("the same while a training runs", 4, pace=0.3, busy=True),
    "four": Case("4 clients without a pause", 4),
    "sixteen": Case("16 clients without a pause", 16),
    "overlap": Case("overlap 2, 4 clients without a pause", 4, overlap=2),
    "overlap16": Case("overlap 2, 16 clients without a pause", 16, overlap=2),
    "overlap-idle": Case("overlap 2, 4 people, one answer per 0.3 s", 4, pace=0.3, overlap=2),
    "alone": Case("one annotator without a pause", 1),
    "overlap-alone": Case("overlap 2, one annotator without a pause", 1, overlap=2),
}

HEADINGS = "database|images|case|answers|per s|p50 ms|p95 ms|p99 ms|max ms|CPU ms|duplicates"


def main() -> int:
    """Run what was asked for and print the figures; return 1 where an answer is lost or double."""
    options = arguments()
    print(hardware(), flush=True)
    print(f"\n|{HEADINGS}|\n|{'---|' * (HEADINGS.count('|') + 1)}", flush=True)
    wrong = 0
    with place(options.keep) as folder:
        for size, database, overlap in product(options.sizes, options.databases, (1, 2)):
            cases = [CASES[name] for name in options.cases if CASES[name].overlap == overlap]
            store = make_store(database, Path(folder), size, overlap, options) if cases else None
            if store is None:
                continue
            try:
                wrong += sum(measure(store, size, case, options) for case in cases)
            finally:
                if not options.keep:
                    store.drop()
    return 1 if wrong else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--sizes", type=numbers, default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--databases", type=names, default=["sqlite", "postgres"])
    parser.add_argument("--cases", type=names, default=list(CASES))
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--quick", action="store_true", help="one small case, 5 s, SQLite")
    parser.add_argument("--port", type=int, default=8112)
    parser.add_argument("--postgres", default=os.environ.get("MCAL_TEST_POSTGRES_URL", POSTGRES))
    parser.add_argument("--keep", help="folder that keeps the filled databases for the next run")
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.databases, options.seconds = [1_000], ["sqlite"], 5.0
        options.cases = ["idle", "four"]
    return options


@contextmanager
def place(keep: str | None) -> Iterator[str]:
    """Give the folder of the databases: one that stays, or one that goes."""
    if keep:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="bench_queue_") as folder:
        yield folder


def names(text: str) -> list[str]:
    return text.split(",")


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def make_store(
    database: str, folder: Path, size: int, overlap: int, options: argparse.Namespace
) -> server.Store | None:
    """Make the filled database; None (and a loud line) where there is no PostgreSQL."""
    if database == "sqlite":
        return server.SqliteStore(folder, size, overlap)
    try:
        return server.PostgresStore(folder, size, overlap, options.postgres)
    except server.psycopg.OperationalError as error:
        print(f"######## SKIPPED: no PostgreSQL at {options.postgres}: {error}", file=sys.stderr)
        return None


def measure(store: server.Store, size: int, case: Case, options: argparse.Namespace) -> int:
    """Run one case in as many rounds as its queue needs; print its row; return what is wrong."""
    done, spent, wrong = load.Work(), 0.0, 0
    busy = os.cpu_count() or 1 if case.busy else 0
    while done.seconds < options.seconds:
        store.fresh()
        with server.running(store.environment, options.port) as process, server.training(busy):
            load.work(options.port, store.cast, case.people, seconds=0.5, pace=0.05, most=40)
            before = server.cpu_seconds(process)
            round_ = load.work(
                options.port,
                store.cast,
                case.people,
                seconds=options.seconds - done.seconds,
                pace=case.pace,
                most=int(0.9 * store.cast["open"]) - 40,
            )
            spent += server.cpu_seconds(process) - before
        wrong += duplicates(store, round_, case)
        done.add(round_)
    row = [store.name, f"{size:,}", case.words, f"{len(done.times):,}"]
    row += [f"{len(done.times) / done.seconds:.0f}"]
    row += [f"{done.at(share):.1f}" for share in (0.5, 0.95, 0.99, 1)]
    row += [f"{1000 * spent / len(done.times):.1f}", str(wrong)]
    print(f"|{'|'.join(row)}|", flush=True)
    if set(done.states) != {"accepted"}:
        print(f"states: {done.states}", file=sys.stderr)
    return wrong


def duplicates(store: server.Store, done: load.Work, case: Case) -> int:
    """Count acknowledged answers that are missing, slots filled twice, images with too many."""
    stored = {
        str(row[0]).replace("-", "")
        for row in store.query(
            "SELECT id FROM labelapp_answer WHERE active_ms = 300 AND kind = 'class'"
        )
    }
    missing = [one for one in done.acknowledged if one.replace("-", "") not in stored]
    alive = "kind = 'class' AND superseded_by IS NULL AND NOT extra"
    twice = store.query(
        f"SELECT task_id FROM labelapp_answer WHERE {alive} GROUP BY task_id HAVING COUNT(*) > 1"
    )
    many = store.query(
        f"SELECT image_id FROM labelapp_answer WHERE {alive} GROUP BY image_id HAVING COUNT(*) > ?",
        (case.overlap,),
    )
    same = store.query(
        f"SELECT image_id FROM labelapp_answer WHERE {alive}"
        " GROUP BY image_id, user_id HAVING COUNT(*) > 1"
    )
    return len(missing) + len(twice) + len(many) + len(same)


def hardware() -> str:
    """Say on what this was measured."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=server.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    load_now = os.getloadavg()[0]
    return (
        f"commit {commit.stdout.strip()}, {os.cpu_count()} cores {_processor()}, Python"
        f" {platform.python_version()}, load average at the start {load_now:.2f}; people's order:"
        " fixed (no chance in it but the answers' ids)"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


if __name__ == "__main__":
    sys.exit(main())
