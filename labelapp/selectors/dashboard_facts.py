"""What the dashboard draws from, read once: a handful of small rows, nothing per image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import (
    Case,
    CharField,
    Count,
    Exists,
    F,
    JSONField,
    OuterRef,
    Subquery,
    Value,
    When,
)
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce, NullIf
from django.utils import timezone

from labelapp import pricing
from labelapp.models import (
    LabelBatch,
    ModelVersion,
    Project,
    ProjectCounter,
    Run,
    SteeringAction,
    WorkerBeat,
)
from labelapp.selectors.dashboard_ledger import Line, ledger
from labelapp.selectors.outlook import (
    STOPS,
    Outlook,
    Rows,
    State,
    as_json,
    outlook,
    state_parts,
)

LABEL_PURPOSES = (*pricing.PURPOSES, "gold", "extra", "review")


@dataclass(frozen=True)
class Facts:
    """A project's run as stored. `records` are the engine's, as JSON.

    `others` are the last training's records of the networks that race with the leader.

    `outlook` holds the plan under the settings that the run has now, None before the first
    forecast; `state` is of the engine; `times` are when each iteration ended; `margins` is the histogram of T after the last training. `batches` are open,
    the newest first; `people` is the newest report of the people's error.
    """

    project: Project
    counter: ProjectCounter
    run: Run | None
    records: list[dict[str, Any]]
    others: list[dict[str, Any]]
    state: State
    times: list[str]
    seconds: list[float]
    outlook: Outlook
    margins: dict[str, Any]
    certificate: dict[str, Any] | None
    batches: tuple[LabelBatch, ...]
    people: dict[str, Any] | None
    ledger: Mapping[str, Line]
    rows: Rows  # what the outlook was made of
    asked_by: str = ""  # who asked the run to stop, while that wish stands

    @property
    def plan(self) -> dict[str, Any] | None:
        """The cheapest plan that is known now."""
        return self.outlook.plan

    @property
    def live(self) -> list[str]:
        """The networks still in the race."""
        return list(self.state.live)

    @property
    def audit(self) -> dict[str, Any] | None:
        """The attempt that the engine has begun last."""
        return self.state.audit

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
        return pricing.people_alone(self.counter, self.n, self.label_price)

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

    `state` and `trained` are of the engine's state, without reading all of it.
    """

    project: Project
    counter: ProjectCounter
    run: Run | None
    state: State
    trained: bool
    worker: bool
    asked_by: str = ""


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
            **state_parts("run__"),
            **_asking(),
            archs=F("run__state__order__archs"),
            trained=Coalesce(Subquery(counted), 0),
            worker=Exists(WorkerBeat.objects.filter(beat__gt=timezone.now() - WorkerBeat.FRESH)),
        )
        .get(pk=project_id)
    )
    run = getattr(project, "run", None)
    state = State.of(project)
    return Seen(
        project=project,
        counter=project.counter,
        run=run,
        state=state,
        asked_by=_asked_by(project, state),
        trained=project.trained >= max(1, len(as_json(project.archs) or [])),
        worker=project.worker,
    )


def gather(seen: Seen) -> Facts:
    """Read what is stored about the project's run."""
    project, run = seen.project, seen.run
    rows = _iterations(run) if run else []
    last = rows[-1] if rows else None
    report = getattr(project, "people_report", None)
    others = list(last["others"] or []) if last else []
    batches = _open_batches(run)
    known = Rows(
        project,
        seen.counter,
        run,
        seen.state,
        last=[last["record"], *others] if last else [],
        stored=last["plan"] if last else None,
        batch=batches[0] if batches else None,
    )
    return Facts(
        project=project,
        counter=seen.counter,
        run=run,
        records=[row["record"] for row in rows],
        others=others,
        state=seen.state,
        times=[row["created"].isoformat() for row in rows],
        seconds=[row["seconds"] for row in rows],
        outlook=outlook(known),
        rows=known,
        margins=dict(last["histogram"] or {}) if last else {},
        certificate=_certificate(run),
        batches=batches,
        people=dict(report.content) if report else None,
        ledger=ledger(project, seen.counter.label_spend + seen.counter.compute_spend),
        asked_by=seen.asked_by if run is not None and run.wish in STOPS else "",
    )


def _asking() -> dict[str, Subquery]:
    """Return annotations of a project: who asked for the end that its run is going to, and when.

    `asked_in` is the audit that was under way then.
    """
    rows = SteeringAction.objects.filter(
        project=OuterRef("pk"), action=OuterRef("run__wish"), undone_at=None
    ).order_by("-pk")
    shown = NullIf(F("user__display_name"), Value(""))
    name = Coalesce(shown, F("user__email"), output_field=CharField())
    return {
        "asked_by": Subquery(rows.annotate(name=name).values("name")[:1]),
        # As text: a JSON number out of a subquery is decoded twice on SQLite.
        "asked_in": Subquery(rows.values(attempt=KeyTextTransform("attempt", "before"))[:1]),
    }


def _asked_by(project: Any, state: State) -> str:
    """Return who asked for the end; empty where nobody is known, or the audit began before."""
    own = state.audit is None or as_json(project.asked_in) != state.audit["attempt"]
    return str(project.asked_by or "") if own else ""


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
