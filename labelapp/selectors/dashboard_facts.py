"""What the dashboard draws from, read once: a handful of small rows, nothing per image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from labelapp import pricing
from labelapp.models import Certificate, Iteration, LabelBatch, Project, ProjectCounter, Run
from labelapp.selectors.dashboard_ledger import Line, ledger

LABEL_PURPOSES = (*pricing.PURPOSES, "gold", "extra", "review")


@dataclass(frozen=True)
class Facts:
    """A project's run as stored. `records` and `plan` are the engine's, as JSON.

    `others` are the last training's records of the networks that race with the leader, `live`
    those still in the race; `audit` is the attempt that the engine has begun last.

    `plan` is the last iteration's, None before the first forecast; `times` are when each
    iteration ended; `margins` is the histogram of T after the last training.
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
    batch: LabelBatch | None
    ledger: Mapping[str, Line]

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


def gather(project: Project, counter: ProjectCounter, run: Run | None) -> Facts:
    """Read what is stored about the project's run."""
    rows = (
        list(run.iterations.values("record", "created", "seconds").order_by("number"))
        if run
        else []
    )
    last = run.iterations.order_by("-number").first() if run else None
    state = _state(run)
    return Facts(
        project=project,
        counter=counter,
        run=run,
        records=[row["record"] for row in rows],
        others=list(last.others) if last else [],
        live=state.get("live") or [],
        audit=state.get("audit"),
        times=[row["created"].isoformat() for row in rows],
        seconds=[row["seconds"] for row in rows],
        plan=last.plan if last else None,
        margins=_margins(last),
        certificate=_certificate(run),
        batch=_open_batch(run),
        ledger=ledger(project, counter.label_spend + counter.compute_spend),
    )


def _state(run: Run | None) -> dict[str, Any]:
    """Return the two parts of the engine's state that pages show, without reading all of it."""
    if run is None:
        return {}
    parts = Run.objects.filter(pk=run.pk).values_list("state__state__live", "state__state__audit")
    live, audit = parts[0]
    return {"live": live, "audit": audit}


def _margins(last: Iteration | None) -> dict[str, Any]:
    return dict(last.histogram) if last and last.histogram else {}


def _certificate(run: Run | None) -> dict[str, Any] | None:
    if run is None:
        return None
    found = Certificate.objects.filter(run=run).values_list("content", flat=True).first()
    return dict(found) if found else None


def _open_batch(run: Run | None) -> LabelBatch | None:
    if run is None:
        return None
    return LabelBatch.objects.filter(run=run, state=LabelBatch.State.OPEN).order_by("-pk").first()
