"""How long "answer + next task" takes on the server while people work and a training runs.

Real uvicorn, real HTTP over loopback, SQLite, 10,000 tasks, 4 people at one answer per 0.3 s, and
busy processes at nice 10 in place of the trainer:

    python -m tests.bench.bench_labelling [--seconds 30] [--people 4] [--pace 0.3] [--busy 2]
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Run the benchmark and print its figures; return 1 where p95 is over 40 ms."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="bench_labelling_") as folder:
        environment = {**os.environ, "MCAL_DATA_DIR": folder, "PYTHONPATH": str(ROOT)}
        os.environ.update(environment)
        cast = make_database(options.tasks, options.people)
        server = start_server(environment, options.port)
        busy = [multiprocessing.Process(target=burn, daemon=True) for _ in range(options.busy)]
        for process in busy:
            process.start()
        try:
            wait_for(options.port)
            before = cpu_seconds(server.pid)
            times = everybody_answers(cast, options)
            spent = cpu_seconds(server.pid) - before
        finally:
            for process in busy:
                process.kill()
            server.terminate()
            server.wait()
    return report(times, spent, options)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--pace", type=float, default=0.3, help="seconds between answers")
    parser.add_argument("--busy", type=int, default=2, help="busy processes at nice 10")
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--port", type=int, default=8104)
    return parser.parse_args()


def make_database(tasks: int, people: int) -> dict[str, object]:
    """Make a project with this many open tasks; return its id and a session per person."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "labelapp.settings"
    import django  # noqa: PLC0415 - after the environment is set

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    from labelapp.models import LabelClass, Membership, Project, ProjectCounter, User  # noqa: PLC0415
    from tests.app.conftest import add_images, open_batch  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    project = Project.objects.create(name="Bench")
    ProjectCounter.objects.create(project=project)
    for index in range(10):
        LabelClass.objects.create(project=project, index=index, name=f"class {index}")
    open_batch(project, add_images(project, tasks), "train")
    sessions = []
    for number in range(people):
        user = User.objects.create(email=f"p{number}@example.org")
        Membership.objects.create(project=project, user=user, role="annotator")
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        sessions.append(client.cookies["sessionid"].value)
    from django.db import connection  # noqa: PLC0415

    connection.close()
    return {"project": project.public_id, "sessions": sessions}


def start_server(environment: dict[str, str], port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "uvicorn", "labelapp.asgi:application", "--no-access-log"]
    command += ["--port", str(port), "--log-level", "warning"]
    return subprocess.Popen(command, cwd=ROOT, env=environment)


def burn() -> None:
    os.nice(10)
    while True:
        sum(range(10_000))


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/accounts/login/")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("the server did not come up")


def everybody_answers(cast: dict[str, object], options: argparse.Namespace) -> list[float]:
    times: list[list[float]] = [[] for _ in range(options.people)]
    threads = [
        threading.Thread(target=one_person, args=(cast["project"], session, options, mine, number))
        for number, (session, mine) in enumerate(zip(cast["sessions"], times, strict=True))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(value for mine in times for value in mine)


def one_person(
    project: str, session: str, options: argparse.Namespace, times: list[float], number: int
) -> None:
    """Answer at the pace for a while, always holding eight tasks more than the one on screen."""
    page = Page(project, session, options.port)
    queue = page.post("tasks", {"count": 9})["tasks"]
    time.sleep(options.pace * number / options.people)
    end = time.monotonic() + options.seconds
    following = time.monotonic()
    while time.monotonic() < end and queue:
        task = queue.pop(0)
        body = {
            "answers": [answer(task)],
            "count": 9 - len(queue),
            "holding": [other["id"] for other in queue],
        }
        start = time.perf_counter()
        reply = page.post("answers", body)
        times.append(time.perf_counter() - start)
        if reply["results"][0]["state"] != "accepted":
            raise SystemExit(f"refused: {reply['results']}")
        queue += reply["tasks"]
        following += options.pace
        time.sleep(max(0.0, following - time.monotonic()))


def answer(task: dict[str, object]) -> dict[str, object]:
    return {
        "id": str(uuid.uuid4()),
        "task": task["id"],
        "token": task["token"],
        "kind": "class",
        "class": 3,
        "active_ms": 300,
        "how": "key",
        "guideline_version": 0,
    }


class Page:
    """One keep-alive connection with a session."""

    def __init__(self, project: str, session: str, port: int) -> None:
        self.project = project
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        token = "a" * 32
        self.headers = {
            "Content-Type": "application/json",
            "Cookie": f"sessionid={session}; csrftoken={token}",
            "X-CSRFToken": token,
        }

    def post(self, what: str, body: dict[str, object]) -> dict[str, object]:
        path = f"/api/v1/projects/{self.project}/{what}/"
        self.connection.request("POST", path, json.dumps(body), self.headers)
        reply = self.connection.getresponse()
        content = reply.read()
        if reply.status != 200:
            raise SystemExit(f"{reply.status}: {content[:300]!r}")
        return json.loads(content)


def cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def report(times: list[float], spent: float, options: argparse.Namespace) -> int:
    def at(share: float) -> float:
        return 1000 * times[min(len(times) - 1, int(share * len(times)))]

    print(
        f"{len(times)} answers of {options.people} people, one per {options.pace} s each,"
        f" {options.tasks} tasks, {options.busy} busy processes at nice 10,"
        f" {os.cpu_count()} cores: p50 {at(0.5):.1f} ms, p95 {at(0.95):.1f} ms,"
        f" p99 {at(0.99):.1f} ms, max {1000 * times[-1]:.1f} ms;"
        f" server CPU {1000 * spent / len(times):.1f} ms per answer"
    )
    return 0 if at(0.95) <= 40 else 1


if __name__ == "__main__":
    sys.exit(main())
