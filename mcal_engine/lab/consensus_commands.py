"""`python -m mcal_engine experiment consensus`: what more members bring, and where they agree.

Tables 2, 3 and 4 and Fig. 2 of Chitta et al. on a labelled set of yours: FOLDER/consensus.json,
FOLDER/consensus.png and .svg.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from mcal_engine import datasets, search
from mcal_engine.errors import DataError, EngineError
from mcal_engine.lab import consensus_runs, figures
from mcal_engine.lab.consensus import mean_and_range
from mcal_engine.lab.consensus_runs import Analysis, Plan
from mcal_engine.lab.figures import Line, Panel
from mcal_engine.lab.search_commands import (
    add_data_options,
    held_out_of,
    make_learner,
    store_of,
    told_of,
)
from mcal_engine.lab.tables import table
from mcal_engine.search import LabelledPool, SearchSettings, spread
from mcal_engine.search_request import HELD_OUT
from mcal_engine.search_stages import MemberLearner
from mcal_engine.search_store import Facts


def main(arguments: list[str]) -> int:
    """Run the analysis. Returns 0, or 2 for wrong input with one line that says what."""
    options = parser().parse_args(arguments)
    try:
        if not options.out.is_dir():
            raise DataError(f"there is no folder {options.out}")
        result = analyse(options)
        _keep(result, options, arguments)
    except EngineError as error:
        sys.stderr.write(f"mcal_engine experiment consensus: {error} [{error.code}]\n")
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the options of `experiment consensus`."""
    made = argparse.ArgumentParser(
        prog="mcal_engine experiment consensus",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data_options(made)
    add = made.add_argument
    add("--out", type=Path, required=True, metavar="FOLDER")
    add("--work", type=Path, default=None, metavar="FOLDER", help="keep every step, to go on there")
    add("--acquirers", type=_names, default=("cnn_small",), help="networks that choose")
    add("--targets", type=_names, default=("cnn_small",), help="networks trained on the subsets")
    add("--runs", type=int, default=5, help="runs with other seeds")
    add("--checkpoints", type=_numbers, default=(5, 20), help="kept of each run; the most is all")
    add("--share", type=float, default=0.4, help="of the labelled images that members learn from")
    add("--acquisition", default="variation_ratios", help="what doubles that share")
    add("--held-out", type=float, default=HELD_OUT, help="share of the images that judges")
    add("--held-out-last", type=int, default=None, metavar="N", help="or the last N images")
    add("--figures", action=argparse.BooleanOptionalAction, default=True)
    return made


def analyse(options: argparse.Namespace) -> Facts:
    """Analyse every seed; return plain JSON with all rows and their means."""
    search.check_seeds(options.seeds)
    data = datasets.load(options.data, limit=options.limit, seed=options.draw_seed)
    held_out = held_out_of(len(data.labels), options)
    pool = LabelledPool(data.labels, held_out, len(data.class_names))
    plan = Plan(
        acquirers=options.acquirers,
        targets=options.targets,
        runs=options.runs,
        checkpoints=options.checkpoints,
        share=options.share,
        acquisition=options.acquisition,
    )
    consensus_runs.check(plan, pool)
    learner = make_learner(data, options)
    if not isinstance(learner, MemberLearner):
        raise DataError("this learner does not show what each member says")
    told = {"consensus": asdict(plan), **told_of(learner, (*plan.acquirers, *plan.targets))}
    store = store_of(options, data, SearchSettings(plan.share), pool, told)
    runs = [Analysis(plan, pool, learner, store, seed, _say).run() for seed in options.seeds]
    return {
        "plan": asdict(plan),
        "n": len(pool.labels),
        "labelled": len(pool.items),
        "held_out": int(held_out.sum()),
        "runs": runs,
        "table2": {acquirer: _table2(runs, acquirer) for acquirer in plan.acquirers},
        "table3": _means([run["table3"] for run in runs]),
        "table4": {
            target: _means([run["table4"][target] for run in runs]) for target in plan.targets
        },
    }


def _table2(runs: Sequence[Facts], acquirer: str) -> Facts:
    rows = [run["acquirers"][acquirer]["table2"] for run in runs]
    return {kind: _means([row[kind] for row in rows]) for kind in rows[0]}


def _means(rows: Sequence[Facts]) -> Facts:
    """Return mean, interval and values over the seeds of each column."""
    return {name: spread([float(row[name]) for row in rows]) for name in rows[0]}


def text(result: Facts) -> str:
    """Return the tables as text."""
    parts = []
    for acquirer, kinds in result["table2"].items():
        head = (f"{acquirer}, accuracy %", *next(iter(kinds.values())))
        rows = [(kind, *map(_cell, columns.values())) for kind, columns in kinds.items()]
        parts.append(table(head, rows))
    chosen = [(name, _cell(row)) for name, row in result["table3"].items()]
    parts.append(table(("one network on the subset of", "accuracy %"), chosen))
    if result["table4"]:
        head = ("trained on", *result["table4"])
        names = next(iter(result["table4"].values()))
        rows = [
            (name, *(_cell(columns[name]) for columns in result["table4"].values()))
            for name in names
        ]
        parts.append(table(head, rows))
    return "\n\n".join(parts)


def _cell(row: Facts) -> str:
    mean = f"{100 * row['mean']:.2f}"
    return mean if row["std"] is None else f"{mean} +- {100 * row['std']:.2f}"


def panel(result: Facts) -> Panel:
    """Return Fig. 2: agreement by pairs and all together, mean and range over runs and seeds."""
    lines = []
    for acquirer in result["plan"]["acquirers"]:
        curves = [c for run in result["runs"] for c in run["acquirers"][acquirer]["agreement"]]
        for name, label in (("pairs", "consecutive pairs"), ("all", "the last n together")):
            mean, low, high = mean_and_range([curve[name] for curve in curves])
            lines.append(
                Line(
                    f"{acquirer}, {label}",
                    curves[0]["n"],
                    _per_cent(mean),
                    _per_cent(low),
                    _per_cent(high),
                    dashed=name == "pairs",
                )
            )
    return Panel(
        title="Checkpoints that agree on what was not selected",
        x_label="checkpoints n, from the end of the training",
        y_label="% of the unselected images",
        lines=lines,
    )


def _per_cent(shares: np.ndarray) -> list[float]:
    return [100 * float(share) for share in shares]


def _keep(result: Facts, options: argparse.Namespace, arguments: list[str]) -> None:
    path = options.out / "consensus.json"
    kept = {"experiment": "consensus", "arguments": arguments, **result}
    try:
        path.write_text(json.dumps(kept, indent=1, allow_nan=False) + "\n")
        if options.figures:
            figures.save(options.out / "consensus", panel(result))
    except OSError as error:
        raise DataError(f"cannot write below {options.out}: {error.strerror}") from error
    sys.stdout.write(f"{text(result)}\n{path}\n")


def _names(given: str) -> tuple[str, ...]:
    return tuple(name for name in given.split(",") if name)


def _numbers(given: str) -> tuple[int, ...]:
    return tuple(int(part) for part in given.split(","))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
