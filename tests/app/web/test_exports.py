"""The page of a project's exports, and the downloads."""

from __future__ import annotations

import csv
import io
import json
import os
import tracemalloc

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient
from django.urls import reverse

from labelapp.models import AuditCommitment, Certificate, Export
from labelapp.selectors.projects import access
from labelapp.services import exports
from labelapp.services.image_files import media_path
from tests.app.conftest import add_images
from tests.app.golden import finish, golden
from tests.app.web.fetching import fetch


class Control:
    def tick(self, progress=None, message="", seconds_left=None):
        pass


@pytest.fixture
def manager(cast, sign_in):
    return sign_in(cast.manager)


@pytest.fixture
def images(cast, project):
    return golden(project, cast.annotator, cast.second_annotator)


@pytest.fixture
def made(cast, project, images) -> Export:
    record = exports.start_export(access=access(cast.manager, project.public_id), format="csv")
    exports.run_export(record.pk, Control())
    record.refresh_from_db()
    return record


def url(name: str, project, *args: object) -> str:
    return reverse(name, args=[project.public_id, *args])


def test_the_page_counts_what_an_export_would_hold(manager, project, images):
    text = manager.get(url("project_export", project)).content.decode()
    assert "5 by people" in text
    assert "2 by the machine" in text
    assert "1 without a label" in text
    assert "The run has not finished" in text
    assert "style=" not in text


def test_a_button_has_a_file_made(manager, project, images):
    data = {"format": "coco", "with_images": "1"}
    response = manager.post(url("project_export", project), data, follow=True)
    assert "COCO with images" in response.content.decode()
    assert "every 1s" in response.content.decode()
    record = Export.objects.get()
    assert (record.format, record.with_images, record.state) == ("coco", True, "waiting")


def test_a_format_that_is_not_there_is_answered_with_words(manager, project):
    response = manager.post(url("project_export", project), {"format": "xml"}, follow=True)
    assert "no such format" in response.content.decode()


def test_a_finished_file_has_its_download(manager, project, made):
    text = manager.get(url("export_files", project)).content.decode()
    assert url("export_download", project, made.pk) in text
    assert "every 1s" not in text


def test_a_file_is_downloaded_whole(manager, project, made):
    response, body = fetch(manager, url("export_download", project, made.pk))
    assert body == media_path(made.file_key).read_bytes()
    assert response.status_code == 200
    assert response["Content-Length"] == str(len(body))
    assert response["Content-Disposition"] == f'attachment; filename="{made.file_name}"'
    assert response["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=5-", 5, None),
        ("bytes=-7", -7, None),
        ("bytes=3-99999", 3, None),
    ],
)
def test_a_part_of_a_file_can_be_asked_for(manager, project, made, asked, start, end):
    whole = media_path(made.file_key).read_bytes()
    response, body = fetch(manager, url("export_download", project, made.pk), Range=asked)
    assert (response.status_code, body) == (206, whole[start:end])
    first = start % len(whole)
    assert response["Content-Range"] == f"bytes {first}-{first + len(body) - 1}/{len(whole)}"


@pytest.mark.parametrize("asked", ["bytes=99999-", "bytes=-0", "bytes=5-3"])
def test_a_part_outside_the_file_is_refused(manager, project, made, asked):
    response, body = fetch(manager, url("export_download", project, made.pk), Range=asked)
    assert (response.status_code, body) == (416, b"")


@pytest.mark.parametrize("asked", ["bytes=-", "lines=1-2", "bytes=0-1,4-5", "nonsense"])
def test_a_range_that_nobody_understands_gives_the_whole_file(manager, project, made, asked):
    response, _ = fetch(manager, url("export_download", project, made.pk), Range=asked)
    assert response.status_code == 200


def test_a_download_of_a_changed_file_begins_anew(manager, project, made):
    response, _ = fetch(
        manager,
        url("export_download", project, made.pk),
        **{"Range": "bytes=5-", "If-Range": '"older"'},
    )
    assert response.status_code == 200


def test_a_large_download_takes_little_memory(manager, project, made):
    path = media_path(made.file_key)
    os.truncate(path, 60_000_000)

    async def total() -> int:
        client = AsyncClient()
        client.cookies = manager.cookies
        response = await client.get(url("export_download", project, made.pk))
        return sum([len(piece) async for piece in response.streaming_content])

    async_to_sync(total)()
    tracemalloc.start()
    assert async_to_sync(total)() == 60_000_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000


def test_a_file_that_was_removed_is_not_found(manager, project, made):
    media_path(made.file_key).unlink()
    assert manager.get(url("export_download", project, made.pk)).status_code == 404


def test_a_file_that_is_not_ready_is_not_found(manager, project, made):
    Export.objects.update(state="running")
    assert manager.get(url("export_download", project, made.pk)).status_code == 404


def test_the_csv_comes_at_once_without_a_worker(manager, project, images):
    response, body = fetch(manager, url("export_csv", project))
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].endswith('-labels.csv"')
    assert len(list(csv.DictReader(io.StringIO(body.decode())))) == 9


def test_the_csv_of_many_images_is_sent_in_pieces(manager, project):
    add_images(project, 2500)
    _, body = fetch(manager, url("export_csv", project))
    assert body.count(b"\n") == 2501


def test_the_certificate_is_a_download_once_the_run_has_finished(manager, project, images):
    Certificate.objects.create(run=project.run, content={"bound": 0.04}, sha256="abc")
    assert manager.get(url("export_certificate", project)).status_code == 404
    finish(project)
    response = manager.get(url("export_certificate", project))
    assert json.loads(response.content)["content"] == {"bound": 0.04}
    assert json.loads(response.content)["sha256"] == "abc"
    assert "attachment" in response["Content-Disposition"]
    assert (
        url("export_certificate", project)
        in manager.get(url("project_export", project)).content.decode()
    )


def test_an_audited_certificate_says_what_was_committed_to_and_how_to_check_it(
    manager, project, images
):
    entry = {"item": 3, "order": 0, "machine": 1, "uncertainty": 0.1, "answer": 1}
    content = {"kind": "audit", "audited": [entry, entry]}
    Certificate.objects.create(run=project.run, content=content, sha256="abc")
    AuditCommitment.objects.create(run=project.run, model="m", content={"key": "k"}, sha256="s")
    finish(project)
    file = json.loads(manager.get(url("export_certificate", project)).content)
    assert file["content"]["audited"] == [entry, entry]
    assert [row["content"] for row in file["commitments"]] == [{"key": "k"}]
    page = manager.get(url("project_export", project)).content.decode()
    assert "all 2 images that people checked" in page
    assert "python -m mcal_engine verify certificate.json labels.csv" in page


ADDRESSES = [
    ("project_export", ()),
    ("export_files", ()),
    ("export_csv", ()),
    ("export_certificate", ()),
    ("export_download", (1,)),
]


@pytest.mark.parametrize(("name", "args"), ADDRESSES)
def test_outsiders_find_nothing(cast, sign_in, project, made, name, args):
    assert sign_in(cast.outsider).get(url(name, project, *args)).status_code == 404


@pytest.mark.parametrize(("name", "args"), ADDRESSES)
def test_annotators_may_not_export(cast, sign_in, project, made, name, args):
    assert sign_in(cast.annotator).get(url(name, project, *args)).status_code == 403


def test_outsiders_have_no_file_made(cast, sign_in, project):
    client = sign_in(cast.outsider)
    assert client.post(url("project_export", project), {"format": "csv"}).status_code == 404
    assert not Export.objects.exists()
