"""Backup and restore: a round trip, damage, and unsafe archives."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import tarfile
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from labelapp.errors import BadArchiveError, ConflictError
from labelapp.services import dumps
from labelapp.services.backup import refuse_unknown_migrations, write_backup
from labelapp.services.restore import has_data, restore_backup
from tests.app.conftest import add_images

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _sqlite_only():
    if connection.vendor != "sqlite":
        pytest.skip("these tests look into the SQLite file; PostgreSQL: test_backup_postgres.py")


@pytest.fixture
def installation(project) -> Path:
    """Some rows, a secret key, and two files."""
    add_images(project, 3)
    media = Path(settings.MEDIA_ROOT)
    (media / "projects" / "ab").mkdir(parents=True)
    (media / "projects" / "ab" / "one.png").write_bytes(b"one")
    (media / "projects" / "zwei ü.png").write_bytes(b"two" * 100_000)
    (Path(settings.DATA_DIR) / "secret_key").write_text("a secret")
    return Path(settings.DATA_DIR)


@pytest.fixture
def backup(installation, tmp_path) -> Path:
    target = tmp_path / "backup.tar"
    write_backup(target)
    return target


@pytest.fixture
def elsewhere(settings, tmp_path, monkeypatch) -> Path:
    """An empty data folder whose database is a file of its own."""
    folder = tmp_path / "elsewhere"
    settings.DATA_DIR = folder
    settings.MEDIA_ROOT = folder / "media"
    settings.JOBS_ROOT = folder / "jobs"
    settings.UPLOADS_ROOT = folder / "uploads"
    name = str(folder / "mcal.sqlite3")
    monkeypatch.setitem(settings.DATABASES["default"], "NAME", name)
    monkeypatch.setitem(connection.settings_dict, "NAME", name)
    monkeypatch.setattr(connection, "close", lambda: None)  # the test's database stays open
    return folder


def rows(path: Path, query: str) -> list[tuple]:
    database = sqlite3.connect(path)
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def test_a_round_trip_brings_back_rows_files_and_key(backup, elsewhere):
    manifest = restore_backup(backup)
    assert (elsewhere / "media" / "projects" / "ab" / "one.png").read_bytes() == b"one"
    assert (elsewhere / "media" / "projects" / "zwei ü.png").read_bytes() == b"two" * 100_000
    assert (elsewhere / "secret_key").read_text() == "a secret"
    assert (elsewhere / "secret_key").stat().st_mode & 0o777 == 0o600
    names = rows(elsewhere / "mcal.sqlite3", "SELECT name FROM labelapp_image ORDER BY seq")
    assert names == [("img_00000.png",), ("img_00001.png",), ("img_00002.png",)]
    assert manifest.counts["images"] == 3
    assert manifest.counts["people"] == 5


def test_the_backup_is_for_its_owner_only(backup):
    assert backup.stat().st_mode & 0o777 == 0o600


def test_nothing_else_stays_behind(backup, installation):
    assert sorted(path.name for path in backup.parent.iterdir()) == ["backup.tar", "var"]
    assert list(installation.glob("backup-*")) == []


def test_a_failed_backup_leaves_no_file(installation, tmp_path, monkeypatch):
    def fail(_):
        raise ConflictError("pg_dump is not installed here.")

    monkeypatch.setattr(dumps, "dump_database", fail)
    with pytest.raises(ConflictError):
        write_backup(tmp_path / "backup.tar")
    assert list(tmp_path.glob("*.tar*")) + list(tmp_path.glob(".*.part")) == []


def test_data_that_is_there_is_not_replaced(backup, elsewhere):
    restore_backup(backup)
    with pytest.raises(ConflictError, match="already holds data"):
        restore_backup(backup)


def test_force_moves_the_present_data_aside(backup, elsewhere):
    restore_backup(backup)
    (elsewhere / "media" / "projects" / "ab" / "one.png").write_bytes(b"changed")
    restore_backup(backup, force=True)
    (aside,) = elsewhere.glob("before-restore-*")
    assert (aside / "media" / "projects" / "ab" / "one.png").read_bytes() == b"changed"
    assert (aside / "mcal.sqlite3").exists()
    assert (elsewhere / "media" / "projects" / "ab" / "one.png").read_bytes() == b"one"


def repack(source: Path, target: Path, change) -> Path:
    """Copy a backup; `change(name, content)` returns the new (name, content) or None."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            changed = change(member.name, old.extractfile(member).read())
            if changed is not None:
                add(new, *changed)
    return target


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def refused(path: Path, elsewhere: Path, words: str) -> None:
    with pytest.raises(BadArchiveError, match=words):
        restore_backup(path)
    assert not has_data()
    assert list(elsewhere.glob("restore-*")) == []


def test_a_flipped_byte_is_noticed_and_nothing_changes(backup, elsewhere, tmp_path):
    def flip(name, content):
        return (name, b"0ne") if name.endswith("one.png") else (name, content)

    refused(repack(backup, tmp_path / "bad.tar", flip), elsewhere, "one.png")


def test_a_missing_file_is_noticed(backup, elsewhere, tmp_path):
    def drop(name, content):
        return None if name.endswith("one.png") else (name, content)

    refused(repack(backup, tmp_path / "bad.tar", drop), elsewhere, "one.png")


def test_a_truncated_backup_is_refused(backup, elsewhere, tmp_path):
    cut = tmp_path / "cut.tar"
    cut.write_bytes(backup.read_bytes()[:200_000])
    refused(cut, elsewhere, "backup")


def test_a_file_that_is_no_backup_is_refused(elsewhere, tmp_path):
    other = tmp_path / "other.tar"
    other.write_bytes(b"hello" * 1000)
    refused(other, elsewhere, "cannot be read")


@pytest.mark.parametrize(
    "name",
    ["../evil", "media/../../evil", "/etc/evil", "media/a/../../../evil", "elsewhere/x", "media"],
)
def test_names_that_lead_elsewhere_are_refused(name, elsewhere, tmp_path):
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as archive:
        add(archive, name, b"x")
    refused(path, elsewhere, "unexpected")


def test_links_are_refused(elsewhere, tmp_path):
    path = tmp_path / "link.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("media/link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    refused(path, elsewhere, "unexpected")


@pytest.mark.parametrize("instead", [dumps.POSTGRES_NAME, None])
def test_without_our_kind_of_database_nothing_is_touched(backup, elsewhere, tmp_path, instead):
    restore_backup(backup)

    def swap(name, content):
        if name == "manifest.json":
            manifest = json.loads(content)
            digest = manifest["files"].pop(dumps.SQLITE_NAME)
            manifest["files"] |= {instead: digest} if instead else {}
            return name, json.dumps(manifest).encode()
        return (name, content) if name != dumps.SQLITE_NAME else instead and (instead, content)

    before = sorted(elsewhere.rglob("*"))
    with pytest.raises(ConflictError, match=r"needs database\.sqlite3"):
        restore_backup(repack(backup, tmp_path / "other.tar", swap), force=True)
    assert sorted(elsewhere.rglob("*")) == before


@pytest.mark.parametrize(
    "manifest", [b"[]", b"{", b'{"schema": "x"}', b'{"files": 3}', b'{"unknown": 1}', b"\xff"]
)
def test_a_manifest_of_nonsense_is_refused(backup, elsewhere, tmp_path, manifest):
    def swap(name, content):
        return name, manifest if name == "manifest.json" else content

    refused(repack(backup, tmp_path / "bad.tar", swap), elsewhere, "manifest cannot be read")


def test_a_broken_database_is_refused(backup, elsewhere, tmp_path):
    def spoil(name, content):
        if name == dumps.SQLITE_NAME:
            return name, content[:100] + bytes(4000) + content[4100:]
        if name == "manifest.json":
            manifest = json.loads(content)
            manifest["files"].pop(dumps.SQLITE_NAME)
            manifest["files"] |= {dumps.SQLITE_NAME: spoiled_hash}
            return name, json.dumps(manifest).encode()
        return name, content

    with tarfile.open(backup) as archive:
        content = archive.extractfile(dumps.SQLITE_NAME).read()
    spoiled_hash = hashlib.sha256(content[:100] + bytes(4000) + content[4100:]).hexdigest()
    with pytest.raises(ConflictError, match="broken"):
        restore_backup(repack(backup, tmp_path / "bad.tar", spoil))
    assert not has_data()


def test_a_backup_of_a_newer_version_is_refused():
    refuse_unknown_migrations(["0001_initial"])
    with pytest.raises(ConflictError, match="9999_future"):
        refuse_unknown_migrations(["0001_initial", "9999_future"])


def test_a_missing_pg_dump_is_said_plainly(monkeypatch):
    monkeypatch.setattr(dumps.shutil, "which", lambda _: None)
    monkeypatch.setattr(connection, "vendor", "postgresql")
    with pytest.raises(ConflictError, match="pg_dump is not installed"):
        dumps.dump_database(Path("/nowhere"))
