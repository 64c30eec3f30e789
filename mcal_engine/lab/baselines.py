"""What a replay is judged by: labelling by hand, naive active learning, and hindsight.

All are priced as the run itself is: same T, same certificate, same audit, everything paid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mcal_engine.lab.recording import Recording
from mcal_engine.lab.replay import replay, stopped_at
from mcal_engine.types import IntArray, RunConfig

DELTAS = (1.0, 2.0, 3.3, 5.0, 6.7, 10.0, 13.3, 16.7, 20.0)
"""Batch sizes of naive active learning in per cent of X (paper, Sec. 5.2: 1 % to 20 %)."""

Result = dict[str, Any]


def human_only(config: RunConfig) -> float:
    """Return the dollars for labelling all of X by hand, nothing trained."""
    return config.n * config.prices.label


def naive(
    recording: Recording,
    truth: IntArray,
    config: RunConfig,
    deltas: Sequence[float] = DELTAS,
    **options: Any,
) -> list[Result]:
    """Replay active learning with each fixed batch size, per cent of X, under the same promise.

    It stops when stopping has become dearer twice in a row. The recording's sizes may be finer
    than its steps, which can only help it. Each result has its `delta`.
    """
    return [
        replay(
            recording,
            truth,
            replace(config, fixed_delta=max(1, round(config.n * delta / 100))),
            **options,
        )
        | {"delta": delta}
        for delta in deltas
    ]


def hindsight(
    recording: Recording,
    truth: IntArray,
    config: RunConfig,
    visited: Sequence[int],
    **options: Any,
) -> Result:
    """Return the cheapest way the run could have ended, and the cost of each.

    For every recorded round: the run's own rounds before it, then this one, then stop, with the
    engine's own choice of S and audit; or labelling by hand at once. The way to a round beyond
    the run's last leaves out all between, so the regret against it is rather too large.
    """
    config = replace(config, fixed_delta=None)
    ends = []
    for taken in recording.rounds:
        path = (*(number for number in visited if number < taken.number), taken.number)
        result = stopped_at(recording, truth, config, path, **options)
        ends.append({"train_size": taken.train_size} | _summary(result))
    by_hand: Result = {"train_size": 0, "total": human_only(config), "machine_fraction": 0.0}
    return {"best": min([by_hand, *ends], key=_total), "ends": ends, "human_only": by_hand["total"]}


def judge(
    recording: Recording,
    truth: IntArray,
    config: RunConfig,
    deltas: Sequence[float] = DELTAS,
    **options: Any,
) -> Result:
    """Replay a run and everything it is judged by.

    `over_naive` is the run's total over that of the best fixed delta, `regret` its excess over
    the hindsight optimum, as a share; both None where that total is zero.
    """
    run: Result = replay(recording, truth, config, **options)
    fixed = naive(recording, truth, config, deltas, **options)
    best = min(fixed, key=lambda result: _total(result["cost"]))
    looking_back = hindsight(recording, truth, config, run["visited"], **options)
    total = _total(run["cost"])
    return {
        "mcal": run,
        "human_only": human_only(config),
        "naive": [_summary(result) | {"delta": result["delta"]} for result in fixed],
        "best_naive": _summary(best) | {"delta": best["delta"]},
        "hindsight": looking_back,
        "over_naive": _ratio(total, _total(best["cost"])),
        "regret": _minus_one(_ratio(total, _total(looking_back["best"]))),
    }


def _summary(result: Result) -> Result:
    cost, paper = result["cost"], result["paper"]
    return {
        "total": cost["total"],
        "labels": cost["labels"],
        "compute": cost["compute"],
        "paper_total": paper["total"],
        "human_share": result["human_fraction"],
        "machine_fraction": result["machine_fraction"],
        "train_share": result["counts"]["train"] / result["n"],
        "realised_error": result["realised_error"],
        "rounds": len(result["visited"]),
        "outcome": result["outcome"],
        "stop_reason": result["stop_reason"],
        "recording_ended": result["recording_ended"],
    }


def _total(cost: Result) -> float:
    return float(cost["total"])


def _ratio(ours: float, theirs: float) -> float | None:
    return ours / theirs if theirs > 0 else None


def _minus_one(ratio: float | None) -> float | None:
    return None if ratio is None else ratio - 1
