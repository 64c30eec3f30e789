"""Fill a project with a run as the engine really makes one, up to any point of it.

`dashboard_run.json` was recorded from `mcal_engine.simulate` (10,000 images, 10 classes, a
synthetic learner, epsilon 5 %, $0.04 a label, $3.6 an hour): records, plans, certificate, and how
many labels each request bought. Charts are kept for iterations 3, 6, 7 and 9. Their `curve_*` were not
recorded then: they were computed from the recorded counts with `planner._with_curves`, when the
fit over past sizes was added; `arch` and `probability_best` were added to the records, and from
the third on the facts of the decision (`because`).
"""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from labelapp import events
from labelapp.models import (
    Certificate,
    Iteration,
    Job,
    LabelBatch,
    LedgerEntry,
    Project,
    ProjectCounter,
    Run,
    WorkerBeat,
)

RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("dashboard_run.json").read_text())
N = 10_000
LAST = len(RECORDED["iterations"])


def set_up_images(project: Project) -> None:
    """Pretend that N images were imported (no page of the dashboard reads image rows)."""
    ProjectCounter.objects.filter(project=project).update(images=N)
    say(project, "import.finished", {"added": N})


def say(project: Project, type_: str, payload: dict[str, Any] | None = None) -> None:
    """Record an event as a service would; inside a transaction it joins that one."""
    with transaction.atomic(savepoint=False):
        events.record(project.pk, type_, payload)


def beat() -> None:
    """A worker lives."""
    WorkerBeat.objects.update_or_create(name="test:1", defaults={"beat": timezone.now()})


def start(project: Project) -> Run:
    """Start the run: the test set is asked for."""
    set_up_images(project)
    running = {"status": Project.Status.RUNNING, "certificate": "test_set"}  # as it was recorded
    Project.objects.filter(pk=project.pk).update(**running)
    project.refresh_from_db()
    run = Run.objects.create(
        project=project, n=N, config={}, state={}, waiting_for="", request_kind="label"
    )
    say(project, "run.started")
    open_batch(run, RECORDED["bought"][0])
    return run


def open_batch(run: Run, bought: dict[str, Any]) -> LabelBatch:
    """Ask for the labels of one recorded request."""
    batch = LabelBatch.objects.create(
        run=run,
        project=run.project,
        request_id=bought["id"],
        iteration=bought["iteration"],
        purpose=bought["purpose"],
        size=bought["buy"],
        remaining=bought["buy"],
    )
    wait_for(run, bought["id"], "label")
    say(run.project, "batch.opened", {"purpose": batch.purpose, "size": batch.size})
    return batch


def wait_for(run: Run, request_id: str, kind: str) -> None:
    run.waiting_for, run.request_kind, run.version = request_id, kind, run.version + 1
    run.save(update_fields=["waiting_for", "request_kind", "version"])


def answer(batch: LabelBatch, count: int) -> None:
    """Let people answer so many tasks of the batch (test and training purposes)."""
    project, price = batch.project, batch.project.price_per_label
    LedgerEntry.objects.create(
        project=project,
        key=f"answers:{batch.pk}:{batch.remaining}",
        purpose=batch.purpose,
        quantity=count,
        unit_price=price,
        amount=count * price,
    )
    counter = ProjectCounter.objects.get(project=project)
    column = {"seed": "train"}.get(batch.purpose, batch.purpose)
    setattr(counter, column, getattr(counter, column) + count)
    counter.answers += count
    counter.label_spend += count * price
    counter.save()
    batch.remaining -= count
    batch.state = LabelBatch.State.OPEN if batch.remaining else LabelBatch.State.DONE
    batch.save()
    if not batch.remaining:
        say(project, "batch.closed", {"purpose": batch.purpose})


def train(run: Run, number: int) -> None:
    """End the training with this number: measured, planned, decided."""
    recorded = RECORDED["iterations"][number - 1]
    record = recorded["record"]
    seconds = record["train_seconds"] + record["score_seconds"]
    hours = Decimal(str(seconds)) / 3600
    price = run.project.compute_price_per_hour
    LedgerEntry.objects.create(
        project=run.project,
        key=f"training:{number}",
        purpose="compute",
        quantity=round(hours, 6),
        unit_price=price,
        amount=round(hours * price, 6),
    )
    Iteration.objects.create(
        run=run,
        number=number,
        train_size=record["train_size"],
        delta=record["delta"],
        record=record,
        plan=recorded["plan"],
        histogram=recorded["histogram"],
        seconds=seconds,
        dollars=round(hours * price, 6),
        created=timezone.now() - timedelta(minutes=4 * (LAST - number)),
    )
    counter = ProjectCounter.objects.get(project=run.project)
    counter.compute_spend += round(hours * price, 6)
    counter.train, counter.test = record["train_size"], record["test_size"]
    counter.save()
    run.iteration = number
    run.save(update_fields=["iteration"])
    say(run.project, "training.finished", {"seconds": seconds})
    told = {key: record.get(key) for key in ("decision", "because")}
    say(run.project, "plan.updated", told)


def running(project: Project, iterations: int = 6, answered: int = 80) -> Run:
    """A run with so many trainings behind it, people labelling the next batch."""
    run = start(project)
    batch = LabelBatch.objects.get(run=run)
    answer(batch, batch.size)
    for bought in RECORDED["bought"][1:]:
        if bought["iteration"] > 0:
            train(run, bought["iteration"])
        batch = open_batch(run, bought)
        if bought["iteration"] >= iterations:
            answer(batch, min(answered, batch.size))
            return run
        answer(batch, batch.size)
    return run


def training(project: Project, iterations: int = 6, progress: float = 0.4) -> Run:
    """As `running`, but the batch is full and the next training is under way."""
    run = running(project, iterations, answered=10**9)
    wait_for(run, f"{iterations + 1:03d}-train", "train")
    Job.objects.create(
        kind="train",
        key=f"train:{run.pk}",
        project=project,
        target=run.pk,
        state=Job.State.RUNNING,
        progress=progress,
        message="Training: pass 12 of 30",
        seconds_left=38,
        heartbeat=timezone.now(),
        started=timezone.now() - timedelta(seconds=25),
    )
    say(project, "training.started", {"size": 1175})
    return run


def auditing(project: Project, asked: int = 60, answered: int = 45, **changes: Any) -> Run:
    """People check the machine's labels: `asked` images are out, `answered` of them looked at."""
    run = running(project)
    LabelBatch.objects.filter(run=run).update(state="done", remaining=0)
    Project.objects.filter(pk=project.pk).update(certificate="audit")
    project.refresh_from_db()
    frozen = {"attempt": 1, "asked": asked, "planned": 120, "ended": "", "sizes": [5000], **changes}
    run.state = {"state": {"live": ["cnn_small"], "audit": frozen}}
    run.save(update_fields=["state"])
    bought = {"id": "006-label-audit-1-60", "iteration": 6, "purpose": "audit", "buy": asked}
    answer(open_batch(run, bought), answered)
    return run


def racing(project: Project, live: tuple[str, ...] = ("cnn_small", "resnet18")) -> Run:
    """Two networks race: the recorded one leads, a slower one follows."""
    run = running(project)
    Project.objects.filter(pk=project.pk).update(rivals=["resnet18"])
    project.refresh_from_db()
    run.state = {"state": {"live": list(live), "audit": None}}
    run.save(update_fields=["state"])
    last = run.iterations.order_by("-number")[0]
    last.others = [last.record | {"arch": "resnet18", "c_star": 201.5, "probability_best": 0.25}]
    last.record |= {"probability_best": 0.75}
    last.save(update_fields=["record", "others"])
    return run


def finished(project: Project) -> Run:
    """The whole run to its end."""
    run = running(project, iterations=LAST)
    train(run, LAST)
    counts, end = RECORDED["counts"], RECORDED["end"]
    Certificate.objects.create(run=run, content=RECORDED["certificate"], sha256="0" * 64)
    ProjectCounter.objects.filter(project=project).update(
        machine=counts["machine"], train=counts["train"], test=counts["test"]
    )
    say(project, "machine.labelled", {"count": counts["machine"]})
    Project.objects.filter(pk=project.pk).update(status=Project.Status.FINISHED)
    project.refresh_from_db()
    run.finished = timezone.now()
    run.save(update_fields=["finished"])
    wait_for(run, "009-finished", "finished")
    say(project, "run.finished", {"reason": end["reason"]})
    return run
