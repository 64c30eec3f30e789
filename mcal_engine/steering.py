"""What a manager can ask of a run that is going: stop, other methods, more images, open it again.

Each of these returns another state, or a state and a request, and buys nothing itself. The rule
that all keep: whatever leaves the remainder leaves it blind to the test marks, so that T stays a
uniformly random part of what is left (docs/steering.md says why, action by action).
"""

from __future__ import annotations

from dataclasses import replace
from math import floor
from typing import Any

import numpy as np

from mcal_engine import auditing, budgets, race, requests, selection
from mcal_engine.errors import InvalidAnswerError
from mcal_engine.requests import Step
from mcal_engine.types import (
    THETAS,
    BoolArray,
    CertificateKind,
    IntArray,
    IterationRecord,
    McalState,
    Pool,
    Prices,
    Purpose,
    Scores,
    Target,
)
from mcal_engine.validation import check_delta, validate

STOP, AUDIT, BY_HAND = "stop", "audit", "by_hand"
WISHES = (STOP, AUDIT, BY_HAND)
ENDING = frozenset({"machine", "residual", "finished"})
"""Phases in which the machine labels are chosen."""
ASKED_BY_HAND = "the manager lets people label the rest"


# --- prices, target, methods --------------------------------------------------------------------


def change(state: McalState, prices: Prices, target: Target) -> McalState:
    """Return the state with other prices or another target; the next plan uses them.

    The outstanding request stays as it is. Raises `InvalidConfigError`, and
    `InvalidAnswerError` for a new target once the machine labels were chosen under the old one.
    """
    if target != state.config.target and state.phase in ENDING:
        raise InvalidAnswerError("the machine labels are already chosen under the old target")
    config = replace(state.config, prices=prices, target=target)
    validate(config)
    if target != state.config.target:
        state = _ended(state, auditing.CHANGED)
    return replace(state, config=config, stop_votes=0)


def reconfigure(state: McalState, **methods: Any) -> McalState:
    """Return the state with other methods: fields of `RunConfig` (arch, rivals, acquisition, ...).

    M(.) is used from the next batch on, a new architecture trains from the next training on; the
    trainings of the others stay known. Raises `InvalidConfigError`, and `InvalidAnswerError` while
    an audit or the end is going: it is bound to what was frozen.
    """
    if state.phase in ENDING | requests.AUDIT_PHASES:
        raise InvalidAnswerError("the model is frozen: its audit or the end is going on")
    config = replace(state.config, **methods)
    validate(config)
    if config.fixed_delta != state.config.fixed_delta:
        check_delta(config)
    added = tuple(a for a in race.starters(config) if a not in state.config.archs)
    entering = (*(a for a in state.entering if a in config.archs), *added)
    return replace(state, config=config, entering=entering, stop_votes=0)


def starting(state: McalState) -> McalState:
    """Return the state with those who train next: taken out are gone, new ones have joined."""
    stay = tuple(arch for arch in state.live if arch in state.config.archs)
    new = tuple(arch for arch in state.entering if arch not in stay)
    live = (*stay, *new) or (state.config.arch,)
    return replace(state, live=live, entering=())


# --- stop ---------------------------------------------------------------------------------------


def wish(state: McalState, what: str) -> McalState:
    """Return the state with what the next step is to do: one of `WISHES`.

    `stop`: the next training is the last one. `audit`: likewise, and the promise is certified by
    an audit. `by_hand`: the machine labels nothing. Raises `InvalidAnswerError` where the machine
    labels are chosen, or for a wish that has no meaning here.
    """
    if what not in WISHES:
        raise InvalidAnswerError(f"a run can be asked to {', '.join(WISHES)}, not {what!r}")
    if state.phase in ENDING:
        raise InvalidAnswerError("the machine labels are already chosen")
    if what == AUDIT and state.config.target.certificate is not CertificateKind.AUDIT:
        target = replace(state.config.target, certificate=CertificateKind.AUDIT)
        state = change(state, state.config.prices, target)
    if what == BY_HAND:
        state = _ended(state, auditing.BY_HAND)
    return replace(state, wish=what, turns=state.turns + 1)


def unwish(state: McalState, begun: int | None = None) -> McalState:
    """Return the state without the wish: the run plans on as if it had not been asked.

    An audit that has begun for it ends, without a verdict; attempt number `begun`, which was
    under way when the wish came, goes on. Raises `InvalidAnswerError` where the
    machine labels are chosen.
    """
    if state.phase in ENDING:
        raise InvalidAnswerError("the machine labels are already chosen")
    if state.audit is not None and state.audit.ended == auditing.BY_HAND:
        state = replace(state, audit=replace(state.audit, ended=""))
    if state.wish and (state.audit is None or state.audit.attempt != begun):
        state = _ended(state, auditing.TAKEN_BACK)
    return replace(state, wish="", turns=state.turns + 1)


def _ended(state: McalState, why: str) -> McalState:
    if state.phase != "audit" or state.audit is None or state.audit.ended:
        return state
    return replace(state, audit=replace(state.audit, ended=why))


def nothing_new(state: McalState, pool: Pool) -> bool:
    """Tell whether the last training has seen all of B: then nobody needs to train again."""
    return bool(state.records) and int(pool.taught.sum()) == state.records[-1].train_size


# --- more images --------------------------------------------------------------------------------


def coming(state: McalState, n: int) -> McalState:
    """Return the state that takes images up to number n - 1 into the run at the next boundary.

    An audit ends: its sets were drawn from fewer images. Raises `InvalidAnswerError` once the
    machine labels are chosen.
    """
    if n <= max(state.config.n, state.coming):
        return state
    if state.phase in ENDING:
        raise InvalidAnswerError("the machine labels are already chosen: open the run again first")
    return replace(_ended(state, auditing.GREW), coming=n)


def going(state: McalState, n: int) -> McalState:
    """Return the state whose waiting images from number `n` on were taken out again.

    An audit that ended for them does not begin anew. Raises `InvalidAnswerError` where they have
    joined the run.
    """
    if n < state.config.n:
        raise InvalidAnswerError("these images are part of the run by now")
    return replace(state, coming=min(state.coming, n))


def waits_for_images(state: McalState) -> bool:
    """Tell whether images wait to join."""
    return state.coming > state.config.n


def grow(state: McalState, pool: Pool) -> Step:
    """Take the waiting images in and ask for the labels of their share of the test marks.

    Each new image is marked with the probability |T| / (|T| + remainder) of the images before, so
    T is as dense among them and stays a random part of all that is left. Where no remainder or no
    T is left, T is drawn as for a new run.
    """
    old, marks = state.config.n, _grown_marks(state, pool)
    config = replace(state.config, n=state.coming)
    state = replace(state, config=config, stop_reason="", stop_votes=0, audit=None)
    return requests.labels(
        state, "topup", Purpose.TEST, buy=marks, mark=marks, name=f"label-test-from-{old}"
    )


def _grown_marks(state: McalState, pool: Pool) -> IntArray:
    """Return which of the waiting images are marked."""
    new = np.arange(state.config.n, state.coming, dtype=np.int64)
    config = replace(state.config, n=max(state.coming, state.config.n))
    return selection.draw_grown(config, new, _mark_rate(state, pool) * len(new))


def _mark_rate(state: McalState, pool: Pool) -> float:
    marked, left = int((pool.test & ~pool.excluded).sum()), int(pool.remainder.sum())
    if marked and left:
        return marked / (marked + left)
    new = replace(state.config, n=max(state.coming - state.config.n, 1))
    return selection.test_size(new) / new.n


# --- open again ---------------------------------------------------------------------------------


def reopen(
    state: McalState,
    pool: Pool,
    machine: BoolArray,
    scores: Scores | None,
    target: Target,
    images: int = 0,
) -> Step:
    """Open a run whose machine labels were chosen; they are withdrawn, what people gave is not.

    `machine` [N] are those labels, `scores` the certified model's (None where the machine labelled
    nothing), `target` the one from now on; of `images` in all, those that are new join. What
    people labelled at the end joins B together with the test marks that lay among it: those above
    the threshold of the certificate, and those that the audit's order has passed. So the marks
    that stay are a random part of what is open again.

    Raises `InvalidAnswerError` unless the end was reached and people's part of it is done, or has
    not begun, `BudgetTooSmallError` where the target's budget could only make the promise worse.
    A run whose rest is still to be labelled has nothing to lose: its wish to stop is taken back.
    """
    if state.phase not in {"residual", "finished"}:
        raise InvalidAnswerError("the run is still open")
    joins = _joining(state, pool, machine, scores)
    config = replace(state.config, target=target)
    validate(config)
    kept, bound = _kept_share(state, pool, machine), _bound(state)
    state = replace(
        state,
        config=config,
        coming=max(images, state.coming),
        records=tuple(_narrowed(record, kept) for record in state.records),
        plan=None,
        previous_plan=None,
        stop_votes=0,
        stop_reason="",
        certificate={},
        audit=None,
        wish="",
        turns=state.turns + 1,
    )
    opened = replace(pool, train=pool.train | np.isin(np.arange(len(pool.train)), joins))
    marks = len(_grown_marks(state, opened)) if waits_for_images(state) else 0
    if state.phase == "finished":
        budgets.check_reopening(state, opened, marks, bound)
    return requests.labels(
        state, "reopen", Purpose.TRAIN, buy=requests.NOTHING, train=joins, name="reopen"
    )


def _bound(state: McalState) -> float:
    """Return the share of wrong labels that the certificate leaves possible, 0 without one."""
    found = state.certificate.get("bound")
    return float(found) if isinstance(found, int | float) else 0.0


def _joining(state: McalState, pool: Pool, machine: BoolArray, scores: Scores | None) -> IntArray:
    known, outside = (pool.labels >= 0) | pool.excluded, ~pool.train & ~pool.marked
    audited = _audited(state, pool, scores)
    given = outside & (pool.labels >= 0)
    rest = _above(state, pool, scores) & ~audited & ~pool.ahead
    unfinished = bool((outside & ~known & ~machine & ~pool.ahead).any())
    if unfinished and (given & rest).any():
        raise InvalidAnswerError("people are labelling the rest: let them finish, then open again")
    joins = given | audited | (known & pool.ahead)
    if not unfinished:
        joins |= pool.marked & ~pool.train & rest
    return np.flatnonzero(joins).astype(np.int64)


def _above(state: McalState, pool: Pool, scores: Scores | None) -> BoolArray:
    """Return the images [N] above the certificate's threshold, test marks among them."""
    cut = state.certificate.get("threshold")
    if scores is None or not isinstance(cut, int | float):
        return np.ones(len(pool.labels), dtype=np.bool_)
    return np.asarray(scores.by(state.config.confidence) > np.float32(cut))


def _audited(state: McalState, pool: Pool, scores: Scores | None) -> BoolArray:
    """Return the audited images [N] and the marks that the audit's order has passed."""
    found = np.zeros(len(pool.labels), dtype=np.bool_)
    if state.audit is not None and scores is not None:
        found[auditing.leaving(state, pool, scores)] = True
    return found


def _kept_share(state: McalState, pool: Pool, machine: BoolArray) -> float:
    """Return which share of the last training's remainder is open again, 1 where none was."""
    if not state.records or not machine.any():
        return 1.0
    return min(1.0, int(machine.sum()) / max(state.records[-1].remainder, 1))


def _narrowed(record: IterationRecord, share: float) -> IterationRecord:
    """Return what a training showed about the most certain `share` of its remainder.

    What is open again is the certain part of what it was. The counts of an earlier model's most
    certain images stand for it until the next training has measured it; the audit proves. What
    people have labelled of it since joins B next, as what was asked for ahead does.
    """
    if share >= 1.0:
        return record
    remainder = max(1, floor(record.remainder * share))
    marked = None if record.marked is None else round(record.marked * share)
    joined = record.remainder - remainder
    if record.marked is not None and marked is not None:
        joined += record.marked - marked
    grid = (0.0, *THETAS)

    def at(counts: tuple[int, ...]) -> tuple[int, ...]:
        found = np.interp(np.asarray(THETAS) * share, grid, (0, *counts))
        return tuple(round(float(value)) for value in found)

    return replace(
        record,
        test_counts=at(record.test_counts),
        test_errors=at(record.test_errors),
        test_size=round(record.test_size * share),
        remainder=remainder,
        marked=marked,
        ahead=record.ahead + joined,
        sizes=(),
        stable=False,
    )
