"""Leads the demo: waits for the images, starts run and people, tells the story, exports."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from labelapp.management.simulated import SimulatedPerson
from labelapp.models import AuditCommitment, Export, Import, Iteration, Project
from labelapp.selectors.projects import Access, access
from labelapp.services import demo, exports, jobs, runs

_POLL_SECONDS = 0.5
_BUSY = (Import.State.UPLOADING, Import.State.WAITING, Import.State.RUNNING)


class DemoFailedError(Exception):
    """The demo cannot go on; the text says why."""


@dataclass
class Director:
    """Runs one demo project from its import to its export. `limit` is in seconds, 0 = none."""

    plan: demo.DemoPlan
    base_url: str
    pace: float
    limit: float
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        """Find the project and its owner."""
        self.project = Project.objects.get(public_id=self.plan.project)
        self.began = time.monotonic()
        self._halt = threading.Event()

    def play(self) -> demo.DemoResult:
        """Do it all; raise DemoFailedError."""
        self._wait_for_images()
        self._start_run()
        people = self._people()
        for person in people:
            person.start()
        try:
            self._tell_until_finished()
        finally:
            self._halt.set()
        self._export()
        return demo.result_of(self.project)

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began

    def _access(self) -> Access:
        owner = self.project.created_by
        if owner is None:
            raise DemoFailedError("The demo project has lost its owner.")
        return access(owner, self.project.public_id)

    def _pause(self) -> None:
        if self.limit and self.seconds > self.limit:
            raise DemoFailedError(f"Not finished after {self.limit:.0f} s.")
        time.sleep(_POLL_SECONDS)

    def _wait_for_images(self) -> None:
        self.say("Demo: the images are coming in ...")
        while Import.objects.filter(project=self.project, state__in=_BUSY).exists():
            self._pause()
        failed = Import.objects.filter(project=self.project, state=Import.State.FAILED).first()
        if failed is not None:
            raise DemoFailedError(f"The import failed: {failed.message}")
        count = self.project.images.count()
        self.say(f"Demo: {count:,} images are in after {self.seconds:.0f} s.")

    def _start_run(self) -> None:
        self.project.refresh_from_db()
        if self.project.status == Project.Status.SETUP:
            runs.start_run(access=self._access())
            self.say("Demo: the run has begun.")
        elif self.project.status == Project.Status.PAUSED:
            self.say("Demo: the run is paused; press Resume on its page.")

    def _people(self) -> list[SimulatedPerson]:
        labels = demo.known_labels(self.project)
        self.say(f"Demo: {len(self.plan.accounts)} simulated people sign in and label.")
        return [
            SimulatedPerson(
                base_url=self.base_url,
                project=self.project.public_id,
                email=account.email,
                password=account.password,
                labels=labels,
                pace=self.pace,
                halt=self._halt,
            )
            for account in self.plan.accounts
        ]

    def _tell_until_finished(self) -> None:
        told, checking = 0, False
        while True:
            if not checking and AuditCommitment.objects.filter(run__project=self.project).exists():
                self.say(f"Demo: people check the machine's labels ({self.seconds:.0f} s)")
                checking = True
            for step in Iteration.objects.filter(run__project=self.project, number__gt=told):
                self.say(f"Demo: {_round_in_words(step)} ({self.seconds:.0f} s)")
                told = step.number
            self.project.refresh_from_db()
            if self.project.status == Project.Status.FINISHED:
                return
            self._check_run()
            self._pause()

    def _check_run(self) -> None:
        run = getattr(self.project, "run", None)
        if run is None:
            return
        run.refresh_from_db()
        if run.failure and run.failure != jobs.CANCELLED:  # somebody's wish; they resume it
            raise DemoFailedError(f"The run cannot go on: {run.failure}")

    def _export(self) -> None:
        record = exports.start_export(access=self._access(), format="csv", with_images=False)
        while record.state in {Export.State.WAITING, Export.State.RUNNING}:
            self._pause()
            record.refresh_from_db()
        if record.state != Export.State.DONE:
            raise DemoFailedError(f"The export failed: {record.message}")
        self.say(f"Demo: exported {record.rows:,} rows to {record.file_name}.")


def _round_in_words(step: Iteration) -> str:
    plan = step.plan or {}
    forecast = plan.get("c_star")
    words = f"round {step.number}: |B| = {step.train_size:,}, {step.seconds:.1f} s training"
    if forecast:
        words += f", forecast {forecast['value']:.2f} of {plan['human_only']:.2f} human-only"
    return words


def summary(result: demo.DemoResult, seconds: float) -> list[str]:
    """Return the lines of the table that ends a demo."""
    share = result.machine / result.images if result.images else 0.0
    rows = [
        ("images", f"{result.images:,}"),
        ("labelled by people", f"{result.human:,}"),
        ("of them to check the machine", f"{result.audited:,}"),
        ("labelled by the machine", f"{result.machine:,} ({share:.1%})"),
        ("trainings", f"{result.rounds}"),
        ("spent on labels", f"{result.label_spend:.2f}"),
        ("spent on compute", f"{result.compute_spend:.2f}"),
        ("spent in all", f"{result.spent:.2f}"),
        ("people alone would cost", f"{result.human_only:.2f}"),
        ("saved", f"{result.saving:.1%}"),
        ("errors in the machine's labels", f"{result.machine_errors} ({result.machine_error:.2%})"),
        ("error of the whole data set", f"{result.delivered_error:.2%}"),
        ("target (epsilon)", f"{result.epsilon:.2%}"),
        ("promise", result.promise or "none needed"),
        ("wall time", f"{seconds:.0f} s"),
    ]
    width = max(len(name) for name, _ in rows)
    return ["", *(f"  {name:<{width}}  {value:>21}" for name, value in rows), ""]
