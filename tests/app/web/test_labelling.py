"""The labelling page as the server renders it."""

from __future__ import annotations

import json
import re
from uuid import uuid4

import pytest
from django.test import Client

from labelapp.models import Answer, Guideline, GuidelineEntry, LabelClass, Task
from labelapp.services.image_files import media_path


@pytest.fixture
def ann(sign_in, cast, project) -> Client:
    return sign_in(cast.annotator)


def address(project, rest: str = "") -> str:
    return f"/p/{project.public_id}/label/{rest}"


def setup_of(reply) -> dict:
    found = re.search(r'<script id="label-setup"[^>]*>(.*?)</script>', reply.content.decode())
    return json.loads(found.group(1))


def test_each_class_has_a_button_with_its_key(ann, project):
    page = ann.get(address(project)).content.decode()
    for index, name in enumerate(["circle", "square", "star"]):
        assert f'data-class="{index}"' in page
        key = f'<kbd class="kbd" data-key-of="class:{index}">{index + 1}</kbd>'
        assert f'{key}<span class="label-class-name" dir="auto">{name}' in page


@pytest.mark.parametrize("page", ["label", "grid"])
@pytest.mark.parametrize(
    ("overlap", "words"), [(1, "left in this batch"), (2, "answers left in this batch")]
)
def test_the_page_says_what_it_counts(ann, project, page, overlap, words):
    type(project).objects.update(overlap=overlap)
    text = ann.get(f"/p/{project.public_id}/{page}/").content.decode()
    found = re.search(r'<strong id="left">.</strong> (?:<span class="label-long">)?([^<]*)<', text)
    assert found.group(1) == words


def test_archived_classes_have_no_button(ann, project):
    project.classes.filter(index=2).update(archived=True)
    assert "star" not in ann.get(address(project)).content.decode()


def test_a_class_name_cannot_break_out_of_the_page(ann, project):
    project.classes.filter(index=0).update(name="</script><script>alert(1)</script>")
    page = ann.get(address(project))
    assert "<script>alert(1)" not in page.content.decode()
    assert setup_of(page)["classes"][0]["name"] == "</script><script>alert(1)</script>"


def test_the_page_sets_the_csrf_cookie(ann, project):
    assert ann.get(address(project)).cookies["csrftoken"].value


def test_the_script_learns_who_is_signed_in_and_which_guidelines_hold(ann, cast, project):
    Guideline.objects.create(project=project, version=4, text="Look closely.")
    known = setup_of(ann.get(address(project)))
    assert (known["user"], known["project"]) == (cast.annotator.pk, project.public_id)
    assert known["guidelineVersion"] == 4
    assert known["urls"]["answers"] == f"/api/v1/projects/{project.public_id}/answers/"


def more_classes(project, count: int) -> None:
    LabelClass.objects.bulk_create(
        LabelClass(project=project, index=index, name=f"kind {index}", key="a")
        for index in range(3, count)
    )


def test_many_classes_are_found_by_typing(ann, project):
    assert b'data-action="palette"' not in ann.get(address(project)).content
    more_classes(project, 11)
    page = ann.get(address(project)).content.decode()
    assert 'data-action="palette"' in page
    assert 'role="combobox"' in page


def test_beyond_36_classes_no_button_has_a_key(ann, project):
    more_classes(project, 37)
    page = ann.get(address(project)).content.decode()
    assert page.count('<kbd class="kbd" data-key-of="class:') == 37
    assert page.count(" hidden>1</kbd>") == 1


def answered(batch, user, image, index: int) -> None:
    """Let this person have answered an image of the batch with a class."""
    project = batch.project
    Answer.objects.create(
        id=uuid4(),
        task=Task.objects.get(batch=batch, image=image),
        batch=batch,
        project=project,
        image=image,
        user=user,
        kind="class",
        label_class=project.classes.get(index=index),
    )


def buttons(reply) -> list[int]:
    return [int(n) for n in re.findall(r'data-class="(\d+)"', reply.content.decode())]


def test_beyond_36_classes_the_ones_that_the_person_uses_most_come_first(ann, cast, batch, images):
    more_classes(batch.project, 40)
    for image, index in zip(images, [30, 7, 30], strict=False):
        answered(batch, cast.annotator, image, index)
    answered(batch, cast.owner, images[3], 9)  # somebody else's choice says nothing here
    reply = ann.get(address(batch.project))
    assert buttons(reply) == [30, 7, *(n for n in range(40) if n not in {30, 7})]
    assert [one["index"] for one in setup_of(reply)["classes"]] == [*range(40)]


def test_classes_with_keys_keep_their_order(ann, cast, batch, images):
    more_classes(batch.project, 36)
    answered(batch, cast.annotator, images[0], 30)
    assert buttons(ann.get(address(batch.project))) == [*range(36)]


def test_the_script_learns_the_aliases_and_the_persons_own_keys(ann, cast, project):
    project.classes.filter(index=0).update(aliases=["ring"])
    cast.annotator.key_map = {"*": {"action:skip": "x"}, "elsewhere": {"class:0": "q"}}
    cast.annotator.save(update_fields=["key_map"])
    known = setup_of(ann.get(address(project)))
    assert known["classes"][0]["aliases"] == ["ring"]
    assert known["keyMap"] == {"*": {"action:skip": "x"}}


def test_guesses_have_a_place_only_where_predictions_are_allowed(ann, project):
    assert b'id="suggestions"' in ann.get(address(project)).content
    project.predictions = False
    project.save(update_fields=["predictions"])
    assert b'id="suggestions"' not in ann.get(address(project)).content


def test_the_guidelines_panel_shows_texts_and_examples(ann, project, images):
    guideline = Guideline.objects.create(project=project, version=1, text="Only whole shapes.")
    circle = project.classes.get(index=0)
    entry = GuidelineEntry.objects.create(
        guideline=guideline, label_class=circle, text="<b>Round</b>"
    )
    entry.examples.add(images[3])
    panel = ann.get(address(project, "guidelines/")).content.decode()
    assert "Only whole shapes." in panel
    assert "&lt;b&gt;Round&lt;/b&gt;" in panel
    assert f"/p/{project.public_id}/images/3/display/" in panel
    assert "square" not in panel


def test_without_guidelines_the_panel_says_what_to_do(ann, project):
    panel = ann.get(address(project, "guidelines/")).content.decode()
    assert "Nobody has written guidelines" in panel


@pytest.mark.parametrize("rest", ["", "guidelines/"])
def test_outsiders_see_nothing(sign_in, cast, project, rest):
    assert sign_in(cast.outsider).get(address(project, rest)).status_code == 404


@pytest.mark.parametrize("rest", ["", "guidelines/"])
def test_visitors_are_sent_to_the_sign_in(project, rest):
    reply = Client().get(address(project, rest))
    assert (reply.status_code, reply.url.split("?")[0]) == (302, "/accounts/login/")


@pytest.mark.parametrize("rest", ["", "guidelines/"])
def test_the_pages_only_read(ann, project, rest):
    assert ann.post(address(project, rest)).status_code == 405


PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 40
KINDS = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0" + b"x" * 40,
    "image/gif": b"GIF89a" + b"x" * 40,
    "image/webp": b"RIFF\x00\x00\x00\x00WEBP" + b"x" * 40,
}


def full(project) -> str:
    return f"/p/{project.public_id}/images/0/full/"


def write_original(images, content: bytes) -> None:
    path = media_path(images[0].original_key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize("kind", KINDS)
def test_the_original_is_shown_as_the_kind_that_its_bytes_are(ann, project, images, kind):
    write_original(images, KINDS[kind])
    reply = ann.get(full(project))
    assert (reply.status_code, reply["Content-Type"]) == (200, kind)
    assert (reply["X-Content-Type-Options"], reply["Content-Disposition"]) == ("nosniff", "inline")
    assert "sandbox" in reply["Content-Security-Policy"]


@pytest.mark.parametrize("content", [b"<html><script>", b"", b"<svg onload=x>", b"II*\x00TIFF"])
def test_other_kinds_are_never_shown(ann, project, images, content):
    write_original(images, content)
    assert ann.get(full(project)).status_code == 404


def test_an_original_that_vanished_is_not_found(ann, project, images):
    assert ann.get(full(project)).status_code == 404


def test_outsiders_see_no_original(sign_in, cast, project, images):
    write_original(images, PNG)
    assert sign_in(cast.outsider).get(full(project)).status_code == 404
