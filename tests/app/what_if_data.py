"""A run whose state the engine really wrote, put into a project: for pages that plan with it."""

from __future__ import annotations

import json
from dataclasses import asdict
from decimal import Decimal
from functools import cache
from typing import Any

from labelapp.models import Iteration, LabelBatch, Project, ProjectCounter, Run
from mcal_engine import state_io
from mcal_engine.types import Target
from tests.engine.support import config, drive

N = 3_000


@cache
def steps(certificate: str = "audit", budget: float | None = None) -> list[tuple[Any, Any]]:
    """Return every (state, request) of a simulated run."""
    settings = config(N, seed=3)
    kind = type(settings.target.certificate)(certificate)
    target = Target(0.05, certificate=kind, budget=budget)
    return drive(type(settings)(**{**vars(settings), "target": target}))[1]


def saved(trainings: int, phase: str = "label") -> dict[str, Any]:
    """Return the state after so many trainings, in this phase."""
    state = next(s for s, _ in steps() if len(s.records) == trainings and s.phase == phase)
    return json.loads(state_io.dump(state))


def last_phase(phase: str) -> dict[str, Any]:
    """Return the last state of this phase: audit, machine, residual, finished."""
    return json.loads(state_io.dump([s for s, _ in steps() if s.phase == phase][-1]))


def run(project: Project, state: dict[str, Any] | int = 5) -> Run:
    """Put a run into the project, people labelling: after so many trainings, or at this state."""
    state = saved(state) if isinstance(state, int) else state
    inner = state["state"]
    records = state_io.load(json.dumps(state)).records
    last = records[-1] if records else None
    Project.objects.filter(pk=project.pk).update(status=Project.Status.RUNNING)
    ProjectCounter.objects.filter(project=project).update(
        images=N,
        train=last.train_size if last else 0,
        test=last.test_size if last else 0,
        label_spend=Decimal(str(round(inner["spent_labels"], 6))),
        compute_spend=Decimal(str(round(inner["spent_compute"], 6))),
    )
    project.refresh_from_db()
    made = Run.objects.create(
        project=project,
        n=N,
        config=inner["config"],
        state=state,
        waiting_for=inner["waiting_for"],
        request_kind="label",
        iteration=inner["iteration"],
    )
    LabelBatch.objects.create(
        run=made,
        project=project,
        request_id=inner["waiting_for"],
        iteration=inner["iteration"],
        purpose="train",
        size=60,
        remaining=40,
    )
    for record in records:
        Iteration.objects.create(
            run=made,
            number=record.number,
            train_size=record.train_size,
            delta=record.delta,
            record=json.loads(json.dumps(asdict(record))),
            plan=inner["plan"] if record is last else None,
            seconds=record.train_seconds,
            dollars=Decimal(0),
        )
    return made
