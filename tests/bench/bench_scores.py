"""How fast the uncertainties of a large pool are: probabilities made block by block in memory.

    .venv/bin/python -m tests.bench.bench_scores [--images 1300000] [--classes 1000]
        [--threads 2] [--measures margin|all] [--dtype float32]

Times the scoring with the making of the blocks, and the making alone; also the peak memory.
"""

from __future__ import annotations

import argparse
import platform
import sys
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from mcal_engine import scores

PATTERNS = 64


class Blocks:
    """Softmax-like probabilities [N, C] that are never in memory whole.

    A block is a stretch of fixed random rows; where it begins changes from block to block.
    """

    def __init__(self, classes: int, dtype: str) -> None:
        rows = max(1, scores.BLOCK // classes)
        drawn = np.random.default_rng(0).exponential(size=(rows + PATTERNS, classes)) ** 4
        self.table = (drawn / drawn.sum(axis=1, keepdims=True)).astype(dtype)

    def __call__(self, rows: slice) -> NDArray[np.floating]:
        """Return fresh rows, as a network's chunk would be."""
        start = rows.start % PATTERNS
        return self.table[start : start + rows.stop - rows.start].copy()


def peak_mib() -> float:
    """Return the peak resident memory of this process."""
    import resource  # noqa: PLC0415  POSIX only

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_300_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measures", choices=["margin", "all"], default="margin")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    options = parser.parse_args(arguments)
    shape = (options.images, options.classes)
    make = Blocks(options.classes, options.dtype)
    before, size = peak_mib(), max(1, scores.BLOCK // options.classes)
    began = perf_counter()
    for start in range(0, options.images, size):
        make(slice(start, min(start + size, options.images)))
    making = perf_counter() - began
    began = perf_counter()
    found = scores.from_chunks(
        make, shape, "bench", margin_only=options.measures == "margin", threads=options.threads
    )
    took = perf_counter() - began
    print(
        f"{shape[0]:,} x {shape[1]:,} {options.dtype}, {options.measures}, "
        f"{options.threads} threads, {platform.machine()}"
    )
    print(f"scoring {took:.2f} s (of it making the blocks, one thread: {making:.2f} s)")
    print(f"peak memory {peak_mib():.0f} MiB, {peak_mib() - before:.0f} MiB more than before")
    print(f"mean 1 - margin {found.uncertainty.mean():.6f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
