"""`python -m mcal_engine experiment NAME --recording A.npz B.npz --out FOLDER`.

Replays recorded runs (lab/record.py) and writes NAME.json and figures below FOLDER.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from mcal_engine.errors import DataError, EngineError
from mcal_engine.lab import figures, labels, recording
from mcal_engine.lab.baselines import DELTAS
from mcal_engine.lab.calibration import CALIBRATION
from mcal_engine.lab.experiments import EXPERIMENTS, Outcome, Run
from mcal_engine.lab.paper import PAPER, WITHOUT_RECORDINGS
from mcal_engine.lab.people_runs import PEOPLE
from mcal_engine.options import add_run_options

ALL = EXPERIMENTS | PAPER | PEOPLE | CALIBRATION


def main(arguments: list[str]) -> int:
    """Run one experiment. Returns 0, or 2 for wrong input with one line that says what."""
    options = parser().parse_args(arguments)
    try:
        if not options.out.is_dir():
            raise DataError(f"there is no folder {options.out}")
        if not options.recording and options.name not in {
            *WITHOUT_RECORDINGS,
            *CALIBRATION,
            "crowd",
        }:
            raise DataError("this experiment replays recordings: name them by --recording")
        runs = [_run(path, options.data) for path in options.recording]
        _keep(ALL[options.name](runs, options), options, arguments)
    except EngineError as error:
        sys.stderr.write(f"mcal_engine experiment: {error} [{error.code}]\n")
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the options of `experiment`, every setting of a run among them."""
    made = argparse.ArgumentParser(
        prog="mcal_engine experiment",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("name", choices=sorted(ALL))
    add("--recording", type=Path, nargs="+", default=(), metavar="FILE.npz")
    add(
        "--results",
        type=Path,
        nargs="+",
        default=(),
        metavar="PATH",
        help="calibration: files of simulate --json, or their folder",
    )
    add("--out", type=Path, required=True, metavar="FOLDER")
    add("--data", type=Path, default=Path("../shared/data"), help="folder of the data sets")
    add("--figures", action=argparse.BooleanOptionalAction, default=True)
    add("--seconds-scale", type=float, default=1.0, help="other hardware: times the seconds")
    add("--seconds-per-image", type=float, default=None, help="of B, in place of the recorded")
    add("--seconds-per-sample", type=float, default=None, help="shown, in place of the recorded")
    add("--review", type=int, default=None, help="people: so many of T are reviewed, else all")
    add("--deltas", type=_numbers(float), default=DELTAS, help="naive batches, per cent of X")
    add("--seeds", type=_numbers(int), default=(), help="draws of T and of the audit's order")
    add("--label-prices", type=_numbers(float), default=(), metavar="A,B")
    add("--compute-prices", type=_numbers(float), default=(), metavar="A,B")
    add("--epsilons", type=_numbers(float), default=(), metavar="A,B")
    add_run_options(made)
    made.set_defaults(arch=None, seed=None, test_share=None)  # as recorded
    return made


def _numbers(kind: Callable[[str], float]) -> Callable[[str], tuple[float, ...]]:
    def numbers(text: str) -> tuple[float, ...]:
        return tuple(kind(part) for part in text.split(","))

    return numbers


def _run(path: Path, folder: Path) -> Run:
    made = recording.load(path)
    truth, given = labels.of(made, folder)
    return Run(path.name.removesuffix(".npz"), made, truth, given)


def _keep(outcome: Outcome, options: argparse.Namespace, arguments: list[str]) -> None:
    result = {"experiment": options.name, "arguments": arguments, **outcome.result}
    path = options.out / f"{options.name}.json"
    try:
        path.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
        for name, panels in outcome.figures.items() if options.figures else ():
            figures.save(options.out / name, *panels)
    except OSError as error:
        raise DataError(f"cannot write below {options.out}: {error.strerror}") from error
    sys.stdout.write(f"{outcome.text}\n{path}\n")
