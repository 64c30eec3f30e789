"""Decode images that strangers send, and make the copy that people see. Plain Python + Pillow.

Nothing is decoded before its header has passed: the kind is on an allow-list and the number of
pixels is under the limit. Every failure is a PictureError with a code (PROBLEMS) and words.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = {
    "JPEG": ".jpg",
    "MPO": ".jpg",  # a JPEG with further pictures behind it, as phones make them
    "PNG": ".png",
    "WEBP": ".webp",
    "GIF": ".gif",
    "BMP": ".bmp",
    "TIFF": ".tif",
}
MIN_SIDE = 4
DISPLAY_SIDE = 1024
WORKING_PIXELS = 16_000_000
TINY_SIDE = 256
THUMB_SIDE = 224  # twice the smallest tile of a grid, for dense screens

PROBLEMS = {
    "empty_file": "The file is empty.",
    "not_an_image": "This is not a JPEG, PNG, WebP, GIF, BMP or TIFF image.",
    "corrupt_image": "The image is broken or cut off.",
    "too_many_pixels": "The image has more pixels than this installation accepts.",
    "too_small": f"The image is smaller than {MIN_SIDE} pixels on a side: nothing to recognise.",
    "file_too_large": "The file is larger than an image may be.",
    "link": "This is a link to another file; links are not followed.",
    "unreadable": "The file cannot be read.",
}
"""Every code that a PictureError can carry."""

_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")
_ORIENTATION = 0x0112  # EXIF
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


class PictureError(Exception):
    """This file cannot become an image of a project; `code` is a key of PROBLEMS."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        self.message = f"{PROBLEMS[code]} {detail}".strip()
        super().__init__(self.message)


@dataclass(frozen=True)
class Picture:
    """A decoded image: its true size (after EXIF orientation) and the copy that people see."""

    width: int
    height: int
    suffix: str  # of the original, by its content
    display: bytes
    display_suffix: str


def read_picture(data: bytes, *, max_pixels: int) -> Picture:
    """Check and decode an image file and make its display copy.

    Raises PictureError. The first frame of an animation counts.
    """
    with _guarded():
        image = _open(data, max_pixels)
        width, height = _oriented_size(image)
        suffix = SUFFIXES[image.format or ""]
        image.draft(None, (DISPLAY_SIDE, DISPLAY_SIDE))  # JPEG only: decodes at 1/2, 1/4, 1/8
        display, display_suffix = _display_copy(_plain(_upright(image)))
    return Picture(width, height, suffix, display, display_suffix)


def decode(data: bytes, *, max_pixels: int) -> Image.Image:
    """Return the image upright and flat: mode L (grey) or RGB, transparency over white.

    Images of more than 16 million pixels come smaller by a whole factor.
    Raises PictureError.
    """
    with _guarded():
        return _plain(_upright(_open(data, max_pixels)))


@contextmanager
def _guarded() -> Iterator[None]:
    """Turn whatever a decoder does with hostile bytes into a PictureError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except PictureError:
            raise
        except Image.DecompressionBombError as error:
            raise PictureError("too_many_pixels") from error
        except Exception as error:  # Pillow's plugins raise nearly every type on hostile bytes
            raise PictureError("corrupt_image") from error


def _open(data: bytes, max_pixels: int) -> Image.Image:
    """Read the header only, and refuse what must not be decoded."""
    if not data:
        raise PictureError("empty_file")
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except UnidentifiedImageError as error:
        known = data.startswith(_MAGIC)
        raise PictureError("corrupt_image" if known else "not_an_image") from error
    width, height = image.size
    if width * height > max_pixels:
        raise PictureError("too_many_pixels", f"({width} x {height})")
    if min(width, height) < MIN_SIDE:
        raise PictureError("too_small", f"({width} x {height})")
    return image


def _oriented_size(image: Image.Image) -> tuple[int, int]:
    # Pillow gives the size of a TIFF as it will be after loading: turned already.
    turned = image.format != "TIFF" and image.getexif().get(_ORIENTATION, 1) in {5, 6, 7, 8}
    width, height = image.size
    return (height, width) if turned else (width, height)


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation, after taking very large images to a size that memory bears.

    Without this an RGBA image of 100 million pixels, which may be a file of 400 kB, takes 2.3 GB.
    """
    image.load()  # turns a TIFF already, and takes its orientation away
    orientation = image.getexif().get(_ORIENTATION)
    factor = math.ceil(math.sqrt(image.width * image.height / WORKING_PIXELS))
    if factor > 1 and not image.mode.startswith("I;16"):
        if image.mode in {"1", "P", "PA"} or "transparency" in image.info:
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        image = image.reduce(factor)
        if orientation is not None:
            image.getexif()[_ORIENTATION] = orientation
    return ImageOps.exif_transpose(image)


def _plain(image: Image.Image) -> Image.Image:
    """Convert every pixel format to L or RGB."""
    if image.mode.startswith("I;16"):
        return _high_bytes(image)
    if image.mode in {"I", "F"}:
        return _stretched(image)
    if image.mode in {"L", "RGB"} and "transparency" not in image.info:
        image.load()
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.has_transparency_data:
        return _over_white(image.convert("RGBA"))
    return image.convert("RGB")


def _high_bytes(image: Image.Image) -> Image.Image:
    """Map 16-bit grey to 8 bits by its scale; Pillow's own conversion clips at 255."""
    import numpy as np  # noqa: PLC0415 - rarely needed, and web processes stay small

    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))


def _stretched(image: Image.Image) -> Image.Image:
    """Map 32-bit grey values to 0..255; 16-bit values in a 32-bit image keep their scale."""
    import numpy as np  # noqa: PLC0415 - rarely needed, and web processes stay small

    values = np.asarray(image, dtype=np.float64)
    values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if image.mode == "I" and low >= 0 and high <= 65_535:
        low, high = 0.0, 65_535.0
    scaled = (values - low) * (255.0 / ((high - low) or 1.0))
    return Image.fromarray(scaled.astype(np.uint8))


def _over_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


def _display_copy(image: Image.Image) -> tuple[bytes, str]:
    """Encode what people see: long side at most 1024; tiny images with every pixel a square."""
    long_side = max(image.size)
    if long_side < TINY_SIDE:
        factor = TINY_SIDE // long_side
        size = (image.width * factor, image.height * factor)
        # Nearest neighbour repeats pixels: PNG packs that exactly, and 8 times faster than WebP.
        return _encoded(image.resize(size, Image.Resampling.NEAREST), "PNG", compress_level=1)
    image.thumbnail((DISPLAY_SIDE, DISPLAY_SIDE), reducing_gap=2.0)
    return _encoded(image, "WEBP", quality=88, method=2)


def thumbnail(display: bytes) -> bytes:
    """Return a small WebP of a display copy, for grids. Raises PictureError."""
    with _guarded():
        image = _plain(_open(display, DISPLAY_SIDE**2))
        image.thumbnail((THUMB_SIDE, THUMB_SIDE), reducing_gap=2.0)
        return _encoded(image, "WEBP", quality=82, method=2)[0]


def _encoded(image: Image.Image, kind: str, **options: int) -> tuple[bytes, str]:
    """Encode pixels only: EXIF, GPS, profiles and comments of the original stay behind."""
    clean = Image.frombytes(image.mode, image.size, image.tobytes())
    buffer = io.BytesIO()
    clean.save(buffer, kind, **options)
    return buffer.getvalue(), SUFFIXES[kind]
