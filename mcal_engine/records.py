"""What is kept of each training: the plan after it, and the record of what was counted on T."""

from __future__ import annotations

from dataclasses import dataclass, field


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
    arch: str = ""
    probability_best: float | None = None  # of this architecture, where several race
    because: dict[str, str | float] = field(default_factory=dict)  # its facts (sentences.py)
    sizes: tuple[int, ...] = ()  # |S_theta| as counted; of the last training only, as thresholds
    marked: int | None = None  # T without what nobody could label; None in rows of before it
    ahead: int = 0  # asked for while the training ran
