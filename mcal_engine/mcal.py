"""MCAL, minimum-cost human-machine active labelling: the algorithm, in the paper's order.

Qiu, Chintalapudi, Govindan, "MCAL: Minimum Cost Human-Machine Active Labeling", ICLR 2023,
Algorithm 1. Minimise C = (N - |S|) C_h + C_t(D(B)) (Eq. 1) subject to (|S| / N) error(S) <= epsilon
(Eq. 2). People label over days, so this never calls anyone and never waits: it is asked and told.

    state, request = start(config)
    state, request = advance(state, answer)      # until the request is Finished

Both are pure and deterministic: equal arguments give equal results, so an answer may be told
again after a crash. `simulate.py` answers from known labels, the web application from people.

    paper         here
    X, N          the pool, `config.n` (T included)
    T             `pool.test`: random marks outside B; M(.) is blind to them (selection.py)
    B, B_0        `pool.train`, the first draw `draw_seed`
    S             the items of the `MachineLabelRequest`
    D(B)          the model behind `Trained.scores`
    delta         `state.delta`, images that join B next
    theta         `THETAS`, a share of the remainder (X without B and T)
    epsilon_theta `curves.Curves.rates`
    C_h, C_t      `config.prices.label`, `costs.ComputeModel`
    C*, B_opt     `plan.c_star`, `plan.b_opt`
    Delta, beta   `rules.STABLE_COST`, `planner.STEP_SLACK`
    M(.), L(.)    `selection.acquire`, `selection.thresholds`
    -             `target.alpha`: the paper has no confidence; guarantees.py adds it
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mcal_engine import costs, guarantees, planner, rules, selection
from mcal_engine.errors import InvalidAnswerError
from mcal_engine.types import (
    Answer,
    BoolArray,
    Changed,
    Finished,
    IntArray,
    IterationRecord,
    Labelled,
    LabelRequest,
    MachineLabelRequest,
    McalState,
    Measured,
    Pool,
    Prices,
    Purpose,
    Request,
    RunConfig,
    Stored,
    Target,
    Trained,
    TrainRequest,
)
from mcal_engine.validation import check_trained, validate

Step = tuple[McalState, Request]
NOTHING: IntArray = np.empty(0, dtype=np.int64)


# --- line 1: draw and buy T, then B_0 ---------------------------------------------------------


def start(config: RunConfig) -> Step:
    """Begin a run: ask for the labels of the random test marks. Raises `InvalidConfigError`."""
    validate(config)
    state = McalState(config=config, waiting_for="", phase="", live=config.archs)
    marks = selection.draw_test(config)
    return _ask_labels(state, "test", Purpose.TEST, buy=marks, mark=marks)


def advance(state: McalState, answer: Answer) -> Step:
    """Take the answer to the outstanding request and say what comes next.

    Raises `InvalidAnswerError` for the answer to another request; prices and target change
    through `change`, which leaves the outstanding request standing.
    """
    if isinstance(answer, Changed):
        raise InvalidAnswerError("prices and target change through mcal.change(state, ...)")
    expected, follow = _FOLLOW.get(state.phase, (None, None))
    if expected is None or follow is None:
        raise InvalidAnswerError("this run is finished and takes no more answers")
    if not isinstance(answer, expected) or answer.request_id != state.waiting_for:
        raise InvalidAnswerError(
            f"{type(answer).__name__} {answer.request_id!r} does not answer {state.waiting_for!r}"
        )
    if len(answer.pool.labels) != state.config.n:
        raise InvalidAnswerError(f"the pool must have {state.config.n} images")
    return follow(state, answer)


def _after_test(state: McalState, answer: Labelled) -> Step:
    candidates = np.flatnonzero(~answer.pool.excluded).astype(np.int64)
    batch = selection.draw_seed(state.config, candidates)
    return _ask_batch(state, Purpose.SEED, batch, answer.pool)


# --- lines 3-5: train on all of B -------------------------------------------------------------


def _after_batch(state: McalState, answer: Labelled) -> Step:
    if not answer.pool.train.any():
        reason = "none of the first images could be labelled, so there is nothing to train on"
        return _finish_by_hand(state, answer.pool, reason)
    state = replace(state, iteration=state.iteration + 1)
    state = _waiting(_paid(state, answer.pool), "train", "train")
    seed = state.config.seed + 1000 * state.iteration
    wanted = state.config.acquisition == "k_center"
    return state, TrainRequest(state.waiting_for, state.iteration, state.live, seed, wanted)


def _paid(state: McalState, pool: Pool) -> McalState:
    """Book the labels bought since the last look, at today's price."""
    bought = int((pool.labels >= 0).sum())
    dollars = (bought - state.bought) * state.config.prices.label
    return replace(state, bought=bought, spent_labels=state.spent_labels + dollars)


# --- lines 6-19: measure, fit, plan, decide ---------------------------------------------------


def _after_training(state: McalState, answer: Trained) -> Step:
    pool, config = answer.pool, state.config
    check_trained(config, answer, state.live)
    for model in answer.models:
        dollars = costs.compute_dollars(model.train_seconds + model.score_seconds, config.prices)
        state = replace(state, spent_compute=state.spent_compute + dollars)
    leader = answer.models[0]
    candidates = guarantees.count_candidates(pool, leader.scores, config)
    walk = guarantees.walk(candidates, config.target)
    record = _measure(state, pool, leader, candidates)
    now = planner.Situation(
        config=config,
        records=(*state.records, record),
        n=candidates.n,
        trained=record.train_size,
        marked=record.test_size,
        spent=state.spent_compute,
        walk=walk,
    )
    state = _decide(state, now)
    if state.stop_reason:
        return _finish(state, pool, leader, candidates, now)
    open_items = np.flatnonzero(~pool.train & ~pool.excluded).astype(np.int64)
    batch = selection.acquire(config, open_items, leader.scores, state.delta, state.iteration)
    return _ask_batch(state, Purpose.TRAIN, batch, pool)


def _measure(
    state: McalState, pool: Pool, model: Measured, candidates: guarantees.Candidates
) -> IterationRecord:
    size = int(pool.train.sum())
    before = [r.train_size for r in state.records if r.arch == model.arch]
    return IterationRecord(
        number=state.iteration,
        train_size=size,
        delta=size - (before[-1] if before else 0),
        test_size=int(pool.test.sum()),
        remainder=int(pool.remainder.sum()),
        thresholds=candidates.thresholds,
        test_counts=candidates.tests,
        test_errors=candidates.errors,
        train_seconds=model.train_seconds,
        score_seconds=model.score_seconds,
        samples_shown=model.samples_shown,
        committed=state.spent_labels + state.spent_compute,
        arch=model.arch,
    )


def _decide(state: McalState, now: planner.Situation) -> McalState:
    """Write into the state whether to stop (`stop_reason`) or how much to buy (`delta`)."""
    made = rules.decide(now, state)
    plan = made.plan
    record = replace(
        now.records[-1],
        c_star=None if plan is None else plan.c_star.value,
        c_low=None if plan is None else plan.c_star.low80,
        c_high=None if plan is None else plan.c_star.high80,
        b_opt=None if plan is None else plan.b_opt.value,
        theta_star=None if plan is None else plan.theta_star.value,
        stop_now=planner.stop_now_cost(now),
        stable=made.stable,
        next_delta=None if made.reason else made.delta,
        decision=made.sentence,
    )
    return replace(
        state,
        records=(*state.records, record),
        previous_plan=None if state.plan is None else planner.without_charts(state.plan),
        plan=plan,
        stop_votes=made.votes,
        stop_reason=made.reason,
        delta=made.delta,
    )


# --- lines 20-24: label S by machine, the rest by hand ----------------------------------------


def _finish(
    state: McalState,
    pool: Pool,
    model: Measured,
    candidates: guarantees.Candidates,
    now: planner.Situation,
) -> Step:
    walk, target, scores = now.walk, state.config.target, model.scores
    if walk.accepted is None:
        reason = f"{state.stop_reason}, and {rules.nothing_fits(now)}"
        return _finish_by_hand(state, pool, reason)
    cut = candidates.thresholds[walk.accepted]
    items = selection.machine_set(pool.remainder & (pool.labels < 0), scores, cut)
    promise = guarantees.certificate(candidates, walk, target, scores.model, state.config.seed)
    promise |= {"iteration": state.iteration, "delivered": len(items)}
    state = _waiting(replace(state, certificate=promise), "machine", "machine")
    return state, MachineLabelRequest(
        id=state.waiting_for,
        iteration=state.iteration,
        items=items,
        labels=scores.pred[items].astype(np.int64),
        uncertainty=scores.uncertainty[items].astype(np.float64),
        model=scores.model,
        certificate=promise,
    )


def _finish_by_hand(state: McalState, pool: Pool, reason: str) -> Step:
    state = replace(state, stop_reason=reason)
    return _ask_residual(state, pool, machine=np.zeros(len(pool.labels), dtype=np.bool_))


def _after_storing(state: McalState, answer: Stored) -> Step:
    return _ask_residual(state, answer.pool, answer.machine)


def _ask_residual(state: McalState, pool: Pool, machine: BoolArray) -> Step:
    rest = np.flatnonzero((pool.labels < 0) & ~machine & ~pool.excluded).astype(np.int64)
    if len(rest) == 0:
        return _end(state)
    return _ask_labels(state, "residual", Purpose.RESIDUAL, buy=rest)


def _after_residual(state: McalState, _answer: Labelled) -> Step:
    return _end(state)


def _end(state: McalState) -> Step:
    state = _waiting(state, "finished", "finished")
    outcome = "machine" if state.certificate else "human_only"
    return state, Finished(state.waiting_for, outcome, state.stop_reason)


# --- requests ---------------------------------------------------------------------------------


def _waiting(state: McalState, phase: str, name: str) -> McalState:
    """Wait for a request whose id cannot repeat: each name occurs once per iteration."""
    return replace(state, phase=phase, waiting_for=f"{state.iteration:03d}-{name}")


def _ask_batch(state: McalState, purpose: Purpose, batch: IntArray, pool: Pool) -> Step:
    """Ask for the batch; its members that already have a label go along unpaid."""
    state = replace(state, delta=len(batch))
    buy = batch[pool.labels[batch] < 0]
    phase = "seed" if purpose is Purpose.SEED else "label"
    return _ask_labels(state, phase, purpose, buy=buy, train=batch)


def _ask_labels(
    state: McalState,
    phase: str,
    purpose: Purpose,
    *,
    buy: IntArray,
    train: IntArray = NOTHING,
    mark: IntArray = NOTHING,
) -> Step:
    state = _waiting(state, phase, f"label-{purpose.value}")
    return state, LabelRequest(state.waiting_for, purpose, state.iteration, buy, train, mark)


_FOLLOW: dict[str, tuple[type, Callable[..., Step]]] = {
    "test": (Labelled, _after_test),
    "seed": (Labelled, _after_batch),
    "train": (Trained, _after_training),
    "label": (Labelled, _after_batch),
    "machine": (Stored, _after_storing),
    "residual": (Labelled, _after_residual),
}


# --- settings ---------------------------------------------------------------------------------


def change(state: McalState, prices: Prices, target: Target) -> McalState:
    """Return the state with other prices or another target; the next plan uses them.

    The outstanding request stays as it is. Raises `InvalidConfigError`, and
    `InvalidAnswerError` for a new target once the machine labels were chosen under the old one.
    """
    if target != state.config.target and state.phase in {"machine", "residual", "finished"}:
        raise InvalidAnswerError("the machine labels are already chosen under the old target")
    config = replace(state.config, prices=prices, target=target)
    validate(config)
    return replace(state, config=config, stop_votes=0)
