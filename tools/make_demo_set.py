"""Make labelapp/demo_data/fashion_10k.npz from the four published Fashion-MNIST files.

    python tools/make_demo_set.py FOLDER_WITH_IDX_FILES

A fixed draw of 1,000 images per class from all 70,000, in an order that does not follow the
classes. Both are sorts by SHA-256, so the file comes out byte for byte the same anywhere.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import numpy as np

from mcal_engine.datasets import balanced_draw, load
from mcal_engine.selection import hash_order

SEED = 20170825
SIZE = 10_000
TARGET = Path(__file__).parent.parent / "labelapp" / "demo_data" / "fashion_10k.npz"
CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def main(folder: str) -> None:
    """Draw, shuffle and write the demo set."""
    whole = load(folder)
    drawn = hash_order(f"{SEED}:order", balanced_draw(whole.labels, SIZE, SEED))
    arrays = {
        "images": whole.images[drawn, :, :, 0],
        "labels": whole.labels[drawn].astype(np.uint8),
        "class_names": np.array(CLASSES),
    }
    with zipfile.ZipFile(TARGET, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue(), zipfile.ZIP_LZMA)
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
