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

from mcal_engine import (
    acquisitions,
    auditing,
    budgets,
    guarantees,
    measuring,
    race,
    requests,
    rules,
    selection,
    steering,
)
from mcal_engine.errors import InvalidAnswerError
from mcal_engine.planner import Present
from mcal_engine.requests import Step
from mcal_engine.steering import change
from mcal_engine.types import (
    Answer,
    BoolArray,
    Changed,
    Finished,
    IntArray,
    Labelled,
    McalState,
    Pool,
    Purpose,
    RunConfig,
    Scores,
    Stored,
    Trained,
    TrainRequest,
)
from mcal_engine.validation import check_pool, check_start, check_trained

__all__ = ["advance", "change", "start"]

# --- line 1: draw and buy T, then B_0 ---------------------------------------------------------


def start(config: RunConfig) -> Step:
    """Begin a run: ask for the labels of the random test marks. Raises `InvalidConfigError`."""
    check_start(config)
    state = McalState(config=config, waiting_for="", phase="", live=race.starters(config))
    marks = selection.draw_test(config)
    return requests.labels(state, "test", Purpose.TEST, buy=marks, mark=marks)


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
    check_pool(state.config, answer.pool)
    if state.wish == steering.BY_HAND and state.phase not in steering.ENDING:
        state = measuring.booked(state, answer)
        return _finish_by_hand(state, answer.pool, steering.ASKED_BY_HAND)
    return follow(state, answer)


def _after_test(state: McalState, answer: Labelled) -> Step:
    candidates = np.flatnonzero(~answer.pool.excluded).astype(np.int64)
    batch = selection.draw_seed(state.config, candidates)
    return requests.batch(state, Purpose.SEED, batch, answer.pool)


# --- lines 3-5: train on all of B -------------------------------------------------------------


def _after_batch(state: McalState, answer: Labelled) -> Step:
    pool = answer.pool
    if not pool.taught.any():
        reason = "none of the first images could be labelled, so there is nothing to train on"
        return _finish_by_hand(state, pool, reason)
    if steering.waits_for_images(state):
        return steering.grow(state, pool)
    if state.wish and answer.scores is not None and steering.nothing_new(state, pool):
        return _plan_again(measuring.paid(state, pool), pool, answer.scores)
    missing = 0 if state.wish else measuring.missing_marks(state, pool)
    if missing:
        open_items = np.flatnonzero(pool.remainder).astype(np.int64)
        marks = selection.draw_topup(state.config, open_items, missing, state.topups + 1)
        state = replace(state, topups=state.topups + 1)
        return requests.labels(
            state, "topup", Purpose.TEST, buy=marks[pool.labels[marks] < 0], mark=marks
        )
    return _train(state, answer)


def _train(state: McalState, answer: Labelled) -> Step:
    state = replace(measuring.paid(state, answer.pool), iteration=state.iteration + 1)
    state = requests.waiting(steering.starting(state), "train", "train")
    seed = state.config.seed + 1000 * state.iteration
    features = state.config.acquisition in acquisitions.NEEDS_FEATURES
    early = budgets.room_ahead(state, answer.pool)
    named = (state.waiting_for, state.iteration, state.live, seed)
    return state, TrainRequest(*named, features, early)


# --- lines 6-19: measure, fit, plan, decide ---------------------------------------------------


def _after_training(state: McalState, answer: Trained) -> Step:
    check_trained(state.config, answer, state.live)
    state = measuring.charged(state, answer)
    looks = {model.arch: measuring.look(state, answer.pool, model) for model in answer.models}
    state, made = measuring.decided(state, looks)
    leader = looks[state.live[0]]
    if state.stop_reason and steering.waits_for_images(state):
        return steering.grow(state, answer.pool)
    if state.stop_reason:
        return _finish(state, answer.pool, leader, made.present)
    views = [looks[arch].model.scores for arch in state.live]
    return requests.next_batch(state, answer.pool, views)


# --- lines 20-24: promise, label S by machine, the rest by hand -------------------------------


def _finish(state: McalState, pool: Pool, look: measuring.Look, present: Present) -> Step:
    if present.size == 0:
        reason = rules.by_hand(look.now, present, state.stop_reason)
        return _finish_by_hand(state, pool, reason)
    if not guarantees.is_audited(state.config.target):
        return _store(state, *auditing.estimated(state, pool, look, present))
    begun = auditing.begin(state, pool, look, present)
    if begun is None:
        return _nothing_certified(state, pool, look.model.scores)
    return _ask_audit(replace(state, audit=begun, attempts=begun.attempt), pool, look.model.scores)


def _nothing_certified(state: McalState, pool: Pool, scores: Scores) -> Step:
    """Let people label the rest, or as much of it as the budget pays for."""
    within = None if auditing.is_forced(state) else measuring.within_budget(state, pool, scores)
    if within is None:
        return _finish_by_hand(state, pool, f"{state.stop_reason}, and {auditing.NOTHING}")
    look, present = within
    begun = auditing.begin(state, pool, look, present)
    if begun is None:
        return _finish_by_hand(state, pool, f"{state.stop_reason}, and {auditing.NOTHING}")
    reason = f"{state.stop_reason}, and {auditing.UNPAID}"
    state = replace(state, audit=begun, attempts=begun.attempt, stop_reason=reason)
    return _ask_audit(state, pool, scores)


def _ask_audit(state: McalState, pool: Pool, scores: Scores) -> Step:
    """Ask for the next images of the committed order; the commitment goes with each request."""
    state, items = auditing.next_batch(state, pool, scores)
    return requests.labels(state, "audit", Purpose.AUDIT, buy=items)


def _after_audit(state: McalState, answer: Labelled) -> Step:
    pool, scores = answer.pool, auditing.frozen_scores(state, answer)
    state = auditing.judged(measuring.paid(state, pool), pool, scores)
    if not auditing.over(state):
        return _ask_audit(state, pool, scores)
    if auditing.try_again(state) and auditing.may_go_on(state, pool, scores):
        leaving = auditing.leaving(state, pool, scores)
        return requests.labels(
            state, "unfreeze", Purpose.TRAIN, buy=requests.NOTHING, train=leaving
        )
    items, scores, promise, pool = auditing.certified(state, pool, scores)
    if len(items) == 0 or not (auditing.is_forced(state) or auditing.pays_for(state, pool, items)):
        return _nothing_certified(state, pool, scores)
    return _store(state, items, scores, promise, pool)


def _after_unfreeze(state: McalState, answer: Labelled) -> Step:
    """The audited images joined B. After a change plan anew and perhaps audit anew; else train."""
    pool, scores = answer.pool, auditing.frozen_scores(state, answer)
    changed = state.audit is not None and state.audit.ended in auditing.REPLANNED
    least = selection.minimum_delta(state.config.n)
    state = replace(state, stop_votes=0, delta=least)
    if steering.waits_for_images(state):
        return steering.grow(state, pool)
    if changed:
        return _plan_again(state, pool, scores)
    state = replace(state, audit=None, stop_reason="")
    if not acquisitions.can_use(state.config.acquisition, scores):
        early = np.flatnonzero(pool.ahead).astype(np.int64)
        if len(early):
            return requests.batch(state, Purpose.TRAIN, early, pool)
        return _train(state, answer)  # the audited images are the batch
    return requests.next_batch(state, pool, [scores])


def _plan_again(state: McalState, pool: Pool, scores: Scores) -> Step:
    """Plan once more with the last training's scores, and stop or go on."""
    look = measuring.look_again(state, pool, scores)
    made = rules.decide(look.now, state)
    state = replace(state, plan=made.plan, stop_reason=made.reason, delta=made.delta)
    if made.reason:
        return _finish(state, pool, look, made.present)
    return requests.next_batch(replace(state, audit=None, stop_reason=""), pool, [scores])


def _store(
    state: McalState, items: IntArray, scores: Scores, promise: dict[str, object], pool: Pool
) -> Step:
    if len(items) == 0:
        return _finish_by_hand(state, pool, f"{state.stop_reason}, and {auditing.NOTHING}")
    return requests.machine(state, items, scores, promise)


def _finish_by_hand(state: McalState, pool: Pool, reason: str) -> Step:
    """Ask people for all that has no label: images that wait to join, too, for no step follows."""
    state = replace(state, stop_reason=reason)
    if steering.waits_for_images(state):
        grown = replace(state.config, n=state.coming)
        state, pool = replace(state, config=grown, audit=None), pool.extended(state.coming)
    return _ask_residual(state, pool, machine=np.zeros(len(pool.labels), dtype=np.bool_))


def _after_storing(state: McalState, answer: Stored) -> Step:
    return _ask_residual(state, answer.pool, answer.machine)


def _ask_residual(state: McalState, pool: Pool, machine: BoolArray) -> Step:
    rest = np.flatnonzero((pool.labels < 0) & ~machine & ~pool.excluded).astype(np.int64)
    if len(rest) == 0:
        return _end(state)
    return requests.labels(state, "residual", Purpose.RESIDUAL, buy=rest)


def _after_residual(state: McalState, _answer: Labelled) -> Step:
    return _end(state)


def _after_reopening(state: McalState, answer: Labelled) -> Step:
    """What people gave at the end is in B: go on as after any batch."""
    return _after_batch(state, answer) if answer.pool.train.any() else _after_test(state, answer)


def _end(state: McalState) -> Step:
    state = requests.waiting(state, "finished", "finished")
    outcome = "machine" if state.certificate else "human_only"
    return state, Finished(state.waiting_for, outcome, state.stop_reason)


# --- what follows which answer ---------------------------------------------------


_FOLLOW: dict[str, tuple[type, Callable[..., Step]]] = {
    "test": (Labelled, _after_test),
    "seed": (Labelled, _after_batch),
    "train": (Trained, _after_training),
    "label": (Labelled, _after_batch),
    "topup": (Labelled, _train),
    "audit": (Labelled, _after_audit),
    "unfreeze": (Labelled, _after_unfreeze),
    "machine": (Stored, _after_storing),
    "residual": (Labelled, _after_residual),
    "reopen": (Labelled, _after_reopening),
}
