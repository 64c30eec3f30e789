"""The promise on the delivered error: upper bounds, allowances, threshold walk, certificate.

Certificate B ("estimated with a margin"): T is a uniformly random part of the remainder, so the
wrong labels seen in T among the images that a threshold takes bound those in S. T also steered
the run, so this is never called certified.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, gammaln

from mcal_engine import selection
from mcal_engine.types import (
    THETAS,
    BoolArray,
    CertificateKind,
    Criterion,
    FloatArray,
    Pool,
    RunConfig,
    Scores,
    Target,
)

ROUNDING = 1e-9  # a probability this near to a level, relatively, is equal to it
SPARE = 2
"""The walk starts where this many wrong test images would still pass, or as many as can."""
FINE_STEPS = 100
"""Candidate sets where no test is counted: shares of the remainder in steps of 1 %."""


def allowance(epsilon: float, n: int, size: int) -> int:
    """Return how many wrong labels a machine-labelled set of `size` may hold.

    min(floor(epsilon N), floor(min(4 epsilon, 1/2) size)): Eq. 2 alone lets any set of epsilon N
    images pass, even from a useless model. Decimal, since floor(0.29 * 100) is 28 in floats.
    """
    exact = Decimal(str(epsilon))
    inside = min(4 * exact, Decimal("0.5"))
    return min(_floor(exact * n), _floor(inside * size))


def _floor(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_FLOOR))


def hypergeometric_cdf(k: int, population: int, wrong: int, sample: int) -> float:
    """Return P(at most k wrong in the sample), drawn without replacement."""
    seen = np.arange(max(0, sample - (population - wrong)), min(k, wrong, sample) + 1)
    if len(seen) == 0:
        return 0.0
    logs = _log_choose(wrong, seen) + _log_choose(population - wrong, sample - seen)
    return float(min(1.0, np.exp(logs - _log_choose(population, np.array([sample]))).sum()))


def _log_choose(n: int, k: FloatArray | np.ndarray[tuple[int], np.dtype[np.int64]]) -> FloatArray:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def wrong_upper_bound(population: int, sample: int, seen: int, level: float) -> int:
    """Return max{E : P(Hypergeom(population, E, sample) <= seen) > level}.

    The number of wrong labels in the whole population exceeds it with probability <= level.
    """
    low, high = seen, population - (sample - seen)  # the least and most that were possible
    while low < high:
        middle = (low + high + 1) // 2
        if hypergeometric_cdf(seen, population, middle, sample) > level * (1 + ROUNDING):
            low = middle
        else:
            high = middle - 1
    return low


def is_audited(target: Target) -> bool:
    """Tell whether certificate A judges S. The paper modes promise nothing, so they are not."""
    return target.criterion is Criterion.OVERALL and target.certificate is CertificateKind.AUDIT


def ranking(criterion: Criterion) -> Criterion:
    """Return how sets are ranked: shares of X in the paper's tables, else of the remainder."""
    return Criterion.PER_S if criterion is Criterion.PER_S else Criterion.OVERALL


@dataclass(frozen=True)
class Candidates:
    """The nested candidate sets of one model, one entry per share in `thetas`.

    `sizes` are |S_tau| (counted), `tests` and `errors` the T images below the same cut and the
    wrong ones among them.
    """

    n: int
    thresholds: tuple[float, ...]
    sizes: tuple[int, ...]
    tests: tuple[int, ...]
    errors: tuple[int, ...]
    thetas: tuple[float, ...] = THETAS


def count_candidates(pool: Pool, scores: Scores, config: RunConfig) -> Candidates:
    """Count S and T below the threshold of each theta of the grid, for the error curves.

    L(.) is `config.confidence`. A mark that nobody could label counts as a wrong one.
    """
    n = int(config.n - pool.excluded.sum())
    left = scores.by(config.confidence)[pool.remainder]
    cuts = selection.thresholds(left, n, ranking(config.target.criterion))
    return _counted(pool, scores, config, cuts, THETAS)


def judged_candidates(pool: Pool, scores: Scores, config: RunConfig) -> Candidates:
    """Count the sets that `walk` judges: the grid of theta, for plug_in in steps of 1 %."""
    if config.target.criterion is not Criterion.PLUG_IN:
        return count_candidates(pool, scores, config)
    left = np.sort(scores.by(config.confidence)[pool.remainder])
    ranks = [max(len(left) * k // FINE_STEPS, 1) - 1 for k in range(1, FINE_STEPS + 1)]
    cuts = left[ranks] if len(left) else np.full(FINE_STEPS, -1.0, dtype=np.float32)
    shares = tuple(k / FINE_STEPS for k in range(1, FINE_STEPS + 1))
    return _counted(pool, scores, config, cuts, shares)


def forced_candidates(pool: Pool, scores: Scores, config: RunConfig, size: int) -> Candidates:
    """Count the one set that a budget leaves to the machine: the `size` most certain images."""
    left = np.sort(scores.by(config.confidence)[pool.remainder])
    size = min(size, len(left))
    cuts = left[size - 1 : size] if size > 0 else np.full(1, -1.0, dtype=np.float32)
    return _counted(pool, scores, config, cuts, (size / max(len(left), 1),))


def _counted(
    pool: Pool,
    scores: Scores,
    config: RunConfig,
    cuts: NDArray[np.float32],
    thetas: tuple[float, ...],
) -> Candidates:
    uncertainty = scores.by(config.confidence)
    wrong = ((scores.pred != pool.labels) | pool.excluded)[pool.test]
    certain = uncertainty[pool.test]
    return Candidates(
        n=int(config.n - pool.excluded.sum()),
        thresholds=tuple(float(cut) for cut in cuts),
        sizes=_below(uncertainty[pool.remainder], cuts),
        tests=_below(certain, cuts),
        errors=_below(certain[wrong], cuts),
        thetas=thetas,
    )


def _below(uncertainty: NDArray[np.float32], cuts: NDArray[np.float32]) -> tuple[int, ...]:
    """Return how many images are at or below each cut."""
    found = np.searchsorted(np.sort(uncertainty), cuts, side="right")
    return tuple(int(count) for count in found)


@dataclass(frozen=True)
class Walk:
    """Where the walk over the thresholds ended. `accepted` is the grid index, None: S is empty.

    `bounds` are wrong labels in S per theta: an upper bound, in the paper modes the estimate.
    `start` is the first set that was judged; None if T is too small to pass any, even faultless.
    """

    accepted: int | None
    size: int
    wrong: int
    bounds: tuple[int, ...]
    allowances: tuple[int, ...]
    start: int | None = 0


EMPTY = Walk(None, 0, 0, (), ())
"""What certificate A has for a walk: an audit judges S, not T."""


def level(target: Target, configurations: int = 1) -> float:
    """Return the level of each bound on T: alpha / 2 over the configurations compared on it."""
    return target.alpha / 2 / max(configurations, 1)


def walk(candidates: Candidates, target: Target, configurations: int = 1) -> Walk:
    """Find the largest set whose error fits the target.

    `configurations` is the number of live architectures that were compared on T.
    """
    start: int | None = 0
    if target.criterion is Criterion.OVERALL:
        start = first_judged(candidates, target, configurations)
        bounds, allowances, fits = _bounded(candidates, target, configurations)
        accepted = _before_first_failure(fits, start)
    else:
        bounds, allowances, fits = _plugged_in(candidates, target)
        accepted = _largest(candidates, fits)
    if accepted is None:
        return Walk(None, 0, 0, bounds, allowances, start)
    return Walk(accepted, candidates.sizes[accepted], bounds[accepted], bounds, allowances, start)


def forced_walk(candidates: Candidates, target: Target, configurations: int = 1) -> Walk:
    """Take the one set of `forced_candidates`, whatever its error, and bound that error.

    The budget fixed its size, no label on T did: one test, without a walk.
    """
    bounded = target.criterion is Criterion.OVERALL
    bounds, allowances, _ = (
        _bounded(candidates, target, configurations) if bounded else _plugged_in(candidates, target)
    )
    if candidates.sizes[0] == 0:
        return Walk(None, 0, 0, bounds, allowances)
    return Walk(0, candidates.sizes[0], bounds[0], bounds, allowances)


def first_judged(candidates: Candidates, target: Target, configurations: int = 1) -> int | None:
    """Return where the walk starts: the first set with room for `SPARE` wrong test images.

    Smaller sets have so few test images that one bad draw, or none at all, decides: judging them
    would end the walk for want of evidence (at epsilon 1 % a faultless set needs 91 test images).
    If no set has that room, one wrong image or none must do. The choice looks at sizes and at
    counts of test images only, never at their labels: the order of the tests is fixed before
    their outcome, so testing one after the other until the first failure still errs with at
    most the level of a single test, wherever it starts.
    """
    bar = level(target, configurations)
    for spare in range(SPARE, -1, -1):
        for j, (size, tests) in enumerate(zip(candidates.sizes, candidates.tests, strict=True)):
            if tests < spare or size == 0:
                continue
            bound = wrong_upper_bound(size + tests, tests, spare, bar) - spare
            if bound <= allowance(target.epsilon, candidates.n, size):
                return j
    return None


def _bounded(
    candidates: Candidates, target: Target, configurations: int
) -> tuple[tuple[int, ...], tuple[int, ...], list[bool]]:
    bar = level(target, configurations)
    bounds = tuple(
        wrong_upper_bound(size + tests, tests, errors, bar) - errors
        for size, tests, errors in _columns(candidates)
    )
    allowances = tuple(allowance(target.epsilon, candidates.n, s) for s in candidates.sizes)
    return bounds, allowances, [b <= a for b, a in zip(bounds, allowances, strict=True)]


def _plugged_in(
    candidates: Candidates, target: Target
) -> tuple[tuple[int, ...], tuple[int, ...], list[bool]]:
    estimates, allowances, fits = [], [], []
    for size, tests, errors in _columns(candidates):
        allowed = _paper_allowance(target, candidates.n, size)
        estimates.append(-(-size * errors // tests) if tests else size)
        allowances.append(allowed)
        fits.append(size > 0 and estimates[-1] <= allowed and tests > 0)
    return tuple(estimates), tuple(allowances), fits


def _paper_allowance(target: Target, n: int, size: int) -> int:
    if target.criterion is Criterion.PER_S:
        return _floor(Decimal(str(target.epsilon)) * size)
    return allowance(target.epsilon, n, size)


def _columns(candidates: Candidates) -> list[tuple[int, int, int]]:
    return list(zip(candidates.sizes, candidates.tests, candidates.errors, strict=True))


def _before_first_failure(fits: list[bool], start: int | None) -> int | None:
    """Walk down from the most confident set that T can judge; stop at the first failure."""
    accepted = None
    for j in range(len(fits) if start is None else start, len(fits)):
        if not fits[j]:
            break
        accepted = j
    return accepted


def _largest(candidates: Candidates, fits: list[bool]) -> int | None:
    """Return the largest set that fits, by its first name: a share of X above the remainder's
    own takes no more than the remainder.
    """
    sizes = [size if fit else 0 for size, fit in zip(candidates.sizes, fits, strict=True)]
    return sizes.index(max(sizes)) if any(sizes) else None


def largest_rate(
    n: int, sizes: FloatArray, tests: FloatArray, target: Target, configurations: int = 1
) -> FloatArray:
    """Return the highest error rate inside each set at which it would still be accepted.

    For planning, so smooth: Clopper-Pearson, the large-N form of the walk's bound, at the
    predicted count of wrong test images. -1 where nothing is acceptable. Any shape.
    """
    allowed = _allowed(n, sizes, target)
    if target.criterion is Criterion.PER_S:
        return np.where(sizes > 0, target.epsilon, -1.0)
    if target.criterion is Criterion.PLUG_IN:
        return np.where(sizes > 0, allowed / np.maximum(sizes, 1), -1.0)
    return _rate_with_margin(allowed, sizes, tests, level(target, configurations))


def faultless_passes(n: int, sizes: FloatArray, tests: FloatArray, target: Target) -> BoolArray:
    """Tell which sets a model that is never wrong could have: where `largest_rate` is not -1.

    Of the overall criterion, in a twentieth of the time. Any shape.
    """
    allowed = _allowed(n, sizes, target)
    return _shown(np.zeros_like(sizes), allowed, sizes, tests, level(target)) & (sizes > 0)


def _allowed(n: int, sizes: FloatArray, target: Target) -> FloatArray:
    """Return how many images of each set may be wrong."""
    inside = np.minimum(4 * target.epsilon, 0.5) * sizes
    return np.asarray(np.minimum(target.epsilon * n, inside))


def _rate_with_margin(
    allowed: FloatArray, sizes: FloatArray, tests: FloatArray, level: float
) -> FloatArray:
    """Bisect for the rate whose expected count k still bounds the errors within `allowed`."""
    allowed, sizes, tests = np.broadcast_arrays(allowed, sizes, tests)
    found = np.full(sizes.shape, -1.0)
    possible = _shown(np.zeros_like(sizes), allowed, sizes, tests, level) & (sizes > 0)
    inside = allowed[possible], sizes[possible], tests[possible]
    low, high = np.zeros_like(inside[0]), np.full_like(inside[0], 0.5)
    for _ in range(20):
        middle = (low + high) / 2
        good = _shown(middle, *inside, level)
        low, high = np.where(good, middle, low), np.where(good, high, middle)
    found[possible] = low
    return found


def _shown(
    rate: FloatArray, allowed: FloatArray, sizes: FloatArray, tests: FloatArray, level: float
) -> BoolArray:
    """Tell where T, wrong at this rate, would show that at most `allowed` of the set are wrong."""
    k = rate * tests
    limit = np.clip((allowed + k) / np.maximum(sizes + tests, 1), 0, 1)
    return np.asarray(betainc(k + 1, np.maximum(tests - k, 1e-9), limit) >= 1 - level)


def unjudged(most: FloatArray, tests: FloatArray) -> BoolArray:
    """Return which sets come before the walk's start, given their `largest_rate`.

    Arrays [..., thetas]; the planning form of `first_judged`.
    """
    room = np.where(most >= 0, most * tests, -1.0)  # wrong test images that would still pass
    spare = np.clip(np.floor(room.max(axis=-1, keepdims=True)), 0, SPARE)
    return np.asarray(~np.logical_or.accumulate(room >= spare, axis=-1))


def certificate(
    candidates: Candidates,
    result: Walk,
    target: Target,
    model: str,
    seed: int,
    configurations: int = 1,
    *,
    forced: bool = False,
) -> dict[str, object]:
    """Return everything needed to recompute the promise, ready for JSON.

    `forced`: the budget chose the one set there is, and its bound may exceed its allowance.
    """
    bounded, accepted = target.criterion is Criterion.OVERALL, result.accepted
    return {
        "kind": CertificateKind.TEST_SET.value,
        "promise": "estimated with a margin" if bounded else "estimate without a margin",
        "criterion": target.criterion.value,
        "epsilon": target.epsilon,
        "alpha": target.alpha,
        "level": level(target, configurations),
        "configurations": configurations,
        "n": candidates.n,
        "seed": seed,
        "model": model,
        "thetas": list(candidates.thetas),
        "thresholds": list(candidates.thresholds),
        "sizes": list(candidates.sizes),
        "test_counts": list(candidates.tests),
        "test_errors": list(candidates.errors),
        "bounds": list(result.bounds),
        "allowances": list(result.allowances),
        "start": result.start,
        "forced": forced,
        "accepted": accepted,
        "theta": None if accepted is None else candidates.thetas[accepted],
        "threshold": None if accepted is None else candidates.thresholds[accepted],
        "machine_labels": result.size,
        "wrong_at_most": result.wrong,
        "bound": result.wrong / max(candidates.n, 1),
    }
