"""The bridge's part for "what if": a saved run state and other terms -> the plan they give.

A web process answers these itself, in some 40 ms: the curves of a run are fitted once per version
and kept, so is what was answered before. NumPy and the engine are imported when the first question
comes, never for another page.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from labelapp.models import Run

if TYPE_CHECKING:
    from mcal_engine import whatif

KEPT_RUNS, KEPT_ANSWERS = 16, 256
Key = tuple[str, int]
T = TypeVar("T")
_UNKNOWN: Any = object()
REPLANNED = (
    "the error target was changed",
    "images were added to the pool",
    "the wish to stop was taken back",
)
"""Ends of an audit after which the run plans anew; a test compares them with the engine's."""
_BASES: OrderedDict[Key, whatif.Basis | None] = OrderedDict()
_ANSWERS: OrderedDict[tuple[Key, Terms | None], dict[str, Any]] = OrderedDict()
_PLANS: OrderedDict[Key, dict[str, Any] | None] = OrderedDict()


@dataclass(frozen=True)
class Terms:
    """What a question changes. `label` is the price of an image, all its answers included."""

    label: float
    compute_per_hour: float
    epsilon: float
    alpha: float
    budget: float | None


class SenselessError(Exception):
    """The engine does not accept these terms; the message says why."""


def answered(run: Run, project: str, terms: Terms | None) -> dict[str, Any] | None:
    """Return the plan under these terms as plain values, under the run's own for None.

    None before the first training. `run` may come without its state: it is read where it is not
    known yet. Raises SenselessError.
    """
    key = (project, run.version)
    basis = _kept(_BASES, key, KEPT_RUNS, lambda: _basis(run))
    if basis is None:
        return None
    return _kept(_ANSWERS, (key, terms), KEPT_ANSWERS, lambda: _answer(basis, terms))


def own_terms(run: Run, project: str) -> Terms | None:
    """Return the terms that the run has, in its own figures; None before the first training."""
    key = (project, run.version)
    basis = _kept(_BASES, key, KEPT_RUNS, lambda: _basis(run))
    return None if basis is None else _terms(basis.asked)


def basis(run: Run, project: str) -> whatif.Basis | None:
    """Return what plans of this run are made from, curves fitted once; None before a training."""
    return _kept(_BASES, (project, run.version), KEPT_RUNS, lambda: _basis(run))


def present(run: Run, project: str) -> dict[str, Any] | None:
    """Return the plan under the settings that the run has now, as `planned` says it.

    Computed from the last training's counts and kept per version of the run; None before the
    first training, and where the state cannot be read.
    """
    from mcal_engine.errors import StateVersionError  # noqa: PLC0415

    key = (project, run.version)
    try:
        known = basis(run, project)
    except StateVersionError:  # no page may fail for a state that nobody can read
        return None
    return None if known is None else _kept(_PLANS, key, KEPT_RUNS, lambda: planned(known))


def planned(known: whatif.Basis) -> dict[str, Any]:
    """Return a plan as `Iteration.plan` keeps it: the engine's, with `answer` and `made_with`.

    `answer` are the figures that all pages share (`whatif.Answer`); before the third training
    they are all that there is.
    """
    from mcal_engine import whatif  # noqa: PLC0415

    answer, plan = whatif.present(known)
    found = {} if plan is None else asdict(plan)
    plain: dict[str, Any] = json.loads(json.dumps(found | {"answer": asdict(answer)}))
    return plain | {"made_with": None}


def planned_after(saved: dict[str, Any]) -> dict[str, Any] | None:
    """Return the plan of a state that was just saved after a training; None without a forecast."""
    from mcal_engine import state_io, whatif  # noqa: PLC0415

    stored: dict[str, Any] | None = saved["state"]["plan"]
    if stored is None:
        return None
    known = whatif.basis(state_io.load(json.dumps(saved)))
    if known is None:
        return stored
    answer = json.loads(json.dumps(asdict(whatif.answer(known))))
    return stored | {"answer": answer, "made_with": made_with(saved["state"])}


def made_with(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a plan depends on beside the counts of the trainings, of a state as JSON."""
    audit: dict[str, Any] = state.get("audit") or {}
    own = bool(audit) and audit["ended"] not in REPLANNED
    return {"config": state["config"], "attempts": int(state.get("attempts") or 0) - own}


def facts(run: Run, project: str) -> dict[str, Any]:
    """Return the phase of the run, and whether an audit goes on: what a change would mean."""
    key = (project, run.version)
    basis = _kept(_BASES, key, KEPT_RUNS, lambda: _basis(run))
    if basis is None:
        return {"phase": "", "checking": False, "points": 0}
    points = len(basis.views[0].now.records)
    return {"phase": basis.state.phase, "checking": basis.checking, "points": points}


def forget() -> None:
    """Forget what this process knows (tests)."""
    for known in (_BASES, _ANSWERS, _PLANS):
        known.clear()


def _kept(known: OrderedDict[Any, T], key: Any, most: int, make: Callable[[], T]) -> T:
    """Return what is known for the key, made where it is not; the oldest goes."""
    found = known.get(key, _UNKNOWN)
    if found is not _UNKNOWN:
        return cast("T", found)
    made = make()
    known[key] = made
    while len(known) > most:
        known.popitem(last=False)
    return made


def _basis(run: Run) -> whatif.Basis | None:
    from mcal_engine import state_io, whatif  # noqa: PLC0415

    state = Run.objects.values_list("state", flat=True).get(pk=run.pk)
    return whatif.basis(state_io.load(json.dumps(state))) if "state" in state else None


def _answer(basis: whatif.Basis, terms: Terms | None) -> dict[str, Any]:
    from mcal_engine import whatif  # noqa: PLC0415
    from mcal_engine.errors import InvalidConfigError  # noqa: PLC0415

    try:
        found = whatif.answer(basis, None if terms is None else _asked(basis, terms))
    except InvalidConfigError as error:
        raise SenselessError(str(error)) from error
    return asdict(found) | {"cost": found.cost}


def _terms(asked: whatif.Asked) -> Terms:
    return Terms(
        label=asked.prices.label,
        compute_per_hour=asked.prices.compute_per_hour,
        epsilon=asked.target.epsilon,
        alpha=asked.target.alpha,
        budget=asked.target.budget,
    )


def _asked(basis: whatif.Basis, terms: Terms) -> whatif.Asked:
    from mcal_engine import whatif  # noqa: PLC0415

    own = basis.asked
    prices = replace(own.prices, label=terms.label, compute_per_hour=terms.compute_per_hour)
    target = replace(own.target, epsilon=terms.epsilon, alpha=terms.alpha, budget=terms.budget)
    return whatif.Asked(prices, target)
