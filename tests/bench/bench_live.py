"""What 200 open dashboards cost, and how soon an event of the worker is on the screen.

Real uvicorn in a process of its own, real sockets over loopback; the events are committed by this
process, as a worker would. Embedded default, or with Redis (starts a `redis-server` of its own):

    python -m tests.bench.bench_live [--pages 200] [--seconds 20] [--events 60] [--redis]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from websockets.asyncio.client import ClientConnection, connect

from tests.bench.bench_labelling import cpu_seconds, start_server, wait_for

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Run the benchmark and print its figures; return 1 where one is over its limit."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="bench_live_") as folder:
        environment = {**os.environ, "MCAL_DATA_DIR": folder, "PYTHONPATH": str(ROOT)}
        redis = start_redis(options.port + 1, folder) if options.redis else None
        if redis:
            environment["MCAL_REDIS_URL"] = f"redis://127.0.0.1:{options.port + 1}/0"
        os.environ.update(environment)
        project_id, public_id, session = make_project()
        server = start_server(environment, options.port)
        try:
            wait_for(options.port)
            found = asyncio.run(measure(options, project_id, public_id, session, server.pid))
        finally:
            server.terminate()
            server.wait()
            if redis:
                redis.terminate()
    return report(options, *found)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--events", type=int, default=60)
    parser.add_argument("--redis", action="store_true")
    parser.add_argument("--port", type=int, default=8112)
    return parser.parse_args()


def start_redis(port: int, folder: str) -> subprocess.Popen[bytes]:
    command = ["redis-server", "--port", str(port), "--save", "", "--dir", folder]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def make_project() -> tuple[int, str, str]:
    """Make a running project; return its keys and a manager's session."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "labelapp.settings"
    import django  # noqa: PLC0415 - after the environment is set

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    from tests.app import dashboard_data as data  # noqa: PLC0415
    from tests.app.conftest import make_cast  # noqa: PLC0415
    from tests.app.conftest import make_project as make  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    cast = make_cast()
    project = make(cast)
    data.running(project)
    client = Client()
    client.force_login(cast.manager, backend="django.contrib.auth.backends.ModelBackend")
    return project.pk, project.public_id, client.cookies["sessionid"].value


async def measure(
    options: argparse.Namespace, project_id: int, public_id: str, session: str, pid: int
) -> tuple[float, list[float], list[float], int]:
    """Return the share of a core while nothing happens, delays to the first and last page, memory."""
    address = f"ws://127.0.0.1:{options.port}/ws/p/{public_id}/"
    headers = {"Cookie": f"sessionid={session}", "Origin": f"http://127.0.0.1:{options.port}"}
    pages = [await open_page(address, headers) for _ in range(options.pages)]
    await asyncio.sleep(3)
    before, began = cpu_seconds(pid), time.monotonic()
    await asyncio.sleep(options.seconds)
    idle = (cpu_seconds(pid) - before) / (time.monotonic() - began)
    first, last = [], []
    listening = [asyncio.create_task(hear(page)) for page in pages]
    for _ in range(options.events):
        await asyncio.sleep(0.4 + 0.5 * random.random())
        times = await one_event(project_id, listening, pages)
        first.append(min(times))
        last.append(max(times))
    for task in listening:
        task.cancel()
    return idle, sorted(first), sorted(last), psutil.Process(pid).memory_info().rss


async def open_page(address: str, headers: dict[str, str]) -> ClientConnection:
    page = await connect(address, additional_headers=headers, max_size=None)
    assert json.loads(await page.recv())["type"] == "snapshot"
    return page


ARRIVED: dict[int, list[float]] = {}


async def hear(page: ClientConnection) -> None:
    """Note when each event arrives."""
    async for text in page:
        now = time.perf_counter()
        message = json.loads(text)
        for event in message.get("events", []):
            ARRIVED.setdefault(event["seq"], []).append(now)


async def one_event(
    project_id: int, listening: list[asyncio.Task[None]], pages: list[ClientConnection]
) -> list[float]:
    """Commit an event; return how long after the commit each page had it."""
    seq, committed = await asyncio.to_thread(commit, project_id)
    while len(ARRIVED.get(seq, [])) < len(pages):
        await asyncio.sleep(0.005)
        if any(task.done() for task in listening):
            raise SystemExit("a page was closed")
    return [at - committed for at in ARRIVED[seq]]


def commit(project_id: int) -> tuple[int, float]:
    """Pause or resume, as a service would: other words and other buttons."""
    from django.db import transaction  # noqa: PLC0415

    from labelapp import events  # noqa: PLC0415
    from labelapp.models import Project  # noqa: PLC0415

    paused = Project.objects.filter(pk=project_id, status="paused").exists()
    with transaction.atomic():
        Project.objects.filter(pk=project_id).update(status="running" if paused else "paused")
        seq = events.record(project_id, "run.resumed" if paused else "run.paused")
    return seq, time.perf_counter()


def report(
    options: argparse.Namespace, idle: float, first: list[float], last: list[float], memory: int
) -> int:
    def at(times: list[float], share: float) -> float:
        return 1000 * times[min(len(times) - 1, int(share * len(times)))]

    limit = 150 if options.redis else 500
    print(
        f"{options.pages} dashboards, {'Redis' if options.redis else 'embedded'},"
        f" {os.cpu_count()} cores: {100 * idle:.1f} % of a core while nothing happens;"
        f" an event on the first page p50 {at(first, 0.5):.0f} ms, p95 {at(first, 0.95):.0f} ms,"
        f" on the last page p50 {at(last, 0.5):.0f} ms, p95 {at(last, 0.95):.0f} ms;"
        f" server {memory / 2**20:.0f} MiB"
    )
    return 0 if idle <= 0.10 and at(first, 0.95) <= limit else 1


if __name__ == "__main__":
    sys.exit(main())
