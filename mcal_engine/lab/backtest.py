"""Back-test of the error curves on recorded runs: fit the first i trainings, forecast the rest.

For every i >= 3 and every model: what T counts at training i+1, i+2 and at the last one, for all
thetas. Intervals are predictive: posterior draws with the binomial scatter of T's counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr

from mcal_engine import curves, selection
from mcal_engine.types import THETAS, Criterion, CurveModel, FloatArray, IterationRecord

HORIZONS = ("next", "second", "end")


@dataclass(frozen=True)
class Forecast:
    """One model's forecast from the first `points` trainings of a later one, held to the counts.

    Arrays are [thetas], NaN where the later training measured nothing. `log_error` is
    log(forecast / counted), positive where the forecast was too high, both with half an error
    added. `inside80`, `inside95` are the chance that the counts fall inside the interval once
    ties are broken at random (randomised PIT): exact coverage for counts, without random numbers.
    """

    model: CurveModel
    horizon: str
    points: int
    growth: float  # B' / B at the time of the fit
    log_error: FloatArray
    inside80: FloatArray
    inside95: FloatArray


def forecasts(
    records: Sequence[IterationRecord],
    n: int,
    classes: int,
    *,
    criterion: Criterion = Criterion.OVERALL,
    models: Sequence[CurveModel] = tuple(CurveModel),
    seed: int = 0,
) -> tuple[Forecast, ...]:
    """Forecast every later training of one run from its first i, i >= 3; n is |X|.

    Trainings beyond a fit's horizon are left out: no plan looks there.
    """
    made = []
    for i in range(curves.MIN_POINTS, len(records)):
        points = curves.points_of(tuple(records[:i]), n, classes, criterion)
        for model in models:
            drawn = curves.fit(points, seed, model)
            for horizon, later in _targets(records, i):
                if later.train_size <= drawn.horizon:
                    made.append(_judge(drawn, records[i - 1], later, criterion, model, horizon))
    return tuple(made)


def backtest(
    records: Sequence[IterationRecord],
    n: int,
    classes: int,
    *,
    criterion: Criterion = Criterion.OVERALL,
    models: Sequence[CurveModel] = tuple(CurveModel),
    seed: int = 0,
) -> dict[str, object]:
    """Return the `summary` of one recorded run's forecasts."""
    return summary(forecasts(records, n, classes, criterion=criterion, models=models, seed=seed))


def summary(found: Iterable[Forecast]) -> dict[str, object]:
    """Return figures per model and horizon as plain JSON values; pool runs by joining forecasts.

    {"thetas": [...], "models": {model: {"next" | "second" | "end": figures}}} with the figures
    `forecasts`, `median_abs_log_error`, `bias` (median of log(forecast / counted)), `cover80`,
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


def _targets(records: Sequence[IterationRecord], i: int) -> list[tuple[str, IterationRecord]]:
    """Return (horizon, record) of what is forecast from the first i records."""
    second = [(HORIZONS[1], records[i + 1])] if i + 1 < len(records) else []
    return [(HORIZONS[0], records[i]), *second, (HORIZONS[2], records[-1])]


def _judge(
    drawn: curves.Curves,
    present: IterationRecord,
    later: IterationRecord,
    criterion: Criterion,
    model: CurveModel,
    horizon: str,
) -> Forecast:
    sizes = selection.machine_sizes(drawn.n, later.remainder, criterion)
    shares = sizes / max(present.remainder, 1)
    rates = drawn.rates(np.array([float(later.train_size)]), shares[None])[:, 0]
    tests = np.asarray(later.test_counts, dtype=np.float64)
    errors = np.asarray(later.test_errors, dtype=np.float64)
    expected = np.median(rates, axis=0) * tests
    blank = np.where((tests > 0) & (sizes > 0), 0.0, np.nan)
    below, upto = _chance(errors - 1, tests, rates), _chance(errors, tests, rates)
    return Forecast(
        model=model,
        horizon=horizon,
        points=drawn.points,
        growth=later.train_size / drawn.last,
        log_error=np.log((expected + 0.5) / (errors + 0.5)) + blank,
        inside80=_inside(below, upto, 0.1) + blank,
        inside95=_inside(below, upto, 0.025) + blank,
    )


def _chance(errors: FloatArray, tests: FloatArray, rates: FloatArray) -> FloatArray:
    """Return P(count <= errors) [thetas] under the mean over draws of Binomial(tests, rate)."""
    found = bdtr(np.maximum(errors, 0.0), tests.astype(np.int64), rates).mean(axis=0)
    return np.where(errors < 0, 0.0, found)


def _inside(below: FloatArray, upto: FloatArray, tail: float) -> FloatArray:
    """Return the share of (P(count < k), P(count <= k)) that lies within (tail, 1 - tail)."""
    overlap = np.minimum(upto, 1 - tail) - np.maximum(below, tail)
    return np.clip(overlap / np.maximum(upto - below, 1e-12), 0.0, 1.0)


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
