"""The pages of the grids, as the server sends them."""

from __future__ import annotations

import json
import re

import pytest
from django.urls import reverse

from labelapp.models import LabelClass, Project

PAGES = ["project_grid", "project_verify"]


def get(client, project, name: str):
    return client.get(reverse(name, args=[project.public_id]))


def setup_of(text: str) -> dict:
    return json.loads(re.search(r'id="label-setup"[^>]*>(.*?)</script>', text, re.DOTALL)[1])


@pytest.mark.parametrize("name", PAGES)
def test_whoever_labels_sees_the_page(name, project, cast, sign_in):
    for user in (cast.annotator, cast.manager, cast.owner):
        response = get(sign_in(user), project, name)
        assert response.status_code == 200
        text = response.content.decode()
        assert {"circle", "square", "star"} <= {c["name"] for c in setup_of(text)["classes"]}
        assert "style=" not in text


@pytest.mark.parametrize("name", PAGES)
def test_strangers_sign_in_first(name, project, client):
    response = get(client, project, name)
    assert response.status_code == 302
    assert "login" in response["Location"]


@pytest.mark.parametrize("name", PAGES)
def test_the_setup_names_every_address_that_the_script_asks(name, project, cast, sign_in):
    text = get(sign_in(cast.annotator), project, name).content.decode()
    urls = setup_of(text)["urls"]
    assert urls["similar"] == reverse("api_similar", args=[project.public_id])
    assert urls["verify"] == reverse("api_verify", args=[project.public_id])
    assert urls["signIn"].endswith(reverse(name, args=[project.public_id]))


@pytest.mark.parametrize("name", ["project_label", *PAGES])
def test_the_three_ways_to_label_lead_to_each_other(name, project, cast, sign_in):
    text = get(sign_in(cast.annotator), project, name).content.decode()
    for other in ("project_label", *PAGES):
        assert f'href="{reverse(other, args=[project.public_id])}"' in text
    assert text.count('aria-current="page"') >= 1


def test_without_predictions_nothing_leads_to_verifying(project, cast, sign_in):
    Project.objects.update(predictions=False)
    text = get(sign_in(cast.annotator), project, "project_grid").content.decode()
    assert reverse("project_verify", args=[project.public_id]) not in text


def test_archived_classes_are_not_offered(project, cast, sign_in):
    project.classes.filter(name="star").update(archived=True)
    text = get(sign_in(cast.annotator), project, "project_grid").content.decode()
    assert [c["name"] for c in setup_of(text)["classes"]] == ["circle", "square"]


@pytest.mark.parametrize(("count", "found"), [(3, False), (12, True), (300, True)])
def test_many_classes_are_found_by_typing(project, cast, sign_in, count, found):
    for index in range(3, count):
        LabelClass.objects.create(project=project, index=index, name=f"صنف {index} 🐈")
    text = get(sign_in(cast.annotator), project, "project_grid").content.decode()
    assert ('data-action="palette"' in text) is found
    assert 'id="palette"' in text
