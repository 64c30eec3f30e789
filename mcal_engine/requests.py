"""Build what a run asks for: ids that never repeat, batches, labels, machine labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mcal_engine import acquisitions, auditing, selection
from mcal_engine.types import (
    IntArray,
    LabelRequest,
    MachineLabelRequest,
    McalState,
    Pool,
    Purpose,
    Request,
    Scores,
)

Step = tuple[McalState, Request]
NOTHING: IntArray = np.empty(0, dtype=np.int64)
AUDIT_PHASES = {"audit", "unfreeze"}


def waiting(state: McalState, phase: str, name: str) -> McalState:
    """Wait for a request whose id cannot repeat within an iteration: parts of an audit count on."""
    if phase in AUDIT_PHASES and state.audit is not None:
        name += f"-{state.audit.attempt}-{state.audit.asked}"
    if state.turns:
        name += f"-t{state.turns}"  # an undone end is asked for again in the same iteration
    return replace(state, phase=phase, waiting_for=f"{state.iteration:03d}-{name}")


def batch(state: McalState, purpose: Purpose, items: IntArray, pool: Pool) -> Step:
    """Ask for the batch; its members that already have a label go along unpaid."""
    state = replace(state, delta=len(items))
    buy = items[(pool.labels[items] < 0) & ~pool.excluded[items]]
    phase = "seed" if purpose is Purpose.SEED else "label"
    return labels(state, phase, purpose, buy=buy, train=items)


def next_batch(state: McalState, pool: Pool, views: list[Scores]) -> Step:
    """Ask for the batch that M(.) ranks first, by the mean rank over the live candidates.

    What people were asked for ahead joins B with it, and counts in its size.
    """
    early = np.flatnonzero(pool.ahead).astype(np.int64)
    open_items = np.flatnonzero(~pool.train & ~pool.ahead & ~pool.excluded).astype(np.int64)
    more = max(state.delta - int((pool.ahead & ~pool.excluded).sum()), 0)
    config = state.config
    if not acquisitions.can_use(config.acquisition, *views):  # chosen meanwhile
        config = replace(config, acquisition="margin")
    chosen = selection.acquire(config, open_items, tuple(views), more, state.iteration, pool.train)
    return batch(state, Purpose.TRAIN, np.concatenate([early, chosen]), pool)


def labels(
    state: McalState,
    phase: str,
    purpose: Purpose,
    *,
    buy: IntArray,
    train: IntArray = NOTHING,
    mark: IntArray = NOTHING,
    name: str = "",
) -> Step:
    state = waiting(state, phase, name or f"label-{purpose.value}")
    frozen, commitment = auditing.commitment(state) if phase in AUDIT_PHASES else ("", {})
    return state, LabelRequest(
        state.waiting_for, purpose, state.iteration, buy, train, mark, frozen, commitment
    )


def machine(state: McalState, items: IntArray, scores: Scores, promise: dict[str, object]) -> Step:
    """Ask to store the machine labels of these items with their certificate."""
    promise = promise | {"iteration": state.iteration, "delivered": len(items)}
    state = waiting(replace(state, certificate=auditing.brief(promise)), "machine", "machine")
    return state, MachineLabelRequest(
        id=state.waiting_for,
        iteration=state.iteration,
        items=items,
        labels=scores.pred[items].astype(np.int64),
        uncertainty=scores.uncertainty[items].astype(np.float64),
        model=scores.model,
        certificate=promise,
    )
