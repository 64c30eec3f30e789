"""What the dashboard draws from, read once: a handful of small rows, nothing per image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Case, Count, Exists, F, JSONField, OuterRef, Subquery, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from labelapp import pricing
from labelapp.models import LabelBatch, ModelVersion, Project, ProjectCounter, Run, WorkerBeat
from labelapp.selectors.dashboard_ledger import Line, ledger

LABEL_PURPOSES = (*pricing.PURPOSES, "gold", "extra", "review")


@dataclass(frozen=True)
class Facts:
    """A project's run as stored. `records` and `plan` are the engine's, as JSON.

    `others` are the last training's records of the networks that race with the leader, `live`
    those still in the race; `audit` is the attempt that the engine has begun last.

    `plan` is the last iteration's, None before the first forecast; `times` are when each
    iteration ended; `margins` is the histogram of T after the last training. `batches` are open,
    the newest first; `people` is the newest report of the people's error.
    """

    project: Project
    counter: ProjectCounter
    run: Run | None
    records: list[dict[str, Any]]
    others: list[dict[str, Any]]
    live: list[str]
    audit: dict[str, Any] | None
    times: list[str]
    seconds: list[float]
    plan: dict[str, Any] | None
    margins: dict[str, Any]
    certificate: dict[str, Any] | None
    batches: tuple[LabelBatch, ...]
    people: dict[str, Any] | None
    ledger: Mapping[str, Line]

    @property
    def batch(self) -> LabelBatch | None:
        """The batch that people label now."""
        return self.batches[0] if self.batches else None

    @property
    def n(self) -> int:
        """Images in the run, or in the project before it starts."""
        return self.run.n if self.run else self.counter.images

    @property
    def currency(self) -> str:
        """The project's currency code."""
        return self.project.currency

    @property
    def spent(self) -> Decimal:
        """Everything spent so far: labels and compute."""
        return sum((line.amount for line in self.ledger.values()), Decimal(0))

    @property
    def human_only(self) -> Decimal:
        """What it costs when people label every image: what is bought keeps its price."""
        paid = sum((self.ledger[p].amount for p in LABEL_PURPOSES if p in self.ledger), Decimal(0))
        left = self.n - self.counter.excluded - pricing.images_by_people(self.counter)
        return paid + left * self.label_price

    @property
    def label_price(self) -> Decimal:
        """What one image costs when people label it, repeats and gold included."""
        prices = self.run.config.get("prices", {}) if self.run else {}
        return pricing.as_planned(self.project, prices.get("label"))

    @property
    def bought(self) -> int:
        """Labels bought from people so far."""
        return int(sum(self.ledger[p].quantity for p in LABEL_PURPOSES if p in self.ledger))

    @property
    def finished(self) -> bool:
        """Every image has its label."""
        return self.project.status == Project.Status.FINISHED

    @property
    def theta_star(self) -> float | None:
        """The share of the remainder that the cheapest plan lets the machine label."""
        if self.certificate and self.certificate.get("theta") is not None:
            return float(self.certificate["theta"])
        return float(self.plan["theta_star"]["value"]) if self.plan else None


@dataclass(frozen=True)
class Seen:
    """What may have changed since the last look, in one statement: rows of one per project.

    `live`, `audit` and `trained` are of the engine's state, without reading all of it.
    """

    project: Project
    counter: ProjectCounter
    run: Run | None
    live: list[str]
    audit: dict[str, Any] | None
    trained: bool
    worker: bool


def look(project_id: int) -> Seen:
    """Read the project, its counter, run, certificate and report, and whether a worker lives.

    Raises Project.DoesNotExist where it is gone.
    """
    models = ModelVersion.objects.filter(run=OuterRef("run"), iteration=OuterRef("run__iteration"))
    counted = models.order_by().values("run").annotate(n=Count("pk")).values("n")
    project: Any = (
        Project.objects.select_related("counter", "run", "run__certificate", "people_report")
        .defer("run__state")
        .annotate(
            live=F("run__state__state__live"),
            audit=F("run__state__state__audit"),
            archs=F("run__state__order__archs"),
            trained=Coalesce(Subquery(counted), 0),
            worker=Exists(WorkerBeat.objects.filter(beat__gt=timezone.now() - WorkerBeat.FRESH)),
        )
        .get(pk=project_id)
    )
    run = getattr(project, "run", None)
    return Seen(
        project=project,
        counter=project.counter,
        run=run,
        live=_json(project.live) or [],
        audit=_json(project.audit),
        trained=project.trained >= max(1, len(_json(project.archs) or [])),
        worker=project.worker,
    )


def _json(found: Any) -> Any:
    """Return what a part of a JSON column holds: databases give it as text."""
    return json.loads(found) if isinstance(found, str) else found


def gather(seen: Seen) -> Facts:
    """Read what is stored about the project's run."""
    project, run = seen.project, seen.run
    rows = _iterations(run) if run else []
    last = rows[-1] if rows else None
    report = getattr(project, "people_report", None)
    return Facts(
        project=project,
        counter=seen.counter,
        run=run,
        records=[row["record"] for row in rows],
        others=list(last["others"] or []) if last else [],
        live=seen.live,
        audit=seen.audit,
        times=[row["created"].isoformat() for row in rows],
        seconds=[row["seconds"] for row in rows],
        plan=last["plan"] if last else None,
        margins=dict(last["histogram"] or {}) if last else {},
        certificate=_certificate(run),
        batches=_open_batches(run),
        people=dict(report.content) if report else None,
        ledger=ledger(project, seen.counter.label_spend + seen.counter.compute_spend),
    )


LARGE = ("plan", "others", "histogram")


def _iterations(run: Run) -> list[dict[str, Any]]:
    """Return every training's record; the large parts only of the last one. One statement."""
    last = run.iterations.order_by("-number").values("number")[:1]
    large = {
        f"last_{name}": Case(When(number=Subquery(last), then=F(name)), output_field=JSONField())
        for name in LARGE
    }
    rows = run.iterations.order_by("number").annotate(**large)
    found: list[dict[str, Any]] = [
        dict(row) for row in rows.values("record", "created", "seconds", *large)
    ]
    if found:
        found[-1] |= {name: found[-1][f"last_{name}"] for name in LARGE}
    return found


def _certificate(run: Run | None) -> dict[str, Any] | None:
    found = getattr(run, "certificate", None)
    return dict(found.content) if found else None


def _open_batches(run: Run | None) -> tuple[LabelBatch, ...]:
    if run is None:
        return ()
    return tuple(LabelBatch.objects.filter(run=run, state=LabelBatch.State.OPEN).order_by("-pk"))
