"""How long the browser of images takes on the server at 1,000,000 images, for any filter.

Every filter and every order, the first page and one from the middle, through Django with its
middleware, sessions and templates, on SQLite or (with MCAL_DATABASE_URL naming a PostgreSQL, where
a database of its own is made and dropped) on PostgreSQL:

    python -m tests.bench.bench_browse [--images 1000000] [--times 5]
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from typing import Any

LIMIT_MS = {"sqlite": 300, "postgresql": 150}
FILTERS: list[dict[str, Any]] = [
    {},
    {"label": 3},
    {"guess": 4},
    {"label": 3, "guess": 4},
    {"source": "human"},
    {"source": "machine"},
    *({"in": place} for place in ("test", "train", "machine", "excluded", "unlabelled")),
    {"low": "0.4", "high": "0.6"},
    {"source": "machine", "high": "0.2"},
    {"split": "1"},
    {"iteration": 2},
    {"name": "7_00"},
    {"name": "nowhere"},
    {"name": "^dir_7/0001"},
    {"person": "PERSON"},
    {"person": "PERSON", "label": 3, "name": "99"},
    {"in": "unlabelled", "guess": 4},
]
SORTS = ["", "last", "unsure", "sure", "split", "label", "name"]


def main() -> int:
    """Run the benchmark and print its figures; return 1 where p95 is over the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench_browse_") as folder:
        os.environ |= {"MCAL_DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "labelapp.settings"}
        import django  # noqa: PLC0415 - after the environment is set

        django.setup()
        from django.db import connection  # noqa: PLC0415

        with own_database(connection):
            from tests.bench.browse_rows import fill  # noqa: PLC0415 - after Django is set up

            pid = fill(options.images)
            return measure(pid, connection.vendor, options)


class own_database:  # noqa: N801 - used as a function
    """A database of the benchmark's own: SQLite lies in its folder anyway."""

    def __init__(self, connection: Any) -> None:
        self.connection, self.name = connection, "bench_browse"

    def __enter__(self) -> None:
        from django.core.management import call_command  # noqa: PLC0415

        if self.connection.vendor == "postgresql":
            self.connection.creation.create_test_db(verbosity=0, autoclobber=True)
        else:
            call_command("migrate", verbosity=0)

    def __exit__(self, *_error: object) -> None:
        if self.connection.vendor == "postgresql":
            self.connection.creation.destroy_test_db("postgres", verbosity=0)


@dataclass
class Asked:
    """One question and how long its answers took, in milliseconds."""

    words: str
    place: str
    times: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    statements: int = 0
    slowest: str = ""  # the statement that took longest, the last time


def measure(pid: str, vendor: str, options: argparse.Namespace) -> int:
    """Time every filter in every order; print one line each, then what took the most."""
    from django.conf import settings  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    from labelapp.models import User  # noqa: PLC0415

    settings.ALLOWED_HOSTS = ["*"]
    client = Client()
    owner = User.objects.get(email="owner@example.org")
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    person = User.objects.get(email="ben@example.org").pk
    client.get(f"/p/{pid}/browse/tiles/?sort=unsure")  # NumPy, templates
    lines = []
    for chosen, sort in itertools.product(FILTERS, SORTS):
        query = {k: person if v == "PERSON" else v for k, v in chosen.items()} | {"sort": sort}
        for place, cursor in (("first", ""), ("middle", middle(pid, query, options.images))):
            asked = query | ({"cursor": cursor} if cursor else {})
            words = " ".join(f"{k}={v}" for k, v in query.items() if v) or "everything"
            lines.append(ask(client, pid, asked, Asked(words, place), options.times))
    page = []
    for _ in range(options.times):
        began = time.perf_counter()
        client.get(f"/p/{pid}/browse/")
        page.append(1000 * (time.perf_counter() - began))
    p95 = summary(lines, page, f"{vendor}, {options.images:,} images")
    return int(p95 > LIMIT_MS[vendor])


def ask(client: Any, pid: str, query: dict[str, Any], asked: Asked, times: int) -> Asked:
    """Ask so many times; print one line."""
    from django.db import connection  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    for _ in range(times):
        began, used = time.perf_counter(), cpu_seconds()
        connection.queries_log.clear()  # Django keeps the last 9,000 and warns after
        with CaptureQueriesContext(connection) as queries:
            reply = client.get(f"/p/{pid}/browse/tiles/", query)
        asked.times.append(1000 * (time.perf_counter() - began))
        asked.cpu.append(1000 * (cpu_seconds() - used))
        assert reply.status_code == 200, reply.content
    asked.statements = len(queries)
    asked.slowest = max(queries.captured_queries, key=lambda q: float(q["time"]))["sql"]
    sys.stdout.write(
        f"{statistics.median(asked.times):7.0f} ms median {max(asked.times):7.0f} ms most"
        f" {statistics.median(asked.cpu):6.0f} ms CPU {asked.statements:3d} SQL"
        f" {reply.json()['count']:3d} images  {asked.place:6s} {asked.words}\n"
    )
    sys.stdout.flush()
    return asked


def summary(lines: list[Asked], page: list[float], where: str) -> float:
    """Print what took the most, and all of it; return the 95 % quantile in milliseconds."""
    for line in sorted(lines, key=lambda one: statistics.median(one.cpu))[-3:]:
        sys.stdout.write(f"\nmost CPU: {line.words} {line.place}: {line.slowest[:900]}\n")
    spent = sorted(ms for line in lines for ms in line.cpu)
    times = sorted(ms for line in lines for ms in line.times)
    p95 = times[int(0.95 * len(times))]
    sys.stdout.write(
        f"\nprocessor time, web process and database: p50 {spent[len(spent) // 2]:.0f} ms,"
        f" p95 {spent[int(0.95 * len(spent))]:.0f} ms, most {spent[-1]:.0f} ms\n"
        f"{where}: p50 {times[len(times) // 2]:.0f} ms, p95 {p95:.0f} ms, most {times[-1]:.0f} ms"
        f" over {len(lines)} queries x {len(times) // len(lines)};"
        f" the whole page {statistics.median(page):.0f} ms;"
        f" at most {max(line.statements for line in lines)} SQL statements\n"
    )
    return p95


def cpu_seconds() -> float:
    """Return the processor time of this process and of its PostgreSQL backend.

    On a machine that does other work at the same time, this is what the requests themselves took.
    """
    import psutil  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    own = time.process_time()
    if connection.vendor != "postgresql" or connection.connection is None:
        return own
    try:
        times = psutil.Process(connection.connection.info.backend_pid).cpu_times()
    except psutil.Error:  # another machine's
        return own
    return own + times.user + times.system


def middle(pid: str, query: dict[str, Any], n: int) -> str:
    """Return a cursor from the middle of the walk."""
    from labelapp.models import Project  # noqa: PLC0415
    from labelapp.selectors import browse, browse_sql  # noqa: PLC0415
    from labelapp.selectors.browse_query import parse  # noqa: PLC0415

    project = Project.objects.get(public_id=pid)
    asked = parse({k: str(v) for k, v in query.items()})
    walk = browse.Walk.of(project, asked)
    assert walk is not None
    source = browse_sql.source_of(asked, walk.known)
    keys = {"confidence": 0.5, "agreement": 0.5, "class_index": 5, "name": "dir_5/0500005.png"}
    key = None if walk.order is not None else keys.get(source.key)
    return browse._encode(browse_sql.Place(key, n // 2), 0, walk)


if __name__ == "__main__":
    sys.exit(main())
