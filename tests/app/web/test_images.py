"""The page of a project's images, and the images themselves."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from labelapp.formats.pictures import THUMB_SIDE, decode
from labelapp.models import Image, Import, ImportProblem
from labelapp.selectors.projects import access
from labelapp.services import imports
from tests.app.conftest import add_images
from tests.app.pictures import jpeg, make_zip, png
from tests.app.web.fetching import fetch


class Control:
    def tick(self, progress=None, message="", seconds_left=None):
        pass


@pytest.fixture
def page(project):
    return reverse("project_images", args=[project.public_id])


@pytest.fixture
def manager(cast, sign_in):
    return sign_in(cast.manager)


@pytest.fixture
def taken(cast, project, tmp_path):
    """A project with two real images and one rejected file."""
    path = make_zip(
        tmp_path / "a.zip", {"d/small.png": png(1), "large.jpg": jpeg(2, (1500, 900)), "x": b"x"}
    )
    record = imports.start_import(
        access=access(cast.manager, project.public_id),
        kind="zip",
        files=[SimpleUploadedFile("a.zip", path.read_bytes())],
    )
    imports.run_import(record.pk, Control())
    return record


def url(name: str, project, *args: object) -> str:
    return reverse(name, args=[project.public_id, *args])


def test_an_empty_project_says_what_to_do(manager, page):
    text = manager.get(page).content.decode()
    assert "No images yet" in text
    assert 'type="file"' in text
    assert "style=" not in text


def test_the_page_shows_imports_and_images(manager, page, project, taken):
    text = manager.get(page).content.decode()
    assert "2 new, 0 duplicates, 1 rejected" in text
    assert url("image_display", project, 0) in text
    assert "d/small.png" in text


def test_the_page_asks_again_only_while_an_import_is_live(manager, page, taken):
    assert "every 1s" not in manager.get(page).content.decode()
    Import.objects.update(state="running")
    text = manager.get(page).content.decode()
    assert "every 1s" in text
    assert "No worker is running" in text


def test_the_fragment_tells_the_gallery_when_images_came_in(manager, project, taken):
    response = manager.get(url("images_imports", project))
    assert response["HX-Trigger"] == "images-changed"
    assert b"<html" not in response.content


def test_the_gallery_has_pages_of_sixty(manager, project):
    add_images(project, 130)
    text = manager.get(url("images_gallery", project), {"from": "60"}).content.decode()
    assert text.count("<img") == 60
    assert "Images 61 to 120" in text
    assert "from=120" in text
    assert "from=0" in text


@pytest.mark.parametrize("start", ["-1", "x", "9" * 40])
def test_a_nonsense_start_of_the_gallery_is_the_beginning(manager, project, start):
    add_images(project, 3)
    assert b"Images 1 to 3" in manager.get(url("images_gallery", project), {"from": start}).content


def test_once_the_run_has_begun_the_page_says_what_new_images_mean(manager, page, batch):
    text = manager.get(page).content.decode()
    assert "New images join the pool" in text
    assert "upload-form" in text


def test_while_people_label_the_rest_the_page_has_no_form(manager, page, batch):
    batch.run.state = {"state": {"phase": "residual"}}
    batch.run.save()
    text = manager.get(page).content.decode()
    assert "people label the rest" in text
    assert "upload-form" not in text


def test_names_of_files_are_escaped(manager, page, project):
    add_images(project, 1)
    Image.objects.update(name="<script>alert(1)</script>.png")
    assert b"<script>alert" not in manager.get(page).content


# --- problems ----------------------------------------------------------------------------------


def test_problems_are_listed_with_reason_and_code(manager, project, taken):
    text = manager.get(url("import_problems", project, taken.pk)).content.decode()
    assert "not_an_image" in text
    assert "This is not a JPEG" in text


def test_problems_come_in_pages(manager, project, taken):
    ImportProblem.objects.bulk_create(
        ImportProblem(record=taken, name=f"{i}.png", code="corrupt_image", message="x")
        for i in range(120)
    )
    text = manager.get(url("import_problems", project, taken.pk), {"page": "3"}).content.decode()
    assert "Page 3 of 3" in text
    assert text.count("corrupt_image") == 21


def test_problems_of_another_project_are_not_found(manager, project, taken):
    assert manager.get(url("import_problems", project, taken.pk + 1)).status_code == 404


# --- one image ---------------------------------------------------------------------------------


def test_an_annotator_gets_the_display_copy_cached_for_ever(cast, sign_in, project, taken):
    response = sign_in(cast.annotator).get(url("image_display", project, 0))
    assert response.status_code == 200
    assert response["Content-Type"] == "image/png"
    assert response["Cache-Control"] == "private, max-age=31536000, immutable"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response.content.startswith(b"\x89PNG")


def test_grids_get_a_small_copy_made_once(cast, sign_in, project, taken, settings):
    client, address = sign_in(cast.annotator), url("image_thumb", project, 1)
    first, again = client.get(address), client.get(address)
    assert first["Content-Type"] == "image/webp"
    assert first["Cache-Control"] == "private, max-age=31536000, immutable"
    assert max(decode(first.content, max_pixels=10**6).size) == THUMB_SIDE
    assert again.content == first.content
    (made,) = Path(settings.MEDIA_ROOT).glob(f"projects/{project.public_id}/thumb/*/*.webp")
    assert made.read_bytes() == first.content
    assert client.get(address, headers={"If-None-Match": first["ETag"]}).status_code == 304


def test_the_small_copy_of_a_tiny_image_is_its_display_copy(cast, sign_in, project, taken):
    client = sign_in(cast.annotator)
    small = client.get(url("image_thumb", project, 0))
    assert small["Content-Type"] == "image/png"
    assert small.content == client.get(url("image_display", project, 0)).content


def test_a_small_copy_without_its_image_is_missing(cast, sign_in, project, taken, settings):
    shutil.rmtree(Path(settings.MEDIA_ROOT) / "projects" / project.public_id / "display")
    for seq in (0, 1, 2):
        assert sign_in(cast.annotator).get(url("image_thumb", project, seq)).status_code == 404


def test_a_large_image_is_shown_as_webp(cast, sign_in, project, taken):
    response = sign_in(cast.annotator).get(url("image_display", project, 1))
    assert response["Content-Type"] == "image/webp"
    assert response.content[8:12] == b"WEBP"


def test_an_unchanged_image_is_not_sent_again(cast, sign_in, project, taken):
    client = sign_in(cast.annotator)
    etag = client.get(url("image_display", project, 0))["ETag"]
    response = client.get(url("image_display", project, 0), headers={"If-None-Match": etag})
    assert (response.status_code, response.content) == (304, b"")


def test_showing_an_image_costs_one_query_beside_the_session(
    cast, sign_in, project, taken, django_assert_num_queries
):
    client = sign_in(cast.annotator)
    with django_assert_num_queries(3):  # session, person, image
        client.get(url("image_display", project, 0))


def test_an_image_that_is_not_there_is_not_found(cast, sign_in, project, taken):
    client = sign_in(cast.annotator)
    for seq in (2, 2**31, 10**30):
        assert client.get(url("image_display", project, seq)).status_code == 404


def test_a_lost_file_is_not_found_and_not_an_error(cast, sign_in, project):
    add_images(project, 1)
    assert sign_in(cast.annotator).get(url("image_display", project, 0)).status_code == 404


def test_the_original_is_a_download_and_never_shown(manager, project, taken):
    response, body = fetch(manager, url("image_original", project, 1))
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"] == 'attachment; filename="large.jpg"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert body == jpeg(2, (1500, 900))


def test_annotators_do_not_get_originals_or_the_page(cast, sign_in, project, taken, page):
    client = sign_in(cast.annotator)
    assert client.get(url("image_original", project, 0)).status_code == 403
    assert client.get(page).status_code == 403


def test_the_role_that_counts_is_ones_own(cast, sign_in, project, taken):
    other = sign_in(cast.second_annotator)
    assert other.get(url("image_original", project, 0)).status_code == 403
    assert fetch(sign_in(cast.owner), url("image_original", project, 0))[0].status_code == 200


def test_images_of_a_deleted_project_are_gone_at_once(cast, sign_in, project, taken):
    project.status = "deleting"
    project.save(update_fields=["status"])
    assert sign_in(cast.annotator).get(url("image_display", project, 0)).status_code == 404


# --- steering ----------------------------------------------------------------------------------


def test_a_folder_outside_is_refused_with_words(manager, page, project, settings, tmp_path):
    settings.IMPORT_ROOT = str(tmp_path)
    response = manager.post(url("images_folder", project), {"folder": "../.."}, follow=True)
    assert "no such folder below the import folder" in response.content.decode()
    assert not Import.objects.exists()


def test_a_folder_of_the_server_can_be_imported(manager, project, settings, tmp_path):
    (tmp_path / "in").mkdir()
    settings.IMPORT_ROOT = str(tmp_path)
    manager.post(url("images_folder", project), {"folder": "in"})
    assert Import.objects.get().kind == "folder"


def test_cancel_and_continue_are_buttons(manager, project, taken):
    Import.objects.update(state="failed")
    manager.post(url("import_continue", project, taken.pk))
    assert Import.objects.get().state == "waiting"
    manager.post(url("import_cancel", project, taken.pk))
    assert Import.objects.get().state == "cancelled"


# --- outsiders ---------------------------------------------------------------------------------

GETS = [
    ("project_images", ()),
    ("images_imports", ()),
    ("images_gallery", ()),
    ("import_problems", (1,)),
    ("image_display", (0,)),
    ("image_thumb", (0,)),
    ("image_original", (0,)),
]
POSTS = [
    ("images_folder", ()),
    ("import_cancel", (1,)),
    ("import_continue", (1,)),
    ("images_upload", ()),
    ("upload_open", ()),
    ("upload_files", (1,)),
    ("upload_piece", (1,)),
    ("upload_finish", (1,)),
]


@pytest.mark.parametrize(("name", "args"), GETS)
def test_outsiders_find_nothing(cast, sign_in, project, taken, name, args):
    assert sign_in(cast.outsider).get(url(name, project, *args)).status_code == 404


@pytest.mark.parametrize(("name", "args"), POSTS)
def test_outsiders_change_nothing(cast, sign_in, project, taken, name, args):
    assert sign_in(cast.outsider).post(url(name, project, *args)).status_code == 404
    assert Import.objects.get().state == "done"


@pytest.mark.parametrize(("name", "args"), POSTS)
def test_annotators_may_not_import(cast, sign_in, project, taken, name, args):
    assert sign_in(cast.annotator).post(url(name, project, *args)).status_code == 403


@pytest.mark.parametrize(("name", "args"), GETS)
def test_strangers_are_sent_to_the_sign_in(client, project, taken, name, args):
    response = client.get(url(name, project, *args))
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")
