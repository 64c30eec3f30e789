"""The overview at 1,000,000 images: time on the server, statements, bytes and first paint.

Rows are bulk-made: images, labels, answers and the ledger of a project two thirds done, and a
recorded run. Between two looks somebody answers, so that nothing is remembered. On SQLite, or
on PostgreSQL where MCAL_DATABASE_URL names an empty database:

    python -m tests.bench.bench_overview [--images 1000000] [--looks 60] [--paint]
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.bench_labelling import start_server, wait_for

ROOT = Path(__file__).resolve().parents[2]
LIMITS = {"sqlite": 300, "postgresql": 150}
CHUNK = 20_000


def main() -> int:
    """Run the benchmark and print its figures; return 1 where one is over its limit."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="bench_overview_") as folder:
        environment = {**os.environ, "MCAL_DATA_DIR": folder, "PYTHONPATH": str(ROOT)}
        os.environ.update(environment)
        os.environ["DJANGO_SETTINGS_MODULE"] = "labelapp.settings"
        import django  # noqa: PLC0415 - after the environment is set

        django.setup()
        began = time.perf_counter()
        project, session = make_project(options.images)
        print(f"{options.images:,} images made in {time.perf_counter() - began:.0f} s")
        over = looks(project, session, options)
        if options.paint:
            over |= paint(project.public_id, session, environment, options.port)
    return int(over)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--looks", type=int, default=60)
    parser.add_argument("--paint", action="store_true", help="also bytes and time in a browser")
    parser.add_argument("--port", type=int, default=8113)
    return parser.parse_args()


def make_project(n: int) -> tuple[Any, str]:
    """Make the project; return it with a manager's session."""
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    from tests.app import dashboard_data as data  # noqa: PLC0415
    from tests.app.conftest import make_cast  # noqa: PLC0415
    from tests.app.conftest import make_project as make  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    cast = make_cast()
    project = make(cast)
    data.beat()
    run = data.running(project)
    fill(project, run, cast, n)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    client = Client()
    client.force_login(cast.manager, backend="django.contrib.auth.backends.ModelBackend")
    return project, client.cookies["sessionid"].value


def fill(project: Any, run: Any, cast: Any, n: int) -> None:
    """Make n images, two thirds labelled by the machine and a fifth by people, days ago."""
    from datetime import timedelta  # noqa: PLC0415

    from django.utils import timezone  # noqa: PLC0415

    from labelapp.models import Image, ProjectCounter, Run, WorkDay  # noqa: PLC0415

    human, machine, now = n // 5, 2 * n // 3, timezone.now()
    for start in range(0, n, CHUNK):
        seqs = range(start, min(n, start + CHUNK))
        images = Image.objects.bulk_create([image(project, seq) for seq in seqs], batch_size=2_000)
        write_labels(project, [one for one in images if one.seq < human + machine], human)
        paid = [one for one in images if one.seq < human]
        write_ledger(project, paid, cast.annotator, now - timedelta(days=3))
    for back in range(1, 8):
        WorkDay.objects.create(
            project=project,
            user=cast.annotator,
            day=now.date() - timedelta(days=back),
            answers=9_000,
            active_ms=18_000_000,
        )
    Run.objects.filter(pk=run.pk).update(n=n)
    counter = ProjectCounter.objects.get(project=project)
    counter.images, counter.machine, counter.train = n, machine, human
    counter.label_spend += human * project.price_per_label
    counter.save()


def write_labels(project: Any, images: list[Any], human: int) -> None:
    """Give each image a label: those before `human` by people."""
    from labelapp.models import Label  # noqa: PLC0415

    Label.objects.bulk_create(
        [
            Label(
                image=one,
                project=project,
                seq=one.seq,
                class_index=one.seq % 3,
                source="human" if one.seq < human else "machine",
                purpose="train" if one.seq < human else "machine",
            )
            for one in images
        ],
        batch_size=2_000,
    )


def write_ledger(project: Any, images: list[Any], who: Any, then: Any) -> None:
    """Book an answer of this person for each image."""
    from labelapp.models import LedgerEntry  # noqa: PLC0415

    LedgerEntry.objects.bulk_create(
        [
            LedgerEntry(
                project=project,
                key=f"answer:{one.seq}",
                purpose="train",
                quantity=1,
                unit_price="0.04",
                amount="0.04",
                created=then,
                user=who,
            )
            for one in images
        ],
        batch_size=2_000,
    )


def image(project: Any, seq: int) -> Any:
    from labelapp.models import Image  # noqa: PLC0415

    return Image(
        project=project,
        seq=seq,
        sha256=f"{seq:064d}",
        name=f"img_{seq:07d}.png",
        width=28,
        height=28,
        size=500,
        original_key=f"none/{seq}.png",
        display_key=f"none/{seq}.webp",
    )


def looks(project: Any, session: str, options: argparse.Namespace) -> bool:
    """Load the page again and again, an answer before each; print time and statements."""
    from django.conf import settings  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    from labelapp.models import LabelBatch  # noqa: PLC0415
    from tests.app import dashboard_data as data  # noqa: PLC0415

    settings.ALLOWED_HOSTS = ["*"]
    client, address = Client(), f"/p/{project.public_id}/"
    client.cookies["sessionid"] = session
    times, told = [], 0
    for turn in range(options.looks):
        batch = LabelBatch.objects.get(project=project, state="open")
        if batch.remaining > 1:
            data.answer(batch, 1)
        else:
            data.say(project, "people.changed")
        with CaptureQueriesContext(connection) as queries:
            began = time.perf_counter()
            response = client.get(address)
            times.append(1000 * (time.perf_counter() - began))
        assert response.status_code == 200
        told = max(told, len(queries))
        if turn == 0:
            print(f"the first look of the process: {times.pop():.0f} ms, {len(queries)} statements")
    times.sort()
    p95 = times[int(0.95 * (len(times) - 1))]
    vendor = connection.vendor
    print(
        f"{vendor}: the overview p50 {times[len(times) // 2]:.0f} ms, p95 {p95:.0f} ms on the"
        f" server, at most {told} statements"
    )
    return p95 > LIMITS[vendor] or told > 12


def paint(pid: str, session: str, environment: dict[str, str], port: int) -> bool:
    """Load the page in a browser with an empty cache; print bytes and the first paint."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    server = start_server(environment, port)
    try:
        wait_for(port)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox"]
            )
            found = [one_paint(browser, pid, session, port) for _ in range(5)]
    finally:
        server.terminate()
        server.wait()
    size, first = max(one[0] for one in found), sorted(one[1] for one in found)[2]
    print(f"{size / 1024:.0f} KB transferred, first contentful paint after {first:.0f} ms (median)")
    return size > 300 * 1024 or first > 1000


def one_paint(browser: Any, pid: str, session: str, port: int) -> tuple[float, float]:
    context = browser.new_context()
    context.add_cookies(
        [{"name": "sessionid", "value": session, "url": f"http://127.0.0.1:{port}"}]
    )
    page, sizes = context.new_page(), []
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(f"http://127.0.0.1:{port}/p/{pid}/", wait_until="load")
    page.wait_for_selector(".u-over", state="attached")
    painted = page.evaluate(
        "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
    )
    if not re.search("What will it cost", page.content()):
        raise SystemExit("this is not the overview")
    context.close()
    return sum(sizes), painted


if __name__ == "__main__":
    sys.exit(main())
