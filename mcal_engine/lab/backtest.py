"""Back-test of the error curves on recorded runs: fit the first i trainings, forecast the rest.

For every i >= 3 and every model: what T counts at training i+1, i+2 and at the last one, for all
thetas. Intervals are predictive: posterior draws with the binomial scatter of T's counts. Where
the labels of all X are known, the true error rates of the sets can be forecast instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, ndtr

from mcal_engine import curves, selection
from mcal_engine.types import THETAS, Criterion, CurveModel, FloatArray, IterationRecord

HORIZONS = ("next", "second", "end")


@dataclass(frozen=True)
class Forecast:
    """One model's forecast from the first `points` trainings of a later one, held to the outcome.

    Arrays are [thetas], NaN where the later training measured nothing. `log_error` is
    log(forecast / outcome) of the median forecast, positive where it was too high, with half an
    error on T added to both. `inside80`, `inside95` say whether the outcome fell inside the
    interval; a count that lies on its edge counts in part (randomised PIT, its chance in place of
    a random number), so that a perfect model covers exactly 80 and 95 %.
    """

    model: CurveModel
    horizon: str
    points: int
    growth: float  # B' / B at the time of the fit
    log_error: FloatArray
    inside80: FloatArray
    inside95: FloatArray


@dataclass(frozen=True)
class _Later:
    """What is forecast: a training, how far off it is, and its true error rates if known."""

    horizon: str
    record: IterationRecord
    truth: FloatArray | None  # [thetas]


def forecasts(
    records: Sequence[IterationRecord],
    n: int,
    classes: int,
    *,
    criterion: Criterion = Criterion.OVERALL,
    models: Sequence[CurveModel] = tuple(CurveModel),
    seed: int = 0,
    truth: FloatArray | None = None,
) -> tuple[Forecast, ...]:
    """Forecast every later training of one run from its first i, i >= 3; n is |X|.

    The outcome is what T counted or, with `truth` [rounds, thetas], the true error rate inside
    each set. Trainings beyond a fit's horizon are left out: no plan looks there.
    """
    made = []
    for i in range(curves.MIN_POINTS, len(records)):
        points = curves.points_of(tuple(records[:i]), n, classes, criterion)
        for model in models:
            drawn = curves.fit(points, seed, model)
            made += [
                _judge(drawn, records[i - 1], later, criterion, model)
                for later in _targets(records, i, truth)
                if later.record.train_size <= drawn.horizon
            ]
    return tuple(made)


def backtest(
    records: Sequence[IterationRecord],
    n: int,
    classes: int,
    *,
    criterion: Criterion = Criterion.OVERALL,
    models: Sequence[CurveModel] = tuple(CurveModel),
    seed: int = 0,
    truth: FloatArray | None = None,
) -> dict[str, object]:
    """Return the `summary` of one recorded run's `forecasts`."""
    return summary(
        forecasts(records, n, classes, criterion=criterion, models=models, seed=seed, truth=truth)
    )


def summary(found: Iterable[Forecast]) -> dict[str, object]:
    """Return figures per model and horizon as plain JSON values; pool runs by joining forecasts.

    {"thetas": [...], "models": {model: {"next" | "second" | "end": figures}}} with the figures
    `forecasts`, `median_abs_log_error`, `bias` (median of log(forecast / outcome)), `cover80`,
    `cover95` over all thetas, and the same under `by_theta` as lists; null where nothing was
    measured.
    """
    grouped: dict[str, dict[str, list[Forecast]]] = {}
    for one in found:
        grouped.setdefault(one.model.value, {}).setdefault(one.horizon, []).append(one)
    return {
        "thetas": list(THETAS),
        "models": {
            model: {horizon: _figures(cases) for horizon, cases in by_horizon.items()}
            for model, by_horizon in grouped.items()
        },
    }


def _targets(records: Sequence[IterationRecord], i: int, truth: FloatArray | None) -> list[_Later]:
    """Return what is forecast from the first i records."""
    places = zip(HORIZONS, (i, i + 1, len(records) - 1), strict=True)
    return [
        _Later(horizon, records[at], None if truth is None else truth[at])
        for horizon, at in places
        if at < len(records)
    ]


def _judge(
    drawn: curves.Curves,
    present: IterationRecord,
    later: _Later,
    criterion: Criterion,
    model: CurveModel,
) -> Forecast:
    record = later.record
    sizes = selection.machine_sizes(drawn.n, record.remainder, criterion)
    shares = sizes / max(present.remainder, 1)
    rates = drawn.rates(np.array([float(record.train_size)]), shares[None])[:, 0]
    tests = np.asarray(record.test_counts, dtype=np.float64)
    errors, below, upto = _outcome(drawn, later, rates, tests)
    blank = np.where((tests > 0) & (sizes > 0), 0.0, np.nan)
    return Forecast(
        model=model,
        horizon=later.horizon,
        points=drawn.points,
        growth=record.train_size / drawn.last,
        log_error=np.log((np.median(rates, axis=0) * tests + 0.5) / (errors + 0.5)) + blank,
        inside80=_inside(below, upto, 0.1) + blank,
        inside95=_inside(below, upto, 0.025) + blank,
    )


def _outcome(
    drawn: curves.Curves, later: _Later, rates: FloatArray, tests: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return (errors on T, P(outcome < x), P(outcome <= x)) [thetas] at what came, x."""
    if later.truth is None:
        errors = np.asarray(later.record.test_errors, dtype=np.float64)
        below, upto = (_chance(rates, drawn.luck, tests, k) for k in (errors - 1, errors))
        return errors, below, upto
    true = later.truth
    return true * tests, (rates < true).mean(axis=0), (rates <= true).mean(axis=0)


def _chance(
    rates: FloatArray, luck: FloatArray, tests: FloatArray, errors: FloatArray
) -> FloatArray:
    """Return P(count <= errors) [thetas]: draws count their binomial quantile of their luck."""
    upto = bdtr(np.maximum(errors, 0.0), tests.astype(np.int64), rates)
    return np.where(errors < 0, 0.0, (upto >= ndtr(luck)[:, None]).mean(axis=0))


def _inside(below: FloatArray, upto: FloatArray, tail: float) -> FloatArray:
    """Return the share of [P(outcome < x), P(outcome <= x)] that lies in [tail, 1 - tail]."""
    overlap = np.minimum(upto, 1 - tail) - np.maximum(below, tail)
    point = (tail <= upto) & (upto <= 1 - tail)
    width = np.maximum(upto - below, 1e-12)
    return np.where(upto > below, np.clip(overlap / width, 0.0, 1.0), point)


def _figures(cases: Sequence[Forecast]) -> dict[str, object]:
    logs = np.stack([case.log_error for case in cases])
    inside = [
        np.stack([getattr(case, name) for case in cases]) for name in ("inside80", "inside95")
    ]
    return {
        "forecasts": len(cases),
        **_numbers(logs.ravel(), *(part.ravel() for part in inside)),
        "by_theta": _by_theta(logs, *inside),
    }


def _by_theta(logs: FloatArray, *inside: FloatArray) -> dict[str, list[float | None]]:
    columns = [_numbers(logs[:, j], *(part[:, j] for part in inside)) for j in range(len(THETAS))]
    return {name: [column[name] for column in columns] for name in columns[0]}


def _numbers(
    logs: FloatArray, inside80: FloatArray, inside95: FloatArray
) -> dict[str, float | None]:
    seen = np.isfinite(logs)
    if not seen.any():
        return dict.fromkeys(("median_abs_log_error", "bias", "cover80", "cover95"))
    return {
        "median_abs_log_error": float(np.median(np.abs(logs[seen]))),
        "bias": float(np.median(logs[seen])),
        "cover80": float(inside80[seen].mean()),
        "cover95": float(inside95[seen].mean()),
    }
