"""How much do an ensemble's members disagree, and what is that worth? By schedule, one run each.

    .venv/bin/python -m tests.bench.sim_members [--images 2000] [--labels 300] [--members 10]
        [--seeds 0 1] [--data ../shared/data/fashion_mnist] [--arch cnn_small] [--json OUT]

Trains on some images, scores the others with each schedule's members and prints, as means over the
seeds: the error of the last member and of the members' mean, how often two consecutive members
predict different classes, the mean mutual information, and how well it finds the mean's errors
(the area under the ROC curve; the margin of the mean beside it).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import mean

import numpy as np
from scipy.stats import rankdata

from mcal_engine import datasets
from mcal_engine.vision import ensemble
from mcal_engine.vision.learner import TorchLearner
from mcal_engine.vision.recipes import Recipe, with_members

ROOT = Path(__file__).resolve().parents[2]

SCHEDULES: dict[str, dict[str, object]] = {
    "one cycle, its last 30 %": {"schedule": "one_cycle"},
    "one cycle, its last steps": {"schedule": "one_cycle", "spacing": 1},
    "tail at 0.05": {"tail_rate": 0.05},
    "tail at 0.1": {"tail_rate": 0.1},
    "tail at 0.2": {"tail_rate": 0.2},
    "tail at 0.4": {"tail_rate": 0.4},
    "tail at 0.1, last steps": {"tail_rate": 0.1, "spacing": 1},
}


@contextmanager
def scheduled(name: str) -> Iterator[None]:
    """Give ensembles this schedule for a while."""
    wanted = SCHEDULES[name]

    def changed(recipe: Recipe, count: int) -> Recipe:
        return replace(with_members(recipe, count), **wanted)

    before, ensemble.with_members = ensemble.with_members, changed
    try:
        yield
    finally:
        ensemble.with_members = before


def found(
    learner: TorchLearner, truth: np.ndarray, labels: int, arch: str, seed: int
) -> list[float]:
    """Train and score once; return the figures of a row."""
    items = np.random.default_rng(seed).permutation(len(truth))
    train, rest = np.sort(items[:labels]), np.sort(items[labels:])
    votes: dict[int, np.ndarray] = {}

    def take(number: int, rows: slice, probabilities: np.ndarray) -> None:
        votes.setdefault(number, np.zeros(len(truth), dtype=np.int64))
        votes[number][rows] = probabilities.argmax(axis=1)

    learner.on_member = take
    scores = learner.train_and_score(train, truth[train], seed=seed, arch=arch).scores
    every = [votes[number][rest] for number in sorted(votes)]
    wrong = scores.pred[rest] != truth[rest]
    assert scores.mutual is not None
    changes = [float((one != two).mean()) for one, two in pairwise(every)]
    return [
        float((every[-1] != truth[rest]).mean()),
        float(wrong.mean()),
        mean(changes),
        float(scores.mutual[rest].mean()),
        area(scores.mutual[rest], wrong),
        area(scores.uncertainty[rest], wrong),
    ]


def area(score: np.ndarray, wrong: np.ndarray) -> float:
    """Return the area under the ROC curve: how surely a wrong image scores above a right one."""
    count = int(wrong.sum())
    if count in {0, len(wrong)}:
        return float("nan")
    above = rankdata(score)[wrong].sum() - count * (count + 1) / 2
    return float(above / (count * (len(wrong) - count)))


COLUMNS = ("last err.", "mean err.", "pairs differ", "mutual inf.", "AUC mutual", "AUC margin")


def main() -> int:
    """Print a row for each schedule."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data/fashion_mnist")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--labels", type=int, default=300)
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--arch", default="cnn_small")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--schedules", nargs="+", choices=list(SCHEDULES), default=list(SCHEDULES))
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    data = datasets.load(options.data, limit=options.images, seed=0)
    print(f"{'':<28}" + "".join(f"{name:>13}" for name in COLUMNS), flush=True)
    arch = f"{options.arch}+checkpoints={options.members}"
    rows = {}
    for name in options.schedules:
        learner = TorchLearner(data.images, len(data.class_names), device="cpu")
        with scheduled(name):
            each = [found(learner, data.labels, options.labels, arch, s) for s in options.seeds]
        rows[name] = [mean(column) for column in zip(*each, strict=True)]
        print(f"{name:<28}" + "".join(f"{value:>13.4f}" for value in rows[name]), flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
