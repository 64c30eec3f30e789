"""Backup and restore on PostgreSQL, with its own programs; part of the second pass."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from labelapp.errors import ConflictError
from labelapp.models import Image, Project
from labelapp.services import dumps
from labelapp.services.backup import write_backup
from labelapp.services.restore import restore_backup
from tests.app.conftest import add_images

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="the pass on PostgreSQL"),
    pytest.mark.skipif(shutil.which("pg_dump") is None, reason="pg_dump is not installed"),
]


@pytest.fixture
def backup(project, tmp_path) -> Path:
    add_images(project, 3)
    Path(settings.DATA_DIR).mkdir()
    target = tmp_path / "backup.tar"
    write_backup(target)
    return target


def test_a_round_trip_brings_back_what_was_changed_since(backup, project):
    Image.objects.filter(project=project).delete()
    Project.objects.filter(pk=project.pk).update(name="Changed")
    restore_backup(backup, force=True)
    assert Image.objects.filter(project=project).count() == 3
    assert Project.objects.get(pk=project.pk).name == "Shapes"


def test_what_was_there_before_lies_aside_as_a_dump(backup):
    restore_backup(backup, force=True)
    (aside,) = Path(settings.DATA_DIR).glob("before-restore-*")
    assert (aside / dumps.POSTGRES_NAME).stat().st_size > 0


def test_data_that_is_there_is_not_replaced(backup):
    with pytest.raises(ConflictError, match="already holds data"):
        restore_backup(backup)


def test_a_backup_of_sqlite_is_refused(backup):
    with tarfile.open(backup) as archive:
        assert dumps.POSTGRES_NAME in archive.getnames()
    with pytest.raises(ConflictError, match=r"set\s+MCAL_DATABASE_URL"):
        dumps.check_kind([dumps.SQLITE_NAME])
