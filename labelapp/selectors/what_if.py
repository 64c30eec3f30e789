"""What if: the plan under other terms beside the present one, in figures and in words.

Reads a handful of narrow rows; the engine answers from the curves of the last training
(`labelapp.engine_what_if`). Before the third training there is no forecast: then only what people
alone would cost, and what comes first.
"""

from __future__ import annotations

from copy import copy
from dataclasses import asdict, dataclass, fields, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _

from labelapp import engine_what_if as engine
from labelapp import pricing
from labelapp.errors import InvalidInputError
from labelapp.models import LabelBatch, Project, ProjectCounter, Run
from labelapp.selectors import what_if_words as words
from labelapp.selectors.dashboard_status import first_purchase
from labelapp.selectors.outlook import (
    DIGITS,
    Outlook,
    Rows,
    State,
    dollars,
    outlook,
    state_parts,
    taken_by_people,
)
from labelapp.selectors.outlook_words import changes, promised
from labelapp.selectors.what_if_rows import rows

FIXED_PHASES = ("machine", "residual", "finished")
"""Phases of a run in which the machine labels are chosen: the promise is made."""


@dataclass(frozen=True)
class Wanted:
    """What a question is about: the terms of a project that can change while its run goes on."""

    epsilon: float
    confidence: float
    price_per_label: Decimal
    compute_price_per_hour: Decimal
    overlap: int
    overlap_share: float
    budget: Decimal | None

    @classmethod
    def of(cls, project: Project) -> Wanted:
        """Return the terms that a project has."""
        return cls(**{field.name: getattr(project, field.name) for field in fields(cls)})


TARGET = ("epsilon", "confidence", "budget")
PEOPLE = ("price_per_label", "overlap", "overlap_share")


@dataclass(frozen=True)
class Known:
    """The rows that a comparison is made from. `run` comes without its state."""

    project: Project
    counter: ProjectCounter
    run: Run | None
    classes: int
    rows: Rows | None = None

    @cached_property
    def outlook(self) -> Outlook:
        """What every page says of what is to come."""
        return Outlook() if self.rows is None else outlook(self.rows)

    @property
    def kind(self) -> str:
        """What the total is of: plan, stop, rest, spent (`outlook.Total`); plan before one."""
        return self.outlook.total.kind if self.outlook.total else "plan"

    @property
    def images(self) -> int:
        """The images of the run, or of the project before it starts."""
        return self.run.n if self.run else self.counter.images

    @property
    def n(self) -> int:
        """The images that people could label."""
        return self.images - self.counter.excluded

    @property
    def done(self) -> int:
        """The images that people have labelled."""
        return pricing.images_by_people(self.counter)

    @property
    def image_price(self) -> Decimal:
        """What one image costs now, all its answers included."""
        prices = self.run.config.get("prices", {}) if self.run else {}
        return pricing.as_planned(self.project, prices.get("label"))

    @property
    def version(self) -> int:
        """The run's version, to be named when a change is applied; 0 before the start."""
        return self.run.version if self.run else 0


def gather(project: Project) -> Known:
    """Read what a comparison needs."""
    found = Run.objects.defer("state").annotate(**state_parts())
    run = found.filter(project=project).first()
    counter = ProjectCounter.objects.get(project=project)
    if run is None:
        return Known(project, counter, None, project.classes.filter(archived=False).count())
    last = run.iterations.only("record", "others", "plan").order_by("-number").first()
    rows = Rows(
        project,
        counter,
        run,
        State.of(run),
        last=[last.record, *(last.others or [])] if last else [],
        stored=last.plan if last else None,
        batch=run.batches.filter(request_id=run.waiting_for, state=LabelBatch.State.OPEN).first(),
    )
    return Known(project, counter, run, 0, rows)


def compare(known: Known, wanted: Wanted) -> dict[str, Any]:
    """Return the present plan, the one under the wanted terms, and their difference in words.

    Ready for JSON. Raises InvalidInputError for terms that the engine does not accept.
    """
    present = Wanted.of(known.project)
    now, asked = _side(known, present), _side(known, wanted)
    changed = [
        f.name for f in fields(Wanted) if getattr(present, f.name) != getattr(wanted, f.name)
    ]
    return {
        "version": known.version,
        "currency": known.project.currency,
        "forecast": now["total"] is not None,
        "kind": known.kind,
        "changed": changed,
        "present": _plain(present),
        "wanted": _plain(wanted),
        "now": now,
        "asked": asked,
    }


def in_words(known: Known, wanted: Wanted, found: dict[str, Any], *, may: bool) -> dict[str, Any]:
    """Return what the page says of a comparison. `may`: this person may change the run."""
    present = Wanted.of(known.project)
    phase, checking = _stage(known)
    currency = known.project.currency
    return {
        "headline": words.headline(found),
        "verdict": words.verdict(found),
        "rows": rows(found),
        "decision": words.decision(found),
        "needs": "" if known.kind == "spent" else words.needs(_trainings(known)),
        "changes": [words.change(name, present, wanted, currency) for name in found["changed"]],
        "obstacle": _obstacle(known, found["changed"], phase, may=may),
        "since": changes(known.outlook.changed),
        "notes": words.notes(found, phase=phase, checking=checking, fixed=phase in FIXED_PHASES),
    }


# --- one side -------------------------------------------------------------------------------------


def _side(known: Known, wanted: Wanted) -> dict[str, Any]:
    """Return the figures of one plan: money in the project's currency, sizes in images."""
    price = _image_price(known, wanted)
    paid, left = known.counter.label_spend, max(known.n - known.done, 0)
    human_only = float(pricing.people_alone(known.counter, known.images, price))
    first = first_purchase(known.n, known.classes) if known.run is None and known.n else 0
    side: dict[str, Any] = {
        "image_price": float(price),
        "human_only": human_only,
        "n": known.n,
        "done": known.done,
        "spent": float(paid + known.counter.compute_spend),
        "first_images": first,
        "first_cost": float(first * price),
        "total": None,
        "stop_cost": None,
        "kind": known.kind,
        "promised": promised(known.project, wanted.confidence),
    }
    if known.kind == "spent":
        over = {"cost": side["spent"], "machine": _exactly(known.counter.machine)}
        return side | over | {"to_buy": _exactly(0)} | _saved(side, side["spent"])
    answer = _answer(known, wanted, price)
    if answer is None:
        return side
    taken = max(int(answer["stop_machine"]) - max(left - known.counter.machine, 0), 0)
    answer = taken_by_people(None, answer, taken, float(price))[1]
    found = side | _figures(known, answer, side, wanted)
    return found if known.kind == "plan" else found | _headed(known, found, left * price)


NAMED = (
    *("arch", "total", "b_opt", "steps", "seconds", "machine", "error", "bound", "stop_cost"),
    *("stop_machine", "stop_error", "forced", "nothing", "decision", "because", "cost"),
    *("grid_b", "grid_total"),
)


def _figures(
    known: Known, answer: dict[str, Any], side: dict[str, Any], wanted: Wanted
) -> dict[str, Any]:
    """Return the engine's figures; stopping now with the training that it would still need."""
    done, seconds = side["done"], known.outlook.seconds
    training = dollars(seconds, float(wanted.compute_price_per_hour))
    to_buy = {name: max(value - done, 0.0) for name, value in answer["people"].items()}
    stop = round(answer["stop_cost"] + training, DIGITS)
    cost = stop if answer["total"] is None else answer["total"]["value"]
    figures = {name: answer[name] for name in NAMED if name != "cost"}
    figures |= {"cost": cost, "stop_cost": stop}
    return figures | {"training": training, "to_buy": to_buy} | _saved(side, cost)


def _saved(side: dict[str, Any], cost: float) -> dict[str, float]:
    saving = side["human_only"] - cost
    share = saving / side["human_only"] if side["human_only"] else 0.0
    return {"saving": saving, "saving_share": share}


def _headed(known: Known, found: dict[str, Any], rest: Decimal) -> dict[str, Any]:
    """Return what a run comes to that does not go on as planned: stopped, or left to people."""
    machine, cost = known.counter.machine, found["spent"] + float(rest)
    error, seconds = found["error"] if machine else 0.0, 0.0
    if known.kind == "stop":
        seconds = known.outlook.seconds
        machine, cost, error = found["stop_machine"], found["stop_cost"], found["stop_error"]
    else:
        running = known.run is not None and known.run.request_kind == "train"
        cost += running * found["training"] - machine * found["image_price"]
    people, cost = max(known.n - known.done - machine, 0), round(cost, DIGITS)
    return {
        "cost": cost,
        "total": found["total"] and _exactly(cost),
        "machine": _exactly(machine),
        "error": error,
        "to_buy": _exactly(people),
        "steps": int(seconds > 0),
        "seconds": seconds,
        **_saved(found, cost),
    }


def _exactly(value: float) -> dict[str, float]:
    names = ("value", "low80", "high80", "low95", "high95")
    return dict.fromkeys(names, float(value))


def _answer(known: Known, wanted: Wanted, price: Decimal) -> dict[str, Any] | None:
    """Ask the engine; None before the first training."""
    if known.run is None or not known.run.iteration:
        return None
    run, project = known.run, known.project
    try:
        if wanted == Wanted.of(project) and known.outlook.answer:
            return known.outlook.answer
        if wanted == Wanted.of(project):
            return engine.answered(run, project.public_id, None)
        own = engine.own_terms(run, project.public_id)
        if own is None:
            return None
        terms = _terms(own, Wanted.of(project), wanted, float(price))
        return engine.answered(run, project.public_id, terms)
    except engine.SenselessError as error:
        raise InvalidInputError(
            _("These settings cannot be used: %(error)s.") % {"error": error}
        ) from error


def _terms(own: engine.Terms, present: Wanted, wanted: Wanted, price: float) -> engine.Terms:
    """Change only what differs: the run's own figures may differ from the project's in digits."""
    values: dict[str, Any] = {}
    if any(getattr(present, name) != getattr(wanted, name) for name in PEOPLE):
        values["label"] = price
    if present.compute_price_per_hour != wanted.compute_price_per_hour:
        values["compute_per_hour"] = float(wanted.compute_price_per_hour)
    if present.epsilon != wanted.epsilon:
        values["epsilon"] = wanted.epsilon
    if present.confidence != wanted.confidence:
        values["alpha"] = float(1 - Decimal(str(wanted.confidence)))
    if present.budget != wanted.budget:
        values["budget"] = None if wanted.budget is None else float(wanted.budget)
    return replace(own, **values)


def _image_price(known: Known, wanted: Wanted) -> Decimal:
    """Return the price of an image, all answers included.

    Where people who disagree bring further answers, what was measured of that is kept.
    """
    present, project = Wanted.of(known.project), known.project
    if all(getattr(present, name) == getattr(wanted, name) for name in PEOPLE):
        return known.image_price
    posed = copy(project)
    for name in PEOPLE:
        setattr(posed, name, getattr(wanted, name))
    nothing = (Decimal(0), 0)
    price = pricing.per_image(posed, nothing)
    if pricing.is_adaptive(project) and pricing.is_adaptive(posed):
        guessed = pricing.per_image(project, nothing)
        price *= known.image_price / guessed if guessed else 1
    return price.quantize(pricing.DIGITS)


def _plain(wanted: Wanted) -> dict[str, Any]:
    return {
        name: float(value) if isinstance(value, Decimal) else value
        for name, value in asdict(wanted).items()
    }


# --- may it be applied ----------------------------------------------------------------------------


def _stage(known: Known) -> tuple[str, bool]:
    if known.run is None or not known.run.iteration or known.run.finished is not None:
        return "", False
    found = engine.facts(known.run, known.project.public_id)
    return str(found["phase"]), bool(found["checking"])


def _trainings(known: Known) -> int:
    if known.run is None or not known.run.iteration or known.run.finished is not None:
        return 0
    return int(engine.facts(known.run, known.project.public_id)["points"])


def _obstacle(known: Known, changed: list[str], phase: str, *, may: bool) -> str:
    """Say why these terms cannot be applied; empty where they can."""
    if not may:
        return _("Only managers and the owner may change the run. You can look at every plan.")
    if known.project.archived_at is not None:
        return _("This project is archived. Bring it back first.")
    if known.run is None:
        return _("The run has not started: change the project's settings instead.")
    if known.run.finished is not None:
        return _("The run is finished: open the project again under Steer to change it.")
    if phase in FIXED_PHASES and set(changed) & set(TARGET):
        return _(
            "The machine's labels are chosen: the promise and the budget are fixed. Prices can "
            "still change."
        )
    if not changed:
        return _("These are the settings that the run has.")
    return ""
