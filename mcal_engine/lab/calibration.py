"""Forecast honesty: what whole simulations forecast of their total, against what they then cost.

Reads results of `python -m mcal_engine simulate --json`. Each training's plan is made again from
the counts in the file, by the present engine: that gives all quantiles, where the file keeps the
80 % interval only. `recorded` says what the file's own intervals covered. A forecast counts from
the fourth training on (`FIRST_COVERED`); a run's forecasts are of one total, so runs are counted
beside forecasts.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from mcal_engine import curves, planner, situation
from mcal_engine.config import CertificateKind, Criterion
from mcal_engine.errors import DataError
from mcal_engine.lab.experiments import FIRST_COVERED, Experiment, Outcome, Run
from mcal_engine.lab.figures import Line, Panel
from mcal_engine.lab.tables import per_cent, table
from mcal_engine.types import FloatArray, IterationRecord, Prices, RunConfig, Target

Result = dict[str, Any]
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
FEWEST = 5  # runs at an iteration, to be drawn
_COLUMNS = {field.name for field in fields(IterationRecord)}


@dataclass(frozen=True)
class Forecast:
    """A forecast of a run's total after one training, in shares of what the run then cost.

    `low`, `high` are the ends of the interval at each of `LEVELS`; `recorded` those of 80 % that
    the file has.
    """

    run: str
    group: str
    iteration: int
    value: float
    low: tuple[float, ...]
    high: tuple[float, ...]
    recorded: tuple[float, float]

    def holds(self, level: float) -> bool:
        """Tell whether the interval at this level contains what the run cost."""
        at = LEVELS.index(level)
        return self.low[at] <= 1 <= self.high[at]

    def width(self, level: float) -> float:
        """Return the interval's width, as a share of what the run cost."""
        at = LEVELS.index(level)
        return self.high[at] - self.low[at]


# --- read and plan again ----------------------------------------------------------------------


def found_in(paths: Sequence[Path]) -> list[Path]:
    """Return the files named, and those in the folders named. Raises `DataError` for none."""
    files = [
        f for path in paths for f in (sorted(path.glob("*.json")) if path.is_dir() else [path])
    ]
    if not files:
        raise DataError("name results of simulate --json, or their folder, by --results")
    return files


def forecasts_of(path: Path, first: int = FIRST_COVERED) -> list[Forecast]:
    """Return a run's forecasts from training `first` on. The group is the name without its seed."""
    result = _read(path)
    records = [_record(row) for row in result["iterations"]]
    total, config = float(result["cost"]["total"]), _config(result)
    made = []
    for row, known in zip(result["iterations"], _prefixes(records), strict=True):
        if known[-1].number < first or row["c_low"] is None:
            continue
        value, low, high = _planned(config, known)
        made.append(
            Forecast(
                run=path.stem,
                group=path.stem.rpartition("_")[0] or path.stem,
                iteration=known[-1].number,
                value=value / total,
                low=tuple(end / total for end in low),
                high=tuple(end / total for end in high),
                recorded=(row["c_low"] / total, row["c_high"] / total),
            )
        )
    return made


def _read(path: Path) -> Result:
    try:
        result: Result = json.loads(path.read_text())
        result["cost"]["total"], result["iterations"][0]["test_counts"]
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise DataError(f"{path} is not a result of simulate --json") from error
    return result


def _record(row: Result) -> IterationRecord:
    known = {name: row[name] for name in _COLUMNS & set(row)}
    for name in ("test_counts", "test_errors"):
        known[name] = tuple(known[name])
    return IterationRecord(**{**known, "thresholds": ()})


def _prefixes(records: Sequence[IterationRecord]) -> Iterable[tuple[IterationRecord, ...]]:
    return (tuple(records[: k + 1]) for k in range(len(records)))


def _config(result: Result) -> RunConfig:
    """Return the run's settings; prices are read off what was paid."""
    cost, seconds = result["cost"], 0.0
    for row in result["iterations"]:
        seconds += row["train_seconds"] + row["score_seconds"]
    target = Target(
        epsilon=result["epsilon"],
        alpha=result["alpha"],
        criterion=Criterion(result["criterion"]),
        certificate=CertificateKind(result["certificate"]),
    )
    hour = 3600 * cost["compute"] / seconds if seconds else 0.0
    prices = Prices(cost["human_only"] / result["n"], hour)
    return RunConfig(result["n"], result["classes"], prices, target, seed=result["seed"])


def _planned(
    config: RunConfig, known: tuple[IterationRecord, ...]
) -> tuple[float, FloatArray, FloatArray]:
    """Return C* and the ends of its intervals in dollars, as the plan after these trainings.

    Audits begun before: those of trainings that ended in the wish to stop.
    """
    last = known[-1]
    spent = sum(row.train_seconds + row.score_seconds for row in known)
    now = situation.Situation(
        config=config,
        records=known,
        n=config.n,
        trained=last.train_size,
        marked=last.test_size,
        spent=spent * config.prices.compute_per_hour / 3600,
        attempts=sum(row.decision.startswith("stops") for row in known[:-1]),
    )
    weighed = planner.weigh(now, situation.fitted(now))
    assert weighed.plan is not None
    value = weighed.plan.c_star.value
    tails = (1 - np.array(LEVELS)) / 2
    draws = _draws(now, weighed)
    low, high = np.quantile(draws, tails), np.quantile(draws, 1 - tails)
    return value, np.minimum(low, value), np.maximum(high, value)


def _draws(now: situation.Situation, weighed: planner.Weighed) -> FloatArray:
    """Return the total per draw; where stopping is cheapest, with one more round beside it."""
    plan = weighed.plan
    assert plan is not None
    if plan.steps or len(now.records) < curves.MIN_POINTS:
        return weighed.totals
    # the plan's own interval mixes both cases evenly: stretch the draws to its 80 % ends
    middle = float(np.median(weighed.totals))
    own = weighed.totals - middle
    low, high = np.quantile(own, [0.1, 0.9])
    down = (plan.c_star.low80 - middle) / low if low < 0 else 1.0
    up = (plan.c_star.high80 - middle) / high if high > 0 else 1.0
    return np.asarray(middle + np.where(own < 0, own * max(down, 1.0), own * max(up, 1.0)))


# --- figures ----------------------------------------------------------------------------------


def summary(forecasts: Sequence[Forecast]) -> Result:
    """Return coverage, widths and errors over forecasts, by run, by training and by group."""
    return {
        **_figures(forecasts),
        "levels": {str(level): _share(forecasts, level) for level in LEVELS},
        "by_iteration": [
            {"iteration": number, **_figures(some)}
            for number, some in _grouped(forecasts, lambda one: one.iteration)
        ],
        "by_group": [
            {"group": name, **_figures(some)}
            for name, some in _grouped(forecasts, lambda one: one.group)
        ],
        "by_run": [
            {"run": name, **_figures(some)}
            for name, some in _grouped(forecasts, lambda one: one.run)
        ],
    }


def _figures(some: Sequence[Forecast]) -> Result:
    runs = _grouped(some, lambda one: one.run)
    return {
        "runs": len(runs),
        "forecasts": len(some),
        "covered80": _share(some, 0.8),
        "covered95": _share(some, 0.95),
        "recorded80": float(np.mean([one.recorded[0] <= 1 <= one.recorded[1] for one in some])),
        "runs80": float(np.mean([_share(ones, 0.8) for _name, ones in runs])),
        "width80": median(one.width(0.8) for one in some),
        "width95": median(one.width(0.95) for one in some),
        "error": median(one.value for one in some) - 1,
    }


def _share(some: Sequence[Forecast], level: float) -> float:
    return float(np.mean([one.holds(level) for one in some]))


def _grouped(
    some: Sequence[Forecast], key: Callable[[Forecast], Any]
) -> list[tuple[Any, list[Forecast]]]:
    found: dict[Any, list[Forecast]] = {}
    for one in some:
        found.setdefault(key(one), []).append(one)
    return sorted(found.items())


def calibration(runs: Sequence[Run], options: argparse.Namespace) -> Outcome:
    """Do forecasts of the total hold? From results of simulate --json below --results."""
    del runs
    forecasts = [one for path in found_in(options.results) for one in forecasts_of(path)]
    if not forecasts:
        raise DataError(f"no run has a forecast from training {FIRST_COVERED} on")
    found = {"first": FIRST_COVERED, **summary(forecasts)}
    return Outcome(found, _text(found), {"calibration": _panels(forecasts, found)})


def _text(found: Result) -> str:
    head = ("", "runs", "forecasts", "80 %", "95 %", "as written", "width 80", "width 95", "error")
    rows = [("all", found), *((one["group"], one) for one in found["by_group"])]
    rows += [(f"training {one['iteration']}", one) for one in found["by_iteration"]]
    return table(head, [_row(name, one) for name, one in rows])


def _row(name: str, one: Result) -> tuple[str, ...]:
    shares = ("covered80", "covered95", "recorded80", "width80", "width95")
    counts = (str(one["runs"]), str(one["forecasts"]))
    return (name, *counts, *(per_cent(one[key]) for key in shares), f"{100 * one['error']:+.1f} %")


def _panels(forecasts: Sequence[Forecast], found: Result) -> tuple[Panel, ...]:
    wanted = [100 * level for level in LEVELS]
    groups = _grouped(forecasts, lambda one: one.group)
    lines = [
        Line("as promised", [50, 100], [50, 100], dashed=True),
        Line("all", wanted, [100 * found["levels"][str(level)] for level in LEVELS]),
        *(
            Line(name, wanted, [100 * _share(some, level) for level in LEVELS], dots=True)
            for name, some in groups
        ),
    ]
    return (
        Panel("How often intervals hold", "promised, %", "held, %", lines, from_zero=False),
        _converging(forecasts),
    )


def _converging(forecasts: Sequence[Forecast]) -> Panel:
    """Draw the median forecast by training, with the median interval, as shares of the end."""
    rows = [
        (number, some)
        for number, some in _grouped(forecasts, lambda one: one.iteration)
        if len(some) >= FEWEST
    ] or _grouped(forecasts, lambda one: one.iteration)
    at80 = LEVELS.index(0.8)
    line = Line(
        "median forecast, median 80 % interval",
        [number for number, _some in rows],
        [median(one.value for one in some) for _number, some in rows],
        [median(one.low[at80] for one in some) for _number, some in rows],
        [median(one.high[at80] for one in some) for _number, some in rows],
    )
    real = Line("what the run cost", [rows[0][0], rows[-1][0]], [1, 1], dashed=True)
    return Panel(
        "How forecasts converge", "training", "of the final total", (line, real), from_zero=False
    )


CALIBRATION: dict[str, Experiment] = {"calibration": calibration}
"""Listed beside the lab's own experiments; it reads results in place of recordings."""
