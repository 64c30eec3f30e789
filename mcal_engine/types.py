"""The records that the engine exchanges with its drivers: requests, answers, state.

Everything here is frozen and plain: NumPy arrays indexed by the image's dense number (0..N-1),
numbers, strings. Money is float dollars, time is seconds, shares are of X unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mcal_engine.config import (
    CertificateKind,
    CostModel,
    Criterion,
    CurveModel,
    Prices,
    RunConfig,
    Target,
)
from mcal_engine.errors import InvalidAnswerError
from mcal_engine.records import Interval, IterationRecord, Plan

__all__ = [
    "ENSEMBLE_MEASURES",
    "MEASURES",
    "THETAS",
    "Answer",
    "Audit",
    "BoolArray",
    "CertificateKind",
    "Changed",
    "CostModel",
    "Criterion",
    "CurveModel",
    "Finished",
    "FloatArray",
    "IntArray",
    "Interval",
    "IterationRecord",
    "LabelRequest",
    "Labelled",
    "MachineLabelRequest",
    "McalState",
    "Measured",
    "Plan",
    "Pool",
    "Prices",
    "Purpose",
    "Request",
    "RunConfig",
    "Scores",
    "Stored",
    "Target",
    "TrainRequest",
    "Trained",
]

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
    AHEAD = "ahead"
    AUDIT = "audit"
    RESIDUAL = "residual"


@dataclass(frozen=True)
class Pool:
    """What is known of each image at one moment, by its number. All arrays have length N.

    `labels` is -1 where no human label has been bought. `marked` are the random test marks
    (they stay marked when M(.) moves them into B). `excluded` images could not be labelled; they
    train nothing, and in T or an audit they count as wrong. `ahead` images were asked for while a
    training ran (ahead.py) and have not joined B; those that have are no longer among them.
    """

    train: BoolArray
    marked: BoolArray
    labels: IntArray
    excluded: BoolArray
    ahead: BoolArray = field(default_factory=lambda: np.zeros((), dtype=np.bool_))  # none

    def __post_init__(self) -> None:
        if self.ahead.shape in {(), self.train.shape}:  # else `check_pool` refuses it
            object.__setattr__(self, "ahead", self.ahead & ~self.train)

    def extended(self, n: int) -> Pool:
        """Return the pool of `n` images: those beyond its own are new."""
        more = n - len(self.labels)
        if more <= 0:
            return self
        none = np.zeros(more, dtype=np.bool_)
        flags = (self.train, self.marked, self.excluded, self.ahead)
        train, marked, excluded, ahead = (np.concatenate([flag, none]) for flag in flags)
        labels = np.concatenate([self.labels, np.full(more, -1, dtype=np.int64)])
        return Pool(train, marked, labels, excluded, ahead)

    @property
    def test(self) -> BoolArray:
        """T: marked, outside B and not asked for ahead."""
        return self.marked & ~self.train & ~self.ahead

    @property
    def remainder(self) -> BoolArray:
        """X without B, T, what was asked for ahead and what could not be labelled."""
        return ~self.train & ~self.marked & ~self.ahead & ~self.excluded

    @property
    def taught(self) -> BoolArray:
        """What a training learns from: B without the images that could not be labelled."""
        return self.train & ~self.excluded


@dataclass(frozen=True)
class Scores:
    """One model's view of every image: predicted class and how unsure it is.

    `pred` uint16 [N]; `uncertainty` = 1 - margin, `least` = 1 - top probability and `entropy` in
    nats are float32 [N], computed from the small probabilities so that they do not tie near zero.
    `features` are float16 [N, d] of the last hidden layer, only where a request asks for them.
    Of an ensemble all but the features (its last member's) are of the members' mean; `mutual`
    (mutual information, nats) and `variation` (the share of members outside the largest camp),
    float32 [N], say how far its members disagree and are None for a single model.
    """

    pred: NDArray[np.uint16]
    uncertainty: NDArray[np.float32]
    model: str  # SHA-256 of the checkpoint (or any stable name in synthetic learners)
    least: NDArray[np.float32] | None = None
    entropy: NDArray[np.float32] | None = None
    features: NDArray[np.float16] | None = None
    mutual: NDArray[np.float32] | None = None
    variation: NDArray[np.float32] | None = None

    def by(self, measure: str) -> NDArray[np.float32]:
        """Return the uncertainty [N] under one of all measures: higher is less certain.

        Raises `InvalidAnswerError` where the learner did not report this measure.
        """
        found = {
            "margin": self.uncertainty,
            "least_confidence": self.least,
            "entropy": self.entropy,
            "mutual_information": self.mutual,
            "variation_ratios": self.variation,
        }.get(measure)
        if found is None:
            raise InvalidAnswerError(f"the training reported no {measure} scores")
        return found


MEASURES = ("margin", "least_confidence", "entropy")
"""What every model reports; L(.) is one of these, of an ensemble on the members' mean."""

ENSEMBLE_MEASURES = ("mutual_information", "variation_ratios")
"""What only an ensemble of two members or more has (Chitta et al., Eq. 4 and 5)."""


# --- requests: what the engine wants next --------------------------------------------------


@dataclass(frozen=True)
class LabelRequest:
    """People label `buy`, in this order; then `train` join B and `mark` become test marks.

    `train` may hold images that are not in `buy`: already labelled marks that M(.) picked blind.
    `buy` may be empty. The id derives from (iteration, purpose, attempt) and never repeats.
    An audit's order is committed: `buy` is asked for as it stands, `commitment` is to be stored
    before the first label is asked, and the answer must bring the scores of the `frozen` model.
    """

    id: str
    purpose: Purpose
    iteration: int
    buy: IntArray
    train: IntArray
    mark: IntArray
    frozen: str = ""
    commitment: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainRequest:
    """Train fresh weights of each architecture on all of B, then score every image of X.

    `features`: M(.) needs the last hidden layer's output of the first architecture as well.
    `ahead`: the images that people may be asked for meanwhile, None without a limit.
    """

    id: str
    iteration: int
    archs: tuple[str, ...]
    seed: int
    features: bool = False
    ahead: int | None = None


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
    """The `LabelRequest` with this id is done; `pool` shows the labels, B and the marks.

    `scores` are the stored ones of the request's `frozen` model, where it names one.
    """

    request_id: str
    pool: Pool
    scores: Scores | None = None


@dataclass(frozen=True)
class Measured:
    """What one architecture's training showed and took. Seconds; `device` is its kind."""

    arch: str
    scores: Scores
    train_seconds: float
    score_seconds: float
    samples_shown: int
    device: str = ""


@dataclass(frozen=True)
class Trained:
    """The `TrainRequest` with this id is done; `models` in the order of its `archs`."""

    request_id: str
    pool: Pool
    models: tuple[Measured, ...]


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
class Audit:
    """One attempt of certificate A: what was frozen before its first label, and how far it is.

    The nested candidate sets S_1 < ... < S_J* are {x of the remainder : uncertainty <= cut};
    tuples have one entry per set. Items are asked in the order of SHA-256(`key` || item).
    """

    attempt: int  # 1, 2, ...
    alpha: float  # alpha_a, this attempt's share of alpha
    arch: str
    model: str
    key: str
    frozen: str  # SHA-256 of scores, machine labels, cuts, sizes, allowances, alpha
    cuts: tuple[float, ...]
    sizes: tuple[int, ...]  # N_j
    allowances: tuple[int, ...]
    forecasts: tuple[float, ...]  # p_j, the error share that the forecast expects in S_j
    planned: int  # audit labels expected
    wanted: int = 0  # |S_J*|: larger sets are audited along, but nobody counts on them
    excluded: tuple[int, ...] = ()  # images that could not be labelled before the freeze
    asked: int = 0  # of the committed order, so far
    looked: int = 0  # length of the prefix that has been judged
    passed: tuple[bool, ...] = ()
    ended: str = ""  # why this attempt certifies nothing more
    n: int = 0  # N without the images excluded at the freeze; 0 in states of before it was kept
    forced: bool | None = None  # whether the budget chose S_J*; None in states of before


@dataclass(frozen=True)
class McalState:
    """Where a run stands. Small (no per-image data), goes to and from JSON by `state_io`."""

    config: RunConfig
    waiting_for: str  # id of the outstanding request
    phase: str  # test | seed | train | label | topup | audit | machine | residual | finished
    iteration: int = 0
    delta: int = 0
    records: tuple[IterationRecord, ...] = ()
    plan: Plan | None = None
    previous_plan: Plan | None = None
    stop_votes: int = 0
    stop_reason: str = ""
    certificate: dict[str, object] = field(default_factory=dict)
    live: tuple[str, ...] = ()  # architectures still in the race, the leader first
    audit: Audit | None = None
    attempts: int = 0  # audits begun
    topups: int = 0
    bought: int = 0  # human labels paid so far
    spent_labels: float = 0.0  # dollars, at the prices of their time
    spent_compute: float = 0.0
    wish: str = ""  # what a manager asked for (steering.py): stop | audit | by_hand
    turns: int = 0  # times it was steered so that a request could repeat: part of later ids
    entering: tuple[str, ...] = ()  # architectures that join the race at the next training
    coming: int = 0  # N once the images that wait have joined; 0: none wait
