"""Answers per second beside Label Studio: the same work, one web process each, in one run.

    python -m benchmarks.label_studio [--tasks 10000,100000] [--seconds 30] [--python PATH]

Label Studio lives in an environment of its own: `python -m venv /tmp/ls && /tmp/ls/bin/pip
install label-studio`. Where it is not installed this says so and ends. It is started as `label-studio
start` starts it (Django's threaded server), with SQLite, a data folder of its own, and without
telemetry. One unit of work is what its page does for one image: GET /api/projects/N/next, then
POST /api/tasks/N/annotations/; ours is one POST that stores the answer and brings the next task.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import load, server
from benchmarks.queue import hardware, numbers

SILENT = {
    "COLLECT_ANALYTICS": "False",
    "LATEST_VERSION_CHECK": "False",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "DEBUG": "False",
    "LOG_LEVEL": "ERROR",
}


class RefusedError(Exception):
    """Label Studio failed at a request."""


FILL = Path(__file__).with_name("label_studio_fill.py")


def main() -> int:
    """Measure both at each size and print a table."""
    options = arguments()
    if not Path(options.python).exists():
        print(
            f"######## SKIPPED: no Label Studio at {options.python}: see benchmarks/label_studio.py"
        )
        return 0
    print(hardware(), version(options.python), sep="; ", flush=True)
    print("\n|tasks|Label Studio per s|p50 ms|p95 ms|errors|ours per s|p50 ms|p95 ms|ratio|")
    print(f"|{'---|' * 9}", flush=True)
    for tasks in options.tasks:
        with tempfile.TemporaryDirectory(prefix="bench_ls_") as folder:
            theirs = label_studio(Path(folder), tasks, options)
            ours = our_own(Path(folder), tasks, options)
        rates = [len(work.times) / work.seconds for work in (theirs, ours)]
        figures = [
            [f"{rate:.1f}", f"{work.at(0.5):.0f}", f"{work.at(0.95):.0f}"]
            for work, rate in zip((theirs, ours), rates, strict=True)
        ]
        row = [f"{tasks:,}", *figures[0], str(theirs.states.get("refused", 0)), *figures[1]]
        print(f"|{'|'.join([*row, f'{rates[1] / rates[0]:.0f}'])}|", flush=True)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--tasks", type=numbers, default=[10_000, 100_000])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--port", type=int, default=8114)
    python = os.environ.get("LABEL_STUDIO_PYTHON", "/tmp/ls/bin/python")
    parser.add_argument("--python", default=python, help="of the environment it is installed in")
    return parser.parse_args()


def version(python: str) -> str:
    command = "import importlib.metadata as m; print('Label Studio', m.version('label-studio'))"
    return subprocess.run(
        [python, "-c", command], capture_output=True, text=True, check=True
    ).stdout.strip()


def our_own(folder: Path, tasks: int, options: argparse.Namespace) -> load.Work:
    """Let people answer on our server, with as many open tasks as Label Studio has."""
    store = server.SqliteStore(folder, 2 * tasks, 1)  # half of them is answered already
    store.fresh()
    with server.running(store.environment, options.port):
        return load.work(options.port, store.cast, options.people, seconds=options.seconds)


def label_studio(folder: Path, tasks: int, options: argparse.Namespace) -> load.Work:
    """Fill and start Label Studio, and let people answer on it."""
    environment = {**os.environ, **SILENT, "BASE_DATA_DIR": str(folder / "label_studio")}
    filled = subprocess.run(
        # -P: our queue.py must not hide Python's own
        [options.python, "-P", str(FILL), str(tasks), str(options.people)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    cast = json.loads(filled.stdout.splitlines()[-1])
    with started(environment, options):
        return load.together(
            options.people, lambda number, mine: person(cast, number, mine, options)
        )


@contextmanager
def started(environment: dict[str, str], options: argparse.Namespace) -> Iterator[None]:
    program = str(Path(options.python).with_name("label-studio"))
    command = [program, "start", "--no-browser", "--port", str(options.port)]
    command += ["--internal-host", "127.0.0.1", "--log-level", "ERROR"]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        server.wait_for(options.port, "/health", seconds=180)
        yield
    finally:
        process.terminate()
        process.wait()


def person(cast: dict[str, Any], number: int, mine: load.Work, options: argparse.Namespace) -> None:
    """Ask for the next task and annotate it, again and again."""
    csrf = "a" * 32
    cookies = f"sessionid={cast['sessions'][number]}; csrftoken={csrf}"
    page = load.Page(options.port, cookies, csrf)
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        start = time.perf_counter()
        try:
            task = ask(page, "GET", f"/api/projects/{cast['project']}/next")
            ask(page, "POST", f"/api/tasks/{task['id']}/annotations/", annotation(int(task["id"])))
        except RefusedError:  # "database is locked", now and then: no answer, and on it goes
            mine.states["refused"] = mine.states.get("refused", 0) + 1
            continue
        mine.times.append(time.perf_counter() - start)


def annotation(task: int) -> dict[str, Any]:
    chosen = {"choices": [f"class {task % 10}"]}
    result = {"from_name": "choice", "to_name": "image", "type": "choices", "value": chosen}
    return {"result": [result], "lead_time": 0.3}


def ask(page: load.Page, method: str, path: str, body: object = None) -> dict[str, Any]:
    status, content = page.request(method, path, body)
    if status >= 500:
        raise RefusedError
    if status not in {200, 201}:
        raise RuntimeError(f"{path}: {status} {content[:300]!r}")
    answer: dict[str, Any] = json.loads(content)
    return answer


if __name__ == "__main__":
    sys.exit(main())
