"""What images without a label are worth when there are few labels: plain, pseudo-labels, consistency.

    python -m benchmarks.few_labels [--data FOLDER] [--pool 10000] [--labels 250,1000] [--seeds 0,1,2]
        [--candidates cnn_small,cnn_small+pseudo,cnn_small+semi] [--out FILE]

Each candidate learns from the same B: half of it drawn by chance, half chosen by M(.) (margin, 5 %
by chance) from what the same network said after the first half, as in a run. Pseudo-labels come from that model and
are calibrated on the second half. The error is that on all images of the pool outside B. Seconds
are of whatever machine this runs on; on a busy one they mean nothing, the errors do not change.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from mcal_engine import candidates, datasets, selection
from mcal_engine.learner import Earlier
from mcal_engine.types import IntArray, Prices, RunConfig, Target
from mcal_engine.vision.device import describe
from mcal_engine.vision.learner import TorchLearner

FASHION = Path("../shared/data/fashion_mnist")


def main() -> None:
    """Measure and print; the file is written anew after each training set."""
    options = _options()
    rows: list[dict[str, Any]] = []
    for seed in options.seeds:
        data = datasets.load(options.data, limit=options.pool, seed=seed)
        learner = TorchLearner(data.images, len(data.class_names), threads=options.threads)
        for size in options.labels:
            rows += _measured(learner, data.labels, size, seed, options.candidates)
            print(_line(rows[-len(options.candidates) :]), flush=True)
            _keep(options, {"device": describe(learner.device), "rows": rows})
    for row in _means(rows, options):
        print(row)


def _keep(options: argparse.Namespace, found: dict[str, Any]) -> None:
    if options.out:
        result = {"command": _command(options), **found, "means": _means(found["rows"], options)}
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, default=FASHION)
    add("--pool", type=int, default=10_000)
    add("--labels", type=_whole, default=(250, 1000))
    add("--seeds", type=_whole, default=(0, 1, 2))
    add("--candidates", type=_names, default=_names("cnn_small,cnn_small+pseudo,cnn_small+semi"))
    add("--threads", type=int, default=None)
    add("--out", type=Path, default=None)
    return parser.parse_args()


def _whole(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _names(text: str) -> tuple[str, ...]:
    return tuple(candidates.canonical(part) for part in text.split(","))


def _command(options: argparse.Namespace) -> str:
    sizes, seeds = (",".join(map(str, many)) for many in (options.labels, options.seeds))
    names = ",".join(options.candidates)
    return (
        f"python -m benchmarks.few_labels --data {options.data} --pool {options.pool} "
        f"--labels {sizes} --seeds {seeds} --candidates {names}"
    )


def _measured(
    learner: TorchLearner, labels: IntArray, size: int, seed: int, names: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Train every candidate on one B of this size; return a row for each."""
    first, items = _training_set(learner, labels, size, seed, names[0])
    outside = np.setdiff1d(np.arange(len(labels)), items)
    rows = []
    for name in names:
        model = learner.train_and_score(
            items, labels[items], seed=seed + 1, arch=name, earlier=first
        )
        wrong = model.scores.pred[outside] != labels[outside]
        chosen = learner.chosen
        rows.append(
            {
                "candidate": name,
                "labels": size,
                "seed": seed,
                "error": round(float(wrong.mean()), 5),
                "samples_shown": model.samples_shown,
                "train_seconds": round(model.train_seconds, 1),
                "pseudo": 0 if chosen is None else len(chosen.items),
                "pseudo_wrong": None
                if not chosen or not len(chosen.items)
                else _wrong(chosen, labels),
                "temperature": None if chosen is None else round(chosen.temperature, 3),
            }
        )
    return rows


def _wrong(chosen: Any, labels: IntArray) -> float:
    return round(float((chosen.labels != labels[chosen.items]).mean()), 5)


def _training_set(
    learner: TorchLearner, labels: IntArray, size: int, seed: int, plain: str
) -> tuple[Earlier, IntArray]:
    """Return the model of the first half of B, and all of B."""
    n = len(labels)
    config = RunConfig(n, learner.classes, Prices(0.04, 3.6), Target(0.05), seed=seed)
    order = np.random.default_rng([seed, size]).permutation(n)
    first = np.sort(order[: size // 2])
    model = learner.train_and_score(first, labels[first], seed=seed, arch=plain)
    rest = np.setdiff1d(np.arange(n), first)
    more = selection.acquire(config, rest, model.scores, size - len(first), 1)
    return Earlier(model.scores, first), np.sort(np.concatenate([first, more]))


def _means(rows: list[dict[str, Any]], options: argparse.Namespace) -> list[dict[str, Any]]:
    found = []
    for size in options.labels:
        for name in options.candidates:
            errors = [r["error"] for r in rows if (r["labels"], r["candidate"]) == (size, name)]
            if not errors:
                continue
            spread = statistics.stdev(errors) if len(errors) > 1 else 0.0
            mean = round(statistics.mean(errors), 5)
            found.append({"candidate": name, "labels": size, "error": mean, "sd": round(spread, 5)})
    return found


def _line(rows: list[dict[str, Any]]) -> str:
    parts = [
        f"{r['candidate']} {r['error']:.2%} ({r['pseudo']}, {r['train_seconds']} s)" for r in rows
    ]
    return f"{rows[0]['labels']} labels, seed {rows[0]['seed']}: " + "; ".join(parts)


if __name__ == "__main__":
    main()
