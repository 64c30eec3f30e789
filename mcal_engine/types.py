"""The records that the engine exchanges with its drivers: settings, requests, answers, state.

Everything here is frozen and plain: NumPy arrays indexed by the image's dense number (0..N-1),
numbers, strings. Money is float dollars, time is seconds, shares are of X unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.int64]
FloatArray: TypeAlias = NDArray[np.float64]

THETAS: tuple[float, ...] = tuple(round(0.05 * k, 2) for k in range(1, 21))
"""The grid of machine-labelled shares of the remainder (paper, Sec. 4: increments of 0.05)."""


class Purpose(StrEnum):
    """Why people are asked for labels; the ledger books by it."""

    TEST = "test"
    SEED = "seed"
    TRAIN = "train"
    AUDIT = "audit"
    RESIDUAL = "residual"


class Criterion(StrEnum):
    """What the error target bounds."""

    OVERALL = "overall"  # (|S|/N) * error(S) < epsilon with an upper bound on error(S)
    PLUG_IN = "plug_in"  # Eq. 2 of the paper with the estimate in place of a bound
    PER_S = "per_s"  # error inside S <= epsilon, what the paper's tables enforced


class CertificateKind(StrEnum):
    """Which statistical promise is made on the delivered error."""

    TEST_SET = "test_set"  # fixed sample T: "estimated with a margin"
    AUDIT = "audit"  # sequential audit: "certified" (comes with step 2)


@dataclass(frozen=True)
class Prices:
    """Dollars per human label (all repeats included) and per hour of compute."""

    label: float
    compute_per_hour: float


@dataclass(frozen=True)
class Target:
    """The error target: epsilon of Eq. 2, alpha = 1 - confidence."""

    epsilon: float
    alpha: float = 0.05
    criterion: Criterion = Criterion.OVERALL
    certificate: CertificateKind = CertificateKind.TEST_SET


@dataclass(frozen=True)
class RunConfig:
    """Everything that defines a run before its first label. Validated by `mcal.start`."""

    n: int
    classes: int
    prices: Prices
    target: Target
    arch: str = "cnn_small"
    seed: int = 0
    acquisition: str = "margin"
    test_share: float = 0.015
    seed_share: float = 0.01
    random_share: float = 0.05
    max_rounds: int = 30


@dataclass(frozen=True)
class Pool:
    """What is known of each image at one moment, by its number. All arrays have length N.

    `labels` is -1 where no human label has been bought. `marked` are the random test marks
    (they stay marked when M(.) moves them into B). `excluded` images could not be labelled.
    """

    train: BoolArray
    marked: BoolArray
    labels: IntArray
    excluded: BoolArray

    @property
    def test(self) -> BoolArray:
        """T: marked and outside B."""
        return self.marked & ~self.train

    @property
    def remainder(self) -> BoolArray:
        """X without B, T and what could not be labelled."""
        return ~self.train & ~self.marked & ~self.excluded


@dataclass(frozen=True)
class Scores:
    """One model's view of every image: predicted class and uncertainty = 1 - margin.

    `pred` uint16 [N]; `uncertainty` float32 [N], computed from the small probabilities so that
    it does not tie near zero.
    """

    pred: NDArray[np.uint16]
    uncertainty: NDArray[np.float32]
    model: str  # SHA-256 of the checkpoint (or any stable name in synthetic learners)


# --- requests: what the engine wants next --------------------------------------------------


@dataclass(frozen=True)
class LabelRequest:
    """People label `buy`, in this order; then `train` join B and `mark` become test marks.

    `train` may hold images that are not in `buy`: already labelled marks that M(.) picked blind.
    `buy` may be empty. The id derives from (iteration, purpose, attempt) and never repeats.
    """

    id: str
    purpose: Purpose
    iteration: int
    buy: IntArray
    train: IntArray
    mark: IntArray


@dataclass(frozen=True)
class TrainRequest:
    """Train fresh weights on all of B, then score every image of X."""

    id: str
    iteration: int
    arch: str
    seed: int


@dataclass(frozen=True)
class MachineLabelRequest:
    """Store these machine labels (S). `labels`, `uncertainty` go with `items`, same length."""

    id: str
    iteration: int
    items: IntArray
    labels: IntArray
    uncertainty: FloatArray
    model: str
    certificate: dict[str, object]


@dataclass(frozen=True)
class Finished:
    """Every image has its label. `outcome` is 'machine' or 'human_only'."""

    id: str
    outcome: str
    reason: str


Request: TypeAlias = LabelRequest | TrainRequest | MachineLabelRequest | Finished


# --- answers: what the driver tells the engine ----------------------------------------------


@dataclass(frozen=True)
class Labelled:
    """The `LabelRequest` with this id is done; `pool` shows the labels, B and the marks."""

    request_id: str
    pool: Pool


@dataclass(frozen=True)
class Trained:
    """The `TrainRequest` with this id is done."""

    request_id: str
    pool: Pool
    scores: Scores
    train_seconds: float
    score_seconds: float
    samples_shown: int


@dataclass(frozen=True)
class Stored:
    """The `MachineLabelRequest` with this id is stored."""

    request_id: str
    pool: Pool
    machine: BoolArray  # [N], True where a machine label was stored


@dataclass(frozen=True)
class Changed:
    """The manager changed prices or target midway; the next plan uses them."""

    prices: Prices
    target: Target


Answer: TypeAlias = Labelled | Trained | Stored | Changed


# --- state -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Interval:
    """A figure with its 80 % and 95 % intervals."""

    value: float
    low80: float
    high80: float
    low95: float
    high95: float


@dataclass(frozen=True)
class Plan:
    """The cheapest plan found after one training, and what it was weighed against.

    `grid_*` draw the forecast: C(B) with its parts over `grid_b`; `curve_*` draw the error
    curves: one row per theta of `THETAS`, over `curve_b` (median, 10 % and 90 % quantiles).
    """

    c_star: Interval
    b_opt: Interval
    theta_star: Interval
    steps: int
    human_only: float
    stop_now: float
    machine_now: int  # |S| if stopped now
    error_bound_now: float  # upper bound of (|S|/N) error(S) if stopped now
    probability_lower: float  # P(one more round lowers the total)
    probability_worthwhile: float = 0.0  # P(going on at all saves 1 % or more)
    grid_b: tuple[int, ...] = ()
    grid_total: tuple[float, ...] = ()
    grid_labels: tuple[float, ...] = ()
    grid_compute: tuple[float, ...] = ()
    curve_b: tuple[int, ...] = ()  # past training sizes, then grid_b
    curve_median: tuple[tuple[float, ...], ...] = ()
    curve_low: tuple[tuple[float, ...], ...] = ()
    curve_high: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class IterationRecord:
    """One training and what was measured and decided after it."""

    number: int
    train_size: int
    delta: int  # images that joined B before this training
    test_size: int  # |T outside B|
    remainder: int
    thresholds: tuple[float, ...]  # uncertainty quantile per theta
    test_counts: tuple[int, ...]  # n_theta
    test_errors: tuple[int, ...]  # k_theta
    train_seconds: float
    score_seconds: float
    samples_shown: int
    committed: float  # dollars spent when this iteration was decided
    c_star: float | None = None
    c_low: float | None = None  # 80 %
    c_high: float | None = None
    b_opt: float | None = None
    theta_star: float | None = None
    stop_now: float | None = None
    stable: bool = False
    next_delta: int | None = None
    decision: str = ""  # why, one plain sentence


@dataclass(frozen=True)
class McalState:
    """Where a run stands. Small (no per-image data), goes to and from JSON by `state_io`."""

    config: RunConfig
    waiting_for: str  # id of the outstanding request
    phase: str  # test | seed | train | label | machine | residual | finished
    iteration: int = 0
    delta: int = 0
    records: tuple[IterationRecord, ...] = ()
    plan: Plan | None = None
    previous_plan: Plan | None = None
    stop_votes: int = 0
    stop_reason: str = ""
    certificate: dict[str, object] = field(default_factory=dict)
    compute_seconds: float = 0.0
