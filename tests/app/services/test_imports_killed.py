"""An import that is killed, cancelled, or runs out of disk: nothing twice, nothing lost."""

from __future__ import annotations

import errno

import pytest
from django.core.files.base import ContentFile
from django.db import OperationalError

from labelapp import queue
from labelapp.errors import ConflictError, NotFoundError
from labelapp.models import Event, Image, ImageAlias, Import, Job, Project, ProjectCounter
from labelapp.selectors.projects import access
from labelapp.services import image_files, import_batches, imports
from labelapp.services.import_sources import upload_folder
from tests.app.pictures import make_zip, png


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


class Control:
    def __init__(self, raises: BaseException | None = None) -> None:
        self.raises = raises

    def tick(self, progress=None, message="", seconds_left=None):
        if self.raises:
            raise self.raises


@pytest.fixture
def manager(cast, project):
    return access(cast.manager, project.public_id)


FILES = {
    "a.png": png(1),
    "b.png": png(2),
    "copy of a.png": png(1),
    "broken.png": b"x",
    "c.png": png(3),
    "d.png": png(4),
    "copy of b.png": png(2),
}


@pytest.fixture
def record(manager, tmp_path, monkeypatch) -> Import:
    monkeypatch.setattr(import_batches, "BATCH_FILES", 2)
    data = make_zip(tmp_path / "a.zip", FILES).read_bytes()
    return imports.start_import(access=manager, kind="zip", files=[ContentFile(data, name="a.zip")])


def assert_whole(record: Import) -> None:
    record.refresh_from_db()
    assert (record.state, record.cursor) == ("done", len(FILES))
    assert (record.added, record.duplicates, record.rejected) == (4, 2, 1)
    rows = list(Image.objects.order_by("seq").values_list("seq", "name"))
    assert rows == [(0, "a.png"), (1, "b.png"), (2, "c.png"), (3, "d.png")]
    assert set(ImageAlias.objects.values_list("name", flat=True)) == {
        "copy of a.png",
        "copy of b.png",
    }
    assert record.problems.count() == 3
    assert ProjectCounter.objects.get(project=record.project).images == 4
    assert Event.objects.filter(type="import.finished").count() == 1
    assert not upload_folder(record.pk).exists()


POINTS = [
    (import_batches, "read_picture"),
    (import_batches, "store_picture"),
    (image_files, "write_media"),
    (import_batches, "settle"),
    (import_batches, "_move_cursor"),
    (import_batches, "_add_images"),
    (import_batches, "_add_aliases"),
    (import_batches, "announce_progress"),
    (imports, "store_batch"),
    (imports, "_end"),
    (imports, "_clean_up"),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("nth", [1, 2, 4])
@pytest.mark.parametrize(("module", "name"), POINTS, ids=[name for _, name in POINTS])
def test_a_kill_anywhere_loses_nothing_and_brings_nothing_in_twice(
    record, monkeypatch, module, name, nth, after
):
    real, calls = getattr(module, name), []

    def dying(*args, **kwargs):
        calls.append(1)
        if len(calls) == nth and not after:
            raise Killed
        result = real(*args, **kwargs)
        if len(calls) == nth:
            raise Killed
        return result

    with monkeypatch.context() as patch:
        patch.setattr(module, name, dying)
        try:
            imports.run_import(record.pk, Control())
        except Killed:
            pass
        else:
            assert len(calls) < nth
    imports.run_import(record.pk, Control())
    assert_whole(record)


def test_running_a_finished_import_again_changes_nothing(record):
    for _ in range(3):
        imports.run_import(record.pk, Control())
    assert_whole(record)


def test_two_workers_on_one_import_bring_each_file_in_once(record, monkeypatch):
    real, meanwhile = import_batches.settle, []

    def other_worker_first():
        if not meanwhile:
            meanwhile.append(1)
            imports.run_import(record.pk, Control())
        real()

    monkeypatch.setattr(import_batches, "settle", other_worker_first)
    imports.run_import(record.pk, Control())
    assert_whole(record)


@pytest.mark.parametrize("stop", [queue.JobStopping(), queue.JobLost()])
def test_a_stopped_worker_leaves_the_import_to_the_next_one(record, stop):
    with pytest.raises(type(stop)):
        imports.run_import(record.pk, Control(stop))
    record.refresh_from_db()
    assert (record.state, record.cursor) == ("running", 2)
    imports.run_import(record.pk, Control())
    assert_whole(record)


def test_a_busy_database_leaves_the_import_to_the_next_try(record, monkeypatch):
    def busy():
        raise OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(import_batches, "settle", busy)
        with pytest.raises(OperationalError):
            imports.run_import(record.pk, Control())
    imports.run_import(record.pk, Control())
    assert_whole(record)


def test_a_full_disk_says_so_keeps_what_is_in_and_can_be_continued(record, manager, monkeypatch):
    real, calls = image_files.write_media, []

    def full(key, data):
        calls.append(key)
        if len(calls) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(key, data)

    with monkeypatch.context() as patch:
        patch.setattr(image_files, "write_media", full)
        imports.run_import(record.pk, Control())
    record.refresh_from_db()
    assert record.state == "failed"
    assert "disk is full" in record.message
    assert Image.objects.count() == 2
    imports.continue_import(access=manager, import_id=record.pk)
    Event.objects.filter(type="import.finished").delete()
    imports.run_import(record.pk, Control())
    assert_whole(record)


def test_a_database_on_a_full_disk_says_so(record, monkeypatch):
    def full():
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(import_batches, "settle", full)
    imports.run_import(record.pk, Control())
    record.refresh_from_db()
    assert (record.state, "disk is full" in record.message) == ("failed", True)


def test_an_unexpected_error_fails_the_import_and_is_not_swallowed(record, monkeypatch):
    def wrong():
        raise ZeroDivisionError

    monkeypatch.setattr(import_batches, "settle", wrong)
    with pytest.raises(ZeroDivisionError):
        imports.run_import(record.pk, Control())
    record.refresh_from_db()
    assert record.state == "failed"


def test_cancelling_a_waiting_import_takes_its_job_and_its_files_away(record, manager):
    imports.cancel_import(access=manager, import_id=record.pk)
    record.refresh_from_db()
    assert record.state == "cancelled"
    assert Job.objects.get().state == "cancelled"
    assert not upload_folder(record.pk).exists()
    imports.run_import(record.pk, Control())
    assert not Image.objects.exists()


def test_cancelling_a_running_import_keeps_what_is_in(record, manager, monkeypatch):
    real, calls = import_batches.settle, []

    def cancel_at_the_second_batch():
        calls.append(1)
        if len(calls) == 2:
            imports.cancel_import(access=manager, import_id=record.pk)
        real()

    monkeypatch.setattr(import_batches, "settle", cancel_at_the_second_batch)
    imports.run_import(record.pk, Control())
    record.refresh_from_db()
    assert (record.state, record.added, Image.objects.count()) == ("cancelled", 2, 2)
    assert Event.objects.filter(type="import.finished").count() == 1


def test_a_cancelled_job_cancels_its_import(record):
    with pytest.raises(queue.JobCancelled):
        imports.run_import(record.pk, Control(queue.JobCancelled()))
    record.refresh_from_db()
    assert (record.state, Image.objects.count()) == ("cancelled", 2)


def test_cancelling_a_finished_import_changes_nothing(record, manager):
    imports.run_import(record.pk, Control())
    imports.cancel_import(access=manager, import_id=record.pk)
    assert_whole(record)


def test_a_failed_import_can_be_dropped_with_its_files(record, manager):
    Import.objects.filter(pk=record.pk).update(state="failed")
    imports.cancel_import(access=manager, import_id=record.pk)
    record.refresh_from_db()
    assert record.state == "cancelled"
    assert not upload_folder(record.pk).exists()


def test_only_a_failed_import_can_be_continued(record, manager):
    with pytest.raises(ConflictError):
        imports.continue_import(access=manager, import_id=record.pk)


def test_an_import_of_another_project_is_not_found(record, cast):
    other = Project.objects.create(name="Other")
    other.memberships.create(user=cast.manager, role="manager")
    strange = access(cast.manager, other.public_id)
    for act in (imports.cancel_import, imports.continue_import, imports.finish_upload):
        with pytest.raises(NotFoundError):
            act(access=strange, import_id=record.pk)
