"""Drive `advance` with known labels: experiments, benchmarks, tests.

The known labels sit behind an `Oracle` that logs every purchase and refuses to sell a label
twice; nothing else here reads them before the run is finished.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mcal_engine import ahead, candidates, mcal
from mcal_engine.errors import EngineError
from mcal_engine.learner import Earlier, Learner
from mcal_engine.types import (
    Answer,
    BoolArray,
    Finished,
    IntArray,
    IterationRecord,
    Labelled,
    LabelRequest,
    MachineLabelRequest,
    McalState,
    Measured,
    Pool,
    Purpose,
    Request,
    RunConfig,
    Scores,
    Stored,
    Trained,
    TrainRequest,
)

Watcher = Callable[[IterationRecord], None]


@dataclass
class Oracle:
    """Sells human labels of a pool whose truth is known, and logs each sale.

    `given` are the labels that people answer, by default the truth; a noisy crowd's differ.
    """

    truth: IntArray
    given: IntArray | None = None
    sales: list[tuple[str, IntArray]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._sold = np.zeros(len(self.truth), dtype=np.bool_)

    def buy(self, items: IntArray, purpose: Purpose) -> IntArray:
        """Return the people's labels of these images.

        Raises `EngineError` on a second sale, and where the data set has no label to sell.
        """
        if self._sold[items].any() or len(np.unique(items)) != len(items):
            raise EngineError("a label was bought twice")
        answers = (self.truth if self.given is None else self.given)[items]
        if len(items) and answers.min() < 0:
            raise EngineError(f"image {items[answers.argmin()]} has no label in the data set")
        self._sold[items] = True
        self.sales.append((purpose.value, items.copy()))
        return answers

    def paid(self, purpose: Purpose | None = None) -> int:
        """Return how many labels were sold, for one purpose or in all."""
        return sum(len(items) for name, items in self.sales if purpose in {None, name})

    def wrong(self, labels: IntArray, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
        """Judge finished labels against the truth. Only for the report after the end."""
        return int((labels[chosen] != self.truth[chosen]).sum())


class Driver:
    """Answers the engine's requests from an oracle and a learner, as the application would.

    `label_ahead` images are labelled by people during each training but the first, and one more
    is on somebody's screen when it ends. `unusable` images [N] are those that nobody can label.
    """

    def __init__(
        self,
        config: RunConfig,
        oracle: Oracle,
        learner: Learner,
        *,
        label_ahead: int = 0,
        unusable: BoolArray | None = None,
    ) -> None:
        self.config, self.oracle, self.learner = config, oracle, learner
        if label_ahead < 0:
            raise EngineError(f"{label_ahead} images cannot be labelled ahead")
        self.label_ahead = label_ahead
        self.unusable = np.zeros(config.n, np.bool_) if unusable is None else unusable
        self.excluded = np.zeros(config.n, dtype=np.bool_)
        self.ahead = np.zeros(config.n, dtype=np.bool_)
        self.train = np.zeros(config.n, dtype=np.bool_)
        self.marked = np.zeros(config.n, dtype=np.bool_)
        self.machine = np.zeros(config.n, dtype=np.bool_)
        self.labels = np.full(config.n, -1, dtype=np.int64)
        self.machine_labels = np.full(config.n, -1, dtype=np.int64)
        self.scores: dict[str, Scores] = {}  # of the last training, by model
        self.earlier: dict[
            str, Earlier
        ] = {}  # the last model of each candidate that learns from it
        self.commitments: list[dict[str, object]] = []  # one per audit, before its first label
        self.certificate: dict[str, object] = {}  # in full; the state keeps it without its lists

    def pool(self) -> Pool:
        """Return what is known now."""
        return Pool(
            self.train.copy(),
            self.marked.copy(),
            self.labels.copy(),
            self.excluded.copy(),
            self.ahead.copy(),
        )

    def answer(self, request: Request) -> Answer:
        """Do what the request asks and return the answer to it."""
        if isinstance(request, LabelRequest):
            return self._label(request)
        if isinstance(request, TrainRequest):
            return self._train(request)
        if isinstance(request, MachineLabelRequest):
            return self._store(request)
        raise EngineError("a finished run asks for nothing")

    def _label(self, request: LabelRequest) -> Labelled:
        if request.commitment and request.commitment not in self.commitments:
            self.commitments.append(request.commitment)
        self._buy(request.buy, request.purpose)
        self.train[request.train] = True
        self.marked[request.mark] = True
        return Labelled(request.id, self.pool(), self.scores.get(request.frozen))

    def _buy(self, items: IntArray, purpose: Purpose) -> None:
        """Label these images, or find that nobody can."""
        broken = self.unusable[items]
        self.excluded[items[broken]] = True
        self.labels[items[~broken]] = self.oracle.buy(items[~broken], purpose)

    def _train(self, request: TrainRequest) -> Trained:
        if self.label_ahead and self.scores:
            self._label_ahead(request)
        self.scores.clear()
        models = tuple(self._measured(request, arch) for arch in request.archs)
        return Trained(request.id, self.pool(), models)

    def _label_ahead(self, request: TrainRequest) -> None:
        """People work while the machine trains, in an order that is blind to the marks."""
        views, most = list(self.scores.values()), 2 * self.label_ahead
        if request.ahead is not None:
            most = min(most, request.ahead)
        order = ahead.asking_order(self.config, self.pool(), views, most, request.iteration)
        asked = np.flatnonzero(self.labels[order] < 0)
        done, on_screen = asked[: self.label_ahead], asked[: self.label_ahead + 1]
        self._buy(order[done], Purpose.AHEAD)
        worked_on = np.zeros(len(order), dtype=np.bool_)
        worked_on[on_screen] = True
        self.ahead[ahead.prefix(order, worked_on)] = True

    def _measured(self, request: TrainRequest, arch: str) -> Measured:
        items = np.flatnonzero(self.train & ~self.excluded).astype(np.int64)
        earlier = self.earlier.get(arch)
        model = self.learner.train_and_score(
            items,
            self.labels[items],
            seed=request.seed,
            arch=arch,
            features=request.features and arch == request.archs[0],
            earlier=earlier,
        )
        self.scores[model.scores.model] = model.scores
        if candidates.learns_from_itself(arch):
            count = 1 if earlier is None else earlier.round + 1
            self.earlier[arch] = Earlier(model.scores, items, count)
        return Measured(
            arch,
            model.scores,
            model.train_seconds,
            model.score_seconds,
            model.samples_shown,
            model.device,
        )

    def _store(self, request: MachineLabelRequest) -> Stored:
        self.machine[request.items] = True
        self.machine_labels[request.items] = request.labels
        self.certificate = request.certificate
        return Stored(request.id, self.pool(), self.machine.copy())


def run(
    config: RunConfig,
    oracle: Oracle,
    learner: Learner,
    watch: Watcher | None = None,
    *,
    label_ahead: int = 0,
) -> dict[str, object]:
    """Run to the end and return the result as plain JSON values.

    `watch` is called with the record of each iteration as it is decided; `label_ahead` as in
    `Driver`.
    """
    return drive(config, Driver(config, oracle, learner, label_ahead=label_ahead), watch)


def drive(config: RunConfig, driver: Driver, watch: Watcher | None = None) -> dict[str, object]:
    """Run with a driver of the caller's, who may look at its labels and certificate afterwards."""
    began = time.perf_counter()
    state, request = mcal.start(config)
    seen = 0
    while not isinstance(request, Finished):
        state, request = mcal.advance(state, driver.answer(request))
        for record in state.records[seen:]:
            if watch is not None:
                watch(record)
        seen = len(state.records)
    return report(state, request, driver) | {"wall_seconds": time.perf_counter() - began}


def report(state: McalState, end: Finished, driver: Driver) -> dict[str, object]:
    """Return the figures of a finished run; dollars, counts of images, shares of N."""
    config, n = state.config, state.config.n
    counts = count_images(driver)
    labels = state.spent_labels + (driver.oracle.paid() - state.bought) * config.prices.label
    compute = state.spent_compute
    by_hand = n * config.prices.label
    wrong = driver.oracle.wrong(driver.machine_labels, driver.machine)
    return {
        "n": n,
        "classes": config.classes,
        "epsilon": config.target.epsilon,
        "alpha": config.target.alpha,
        "criterion": config.target.criterion.value,
        "certificate": config.target.certificate.value,
        "seed": config.seed,
        "arch": config.arch,
        "outcome": end.outcome,
        "counts": counts,
        "human_fraction": 1 - counts["machine"] / n,
        "machine_fraction": counts["machine"] / n,
        "realised_error": wrong / n,
        "bound": state.certificate.get("bound", 0.0),
        "cost": {
            "total": labels + compute,
            "labels": labels,
            "compute": compute,
            "human_only": by_hand,
        },
        "savings": 1 - (labels + compute) / by_hand if by_hand else 0.0,
        "iterations": [iteration(record) for record in state.records],
        "stop_reason": end.reason,
        "promise": state.certificate,
        "attempts": state.attempts,
        "audit_labels": driver.oracle.paid(Purpose.AUDIT),
        "ahead_labels": driver.oracle.paid(Purpose.AHEAD),
        "live": list(state.live),
    }


def count_images(driver: Driver) -> dict[str, int]:
    """Count every image once: T outside B, B, audited, machine-labelled, labelled by hand.

    What nobody could label is none of these; it is counted where there is some.
    """
    able = ~driver.excluded
    train, machine = driver.train & able, driver.machine
    test = driver.marked & ~driver.train & able
    audited = np.zeros(len(train), dtype=np.bool_)
    for purpose, items in driver.oracle.sales:
        audited[items] |= purpose == Purpose.AUDIT.value
    audited &= ~driver.train & able
    counts = {
        "test": int(test.sum()),
        "train": int(train.sum()),
        "audit": int(audited.sum()),
        "machine": int(machine.sum()),
        "residual": int((able & ~train & ~test & ~machine & ~audited).sum()),
    }
    excluded = int(driver.excluded.sum())
    return counts | ({"excluded": excluded} if excluded else {})


def iteration(record: IterationRecord) -> dict[str, object]:
    """Return one iteration as plain JSON values."""
    return {
        "number": record.number,
        "train_size": record.train_size,
        "delta": record.delta,
        "test_size": record.test_size,
        "remainder": record.remainder,
        "c_star": record.c_star,
        "c_low": record.c_low,
        "c_high": record.c_high,
        "b_opt": record.b_opt,
        "theta_star": record.theta_star,
        "stop_now": record.stop_now,
        "committed": record.committed,
        "stable": record.stable,
        "next_delta": record.next_delta,
        "test_counts": list(record.test_counts),
        "test_errors": list(record.test_errors),
        "train_seconds": record.train_seconds,
        "score_seconds": record.score_seconds,
        "samples_shown": record.samples_shown,
        "arch": record.arch,
        "probability_best": record.probability_best,
        "decision": record.decision,
    }
