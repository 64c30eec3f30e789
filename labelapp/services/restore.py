"""Restore a backup: unpacked beside the data, verified whole, only then moved into place."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO

from django.conf import settings
from django.db import connection

from labelapp.errors import BadArchiveError, ConflictError
from labelapp.services import dumps
from labelapp.services.backup import FOLDERS, MANIFEST, SCHEMA, Manifest, refuse_unknown_migrations

_SINGLE = {dumps.SQLITE_NAME, dumps.POSTGRES_NAME, "secret_key", MANIFEST}
_CHUNK = 1 << 20


def restore_backup(
    source: Path, *, force: bool = False, say: Callable[[str], None] = lambda _: None
) -> Manifest:
    """Put a backup in the place of this installation's data and return its manifest.

    Raises ConflictError when there is data already (with `force` it is moved aside to
    DATA_DIR/before-restore-TIME), BadArchiveError when the file is not a whole backup of ours;
    in both cases nothing has changed. The product must not run meanwhile.
    """
    data_dir = Path(settings.DATA_DIR)
    data_dir.mkdir(parents=True, exist_ok=True)
    if has_data() and not force:
        raise ConflictError(
            f"{data_dir} already holds data. Restore into an empty folder (MCAL_DATA_DIR), or "
            "use --force: then the present data is moved aside, not deleted."
        )
    with tempfile.TemporaryDirectory(dir=data_dir, prefix="restore-") as folder:
        staged = Path(folder)
        say("Unpacking and verifying ...")
        manifest = _unpack(source, staged)
        say("Moving into place ...")
        aside = _move_aside(data_dir) if force else None
        _install(staged, data_dir)
    if aside is not None:
        say(f"What was here before lies in {aside}.")
    return manifest


def has_data() -> bool:
    """Tell whether this installation holds a database or files."""
    media = Path(settings.MEDIA_ROOT)
    if media.is_dir() and any(media.iterdir()):
        return True
    if connection.vendor == "sqlite":
        return Path(str(connection.settings_dict["NAME"])).exists()
    return "labelapp_project" in connection.introspection.table_names()


def _unpack(source: Path, staged: Path) -> Manifest:
    hashes: dict[str, str] = {}
    try:
        with tarfile.open(source, mode="r|*") as archive:
            for member in archive:
                hashes[member.name] = _unpack_member(archive, member, staged)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BadArchiveError(f"{source} cannot be read as a backup: {error}.") from error
    manifest = _read_manifest(staged / MANIFEST)
    hashes.pop(MANIFEST, None)
    _compare(manifest, hashes)
    refuse_unknown_migrations(manifest.migrations)
    dumps.check_kind(hashes)
    if (staged / dumps.SQLITE_NAME).exists():
        dumps.check_sqlite(staged / dumps.SQLITE_NAME)
    return manifest


def _unpack_member(archive: tarfile.TarFile, member: tarfile.TarInfo, staged: Path) -> str:
    """Write one regular file with an expected name; anything else is refused."""
    if not member.isreg() or not _is_expected(member.name):
        raise BadArchiveError(f"The backup holds something unexpected: {member.name!r}.")
    target = staged / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
    content = archive.extractfile(member)
    if content is None:
        raise BadArchiveError(f"The backup holds no content for {member.name!r}.")
    with target.open("xb") as handle:
        return _copy(content, handle)


def _is_expected(name: str) -> bool:
    parts = PurePosixPath(name).parts
    if name in _SINGLE:
        return True
    safe = all(part not in {"", ".", "..", "/"} for part in parts) and "\\" not in name
    return safe and len(parts) > 1 and parts[0] in FOLDERS


def _copy(content: IO[bytes], handle: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := content.read(_CHUNK):
        digest.update(block)
        handle.write(block)
    return digest.hexdigest()


def _read_manifest(path: Path) -> Manifest:
    try:
        content = json.loads(path.read_text())
        manifest = Manifest(**content)
        newer = int(manifest.schema) > SCHEMA
        manifest.files, manifest.migrations = dict(manifest.files), list(manifest.migrations)
    except FileNotFoundError:
        raise BadArchiveError("The file is no backup of ours, or its end is missing.") from None
    except (ValueError, TypeError) as error:
        raise BadArchiveError(f"The backup's manifest cannot be read: {error}.") from error
    if newer:
        raise ConflictError("This backup comes from a newer version. Update the program first.")
    return manifest


def _compare(manifest: Manifest, hashes: dict[str, str]) -> None:
    wrong = sorted(
        name
        for name in manifest.files.keys() | hashes.keys()
        if manifest.files.get(name) != hashes.get(name)
    )
    if wrong:
        raise BadArchiveError(
            f"{len(wrong)} files of the backup are damaged or missing, {wrong[0]} first.",
            files=wrong[:20],
        )


def _places(data_dir: Path) -> dict[str, Path]:
    return {
        "secret_key": data_dir / "secret_key",
        "media": Path(settings.MEDIA_ROOT),
        "uploads": Path(settings.UPLOADS_ROOT),
        "jobs": Path(settings.JOBS_ROOT),
    }


def _move_aside(data_dir: Path) -> Path:
    aside = data_dir / time.strftime("before-restore-%Y%m%dT%H%M%S", time.gmtime())
    aside.mkdir()
    if connection.vendor == "sqlite":
        connection.close()
        database = Path(str(connection.settings_dict["NAME"]))
        for path in database.parent.glob(f"{database.name}*"):  # -wal and -shm belong to it
            shutil.move(path, aside / path.name)
    else:
        dump = dumps.dump_database(aside)
        dump.chmod(0o600)
    for name, path in _places(data_dir).items():
        if path.exists():
            shutil.move(path, aside / name)
    return aside


def _install(staged: Path, data_dir: Path) -> None:
    for name, place in _places(data_dir).items():
        if (staged / name).exists():
            if place.is_dir():
                shutil.rmtree(place)  # empty: `has_data` or `_move_aside` saw to it
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(staged / name, place)
    key = data_dir / "secret_key"
    if key.exists():
        key.chmod(0o600)
    dumps.load_database(staged / dumps.wanted_name())
