"""Data sets for download: what is in them, read back by other people's readers."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import json
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from pycocotools.coco import COCO

from labelapp import queue
from labelapp.errors import ForbiddenError, InvalidInputError
from labelapp.formats.csv_labels import unescape
from labelapp.models import (
    Certificate,
    Event,
    Exclusion,
    Export,
    Image,
    ImageAlias,
    Job,
    ProjectCounter,
)
from labelapp.selectors.exports import preview
from labelapp.selectors.projects import access
from labelapp.services import exports
from labelapp.services.image_files import media_path
from tests.app.conftest import add_images
from tests.app.golden import NAMES, finish, golden

ALIAS = "copies/of same.png"


class Control:
    def __init__(self, raises: BaseException | None = None) -> None:
        self.raises = raises

    def tick(self, progress=None, message="", seconds_left=None):
        if self.raises:
            raise self.raises


@pytest.fixture
def manager(cast, project):
    return access(cast.manager, project.public_id)


@pytest.fixture
def images(cast, project):
    return golden(project, cast.annotator, cast.second_annotator)


def rows_of(project) -> dict[str, dict[str, str]]:
    text = b"".join(exports.csv_stream(project)).decode()
    return {
        unescape(row["file_name"]): row for row in csv.DictReader(io.StringIO(text, newline=""))
    }


def made(manager, **options) -> Export:
    record = exports.start_export(access=manager, **options)
    exports.run_export(record.pk, Control())
    record.refresh_from_db()
    return record


def coco_of(manager, tmp_path, **options) -> tuple[COCO, dict]:
    record = made(manager, format="coco", **options)
    with zipfile.ZipFile(media_path(record.file_key)) as archive:
        path = archive.extract("annotations/labels_train.json", tmp_path)
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(path), json.loads(Path(path).read_text())


# --- CSV ---------------------------------------------------------------------------------------


def test_every_file_name_has_its_row_duplicates_too(project, images):
    assert list(rows_of(project)) == [*NAMES[:3], ALIAS, *NAMES[3:]]


def test_a_duplicate_has_the_id_and_the_label_of_its_image(project, images):
    rows = rows_of(project)
    assert {**rows[ALIAS], "file_name": ""} == {**rows["b/same.png"], "file_name": ""}


def test_a_human_label_names_who_when_and_which_round(cast, project, images):
    row = rows_of(project)["a/same.png"]
    assert (row["image_id"], row["label"], row["label_id"]) == ("2", "big square", "1")
    assert (row["source"], row["confidence"], row["status"]) == ("human", "", "labelled")
    assert (row["annotators"], row["agreement"]) == (f"Ann #{cast.annotator.pk}", "1")
    assert (row["round"], row["created_at"]) == ("0", "2026-01-31T12:00:05Z")


def test_no_address_of_a_person_leaves_with_the_data(project, images):
    assert b"@" not in b"".join(exports.csv_stream(project))


def test_people_who_disagree_are_all_named(cast, project, images):
    row = rows_of(project)["b/same.png"]
    names = f"Ann #{cast.annotator.pk};Ben #{cast.second_annotator.pk}"
    assert (row["annotators"], row["agreement"]) == (names, "0.5")


def test_a_machine_label_has_its_confidence_and_nobody(project, images):
    row = rows_of(project)["stem.png"]
    assert (row["source"], row["confidence"], row["round"]) == ("machine", "0.875", "4")
    assert (row["annotators"], row["agreement"]) == ("", "")


def test_an_unlabelled_image_keeps_its_row(project, images):
    row = rows_of(project)["no label.png"]
    assert (row["status"], row["label"], row["source"]) == ("unlabelled", "", "")


def test_after_the_end_an_image_without_a_label_is_excluded(project, images):
    finish(project)
    assert rows_of(project)["no label.png"]["status"] == "excluded"


def test_an_image_that_nobody_can_label_says_so_before_the_end(project, images):
    image = project.images.get(name="no label.png")
    Exclusion.objects.create(image=image, project=project, seq=image.seq, reason="broken")
    assert rows_of(project)["no label.png"]["status"] == "excluded"


def test_test_marks_do_not_leak_before_the_end(project, images):
    assert {row["split"] for row in rows_of(project).values()} == {""}


def test_after_the_end_marks_outside_b_are_the_test_split(project, images):
    finish(project)
    splits = {name: row["split"] for name, row in rows_of(project).items()}
    assert splits.pop(NAMES[0]) == "test"
    assert splits.pop("no label.png") == ""
    assert set(splits.values()) == {"train"}


def test_names_that_a_spreadsheet_would_run_are_defused(project, images):
    assert b"\n7,'=cmd|calc.png," in b"".join(exports.csv_stream(project))


def test_chunks_meet_without_a_gap_or_a_repeat(project, monkeypatch):
    monkeypatch.setattr("labelapp.selectors.export_rows.CHUNK", 7)
    add_images(project, 30)
    assert [row["image_id"] for row in rows_of(project).values()] == [str(i) for i in range(1, 31)]


def test_an_empty_project_gives_the_header_alone(project):
    assert rows_of(project) == {}


# --- COCO --------------------------------------------------------------------------------------


def test_pycocotools_reads_every_image_and_every_label(manager, images, tmp_path):
    coco, _ = coco_of(manager, tmp_path)
    assert len(coco.getImgIds()) == len(NAMES) + 1
    assert len(coco.getAnnIds()) == 8
    assert len(coco.getAnnIds(areaRng=[0, 1e9])) == 8
    assert len(coco.getAnnIds(areaRng=[0, 201])) == 1
    assert [entry["name"] for entry in coco.loadCats(coco.getCatIds())] == [
        "circle",
        "big square",
        "star",
    ]
    squares = coco.getImgIds(catIds=coco.getCatIds(catNms=["big square"]))
    assert {entry["file_name"] for entry in coco.loadImgs(squares)} == {
        "a/same.png",
        "=cmd|calc.png",
    }


def test_coco_names_images_that_nobody_can_label(project, manager, images, tmp_path):
    image = project.images.get(name="no label.png")
    Exclusion.objects.create(image=image, project=project, seq=image.seq)
    _, content = coco_of(manager, tmp_path)
    said = [entry["file_name"] for entry in content["images"] if entry.get("excluded")]
    assert said == ["no label.png"]


def test_coco_names_source_person_time_and_confidence(cast, manager, images, tmp_path):
    _, data = coco_of(manager, tmp_path)
    by_image = {entry["image_id"]: entry for entry in data["annotations"]}
    assert by_image[1]["attributes"] == {
        "source": "human",
        "annotator": f"Ann #{cast.annotator.pk}",
        "labelled_at": "2026-01-31T12:00:05Z",
    }
    assert by_image[5]["attributes"]["source"] == "machine"
    assert by_image[5]["score"] == 0.875
    assert "score" not in by_image[6]
    assert 8 not in by_image


def test_the_image_is_as_large_as_its_box(manager, images, tmp_path):
    _, data = coco_of(manager, tmp_path)
    assert (data["images"][0]["width"], data["images"][0]["height"]) == (20, 10)
    assert data["annotations"][0]["bbox"] == [0, 0, 20, 10]


def test_a_duplicate_is_an_image_with_its_own_id_and_the_same_label(manager, images, tmp_path):
    coco, data = coco_of(manager, tmp_path)
    alias = next(entry for entry in data["images"] if entry["file_name"] == ALIAS)
    assert alias["id"] > len(NAMES)
    (annotation,) = coco.loadAnns(coco.getAnnIds(imgIds=[alias["id"]]))
    assert annotation["category_id"] == 3


def test_the_zip_with_images_holds_each_original_under_its_name(manager, images):
    record = made(manager, format="coco", with_images=True)
    with zipfile.ZipFile(media_path(record.file_key)) as archive:
        names = [f"images/train/{name}" for name in [*NAMES[:3], ALIAS, *NAMES[3:]]]
        assert archive.namelist() == ["annotations/labels_train.json", *names]
        assert archive.testzip() is None
        original = media_path(images[0].original_key).read_bytes()
        assert archive.read("images/train/deep/er/img 1.png") == original


def test_two_images_with_one_name_stay_two_files(manager, images):
    Image.objects.filter(pk=images[1].pk).update(name="b/same.png")
    ImageAlias.objects.update(name="b/same.png")
    record = made(manager, format="coco", with_images=True)
    with zipfile.ZipFile(media_path(record.file_key)) as archive:
        names = archive.namelist()
    assert len(set(names)) == len(names) == len(NAMES) + 2
    assert {"images/train/b/same__2.png", "images/train/b/same__3.png"} < set(names)


def test_the_certificate_travels_with_a_finished_data_set(manager, project, images, tmp_path):
    Certificate.objects.create(run=project.run, content={"bound": 0.04}, sha256="abc")
    _, before = coco_of(manager, tmp_path)
    finish(project)
    _, after = coco_of(manager, tmp_path)
    assert before["info"]["certificate"] is None
    assert after["info"]["certificate"]["content"] == {"bound": 0.04}


# --- the job -----------------------------------------------------------------------------------


def test_a_csv_file_is_made_and_announced(manager, project, images):
    record = made(manager, format="csv")
    data = media_path(record.file_key).read_bytes()
    assert data == b"".join(exports.csv_stream(project))
    assert (record.state, record.rows, record.size) == ("done", 9, len(data))
    assert record.file_name.startswith("shapes-")
    assert Event.objects.get(type="export.finished").payload["state"] == "done"


def test_the_rows_of_a_coco_file_are_counted_once(manager, images):
    assert made(manager, format="coco").rows == 9


def test_asking_twice_makes_one_file(manager, images):
    first = exports.start_export(access=manager, format="csv")
    assert exports.start_export(access=manager, format="csv") == first
    assert Job.objects.count() == 1


def test_running_it_again_changes_nothing(manager, images):
    record = made(manager, format="csv")
    exports.run_export(record.pk, Control())
    assert Event.objects.filter(type="export.finished").count() == 1


class Killed(BaseException):
    """Stands for SIGKILL."""


def test_a_killed_export_is_made_whole_by_the_next_worker(manager, images, monkeypatch):
    record = exports.start_export(access=manager, format="coco", with_images=True)
    with monkeypatch.context() as patch:
        patch.setattr(exports, "_settled_rename", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            exports.run_export(record.pk, Control())
    record.refresh_from_db()
    assert record.state == "running"
    exports.run_export(record.pk, Control())
    record.refresh_from_db()
    assert record.state == "done"
    assert zipfile.ZipFile(media_path(record.file_key)).testzip() is None


def test_a_full_disk_fails_the_export_with_words(manager, images, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(exports, "_settled_rename", full)
    record = made(manager, format="csv")
    assert record.state == "failed"
    assert "disk is full" in record.message
    assert not list(media_path("exports").rglob("*.part"))


def test_a_cancelled_job_leaves_a_failed_export_and_no_file(manager, project):
    add_images(project, 150)
    record = exports.start_export(access=manager, format="csv")
    with pytest.raises(queue.JobCancelled):
        exports.run_export(record.pk, Control(queue.JobCancelled()))
    record.refresh_from_db()
    assert record.state == "failed"


def test_old_files_of_the_same_kind_are_removed(manager, images):
    records = [made(manager, format="csv") for _ in range(exports.KEPT + 2)]
    assert Export.objects.count() == exports.KEPT
    assert not media_path(records[0].file_key).exists()
    assert media_path(records[-1].file_key).exists()


@pytest.mark.parametrize(
    "options", [{"format": "xml"}, {"format": ""}, {"format": "csv", "with_images": True}]
)
def test_an_unknown_format_is_refused(manager, options):
    with pytest.raises(InvalidInputError):
        exports.start_export(access=manager, **options)


def test_annotators_may_not_export(cast, project):
    with pytest.raises(ForbiddenError):
        exports.start_export(access=access(cast.annotator, project.public_id), format="csv")


def test_the_preview_counts_what_an_export_holds(project, images):
    counts = preview(project)
    assert (counts.images, counts.duplicates) == (8, 1)
    assert (counts.human, counts.machine, counts.unlabelled) == (5, 2, 1)


def test_memory_does_not_grow_with_the_project(project):
    add_images(project, 6000)

    def peak(rows: int) -> int:
        ProjectCounter.objects.filter(project=project).update(images=rows)
        Image.objects.filter(project=project, seq__gte=rows).delete()
        tracemalloc.start()
        for _ in exports.csv_stream(project):
            pass
        _, top = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return top

    large = peak(6000)
    small = peak(2000)
    assert large < 1.3 * small
