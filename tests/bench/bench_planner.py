"""Time one plan at N = 1,300,000 from 30 trainings: python -m tests.bench.bench_planner.

Prints milliseconds of CPU time (best and median of 15) per kind of promise, curve fit included.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

from mcal_engine import planner
from mcal_engine.types import CertificateKind, Criterion
from tests.engine.situations import accepted, aimed, law, situation
from tests.engine.support import record

N, POINTS = 1_300_000, 30
KINDS = {
    "certificate A": (Criterion.OVERALL, CertificateKind.AUDIT),
    "certificate B": (Criterion.OVERALL, CertificateKind.TEST_SET),
    "plug_in": (Criterion.PLUG_IN, CertificateKind.TEST_SET),
    "per_s": (Criterion.PER_S, CertificateKind.TEST_SET),
}


def long_run() -> planner.Situation:
    """Return a run of `POINTS` trainings, each on a tenth more images than the last."""
    sizes = np.rint(13_000 * 1.1 ** np.arange(POINTS)).astype(int)
    records = tuple(
        record(int(b), lambda theta, b=b: law(b / 130, theta), n=N, test_size=1000) for b in sizes
    )
    return replace(
        situation(n=N, scale=130, walk=accepted(400_000)),
        records=records,
        trained=records[-1].train_size,
        marked=records[-1].test_size,
    )


def main() -> None:
    """Print one line per promise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=15)
    repeat = parser.parse_args().repeat
    for name, (criterion, certificate) in KINDS.items():
        now = aimed(long_run(), criterion=criterion, certificate=certificate)
        times = []
        for _ in range(repeat + 1):
            began = time.thread_time()
            planner.make_plan(now)
            times.append(1000 * (time.thread_time() - began))
        print(f"{name:14} best {min(times[1:]):5.0f} ms, median {np.median(times[1:]):5.0f} ms")


if __name__ == "__main__":
    main()
