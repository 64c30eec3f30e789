"""Exports of the parts of a search for the best training set, read back by other readers."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
import tracemalloc
import zipfile
from itertools import chain

import numpy as np
import pandas
import pytest
from django.utils import timezone
from pycocotools.coco import COCO

from labelapp.errors import ConflictError, InvalidInputError, NotFoundError
from labelapp.formats.csv_labels import COLUMNS, unescape
from labelapp.models import AuditLog, Certificate, Export, Job, Project, ProjectCounter, Run
from labelapp.selectors import export_parts
from labelapp.selectors.curations import folder
from labelapp.selectors.exports import export_views, finished_export
from labelapp.selectors.projects import access
from labelapp.services import exports, jobs
from labelapp.services.image_files import media_path
from mcal_engine.lab.search_commands import read_subset
from tests.app.conftest import add_images
from tests.app.curated import curated
from tests.app.golden import NAMES, finish, golden

ALIAS = "copies/of same.png"  # of image 2
PARTS = {0: 2, 1: 0, 2: 1, 3: 1, 4: 0, 5: -1, 6: -1}  # 7 has no label, so it took no part
KEPT = [NAMES[0], NAMES[2], ALIAS, NAMES[3]]
LEFT_OUT, HELD_OUT, OUTSIDE = [NAMES[1], NAMES[4]], NAMES[5:7], [NAMES[7]]


class Control:
    def tick(self, progress=None, message="", seconds_left=None):
        assert 0 <= (progress or 0) <= 1


@pytest.fixture
def manager(cast, project):
    return access(cast.manager, project.public_id)


@pytest.fixture
def curation(cast, project):
    golden(project, cast.annotator, cast.second_annotator)
    finish(project)
    return curated(project, PARTS)


def csv_of(project, *asked) -> list[dict[str, str]]:
    text = b"".join(exports.csv_stream(project, *asked)).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def names_of(project, *asked) -> list[str]:
    return [unescape(row["file_name"]) for row in csv_of(project, *asked)]


def made(manager, **options) -> Export:
    record = exports.start_export(access=manager, **options)
    exports.run_export(record.pk, Control())
    record.refresh_from_db()
    return record


def coco_files(record: Export, tmp_path) -> dict[str, tuple[COCO, dict]]:
    found = {}
    with zipfile.ZipFile(media_path(record.file_key)) as archive:
        for name in archive.namelist():
            if name.startswith("annotations/"):
                path = archive.extract(name, tmp_path)
                with contextlib.redirect_stdout(io.StringIO()):
                    coco = COCO(path)
                found[name] = (coco, json.loads(archive.read(name)))
    return found


def test_a_part_alone_holds_its_images_and_no_new_column(project, curation):
    assert names_of(project, curation.pk, "kept") == KEPT
    assert names_of(project, curation.pk, "left_out") == LEFT_OUT
    whole = {row["file_name"]: row for row in csv_of(project)}
    for row in csv_of(project, curation.pk, "kept"):
        assert tuple(row) == COLUMNS
        assert row == whole[row["file_name"]]


def test_with_their_parts_all_images_are_there_and_a_duplicate_follows_its_image(project, curation):
    rows = csv_of(project, curation.pk, "split")
    assert [{c: row[c] for c in COLUMNS} for row in rows] == csv_of(project)
    found = {unescape(row["file_name"]): (row["part"], row["stage"]) for row in rows}
    assert found == {
        NAMES[0]: ("kept", "2"),
        **dict.fromkeys(KEPT[1:], ("kept", "1")),
        **dict.fromkeys(LEFT_OUT, ("left_out", "0")),
        **dict.fromkeys(HELD_OUT, ("held_out", "0")),
        NAMES[7]: ("", ""),
    }
    assert "part" not in csv_of(project)[0]


def test_pandas_and_the_engine_read_the_parts(project, curation, tmp_path):
    ProjectCounter.objects.filter(project=project).update(images=7)
    project.images.filter(seq=7).delete()
    project.images.get(seq=2).aliases.all().delete()
    path = tmp_path / "labels.csv"
    path.write_bytes(b"".join(exports.csv_stream(project, curation.pk, "split")))
    table = pandas.read_csv(path)
    assert table["part"].value_counts().to_dict() == {"kept": 3, "left_out": 2, "held_out": 2}
    kept, held_out = read_subset(path, table["label_id"].to_numpy(np.int64))
    assert kept.tolist() == [2, 3, 0]  # in the order of their stages
    assert np.flatnonzero(held_out).tolist() == [5, 6]


def test_coco_has_a_file_and_a_folder_for_each_part(manager, project, curation, tmp_path):
    Certificate.objects.create(run=project.run, content={"bound": 0.04}, sha256="abc")
    record = made(manager, format="coco", with_images=True, curation=curation.pk, part="split")
    assert (record.state, record.rows) == ("done", 9)
    files = coco_files(record, tmp_path)
    expected = {"train": KEPT, "val": HELD_OUT, "left_out": LEFT_OUT, "other": OUTSIDE}
    assert list(files) == [f"annotations/labels_{folder}.json" for folder in expected]
    with zipfile.ZipFile(media_path(record.file_key)) as archive:
        pictures = [name for name in archive.namelist() if name.startswith("images/")]
        assert archive.testzip() is None
    assert pictures == [f"images/{one}/{name}" for one, names in expected.items() for name in names]
    ids: list[int] = []
    for (coco, content), names in zip(files.values(), expected.values(), strict=True):
        assert [one["file_name"] for one in coco.loadImgs(coco.getImgIds())] == names
        assert content["info"]["certificate"] is None
        ids += coco.getImgIds()
    assert len(ids) == len(set(ids)) == 9
    whole = coco_files(made(manager, format="coco"), tmp_path / "whole")
    ((coco, content),) = whole.values()
    assert set(ids) == set(coco.getImgIds())
    assert content["info"]["certificate"]["content"] == {"bound": 0.04}
    assert files["annotations/labels_train.json"][1]["info"]["search"]["id"] == curation.pk


@pytest.mark.parametrize(("part", "place"), [("kept", "train"), ("left_out", "left_out")])
def test_coco_of_one_part_is_one_file(manager, curation, tmp_path, part, place):
    record = made(manager, format="coco", with_images=True, curation=curation.pk, part=part)
    names = KEPT if part == "kept" else LEFT_OUT
    assert record.rows == len(names)
    assert f"-search-{curation.pk}-{part.replace('_', '-')}-coco.zip" in record.file_name
    with zipfile.ZipFile(media_path(record.file_key)) as archive:
        pictures = [f"images/{place}/{name}" for name in names]
        assert archive.namelist() == [f"annotations/labels_{place}.json", *pictures]


def test_a_file_of_a_part_is_a_kind_of_its_own(manager, project, curation, monkeypatch):
    monkeypatch.setattr(exports, "KEPT", 1)
    kinds = [{}, *({"curation": curation.pk, "part": part} for part in export_parts.PARTS)]
    first = [exports.start_export(access=manager, format="csv", **kind) for kind in kinds]
    again = [exports.start_export(access=manager, format="csv", **kind) for kind in kinds]
    assert first == again
    assert Job.objects.count() == len(kinds)
    told = list(AuditLog.objects.order_by("pk").values_list("after", flat=True))
    assert told[:2] == [
        {"with_images": False},
        {"with_images": False, "curation": curation.pk, "part": "kept"},
    ]
    for record in first:
        exports.run_export(record.pk, Control())
    assert Export.objects.filter(state="done").count() == len(kinds)
    newest = made(manager, format="csv", **kinds[1])
    assert set(Export.objects.filter(part="kept")) == {newest}
    assert Export.objects.count() == len(kinds)


def test_what_there_is_not_is_refused_in_words(manager, project, curation, cast):
    other = Project.objects.create(name="other", created_by=cast.manager)
    theirs = curated(other, {0: 1})
    running = curated(project, {0: 1}, state="failed")
    lost = curated(project, {0: 1})
    shutil.rmtree(folder(lost))
    cases = [
        (curation.pk, "half", InvalidInputError),
        (curation.pk, "", InvalidInputError),
        (curation.pk, "held_out", InvalidInputError),
        (None, "kept", NotFoundError),
        (theirs.pk, "kept", NotFoundError),
        (2**63, "kept", NotFoundError),
        (running.pk, "kept", ConflictError),
        (lost.pk, "kept", NotFoundError),
    ]
    for number, part, error in cases:
        with pytest.raises(error):
            exports.start_export(access=manager, format="csv", curation=number, part=part)
        with pytest.raises(error):
            exports.csv_stream(project, number, part)
    assert not Export.objects.exists()


def test_while_the_project_is_open_again_no_part_leaves(manager, project, curation):
    kept = {"curation": curation.pk, "part": "kept"}
    record, waiting = made(manager, format="csv", **kept), made(manager, format="coco", **kept)
    assert finished_export(project, record.pk) == record
    Export.objects.filter(pk=waiting.pk).update(state="waiting")
    Project.objects.filter(pk=project.pk).update(status="running")
    project.refresh_from_db()
    with pytest.raises(ConflictError, match="test set"):
        exports.start_export(access=manager, format="csv", **kept)
    with pytest.raises(ConflictError):
        exports.csv_stream(project, curation.pk, "kept")
    with pytest.raises(ConflictError):
        finished_export(project, record.pk)
    exports.run_export(waiting.pk, Control())
    waiting.refresh_from_db()
    assert (waiting.state, "test set" in waiting.message) == ("failed", True)
    hidden = {view.record.pk: view.hidden for view in export_views(project)}
    assert hidden == {record.pk: "not while the project is open", waiting.pk: ""}
    Project.objects.filter(pk=project.pk).update(status="finished")
    project.refresh_from_db()
    assert finished_export(project, record.pk) == record
    Run.objects.filter(project=project).update(finished=timezone.now())  # T may be another one
    with pytest.raises(ConflictError, match="opened again since"):
        finished_export(project, record.pk)
    assert [bool(view.hidden) for view in export_views(project)] == [False, True]


def test_a_deleted_search_leaves_its_files_and_ends_what_waits(manager, project, curation):
    kept = {"curation": curation.pk, "part": "kept"}
    done = made(manager, format="csv", **kept)
    waiting = exports.start_export(access=manager, format="csv", **kept)
    curation.delete()
    exports.run_export(waiting.pk, Control())
    waiting.refresh_from_db()
    assert (waiting.state, waiting.message) == ("failed", "There is no such search.")
    assert finished_export(project, done.pk).part == "kept"
    job = Job.objects.get(target=waiting.pk)
    Job.objects.update(state="failed")
    with pytest.raises(NotFoundError):
        jobs.retry(access=manager, job_id=job.pk)


def test_doing_it_again_makes_the_same_part(manager, curation):
    record = exports.start_export(
        access=manager, format="coco", with_images=True, curation=curation.pk, part="left_out"
    )
    Export.objects.update(state="failed")
    Job.objects.update(state="failed")
    jobs.retry(access=manager, job_id=Job.objects.get().pk)
    again = Export.objects.exclude(pk=record.pk).get()
    assert (again.curation_id, again.part) == (curation.pk, "left_out")


def test_blocks_and_chunks_meet_and_memory_does_not_grow(project, monkeypatch):
    monkeypatch.setattr(export_parts, "BLOCK", 7)
    monkeypatch.setattr(export_parts, "CHUNK", 3)
    add_images(project, 40)
    ProjectCounter.objects.filter(project=project).update(images=40)
    finish(project)
    parts = {seq: seq % 4 - 1 for seq in range(2, 37) if seq % 5}
    found = export_parts.subsets(project, curated(project, parts).pk, "split")
    wanted = {"kept": (1, 2), "held_out": (-1,), "left_out": (0,)}
    for subset, stages in wanted.items():
        chunks = list(found.chunks(subset))
        assert max(map(len, chunks)) <= 3
        assert [*chain(*chunks)] == [seq for seq in parts if parts[seq] in stages]
        assert found.counts()[subset] == sum(map(len, chunks))
    assert [*chain(*found.chunks(""))] == [seq for seq in range(40) if seq not in parts]
    assert found.counts()[""] == 40 - len(parts)

    monkeypatch.undo()
    n = 2_000_000
    where = folder(found.curation)
    np.save(where / "rows.npy", np.arange(n))
    np.save(where / "part.npy", (np.arange(n) % 2).astype(np.int16))
    np.save(where / "labels.npy", np.zeros(n, dtype=np.int8))
    large = export_parts.of_curation(found.curation)
    tracemalloc.start()
    assert sum(map(len, large.chunks("kept"))) == n // 2
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000
