"""Accuracy of scratch, fine-tuned and frozen candidates at small |B|: what pre-training is worth.

    python -m mcal_engine pretrain --data /work/shared/data/cifar100_jpeg.npz --limit 20000 \\
        --arch cnn_small --out FOLDER
    python -m tests.bench.sim_pretrained --weights FOLDER --data SET --out OUT.json

Random B, another for each seed; accuracy on all other images; each cell is kept as it comes, so a
stopped run goes on. With other weights, another set or another limit begin another file. Seconds
are kept only where `--seconds` asks for them, on a quiet machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from mcal_engine import datasets
from mcal_engine.orders import hash_order
from mcal_engine.vision.learner import TorchLearner
from mcal_engine.vision.pretrained import Prior
from mcal_engine.vision.weights import Source


def main() -> None:
    """Measure the cells that are missing, then print their table."""
    options = parsed()
    found = begun(options)
    if not options.table:
        measure(options, found)
    print(table(found["cells"]))


def measure(options: argparse.Namespace, found: dict) -> None:
    """Add every missing cell, all candidates of one seed before the next: a part is a fair part."""
    data = datasets.load(options.data, limit=options.limit, seed=0)
    learner = TorchLearner(
        data.images, len(data.class_names), device=options.device, threads=options.threads
    )
    learner.prior = Prior(Source(options.weights))
    cells = found["cells"]
    done = {(one["arch"], one["size"], one["seed"]) for one in cells}
    for seed in range(options.seeds):
        order = hash_order(f"{seed}:pretrained", np.arange(len(data.labels)))
        for size in options.sizes:
            for arch in options.archs:
                if (arch, size, seed) in done:
                    continue
                one = cell(learner, data.labels, order, size, arch, seed)
                if not options.seconds:
                    one = {name: value for name, value in one.items() if "seconds" not in name}
                cells.append(one)
                print(one, flush=True)
                options.out.write_text(json.dumps(found, indent=1) + "\n")


def begun(options: argparse.Namespace) -> dict:
    """Return what the file holds, or its head. Leaves where its cells are not to be compared."""
    if options.table:
        return json.loads(options.out.read_text())
    about = {"data": options.data.name, "limit": options.limit, "weights_sha256": {}}
    for path in sorted(options.weights.glob("*.pt")):
        about["weights_sha256"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    if options.out.exists():
        found = json.loads(options.out.read_text())
        if {name: found[name] for name in about} != about:
            sys.exit(f"{options.out} is of other weights or images: name another file")
        return found
    command = "python -m tests.bench.sim_pretrained " + " ".join(sys.argv[1:])
    return {"command": command, **about, "cells": []}


def cell(learner, labels, order, size, arch, seed) -> dict:
    """Train one candidate on the first `size` of the order, and judge it on the others."""
    items, rest = np.sort(order[:size]), order[size:]
    found = learner.train_and_score(items, labels[items], seed=seed, arch=arch)
    right = found.scores.pred[rest] == labels[rest]
    sure = rest[np.argsort(found.scores.uncertainty[rest])][: len(rest) // 2]
    return {
        "arch": arch,
        "size": size,
        "seed": seed,
        "accuracy": round(float(right.mean()), 4),
        "surest_half": round(float((found.scores.pred[sure] == labels[sure]).mean()), 4),
        "train_seconds": round(found.train_seconds, 2),
        "score_seconds": round(found.score_seconds, 2),
    }


def table(cells) -> str:
    """Return a row for each candidate: mean over the seeds, the least and the most."""
    rows = ["| candidate | " + " | ".join(f"{size:,}" for size in sizes_of(cells)) + " |"]
    for arch in dict.fromkeys(cell["arch"] for cell in cells):
        found = [
            [c["accuracy"] for c in cells if (c["arch"], c["size"]) == (arch, size)]
            for size in sizes_of(cells)
        ]
        shown = [f"{np.mean(f):.1%} ({min(f):.1%} to {max(f):.1%})" for f in found if f]
        rows.append(f"| `{arch}` | " + " | ".join(shown) + " |")
    return "\n".join(rows)


def sizes_of(cells) -> list[int]:
    """Return the sizes of B, ascending."""
    return sorted({cell["size"] for cell in cells})


def parsed() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, default=Path("../shared/data/cifar10_jpeg.npz"))
    add("--weights", type=Path, default=Path("weights"))
    add("--out", type=Path, required=True)
    add("--limit", type=int, default=5000)
    add("--seeds", type=int, default=3)
    add("--sizes", type=int, nargs="+", default=[100, 300, 1000])
    add("--archs", nargs="+", default=["cnn_small", "cnn_small+tuned", "cnn_small+frozen"])
    add("--device", default="cpu")
    add("--threads", type=int, default=None)
    add("--seconds", action="store_true", help="keep seconds: on a quiet machine")
    add("--table", action="store_true", help="only print the table of --out")
    return parser.parse_args()


if __name__ == "__main__":
    main()
