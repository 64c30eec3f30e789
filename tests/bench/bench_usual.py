"""Our trainer beside the usual way, in one run: images a second, seconds to an accuracy.

    .venv/bin/python -m tests.bench.bench_usual [--data labelapp/demo_data/fashion_10k.npz]
        [--size 4000] [--held 4000] [--target 0.88] [--epochs 3,6,10,15] [--threads N]

The same network, B and batch. Ours: the shortest training of the ladder `--epochs` that reaches
the target (each a whole cycle of its own); the usual way: the first epoch that does.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from mcal_engine.datasets import Dataset, load
from mcal_engine.selection import hash_order
from mcal_engine.types import IntArray
from mcal_engine.vision.checkpoints import NetSpec
from mcal_engine.vision.data import measure
from mcal_engine.vision.device import describe, pick_device, use_threads
from mcal_engine.vision.recipes import suited
from mcal_engine.vision.train import train
from tests.bench import usual_way
from tests.bench.bench_train import DEMO

MOST_EPOCHS = 40


@dataclass(frozen=True)
class Reached:
    """Where a way of training stood when it reached the target, or at its last try."""

    seconds: float
    images: int
    accuracy: float

    @property
    def rate(self) -> float:
        """Augmented images trained on, per second."""
        return self.images / self.seconds


def first_that(tries: Iterable[Reached], target: float) -> tuple[Reached, float]:
    """Return the last try looked at and the seconds to the target (infinite: not reached)."""
    best = None
    for best in tries:
        if best.accuracy >= target:
            return best, best.seconds
    assert best is not None, "there was nothing to try"
    return best, math.inf


def ours(options: argparse.Namespace) -> Iterable[Reached]:
    """Train once per rung of the ladder, each time from fresh weights."""
    data, b, held = drawn(options)
    spec = NetSpec(
        "cnn_fast", data.images.shape[3], len(data.class_names), data.images.shape[1], flip=True
    )
    normalisation = measure(data.images)
    recipe = replace(suited("cnn_fast", channels=spec.channels), min_steps=1)
    for count in map(int, options.epochs.split(",")):
        made = train(
            data.images,
            b,
            data.labels[b],
            spec=spec,
            recipe=replace(recipe, epochs=count),
            normalisation=normalisation,
            seed=0,
            device=pick_device("cpu"),
        )
        right = usual_way.accuracy(
            made.model.net, normalisation, data.images[held], data.labels[held]
        )
        yield Reached(made.seconds, made.samples_shown, right)


def usual(options: argparse.Namespace) -> Iterable[Reached]:
    """Train epoch by epoch, at most `MOST_EPOCHS`."""
    data, b, held = drawn(options)
    found = usual_way.epochs(
        data.images[b],
        data.labels[b],
        (data.images[held], data.labels[held]),
        arch="cnn_fast",
        classes=len(data.class_names),
        pad=suited("cnn_fast", channels=data.images.shape[3]).pad,
        normalisation=measure(data.images),
        seed=0,
    )
    return (Reached(e.seconds, e.images, e.accuracy) for e in islice(found, MOST_EPOCHS))


def drawn(options: argparse.Namespace) -> tuple[Dataset, IntArray, IntArray]:
    """Return the data set, the numbers of B and of the held-out images."""
    data = load(options.data)
    order = hash_order("0:bench", np.arange(len(data.labels)))
    return data, order[: options.size], order[options.size : options.size + options.held]


def main(arguments: list[str] | None = None) -> int:
    """Run both ways, one after the other; print a line each and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=DEMO)
    parser.add_argument("--size", type=int, default=4000)
    parser.add_argument("--held", type=int, default=4000)
    parser.add_argument("--target", type=float, default=0.88)
    parser.add_argument("--epochs", default="3,6,10,15")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args(arguments)
    use_threads(options.threads)
    print(f"{options.data}, |B| {options.size}, {describe(pick_device('cpu'))}")
    found = {}
    for name, way in (("ours", ours), ("usual", usual)):
        last, seconds = found[name] = first_that(way(options), options.target)
        print(
            f"{name:6s} {last.rate:7.0f} images/s, {last.accuracy:.1%} after {last.seconds:.1f} s "
            f"({last.images} images); {options.target:.1%} after {seconds:.1f} s",
            flush=True,
        )
    rate = found["ours"][0].rate / found["usual"][0].rate
    print(f"ratio: {rate:.1f} x images/s, {found['usual'][1] / found['ours'][1]:.1f} x sooner")
    return 0


if __name__ == "__main__":
    sys.exit(main())
