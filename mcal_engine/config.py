"""The settings of a run: prices, target, architectures, M(.), L(.), models of error and cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import inf

from mcal_engine.errors import InvalidConfigError


class Criterion(StrEnum):
    """What the error target bounds."""

    OVERALL = "overall"  # (|S|/N) * error(S) < epsilon with an upper bound on error(S)
    PLUG_IN = "plug_in"  # Eq. 2 of the paper with the estimate in place of a bound
    PER_S = "per_s"  # error inside S <= epsilon, what the paper's tables enforced


class CertificateKind(StrEnum):
    """Which statistical promise is made on the delivered error."""

    TEST_SET = "test_set"  # B, fixed sample T: "estimated with a margin"
    AUDIT = "audit"  # A, sequential audit: "certified"


class CurveModel(StrEnum):
    """How error curves are fitted and extrapolated."""

    JOINT = "joint"  # all thetas together, posterior draws
    PER_THETA = "per_theta"  # the paper's truncated power law, one fit per theta
    LAST_VALUE = "last_value"  # the hard baseline: the error stays as it is


class CostModel(StrEnum):
    """How the seconds of future trainings are predicted (paper, Sec. 3.2)."""

    LINEAR = "linear"  # a + c * samples shown, with the learner's floor of steps
    QUADRATIC = "quadratic"  # footnote 3: epochs grow with |B|, quadratic per run
    FIXED = "fixed"  # every training takes as long as the mean of those measured
    MEASURED = "measured"  # between measured runs by interpolation, beyond them linear


@dataclass(frozen=True)
class Prices:
    """Dollars per human label (all repeats included) and per hour of compute.

    `devices` names the hourly price of a kind of device ("cpu", "cuda", "mps") where it differs.
    """

    label: float
    compute_per_hour: float
    devices: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """The error target: epsilon of Eq. 2, alpha = 1 - confidence, and a budget in dollars.

    With a budget that is too small for epsilon the error is minimised instead (paper, Sec. 4).
    """

    epsilon: float
    alpha: float = 0.05
    criterion: Criterion = Criterion.OVERALL
    certificate: CertificateKind = CertificateKind.TEST_SET
    budget: float | None = None


@dataclass(frozen=True)
class Weighing:
    """How M(.) `informativeness` weighs: representativeness^a * uncertainty^b, k neighbours.

    Raises `InvalidConfigError` for weights that are negative or both 0, or less than 1 neighbour.
    """

    representativeness: float = 1.0  # a
    uncertainty: float = 1.0  # b
    neighbours: int = 10  # k

    def __post_init__(self) -> None:
        """Refuse what would rank nothing."""
        powers = (self.representativeness, self.uncertainty)
        if not all(0 <= power < inf for power in powers) or not any(powers):
            raise InvalidConfigError(
                "the weights of informativeness must be 0 or more, and not both 0"
            )
        if self.neighbours < 1:
            raise InvalidConfigError("informativeness looks at 1 neighbour or more")


EVEN = Weighing()


@dataclass(frozen=True)
class RunConfig:
    """Everything that defines a run before its first label. Validated by `mcal.start`.

    `acquisition` is M(.), `confidence` L(.). `rivals` are architectures that race with `arch`.
    `training` are settings of how candidates train, by name (`training.OPTIONS`), `weighing` those
    of M(.) `informativeness`.
    """

    n: int
    classes: int
    prices: Prices
    target: Target
    arch: str = "cnn_small"
    rivals: tuple[str, ...] = ()
    seed: int = 0
    acquisition: str = "margin"
    confidence: str = "margin"
    curves: CurveModel = CurveModel.JOINT
    cost_model: CostModel = CostModel.LINEAR
    test_share: float = 0.015
    seed_share: float = 0.01
    random_share: float = 0.05
    max_rounds: int = 30
    fixed_delta: int | None = None  # images per batch, for naive active learning; None: adapted
    first: int | None = None  # |B_0| in images; None: seed_share of N
    training: dict[str, float] = field(default_factory=dict)
    weighing: Weighing = EVEN

    @property
    def archs(self) -> tuple[str, ...]:
        """All candidates of the race, the first one first."""
        return (self.arch, *self.rivals)
