"""Seconds and memory of `informativeness` at 100,000 images of 128 features: `make bench`.

PYTHONPATH=. python tests/bench/bench_informativeness.py [IMAGES] [FEATURES]
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np

from mcal_engine.informativeness import informativeness


def main(n: int = 100_000, width: int = 128) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(50, width)).astype(np.float32)
    features = np.empty((n, width), dtype=np.float16)
    for start in range(0, n, 10_000):
        rows = slice(start, min(start + 10_000, n))
        count = rows.stop - rows.start
        noise = rng.normal(size=(count, width)).astype(np.float32)
        features[rows] = np.maximum(centres[rng.integers(0, 50, count)] + noise, 0)
    informativeness(features[:100], np.ones(100))  # faiss is imported
    before, started, spent = peak_mib(), time.monotonic(), time.process_time()
    found = informativeness(features, rng.random(n))
    print(
        f"{n:,} images x {width}: {time.monotonic() - started:.1f} s "
        f"({time.process_time() - spent:.1f} s of one core), "
        f"{peak_mib() - before:.0f} MiB more, mean {found.mean():.6f}"
    )


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:3]))
