"""Read labelled image collections: image folders, IDX, arrays and JPEGs in .npz. Torch-free.

Every reader gives uint8 images [N, H, W, C] of one size with labels 0..classes-1, or a
`DataError` that says in plain words what is wrong. Nothing is ever unpickled.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mcal_engine.errors import DataError
from mcal_engine.selection import hash_order
from mcal_engine.types import IntArray

MAX_SIDE = 64
MAX_PIXELS = 64_000_000  # of one picture; more is a decompression bomb
MAX_ARRAY_BYTES = 32 * 2**30
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
IDX_PARTS = ("train", "t10k")
BROKEN = (OSError, ValueError, EOFError, SyntaxError, zlib.error, zipfile.BadZipFile)
"""What NumPy, gzip, zip and Pillow raise on a broken file (SyntaxError: Pillow on some PNGs)."""

Opener = Callable[[int], io.BytesIO | Path]


@dataclass(frozen=True)
class Dataset:
    """Images uint8 [N, H, W, C], labels int64 [N] in 0..len(class_names)-1."""

    images: NDArray[np.uint8]
    labels: IntArray
    class_names: tuple[str, ...]


def load(path: str | Path, limit: int | None = None, seed: int = 0) -> Dataset:
    """Read the data set at `path`; with `limit` only that many images, balanced over classes.

    The draw is reproducible by its seed and keeps the original order. Raises `DataError`.
    """
    source = Path(path)
    if not source.exists():
        raise DataError(f"There is nothing at {source}.")
    if limit is not None and limit < 2:
        raise DataError(f"A limit of {limit} leaves nothing to learn; it must be at least 2.")
    if source.is_dir():
        read = _read_idx if _idx_parts(source) else _read_folder
        return read(source, limit, seed)
    if source.suffix.lower() == ".npz":
        return _read_npz(source, limit, seed)
    raise DataError(f"{source.name} is neither a folder nor an .npz file.")


def balanced_draw(labels: IntArray, limit: int | None, seed: int) -> IntArray:
    """Return the numbers of `limit` items in ascending order, as equal per class as they last."""
    if limit is None or limit >= len(labels):
        return np.arange(len(labels))
    order = hash_order(f"{seed}:limit", np.arange(len(labels)))
    turn = np.empty(len(labels), dtype=np.int64)
    for name in np.unique(labels):
        mine = labels[order] == name
        turn[mine] = np.arange(mine.sum())
    return np.sort(order[np.argsort(turn, kind="stable")[:limit]])


# --- .npz ------------------------------------------------------------------------------------


def _read_npz(path: Path, limit: int | None, seed: int) -> Dataset:
    try:
        _refuse_bomb(path)
        with np.load(path, allow_pickle=False) as arrays:
            return _from_arrays(path.name, arrays, limit, seed)
    except BROKEN as error:
        raise DataError(f"{path.name} cannot be read: {error}") from error


def _refuse_bomb(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > MAX_ARRAY_BYTES:
        raise DataError(f"{path.name} would unpack to {size / 2**30:.0f} GiB, which is refused.")


def _from_arrays(name: str, arrays: Any, limit: int | None, seed: int) -> Dataset:
    if "labels" not in arrays:
        raise DataError(f"{name} holds no array `labels`.")
    labels = _checked_labels(name, arrays["labels"])
    names = _names(labels, arrays.get("class_names"))
    if "images" in arrays:
        images = _checked_images(name, arrays["images"], len(labels))
        keep = balanced_draw(labels, limit, seed)
        return _dataset(images[keep], labels[keep], names)
    if "data" in arrays and "offsets" in arrays:
        return _from_jpegs(name, arrays, labels, names, balanced_draw(labels, limit, seed))
    raise DataError(f"{name} holds neither `images` nor `data` with `offsets`.")


def _from_jpegs(
    name: str, arrays: Any, labels: IntArray, names: tuple[str, ...], keep: IntArray
) -> Dataset:
    data, offsets = arrays["data"], arrays["offsets"].astype(np.int64)
    if data.dtype != np.uint8 or offsets.shape != (len(labels) + 1,):
        raise DataError(f"{name}: `offsets` must be one longer than `labels`, `data` bytes.")
    if (np.diff(offsets) <= 0).any() or offsets[0] < 0 or offsets[-1] > len(data):
        raise DataError(f"{name}: `offsets` do not cut `data` into pictures.")

    def picture(item: int) -> io.BytesIO:
        return io.BytesIO(data[offsets[item] : offsets[item + 1]].tobytes())

    images = _decode(picture, keep, [f"{name}, picture {i}" for i in keep])
    return _dataset(images, labels[keep], names)


def _checked_images(name: str, images: NDArray[Any], n: int) -> NDArray[np.uint8]:
    if images.dtype != np.uint8 or images.ndim not in {3, 4}:
        raise DataError(f"{name}: `images` must be uint8, N x H x W or N x H x W x C.")
    if len(images) != n:
        raise DataError(f"{name}: {len(images)} images do not go with {n} labels.")
    return images if images.ndim == 4 else images[..., None]


def _checked_labels(name: str, labels: NDArray[Any]) -> IntArray:
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(f"{name}: the labels must be one row of whole numbers.")
    if len(labels) == 0:
        raise DataError(f"{name} is empty.")
    if labels.min() < 0:
        raise DataError(f"{name}: a label is negative; the first class is 0.")
    return labels.astype(np.int64)


def _names(labels: IntArray, names: NDArray[Any] | None) -> tuple[str, ...]:
    """Return the class names, by default the numbers; there must be one for each label."""
    found = int(labels.max()) + 1
    if names is None:
        return tuple(str(k) for k in range(found))
    if len(names) < found:
        raise DataError(f"There are {len(names)} class names, but the labels go up to {found - 1}.")
    return tuple(str(name) for name in names.tolist())


def _dataset(images: NDArray[np.uint8], labels: IntArray, names: tuple[str, ...]) -> Dataset:
    if len(np.unique(labels)) < 2:
        raise DataError("All images are of one class; there is nothing to tell apart.")
    return Dataset(np.ascontiguousarray(images), labels, names)


# --- IDX (the files of MNIST and its relatives) ----------------------------------------------


def _idx_parts(folder: Path) -> list[tuple[Path, Path]]:
    """Return (images file, labels file) of each part that is there. The labels may be missing."""
    parts = []
    for part in IDX_PARTS:
        for suffix in ("", ".gz"):
            images = folder / f"{part}-images-idx3-ubyte{suffix}"
            if images.exists():
                parts.append((images, folder / f"{part}-labels-idx1-ubyte{suffix}"))
                break
    return parts


def _read_idx(folder: Path, limit: int | None, seed: int) -> Dataset:
    parts = _idx_parts(folder)
    images = np.concatenate([_idx_array(part[0], dimensions=3) for part in parts])
    labels = np.concatenate([_idx_array(part[1], dimensions=1) for part in parts])
    labels = _checked_labels(folder.name, labels)
    images = _checked_images(folder.name, images, len(labels))
    keep = balanced_draw(labels, limit, seed)
    return _dataset(images[keep], labels[keep], _names(labels, None))


def _idx_array(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    """Read one file: magic 00 00 08 <dimensions>, big-endian sizes, then the bytes."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except BROKEN as error:
        raise DataError(f"{path.name} cannot be read: {error}") from error
    start = 4 + 4 * dimensions
    if content[:4] != bytes((0, 0, 8, dimensions)) or len(content) < start:
        raise DataError(f"{path.name} does not start like an IDX file of {dimensions} dimensions.")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", count=dimensions, offset=4))
    if len(content) != start + int(np.prod(shape, dtype=np.int64)):
        raise DataError(f"{path.name} is cut short or too long for its shape {shape}.")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


# --- image folders and pictures --------------------------------------------------------------


def _read_folder(folder: Path, limit: int | None, seed: int) -> Dataset:
    """Read one directory per class; its name is the class, in alphabetical order."""
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    files = [[f for f in sorted(c.rglob("*")) if f.suffix.lower() in PICTURES] for c in classes]
    paths = [path for group in files for path in group]
    if not paths:
        raise DataError(f"{folder} holds neither IDX files nor one folder of pictures per class.")
    labels = np.repeat(np.arange(len(files)), [len(group) for group in files])
    keep = balanced_draw(labels, limit, seed)
    names = [str(paths[i].relative_to(folder)) for i in keep]
    images = _decode(lambda item: paths[item], keep, names)
    return _dataset(images, labels[keep], tuple(c.name for c in classes))


def _decode(opener: Opener, items: IntArray, names: Sequence[str]) -> NDArray[np.uint8]:
    """Decode pictures to one size and number of channels.

    Pictures of one size up to 64 x 64 stay as they are; else each is fitted into a square of at
    most 64 pixels, its proportions kept. All grey: one channel, else three.
    """
    heads = [_head(opener(int(item)), name) for item, name in zip(items, names, strict=True)]
    sizes = {size for size, _ in heads}
    largest = max(max(size) for size in sizes)
    target = next(iter(sizes)) if len(sizes) == 1 else (largest, largest)
    if largest > MAX_SIDE:
        target = (MAX_SIDE, MAX_SIDE)
    mode = "L" if all(grey for _, grey in heads) else "RGB"
    images = np.empty((len(items), target[1], target[0], 1 if mode == "L" else 3), np.uint8)
    for row, (item, name) in enumerate(zip(items, names, strict=True)):
        images[row] = _pixels(opener(int(item)), name, mode, target).reshape(images.shape[1:])
    return images


def _head(source: io.BytesIO | Path, name: str) -> tuple[tuple[int, int], bool]:
    """Return (upright size, is it grey) without decoding the pixels."""
    try:
        with Image.open(source) as image:
            width, height = image.size
            grey = image.mode in {"1", "L", "LA"} or image.mode.startswith("I;16")
            turned = image.getexif().get(0x0112, 1) >= 5
    except (*BROKEN, Image.DecompressionBombError) as error:
        raise DataError(f"{name} is not a picture that can be read: {error}") from error
    if width * height > MAX_PIXELS:
        raise DataError(f"{name} has {width} x {height} pixels, which is refused.")
    return ((height, width) if turned else (width, height)), grey


def _pixels(
    source: io.BytesIO | Path, name: str, mode: str, size: tuple[int, int]
) -> NDArray[np.uint8]:
    try:
        with Image.open(source) as image:
            upright = ImageOps.exif_transpose(_eight_bits(image)).convert(mode)
    except BROKEN as error:
        raise DataError(f"{name} is broken: {error}") from error
    fitted = upright if upright.size == size else ImageOps.pad(upright, size)
    return np.asarray(fitted, dtype=np.uint8)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey down; Pillow would clip it."""
    if not image.mode.startswith("I;16"):
        return image
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
