"""Uploads: one plain form, or many small requests."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from labelapp.models import Import
from labelapp.services.import_sources import upload_folder
from tests.app.pictures import make_zip, png

JSON = {"Accept": "application/json"}


@pytest.fixture
def send(cast, sign_in, project):
    """POST to one of the upload's addresses, as the manager's browser."""
    client = sign_in(cast.manager)

    def post(name: str, *args: object, data=None, query: str = "", **options):
        url = reverse(name, args=[project.public_id, *args]) + query
        return client.post(url, data or {}, headers=JSON, **options)

    return post


def file(name: str = "a.png", data: bytes = b"") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data or png(1))


def opened(send, kind: str) -> int:
    return send("upload_open", data={"kind": kind}).json()["id"]


def test_a_plain_form_with_images_makes_one_import(send):
    response = send("images_upload", data={"files": [file("a.png"), file("b.png", png(2))]})
    assert response.status_code == 302
    record = Import.objects.get()
    assert (record.kind, record.state, record.total) == ("files", "waiting", 2)


def test_a_plain_form_with_zips_and_images_makes_an_import_of_each(send, tmp_path):
    data = make_zip(tmp_path / "a.zip", {"1.png": png(1)}).read_bytes()
    send("images_upload", data={"files": [file("a.ZIP", data), file("b.zip", data), file()]})
    assert sorted(Import.objects.values_list("kind", flat=True)) == ["files", "zip", "zip"]


def test_a_bad_zip_in_the_plain_form_is_answered_with_words(cast, sign_in, project):
    response = sign_in(cast.manager).post(
        reverse("images_upload", args=[project.public_id]),
        {"files": [file("a.zip", b"nothing")]},
        follow=True,
    )
    assert "not a zip archive" in response.content.decode()
    assert "<code>bad_archive</code>" in response.content.decode()


def test_a_form_without_files_is_answered_with_words(cast, sign_in, project):
    response = sign_in(cast.manager).post(
        reverse("images_upload", args=[project.public_id]), follow=True
    )
    assert "Choose at least one file" in response.content.decode()


def test_files_come_with_positions_and_paths(send):
    number = opened(send, "files")
    data = {
        "files": [file("x.png"), file("x.png", png(2))],
        "positions": ["0", "1"],
        "paths": ["cat/x.png", "dog/x.png"],
    }
    assert send("upload_files", number, data=data).json() == {"ok": True, "files": 2}
    answer = send("upload_finish", number, data={"expected": "2"})
    assert answer.json() == {"ok": True, "id": number}
    assert Import.objects.get().state == "waiting"


def test_files_without_their_positions_are_refused(send):
    answer = send("upload_files", opened(send, "files"), data={"files": [file()]})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")


@pytest.mark.parametrize("position", ["-1", "x", "", "9" * 30])
def test_a_nonsense_position_is_refused(send, position):
    data = {"files": [file()], "positions": [position], "paths": ["a.png"]}
    assert send("upload_files", opened(send, "files"), data=data).status_code == 400


def test_a_zip_comes_in_pieces(send, tmp_path):
    data = make_zip(tmp_path / "a.zip", {"1.png": png(1)}).read_bytes()
    number = opened(send, "zip")
    for offset in range(0, len(data), 100):
        answer = send(
            "upload_piece",
            number,
            data=data[offset : offset + 100],
            query=f"?offset={offset}",
            content_type="application/octet-stream",
        )
    assert answer.json() == {"ok": True, "have": len(data)}
    assert send("upload_finish", number, data={"expected": str(len(data))}).status_code == 200
    assert (upload_folder(number) / "archive.zip").read_bytes() == data


def test_an_incomplete_upload_is_not_finished(send):
    answer = send("upload_finish", opened(send, "files"), data={"expected": "3"})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert answer.json()["fields"] == {"have": 0, "expected": 3}


def test_a_zip_with_paths_that_lead_outside_is_refused_with_its_code(send, tmp_path):
    data = make_zip(tmp_path / "a.zip", {"../1.png": png(1)}).read_bytes()
    number = opened(send, "zip")
    send("upload_piece", number, data=data, query="?offset=0", content_type="x/y")
    answer = send("upload_finish", number, data={"expected": str(len(data))})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_archive")
    assert Import.objects.get().state == "failed"


def test_an_unknown_kind_is_refused(send):
    assert send("upload_open", data={"kind": "tape"}).status_code == 400


def test_an_upload_of_another_project_is_not_found(send):
    assert send("upload_finish", 10**6, data={"expected": "0"}).status_code == 404


def test_uploads_need_the_csrf_token(cast, project):
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.manager, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post(reverse("upload_open", args=[project.public_id]), {"kind": "zip"})
    assert answer.status_code == 403
    assert not Import.objects.exists()


def test_a_piece_larger_than_a_request_may_be_is_refused_with_its_code(send, settings):
    number = opened(send, "zip")
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    octets = {"content_type": "application/octet-stream", "query": "?offset=0"}
    answer = send("upload_piece", number, data=b"x" * 1001, **octets)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert not (upload_folder(number) / "archive.zip").exists()


def test_a_zip_of_which_nothing_was_sent_is_refused_with_its_code(send):
    number = opened(send, "zip")
    answer = send("upload_finish", number, data={"expected": "0"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_archive")
    assert Import.objects.get().state == "failed"
