"""A tiny pool that a network learns in a second: a bright square whose corner is its class."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mcal_engine.types import IntArray
from mcal_engine.vision import device

CLASSES = 4
FAST = {"min_steps": 30, "epochs": 1, "batch": 32, "pad": 1, "flip": False}


@dataclass(frozen=True)
class TinyPool:
    images: NDArray[np.uint8]
    labels: IntArray

    def first(self, count: int) -> tuple[IntArray, IntArray]:
        items = np.arange(count)
        return items, self.labels[:count]


def make_pool(n: int = 160, side: int = 12, channels: int = 1) -> TinyPool:
    rng = np.random.default_rng(7)
    labels = np.arange(n) % CLASSES
    images = rng.integers(0, 90, (n, side, side, channels), dtype=np.uint8)
    half = side // 2
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[row * half : row * half + half, column * half : column * half + half] += 140
    return TinyPool(images, labels)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads that wait for each other stall where the cores are shared with other work."""
    before = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "available_cores", lambda: 1)
        torch.set_num_threads(1)
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def pool() -> TinyPool:
    return make_pool()


@pytest.fixture
def job(tmp_path: Path, pool: TinyPool) -> Callable[..., Path]:
    """Return a function that writes a job folder; keywords replace fields of the request."""

    def write(count: int = 60, **changes: object) -> Path:
        items, labels = pool.first(count)
        np.save(tmp_path / "pool.npy", pool.images)
        np.save(tmp_path / "train_items.npy", items)
        np.save(tmp_path / "train_labels.npy", labels)
        request: dict[str, object] = {
            "schema": 1,
            "images": str(tmp_path / "pool.npy"),
            "train_items": "train_items.npy",
            "train_labels": "train_labels.npy",
            "classes": CLASSES,
            "arch": "cnn_small",
            "seed": 123,
            "device": "cpu",
            "flip": False,
            "options": {k: v for k, v in FAST.items() if k != "flip"},
        }
        (tmp_path / "request.json").write_text(json.dumps(request | changes))
        return tmp_path

    return write
