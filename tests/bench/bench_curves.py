"""Time to fit the error curves: 20 thetas, 30 trainings, each model, draws included.

    .venv/bin/python -m tests.bench.bench_curves [--points 30] [--repeats 20]

The limit is 50 ms per fit on one core; the exit code is 1 where a model's median is above it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from mcal_engine import curves
from mcal_engine.types import THETAS, Criterion, CurveModel
from tests.engine.support import record

LIMIT_MS = 50
N = 1_300_000


def points(count: int) -> curves.Points:
    """Return counts of `count` trainings, B growing by a fifth each, T of 1,000 images."""
    rng = np.random.default_rng(0)
    sizes = [round(2_000 * 1.2**k) for k in range(count)]

    def rate(b: int, theta: float) -> float:
        return float(rng.binomial(1000, 0.35 * (b / 2_000) ** -0.4 * theta**2) / 1000)

    made = (record(b, lambda t, b=b: rate(b, t), test_size=1000, n=N) for b in sizes)
    return curves.points_of(tuple(made), N, 10, Criterion.OVERALL)


def milliseconds(work: Callable[[], object]) -> float:
    """Return how long one call takes."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def main() -> int:
    """Print the median and the slowest of the repeats per model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    measured, slow = points(options.points), False
    for model in CurveModel:
        fit = partial(curves.fit, measured, 0, model)
        times = [milliseconds(fit) for _ in range(options.repeats + 1)][1:]
        slow |= float(np.median(times)) > LIMIT_MS
        print(
            f"{model.value:10s}  {len(THETAS)} thetas x {options.points} points  "
            f"median {np.median(times):5.1f} ms  slowest {max(times):5.1f} ms"
        )
    return int(slow)


if __name__ == "__main__":
    raise SystemExit(main())
