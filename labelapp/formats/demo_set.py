"""The demo set that ships with the product: 10,000 pictures of clothes (Fashion-MNIST)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ARCHIVE = Path(__file__).parent.parent / "demo_data" / "fashion_10k.npz"


def demo_images() -> Iterator[tuple[str, bytes, int]]:
    """Yield (file name, PNG bytes, class index) of all 10,000 images, in a fixed mixed order.

    The names are numbers and tell nothing of the class. Importing all of them takes about a
    second of encoding.
    """
    with np.load(ARCHIVE, allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        yield _name(number), _png(image), int(label)


def demo_classes() -> list[str]:
    """Return the ten class names; the position is the class index."""
    with np.load(ARCHIVE, allow_pickle=False) as arrays:
        return [str(name) for name in arrays["class_names"]]


@cache
def demo_labels() -> dict[str, int]:
    """Return the true class index by file name, for simulated annotators and tests."""
    with np.load(ARCHIVE, allow_pickle=False) as arrays:
        return {_name(number): int(label) for number, label in enumerate(arrays["labels"])}


def _name(number: int) -> str:
    return f"fashion_{number + 1:05d}.png"


def _png(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()
