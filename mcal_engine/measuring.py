"""What one training showed: counts on T, the record of the iteration, what a plan is made from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mcal_engine import (
    budgets,
    costs,
    guarantees,
    planner,
    race,
    rules,
    selection,
    situation,
    stopping,
)
from mcal_engine.types import (
    IterationRecord,
    Labelled,
    McalState,
    Measured,
    Pool,
    Scores,
    Stored,
    Trained,
)

DIGITS = 6  # of a record's thresholds, so that a saved state stays small
ENOUGH_MARKS = 300


@dataclass(frozen=True)
class Look:
    """One architecture after its training: its model, the counts on T, the planner's view."""

    model: Measured
    judged: guarantees.Candidates
    now: planner.Situation


Within = tuple[Look, planner.Present]
"""(the last training's view, what the budget leaves to the machine)"""


def paid(state: McalState, pool: Pool) -> McalState:
    """Book the labels bought since the last look, at today's price."""
    bought = int((pool.labels >= 0).sum())
    dollars = (bought - state.bought) * state.config.prices.label
    return replace(state, bought=bought, spent_labels=state.spent_labels + dollars)


def charged(state: McalState, answer: Trained) -> McalState:
    """Book the computing of every architecture that was trained, at today's price."""
    dollars = sum(
        costs.compute_dollars(m.train_seconds + m.score_seconds, state.config.prices, m.device)
        for m in answer.models
    )
    return replace(paid(state, answer.pool), spent_compute=state.spent_compute + dollars)


def booked(state: McalState, answer: Labelled | Trained | Stored) -> McalState:
    """Book what an answer brought: labels, and the computing of a training."""
    return charged(state, answer) if isinstance(answer, Trained) else paid(state, answer.pool)


def look(state: McalState, pool: Pool, model: Measured) -> Look:
    """Count a model's errors on T and put them beside the earlier ones of its architecture."""
    earlier = tuple(r for r in state.records if r.arch == model.arch)
    return _look(state, pool, model, (*earlier, _record(state, pool, model, earlier)))


def look_again(state: McalState, pool: Pool, scores: Scores) -> Look:
    """Return the view of the last training once more, after images have moved into B."""
    records = tuple(r for r in state.records if r.arch == state.live[0])
    last = records[-1]
    model = Measured(last.arch, scores, last.train_seconds, last.score_seconds, last.samples_shown)
    record = replace(_record(state, pool, model, records[:-1]), number=last.number)
    found = _look(state, pool, model, (*records[:-1], record))
    others = (tuple(r for r in state.records if r.arch == arch) for arch in state.live[1:])
    return replace(found, now=replace(found.now, along=tuple(filter(None, others))))


def _look(
    state: McalState, pool: Pool, model: Measured, records: tuple[IterationRecord, ...]
) -> Look:
    """Sunk money is never re-valued: what labels cost above today's price is in `spent`."""
    config, last = state.config, records[-1]
    judged = guarantees.judged_candidates(pool, model.scores, config)
    walk = guarantees.EMPTY
    if not guarantees.is_audited(config.target):
        walk = guarantees.walk(judged, config.target, compared(state))
    repriced = state.spent_labels - state.bought * config.prices.label
    now = planner.Situation(
        config=config,
        records=records,
        n=judged.n,
        trained=last.train_size,
        marked=int((pool.test & ~pool.excluded).sum()),
        ahead=int((pool.ahead & ~pool.excluded).sum()),
        checked=int((pool.remainder & (pool.labels >= 0)).sum()),
        spent=state.spent_compute + repriced,
        walk=walk,
        attempts=state.attempts,
        live=compared(state),
        device=model.device,
    )
    return Look(model, judged, now)


def compared(state: McalState) -> int:
    """Return how many architectures T has compared, those that were dropped or taken out too."""
    return len({*state.config.archs, *(record.arch for record in state.records)})


def _record(
    state: McalState, pool: Pool, model: Measured, earlier: tuple[IterationRecord, ...]
) -> IterationRecord:
    counted = guarantees.count_candidates(pool, model.scores, state.config)
    size = int(pool.taught.sum())
    return IterationRecord(
        number=state.iteration,
        train_size=size,
        delta=size - (earlier[-1].train_size if earlier else 0),
        test_size=int(pool.test.sum()),
        remainder=int(pool.remainder.sum()),
        thresholds=tuple(float(f"{cut:.{DIGITS}g}") for cut in counted.thresholds),
        test_counts=counted.tests,
        test_errors=counted.errors,
        train_seconds=model.train_seconds,
        score_seconds=model.score_seconds,
        samples_shown=model.samples_shown,
        committed=state.spent_labels + state.spent_compute,
        arch=model.arch,
        sizes=counted.sizes,
        marked=int((pool.test & ~pool.excluded).sum()),
        ahead=int((pool.ahead & ~pool.excluded).sum()),
    )


def judged(
    record: IterationRecord, weighed: planner.Weighed, made: rules.Decision, chance: float
) -> IterationRecord:
    """Write into the record what was forecast and decided after it."""
    plan = weighed.plan
    return replace(
        record,
        c_star=None if plan is None else plan.c_star.value,
        c_low=None if plan is None else plan.c_star.low80,
        c_high=None if plan is None else plan.c_star.high80,
        b_opt=None if plan is None else plan.b_opt.value,
        theta_star=None if plan is None else plan.theta_star.value,
        stop_now=weighed.present.cost,
        stable=made.stable,
        next_delta=None if made.reason else made.delta,
        decision=made.sentence,
        because=made.facts,
        probability_best=chance,
    )


def decided(state: McalState, looks: dict[str, Look]) -> tuple[McalState, rules.Decision]:
    """Write into the state who stays in the race, and whether to stop or how much to buy."""
    weighed = {arch: planner.weigh(look.now) for arch, look in looks.items()}
    totals = {arch: found.totals for arch, found in weighed.items()}
    chances = race.standings(totals)
    rounds = min(len(look.now.records) for look in looks.values())
    live = race.survivors(totals, rounds)
    others = tuple(looks[arch].now.records for arch in live[1:])
    leader = replace(looks[live[0]].now, along=others)
    made = rules.decide(leader, state, weighed[live[0]])
    records = [
        judged(looks[arch].now.records[-1], weighed[arch], made, chances[arch])
        for arch in (*live, *(arch for arch in looks if arch not in live))
    ]
    state = replace(
        state,
        records=(*map(past, state.records), *records),
        previous_plan=None if state.plan is None else planner.without_charts(state.plan),
        plan=made.plan,
        stop_votes=made.votes,
        stop_reason=made.reason,
        delta=made.delta,
        live=live,
        entering=(*state.entering, *_joining(state, looks, leader, made)),
    )
    return state, made


def _joining(
    state: McalState, looks: dict[str, Look], leader: planner.Situation, made: rules.Decision
) -> tuple[str, ...]:
    """Return who trains from the next training on because it could now pay for itself."""
    if made.reason:
        return ()
    records = (*state.records, *(look.now.records[-1] for look in looks.values()))
    expected = [made.present.cost, *([made.plan.c_star.value] if made.plan else [])]
    found = race.joining(state.config, records, leader, made.delta, min(expected))
    return tuple(arch for arch in found if arch not in state.entering)


def past(record: IterationRecord) -> IterationRecord:
    """Return a record without its cuts: only those of the last training are ever read."""
    return replace(record, thresholds=(), sizes=(), because={})


def missing_marks(state: McalState, pool: Pool) -> int:
    """Return how many marks top T up: to 300 when below 200 and two rounds or more are forecast.

    A pool whose T was smaller from the start keeps to its own size.
    """
    full = min(ENOUGH_MARKS, selection.test_size(state.config))
    left = int(pool.test.sum())
    rounds = 0 if state.plan is None else state.plan.steps
    if rounds < 2 or left * 3 >= full * 2:
        return 0
    return min(full - left, int(pool.remainder.sum()), _affordable_marks(state, pool))


def _affordable_marks(state: McalState, pool: Pool) -> int:
    """Return how many marks the budget pays for beside the next training."""
    return int(min(budgets.room(state, pool), state.config.n))


def may_train_on(state: McalState, pool: Pool, scores: Scores, delta: int) -> bool:
    """Tell whether the budget pays for this batch and one more training."""
    return rules.affordable(look_again(state, pool, scores).now, delta)


def within_budget(state: McalState, pool: Pool, scores: Scores) -> Within | None:
    """Return the view of the last training once more, and the set that the money leaves.

    None where people can label everything within the budget, or there is none.
    """
    budget = state.config.target.budget
    if budget is None or budgets.pays(state, int((~pool.excluded).sum())):
        return None
    seen = look_again(state, pool, scores)
    found = stopping.forced(seen.now, situation.fitted(seen.now), budget)
    return None if found is None or found.wanted == 0 else (seen, found)
