"""How well and how fast the default network learns Fashion-MNIST from few labels.

    .venv/bin/python -m tests.bench.bench_train [--sizes 100,500,1000,2000] [--seeds 3]
        [--data labelapp/demo_data/fashion_10k.npz] [--arch cnn_small] [--json OUT]

For each |B|: a random B of the pool, one training, all images scored. Accuracy and the error
among the most confident 60, 70 and 80 % are over the images outside B, means over the seeds.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mcal_engine.datasets import Dataset, load
from mcal_engine.selection import hash_order
from mcal_engine.vision.device import describe
from mcal_engine.vision.job import peak_rss_mib
from mcal_engine.vision.learner import TorchLearner

SHARES = (0.6, 0.7, 0.8)
DEMO = "labelapp/demo_data/fashion_10k.npz"


@dataclass(frozen=True)
class Row:
    """Means over the seeds; errors are shares, times seconds."""

    size: int
    seeds: int
    accuracy: float
    error_60: float
    error_70: float
    error_80: float
    train_seconds: float
    score_seconds: float


def one_run(data: Dataset, learner: TorchLearner, size: int, seed: int, arch: str) -> list[float]:
    """Train on a random B of this size; return the figures of one row."""
    order = hash_order(f"{seed}:bench", np.arange(len(data.labels)))
    chosen, rest = order[:size], order[size:]
    model = learner.train_and_score(chosen, data.labels[chosen], seed=seed, arch=arch)
    wrong = (model.scores.pred != data.labels)[rest]
    wrong = wrong[np.argsort(model.scores.uncertainty[rest], kind="stable")]
    errors = [float(wrong[: int(share * len(wrong))].mean()) for share in SHARES]
    return [1 - float(wrong.mean()), *errors, model.train_seconds, model.score_seconds]


def row(data: Dataset, learner: TorchLearner, size: int, seeds: int, arch: str) -> Row:
    """Average one size over the seeds 0, 1, ..."""
    runs = [one_run(data, learner, size, seed, arch) for seed in range(seeds)]
    return Row(size, seeds, *(float(x) for x in np.mean(runs, axis=0)))


def show(line: Row) -> None:
    """Print one row of the table."""
    print(
        f"{line.size:6d} {line.accuracy:8.1%} {line.error_60:8.2%} {line.error_70:8.2%} "
        f"{line.error_80:8.2%} {line.train_seconds:8.1f} {line.score_seconds:8.1f}",
        flush=True,
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="100,500,1000,2000")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", default=DEMO)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--arch", default="cnn_small")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    data = load(options.data, limit=options.limit)
    learner = TorchLearner(data.images, len(data.class_names))
    print(f"{options.data}, {options.arch}, {options.seeds} seeds, {describe(learner.device)}")
    print("   |B| accuracy  err@60%  err@70%  err@80%  train s  score s")
    rows = []
    for size in map(int, options.sizes.split(",")):
        rows.append(row(data, learner, size, options.seeds, options.arch))
        show(rows[-1])
    print(f"peak memory {peak_rss_mib():.0f} MiB, {platform.processor() or platform.machine()}")
    if options.json:
        options.json.write_text(json.dumps([asdict(line) for line in rows], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
