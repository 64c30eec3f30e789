from __future__ import annotations

import re

import pytest
from django.urls import reverse

from labelapp.models import ProjectCounter


@pytest.fixture
def address(project) -> str:
    return reverse("api_project", args=[project.public_id])


def test_the_list_has_own_projects_only(cast, project, sign_in):
    assert sign_in(cast.outsider).get("/api/v1/projects/").json() == {"ok": True, "projects": []}
    (row,) = sign_in(cast.annotator).get("/api/v1/projects/").json()["projects"]
    assert row == {
        "id": project.public_id,
        "name": "Shapes",
        "status": "setup",
        "role": "annotator",
        "images": 0,
    }


def test_a_project_comes_with_its_classes(cast, project, address, sign_in):
    data = sign_in(cast.annotator).get(address).json()
    assert data["ok"]
    assert data["classes"][1] == {"index": 1, "name": "square", "key": "2", "colour": "#888888"}


def test_archived_classes_are_left_out(cast, project, address, sign_in):
    project.classes.filter(index=0).update(archived=True)
    names = [c["name"] for c in sign_in(cast.annotator).get(address).json()["classes"]]
    assert names == ["square", "star"]


def test_counts_are_for_managers(cast, project, images, address, sign_in):
    ProjectCounter.objects.update(test=3)
    assert sign_in(cast.manager).get(address).json()["counters"]["test"] == 3
    assert sign_in(cast.annotator).get(address).json()["counters"] == {}


def test_outsiders_get_the_one_error_shape(cast, address, sign_in):
    answer = sign_in(cast.outsider).get(address)
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
    assert answer.json()["ok"] is False


def test_without_a_session_the_api_says_so(client, address):
    answer = client.get(address)
    assert answer.status_code == 403
    assert answer.json()["code"] == "not_authenticated"


def test_the_description_names_every_address(cast, sign_in):
    schema = sign_in(cast.owner).get("/api/v1/schema/?format=json").json()
    assert "/api/v1/projects/{pid}/" in schema["paths"]
    assert "/api/v1/projects/{pid}/answers/" in schema["paths"]


def test_the_docs_have_no_inline_script_or_style(cast, sign_in):
    page = sign_in(cast.owner).get("/api/v1/docs/").text
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert "http://" not in page.replace("http://testserver", "")


def test_the_docs_start_from_a_script_of_our_own(cast, sign_in):
    answer = sign_in(cast.owner).get("/api/v1/docs/?script=")
    assert answer.headers["Content-Type"] == "application/javascript"
    assert "SwaggerUIBundle" in answer.text
