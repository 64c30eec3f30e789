"""Where tensors live and how they are computed there."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch

from mcal_engine.errors import DataError


def pick_device(name: str | None = None) -> torch.device:
    """Return the named device, or the best there is: CUDA, then Apple's MPS, then the CPU.

    Raises `DataError` for a device that this machine does not have: nothing falls back silently.
    """
    if name is None:
        return torch.device(_best())
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DataError(
            f"{name!r} is not the name of a device; use cpu, cuda, cuda:1 or mps."
        ) from error
    if not _is_there(device):
        raise DataError(f"The device {name!r} was asked for, but this machine does not have it.")
    return device


def _best() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _is_there(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    if device.type == "mps":
        return torch.backends.mps.is_available()
    return device.type == "cpu"


def describe(device: torch.device) -> str:
    """Return the device in words for people, e.g. "cpu, 2 threads" or "cuda, NVIDIA H200"."""
    if device.type == "cuda":
        return f"cuda, {torch.cuda.get_device_name(device)}"
    if device.type == "cpu":
        return f"cpu, {torch.get_num_threads()} threads"
    return device.type


def use_threads(count: int | None = None) -> None:
    """Let torch use `count` CPU threads; by default as many as this process may run on."""
    torch.set_num_threads(count or available_cores())


def available_cores() -> int:
    """Return how many cores this process may run on (taskset and containers respected)."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Return bf16 autocast where the device has units for it; full float32 elsewhere."""
    if device.type == "cuda" or (device.type == "cpu" and cpu_multiplies_bf16()):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


@cache
def cpu_multiplies_bf16() -> bool:
    """Return whether this CPU multiplies bf16 (AMX or AVX512-BF16): two to four times float32."""
    found = torch.cpu.get_capabilities()
    return bool(found.get("amx_bf16") or found.get("avx512_bf16"))
