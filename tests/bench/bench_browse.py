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
from pathlib import Path
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
        (Path(folder) / "static").mkdir()
        os.environ |= {"MCAL_DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "labelapp.settings"}
        import django  # noqa: PLC0415 - after the environment is set

        django.setup()
        from django.db import connection  # noqa: PLC0415

        with own_database(connection):
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


def fill(n: int) -> str:
    """Write the rows by SQL: 12 % people's labels, 80 % the machine's, some excluded."""
    import numpy as np  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    from labelapp import models as m  # noqa: PLC0415
    from tests.app.conftest import make_cast, make_project  # noqa: PLC0415

    cast = make_cast()
    project = make_project(cast)
    for index in range(3, 10):
        m.LabelClass.objects.create(project=project, index=index, name=f"class {index}")
    m.Project.objects.filter(pk=project.pk).update(status="running")
    m.ProjectCounter.objects.filter(project=project).update(images=n)
    run = m.Run.objects.create(
        project=project, n=n, config={}, state={}, waiting_for="x", request_kind="label"
    )
    model = m.ModelVersion.objects.create(
        run=run, iteration=2, arch="a", folder=f"models/{project.public_id}/m", sha256="a" * 64
    )
    purposes = ("test", "seed", "train", "ahead", "audit", "residual")
    batches = [
        m.LabelBatch.objects.create(
            run=run, project=project, request_id=p, iteration=i, purpose=p, size=1, remaining=0
        ).pk
        for i, p in enumerate(purposes)
    ]
    task = None
    began = time.perf_counter()
    now = "'2026-01-01 00:00:00+00:00'"
    series = (
        "WITH RECURSIVE s(i) AS (SELECT CAST(0 AS BIGINT)"
        f" UNION ALL SELECT i + 1 FROM s WHERE i < {n - 1})"
    )
    pad = "substr('0000000' || CAST(i AS TEXT), length(CAST(i AS TEXT)) + 1)"
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO labelapp_image (project_id, seq, sha256, name, width, height, size,"
            " original_key, display_key, created)"
            f" {series} SELECT {project.pk}, i, 'x' || {pad}, 'dir_' || CAST(i % 10 AS TEXT)"
            f" || '/' || {pad} || '.png', 32, 32, 900, 'o', 'd', {now} FROM s"
        )
        cursor.execute("SELECT min(id) FROM labelapp_image")
        base = cursor.fetchone()[0]
        mark(f"{n:,} images", began)
        began = time.perf_counter()
        h = "(i * 7919 % 1000)"  # 0..999, well mixed
        purpose = " ".join(f"WHEN {k} THEN '{p}'" for k, p in enumerate(purposes))
        batch = " ".join(f"WHEN {k} THEN {pk}" for k, pk in enumerate(batches))
        cursor.execute(
            "INSERT INTO labelapp_label (image_id, project_id, seq, class_index, source,"
            " confidence, votes, agreement, method, purpose, batch_id, model_id, user_id, created)"
            f" {series} SELECT {base} + i, {project.pk}, i, i * 31 % 10,"
            f" CASE WHEN {h} < 120 THEN 'human' ELSE 'machine' END,"
            f" CASE WHEN {h} < 120 THEN NULL ELSE (i * 104729 % 1000003) / 1000003.0 END,"
            f" CASE WHEN {h} < 20 THEN 2 ELSE 1 END,"
            f" CASE WHEN {h} < 5 THEN 0.5 WHEN {h} < 20 THEN 1.0 ELSE NULL END, '',"
            f" CASE WHEN {h} >= 120 THEN 'machine' ELSE CASE i % 6 {purpose} END END,"
            f" CASE WHEN {h} < 120 THEN CASE i % 6 {batch} END END,"
            f" CASE WHEN {h} >= 120 THEN {model.pk} END,"
            f" CASE WHEN {h} < 120 THEN {cast.annotator.pk} END, {now}"
            f" FROM s WHERE {h} < 920"
        )
        mark("labels", began)
        cursor.execute(
            "INSERT INTO labelapp_exclusion (image_id, project_id, seq, reason, created)"
            f" {series} SELECT {base} + i, {project.pk}, i, '', {now}"
            f" FROM s WHERE {h} BETWEEN 990 AND 992"
        )
        task = m.Task.objects.create(
            batch_id=batches[0], project=project, image_id=base, rank=0, state="done"
        )
        first = m.LabelClass.objects.filter(project=project).order_by("pk").first()
        uid = (
            f"CAST('00000000-0000-0000-0000-0' || {pad} || '0000' AS uuid)"
            if connection.vendor == "postgresql"
            else f"'00000000000000000000' || '0' || {pad} || '0000'"
        )
        cursor.execute(
            "INSERT INTO labelapp_answer (id, task_id, batch_id, project_id, image_id, user_id,"
            " kind, label_class_id, extra, active_ms, how, guideline_version, created)"
            f" {series} SELECT {uid}, {task.pk}, CASE i % 6 {batch} END, {project.pk},"
            f" {base} + i, CASE WHEN {h} < 3 THEN {cast.second_annotator.pk}"
            f" ELSE {cast.annotator.pk} END, 'class', {first.pk if first else 0}, {'false' if connection.vendor == 'postgresql' else 0},"
            f" 900, 'key', 0, {now} FROM s WHERE {h} < 120"
        )
        cursor.execute(
            "INSERT INTO labelapp_testmark (run_id, image_id, seq)"
            f" {series} SELECT {run.pk}, {base} + i, i FROM s WHERE i % 1000 = 0"
        )
        cursor.execute("ANALYZE")
    mark("the rest", began)
    folder = Path(settings.MEDIA_ROOT) / model.folder
    folder.mkdir(parents=True)
    chance = np.random.default_rng(0)
    np.save(folder / "pred.npy", chance.integers(0, 10, n).astype(np.uint16))
    np.save(folder / "uncertainty.npy", chance.random(n, dtype=np.float32))
    np.save(folder / "least.npy", chance.random(n, dtype=np.float32))
    np.save(folder.parent / "before_pred.npy", np.full(n, 65535, dtype=np.uint16))
    np.save(folder.parent / "before_margin.npy", np.zeros(n, dtype=np.float32))
    return project.public_id


def mark(what: str, began: float) -> None:
    sys.stdout.write(f"{what}: {time.perf_counter() - began:.0f} s\n")
    sys.stdout.flush()


def measure(pid: str, vendor: str, options: argparse.Namespace) -> int:
    """Time every filter in every order; print one line each, then what took the most."""
    from django.conf import settings  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    from labelapp.models import User  # noqa: PLC0415

    settings.ALLOWED_HOSTS = ["*"]
    client = Client()
    owner = User.objects.get(email="owner@example.org")
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    person = User.objects.get(email="ben@example.org").pk
    client.get(f"/p/{pid}/browse/tiles/?sort=unsure")  # NumPy, templates
    lines, everything, spent = [], [], []
    for chosen, sort in itertools.product(FILTERS, SORTS):
        query = {k: person if v == "PERSON" else v for k, v in chosen.items()} | {"sort": sort}
        for place, cursor in (("first", ""), ("middle", middle(pid, query, options.images))):
            asked = query | ({"cursor": cursor} if cursor else {})
            times, cpu = [], []
            for _ in range(options.times):
                began, used = time.perf_counter(), cpu_seconds()
                with CaptureQueriesContext(connection) as queries:
                    reply = client.get(f"/p/{pid}/browse/tiles/", asked)
                times.append(1000 * (time.perf_counter() - began))
                cpu.append(1000 * (cpu_seconds() - used))
            assert reply.status_code == 200, reply.content
            everything += times
            spent += cpu
            words = " ".join(f"{k}={v}" for k, v in query.items() if v) or "everything"
            sys.stdout.write(
                f"{statistics.median(times):7.0f} ms median {max(times):7.0f} ms most"
                f" {statistics.median(cpu):6.0f} ms CPU {len(queries):3d} SQL"
                f" {reply.json()['count']:3d} images  {place:6s} {words}\n"
            )
            sys.stdout.flush()
            slowest = max(queries.captured_queries, key=lambda q: float(q["time"]))["sql"]
            lines.append((statistics.median(cpu), words, place, slowest, len(queries)))
    lines.sort()
    for line in lines[-3:]:
        sys.stdout.write(f"\nmost CPU: {line[1]} {line[2]}: {line[3][:900]}\n")
    spent.sort()
    sys.stdout.write(
        f"\nprocessor time, web process and database: p50 {spent[len(spent) // 2]:.0f} ms,"
        f" p95 {spent[int(0.95 * len(spent))]:.0f} ms, most {spent[-1]:.0f} ms\n"
    )
    everything.sort()
    p95 = everything[int(0.95 * len(everything))]
    page = []
    for _ in range(options.times):
        began = time.perf_counter()
        client.get(f"/p/{pid}/browse/")
        page.append(1000 * (time.perf_counter() - began))
    sys.stdout.write(
        f"{vendor}, {options.images:,} images: p50 {everything[len(everything) // 2]:.0f} ms,"
        f" p95 {p95:.0f} ms, most {everything[-1]:.0f} ms over {len(lines)} queries x"
        f" {options.times}; the whole page {statistics.median(page):.0f} ms;"
        f" at most {max(line[4] for line in lines)} SQL statements\n"
    )
    return int(p95 > LIMIT_MS[vendor])


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
