"""How long M(.) and the draws take: a batch from a large pool, and greedy k-center.

    .venv/bin/python -m tests.bench.bench_selection [--images 1300000] [--delta 13000]
        [--pool 60000] [--widths 64,256,512] [--deltas 600,3000,6000]

Wall and processor seconds; they differ where other programs use the machine. The features of
k-center are ReLU clouds around ten centres; B is as large as delta.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter, process_time

import numpy as np
from numpy.typing import NDArray

from mcal_engine import kcenter, orders, selection
from mcal_engine.acquisitions import NEEDS_FEATURES
from mcal_engine.types import Prices, RunConfig, Scores, Target

CLOUDS = 10


def timed(name: str, call: Callable[[], object]) -> None:
    """Run once and print what it took."""
    wall, processor = perf_counter(), process_time()
    call()
    print(
        f"{name:44s} {perf_counter() - wall:8.2f} s wall {process_time() - processor:8.2f} s CPU",
        flush=True,
    )


def random_scores(n: int, seed: int) -> Scores:
    """Return scores whose three measures are log-uniform over nine orders of magnitude."""
    rng = np.random.default_rng(seed)
    found = [(10.0 ** -rng.uniform(0, 9, n)).astype(np.float32) for _ in range(4)]
    votes = (rng.integers(0, 20, n) / 20).astype(np.float32)  # of 20 members: many ties
    scores = Scores(np.zeros(n, dtype=np.uint16), found[0], "bench", found[1], found[2])
    return replace(scores, mutual=found[3], variation=votes)


def features(rng: np.random.Generator, rows: int, width: int) -> NDArray[np.float16]:
    """Return what a last hidden layer might give: clouds of several widths, never negative."""
    middles = np.random.default_rng(0).normal(size=(CLOUDS, width)).astype(np.float32)
    spread = rng.gamma(2, 0.3, size=(rows, 1)).astype(np.float32)
    noise = rng.standard_normal((rows, width), dtype=np.float32) * spread
    return np.maximum(middles[rng.integers(0, CLOUDS, rows)] + noise, 0).astype(np.float16)


def batches(n: int, delta: int) -> None:
    """Time the orders, the draws and each ranking at N images."""
    items, views = np.arange(n), (random_scores(n, 1), random_scores(n, 2))
    timed(f"hash_order of {n:,}", lambda: orders.hash_order("0:test", items))
    timed(f"hash_draw of {delta:,}", lambda: orders.hash_draw("0:batch:1:random", items, delta))
    for name in sorted(set(selection.ACQUISITIONS) - NEEDS_FEATURES):
        config = RunConfig(n, 10, Prices(0.04, 3.6), Target(0.05), acquisition=name)
        for scores in (views[:1], views):
            timed(
                f"acquire {delta:,} by {name}, {len(scores)} model{'s' * (len(scores) - 1)}",
                lambda c=config, s=scores: selection.acquire(c, items, s, delta, 1),
            )
    unsure = views[0].uncertainty
    timed("fine_thresholds, 200 cuts", lambda: selection.fine_thresholds(unsure, 200))


def centers(pool: int, widths: list[int], deltas: list[int]) -> None:
    """Time greedy k-center at each width and batch size."""
    for width in widths:
        rng = np.random.default_rng(width)
        points = features(rng, pool, width)
        for delta in deltas:
            known = features(rng, delta, width)
            timed(
                f"k-center {delta:,} of {pool:,}, d = {width}, |B| = {delta:,}",
                lambda p=points, k=known, m=delta: kcenter.greedy(p, k, m),
            )


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_300_000)
    parser.add_argument("--delta", type=int, default=13_000)
    parser.add_argument("--pool", type=int, default=60_000)
    parser.add_argument("--widths", default="64,256,512")
    parser.add_argument("--deltas", default="600,3000,6000")
    options = parser.parse_args(arguments)
    print(platform.machine())
    batches(options.images, options.delta)
    widths, deltas = (
        [int(x) for x in text.split(",")] for text in (options.widths, options.deltas)
    )
    centers(options.pool, widths, deltas)
    return 0


if __name__ == "__main__":
    sys.exit(main())
