"""Time "what if" at N = 1,000,000: python -m tests.bench.bench_what_if.

The engine's answer, and the whole request (page, answer, numbers) on SQLite in a temporary folder
or on MCAL_DATABASE_URL; each question is a new one. A process of its own measures the requests:
its first question (`cold`) imports NumPy and the engine and fits the curves.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

N, POINTS = 1_000_000, 12
Times = tuple[float, float]
ROOT = Path(__file__).resolve().parents[2]


def state_at(n: int, points: int, certificate: str):
    """Return the state of a run after so many trainings, each on a third more images."""
    import numpy as np  # noqa: PLC0415 - the measuring process must begin without

    from mcal_engine import types  # noqa: PLC0415
    from tests.engine.situations import law  # noqa: PLC0415
    from tests.engine.support import config, record  # noqa: PLC0415

    sizes = np.rint(n / 100 * 1.33 ** np.arange(points)).astype(int)
    records = tuple(
        record(
            int(b),
            lambda theta, b=b: law(b * 10_000 / n, theta),
            n=n,
            test_size=1000,
            number=k + 1,
            arch="cnn_small",
            marked=1000,
            seconds=60.0 + b / 1000,
        )
        for k, b in enumerate(sizes)
    )
    settings = config(n, classes=10)
    target = replace(settings.target, certificate=types.CertificateKind(certificate))
    return types.McalState(
        config=replace(settings, target=target),
        waiting_for="x",
        phase="label",
        iteration=points,
        records=records,
        live=("cnn_small",),
        bought=int(sizes[-1]) + 1000,
        spent_labels=(int(sizes[-1]) + 1000) * 0.04,
        spent_compute=5.0,
    )


def engine(repeat: int) -> None:
    """Print the engine's own times: the curves once, then each answer."""
    from mcal_engine import whatif  # noqa: PLC0415

    for certificate in ("audit", "test_set"):
        state = state_at(N, POINTS, certificate)
        began = time.perf_counter()
        basis = whatif.basis(state)
        fitted = 1000 * (time.perf_counter() - began)
        own = basis.asked

        def ask(k: int, basis=basis, own=own) -> None:
            prices = replace(own.prices, label=0.01 * (k + 1))
            whatif.answer(basis, whatif.Asked(prices, replace(own.target, epsilon=0.01 + k / 500)))

        show(f"engine, {certificate}", measured(ask, repeat), f"curves once {fitted:.0f} ms")


def prepare() -> dict[str, str]:
    """Fill the database of this process' settings; return what the measuring process needs."""
    import django  # noqa: PLC0415

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    from labelapp import models  # noqa: PLC0415
    from mcal_engine import state_io  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    user = models.User.objects.create_user(f"bench{time.time()}@example.org", "x" * 12)
    project = models.Project.objects.create(name="Bench", status="running", created_by=user)
    models.Membership.objects.create(project=project, user=user, role="owner")
    state = json.loads(state_io.dump(state_at(N, POINTS, "audit")))
    models.ProjectCounter.objects.create(
        project=project, images=N, train=state["state"]["bought"] - 1000, test=1000
    )
    models.Run.objects.create(
        project=project,
        n=N,
        config=state["state"]["config"],
        state=state,
        waiting_for="x",
        request_kind="label",
        iteration=POINTS,
    )
    return {"user": user.email, "project": project.public_id}


def requests(user: str, project: str, repeat: int) -> None:
    """Print the times of requests, in a process that has not planned before."""
    import django  # noqa: PLC0415

    django.setup()
    from django.test import Client  # noqa: PLC0415

    from labelapp.models import User  # noqa: PLC0415

    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(
        User.objects.get(email=user), backend="django.contrib.auth.backends.ModelBackend"
    )
    client.get("/me/")  # templates and addresses are there; nothing has planned yet

    def get(place: str) -> Callable[[int], None]:
        def ask(k: int) -> None:
            found = client.get(f"/p/{project}/what-if/{place}?epsilon={1 + k / 10}&price={k + 1}")
            assert found.status_code == 200

        return ask

    show("first question", measured(get("answer.json"), 1), "of a cold process")
    show("answer.json", measured(get("answer.json"), repeat, 100))
    show("page", measured(get(""), repeat, 400))
    show("comparison.json", measured(get("comparison.json"), repeat, 700))


def measured(ask: Callable[[int], None], repeat: int, first: int = 0) -> list[Times]:
    """Return the milliseconds of so many different questions: by the clock, and of CPU."""
    times = []
    for k in range(first, first + repeat):
        began, worked = time.perf_counter(), time.thread_time()
        ask(k)
        times.append((1000 * (time.perf_counter() - began), 1000 * (time.thread_time() - worked)))
    return times


def show(name: str, times: list[Times], more: str = "") -> None:
    """Print one line: both clocks, since the machine may be busy with something else."""
    clock, cpu = (sorted(one) for one in zip(*times, strict=True))
    said = [
        f"{label} p50 {values[len(values) // 2]:4.0f}  p95 {values[int(0.95 * len(values))]:4.0f} ms"
        for label, values in (("clock", clock), ("CPU", cpu))
    ]
    print(f"{name:18} {'   '.join(said)}   {more}", flush=True)


def main() -> None:
    """Time the engine, then the requests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=60)
    parser.add_argument("--measure", nargs=2, metavar=("USER", "PROJECT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        requests(*options.measure, options.repeat)
        return
    engine(options.repeat)
    with tempfile.TemporaryDirectory() as folder:
        mine = {"DJANGO_SETTINGS_MODULE": "labelapp.settings", "MCAL_DATA_DIR": folder}
        os.environ.update(mine)
        made = prepare()
        print("PostgreSQL" if os.environ.get("MCAL_DATABASE_URL") else "SQLite", flush=True)
        arguments = ["--measure", made["user"], made["project"], "--repeat", str(options.repeat)]
        subprocess.run(
            [sys.executable, "-m", "tests.bench.bench_what_if", *arguments], cwd=ROOT, check=True
        )


if __name__ == "__main__":
    main()
