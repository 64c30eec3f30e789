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
        (Path(folder) / "static").mkdir()
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
    """Make the rows; every image has two answers by different people."""
    from django.utils import timezone  # noqa: PLC0415

    from labelapp.models import (  # noqa: PLC0415
        Answer,
        Job,
        LabelClass,
        LedgerEntry,
        Membership,
        Project,
        ProjectCounter,
        Task,
        User,
    )
    from tests.app.conftest import add_images, open_batch  # noqa: PLC0415

    owner = User.objects.create_superuser("owner@example.org", "x")
    now = timezone.now()
    start = now - timedelta(days=options.days)
    project = Project.objects.create(name="Bench", created_by=owner, created=start)
    ProjectCounter.objects.create(project=project)
    Membership.objects.create(project=project, user=owner, role="owner")
    one = LabelClass.objects.create(project=project, index=0, name="one")
    two = LabelClass.objects.create(project=project, index=1, name="two")
    people = [User.objects.create_user(f"p{n}@example.org", "x") for n in range(options.people)]
    for user in people:
        Membership.objects.create(project=project, user=user, role="annotator")
    images, batch = [], None
    for _ in range(0, options.answers // 2, CHUNK):
        images += [image.pk for image in add_images(project, CHUNK)]
    batch = open_batch(project, [])
    task = Task.objects.create(batch=batch, project=project, image_id=images[0], rank=0)
    moments = (now - start).total_seconds() / options.answers
    for first in range(0, options.answers, CHUNK):
        answers, entries = [], []
        for n in range(first, min(first + CHUNK, options.answers)):
            user, when = people[n % len(people)], start + timedelta(seconds=moments * n)
            fields = {"project": project, "user": user, "created": when}
            image, key = images[n // 2], uuid.uuid4()
            answers.append(
                Answer(
                    id=key,
                    task=task,
                    batch=batch,
                    image_id=image,
                    kind="class",
                    label_class=two if n % 10 == 0 else one,
                    active_ms=1400,
                    **fields,
                )
            )
            entries.append(
                LedgerEntry(
                    key=str(key),
                    purpose="train",
                    quantity=1,
                    unit_price="0.04",
                    amount="0.04",
                    **fields,
                )
            )
        Answer.objects.bulk_create(answers, batch_size=1000)
        LedgerEntry.objects.bulk_create(entries, batch_size=1000)
    Job.objects.bulk_create(
        Job(kind="advance", key=f"advance:{n}", project=project, state="done", finished=now)
        for n in range(options.jobs)
    )
    return project, owner


if __name__ == "__main__":
    main()
