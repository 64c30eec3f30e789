"""Images into a project: what goes in, what is listed as a problem, what is refused."""

from __future__ import annotations

import io
import os

import pytest
from django.core.files.base import ContentFile

from labelapp.errors import BadArchiveError, ConflictError, ForbiddenError, InvalidInputError
from labelapp.formats.pictures import decode
from labelapp.models import Event, Image, ImageAlias, Import, Job, ProjectCounter, Run
from labelapp.selectors.projects import access
from labelapp.services import imports
from labelapp.services.image_files import media_path
from labelapp.services.import_sources import upload_folder
from tests.app.pictures import encoded, huge_png_header, jpeg, make_zip, picture, png


class Control:
    """Stands for the worker: remembers what it was told."""

    def __init__(self) -> None:
        self.progress: list[float] = []

    def tick(self, progress=None, message="", seconds_left=None):
        self.progress.append(progress)


@pytest.fixture
def manager(cast, project):
    return access(cast.manager, project.public_id)


def upload(data: bytes, name: str = "x.zip") -> ContentFile:
    return ContentFile(data, name=name)


def start_zip(manager, tmp_path, files: dict[str, bytes]) -> Import:
    path = make_zip(tmp_path / "up.zip", files)
    return imports.start_import(
        access=manager, kind="zip", files=[upload(path.read_bytes(), "up.zip")]
    )


def take_zip(manager, tmp_path, files: dict[str, bytes]) -> Import:
    record = start_zip(manager, tmp_path, files)
    imports.run_import(record.pk, Control())
    record.refresh_from_db()
    return record


def problems(record: Import) -> dict[str, str]:
    return dict(record.problems.values_list("name", "code"))


def test_a_zip_comes_in_with_relative_names_and_dense_numbers(manager, project, tmp_path):
    files = {"cat/1.png": png(1), "dog/1.png": png(2), "ü 3.jpg": jpeg(3)}
    record = take_zip(manager, tmp_path, files)
    rows = list(Image.objects.filter(project=project).order_by("seq"))
    assert [(row.seq, row.name) for row in rows] == list(enumerate(files))
    assert (record.state, record.total, record.cursor, record.added) == ("done", 3, 3, 3)
    assert ProjectCounter.objects.get(project=project).images == 3


def test_the_original_is_kept_byte_for_byte_and_a_copy_is_made(manager, project, tmp_path):
    data = jpeg(1, (2000, 1000))
    take_zip(manager, tmp_path, {"a.jpg": data})
    row = Image.objects.get(project=project)
    assert media_path(row.original_key).read_bytes() == data
    assert row.original_key.endswith(".jpg")
    assert (row.width, row.height, row.size) == (2000, 1000, len(data))
    copy = decode(media_path(row.display_key).read_bytes(), max_pixels=10**8)
    assert copy.size == (1024, 512)


def test_exif_orientation_counts_for_width_and_height(manager, project, tmp_path):
    image = picture(1, (60, 40))
    exif = image.getexif()
    exif[0x0112] = 6
    take_zip(manager, tmp_path, {"a.jpg": encoded(image, "JPEG", exif=exif)})
    row = Image.objects.get(project=project)
    assert (row.width, row.height) == (40, 60)


def test_bad_files_are_listed_with_their_reason_and_the_rest_goes_in(manager, project, tmp_path):
    cut = jpeg(2, (200, 200))
    files = {
        "good.png": png(1),
        "empty.png": b"",
        "notes.txt": b"hello",
        "cut.jpg": cut[: len(cut) // 2],
        "huge.png": huge_png_header(30_000, 30_000),
        "dot.png": png(1, (1, 1)),
        "also good.png": png(3),
    }
    record = take_zip(manager, tmp_path, files)
    assert problems(record) == {
        "empty.png": "empty_file",
        "notes.txt": "not_an_image",
        "cut.jpg": "corrupt_image",
        "huge.png": "too_many_pixels",
        "dot.png": "too_small",
    }
    assert (record.added, record.rejected, record.duplicates) == (2, 5, 0)
    assert list(
        Image.objects.filter(project=project).order_by("seq").values_list("seq", "name")
    ) == [
        (0, "good.png"),
        (1, "also good.png"),
    ]


def test_a_duplicate_inside_an_import_keeps_its_name_as_an_alias(manager, project, tmp_path):
    record = take_zip(manager, tmp_path, {"a.png": png(1), "b/a.png": png(1), "c.png": png(2)})
    assert (record.added, record.duplicates, record.rejected) == (2, 1, 0)
    alias = ImageAlias.objects.get()
    assert (alias.image.name, alias.name) == ("a.png", "b/a.png")
    assert problems(record) == {"b/a.png": "duplicate"}
    assert "a.png" in record.problems.get().message


def test_a_duplicate_of_an_earlier_import_is_an_alias_too(manager, project, tmp_path):
    take_zip(manager, tmp_path, {"a.png": png(1)})
    record = take_zip(manager, tmp_path, {"other.png": png(1), "new.png": png(2)})
    assert (record.added, record.duplicates) == (1, 1)
    assert ImageAlias.objects.get().name == "other.png"
    assert set(Image.objects.values_list("seq", "name")) == {(0, "a.png"), (1, "new.png")}


def test_the_same_file_once_more_adds_nothing_and_no_alias(manager, project, tmp_path):
    take_zip(manager, tmp_path, {"a.png": png(1)})
    record = take_zip(manager, tmp_path, {"a.png": png(1)})
    assert (record.added, record.duplicates) == (0, 1)
    assert not ImageAlias.objects.exists()


def test_two_images_may_have_the_same_name(manager, project, tmp_path):
    take_zip(manager, tmp_path, {"a.png": png(1)})
    take_zip(manager, tmp_path, {"a.png": png(2)})
    assert list(Image.objects.values_list("name", flat=True)) == ["a.png", "a.png"]


def test_a_name_that_is_too_long_is_a_problem_not_a_crash(manager, tmp_path):
    record = take_zip(manager, tmp_path, {"x" * 600 + ".png": png(1), "ok.png": png(2)})
    assert list(problems(record).values()) == ["name_too_long"]
    assert record.added == 1


@pytest.mark.parametrize(
    "files", [{}, {"../evil.png": b"x"}, {"/abs.png": b"x"}, {"only_a_folder/": b""}]
)
def test_a_bad_zip_is_refused_at_once_and_leaves_nothing(manager, project, tmp_path, files):
    with pytest.raises(BadArchiveError):
        start_zip(manager, tmp_path, files)
    record = Import.objects.get()
    assert record.state == "failed"
    assert record.message
    assert not upload_folder(record.pk).exists()
    assert not Image.objects.exists()
    assert not Job.objects.exists()


def test_files_come_in_in_the_order_of_the_browsers_list(manager, project):
    files = [upload(png(i), f"{i}.png") for i in (3, 1, 2)]
    record = imports.start_import(access=manager, kind="files", files=files)
    imports.run_import(record.pk, Control())
    assert list(Image.objects.order_by("seq").values_list("name", flat=True)) == [
        "3.png",
        "1.png",
        "2.png",
    ]
    assert not upload_folder(record.pk).exists()


def test_an_import_without_files_is_refused(manager):
    with pytest.raises(InvalidInputError):
        imports.start_import(access=manager, kind="files", files=[])
    assert not Import.objects.exists()


def test_a_job_is_made_for_the_import(manager, project, tmp_path):
    record = start_zip(manager, tmp_path, {"a.png": png(1)})
    job = Job.objects.get()
    assert (job.kind, job.target, job.project) == ("import", record.pk, project)


def test_the_end_is_announced_with_its_counts(manager, project, tmp_path):
    record = take_zip(manager, tmp_path, {"a.png": png(1), "b.png": png(1), "c": b"x"})
    event = Event.objects.filter(project=project).order_by("seq").last()
    assert event.type == "import.finished"
    assert event.payload == {
        "import": record.pk,
        "state": "done",
        "added": 1,
        "duplicates": 1,
        "rejected": 1,
    }


def test_progress_is_announced_at_most_once_a_second(manager, project, tmp_path, monkeypatch):
    monkeypatch.setattr("labelapp.services.import_batches.BATCH_FILES", 2)
    take_zip(manager, tmp_path, {f"{i}.png": png(i) for i in range(20)})
    assert Event.objects.filter(type="import.progress").count() == 1


def test_the_worker_hears_how_far_it_is(manager, tmp_path, monkeypatch):
    monkeypatch.setattr("labelapp.services.import_batches.BATCH_FILES", 2)
    record = start_zip(manager, tmp_path, {f"{i}.png": png(i) for i in range(4)})
    control = Control()
    imports.run_import(record.pk, control)
    assert control.progress == [0.5, 1.0]


def test_annotators_may_not_import(cast, project):
    with pytest.raises(ForbiddenError):
        imports.start_import(access=access(cast.annotator, project.public_id), kind="demo")


def test_while_people_label_the_rest_no_images_come_in(manager, batch, tmp_path):
    batch.run.state = {"state": {"phase": "residual"}}
    batch.run.save()
    with pytest.raises(ConflictError, match="chosen"):
        start_zip(manager, tmp_path, {"a.png": png(1)})


def test_an_import_goes_on_in_a_run_until_the_machine_labels_are_chosen(manager, project, tmp_path):
    record = start_zip(manager, tmp_path, {"a.png": png(1)})
    run = Run.objects.create(
        project=project, n=0, config={}, state={}, waiting_for="x", request_kind="label"
    )
    imports.run_import(record.pk, Control())
    record.refresh_from_db()
    assert (record.state, record.added) == ("done", 1)
    late = start_zip(manager, tmp_path, {"b.png": png(2)})
    run.state = {"state": {"phase": "residual"}}
    run.save()
    imports.run_import(late.pk, Control())
    late.refresh_from_db()
    assert (late.state, late.added) == ("failed", 0)


def test_an_archived_project_takes_no_images(manager, project):
    project.archived_at = project.created
    with pytest.raises(ConflictError, match="archived"):
        imports.start_import(access=type(manager)(project, manager.user, manager.role), kind="demo")


def test_an_unknown_kind_is_refused(manager):
    with pytest.raises(InvalidInputError):
        imports.start_import(access=manager, kind="tape")


@pytest.fixture
def shared(settings, tmp_path):
    """A server folder with two images below IMPORT_ROOT."""
    root = tmp_path / "shared"
    (root / "set" / "sub").mkdir(parents=True)
    (root / "set" / "b.png").write_bytes(png(1))
    (root / "set" / "sub" / "a.png").write_bytes(png(2))
    (root / "set" / ".DS_Store").write_bytes(b"x")
    settings.IMPORT_ROOT = str(root)
    return root


def take_folder(manager, source: str) -> Import:
    record = imports.start_import(access=manager, kind="folder", source=source)
    imports.run_import(record.pk, Control())
    record.refresh_from_db()
    return record


def test_a_server_folder_comes_in_sorted_and_stays_as_it_is(manager, shared):
    record = take_folder(manager, "set")
    assert (record.state, record.added) == ("done", 2)
    assert list(Image.objects.order_by("seq").values_list("name", flat=True)) == [
        "b.png",
        "sub/a.png",
    ]
    assert (shared / "set" / "b.png").exists()


@pytest.mark.parametrize(
    "source", ["../", "/etc", "nothing", "set/b.png", "set/../..", "a\0b", "x" * 5000]
)
def test_a_folder_outside_the_import_root_is_refused(manager, shared, source):
    with pytest.raises(InvalidInputError):
        imports.start_import(access=manager, kind="folder", source=source)
    assert not Import.objects.exists()


def test_a_folder_that_links_outside_is_refused(manager, shared, tmp_path):
    (tmp_path / "secret").mkdir()
    (shared / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(InvalidInputError):
        imports.start_import(access=manager, kind="folder", source="link")


def test_a_file_that_links_outside_is_listed_and_not_read(manager, shared, tmp_path):
    (tmp_path / "secret.png").write_bytes(png(9))
    (shared / "set" / "c.png").symlink_to(tmp_path / "secret.png")
    record = take_folder(manager, "set")
    assert problems(record) == {"c.png": "link"}
    assert record.added == 2


def test_a_pipe_in_the_folder_does_not_hang_the_import(manager, shared):
    os.mkfifo(shared / "set" / "pipe.png")
    assert problems(take_folder(manager, "set")) == {"pipe.png": "unreadable"}


def test_server_folders_are_off_unless_a_root_is_set(manager, settings):
    settings.IMPORT_ROOT = ""
    with pytest.raises(InvalidInputError, match="switched off"):
        imports.start_import(access=manager, kind="folder", source="set")


def test_the_demo_set_comes_in(manager, monkeypatch):
    labels = {f"{i}.png": i for i in range(3)}
    monkeypatch.setattr("labelapp.formats.demo_set.demo_labels", lambda: labels)
    monkeypatch.setattr(
        "labelapp.formats.demo_set.demo_images",
        lambda: ((name, png(i), i) for name, i in labels.items()),
    )
    record = imports.start_import(access=manager, kind="demo")
    imports.run_import(record.pk, Control())
    record.refresh_from_db()
    assert (record.state, record.total, record.added) == ("done", 3, 3)


def test_a_broken_entry_of_a_zip_is_listed_and_the_rest_goes_in(manager, tmp_path):
    buffer = io.BytesIO(
        make_zip(tmp_path / "b.zip", {"a.png": b"A" * 99, "b.png": png(1)}).read_bytes()
    )
    data = buffer.getvalue().replace(b"A" * 99, b"A" * 98 + b"B")
    record = imports.start_import(access=manager, kind="zip", files=[upload(data)])
    imports.run_import(record.pk, Control())
    record.refresh_from_db()
    assert problems(record) == {"a.png": "unreadable"}
    assert (record.state, record.added) == ("done", 1)
