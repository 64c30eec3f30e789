"""The labelling page as the server renders it."""

from __future__ import annotations

import json
import re

import pytest
from django.test import Client

from labelapp.models import Guideline, GuidelineEntry, LabelClass


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
        assert f'<kbd class="kbd">{index + 1}</kbd><span class="label-class-name">{name}' in page


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


def test_a_project_with_more_classes_than_keys_has_a_field_to_find_them(ann, project):
    assert b'id="filter"' not in ann.get(address(project)).content
    LabelClass.objects.bulk_create(
        LabelClass(project=project, index=index, name=f"kind {index}") for index in range(3, 40)
    )
    assert b'id="filter"' in ann.get(address(project)).content


def test_the_guidelines_key_moves_where_a_class_has_the_g(ann, project):
    assert "⇧G" not in ann.get(address(project)).content.decode()
    project.classes.filter(index=0).update(key="g")
    assert "⇧G" in ann.get(address(project)).content.decode()


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
