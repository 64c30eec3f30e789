"""How long the arithmetic of a search takes: one acquisition of half a large labelled set.

    .venv/bin/python -m tests.bench.bench_search [--images 1300000] [--share 0.4]

Wall and processor seconds, and the most memory that the process held. What trains is not measured
here: `python -m mcal_engine search --work FOLDER` keeps the seconds of every training.
"""

from __future__ import annotations

import argparse
import resource
import sys
from time import perf_counter, process_time

import numpy as np

from mcal_engine import search
from mcal_engine.search import LabelledPool, SearchSettings
from mcal_engine.search_store import images_hash
from mcal_engine.types import Scores

NAMES = ("mutual_information", "variation_ratios", "entropy", "error_count", "random")
MEMBERS = 20


def views(n: int) -> Scores:
    """Return what an ensemble might say: log-uniform uncertainties, votes in 20 steps."""
    rng = np.random.default_rng(0)
    unsure = (10.0 ** -rng.uniform(0, 9, n)).astype(np.float32)
    variation = (rng.binomial(MEMBERS, 0.1, n) / MEMBERS).astype(np.float32)
    return Scores(
        np.zeros(n, np.uint16), unsure, "bench", unsure, unsure, mutual=unsure, variation=variation
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_300_000)
    parser.add_argument("--share", type=float, default=0.4)
    options = parser.parse_args(arguments)
    n, held_out = options.images, np.zeros(options.images, np.bool_)
    held_out[::20] = True
    pool = LabelledPool(np.arange(n) % 1000, held_out, 1000)
    scores, wrong = views(n), np.asarray(views(n).variation, dtype=np.float64)
    size = round(options.share * len(pool.items))
    subset = search.random_subset(pool, size // 2, 0, "start")
    for name in NAMES:
        settings = SearchSettings(options.share, acquisition=name)
        wall, processor = perf_counter(), process_time()
        search.acquire(settings, pool, subset, size, "bench", scores, wrong)
        print(
            f"{size // 2:,} of {n:,} by {name:20s} {perf_counter() - wall:6.2f} s wall "
            f"{process_time() - processor:6.2f} s CPU",
            flush=True,
        )
    pixels = np.zeros((min(n, 60_000), 28, 28, 1), np.uint8)
    wall = perf_counter()
    images_hash(pixels)
    print(f"hash of {len(pixels):,} images of 28 x 28: {perf_counter() - wall:.2f} s wall")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"peak {peak:,.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
