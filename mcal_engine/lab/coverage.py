"""Do the forecast's intervals hold? C* and its 80 % interval against what the run then cost."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

Result = dict[str, Any]


def coverage(replays: Sequence[Result], first: int = 4) -> Result:
    """Compare every forecast of C* from iteration `first` on with its run's final total.

    `replays` are results of `replay`. Runs whose recording ended early have no final cost and
    are left out. `covered` is the share of all forecasts inside, `by_run` each run's own share;
    None where there is no forecast.
    """
    whole = [result for result in replays if not result["recording_ended"]]
    forecasts = [one for result in whole for one in _forecasts(result, first)]
    iterations = sorted({one["iteration"] for one in forecasts})
    return {
        "first": first,
        "runs": len(whole),
        "left_out": len(replays) - len(whole),
        "forecasts": len(forecasts),
        "covered": _share(forecasts),
        "by_iteration": [
            _row(number, [one for one in forecasts if one["iteration"] == number])
            for number in iterations
        ],
        "by_run": [_share(_forecasts(result, first)) for result in whole],
    }


def _forecasts(result: Result, first: int) -> list[Result]:
    total = result["cost"]["total"]
    return [
        {
            "iteration": record["number"],
            "inside": record["c_low"] <= total <= record["c_high"],
            "ratio": record["c_star"] / total if total else 1.0,
        }
        for record in result["iterations"]
        if record["number"] >= first and record["c_low"] is not None
    ]


def _share(forecasts: Sequence[Result]) -> float | None:
    return sum(one["inside"] for one in forecasts) / len(forecasts) if forecasts else None


def _row(iteration: int, forecasts: Sequence[Result]) -> Result:
    return {
        "iteration": iteration,
        "forecasts": len(forecasts),
        "covered": _share(forecasts),
        "median_ratio": median(one["ratio"] for one in forecasts),
    }
