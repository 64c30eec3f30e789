"""How the worker's machine is: processor, memory, accelerators, disk, versions. Without torch.

Asked every five seconds; what costs something is asked less often.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import psutil
from django.conf import settings

from labelapp import __version__

GPU_SECONDS = 15.0
GPU_TIMEOUT = 2.0  # seconds: a driver in trouble must not silence the worker
_QUERY = ("name", "utilization.gpu", "memory.used", "memory.total")
_MIB = 1024 * 1024


def facts() -> dict[str, Any]:
    """Return what the jobs page shows of this machine: percents, and [used, total] in bytes.

    The processor's share is the mean since the last call.
    """
    memory = psutil.virtual_memory()
    found: dict[str, Any] = {
        "cpu": psutil.cpu_percent(interval=None),
        "cores": psutil.cpu_count() or 1,
        "memory": [memory.total - memory.available, memory.total],
        "gpus": _gpus(),
        "versions": _versions(),
    }
    with suppress(OSError):
        disk = shutil.disk_usage(settings.DATA_DIR)
        found["disk"] = [disk.total - disk.free, disk.total]
    return found


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    found = {"mcal": __version__, "python": platform.python_version()}
    for name in ("django", "torch"):
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def read_gpus() -> list[dict[str, Any]]:
    """Ask nvidia-smi; no accelerators where it is missing, fails or takes too long."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, f"--query-gpu={','.join(_QUERY)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(  # noqa: S603 - the driver's own program
            command, capture_output=True, text=True, timeout=GPU_TIMEOUT, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [gpu for line in done.stdout.splitlines() if (gpu := _gpu(line))]


def _gpu(line: str) -> dict[str, Any] | None:
    parts = [part.strip() for part in line.split(",")]
    try:
        name, used, memory, total = parts
        return {
            "name": name,
            "used": float(used),
            "memory": [int(memory) * _MIB, int(total) * _MIB],
        }
    except ValueError:  # "[N/A]": a slice of one (MIG), or a driver that does not tell
        return None


class _Seldom:
    """Remembers an answer for a while."""

    def __init__(self, seconds: float, ask: Callable[[], list[dict[str, Any]]]) -> None:
        self._seconds, self._ask = seconds, ask
        self._answer: list[dict[str, Any]] = []
        self._asked = float("-inf")

    def __call__(self) -> list[dict[str, Any]]:
        """Return the answer, at most this old."""
        if time.monotonic() - self._asked >= self._seconds:
            self._answer = self._ask()
            self._asked = time.monotonic()
        return self._answer


_gpus = _Seldom(GPU_SECONDS, read_gpus)
