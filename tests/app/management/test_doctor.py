"""The doctor finds what is wrong and says it in words."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError
from django.utils import timezone

from labelapp import models, queue
from labelapp.management import doctor, doctor_data, doctor_weights
from labelapp.management.commands import doctor as command
from labelapp.management.doctor import Level
from labelapp.models import Job, Label, LedgerEntry, ProjectCounter, TrainItem
from tests.app.conftest import add_images, open_batch


def levels(check) -> set[Level]:
    return {finding.level for finding in check()}


def texts(check) -> str:
    return "\n".join(finding.text for finding in check())


@pytest.fixture
def folder() -> Path:
    place = Path(settings.DATA_DIR)
    place.mkdir(parents=True)
    return place


def test_this_python_is_new_enough():
    assert levels(doctor.python) == {Level.OK}


def test_a_package_of_another_version_is_named(monkeypatch):
    monkeypatch.setattr(doctor.importlib.metadata, "version", lambda _: "0.0.1")
    assert levels(doctor.packages) == {Level.WARN}
    assert "Django is 0.0.1, not 5.2" in texts(doctor.packages)


def test_a_package_that_is_missing_is_named(monkeypatch):
    def missing(name):
        raise doctor.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.importlib.metadata, "version", missing)
    assert "pillow is not installed" in texts(doctor.packages)


def test_a_folder_that_can_be_written_is_fine(folder):
    assert levels(doctor.folder) == {Level.OK}
    assert list(folder.iterdir()) == []


def test_a_folder_that_is_not_there_is_a_failure():
    assert levels(doctor.folder) == {Level.FAIL}


def test_a_full_disk_is_a_warning(folder, monkeypatch):
    usage = type("Usage", (), {"free": 5_000_000})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
    assert "nearly full: 0.0 GB" in texts(doctor.folder)


@pytest.mark.django_db
def test_a_migrated_database_is_fine():
    assert Level.FAIL not in levels(doctor.database)
    assert "all migrations are applied" in texts(doctor.database)


@pytest.mark.django_db
def test_missing_migrations_are_a_failure(monkeypatch):
    waiting = [("a migration", False)]
    monkeypatch.setattr(doctor.MigrationExecutor, "migration_plan", lambda *_: waiting)
    assert "1 migrations are missing" in texts(doctor.database)


def test_a_database_that_does_not_answer_is_a_failure(monkeypatch):
    def fail():
        raise DatabaseError("disk I/O error")

    monkeypatch.setattr(doctor.connection, "cursor", fail)
    assert levels(doctor.database) == {Level.FAIL}


@pytest.mark.django_db
def test_no_worker_is_a_warning_while_nothing_runs(folder):
    assert levels(doctor.worker) == {Level.WARN}
    queue.beat()
    assert levels(doctor.worker) == {Level.OK}


@pytest.mark.django_db
def test_no_worker_beside_a_running_server_is_a_failure(folder, monkeypatch):
    monkeypatch.setattr(doctor, "running_on", lambda _: "process 1")
    assert levels(doctor.worker) == {Level.FAIL}


@pytest.mark.django_db
def test_a_job_of_a_dead_process_is_named():
    job = Job.objects.create(
        kind="train", key="t", state="running", pid=2**22 - 1, host=queue.HOST,
        heartbeat=timezone.now(), started=timezone.now(),
    )  # fmt: skip
    assert f"train job {job.pk} is marked running" in texts(doctor.jobs)


@pytest.mark.django_db
def test_a_job_of_a_living_process_is_fine():
    Job.objects.create(
        kind="train", key="t", state="running", pid=os.getpid(), host=queue.HOST,
        heartbeat=timezone.now(), started=timezone.now() + timedelta(seconds=1),
    )  # fmt: skip
    assert levels(doctor.jobs) == {Level.OK}


@pytest.mark.django_db
def test_a_failed_job_is_shown_with_its_reason():
    Job.objects.create(kind="export", key="e", state="failed", message="The disk is full.")
    assert "The disk is full." in texts(doctor.jobs)


@pytest.fixture
def labelled(project, cast):
    """Four bought labels: two train (one of them marked), one test, one residual; one machine."""
    batch = open_batch(project, add_images(project, 6))
    run = batch.run
    images = list(project.images.order_by("seq"))
    purposes = ["seed", "test", "test", "residual", "machine"]
    for image, purpose in zip(images, purposes, strict=False):
        source = "machine" if purpose == "machine" else "human"
        Label.objects.create(
            image=image, project=project, seq=image.seq, class_index=0, source=source,
            purpose=purpose,
        )  # fmt: skip
    for image in images[:2]:
        TrainItem.objects.create(run=run, image=image, seq=image.seq, iteration=0)
    for image in images[1:3]:
        models.TestMark.objects.create(run=run, image=image, seq=image.seq)
    LedgerEntry.objects.create(
        project=project, key="a", purpose="seed", quantity=4, unit_price="0.04", amount="0.16"
    )
    LedgerEntry.objects.create(
        project=project, key="b", purpose="compute", quantity=1, unit_price="3.6", amount="3.6"
    )
    counts = {"train": 2, "test": 1, "residual": 1, "machine": 1}
    spent = {"label_spend": "0.16", "compute_spend": "3.6"}
    ProjectCounter.objects.filter(project=project).update(**counts, **spent)
    return project


@pytest.mark.django_db
def test_counters_that_agree_with_their_rows_are_fine(labelled):
    assert doctor_data.counter_problems(labelled) == []
    assert levels(doctor_data.counters) == {Level.OK}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name", ["images", "train", "test", "residual", "machine", "label_spend", "event_seq"]
)
def test_a_counter_that_went_wrong_is_named(labelled, name):
    ProjectCounter.objects.filter(project=labelled).update(**{name: 77})
    (problem,) = doctor_data.counter_problems(labelled)
    assert problem.startswith(f"counter {name} says 77")
    assert levels(doctor_data.counters) == {Level.FAIL}


@pytest.mark.django_db
def test_a_missing_and_an_orphaned_file_are_named(project):
    (image,) = add_images(project, 1)
    folder = Path(settings.MEDIA_ROOT) / "projects" / project.public_id / "original" / "ab"
    folder.mkdir(parents=True)
    (folder / f"{'ab' * 32}.png").write_bytes(b"x")
    told = texts(doctor_data.files)
    assert f"an image's file is missing: {image.original_key}" in told
    assert f"belongs to no image or model: projects/{project.public_id}/original/ab/" in told


@pytest.mark.django_db
def test_files_that_belong_to_images_are_fine(project):
    (image,) = add_images(project, 1)
    image.sha256 = "ab" * 32
    for kind in ("original", "display"):
        key = f"projects/{project.public_id}/{kind}/ab/{image.sha256}.png"
        path = Path(settings.MEDIA_ROOT) / key
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
        setattr(image, f"{kind}_key", key)
    image.save()
    assert levels(doctor_data.files) == {Level.OK}


def test_weights_are_compared_with_what_their_names_say(tmp_path, settings):
    settings.WEIGHTS_DIR = ""
    assert levels(doctor_weights.weights) == {Level.OK}
    settings.WEIGHTS_DIR = str(tmp_path / "weights")
    assert levels(doctor_weights.weights) == {Level.FAIL}
    Path(settings.WEIGHTS_DIR).mkdir()
    assert levels(doctor_weights.weights) == {Level.WARN}
    digest = hashlib.sha256(b"whole").hexdigest()
    for name in ("cnn_small.pt", "other.pt", f"resnet18-{digest[:8]}.pth", "net-00000000.pth"):
        (Path(settings.WEIGHTS_DIR) / name).write_bytes(b"whole")
    (Path(settings.WEIGHTS_DIR) / "cnn_small.pt.sha256").write_text(f"{digest}  cnn_small.pt")
    said = texts(doctor_weights.weights).splitlines()
    assert [line.partition(": ")[2].partition(" ")[0] for line in said] == [
        "whole",
        "half-written",
        "its",  # there is no SHA-256 beside it
        "of",  # not among the files that networks of projects are published in
    ]


def test_torch_that_does_not_load_is_a_failure(monkeypatch):
    monkeypatch.setattr(doctor.sys, "executable", "/bin/false")
    assert "torch does not load" in texts(doctor.torch)


def test_a_database_that_fails_under_a_check_is_a_finding_not_a_crash():
    def check():
        raise DatabaseError("malformed")
        yield

    (finding,) = command._findings(check)
    assert finding.level == Level.FAIL
    assert "malformed" in finding.text


@pytest.mark.django_db
def test_the_command_ends_with_code_1_when_something_failed(monkeypatch, capsys):
    monkeypatch.setattr(command, "_MACHINE", [lambda: [doctor.fail("the roof leaks")]])
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", "--quick")
    assert ended.value.code == 1
    assert "FAIL  the roof leaks" in capsys.readouterr().out


def test_a_damaged_file_is_noticed_by_sqlite_itself(tmp_path):
    """What the doctor relies on: quick_check says something other than ok."""
    path = tmp_path / "db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE t (x)")
    database.executemany("INSERT INTO t VALUES (?)", [(str(n) * 50,) for n in range(500)])
    database.commit()
    database.close()
    content = bytearray(path.read_bytes())
    content[4096:8192] = bytes(4096)
    path.write_bytes(content)
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok"
    database.close()
