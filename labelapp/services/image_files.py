"""The files of a project's images below MEDIA_ROOT: their keys, and how they get there whole.

A key is a storage name such as `projects/<public id>/original/ab/<sha256>.jpg`. Names come from
the content, so writing a file twice is harmless.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from labelapp.errors import NotFoundError
from labelapp.formats.pictures import TINY_SIDE, Picture, PictureError, thumbnail

CONTENT_TYPES = {".png": "image/png", ".webp": "image/webp"}


def store_picture(public_id: str, sha256: str, data: bytes, picture: Picture) -> tuple[str, str]:
    """Write the untouched original and the display copy; return their keys."""
    folder = f"projects/{public_id}"
    original = f"{folder}/original/{sha256[:2]}/{sha256}{picture.suffix}"
    display = f"{folder}/display/{sha256[:2]}/{sha256}{picture.display_suffix}"
    write_media(original, data)
    write_media(display, picture.display)
    return original, display


def may_be_stored(public_id: str, sha256: str) -> bool:
    """Tell whether these bytes may have a row already: files are written before their rows."""
    key = f"projects/{public_id}/display/{sha256[:2]}/{sha256}"
    return any(media_path(f"{key}{suffix}").exists() for suffix in CONTENT_TYPES)


def write_media(key: str, data: bytes) -> None:
    """Write a file under a temporary name and rename it: it is there whole or not at all."""
    path = media_path(key)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def media_path(key: str) -> Path:
    """Return where a key lies on disk; raise NotFoundError for one that leads outside."""
    root = Path(settings.MEDIA_ROOT)
    path = root / key
    if not key or ".." in path.parts or not path.is_relative_to(root):
        raise NotFoundError(_("There is no such file."))
    return path


def thumb(public_id: str, sha256: str, display_key: str, *, long_side: int) -> tuple[bytes, str]:
    """Return the small copy of an image for grids, and the key whose kind it has.

    Made the first time somebody asks. Tiny images are as small in their display copy, which
    shows every pixel. Raises OSError where the display copy is gone, NotFoundError.
    """
    if long_side < TINY_SIDE:
        return media_path(display_key).read_bytes(), display_key
    key = thumb_key(public_id, sha256)
    with contextlib.suppress(OSError):
        return media_path(key).read_bytes(), key
    display = media_path(display_key).read_bytes()
    try:
        data = thumbnail(display)
    except PictureError:
        return display, display_key
    with contextlib.suppress(OSError):  # a full disk: it is made again next time
        write_media(key, data)
    return data, key


def thumb_key(public_id: str, sha256: str) -> str:
    """Return the key of an image's small copy, where it was made."""
    return f"projects/{public_id}/thumb/{sha256[:2]}/{sha256}.webp"


def settle() -> None:
    """Have the system put written files on disk, before rows in the database name them."""
    os.sync()


def content_type(key: str) -> str:
    """Return the content type of a display copy."""
    return CONTENT_TYPES.get(Path(key).suffix, "application/octet-stream")
