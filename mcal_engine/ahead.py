"""What people label while a training runs, so that nobody waits for the GPU.

While the machine trains, people get the images that they will most probably be asked for anyway:
the least certain ones of all of X outside B under the last model, with the uniform share of any
batch. Two rules keep T a uniformly random part of what is left:

1. The order is drawn blind to the test marks and fixed before its first answer. Marked images
   stand in it like all others; they have their label, so nobody is asked.
2. When the training ends, the order is cut behind the last image that was answered or is on
   somebody's screen. Everything before the cut leaves the remainder together: answered, still
   open (asked for in the next batch), or marked, which leaves T unpaid. Nothing behind it does.

The cut is a stopping time of the order: where it falls depends on images before it only, so the
marks behind it are still a uniformly random subset of the images behind it. (To take the answered
images without the marked ones between them would leave the hard marks in T while the hard others
go: T would look worse than the remainder.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mcal_engine import acquisitions, selection
from mcal_engine.orders import hash_order
from mcal_engine.types import BoolArray, IntArray, Pool, RunConfig, Scores


def asking_order(
    config: RunConfig, pool: Pool, views: Sequence[Scores], count: int, iteration: int
) -> IntArray:
    """Return up to `count` images in the order in which people get them, test marks among them.

    `views` are the last models' scores, `iteration` the training that runs. The chosen images
    are shuffled by the stored seed: no streak of one class builds up. What would need the last
    model's features chooses by margin here: people wait for this answer.
    """
    slow = config.acquisition in acquisitions.NEEDS_FEATURES
    if slow or not acquisitions.can_use(config.acquisition, *views):
        config = replace(config, acquisition="margin")
    candidates = np.flatnonzero(~pool.train & ~pool.ahead & ~pool.excluded).astype(np.int64)
    candidates = candidates[candidates < len(views[0].pred)]  # images that joined since are new
    name = f"ahead:{iteration}"
    chosen = selection.acquire(config, candidates, views, count, name, pool.train)
    return hash_order(f"{config.seed}:{name}:order", chosen)


def prefix(order: IntArray, worked_on: BoolArray) -> IntArray:
    """Return the images up to the cut: the last one that was `worked_on` [order] is the last.

    `worked_on`: somebody has answered it, or has it on the screen.
    """
    found = np.flatnonzero(worked_on)
    return order[: int(found[-1]) + 1] if len(found) else order[:0]
