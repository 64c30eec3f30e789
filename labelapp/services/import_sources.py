"""Where an import's files come from: an upload folder, a zip, a server folder, the demo set.

A source lists its files in an order that never changes, so that a cursor resumes it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from labelapp.errors import BadArchiveError, InvalidInputError
from labelapp.formats.archives import ArchiveEntry, ArchiveLimits, ZipSource, clean_name, is_junk
from labelapp.formats.pictures import PictureError
from labelapp.models import Import

MAX_FILE_BYTES = 256 * 1024**2


@dataclass(frozen=True)
class SourceFile:
    """A file of a source. `read` returns its bytes or raises PictureError."""

    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Source:
    """An opened source; `files(start)` yields from that position on."""

    total: int
    files: Callable[[int], Iterator[SourceFile]]


def upload_folder(import_id: int) -> Path:
    """Return the folder that holds what was uploaded for an import, and its list of files."""
    return Path(settings.UPLOADS_ROOT) / str(import_id)


@contextmanager
def open_source(record: Import) -> Iterator[Source]:
    """Open the source of an import; raise BadArchiveError or InvalidInputError."""
    if record.kind == Import.Kind.ZIP:
        with ZipSource(upload_folder(record.pk) / "archive.zip", archive_limits()) as archive:
            yield Source(len(archive.entries), partial(_zip_files, archive))
    elif record.kind == Import.Kind.FOLDER:
        yield _listed_source(record, server_folder(record.source))
    elif record.kind == Import.Kind.FILES:
        yield _listed_source(record, upload_folder(record.pk) / "files")
    else:
        from labelapp.formats import demo_set  # noqa: PLC0415 - numpy; web processes stay small

        yield Source(len(demo_set.demo_labels()), partial(_demo_files, demo_set.demo_images))


def archive_limits() -> ArchiveLimits:
    """Return what a zip may hold here: eight times the largest upload when unpacked."""
    return ArchiveLimits(total_bytes=8 * settings.MAX_UPLOAD_BYTES)


def server_folder(source: str) -> Path:
    """Return a folder below IMPORT_ROOT, links resolved.

    `source` is relative to IMPORT_ROOT, or absolute and below it. Raises InvalidInputError.
    """
    if not settings.IMPORT_ROOT:
        raise InvalidInputError(_("Importing from a folder of the server is switched off here."))
    root = Path(settings.IMPORT_ROOT).resolve()
    try:
        path = (root / source).resolve()
        allowed = path.is_relative_to(root) and path.is_dir()
    except (OSError, ValueError, RuntimeError):  # too long, NUL inside, a loop of links
        allowed = False
    if not allowed:
        raise InvalidInputError(
            _("There is no such folder below the import folder."), source=source
        )
    return path


def _listed_source(record: Import, root: Path) -> Source:
    manifest = upload_folder(record.pk) / "manifest.jsonl"
    if not manifest.exists():
        entries = _walked(root) if record.kind == Import.Kind.FOLDER else _uploaded(record)
        _write_manifest(manifest, entries)
    with manifest.open("rb") as lines:
        total = sum(1 for _line in lines)
    inside = Path(settings.IMPORT_ROOT) if record.kind == Import.Kind.FOLDER else root
    return Source(total, partial(_manifest_files, manifest, root, inside.resolve()))


def _write_manifest(manifest: Path, entries: Iterator[tuple[str, str]]) -> None:
    """Fix the list once: a folder that changes meanwhile must not shift the cursor."""
    manifest.parent.mkdir(parents=True, exist_ok=True)
    temporary = manifest.with_suffix(".new")
    with temporary.open("w") as out:
        out.writelines(json.dumps(entry) + "\n" for entry in entries)
    temporary.replace(manifest)


def _walked(root: Path) -> Iterator[tuple[str, str]]:
    """Yield (name, path below root) of every file, sorted, links to folders not followed."""
    for folder, subfolders, files in os.walk(root):
        subfolders.sort()
        for file in sorted(files):
            relative = (Path(folder) / file).relative_to(root).as_posix()
            if not is_junk(relative):
                yield clean_name(relative), relative


def _uploaded(record: Import) -> Iterator[tuple[str, str]]:
    """Yield (name, stored file) in the order in which the browser listed the files."""
    names: dict[int, str] = {}
    for part in sorted((upload_folder(record.pk) / "names").glob("*.json")):
        names.update({int(position): name for position, name in json.loads(part.read_text())})
    for position in sorted(names):
        if not is_junk(names[position]):
            yield names[position], str(position)


def _manifest_files(manifest: Path, root: Path, inside: Path, start: int) -> Iterator[SourceFile]:
    with manifest.open() as lines:
        for line in islice(lines, start, None):
            name, relative = json.loads(line)
            yield SourceFile(name, partial(_read_file, root / relative, inside))


def _read_file(path: Path, inside: Path) -> bytes:
    try:
        if not path.resolve(strict=True).is_relative_to(inside):
            raise PictureError("link")
        if not path.is_file():  # a pipe or a device would block for ever
            raise PictureError("unreadable")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise PictureError("file_too_large")
        return path.read_bytes()
    except (OSError, RuntimeError) as error:
        raise PictureError("unreadable", str(error)[:200]) from error


def _zip_files(archive: ZipSource, start: int) -> Iterator[SourceFile]:
    for entry in islice(archive.entries, start, None):
        yield SourceFile(entry.name, partial(_read_entry, archive, entry))


def _read_entry(archive: ZipSource, entry: ArchiveEntry) -> bytes:
    if entry.is_link:
        raise PictureError("link")
    if entry.size > MAX_FILE_BYTES:
        raise PictureError("file_too_large")
    try:
        return archive.read(entry)
    except BadArchiveError as error:
        raise PictureError("unreadable", "The archive is broken here.") from error


def _demo_files(
    images: Callable[[], Iterator[tuple[str, bytes, int]]], start: int
) -> Iterator[SourceFile]:
    for name, data, _label in islice(images(), start, None):
        yield SourceFile(name, partial(bytes, data))
