"""How long the jobs page, the page of people's pace and the closing of days take at many answers.

    python -m tests.bench.bench_days [--answers 1000000] [--people 20] [--days 30] [--jobs 20000]

A database of its own beside that of MCAL_DATABASE_URL, made and dropped; else SQLite in a temporary
folder. A thirtieth of the answers is of today: those are added up by the page.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import uuid
from datetime import timedelta
from pathlib import Path

CHUNK = 20_000


def main() -> None:
    """Fill a database, close its days, and ask for the pages."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="bench_days_") as folder:
        os.environ["MCAL_DATA_DIR"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "labelapp.settings"
        import django  # noqa: PLC0415 - after the environment is set

        django.setup()
        from django.db import connection  # noqa: PLC0415
        from django.test.utils import setup_databases, teardown_databases  # noqa: PLC0415

        connection.settings_dict["TEST"]["NAME"] = str(Path(folder) / "x.sqlite3")
        if connection.vendor == "postgresql":
            connection.settings_dict["TEST"]["NAME"] = "bench_days"
        old = setup_databases(verbosity=0, interactive=False)
        try:
            measure(options, connection.vendor)
        finally:
            teardown_databases(old, verbosity=0)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--times", type=int, default=30)
    return parser.parse_args()


def measure(options: argparse.Namespace, vendor: str) -> None:
    from django.test import Client  # noqa: PLC0415

    from labelapp.models import LedgerDay, WorkDay  # noqa: PLC0415
    from labelapp.services import days  # noqa: PLC0415

    project, owner = fill(options)
    print(f"{vendor}: {options.answers:,} answers of {options.people} people, {options.days} days")
    spent: list[float] = []
    while True:
        began = time.perf_counter()
        if not days.close_days():
            break
        spent.append(time.perf_counter() - began)
    print(
        f"close_days: {sum(spent):.1f} s in {len(spent)} calls, the longest {max(spent):.1f} s; "
        f"{LedgerDay.objects.count()} and {WorkDay.objects.count()} rows"
    )
    client = Client(SERVER_NAME="localhost")
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    for address in ("annotators/?days=30", "annotators/?days=all", "jobs/", "jobs/?before=9000"):
        ask(client, f"/p/{project.public_id}/{address}", options.times)


def ask(client: object, address: str, times: int) -> None:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        assert client.get(address).status_code == 200, address
        took.append(1000 * (time.perf_counter() - began))
    took.sort()
    p95 = took[round(0.95 * (len(took) - 1))]
    print(f"{address.partition('/p/')[2][13:]:24} {statistics.median(took):6.0f} ms, p95 {p95:.0f}")


def fill(options: argparse.Namespace):
    """Make the rows; return the project and its owner."""
    from django.utils import timezone  # noqa: PLC0415

    from labelapp.models import Job, Membership, Project, ProjectCounter, User  # noqa: PLC0415

    owner = User.objects.create_superuser("owner@example.org", "x")
    now = timezone.now()
    start = now - timedelta(days=options.days)
    project = Project.objects.create(name="Bench", created_by=owner, created=start)
    ProjectCounter.objects.create(project=project)
    Membership.objects.create(project=project, user=owner, role="owner")
    people = [User.objects.create_user(f"p{n}@example.org", "x") for n in range(options.people)]
    for user in people:
        Membership.objects.create(project=project, user=user, role="annotator")
    step = (now - start) / options.answers
    for answers, entries in rows(project, people, start, step, options.answers):
        type(answers[0]).objects.bulk_create(answers, batch_size=1000)
        type(entries[0]).objects.bulk_create(entries, batch_size=1000)
    Job.objects.bulk_create(
        Job(kind="advance", key=f"advance:{n}", project=project, state="done", finished=now)
        for n in range(options.jobs)
    )
    return project, owner


def rows(project, people: list, start, step: timedelta, count: int):
    """Yield answers and their entries in the ledger, CHUNK at a time.

    Every image has two answers by different people, one answer each `step` of time.
    """
    from labelapp.models import Answer, LabelClass, LedgerEntry, Task  # noqa: PLC0415
    from tests.app.conftest import add_images, open_batch  # noqa: PLC0415

    classes = [
        LabelClass.objects.create(project=project, index=index, name=name)
        for index, name in enumerate(("one", "two"))
    ]
    images = []
    for _ in range(0, count // 2, CHUNK):
        images += [image.pk for image in add_images(project, CHUNK)]
    batch = open_batch(project, [])
    task = Task.objects.create(batch=batch, project=project, image_id=images[0], rank=0)
    given = {"task": task, "batch": batch, "kind": "class", "active_ms": 1400}
    paid = {"purpose": "train", "quantity": 1, "unit_price": "0.04", "amount": "0.04"}
    for first in range(0, count, CHUNK):
        answers, entries = [], []
        for n in range(first, min(first + CHUNK, count)):
            both = {
                "project": project,
                "user": people[n % len(people)],
                "created": start + step * n,
            }
            image, key = images[n // 2], uuid.uuid4()
            label = classes[n % 10 == 0]
            answers.append(Answer(id=key, image_id=image, label_class=label, **given, **both))
            entries.append(LedgerEntry(key=str(key), **paid, **both))
        yield answers, entries


if __name__ == "__main__":
    main()
