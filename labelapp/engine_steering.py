"""The bridge's part for steering: what a manager asks of a run -> its next state, in plain records.

Nothing here writes. The engine is imported inside the functions, as in `labelapp.engine`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelapp.engine import (
    RefusedError,
    TooLateError,
    answer_at_once,
    follow,
    load,
    order_of,
    save,
    target_of,
    trained_of,
)
from labelapp.engine_rows import pool_of, scores_of
from labelapp.models import Project, Run
from labelapp.orders import Frozen, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mcal_engine import types as t

State = dict[str, Any]


class ScantBudgetError(RefusedError):
    """Opening again within the budget could only make the promise worse; `least` is needed."""

    def __init__(self, message: str, least: float) -> None:
        super().__init__(message)
        self.least = least


# --- asking ---------------------------------------------------------------------------------------


def asked(run: Run, what: str) -> State:
    """Return the state that does `what` next: stop, audit, by_hand. Raises TooLateError."""
    from mcal_engine import steering  # noqa: PLC0415

    return _changed(run, lambda state: steering.wish(state, what))


def attempt_of(run: Run) -> int | None:
    """Return the number of the audit that goes on, None where none does."""
    state = run.state["state"]
    return int(state["audit"]["attempt"]) if state["phase"] == "audit" else None


def unasked(run: Run, project: Project, again: str = "", begun: int | None = None) -> State:
    """Return the state without its wish, with the project's target; `again`: the wish before it.

    `begun`: the audit that went on when it was asked, and goes on. Raises TooLateError.
    """
    from mcal_engine import steering  # noqa: PLC0415

    def taken_back(state: t.McalState) -> t.McalState:
        state = steering.unwish(state, begun)
        state = steering.change(state, state.config.prices, target_of(project))
        return steering.wish(state, again) if again else state

    return _changed(run, taken_back)


def reconfigured(run: Run, project: Project) -> State:
    """Return the state with the methods that `project` has now. Raises RefusedError, TooLateError.

    The next batch is chosen by the new M(.); new networks train from the next training on.
    """
    from mcal_engine import steering, types  # noqa: PLC0415

    methods: dict[str, Any] = {
        "arch": project.arch,
        "rivals": tuple(project.rivals),
        "acquisition": project.acquisition,
        "confidence": project.certainty,
        "fixed_delta": project.settings.get("fixed_delta"),
        **trained_of(project),
    }
    rounds = project.settings.get("max_rounds")
    methods["max_rounds"] = types.RunConfig.max_rounds if rounds is None else int(rounds)
    return _changed(run, lambda state: steering.reconfigure(state, **methods))


def with_classes(run: Run, classes: int) -> State:
    """Return the state with so many classes. Raises RefusedError, TooLateError."""
    from mcal_engine import steering  # noqa: PLC0415

    return _changed(run, lambda state: steering.reconfigure(state, classes=classes))


def without_images(run: Run, n: int) -> State:
    """Return the state of a run whose images from number `n` on were taken out again.

    Raises TooLateError where they have joined it.
    """
    from mcal_engine import steering  # noqa: PLC0415

    return _changed(run, lambda state: steering.going(state, n))


def _changed(run: Run, change: Callable[[t.McalState], t.McalState]) -> State:
    from mcal_engine.errors import InvalidAnswerError, InvalidConfigError  # noqa: PLC0415

    try:
        state = change(load(run.state))
    except InvalidConfigError as error:
        raise RefusedError(str(error)) from error
    except InvalidAnswerError as error:
        raise TooLateError(str(error)) from error
    order = {"order": run.state["order"]} if "order" in run.state else {}
    return save(state) | order


def reopened(
    run: Run, project: Project, *, machine: Sequence[int], model: Frozen | None, images: int
) -> Step:
    """Return the step that opens a run again whose machine labels were chosen.

    `machine` are the images with a machine label, `model` the one that gave them or was audited,
    `images` how many the project has by now. Raises RefusedError (ScantBudgetError where it is the
    budget), TooLateError.
    """
    import numpy as np  # noqa: PLC0415

    from mcal_engine import errors, steering  # noqa: PLC0415

    pool, scores = pool_of(run), None if model is None else scores_of(model)
    mask = np.zeros(run.n, dtype=np.bool_)
    mask[list(machine)] = True
    try:
        before = load(run.state)
        state, request = steering.reopen(before, pool, mask, scores, target_of(project), images)
    except errors.BudgetTooSmallError as error:
        raise ScantBudgetError(str(error), error.least) from error
    except errors.InvalidConfigError as error:
        raise RefusedError(str(error)) from error
    except errors.InvalidAnswerError as error:
        raise TooLateError(str(error)) from error
    answer = answer_at_once(request, pool, {})
    if answer is None:
        raise TooLateError("this run cannot be opened again")
    state, orders, _pool = follow(state, answer, {})
    orders = [order_of(request), *orders]
    return Step(save(state, orders[-1]), orders, state.iteration)
