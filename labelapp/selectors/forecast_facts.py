"""What the forecast pages draw from: the run's trainings as stored, nothing per image.

Unlike the dashboard's facts these know every training's rivals and T under the last model, and
take what was spent from the counter, not from the ledger: a handful of narrow reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from labelapp import pricing
from labelapp.models import Iteration, LabelBatch, LabelClass, Project, ProjectCounter, Run
from labelapp.selectors.outlook import Outlook, Rows, State, outlook, state_parts

_ROW = ("id", "number", "record", "others", "created")


@dataclass(frozen=True)
class Facts:
    """A project's run. `records` are the leader's, `others` the rivals' of each training.

    `outlook` is what every page says of what is to come; `margins` (histogram) and `profile` (T
    image by image) are the last training's; `keys` are the rows of the trainings, whose content
    never changes.
    """

    project: Project
    counter: ProjectCounter
    run: Run | None
    records: list[dict[str, Any]] = field(default_factory=list)
    others: list[list[dict[str, Any]]] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    outlook: Outlook = field(default_factory=Outlook)
    margins: dict[str, Any] = field(default_factory=dict)
    profile: dict[str, Any] = field(default_factory=dict)
    certificate: dict[str, Any] | None = None
    live: list[str] = field(default_factory=list)

    @property
    def plan(self) -> dict[str, Any] | None:
        """The cheapest plan that is known now."""
        return self.outlook.plan

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
        return self.counter.label_spend + self.counter.compute_spend

    @property
    def label_price(self) -> Decimal:
        """What one image costs when people label it, repeats and gold included."""
        prices = self.run.config.get("prices", {}) if self.run else {}
        return pricing.as_planned(self.project, prices.get("label"))

    @property
    def human_only(self) -> Decimal:
        """What it costs when people label every image: what is bought keeps its price."""
        return pricing.people_alone(self.counter, self.n, self.label_price)

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

    @property
    def version(self) -> str:
        """Return what tells one state of these pages from the next.

        Without the events' number: a training's progress, told every other second, moves nothing.
        """
        counter, project = self.counter, self.project
        run = f"{self.run.version}" if self.run else "-"
        money = f"{counter.answers}.{counter.label_spend}.{counter.compute_spend}"
        return f"{run}.{project.status}.{project.epsilon}.{money}"


def version_of(project: Project) -> str:
    """Return `Facts.version` alone: one narrow read."""
    counter = _counter(project)
    return Facts(project, counter, _one(counter.project, "run")).version


def gather(project: Project, *, trainings: bool = True) -> Facts:
    """Read what is stored about the project's run: four statements, one more after a
    change of the settings.

    Without `trainings` one: the counter and the run, for money and settings.
    """
    counter = _counter(project, "project__run__certificate")
    run = _one(counter.project, "run")
    if run is None or not trainings:
        return Facts(project, counter, run)
    rows = list(run.iterations.values(*_ROW).order_by("number"))
    last = _last(run)
    certificate = _one(run, "certificate")
    state = State.of(last) if last else State()
    records = [row["record"] for row in rows]
    others = [row["others"] or [] for row in rows]
    newest = [records[-1], *others[-1]] if records else []
    stored = last.plan if last else None
    batch = run.batches.filter(request_id=run.waiting_for, state=LabelBatch.State.OPEN).first()
    return Facts(
        project=project,
        counter=counter,
        run=run,
        records=records,
        others=others,
        keys=[row["id"] for row in rows],
        outlook=outlook(Rows(project, counter, run, state, newest, stored, batch)),
        margins=dict(last.histogram or {}) if last else {},
        profile=dict(last.profile or {}) if last else {},
        certificate=dict(certificate.content) if certificate else None,
        live=list(state.live) if project.rivals else [],
    )


def _counter(project: Project, *beside: str) -> ProjectCounter:
    """Read the counter with the run beside it, but for the engine's state."""
    found = ProjectCounter.objects.select_related("project__run", *beside)
    return found.defer("project__run__state").get(project=project)


def _one(row: Any, name: str) -> Any:
    """Return the other row of a one-to-one relation; None where there is none."""
    return getattr(row, name, None)


def _last(run: Run) -> Iteration | None:
    """Return the last training, with what matters of the engine's state beside it."""
    rows = run.iterations.only("plan", "histogram", "profile", "run_id")
    return rows.annotate(**state_parts("run__")).order_by("-number").first()


def class_names(project: Project) -> dict[int, str]:
    """Return the names of all classes by index, archived ones included."""
    rows = LabelClass.objects.filter(project=project).order_by("index")
    return dict(rows.values_list("index", "name"))
