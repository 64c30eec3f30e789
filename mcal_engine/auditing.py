"""How a run uses its promise: what to audit, how far, what to deliver, when to train on.

Certificate A (`audit.py`) says what an audit proves; here it is fitted to the run: J* is chosen by
total cost, labels are asked for in parts of the committed order, and an audit that can no longer
pay ends. Certificate B and the paper modes (`guarantees.py`) need no labels of their own.
"""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from mcal_engine import audit, budgets, guarantees, measuring, planner, selection
from mcal_engine.errors import InvalidAnswerError
from mcal_engine.types import Audit, FloatArray, IntArray, Labelled, McalState, Pool, Scores

Delivery = tuple[IntArray, Scores, dict[str, object], Pool]
"""(S, the model's scores, the certificate, the pool)."""

CUTS = 200  # candidate sets, quantiles of the remainder
ATTEMPTS = 3
FULL_ENOUGH = 0.9  # of |S_J*|: an audit that certifies this much is not tried again
SMALLEST_PART, LARGEST_PART = 20, 200  # audit labels asked for at a time
PASSED = "the chosen set has passed"
EXHAUSTED = "every image of the chosen set has been audited"
DEARER = "going on would cost more than labelling by hand what it could certify"
SPENT = "the labels that the budget has for the audit are used up"
CHANGED = "the error target was changed"
UNPAID = "the budget does not pay for what the audit leaves to people"
GREW = "images were added to the pool"
TAKEN_BACK = "the wish to stop was taken back"
BY_HAND = "people label everything"
REPLANNED = frozenset({CHANGED, GREW, TAKEN_BACK})
"""Ends after which the run plans anew, whatever the audit has shown."""
NOTHING = "the audit could not certify any set"


# --- begin ------------------------------------------------------------------------------------


def begin(
    state: McalState, pool: Pool, look: measuring.Look, present: planner.Present
) -> Audit | None:
    """Freeze the model, its nested candidate sets and alpha_a; nothing has been asked for yet.

    S_J* is the set of least expected total cost out of a grid of 200; with a budget that is too
    small for epsilon it is the one that the money leaves. None where no set is worth an audit.
    """
    config, scores = state.config, look.model.scores
    left = np.sort(scores.by(config.confidence)[_open(pool)])
    chosen = _forced(left, present) if present.forced else _cheapest(state, look, left)
    if chosen is None:
        return None
    cuts, planned, wanted = chosen
    frozen = audit.freeze(
        pool,
        scores,
        config,
        attempt=state.attempts + 1,
        arch=look.model.arch,
        cuts=[float(cut) for cut in cuts],
        forecasts=planner.present_rates(look.now, _sizes(left, cuts)).mean(axis=0).tolist(),
        planned=planned,
    )
    return replace(frozen, wanted=wanted, forced=present.forced)


def _open(pool: Pool) -> NDArray[np.bool_]:
    return pool.remainder & (pool.labels < 0)


def _sizes(left: NDArray[np.float32], cuts: NDArray[np.float32]) -> FloatArray:
    return np.searchsorted(left, cuts, side="right").astype(np.float64)


def _forced(
    left: NDArray[np.float32], present: planner.Present
) -> tuple[NDArray[np.float32], float, int] | None:
    size = min(present.wanted, len(left))
    return (left[[size - 1]], float(present.audit), size) if size else None


def _cheapest(
    state: McalState, look: measuring.Look, left: NDArray[np.float32]
) -> tuple[NDArray[np.float32], float, int] | None:
    """Return the cuts to freeze, the audit labels expected, and |S_J*|."""
    target, n = state.config.target, look.now.n
    cuts = selection.fine_thresholds(left, CUTS)
    sizes = _sizes(left, cuts)
    allowances = [guarantees.allowance(target.epsilon, n, int(size)) for size in sizes]
    rates = planner.present_rates(look.now, sizes)
    level = audit.level(target.alpha, state.attempts + 1)
    choice = audit.choose(sizes, allowances, rates, n, level)
    if choice is None:
        return None
    frame = audit.frame(sizes, allowances, rates, choice.index)
    return cuts[frame], choice.labels, int(sizes[choice.index])


def commitment(state: McalState) -> tuple[str, dict[str, object]]:
    """Return the frozen model's name and what is written down before the first audit label."""
    assert state.audit is not None
    progress = {"asked", "looked", "passed", "ended"}
    fixed = {name: value for name, value in asdict(state.audit).items() if name not in progress}
    return state.audit.model, fixed


# --- ask and judge ----------------------------------------------------------------------------


def frozen_scores(state: McalState, answer: Labelled) -> Scores:
    """Return the scores that the answer brought. Raises `InvalidAnswerError` for other ones."""
    assert state.audit is not None
    scores = answer.scores
    if scores is None or scores.model != state.audit.model:
        raise InvalidAnswerError(f"the audit needs the scores of model {state.audit.model}")
    return scores


def next_batch(state: McalState, pool: Pool, scores: Scores) -> tuple[McalState, IntArray]:
    """Return the next part of the committed order: half of what is expected to be missing.

    Without the images that were answered, or found to be unusable, since the freeze.
    """
    assert state.audit is not None
    frozen, order = state.audit, _order(state, pool, scores)
    missing = float(frozen.planned) if frozen.looked == 0 else _cheapest_way(state, pool, scores)
    part = int(np.clip(missing / 2, SMALLEST_PART, LARGEST_PART))
    part = int(min(part, max(_most_asked(state) - frozen.asked, 0)))
    if _is_forced(state):
        part = frozen.planned
    items = order[frozen.asked : frozen.asked + part]
    open_ones = items[(pool.labels[items] < 0) & ~pool.excluded[items]]
    return replace(state, audit=replace(frozen, asked=frozen.asked + len(items))), open_ones


def judged(state: McalState, pool: Pool, scores: Scores) -> McalState:
    """Look at the answers; write into the audit what has passed and whether it is over."""
    assert state.audit is not None
    if state.audit.ended:  # by a change of the target
        return state
    order = _order(state, pool, scores)
    frozen = audit.look(state.audit, *_answers(state, order, pool, scores))
    state = replace(state, audit=frozen)
    return replace(state, audit=replace(frozen, ended=_end(state, pool, scores, len(order))))


def _end(state: McalState, pool: Pool, scores: Scores, size: int) -> str:
    frozen = state.audit
    assert frozen is not None
    if _is_forced(state):
        return SPENT
    if frozen.passed[-1]:
        return PASSED
    if frozen.looked >= size:
        return EXHAUSTED
    if frozen.asked >= _most_asked(state):
        return SPENT
    return "" if np.isfinite(_cheapest_way(state, pool, scores)) else DEARER


def _cheapest_way(state: McalState, pool: Pool, scores: Scores) -> float:
    """Return the labels of the order until the set that saves most is certified; inf if none.

    What counts is what the audit takes out of that set: other audited images would be labelled
    by people anyway.
    """
    frozen = state.audit
    assert frozen is not None
    order = _order(state, pool, scores)
    prefix = audit.seen(frozen, *_answers(state, order, pool, scores))
    needed, sizes = audit.still_needed(frozen, prefix), np.asarray(frozen.sizes)
    done = audit.certified(frozen)
    inside = needed * sizes / sizes[-1]
    gain = sizes - (0 if done is None else sizes[done]) - inside
    best = int(np.where(needed > 0, gain, -np.inf).argmax())
    return float(needed[best]) if needed[best] > 0 and gain[best] > 0 else float("inf")


def _most_asked(state: McalState) -> float:
    """Return how many images of S_J* the budget lets people check: the others are theirs anyway."""
    frozen = state.audit
    assert frozen is not None
    return budgets.labels_in_all(state) - (frozen.n - frozen.sizes[-1])


def _is_forced(state: McalState) -> bool:
    """Tell whether the budget chose the set: then it stands alone, and is delivered whole."""
    assert state.audit is not None
    if state.audit.forced is None:
        return state.config.target.budget is not None and len(state.audit.cuts) == 1
    return state.audit.forced


def _order(state: McalState, pool: Pool, scores: Scores) -> IntArray:
    assert state.audit is not None
    return audit.order(state.audit, pool, scores.by(state.config.confidence))


def _answers(
    state: McalState, order: IntArray, pool: Pool, scores: Scores
) -> tuple[IntArray, IntArray, NDArray[np.uint16], NDArray[np.float32], NDArray[np.bool_]]:
    return order, pool.labels, scores.pred, scores.by(state.config.confidence), pool.excluded


# --- end --------------------------------------------------------------------------------------


def over(state: McalState) -> bool:
    """Tell whether this attempt asks for no more labels."""
    return state.audit is not None and bool(state.audit.ended)


def may_go_on(state: McalState, pool: Pool, scores: Scores) -> bool:
    """Tell whether the budget pays for another training, where one would follow the audit."""
    assert state.audit is not None
    if state.audit.ended in REPLANNED:
        return True
    least = selection.minimum_delta(state.config.n)
    return measuring.may_train_on(state, pool, scores, least)


def try_again(state: McalState) -> bool:
    """Tell whether the audited images should join B: after a change, or to train on.

    An attempt that certified most of what it was after delivers that instead.
    """
    frozen = state.audit
    assert frozen is not None
    if frozen.ended in REPLANNED:
        return True
    if state.wish:
        return False
    done = audit.certified(frozen)
    size = 0 if done is None else frozen.sizes[done]
    full = size >= FULL_ENOUGH * frozen.wanted
    rounds = sum(record.arch == frozen.arch for record in state.records)
    last = frozen.attempt >= ATTEMPTS or rounds >= state.config.max_rounds
    return not (full or last or _is_forced(state))


def pays_for(state: McalState, pool: Pool, items: IntArray) -> bool:
    """Tell whether the budget pays for all labels once the machine gives these."""
    return budgets.pays(state, int((~pool.excluded).sum()) - len(items))


def is_forced(state: McalState) -> bool:
    """Tell whether the budget chose the set of the audit that goes on."""
    return state.audit is not None and _is_forced(state)


def leaving(state: McalState, pool: Pool, scores: Scores) -> IntArray:
    """Return what joins B when an attempt ends: the audited images and their share of the marks.

    The marks that the same draw would have met go along unpaid, so that T stays a uniformly
    random part of what is left.
    """
    frozen = state.audit
    assert frozen is not None
    unsure = scores.by(state.config.confidence)
    order = _order(state, pool, scores)
    asked = order[: frozen.asked]
    asked = asked[pool.labels[asked] >= 0]
    known = (pool.labels >= 0) | pool.excluded
    inside = pool.test & known & (unsure <= np.float32(frozen.cuts[-1]))
    marks = np.flatnonzero(inside).astype(np.int64)
    if len(asked) == 0:
        return asked
    both = selection.hash_order(frozen.key, np.concatenate([order, marks]))
    before = both[: int(np.flatnonzero(both == asked[-1])[0])]
    return np.concatenate([asked, np.intersect1d(before, marks)])


def certified(state: McalState, pool: Pool, scores: Scores) -> Delivery:
    """Return S and certificate A: the largest set that passed, without its audited images.

    A set that the budget chose is delivered whole, with the error that its audit leaves possible.
    """
    frozen, forced = state.audit, _is_forced(state)
    assert frozen is not None
    answers = _answers(state, _order(state, pool, scores), pool, scores)
    order, labels, _, unsure, excluded = answers
    items = audit.delivered(frozen, order, labels, unsure, excluded, forced=forced)
    document = audit.document(frozen, *answers, config=state.config, forced=forced)
    return items, scores, document, pool


def estimated(
    state: McalState, pool: Pool, look: measuring.Look, present: planner.Present
) -> Delivery:
    """Return S and certificate B, or what the paper modes estimate."""
    target, scores, live = state.config.target, look.model.scores, measuring.compared(state)
    found, walk = look.judged, look.now.walk
    if present.forced:
        found = guarantees.forced_candidates(pool, scores, state.config, present.wanted)
        walk = guarantees.forced_walk(found, target, live)
    about = (scores.model, state.config.seed, live)
    promise = guarantees.certificate(found, walk, target, *about, forced=present.forced)
    if walk.accepted is None:
        return np.empty(0, dtype=np.int64), scores, promise, pool
    cut = found.thresholds[walk.accepted]
    unsure = scores.by(state.config.confidence)
    items = np.flatnonzero(_open(pool) & (unsure <= np.float32(cut))).astype(np.int64)
    promise["labels_sha256"] = audit.labels_hash(items, scores.pred)
    return items, scores, promise, pool


def brief(promise: dict[str, object]) -> dict[str, object]:
    """Return the certificate without its long lists: what the state keeps."""
    return {name: value for name, value in promise.items() if name not in {"audited", "excluded"}}
