"""Experiments on people: real crowds, and whole runs whose people make real mistakes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mcal_engine.lab import crowds
from mcal_engine.lab.baselines import Result
from mcal_engine.lab.experiments import Experiment, Outcome, Run, clock
from mcal_engine.lab.replay import Replay, played
from mcal_engine.lab.tables import per_cent, table
from mcal_engine.people.combined import Machine, combined
from mcal_engine.people.human_error import Source, from_review
from mcal_engine.selection import hash_order
from mcal_engine.types import RunConfig


def crowd(runs: Sequence[Run], options: argparse.Namespace) -> Outcome:
    """Accuracy of majority, Dawid-Skene and CROWDLAB on the crowds below --data."""
    del runs
    result: Result = {}
    rows = []
    for name in (*crowds.SETS, "c10n", "c10s"):
        began = time.process_time()
        found = crowds.judged(crowds.load(options.data, name))
        result[name] = found | {"cpu_seconds": time.process_time() - began}
        rows.append(_crowd_row(name, result[name]))
    head = ("", "images", "answers", "majority", "D-S", "CROWDLAB", "alpha", "true", "estimated")
    return Outcome(result, table(head, rows))


def _crowd_row(name: str, found: Result) -> tuple[str, ...]:
    accuracy, overlap = found["accuracy"], found["overlap"]["labels"]
    crowdlab = accuracy.get("crowdlab")
    return (
        name,
        f"{found['images']:,}",
        f"{found['answers']:,}",
        per_cent(accuracy["majority"]),
        per_cent(accuracy["dawid_skene"]),
        "-" if crowdlab is None else per_cent(crowdlab),
        f"{found['alpha']['value']:.3f}",
        per_cent(overlap["true"]),
        f"{per_cent(overlap['low'])}-{per_cent(overlap['high'])}",
    )


def people(runs: Sequence[Run], options: argparse.Namespace) -> Outcome:
    """Whole runs with people's real answers: does the combined bound cover the true error?

    Each recording is replayed with each of --seeds (T, the audit's order and the review drawn
    anew). Somebody who knows the truth then reviews T; --review takes a part of it.
    """
    result: Result = {}
    rows = []
    for run in runs:
        found = [
            _whole(run, replace(run.config(options), seed=seed), options)
            for seed in options.seeds or (run.recording.about.seed,)
        ]
        result[run.name] = {"runs": found, "covered": sum(one["covered"] for one in found)}
        rows += [_row(run, found)]
    head = (
        *("", "runs", "B", "S", "machine", "bound", "people", "bound"),
        *("delivered", "both", "covered", "human-only"),
    )
    return Outcome(result, table(head, rows))


def _whole(run: Run, config: RunConfig, options: argparse.Namespace) -> Result:
    told, driver = played(run.recording, run.truth, config, given=run.given, clock=clock(options))
    counts = told["counts"]
    assert isinstance(counts, dict)
    both = promised(driver, run, config, options.review)
    kept = ("seed", "outcome", "stop_reason", "cost", "counts", "audit_labels", "wall_seconds")
    return {name: told[name] for name in kept} | both


def promised(driver: Replay, run: Run, config: RunConfig, review: int | None) -> Result:
    """Review T against the truth and compare the combined bound with the true error.

    Only the first marks count: they are drawn from all of X, later ones from the remainder.
    """
    truth, answers, n = run.truth, run.answers, config.n
    drawn = hash_order(f"{config.seed}:review", _first_marks(driver))[:review]
    wrong = int((answers[drawn] != truth[drawn]).sum())
    alpha = config.target.alpha
    error = from_review(
        Source.TEST_REVIEW, population=n, n=len(drawn), wrong=wrong, confidence=1 - alpha
    )
    certificate = driver.certificate
    size = int(driver.machine.sum())
    machine = Machine(
        promise=str(certificate.get("promise", "")),
        labels=size,
        wrong_at_most=int(str(certificate.get("wrong_at_most", 0))) if size else 0,
        confidence=1 - alpha if size else 1.0,
    )
    found = combined(
        images=n, excluded=0, machine=machine, people=error, corrected=wrong, confidence=1 - alpha
    )
    assert found.together is not None
    delivered = np.where(driver.machine, driver.machine_labels, answers)
    delivered[drawn] = truth[drawn]  # the reviewer put these right
    true_wrong = int((delivered != truth).sum())
    against = int((driver.machine_labels != answers)[driver.machine].sum())
    return {
        "reviewed": len(drawn),
        "machine": {"true": against / n, "bound": machine.wrong_at_most / n},
        "people": {"true": float((answers != truth).mean()), "bound": error.upper},
        "delivered": {"true": true_wrong / n, "bound": found.together.share},
        "machine_covered": against <= machine.wrong_at_most,
        "people_covered": float((answers != truth).mean()) <= error.upper,
        "covered": true_wrong <= found.together.wrong_at_most,
        "confidence": found.together.confidence,
    }


def _first_marks(driver: Replay) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    first = next(items for purpose, items in driver.oracle.sales if purpose == "test")
    return first.astype(np.int64)


def _row(run: Run, found: Sequence[Result]) -> tuple[str, ...]:
    def mean(*path: str) -> str:
        values = [one[path[0]][path[1]] for one in found]
        return per_cent(float(np.mean(values)))

    n = run.recording.about.n
    return (
        run.name,
        str(len(found)),
        f"{np.mean([one['counts']['train'] for one in found]):,.0f}",
        per_cent(float(np.mean([one["counts"]["machine"] / n for one in found]))),
        mean("machine", "true"),
        mean("machine", "bound"),
        mean("people", "true"),
        mean("people", "bound"),
        mean("delivered", "true"),
        mean("delivered", "bound"),
        f"{sum(one['covered'] for one in found)} of {len(found)}",
        str(sum(one["counts"]["machine"] == 0 for one in found)),
    )


PEOPLE: dict[str, Experiment] = {"crowd": crowd, "people": people}
"""Listed beside the lab's own experiments and the paper's."""
