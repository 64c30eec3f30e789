"""What a browser sends before an import starts."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile

from labelapp.errors import BadArchiveError, ConflictError, InvalidInputError, TooLargeError
from labelapp.models import Image, Job
from labelapp.selectors.projects import access
from labelapp.services import imports, uploads
from labelapp.services.import_sources import upload_folder
from tests.app.pictures import make_zip, png


class Control:
    def tick(self, progress=None, message="", seconds_left=None):
        pass


@pytest.fixture
def manager(cast, project):
    return access(cast.manager, project.public_id)


def file(seed: int) -> ContentFile:
    return ContentFile(png(seed), name=f"{seed}.png")


def names() -> list[str]:
    return list(Image.objects.order_by("seq").values_list("name", flat=True))


def test_files_come_in_many_requests_in_any_order(manager):
    record = imports.open_upload(access=manager, kind="files")
    uploads.add_files(record, [(2, "d/3.png", file(3)), (3, "d/4.png", file(4))])
    uploads.add_files(record, [(0, "1.png", file(1)), (1, "2.png", file(2))])
    assert not Job.objects.exists()
    imports.finish_upload(access=manager, import_id=record.pk, expected=4)
    imports.run_import(record.pk, Control())
    assert names() == ["1.png", "2.png", "d/3.png", "d/4.png"]


def test_a_request_that_is_sent_twice_changes_nothing(manager):
    record = imports.open_upload(access=manager, kind="files")
    for _ in range(2):
        uploads.add_files(record, [(0, "1.png", file(1)), (1, "2.png", file(2))])
    for _ in range(2):
        imports.finish_upload(access=manager, import_id=record.pk, expected=2)
    assert Job.objects.count() == 1
    imports.run_import(record.pk, Control())
    assert names() == ["1.png", "2.png"]


def test_missing_files_are_noticed_and_can_still_be_sent(manager):
    record = imports.open_upload(access=manager, kind="files")
    uploads.add_files(record, [(0, "1.png", file(1))])
    with pytest.raises(ConflictError) as caught:
        imports.finish_upload(access=manager, import_id=record.pk, expected=2)
    assert caught.value.fields == {"have": 1, "expected": 2}
    uploads.add_files(record, [(1, "2.png", file(2))])
    assert imports.finish_upload(access=manager, import_id=record.pk, expected=2).state == "waiting"


def test_a_path_that_leads_outside_becomes_a_harmless_name(manager):
    record = imports.open_upload(access=manager, kind="files")
    uploads.add_files(record, [(0, "../../etc/x.png", file(1))])
    imports.finish_upload(access=manager, import_id=record.pk)
    imports.run_import(record.pk, Control())
    assert names() == ["etc/x.png"]


def test_litter_in_a_dropped_folder_is_ignored(manager):
    record = imports.open_upload(access=manager, kind="files")
    uploads.add_files(record, [(0, "d/.DS_Store", ContentFile(b"x")), (1, "d/1.png", file(1))])
    assert imports.finish_upload(access=manager, import_id=record.pk, expected=2).total == 1


def test_an_upload_of_nothing_but_litter_is_refused(manager):
    record = imports.open_upload(access=manager, kind="files")
    uploads.add_files(record, [(0, ".DS_Store", ContentFile(b"x"))])
    with pytest.raises(InvalidInputError):
        imports.finish_upload(access=manager, import_id=record.pk)


def test_no_files_are_taken_after_the_end(manager):
    record = imports.open_upload(access=manager, kind="files")
    uploads.add_files(record, [(0, "1.png", file(1))])
    record = imports.finish_upload(access=manager, import_id=record.pk)
    with pytest.raises(ConflictError):
        uploads.add_files(record, [(1, "2.png", file(2))])


@pytest.mark.parametrize("position", [-1, uploads.MAX_FILES])
def test_a_position_out_of_range_is_refused(manager, position):
    record = imports.open_upload(access=manager, kind="files")
    with pytest.raises(InvalidInputError):
        uploads.add_files(record, [(position, "1.png", file(1))])


def test_a_zip_comes_in_pieces_and_a_repeated_piece_is_harmless(manager, tmp_path):
    data = make_zip(tmp_path / "a.zip", {"1.png": png(1)}).read_bytes()
    record = imports.open_upload(access=manager, kind="zip")
    half = len(data) // 2
    assert uploads.add_piece(record, offset=0, data=data[:half]) == half
    assert uploads.add_piece(record, offset=0, data=data[:half]) == half
    assert uploads.add_piece(record, offset=half, data=data[half:]) == len(data)
    imports.finish_upload(access=manager, import_id=record.pk, expected=len(data))
    imports.run_import(record.pk, Control())
    assert names() == ["1.png"]


def test_a_piece_beyond_the_end_is_refused_and_says_how_much_is_there(manager):
    record = imports.open_upload(access=manager, kind="zip")
    uploads.add_piece(record, offset=0, data=b"abc")
    with pytest.raises(ConflictError) as caught:
        uploads.add_piece(record, offset=4, data=b"x")
    assert caught.value.fields == {"have": 3}


def test_a_zip_over_the_limit_is_refused_at_the_piece_that_crosses_it(manager, settings):
    settings.MAX_UPLOAD_BYTES = 10
    record = imports.open_upload(access=manager, kind="zip")
    uploads.add_piece(record, offset=0, data=b"x" * 10)
    with pytest.raises(TooLargeError):
        uploads.add_piece(record, offset=10, data=b"x")


def test_files_over_the_limit_are_refused_and_the_import_says_so(manager, settings):
    settings.MAX_UPLOAD_BYTES = 10
    with pytest.raises(TooLargeError):
        imports.start_import(access=manager, kind="files", files=[file(1)])
    assert manager.project.imports.get().state == "failed"


def test_an_upload_that_would_fill_the_disk_is_refused(manager, monkeypatch):
    monkeypatch.setattr(uploads, "RESERVE_BYTES", 10**18)
    record = imports.open_upload(access=manager, kind="files")
    with pytest.raises(TooLargeError, match="room"):
        uploads.add_files(record, [(0, "1.png", file(1))])


def test_a_bad_zip_is_refused_at_the_end_of_its_upload_and_removed(manager):
    record = imports.open_upload(access=manager, kind="zip")
    uploads.add_piece(record, offset=0, data=b"no zip at all")
    with pytest.raises(BadArchiveError):
        imports.finish_upload(access=manager, import_id=record.pk)
    record.refresh_from_db()
    assert record.state == "failed"
    assert not upload_folder(record.pk).exists()


def test_an_upload_that_nobody_finished_can_be_cancelled(manager):
    record = imports.open_upload(access=manager, kind="files")
    uploads.add_files(record, [(0, "1.png", file(1))])
    imports.cancel_import(access=manager, import_id=record.pk)
    record.refresh_from_db()
    assert record.state == "cancelled"
    assert not upload_folder(record.pk).exists()
