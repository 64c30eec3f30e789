"""The only bridge to mcal_engine: rows -> answers, requests -> plain records.

Money is Decimal on this side and float on the other; the conversion happens here. Everything of
the engine is imported inside the functions: a web process never loads NumPy or SciPy for a page.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelapp.models import Label, Project, Run, TestMark, TrainItem

if TYPE_CHECKING:
    from mcal_engine import types as t

HISTOGRAM_BINS = 20


@dataclass(frozen=True)
class LabelOrder:
    """People label `buy`, in this order; `train` join B, `mark` become test marks. Image numbers."""

    id: str
    purpose: str
    iteration: int
    buy: list[int]
    train: list[int]
    mark: list[int]


@dataclass(frozen=True)
class TrainOrder:
    """Train fresh weights on all of B, then score every image."""

    id: str
    iteration: int
    arch: str
    seed: int


@dataclass(frozen=True)
class MachineOrder:
    """Store these machine labels. `margins` lie in 0..1; the three lists go together."""

    id: str
    iteration: int
    items: list[int]
    classes: list[int]
    margins: list[float]
    model: str
    certificate: dict[str, Any]


@dataclass(frozen=True)
class EndOrder:
    """Every image has its label."""

    id: str
    outcome: str
    reason: str


Order = LabelOrder | TrainOrder | MachineOrder | EndOrder
KINDS: dict[type, str] = {
    LabelOrder: "label",
    TrainOrder: "train",
    MachineOrder: "machine",
    EndOrder: "finished",
}


@dataclass(frozen=True)
class Step:
    """What one step of the engine asks to write down.

    `orders` are carried out in this order; only the last one waits for people or the worker.
    `record` and `plan` are set when the step answered a training.
    """

    state: dict[str, Any]
    orders: list[Order]
    iteration: int
    record: dict[str, Any] | None = None
    plan: dict[str, Any] | None = None
    histogram: dict[str, Any] = field(default_factory=dict)

    @property
    def outstanding(self) -> Order:
        """The order that the run waits for from now on."""
        return self.orders[-1]


@dataclass(frozen=True)
class Training:
    """A finished training: where its score arrays lie and what it took."""

    folder: Path
    sha256: str
    train_seconds: float
    score_seconds: float
    samples_shown: int


class RefusedError(Exception):
    """The engine does not accept these settings; the message says why."""


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
    saved = _save(state)
    return saved["state"]["config"], Step(saved, [_order(request)], iteration=0)


def outstanding_training(run: Run) -> TrainOrder:
    """Return the training that the run waits for, as it was asked for."""
    return TrainOrder(**run.state["order"])


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
        prices=types.Prices(
            label=float(project.price_per_label * project.overlap),
            compute_per_hour=float(project.compute_price_per_hour),
        ),
        # by Decimal: 1 - 0.95 is 0.050000000000000044 in floats
        target=types.Target(project.epsilon, float(1 - Decimal(str(project.confidence)))),
        arch=project.arch,
        seed=project.seed,
        **_paced(project),
    )


def _paced(project: Project) -> dict[str, Any]:
    """Return the limit on trainings where the project sets one; the engine paces itself to it."""
    rounds = project.settings.get("max_rounds")
    return {} if rounds is None else {"max_rounds": int(rounds)}


# --- every later step ----------------------------------------------------------------------------


def next_step(run: Run, training: Training | None = None) -> Step:
    """Tell the engine that the outstanding request of this run is done; return what follows.

    Reads B, T and the human labels; writes nothing. Requests that need nobody (a batch with
    nothing to buy, machine labels) are answered at once: they are in `orders` before the last.
    """
    from mcal_engine import mcal, types  # noqa: PLC0415

    state, pool = _load(run.state), _pool(run)
    seen, measured = len(state.records), pool
    scores = None if training is None else _scores(training)
    answer: t.Answer = types.Labelled(run.waiting_for, pool)
    if training is not None and scores is not None:
        answer = _trained(run.waiting_for, pool, scores, training)
    orders = []
    while True:
        state, request = mcal.advance(state, answer)
        orders.append(_order(request))
        follow = _answer_at_once(request, pool)
        if follow is None:
            break
        answer = follow
        pool = follow.pool
    saved = _save(state, orders[-1])
    if len(state.records) == seen or scores is None:
        return Step(saved, orders, state.iteration)
    told = saved["state"]
    return Step(
        saved,
        orders,
        state.iteration,
        record=told["records"][-1],
        plan=told["plan"],
        histogram=_histogram(measured, scores),
    )


def _answer_at_once(request: t.Request, pool: t.Pool) -> t.Labelled | t.Stored | None:
    """Return the answer to a request that no person and no training is needed for, else None."""
    import numpy as np  # noqa: PLC0415

    from mcal_engine import types  # noqa: PLC0415

    if isinstance(request, types.MachineLabelRequest):
        machine = np.zeros(len(pool.labels), dtype=np.bool_)
        machine[request.items] = True
        return types.Stored(request.id, pool, machine)
    if isinstance(request, types.LabelRequest) and (pool.labels[request.buy] >= 0).all():
        return types.Labelled(request.id, _with(pool, request))
    return None


def _with(pool: t.Pool, request: t.LabelRequest) -> t.Pool:
    from mcal_engine import types  # noqa: PLC0415

    train, marked = pool.train.copy(), pool.marked.copy()
    train[request.train] = True
    marked[request.mark] = True
    return types.Pool(train, marked, pool.labels, pool.excluded)


# --- rows -> arrays ------------------------------------------------------------------------------


def _pool(run: Run) -> t.Pool:
    import numpy as np  # noqa: PLC0415

    from mcal_engine import types  # noqa: PLC0415

    labels = np.full(run.n, -1, dtype=np.int64)
    human = Label.objects.filter(
        project_id=run.project_id, source=Label.Source.HUMAN, seq__lt=run.n
    )
    for seq, index in human.values_list("seq", "class_index").iterator(chunk_size=10_000):
        labels[seq] = index
    train = TrainItem.objects.filter(run=run).values_list("seq", flat=True)
    marked = TestMark.objects.filter(run=run).values_list("seq", flat=True)
    return types.Pool(
        train=_mask(run.n, list(train)),
        marked=_mask(run.n, list(marked)),
        labels=labels,
        excluded=np.zeros(run.n, dtype=np.bool_),
    )


def _mask(n: int, items: list[int]) -> t.BoolArray:
    import numpy as np  # noqa: PLC0415

    mask = np.zeros(n, dtype=np.bool_)
    mask[items] = True
    return mask


def _scores(training: Training) -> t.Scores:
    import numpy as np  # noqa: PLC0415

    from mcal_engine import types  # noqa: PLC0415

    return types.Scores(
        pred=np.load(training.folder / "pred.npy"),
        uncertainty=np.load(training.folder / "uncertainty.npy"),
        model=training.sha256,
    )


def _trained(request_id: str, pool: t.Pool, scores: t.Scores, training: Training) -> t.Trained:
    from mcal_engine import types  # noqa: PLC0415

    return types.Trained(
        request_id=request_id,
        pool=pool,
        scores=scores,
        train_seconds=training.train_seconds,
        score_seconds=training.score_seconds,
        samples_shown=training.samples_shown,
    )


def _histogram(pool: t.Pool, scores: t.Scores) -> dict[str, Any]:
    """Count T's images by margin, right and wrong apart: what the margin threshold separates."""
    import numpy as np  # noqa: PLC0415

    edges = np.linspace(0.0, 1.0, HISTOGRAM_BINS + 1)
    margin = np.clip(1.0 - scores.uncertainty[pool.test], 0.0, 1.0)
    right = scores.pred[pool.test] == pool.labels[pool.test]
    return {
        "edges": [round(float(edge), 6) for edge in edges],
        "right": np.histogram(margin[right], edges)[0].tolist(),
        "wrong": np.histogram(margin[~right], edges)[0].tolist(),
    }


# --- requests and state -> plain records ---------------------------------------------------------


def _order(request: t.Request) -> Order:
    from mcal_engine import types  # noqa: PLC0415

    if isinstance(request, types.LabelRequest):
        buy, train, mark = request.buy.tolist(), request.train.tolist(), request.mark.tolist()
        return LabelOrder(request.id, str(request.purpose), request.iteration, buy, train, mark)
    if isinstance(request, types.TrainRequest):
        return TrainOrder(request.id, request.iteration, request.arch, request.seed)
    if isinstance(request, types.Finished):
        return EndOrder(request.id, request.outcome, request.reason)
    return MachineOrder(
        id=request.id,
        iteration=request.iteration,
        items=request.items.tolist(),
        classes=request.labels.tolist(),
        margins=(1.0 - request.uncertainty).clip(0.0, 1.0).tolist(),
        model=request.model,
        certificate=json.loads(json.dumps(request.certificate, allow_nan=False)),
    )


def _save(state: t.McalState, outstanding: Order | None = None) -> dict[str, Any]:
    """Return the state as JSON; a training that was asked for is kept beside it."""
    from mcal_engine import state_io  # noqa: PLC0415

    saved: dict[str, Any] = json.loads(state_io.dump(state))
    if isinstance(outstanding, TrainOrder):
        saved["order"] = asdict(outstanding)
    return saved


def _load(saved: dict[str, Any]) -> t.McalState:
    from mcal_engine import state_io  # noqa: PLC0415

    return state_io.load(json.dumps(saved))
