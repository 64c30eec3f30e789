"""The only bridge to mcal_engine: rows -> answers, requests -> plain records.

Money is Decimal on this side and float on the other; the conversion happens here. Everything of
the engine is imported inside the functions: a web process never loads NumPy or SciPy for a page.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from labelapp import pricing
from labelapp.engine_rows import (
    histogram_of,
    measured_of,
    merged_classes,
    pool_of,
    profile_of,
    scores_of,
)
from labelapp.engine_what_if import planned_after
from labelapp.models import Project, Run
from labelapp.orders import (
    Ahead,
    EndOrder,
    Frozen,
    LabelOrder,
    MachineOrder,
    Order,
    Step,
    Training,
    TrainOrder,
)

if TYPE_CHECKING:
    from mcal_engine import types as t


class RefusedError(Exception):
    """The engine does not accept these settings; the message says why."""


class TooLateError(Exception):
    """The run is past the point where these settings can change; the message says why."""


# --- the first step ------------------------------------------------------------------------------


def first_step(project: Project, *, images: int, classes: int) -> tuple[dict[str, Any], Step]:
    """Begin a run: return its settings for the record and the first step.

    Raises RefusedError for settings that make no sense.
    """
    from mcal_engine import mcal  # noqa: PLC0415
    from mcal_engine.errors import InvalidConfigError  # noqa: PLC0415

    config = _config(project, images, classes)
    try:
        state, request = mcal.start(config)
    except InvalidConfigError as error:
        raise RefusedError(str(error)) from error
    saved = save(state)
    return saved["state"]["config"], Step(saved, [order_of(request)], iteration=0)


def outstanding_training(run: Run) -> TrainOrder:
    """Return the training that the run waits for, as it was asked for."""
    order = dict(run.state["order"])
    if "arch" in order:  # saved before several networks could race
        order["archs"] = [order.pop("arch")]
    return TrainOrder(**order)


def first_purchase(project: Project, *, images: int, classes: int) -> tuple[int, int]:
    """Return how many test and first training labels a run would buy first (|T|, |B_0|).

    The second is an upper bound: test marks that the draw takes along are already paid.
    """
    from mcal_engine import selection  # noqa: PLC0415

    config = _config(project, images, classes)
    return selection.test_size(config), selection.seed_size(config)


def _config(project: Project, images: int, classes: int) -> t.RunConfig:
    from mcal_engine import types  # noqa: PLC0415

    return types.RunConfig(
        n=images,
        classes=classes,
        prices=prices_of(project),
        target=target_of(project),
        arch=project.arch,
        rivals=tuple(project.rivals),
        seed=project.seed,
        acquisition=project.acquisition,
        confidence=project.certainty,
        curves=types.CurveModel(project.curve_model),
        cost_model=types.CostModel(project.cost_model),
        **_paced(project),
    )


def prices_of(project: Project) -> t.Prices:
    from mcal_engine import types  # noqa: PLC0415

    return types.Prices(
        label=float(pricing.per_image(project)),
        compute_per_hour=float(project.compute_price_per_hour),
    )


def target_of(project: Project) -> t.Target:
    from mcal_engine import types  # noqa: PLC0415

    return types.Target(
        epsilon=project.epsilon,
        # by Decimal: 1 - 0.95 is 0.050000000000000044 in floats
        alpha=float(1 - Decimal(str(project.confidence))),
        certificate=types.CertificateKind(project.certificate),
        budget=None if project.budget is None else float(project.budget),
    )


def _paced(project: Project) -> dict[str, Any]:
    """Return what the project sets of pace and training; the engine's own values stand else."""
    names = ("max_rounds", "first", "fixed_delta")
    given = {name: project.settings.get(name) for name in names}
    found: dict[str, Any] = {name: int(value) for name, value in given.items() if value is not None}
    return found | trained_of(project)


def trained_of(project: Project) -> dict[str, Any]:
    """Return how candidates train and how M(.) `informativeness` weighs, as a run's settings."""
    from mcal_engine.config import Weighing  # noqa: PLC0415

    weighing = dict(project.settings.get("weighing") or {})
    if "neighbours" in weighing:
        weighing["neighbours"] = int(weighing["neighbours"])
    return {
        "training": dict(project.settings.get("training") or {}),
        "weighing": Weighing(**weighing),
    }


# --- every later step ----------------------------------------------------------------------------


def next_step(
    run: Run,
    trainings: Sequence[Training] = (),
    frozen: Frozen | None = None,
    early: Ahead | None = None,
    *,
    images: int = 0,
) -> Step:
    """Tell the engine that the outstanding request of this run is done; return what follows.

    `trainings` answer a training, in the order of its architectures; `frozen` is the model whose
    audit the labels belong to, `early` how many images to choose for people while a training
    runs, `images` how many images the project has: those that the run lacks join it. Reads B, T and the human labels; writes nothing. Requests that need nobody (a batch with
    nothing to buy, machine labels) are answered at once: they are in `orders` before the last.
    """
    pool = pool_of(run)
    models: list[Training | Frozen] = [*trainings, *([frozen] if frozen else [])]
    merged = merged_classes(run.project_id) if models else {}
    scored = {model.sha256: scores_of(model, merged) for model in models}
    answer = _answer(run.waiting_for, pool, models, scored)
    before = _expecting(_repriced(load(run.state), run.project), images)
    state, orders, pool = follow(before, answer, scored)
    chosen = _chosen_early(state, orders[-1], pool, early)
    saved = save(state, orders[-1])
    record, others = _leader_first(state, len(before.records))
    if record is None:
        return Step(saved, orders, state.iteration, early=chosen)
    leader = next((one.sha256 for one in trainings if one.arch == record["arch"]), "")
    return Step(
        saved,
        orders,
        state.iteration,
        record=record,
        others=others,
        plan=planned_after(saved),
        histogram=histogram_of(answer.pool, scored[leader]) if leader else {},
        profile=profile_of(answer.pool, scored[leader]) if leader else {},
        early=chosen,
    )


def _answer(
    request_id: str, pool: t.Pool, models: list[Training | Frozen], scored: dict[str, t.Scores]
) -> t.Labelled | t.Trained:
    from mcal_engine import types  # noqa: PLC0415

    trained = [model for model in models if isinstance(model, Training)]
    if trained:
        measured = tuple(measured_of(model, scored[model.sha256]) for model in trained)
        return types.Trained(request_id, pool, measured)
    return types.Labelled(request_id, pool, scored[models[0].sha256] if models else None)


def follow(
    state: t.McalState, answer: t.Labelled | t.Trained | t.Stored, scored: dict[str, t.Scores]
) -> tuple[t.McalState, list[Order], t.Pool]:
    """Advance until a request needs people or the worker.

    Returns all requests on the way, and the pool as the last one finds it.
    """
    from mcal_engine import mcal  # noqa: PLC0415

    orders = []
    while True:
        state, request = mcal.advance(state, answer)
        orders.append(order_of(request))
        pool = answer.pool.extended(state.config.n)  # images have joined
        following = answer_at_once(request, pool, scored)
        if following is None:
            return state, orders, pool
        answer = following


def _leader_first(
    state: t.McalState, known: int
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """Split the records of one training, those after the first `known`, into leader's and others'.

    Not from the saved state: there they are rows once the next batch, labelled ahead, is full.
    """
    records = json.loads(json.dumps([asdict(record) for record in state.records[known:]]))
    if not records:
        return None, []
    leader = state.live[0] if state.live else ""
    ordered = sorted(records, key=lambda record: record["arch"] != leader)
    return ordered[0], ordered[1:]


def answer_at_once(
    request: t.Request, pool: t.Pool, scored: dict[str, t.Scores]
) -> t.Labelled | t.Stored | None:
    """Return the answer to a request that no person and no training is needed for, else None."""
    import numpy as np  # noqa: PLC0415

    from mcal_engine import types  # noqa: PLC0415

    if isinstance(request, types.MachineLabelRequest):
        machine = np.zeros(len(pool.labels), dtype=np.bool_)
        machine[request.items] = True
        return types.Stored(request.id, pool, machine)
    if not isinstance(request, types.LabelRequest):
        return None
    if ((pool.labels >= 0) | pool.excluded)[request.buy].all():
        return types.Labelled(request.id, _with(pool, request), scored.get(request.frozen))
    return None


def _with(pool: t.Pool, request: t.LabelRequest) -> t.Pool:
    from mcal_engine import types  # noqa: PLC0415

    train, marked = pool.train.copy(), pool.marked.copy()
    train[request.train] = True
    marked[request.mark] = True
    return types.Pool(train, marked, pool.labels, pool.excluded, pool.ahead)


def _expecting(state: t.McalState, images: int) -> t.McalState:
    """Return the state that takes the project's new images in; not once the end has begun."""
    from mcal_engine import steering  # noqa: PLC0415

    return state if state.phase in steering.ENDING else steering.coming(state, images)


def _repriced(state: t.McalState, project: Project) -> t.McalState:
    """Return the state with the price per image as people's disagreements make it by now.

    A price that has hardly moved stays: each change makes the run plan anew before it may stop.
    """
    from mcal_engine import mcal  # noqa: PLC0415

    known = state.config.prices.label
    if not pricing.has_moved(known, pricing.per_image(project)):
        return state
    return mcal.change(state, prices_of(project), state.config.target)


def _chosen_early(
    state: t.McalState, outstanding: Order, pool: t.Pool, early: Ahead | None
) -> list[int]:
    """Choose the images that people get while a training runs, in their order."""
    from mcal_engine import ahead, budgets  # noqa: PLC0415

    if early is None or not isinstance(outstanding, TrainOrder) or not early.count:
        return []
    models = [early.models[arch] for arch in outstanding.archs if arch in early.models]
    if not models:
        return []
    views = [scores_of(model) for model in models]
    count = int(min(early.count, budgets.room(state, pool)))
    order = ahead.asking_order(state.config, pool, views, count, state.iteration)
    return [int(item) for item in order]


# --- other settings in the middle of a run -------------------------------------------------------


def changed(run: Run, project: Project) -> dict[str, Any]:
    """Return the run's state with the prices and the target that `project` has now.

    The outstanding request stays as it is; the next plan uses the new values. Raises
    RefusedError for values that make no sense, TooLateError once the machine labels are chosen.
    """
    from mcal_engine import mcal  # noqa: PLC0415
    from mcal_engine.errors import InvalidAnswerError, InvalidConfigError  # noqa: PLC0415

    try:
        state = mcal.change(load(run.state), prices_of(project), target_of(project))
    except InvalidConfigError as error:
        raise RefusedError(str(error)) from error
    except InvalidAnswerError as error:
        raise TooLateError(str(error)) from error
    order = {"order": run.state["order"]} if "order" in run.state else {}
    return save(state) | order


# --- requests and state -> plain records ---------------------------------------------------------


def order_of(request: t.Request) -> Order:
    from mcal_engine import types  # noqa: PLC0415

    if isinstance(request, types.LabelRequest):
        return LabelOrder(
            id=request.id,
            purpose=str(request.purpose),
            iteration=request.iteration,
            buy=request.buy.tolist(),
            train=request.train.tolist(),
            mark=request.mark.tolist(),
            frozen=request.frozen,
            commitment=_plain(request.commitment),
        )
    if isinstance(request, types.TrainRequest):
        archs = list(request.archs)
        return TrainOrder(request.id, request.iteration, archs, request.seed, request.features)
    if isinstance(request, types.Finished):
        return EndOrder(request.id, request.outcome, request.reason)
    return MachineOrder(
        id=request.id,
        iteration=request.iteration,
        items=request.items.tolist(),
        classes=request.labels.tolist(),
        margins=(1.0 - request.uncertainty).clip(0.0, 1.0).tolist(),
        model=request.model,
        certificate=_plain(request.certificate),
    )


def _plain(content: dict[str, object]) -> dict[str, Any]:
    """Return the content as JSON knows it (tuples become lists, no NaN)."""
    plain: dict[str, Any] = json.loads(json.dumps(content, allow_nan=False))
    return plain


def save(state: t.McalState, outstanding: Order | None = None) -> dict[str, Any]:
    """Return the state as JSON; a training that was asked for is kept beside it."""
    from mcal_engine import state_io  # noqa: PLC0415

    saved: dict[str, Any] = json.loads(state_io.dump(state))
    if isinstance(outstanding, TrainOrder):
        saved["order"] = asdict(outstanding)
    return saved


def load(saved: dict[str, Any]) -> t.McalState:
    from mcal_engine import state_io  # noqa: PLC0415

    return state_io.load(json.dumps(saved))
