"""What the run will cost, and what stopping now would: one answer, which every page shows.

The plan is the one of the last training as long as nothing has changed since. After a change (other
prices, another target, classes, a check that ended early, a project opened again) it is made anew
from what that training counted, as "what if" makes it (`labelapp.engine_what_if.present`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F

from labelapp import engine_what_if, pricing
from labelapp.models import LabelBatch, Project, ProjectCounter, Run

Plan = dict[str, Any]
PARTS = ("config", "attempts", "audit", "live", "phase")
STOPS = ("stop", "audit")
CHOSEN = frozenset({"audit", "machine", "residual", "finished"})
"""Phases, and purposes of batches, in which the last model is trained."""
DIGITS = 6  # of sums, so that no page rounds half a cent another way
TERMS = ("prices", "target")
METHODS = (
    *("arch", "rivals", "acquisition", "confidence", "max_rounds"),
    *("fixed_delta", "weighing", "training"),
)


def state_parts(prefix: str = "") -> dict[str, F]:
    """Return annotations with what of a run's state is read here; `prefix` leads to the run."""
    parts = {f"now_{name}": F(f"{prefix}state__state__{name}") for name in PARTS}
    return parts | {
        "now_schema": F(f"{prefix}state__schema_version"),
        "now_steps": F(f"{prefix}state__state__plan__steps"),  # None: there is no plan
    }


@dataclass(frozen=True)
class State:
    """The parts of a run's state that a plan depends on. `known` only of a real state."""

    known: bool = False
    planned: bool = False
    config: dict[str, Any] = field(default_factory=dict)
    attempts: int = 0
    audit: dict[str, Any] | None = None
    live: tuple[str, ...] = ()
    phase: str = ""

    @classmethod
    def of(cls, row: Any) -> State:
        """Return them from a row that was annotated with `state_parts`."""
        found = {name: as_json(getattr(row, f"now_{name}")) for name in PARTS}
        return cls(
            known=row.now_schema is not None,
            planned=row.now_steps is not None,
            config=found["config"] or {},
            attempts=int(found["attempts"] or 0),
            audit=found["audit"],
            live=tuple(found["live"] or ()),
            phase=str(found["phase"] or ""),
        )


def as_json(found: Any) -> Any:
    """Return what a part of a JSON column holds: databases give it as text."""
    if not isinstance(found, str):
        return found
    try:
        return json.loads(found)
    except ValueError:
        return found


@dataclass(frozen=True)
class Total:
    """What it all costs in the end. The interval is None where the figure is exact, or has none.

    `kind`: plan (the cheapest plan), stop (a manager has asked to stop), rest (people label what
    is left), spent (all is done).
    """

    kind: str
    value: float
    interval: dict[str, float] | None = None


@dataclass(frozen=True)
class Outlook:
    """What is to come. `plan` and `answer` are the engine's (`Iteration.plan`); None before one.

    `changed`: what differs from the plan of the last training: terms, classes, methods, grown,
    check, reopened. `seconds`: of the training that a stop would still need, 0 where it needs none.
    """

    plan: Plan | None = None
    answer: dict[str, Any] | None = None
    changed: tuple[str, ...] = ()
    total: Total | None = None
    seconds: float = 0.0
    training: float = 0.0  # dollars of those seconds

    @property
    def stop(self) -> float | None:
        """What it costs in all if the run is stopped now, its last training included."""
        found = self.answer["stop_cost"] if self.answer else (self.plan or {}).get("stop_now")
        return None if found is None else round(float(found) + self.training, DIGITS)

    @property
    def stop_machine(self) -> int:
        """How many images the machine then labels."""
        if self.answer:
            return int(self.answer["stop_machine"])
        return int((self.plan or {}).get("machine_now") or 0)


@dataclass(frozen=True)
class Rows:
    """What an outlook is made of: rows that a page has read anyway.

    `last` are the records of the last training, the leader's first; `stored` its plan; `batch` the
    one that the run waits for.
    """

    project: Project
    counter: ProjectCounter
    run: Run | None
    state: State
    last: Sequence[dict[str, Any]] = ()
    stored: Plan | None = None
    batch: LabelBatch | None = None


def outlook(rows: Rows) -> Outlook:
    """Return what is to come of a run; an empty outlook before its first training."""
    plan, answer, changed = _present(rows)
    if answer is not None and rows.run is not None and rows.run.finished is None:
        taken = max(int(answer["stop_machine"]) - images_left(rows), 0)
        plan, answer = taken_by_people(plan, answer, taken, float(price_of(rows)))
    seconds = training_seconds(rows, changed)
    training = dollars(seconds, float(rows.project.compute_price_per_hour))
    found = Outlook(plan, answer, changed, None, seconds, training)
    return Outlook(plan, answer, changed, _total(rows, found), seconds, training)


def dollars(seconds: float, price_per_hour: float) -> float:
    """Return what so many seconds of computing cost."""
    return seconds * price_per_hour / 3600


# --- the plan -------------------------------------------------------------------------------------


def _present(rows: Rows) -> tuple[Plan | None, dict[str, Any] | None, tuple[str, ...]]:
    """Return plan, figures, and what changed since the last training."""
    run, state, stored = rows.run, rows.state, rows.stored
    if run is None or not rows.last:
        return None, None, ()
    answer = (stored or {}).get("answer")
    if not state.known or run.finished is not None:  # a run that is over plans no more
        return stored, answer, ()
    changed = _changes(state, stored)
    if changed is not None and not changed:
        return stored, answer, ()
    found = engine_what_if.present(run, rows.project.public_id)
    if found is None:
        return stored, answer, ()
    plan = found if found.get("c_star") else None
    return plan, found["answer"], changed or ()


def _changes(state: State, stored: Plan | None) -> tuple[str, ...] | None:
    """Return what differs from the settings that a plan was made with; None: nobody knows."""
    made = (stored or {}).get("made_with")
    if made is None:
        return None
    now = engine_what_if.made_with(
        {"config": state.config, "attempts": state.attempts, "audit": state.audit}
    )
    if now == made and state.planned:
        return ()
    before, after = made["config"], now["config"]
    differs = {name for name in after if before.get(name) != after[name]}
    found = [] if state.planned else ["reopened"]
    found += ["terms"] if differs & set(TERMS) else []
    found += ["classes"] if "classes" in differs else []
    found += ["methods"] if differs & set(METHODS) else []
    found += ["grown"] if "n" in differs else []
    found += ["check"] if now["attempts"] != made["attempts"] else []
    return tuple(found) or None


def taken_by_people(
    plan: Plan | None, answer: dict[str, Any], taken: int, price: float
) -> tuple[Plan | None, dict[str, Any]]:
    """Return both without `taken` images that the model would label, but people have by now.

    An audit that ended early has looked at some of them: their labels are paid.
    """
    if not taken:
        return plan, answer
    more, size = taken * price, int(answer["stop_machine"]) - taken
    answer = answer | {"stop_machine": size, "stop_cost": answer["stop_cost"] + more}
    if not answer["steps"] and answer["total"] is not None:  # the plan is to stop
        answer["total"] = _shifted(answer["total"], more)
        answer["machine"] = _shifted(answer["machine"], -taken)
        answer["people"] = _shifted(answer["people"], taken)
    if plan is not None:
        stop = {"stop_now": plan["stop_now"] + more, "machine_now": size}
        plan = plan | stop | {"c_star": answer["total"] or plan["c_star"]}
    return plan, answer


def _shifted(interval: dict[str, float], by: float) -> dict[str, float]:
    return {name: value + by for name, value in interval.items()}


# --- the last training ----------------------------------------------------------------------------


def training_seconds(rows: Rows, changed: Sequence[str] = ()) -> float:
    """Return about how long the training takes that a stop still needs: as long as the last one.

    None is needed where nobody has labelled anything for the model since it was trained, and
    while it is being checked.
    """
    if not rows.last or not _needs_training(rows, changed):
        return 0.0
    live = rows.state.live
    going = [one for one in rows.last if not live or one.get("arch", "") in {"", *live}]
    return sum(map(_seconds, going or rows.last[:1]))


def _seconds(record: dict[str, Any]) -> float:
    return float(record.get("train_seconds") or 0) + float(record.get("score_seconds") or 0)


def _needs_training(rows: Rows, changed: Sequence[str]) -> bool:
    run, batch = rows.run, rows.batch
    if run is None or run.finished is not None or rows.counter.machine:
        return False
    if run.request_kind == "train":
        return True
    if rows.state.phase in CHOSEN or (batch is not None and batch.purpose in CHOSEN):
        return False
    if batch is None or batch.purpose != "train" or {"check", "reopened"} & set(changed):
        return True  # what was checked, or labelled at the end, has joined B
    if run.wish in STOPS and batch.size:
        return True  # what was left of the batch was on somebody's screen
    return batch.remaining < batch.size or bool(rows.last[0].get("ahead"))


# --- the total ------------------------------------------------------------------------------------


def _total(rows: Rows, found: Outlook) -> Total | None:
    run, counter = rows.run, rows.counter
    spent = float(counter.label_spend + counter.compute_spend)
    if run is not None and run.finished is not None:
        return Total("spent", spent)
    if run is not None and people_label_the_rest(rows):
        running = found.training if run.request_kind == "train" else 0.0
        rest = images_left(rows) * float(price_of(rows))
        return Total("rest", round(spent + running + rest, DIGITS))
    if run is not None and run.wish in STOPS and found.stop is not None:
        return Total("stop", found.stop)
    if found.plan is None:
        return None
    star = found.plan["c_star"]
    return Total("plan", float(star["value"]), star)


def people_label_the_rest(rows: Rows) -> bool:
    """Tell whether it is settled what the machine labels: people do what is left."""
    if rows.run is None:
        return False
    residual = rows.batch is not None and rows.batch.purpose == "residual"
    return residual or rows.run.wish == "by_hand" or rows.state.phase in {"machine", "residual"}


def images_left(rows: Rows) -> int:
    """Return how many images have no label of anybody."""
    counter = rows.counter
    n = rows.run.n if rows.run else counter.images
    done = counter.excluded + counter.machine + pricing.images_by_people(counter)
    return max(n - done, 0)


def price_of(rows: Rows) -> Any:
    """Return what one image costs when people label it (Decimal), as the run plans with it."""
    prices = rows.run.config.get("prices", {}) if rows.run else {}
    return pricing.as_planned(rows.project, prices.get("label"))
