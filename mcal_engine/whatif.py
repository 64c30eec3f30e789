"""What if: the plan that the last training's counts give under other prices or another target.

Curves depend on what was counted on T, never on prices, epsilon or budget. So they are fitted once
per training (`basis`), and each question is weighed with them as the run itself weighs them
(`planner.weigh`): with the present settings an answer is the run's own plan, to the cent. What was
bought stays bought: `committed` is the same in every answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor

import numpy as np

from mcal_engine import (
    auditing,
    charts,
    costs,
    delivery,
    guarantees,
    measuring,
    planner,
    race,
    rules,
    selection,
    situation,
)
from mcal_engine.curves import Curves
from mcal_engine.planner import Present, Situation, Weighed
from mcal_engine.types import (
    FloatArray,
    Interval,
    IterationRecord,
    McalState,
    Plan,
    Prices,
    RunConfig,
    Target,
)
from mcal_engine.validation import validate


@dataclass(frozen=True)
class Asked:
    """The settings of a question; those of the run itself where nothing is asked."""

    prices: Prices
    target: Target


@dataclass(frozen=True)
class View:
    """One network that is still in the race: what was measured of it, and its fitted curves.

    `counted` are the sets that T judged at its last training (certificate B walks over them).
    """

    arch: str
    now: Situation
    counted: guarantees.Candidates
    drawn: Curves


@dataclass(frozen=True)
class Basis:
    """All that plans are made from after a training; `state` is the run's, without pictures.

    `attempts` are the audits that count before the next one: all that began, but for one that goes
    on and is the plan's own. `checking`: such a one goes on now.
    """

    state: McalState
    views: tuple[View, ...]
    attempts: int
    checking: bool

    @property
    def asked(self) -> Asked:
        """The settings that the run has now."""
        return Asked(self.state.config.prices, self.state.config.target)

    @property
    def committed(self) -> float:
        """Dollars spent on labels and computing when the state was written."""
        return self.state.spent_labels + self.state.spent_compute


@dataclass(frozen=True)
class Answer:
    """A plan in figures. Money in dollars, sizes in images, errors as shares of X.

    `total`, `b_opt` are None before a forecast is possible; everything else then speaks of
    stopping now. `machine` images keep a machine label in the end, `people` are all labels that
    people will have given, those bought already included. `bound` is the share of wrong labels
    that the target allows among all labels, at that size of S; `error` the share to be expected.
    `steps` trainings are still to come (0: stop now), taking `seconds`. `forced`: the budget does
    not pay for the promise. `nothing` says why the machine labels nothing. `decision` is what the
    engine would have decided after its last training, `because` its facts. `grid_*` draw C(B).
    Of what is still to come, `audit` labels go into the audit of S and `compute` dollars into
    training, both as `total` counts them. `stop_forced`: the budget chose what stopping now stores.
    """

    arch: str
    human_only: float
    committed: float
    total: Interval | None
    b_opt: Interval | None
    steps: int
    seconds: float
    machine: Interval
    people: Interval
    error: float
    bound: float
    stop_cost: float
    stop_machine: int
    stop_error: float
    forced: bool
    nothing: str
    decision: str
    because: dict[str, str | float]
    grid_b: tuple[int, ...] = ()
    grid_total: tuple[float, ...] = ()
    audit: float = 0.0
    compute: float = 0.0
    stop_forced: bool = False

    @property
    def cost(self) -> float:
        """The final total: of the plan, or of stopping now where there is none yet."""
        return self.stop_cost if self.total is None else self.total.value


# --- what is known ----------------------------------------------------------------------------


def basis(state: McalState, device: str = "") -> Basis | None:
    """Return what plans are made from, curves fitted; None before the first training.

    `device` is the kind that trains, where prices differ by kind. Rows that were written before
    records kept sizes and marks are completed as well as they allow (to a few images).
    """
    if not state.records:
        return None
    seen = {record.arch for record in state.records}
    live = [arch for arch in state.live if arch in seen or "" in seen]  # others have just joined
    if not live:
        return None
    views = [_view(state, arch, device) for arch in live]
    own = _own_audit(state)
    checking = own and state.phase == "audit"
    return Basis(replace(state, plan=None), tuple(views), state.attempts - own, checking)


def _own_audit(state: McalState) -> bool:
    """Tell whether an audit is under way, or over, that the last plan led to.

    One that a change, new images or a stop taken back has ended counts as an attempt: the next
    plan is made with the smaller share of alpha that is left.
    """
    return state.audit is not None and state.audit.ended not in auditing.REPLANNED


def _view(state: McalState, arch: str, device: str) -> View:
    records = tuple(record for record in state.records if record.arch in {arch, ""})
    last = records[-1]
    marked = last.test_size if last.marked is None else last.marked
    known = last.train_size + marked + last.ahead + last.remainder
    now = Situation(
        config=state.config,
        records=records,
        n=state.config.n if last.marked is None else known,
        trained=last.train_size,
        marked=marked,
        spent=0.0,
        live=measuring.compared(state),
        device=device,
        ahead=last.ahead,
    )
    return View(arch, now, _counted(state.config, now.n, last), situation.fitted(now))


def _counted(config: RunConfig, n: int, last: IterationRecord) -> guarantees.Candidates:
    ranking = guarantees.ranking(config.target.criterion)
    guessed = np.floor(selection.machine_sizes(n, last.remainder, ranking)).astype(np.int64)
    sizes = last.sizes or tuple(guessed.tolist())
    return guarantees.Candidates(n, last.thresholds, sizes, last.test_counts, last.test_errors)


# --- an answer --------------------------------------------------------------------------------


def answer(known: Basis, asked: Asked | None = None) -> Answer:
    """Return the plan under other settings; under the run's own where nothing is asked.

    Raises `InvalidConfigError` for settings that make no sense.
    """
    return _told(known, _asked(known, known.asked if asked is None else asked))


def present(known: Basis) -> tuple[Answer, Plan | None]:
    """Return the answer under the run's own settings, and its plan with all that pages draw.

    The plan is the run's own, to the cent, as long as nothing has changed since its last training;
    after a change it is what the next plan would be if nothing more was measured.
    """
    made = _asked(known, known.asked)
    plan = made.plan
    if plan is not None and plan.grid_b:
        plan = charts.with_curves(plan, made.now, made.drawn)
    return _told(known, made), plan


def _asked(known: Basis, asked: Asked) -> _Made:
    own = known.asked
    config = replace(known.state.config, prices=asked.prices, target=asked.target)
    validate(config)
    begun = known.attempts + int(known.checking and asked.target != own.target)
    looks = {view.arch: _posed(known.state, view, config, begun) for view in known.views}
    drawn = {view.arch: view.drawn for view in known.views}
    weighed = {arch: planner.weigh(now, drawn[arch]) for arch, now in looks.items()}
    first = race.leader({arch: found.totals for arch, found in weighed.items()})
    view = next(view for view in known.views if view.arch == first)
    view = replace(view, now=looks[first])
    return _decided(known.state, view, weighed[first], same=asked == own)


def _posed(state: McalState, view: View, config: RunConfig, attempts: int) -> Situation:
    """Put the view under other settings. Sunk money is never valued again, as in `measuring`."""
    walk = guarantees.EMPTY
    if not guarantees.is_audited(config.target):
        walk = guarantees.walk(view.counted, config.target, view.now.live)
    repriced = state.spent_labels - state.bought * config.prices.label
    spent = state.spent_compute + repriced
    return replace(view.now, config=config, spent=spent, walk=walk, attempts=attempts)


@dataclass(frozen=True)
class _Made:
    arch: str
    now: Situation
    drawn: Curves
    weighed: Weighed
    plan: Plan | None
    sentence: str
    facts: dict[str, str | float]


def _decided(state: McalState, view: View, weighed: Weighed, *, same: bool) -> _Made:
    """Let the rules decide as after the last training; a change takes back a vote to stop."""
    before = replace(state, plan=state.previous_plan, stop_votes=0)
    made = rules.decide(view.now, before, weighed)
    last, known = view.now.records[-1], (view.arch, view.now, view.drawn, weighed, made.plan)
    if same and last.decision:
        return _Made(*known, last.decision, last.because)
    return _Made(*known, made.sentence, made.facts)


def _told(known: Basis, made: _Made) -> Answer:
    now, plan, stop, weighed = made.now, made.plan, made.weighed.present, made.weighed
    machine, error, audited = _delivered(now, made.drawn, plan, weighed)
    size = floor(machine.value)
    forced = weighed.forced or (plan is None and stop.forced)  # else only stopping now is
    return Answer(
        arch=made.arch,
        human_only=planner.human_only_cost(now.config, now.n)
        + known.state.spent_labels
        - known.state.bought * now.price,
        committed=known.committed,
        total=None if plan is None else plan.c_star,
        b_opt=None if plan is None else plan.b_opt,
        steps=0 if plan is None else plan.steps,
        seconds=_seconds(now, plan),
        machine=machine,
        people=_others(now.n, machine),
        error=error,
        bound=_bound(now, size, error, forced=forced),
        stop_cost=stop.cost,
        stop_machine=stop.size,
        stop_error=stop.error,
        forced=forced,
        nothing="" if size else rules.nothing_fits(now, stop),
        decision=made.sentence,
        because=made.facts,
        grid_b=() if plan is None else plan.grid_b,
        grid_total=() if plan is None else plan.grid_total,
        audit=audited,
        compute=0.0 if plan is None or plan.steps == 0 else _computed(now, plan) - now.spent,
        stop_forced=stop.forced,
    )


def _delivered(
    now: Situation, drawn: Curves, plan: Plan | None, weighed: Weighed
) -> tuple[Interval, float, float]:
    """Return |S| in the end, the share of X expected to be wrong, and the labels of S's audit."""
    stop = weighed.present
    if plan is None or plan.steps == 0:
        return _standing(now, stop), stop.error, float(stop.audit)
    at = np.array([plan.b_opt.value])
    marked, remainder = (float(found[0]) for found in situation.pool_at(now, at))
    if weighed.forced:
        spare = plan.c_star.value - _computed(now, plan)
        labels = floor(spare / now.price + 1e-9)
        size = float(now.n - labels)
        tried = floor(stop.audit_share * max(labels - plan.b_opt.value - marked, 0.0))
        return _around(size, np.array([size])), weighed.error, float(tried)
    found = delivery.deliver(now, drawn, at)
    draws, chosen = found.machine[:, 0], np.floor(found.share[:, 0] * remainder)
    wrong = float(found.wrong.mean()) / max(now.n, 1)
    audited = float((chosen - draws).mean()) if now.audited else 0.0
    return _around(float(draws.mean()), draws), wrong, max(audited, 0.0)


def _standing(now: Situation, stop: Present) -> Interval:
    """Return |S| if stopped now, per draw from what stopping costs."""
    if now.price == 0:
        return _around(0.0, np.zeros(1))
    return _around(float(stop.size), now.n - (stop.totals - now.spent) / now.price)


def _around(value: float, draws: FloatArray) -> Interval:
    low95, low80, high80, high95 = (float(q) for q in np.quantile(draws, [0.025, 0.1, 0.9, 0.975]))
    return Interval(
        value, min(low80, value), max(high80, value), min(low95, value), max(high95, value)
    )


def _others(n: int, machine: Interval) -> Interval:
    """Return the images that are not the machine's."""
    return Interval(
        n - machine.value,
        n - machine.high80,
        n - machine.low80,
        n - machine.high95,
        n - machine.low95,
    )


def _computed(now: Situation, plan: Plan) -> float:
    """Return compute dollars, sunk money included, once the plan is carried out."""
    return float(situation.compute_to(now, np.array([plan.b_opt.value]), 1)[0])


def _seconds(now: Situation, plan: Plan | None) -> float:
    if plan is None or plan.steps == 0:
        return 0.0
    model = costs.fit_compute(now.records, now.config.cost_model)
    return float(model.path_seconds(now.trained, np.array([plan.b_opt.value]), plan.steps)[0])


def _bound(now: Situation, size: int, error: float, *, forced: bool) -> float:
    """Return what the promise allows; where the budget forces S, only an expectation is left."""
    if forced:
        return error
    epsilon = now.config.target.epsilon
    return guarantees.allowance(epsilon, now.n, size) / max(now.n, 1)
