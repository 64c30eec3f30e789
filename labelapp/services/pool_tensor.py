"""All images of a project as one uint8 array [N, H, W, C] on disk: what networks train on.

A cache below JOBS_ROOT: made from the originals before the first training, used again while the
number of images stays the same, never backed up. Memory stays constant: rows go out one by one.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from django.conf import settings
from django.db.models import Max, Min

from labelapp.formats.pictures import PictureError, decode
from labelapp.models import Image, Project

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

MAX_SIDE = 64
MIN_SIDE = 16  # smaller images are scaled up: networks need something to convolve
_PAGE = 1_000
PADDING = 128  # mid-grey around images of another shape

Report = Callable[[float], None]


class PoolError(Exception):
    """An original is missing or broken; the message names it."""


@dataclass(frozen=True)
class Shape:
    """The common shape of all images. `letterbox` scales each to fit and pads it to a square."""

    height: int
    width: int
    channels: int
    letterbox: bool


def ensure(project: Project, n: int, report: Report) -> Path:
    """Return the path of the array of images 0..n-1, made now if it is not there.

    `report(share)` is called for each image, with 0 while all are looked at first, and may raise to
    stop. Raises PoolError, OSError.
    """
    folder = pool_folder(project)
    path = folder / f"{n}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink(missing_ok=True)
        _pack(project, n, path, report)
    return path


def forget(project: Project, n: int) -> None:
    """Drop arrays that hold images from number `n` on: other images may get these numbers."""
    for path in pool_folder(project).glob("*.npy"):
        if path.stem.isdecimal() and int(path.stem) > n:
            path.unlink(missing_ok=True)


def pool_folder(project: Project) -> Path:
    """Return where the project's array lies; it may be deleted when nothing trains."""
    return Path(settings.JOBS_ROOT) / project.public_id / "pool"


def _pack(project: Project, n: int, path: Path, report: Report) -> None:
    """Write the array under a temporary name and rename it when it is whole.

    By plain writes: on a full disk they raise OSError, where a mapped file kills the process. The
    temporary name is this call's own: a search that ends drops its file, not that of the training
    which opened the project again.
    """
    temporary = path.with_name(f"{path.stem}-{uuid.uuid4().hex}.part")
    try:
        with temporary.open("wb") as out:
            _write(project, n, out, report)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _write(project: Project, n: int, out: BinaryIO, report: Report) -> None:
    from numpy.lib import format as npy  # noqa: PLC0415 - web processes stay small

    shape = common_shape(project, n, report)
    size = (n, shape.height, shape.width, shape.channels)
    npy.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": size})
    written = 0
    for image in _images(project, n):
        if image.seq != written:
            break
        out.write(_pixels(_decoded(image), shape).tobytes())
        written += 1
        report(written / n)
    if written != n:
        raise PoolError(f"The row of image {written} is missing.")


def common_shape(project: Project, n: int, report: Report) -> Shape:
    """Choose the shape: kept where all images have one size of at most 64, else a square.

    One channel when every image is grey, else three.
    """
    sizes = Image.objects.filter(project=project, seq__lt=n).aggregate(
        w0=Min("width"), w1=Max("width"), h0=Min("height"), h1=Max("height")
    )
    largest = max(sizes["w1"], sizes["h1"])
    smallest = min(sizes["w0"], sizes["h0"])
    equal = sizes["w0"] == sizes["w1"] and sizes["h0"] == sizes["h1"]
    channels = 1 if _all_grey(project, n, report) else 3
    if equal and largest <= MAX_SIDE and smallest >= MIN_SIDE:
        return Shape(sizes["h0"], sizes["w0"], channels, letterbox=False)
    side = min(MAX_SIDE, max(MIN_SIDE, largest))
    return Shape(side, side, channels, letterbox=True)


def _all_grey(project: Project, n: int, report: Report) -> bool:
    """Tell whether every image is grey: from the headers, until the first colour image."""
    from PIL import Image as Pillow  # noqa: PLC0415 - web processes stay small

    for image in _images(project, n):
        report(0.0)
        try:
            with Pillow.open(_original(image)) as header:
                if header.mode not in {"1", "L", "I;16", "I;16B", "I;16L", "I", "F"}:
                    return False
        except OSError as error:
            raise _unreadable(image, error) from error
    return True


def _images(project: Project, n: int) -> Iterator[Image]:
    """Yield the images in order, page by page.

    A cursor left open holds a read snapshot, from which SQLite refuses to write ("database is
    locked", at once) when somebody else has written since: the job could not report progress.
    """
    rows = Image.objects.filter(project=project).order_by("seq")
    rows = rows.only("seq", "name", "original_key")
    for start in range(0, n, _PAGE):
        yield from list(rows.filter(seq__gte=start, seq__lt=min(n, start + _PAGE)))


def _original(image: Image) -> Path:
    return Path(settings.MEDIA_ROOT) / image.original_key


def _decoded(image: Image) -> Picture:
    """Decode an original, upright."""
    try:
        data = _original(image).read_bytes()
        return decode(data, max_pixels=settings.MAX_IMAGE_PIXELS)
    except (OSError, PictureError) as error:
        raise _unreadable(image, error) from error


def _unreadable(image: Image, error: Exception) -> PoolError:
    return PoolError(f"The original of image {image.seq} ({image.name}) cannot be read: {error}")


def _pixels(picture: Picture, shape: Shape) -> Any:
    """Return the picture's pixels as uint8 [H, W, C] of the common shape."""
    import numpy as np  # noqa: PLC0415 - web processes stay small

    picture = picture.convert("L" if shape.channels == 1 else "RGB")
    if shape.letterbox:
        picture = _letterboxed(picture, shape.height)
    return np.asarray(picture).reshape(shape.height, shape.width, shape.channels)


def _letterboxed(picture: Picture, side: int) -> Picture:
    """Scale the picture so that its long side fits, centred on mid-grey."""
    from PIL import Image as Pillow  # noqa: PLC0415 - web processes stay small

    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    scaled = picture.resize(size, Pillow.Resampling.BICUBIC, reducing_gap=2.0)
    padding = PADDING if picture.mode == "L" else (PADDING,) * 3
    square = Pillow.new(picture.mode, (side, side), padding)
    square.paste(scaled, ((side - size[0]) // 2, (side - size[1]) // 2))
    return square
