"""What if: the plan under other terms beside the present one, in figures and in words.

Reads a handful of narrow rows; the engine answers from the curves of the last training
(`labelapp.engine_what_if`). Before the third training there is no forecast: then only what people
alone would cost, and what comes first.
"""

from __future__ import annotations

from copy import copy
from dataclasses import asdict, dataclass, fields, replace
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from labelapp import engine_what_if as engine
from labelapp import pricing
from labelapp.errors import InvalidInputError
from labelapp.models import LabelClass, Project, ProjectCounter, Run
from labelapp.selectors import what_if_words as words
from labelapp.selectors.dashboard_status import first_purchase
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

    @property
    def n(self) -> int:
        """The images that people could label."""
        return (self.run.n if self.run else self.counter.images) - self.counter.excluded

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
    run = Run.objects.defer("state").filter(project=project).first()
    counter = ProjectCounter.objects.get(project=project)
    asked = project.classes.filter(archived=False) if run is None else LabelClass.objects.none()
    return Known(project, counter, run, asked.count() if run is None else 0)


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
        "needs": words.needs(_trainings(known)),
        "changes": [words.change(name, present, wanted, currency) for name in found["changed"]],
        "obstacle": _obstacle(known, found["changed"], phase, may=may),
        "notes": words.notes(found, phase=phase, checking=checking, fixed=phase in FIXED_PHASES),
    }


# --- one side -------------------------------------------------------------------------------------


def _side(known: Known, wanted: Wanted) -> dict[str, Any]:
    """Return the figures of one plan: money in the project's currency, sizes in images."""
    price = _image_price(known, wanted)
    paid, left = known.counter.label_spend, max(known.n - known.done, 0)
    human_only = float(paid + left * price)
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
    }
    answer = _answer(known, wanted, price)
    return side if answer is None else side | _figures(answer, side)


def _figures(answer: dict[str, Any], side: dict[str, Any]) -> dict[str, Any]:
    saving = side["human_only"] - answer["cost"]
    done = side["done"]
    to_buy = {name: max(value - done, 0.0) for name, value in answer["people"].items()}
    return {
        **{
            name: answer[name]
            for name in (
                *("arch", "total", "b_opt", "steps", "seconds", "machine", "error", "bound"),
                *("stop_cost", "stop_machine", "stop_error", "forced", "nothing", "decision"),
                *("because", "cost", "grid_b", "grid_total"),
            )
        },
        "saving": saving,
        "saving_share": saving / side["human_only"] if side["human_only"] else 0.0,
        "to_buy": to_buy,
    }


def _answer(known: Known, wanted: Wanted, price: Decimal) -> dict[str, Any] | None:
    """Ask the engine; None before the first training."""
    if known.run is None or not known.run.iteration:
        return None
    run, project = known.run, known.project
    try:
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
    if known.run is None or not known.run.iteration:
        return "", False
    found = engine.facts(known.run, known.project.public_id)
    return str(found["phase"]), bool(found["checking"])


def _trainings(known: Known) -> int:
    if known.run is None or not known.run.iteration:
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
        return _("The run is finished: its promise was made with these settings.")
    if phase in FIXED_PHASES and set(changed) & set(TARGET):
        return _(
            "The machine's labels are chosen: the promise and the budget are fixed. Prices can "
            "still change."
        )
    if not changed:
        return _("These are the settings that the run has.")
    return ""
