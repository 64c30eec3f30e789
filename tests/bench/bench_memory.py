"""Memory of web and worker together (proportional set size) while a whole demo run goes by.

    .venv/bin/python tests/bench/bench_memory.py [--seconds 120] [--people 4] [--pace 0.1]

Starts `manage.py demo` on a temporary folder and samples each second. The limit is 600 MiB for
the web server's and the worker's process trees; the trainer, a program of its own, is shown apart.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.journeys.product import clean_environment, free_port  # noqa: E402 - a script

LIMIT_MIB = 600
PARTS = {"uvicorn": "web", "manage.py worker": "worker", "demo_people": "simulated people"}


def part_of(words: str, inherited: str) -> str:
    """Name the part of the product that a process belongs to, by its command line."""
    if "mcal_engine" in words:
        return "trainer"
    return next((name for mark, name in PARTS.items() if mark in words), inherited)


def sample(process: psutil.Process, inherited: str, found: dict[str, float]) -> None:
    """Add the MiB of a process and its children to their parts."""
    try:
        part = part_of(" ".join(process.cmdline()), inherited)
        found[part] += process.memory_full_info().pss / 2**20
        children = process.children()
    except psutil.Error:
        return
    for child in children:
        sample(child, part, found)


def watch(product: subprocess.Popen[bytes], seconds: float) -> list[dict[str, float]]:
    """Return one sample per second until the time is over or the product has ended."""
    samples = []
    end = time.monotonic() + seconds
    while time.monotonic() < end and product.poll() is None:
        found: dict[str, float] = defaultdict(float)
        sample(psutil.Process(product.pid), "up", found)
        samples.append(found)
        time.sleep(1)
    return samples


def report(samples: list[dict[str, float]]) -> None:
    """Print the median and peak of each part, and of web and worker together."""
    rows = {name: [s.get(name, 0.0) for s in samples] for name in sorted(set().union(*samples))}
    rows["web and worker together"] = [s.get("web", 0) + s.get("worker", 0) for s in samples]
    print(f"{'MiB (PSS)':<26}{'median':>9}{'peak':>9}   over {len(samples)} samples")
    for name, values in rows.items():
        print(f"{name:<26}{sorted(values)[len(values) // 2]:>9.0f}{max(values):>9.0f}")
    peak = max(rows["web and worker together"])
    print(f"limit {LIMIT_MIB}: {'kept' if peak <= LIMIT_MIB else 'EXCEEDED'}")


def main() -> None:
    """Run the demo and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--pace", type=float, default=0.1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mcal-memory-") as folder:
        command = [sys.executable, "manage.py", "demo", "--port", str(free_port()), "--exit"]
        command += ["--people", str(options.people), "--pace", str(options.pace)]
        with subprocess.Popen(command, cwd=ROOT, env=clean_environment(Path(folder))) as product:
            try:
                samples = watch(product, options.seconds)
            finally:
                product.terminate()
    report(samples)


if __name__ == "__main__":
    main()
