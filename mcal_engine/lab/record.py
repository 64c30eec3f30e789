"""Record a run: `python -m mcal_engine.lab.record --data SET --sizes 1,2,4 --out FILE.npz`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mcal_engine import candidates, datasets
from mcal_engine.errors import DataError, EngineError
from mcal_engine.lab import labels
from mcal_engine.lab.recorder import Job, hardware, record
from mcal_engine.lab.recording import Round
from mcal_engine.selection import ACQUISITIONS


def main(arguments: list[str] | None = None) -> int:
    """Record one run. Returns 0, or 2 for wrong input with one line that says what."""
    options = parser().parse_args(arguments)
    try:
        _record(options)
    except EngineError as error:
        sys.stderr.write(f"mcal_engine.lab.record: {error} [{error.code}]\n")
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the options of a recording."""
    made = argparse.ArgumentParser(prog="mcal_engine.lab.record", description=__doc__)
    add = made.add_argument
    add("--data", type=Path, required=True, help=".npz file, IDX folder, or folder per class")
    add("--out", type=Path, required=True, metavar="FILE.npz")
    add("--sizes", default="", help="sizes of B in per cent of N, such as 1,1.5,2,3,4")
    add("--delta", type=float, default=None, help="fixed batch in per cent of N, with --until")
    add("--until", type=float, default=40.0, help="largest B in per cent of N, with --delta")
    add("--start", type=float, default=1.0, help="B_0 in per cent of N, with --delta")
    add("--seed", type=int, default=0)
    add("--acquisition", choices=sorted(ACQUISITIONS), default="margin")
    add("--arch", default="cnn_small", help="one network, or several with commas: a shared B")
    add(
        "--recipe",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="in place of the one that suits the first network; may be repeated",
    )
    add("--given", default="", metavar="FILE.npz:ARRAY", help="people's answers, not the truth")
    add("--limit", type=int, default=None, help="use only so many images, drawn by --seed")
    add("--threads", type=int, default=None)
    add("--device", default=None, help="cpu, cuda, mps; by default the best there is")
    add("--test-share", type=float, default=0.015, help="T as a share of N, for the file only")
    add("--resume", action="store_true", help="go on with FILE.npz after its last round")
    return made


def _record(options: argparse.Namespace) -> None:
    from mcal_engine.vision.device import describe  # noqa: PLC0415 - torch only where needed
    from mcal_engine.vision.learner import TorchLearner  # noqa: PLC0415
    from mcal_engine.vision.recipes import suited  # noqa: PLC0415

    changed = recipe_changes(options.recipe)
    data = datasets.load(options.data, limit=options.limit, seed=options.seed)
    first = candidates.parse(options.arch.split(",")[0])
    usual = suited(first.net, channels=data.images.shape[3])
    try:
        recipe = replace(usual, **changed)
    except TypeError as error:
        raise DataError(f"no such recipe: {error}") from error
    learner = TorchLearner(
        data.images,
        len(data.class_names),
        recipe=recipe,
        device=options.device,
        threads=options.threads,
    )
    job = _job(options, data, asdict(recipe), hardware(describe(learner.device)))
    record(job, learner, options.out, resume=options.resume, watch=_say)


def _job(
    options: argparse.Namespace,
    data: datasets.Dataset,
    recipe: dict[str, object],
    machine: dict[str, object],
) -> Job:
    if options.given and options.limit is not None:
        raise DataError("--given goes with the whole data set, not with --limit")
    classes = len(data.class_names)
    return Job(
        data=options.data.name.removesuffix(".npz"),
        truth=data.labels,
        classes=classes,
        sizes=sizes_of(options, len(data.labels)),
        archs=tuple(options.arch.split(",")),
        seed=options.seed,
        acquisition=options.acquisition,
        test_share=options.test_share,
        given=labels.given_by(options.given, data.labels, classes) if options.given else None,
        given_name=Path(options.given).name or "truth",
        limit=options.limit,
        recipe=recipe,
        hardware=machine,
    )


def sizes_of(options: argparse.Namespace, n: int) -> tuple[int, ...]:
    """Return |B| per round from per cents: a list, or B_0 and equal steps up to a limit."""
    try:
        shares = [float(part) for part in options.sizes.split(",") if part]
    except ValueError as error:
        raise DataError(f"--sizes takes numbers with commas, not {options.sizes!r}") from error
    if bool(shares) == (options.delta is not None):
        raise DataError("give either --sizes or --delta")
    if options.delta is not None:
        if options.delta <= 0:
            raise DataError("--delta must be positive")
        rounds = int((options.until - options.start) / options.delta + 1e-9)
        shares = [options.start + options.delta * k for k in range(rounds + 1)]
    return tuple(sorted({round(n * share / 100) for share in shares}))


def recipe_changes(pairs: list[str]) -> dict[str, Any]:
    """Return {"epochs": 20, "flip": False} from ["epochs=20", "flip=false"]."""
    changed: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise DataError(f"--recipe takes KEY=VALUE, not {pair!r}")
        try:
            changed[key] = json.loads(text)
        except ValueError:
            changed[key] = text
    return changed


def _say(taken: Round) -> None:
    for arch, take in taken.takes.items():
        sys.stdout.write(
            f"round {taken.number:>3}  B {taken.train_size:>7,}  {arch}  "
            f"train {take.train_seconds:.1f} s  score {take.score_seconds:.1f} s\n"
        )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
