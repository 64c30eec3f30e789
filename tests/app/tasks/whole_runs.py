"""What tests of whole runs share: a world of their own, and the verifier that knows no Django."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import transaction
from django.test import override_settings

from labelapp.env import BASE_DIR
from labelapp.models import Project
from labelapp.selectors.exports import certificate
from labelapp.services.exports import csv_stream
from tests.app.conftest import Cast, make_cast, make_project
from tests.app.tasks import driving


@contextmanager
def world(root: Path, blocker, images: int, **rules: object) -> Iterator[tuple[Project, Cast]]:
    """Start a project with so many images under these rules, in a transaction rolled back."""
    folders = {"DATA_DIR": root, "MEDIA_ROOT": root / "media", "JOBS_ROOT": root / "jobs"}
    with (
        blocker.unblock(),
        transaction.atomic(),
        override_settings(**folders, TRAINER_COMMAND=driving.FAKE_TRAINER),
    ):
        cast = make_cast()
        project = make_project(cast)
        if rules:
            Project.objects.filter(pk=project.pk).update(**rules)
            project.refresh_from_db()
        driving.fill(project, root / "media", images)
        driving.start(project, cast.owner)
        yield project, cast
        transaction.set_rollback(True)


def verified(project: Project, folder: Path) -> str:
    """Write the files of the export page, check them with `mcal_engine verify`; its words."""
    (folder / "labels.csv").write_bytes(b"".join(csv_stream(project)))
    (folder / "certificate.json").write_text(json.dumps(certificate(project)))
    done = subprocess.run(
        [sys.executable, "-m", "mcal_engine", "verify", "certificate.json", "labels.csv"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(BASE_DIR)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
