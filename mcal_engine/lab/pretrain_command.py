"""`python -m mcal_engine pretrain --data SET --arch NET --out FOLDER`: weights for other sets.

What it leaves is what `--weights FOLDER` finds. Use another set than the one to be labelled: labels
that a network has seen are not new to it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mcal_engine import datasets
from mcal_engine.vision.pretraining import pretrain


def main(arguments: list[str]) -> int:
    """Pre-train as the command line says; return 0. Raises `EngineError` for wrong input."""
    options = _parser().parse_args(arguments)
    data = datasets.load(options.data, limit=options.limit, seed=options.seed)
    made = pretrain(
        data.images,
        data.labels,
        len(data.class_names),
        options.arch,
        options.out,
        seed=options.seed,
        held_out=options.held_out,
        flip=options.flip,
        device=options.device,
    )
    right = "" if made.accuracy is None else f", {made.accuracy:.1%} right on those left out"
    sys.stdout.write(
        f"{made.path}: {options.arch} on {made.images:,} images, "
        f"{len(data.class_names)} classes{right}\n"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mcal_engine pretrain", description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help=".npz file, IDX folder, or folder per class")
    add("--limit", type=int, default=None, help="use only so many images, drawn by --seed")
    add("--arch", default="cnn_small", help="network")
    add("--out", type=Path, required=True, metavar="FOLDER", help="where NET.pt goes")
    add("--seed", type=int, default=0)
    add("--held-out", type=float, default=0.05, help="share of images to measure on")
    add(
        "--flip", action=argparse.BooleanOptionalAction, default=True, help="train on mirror images"
    )
    add("--device", default=None, help="cpu, cuda, mps; by default the best there is")
    return parser
