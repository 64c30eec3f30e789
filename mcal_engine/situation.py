"""What is known when a plan is made, and how large the sets are at other training sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcal_engine import costs, curves, guarantees, selection
from mcal_engine.types import CurveModel, FloatArray, IterationRecord, RunConfig


@dataclass(frozen=True)
class Situation:
    """One architecture's view of the run after a training. Money in dollars, sizes in images.

    `n` counts the images of X that can be labelled, `marked` is |T|, `ahead` the images that were
    asked for while the training ran (they join B next, or stay people's), `spent` the compute
    paid so far for all architectures. `walk` is what certificate B or a paper mode would
    accept now. `attempts` are audits begun, `live` the architectures compared on T, `device` the
    kind of device that trains. `checked` images have a label that an audit asked for and are in
    neither B nor T; `along` are the trainings of the other candidates that go on.
    """

    config: RunConfig
    records: tuple[IterationRecord, ...]
    n: int
    trained: int
    marked: int
    spent: float
    walk: guarantees.Walk = guarantees.EMPTY
    attempts: int = 0
    live: int = 1
    device: str = ""
    ahead: int = 0
    checked: int = 0
    along: tuple[tuple[IterationRecord, ...], ...] = ()

    @property
    def price(self) -> float:
        """Dollars per human label."""
        return self.config.prices.label

    @property
    def remainder(self) -> int:
        """The images that nobody has labelled: X without B, T and what was asked for ahead."""
        return max(self.n - self.trained - self.ahead - self.marked, 0)

    @property
    def audited(self) -> bool:
        """Whether certificate A judges S."""
        return guarantees.is_audited(self.config.target)

    @property
    def small_batch(self) -> int:
        """The smallest batch that is planned: 1 % of X."""
        return selection.minimum_delta(self.n)


def human_only_cost(config: RunConfig, n: int) -> float:
    """Return what it costs when people label all n images and nothing is trained."""
    return n * config.prices.label


def pool_at(now: Situation, grid: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return |T outside B| and the remainder [grid] once B has each of these sizes.

    M(.) is blind to the marks, so it takes them in proportion. What was asked for ahead is in B
    first, and at no size does the machine get it.
    """
    taken = np.maximum(grid, np.minimum(grid, now.trained) + now.ahead)
    marked = now.marked * (now.n - taken) / max(now.n - now.trained - now.ahead, 1)
    return marked, np.maximum(now.n - taken - marked, 0.0)


def relative(now: Situation, sizes: FloatArray) -> FloatArray:
    """Return set sizes as shares of the remainder at the last training, as curves take them."""
    return np.asarray(sizes / max(now.records[-1].remainder, 1))


def fitted(now: Situation) -> curves.Curves:
    """Fit the error curves; before there are enough points the last value stays."""
    config = now.config
    ranking = guarantees.ranking(config.target.criterion)
    points = curves.points_of(now.records, now.n, config.classes, ranking)
    early = len(now.records) < curves.MIN_POINTS
    return curves.fit(points, config.seed, CurveModel.LAST_VALUE if early else config.curves)


def next_runs(now: Situation, size: float) -> float:
    """Return compute dollars, spent and planned, once all who race have trained on `size` images."""
    at = np.array([float(size)])
    seconds = sum(
        float(costs.fit_compute(records, now.config.cost_model).seconds(at)[0])
        for records in now.along
    )
    price = costs.compute_dollars(1.0, now.config.prices, now.device)
    return float(compute_to(now, at, 1)[0]) + seconds * price


def compute_to(now: Situation, grid: FloatArray, steps: int) -> FloatArray:
    """Return compute dollars, spent and planned, once `steps` equal steps reach B' [grid]."""
    model = costs.fit_compute(now.records, now.config.cost_model)
    seconds = model.path_seconds(now.trained, grid, steps)
    return now.spent + seconds * costs.compute_dollars(1.0, now.config.prices, now.device)
