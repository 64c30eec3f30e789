"""What a browser sends before an import starts: many files, or one zip in pieces.

Below UPLOADS_ROOT/<import id>/: `files/<position>` with `names/<first position>.json`, or
`archive.zip`. Sending a part again overwrites the same bytes, so a browser may simply retry.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.core.files.base import File
from django.utils.translation import gettext as _

from labelapp.errors import ConflictError, InvalidInputError, TooLargeError
from labelapp.formats.archives import clean_name
from labelapp.models import Import
from labelapp.selectors.dashboard_words import number
from labelapp.services.import_sources import upload_folder

MAX_FILES = 2_000_000
RESERVE_BYTES = 200 * 1024**2


def add_files(record: Import, files: Iterable[tuple[int, str, File[bytes]]]) -> int:
    """Keep uploaded files; each comes with its position in the browser's list and its path.

    Returns how many. Raises ConflictError after `finish_upload`, TooLargeError, InvalidInputError.
    """
    items = list(files)
    _check_open(record, Import.Kind.FILES)
    _check_room(sum(file.size for *_where, file in items))
    if not all(0 <= position < MAX_FILES for position, *_rest in items):
        raise InvalidInputError(_("A position is out of range."), positions="range")
    folder = _folder(record, "files")
    for position, _path, file in items:
        _write(folder / str(position), file)
    _write_names(record, [(position, clean_name(name)) for position, name, _file in items])
    return len(items)


def _write_names(record: Import, names: list[tuple[int, str]]) -> None:
    if names:
        path = _folder(record, "names") / f"{min(names)[0]:08d}.json"
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(names))
        temporary.replace(path)


def add_archive(record: Import, file: File[bytes]) -> None:
    """Keep a zip that came in one request."""
    _check_open(record, Import.Kind.ZIP)
    _check_room(file.size)
    _write(_folder(record, "") / "archive.zip", file)


def add_piece(record: Import, *, offset: int, data: bytes) -> int:
    """Put a piece of a zip at its place; return how many bytes are there.

    A piece beyond the end is refused (ConflictError with `have`): the browser goes back there.
    """
    _check_open(record, Import.Kind.ZIP)
    _check_room(len(data), offset + len(data))
    path = _folder(record, "") / "archive.zip"
    path.touch()
    have = path.stat().st_size
    if not 0 <= offset <= have:
        raise ConflictError(_("A piece before this one is missing."), have=have)
    with path.open("r+b") as out:
        out.seek(offset)
        out.write(data)
    return path.stat().st_size


def check_complete(record: Import, expected: int | None) -> None:
    """Raise ConflictError unless `expected` files (or bytes of the zip) have arrived."""
    folder = upload_folder(record.pk)
    if record.kind == Import.Kind.ZIP:
        path = folder / "archive.zip"
        have = path.stat().st_size if path.exists() else 0
    else:
        have = sum(1 for path in (folder / "files").glob("*") if path.suffix != ".new")
    if expected is not None and have != expected:
        raise ConflictError(_("Some of the upload has not arrived."), have=have, expected=expected)


def _check_open(record: Import, kind: str) -> None:
    if record.kind != kind or record.state != Import.State.UPLOADING:
        raise ConflictError(_("This upload takes no more files."))


def _check_room(size: int, total: int | None = None) -> None:
    """Raise TooLargeError for an upload over the limit, or one that would fill the disk."""
    if (total or size) > settings.MAX_UPLOAD_BYTES:
        limit = settings.MAX_UPLOAD_BYTES // 1024**2
        raise TooLargeError(
            _("Uploads are limited to %(limit)s MB here.") % {"limit": number(limit)},
            limit_mb=limit,
        )
    root = Path(settings.UPLOADS_ROOT)
    root.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(root).free - size < RESERVE_BYTES:
        raise TooLargeError(_("There is not enough room left on the server's disk."))


def _folder(record: Import, name: str) -> Path:
    folder = upload_folder(record.pk) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write(path: Path, file: File[bytes]) -> None:
    temporary = path.with_name(f"{path.name}.new")
    with temporary.open("wb") as out:
        shutil.copyfileobj(file, out, 1024**2)
    temporary.replace(path)
