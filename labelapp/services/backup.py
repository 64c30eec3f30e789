"""Backup and restore: the whole installation in one tar file, made while it runs.

Order of the members: database, secret key, media, uploads, and last `manifest.json` with the
SHA-256 of everything before it. The database is copied first and files are written before
their rows: each row of the copy has its file.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import connection

from labelapp import __version__
from labelapp.errors import ConflictError
from labelapp.models import Answer, Image, Label, Project, User
from labelapp.services import dumps

SCHEMA = 1
MANIFEST = "manifest.json"
FOLDERS = ("media", "uploads")


@dataclass
class Manifest:
    """What a backup holds: `files` maps member name to SHA-256."""

    schema: int = SCHEMA
    version: str = __version__
    created: str = ""
    database: str = "sqlite"
    migrations: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


def write_backup(target: Path, say: Callable[[str], None] = lambda _: None) -> Manifest:
    """Write the whole installation to one tar file and return its manifest.

    The file appears under its name only when it is whole. Raises ConflictError when the
    database's tools are missing.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    try:
        with partial.open("wb") as handle, tarfile.open(fileobj=handle, mode="w|") as archive:
            partial.chmod(0o600)  # it holds the secret key and the password hashes
            manifest = _write(archive, say)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return manifest


def _write(archive: tarfile.TarFile, say: Callable[[str], None]) -> Manifest:
    manifest = Manifest(created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    manifest.database = connection.vendor
    manifest.migrations = applied_migrations()
    manifest.counts = counts()
    with tempfile.TemporaryDirectory(dir=settings.DATA_DIR, prefix="backup-") as folder:
        say("Copying the database ...")
        dump = dumps.dump_database(Path(folder))
        _add(archive, manifest, dump, dump.name)
    with suppress(FileNotFoundError):  # absent where MCAL_SECRET_KEY gives the key
        _add(archive, manifest, Path(settings.DATA_DIR) / "secret_key", "secret_key")
    say("Copying the files ...")
    for path, name in _files():
        with suppress(FileNotFoundError):  # deleted since we listed it
            _add(archive, manifest, path, name)
    _add_bytes(archive, MANIFEST, json.dumps(asdict(manifest), indent=1).encode())
    return manifest


def _files() -> Iterator[tuple[Path, str]]:
    roots = {"media": Path(settings.MEDIA_ROOT), "uploads": Path(settings.UPLOADS_ROOT)}
    for folder in FOLDERS:
        for path in sorted(roots[folder].rglob("*")):
            if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                yield path, f"{folder}/{path.relative_to(roots[folder]).as_posix()}"


def _add(archive: tarfile.TarFile, manifest: Manifest, path: Path, name: str) -> None:
    with path.open("rb") as handle:
        info = archive.gettarinfo(arcname=name, fileobj=handle)
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.type, info.linkname = tarfile.REGTYPE, ""  # hard links are written as files
        reader = _HashingReader(handle)
        archive.addfile(info, reader)
    manifest.files[name] = reader.hash.hexdigest()


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = 0o600
    archive.addfile(info, io.BytesIO(content))


class _HashingReader(io.RawIOBase):
    """A file that knows the hash of what was read from it."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self.hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read and add to the hash."""
        block = self._handle.read(size)
        self.hash.update(block)
        return block


def counts() -> dict[str, int]:
    """Return how many rows of what people care about there are."""
    return {
        "people": User.objects.count(),
        "projects": Project.objects.count(),
        "images": Image.objects.count(),
        "answers": Answer.objects.count(),
        "labels": Label.objects.count(),
    }


def applied_migrations() -> list[str]:
    """Return the names of our migrations that the database has."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM django_migrations WHERE app = 'labelapp' ORDER BY name")
        return [str(name) for (name,) in cursor.fetchall()]


def refuse_unknown_migrations(names: list[str]) -> None:
    """Raise ConflictError when a backup comes from a newer version of this program."""
    known = {path.stem for path in Path(__file__).parents[1].joinpath("migrations").glob("*.py")}
    unknown = sorted(set(names) - known)
    if unknown:
        raise ConflictError(
            f"This backup comes from a newer version (it has {', '.join(unknown)}). "
            "Update the program first.",
            migrations=unknown,
        )
