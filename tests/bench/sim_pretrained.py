"""Accuracy of scratch, fine-tuned and frozen candidates at small |B|: what pre-training is worth.

    python -m mcal_engine pretrain --data /work/shared/data/cifar100_jpeg.npz --limit 20000 \\
        --arch cnn_small --out FOLDER
    PYTHONPATH=. python tests/bench/sim_pretrained.py --weights FOLDER --data SET --out OUT.json

Random B; accuracy on all other images; each cell is kept as it comes, so a stopped run goes on.
Seconds are noted for reading on a quiet machine only.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from mcal_engine import datasets
from mcal_engine.orders import hash_order
from mcal_engine.vision.learner import TorchLearner
from mcal_engine.vision.pretrained import Prior
from mcal_engine.vision.weights import Source


def main() -> None:
    options = parsed()
    data = datasets.load(options.data, limit=options.limit, seed=0)
    learner = TorchLearner(data.images, len(data.class_names), device=options.device)
    learner.prior = Prior(Source(options.weights))
    cells = json.loads(options.out.read_text()) if options.out.exists() else []
    done = {(cell["arch"], cell["size"], cell["seed"]) for cell in cells}
    for seed in range(options.seeds):
        order = hash_order(f"{seed}:pretrained", np.arange(len(data.labels)))
        for size in options.sizes:
            for arch in options.archs:
                if (arch, size, seed) not in done:
                    cells.append(cell(learner, data.labels, order, size, arch, seed))
                    print(cells[-1], flush=True)
                    options.out.write_text(json.dumps(cells, indent=1) + "\n")
    print(table(cells))


def cell(learner, labels, order, size, arch, seed):
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


def table(cells):
    rows = ["| candidate | " + " | ".join(f"{size:,}" for size in sizes_of(cells)) + " |"]
    for arch in dict.fromkeys(cell["arch"] for cell in cells):
        found = [
            [c["accuracy"] for c in cells if (c["arch"], c["size"]) == (arch, size)]
            for size in sizes_of(cells)
        ]
        shown = [f"{np.mean(f):.1%} ({min(f):.1%} to {max(f):.1%})" for f in found if f]
        rows.append(f"| `{arch}` | " + " | ".join(shown) + " |")
    return "\n".join(rows)


def sizes_of(cells):
    return sorted({cell["size"] for cell in cells})


def parsed():
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True)
    add("--weights", type=Path, required=True)
    add("--out", type=Path, required=True)
    add("--limit", type=int, default=5000)
    add("--seeds", type=int, default=3)
    add("--sizes", type=int, nargs="+", default=[100, 300, 1000])
    add("--archs", nargs="+", default=["cnn_small", "cnn_small+tuned", "cnn_small+frozen"])
    add("--device", default="cpu")
    return parser.parse_args()


if __name__ == "__main__":
    main()
