"""Scoring with 1, 20 and 100 members: time and peak memory against one network's.

    PYTHONPATH=. .venv/bin/python tests/bench/bench_members.py [--images 5000] [--members 100]

Trains once, keeps the members on disk, then scores the images in a process of its own for each
number of members. The targets: at most 100 times one member's time and 1.1 times its memory at 100
members. "one network" scores as a single model does, without an ensemble's statistics.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from mcal_engine import datasets
from mcal_engine.vision import ensemble
from mcal_engine.vision.ensemble import Ensemble
from mcal_engine.vision.fitted import Single
from mcal_engine.vision.learner import TorchLearner
from mcal_engine.vision.members import Members

ROOT = Path(__file__).resolve().parents[2]
FASHION = ROOT.parent / "shared" / "data" / "fashion_mnist"
TRAINED_ON = 500


def images_and_labels(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return real images where they are, else random ones: the work is the same."""
    if FASHION.exists():
        data = datasets.load(FASHION, limit=count, seed=0)
        return np.asarray(data.images), data.labels
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 28, 28, 1), dtype=np.uint8), np.arange(count) % 10


def keep(folder: Path, count: int, members: int) -> None:
    """Train the ensemble; leave the pool and the members in the folder."""
    images, labels = images_and_labels(count)
    np.save(folder / "pool.npy", images)
    learner = TorchLearner(images, 10, device="cpu")
    learner.members_in = folder
    items = np.arange(TRAINED_ON)
    learner.train(items, labels[:TRAINED_ON], seed=0, arch=f"cnn_small+checkpoints={members}")
    assert learner.fitted is not None
    learner.fitted.keep(folder)


def child(folder: Path, members: int) -> None:
    """Score with so many members (0: as one network does) and print what it took."""
    cpu = torch.device("cpu")
    images = np.load(folder / "pool.npy", mmap_mode="r")
    whole = ensemble.load(folder, cpu)
    some = Members(folder, whole.members.hashes[:members])
    fitted = Ensemble(some, whole.model) if members else Single(whole.model)
    began = time.perf_counter()
    fitted.score(
        images,
        cpu,
        features=False,
        watch=lambda views: None,
        report=lambda done: None,
        cancelled=lambda: False,
    )
    print(json.dumps([time.perf_counter() - began, peak_mib()]))


def peak_mib() -> float:
    """Return the most memory this program has held; the kernel's figure for a process counts what
    its parent held before this program began."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 2**10
    raise SystemExit("This kernel does not tell the peak of a program's memory.")


def measured(folder: Path, members: int) -> tuple[float, float]:
    """Return (seconds, peak MiB) of one child."""
    command = [sys.executable, __file__, "--child", str(folder), "--members", str(members)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, peak = json.loads(done.stdout.splitlines()[-1])
    return seconds, peak


def main() -> None:
    """Train, then measure each number of members."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--members", type=int, default=100)
    parser.add_argument("--counts", type=int, nargs="*", default=[20], help="and so many")
    parser.add_argument("--child", type=Path, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        child(options.child, options.members)
        return
    with tempfile.TemporaryDirectory(prefix="mcal-members-bench-") as name:
        folder = Path(name)
        keep(folder, options.images, options.members)
        size = sum(path.stat().st_size for path in (folder / "members").iterdir()) / 2**20
        print(f"{options.members} members of cnn_small: {size:.1f} MiB on disk")
        print(f"{'members':>12}{'seconds':>10}{'of one':>8}{'peak MiB':>10}{'of one':>8}")
        base = measured(folder, 1)
        counts = [count for count in (*options.counts, options.members) if count > 1]
        for count in dict.fromkeys([0, 1, *counts]):
            seconds, peak = base if count == 1 else measured(folder, count)
            times = f"{seconds:>10.2f}{seconds / base[0]:>8.1f}"
            label = str(count) if count else "one network"
            print(f"{label:>12}{times}{peak:>10.0f}{peak / base[1]:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
