"""The export page and the API where a search for the best training set has ended."""

from __future__ import annotations

import csv
import io
import re
import shutil

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from labelapp.models import Export, Project
from labelapp.selectors.curations import folder
from labelapp.services import tokens
from tests.app.curated import curated
from tests.app.golden import finish, golden
from tests.app.web.fetching import fetch

PARTS = {0: 2, 1: 0, 2: 1, 3: 1, 4: 0, 5: -1, 6: -1}


@pytest.fixture
def manager(cast, sign_in):
    return sign_in(cast.manager)


@pytest.fixture
def curation(cast, project):
    golden(project, cast.annotator, cast.second_annotator)
    finish(project)
    return curated(project, PARTS)


def page(client, project, query="") -> str:
    return client.get(reverse("project_export", args=[project.public_id]) + query).content.decode()


def test_the_page_offers_the_parts_with_their_counts(manager, project, curation):
    text = page(manager, project)
    asked = f"?curation={curation.pk}&amp;part="
    for part, words, images in (
        ("kept", "Only what it kept", 3),
        ("left_out", "Only what it left out", 2),
        ("split", "All, with their parts", 8),
    ):
        assert f'{asked}{part}">{words} <span class="muted">{images}<' in text
    assert 'aria-current="true">All images' in text
    chosen = page(manager, project, f"?curation={curation.pk}&part=split")
    assert 'aria-current="true">All, with their parts' in chosen
    assert f"/export/labels.csv{asked}split" in chosen
    assert chosen.count('name="part" value="split"') == 2
    assert "1 image took no part in the search" in chosen
    assert "style=" not in chosen


def test_counting_the_parts_reads_no_row_of_an_image(manager, project, curation):
    def reads() -> list[str]:
        with CaptureQueriesContext(connection) as seen:
            page(manager, project)
        return [one["sql"] for one in seen if re.search("labelapp_(image|label)[a-z]*", one["sql"])]

    page(manager, project)  # what is cached after the first time
    with_parts = len(reads())
    curation.delete()
    assert len(reads()) == with_parts


def test_without_a_search_nothing_is_offered_and_odd_addresses_do_no_harm(manager, project, cast):
    golden(project, cast.annotator, cast.second_annotator)
    finish(project)
    assert "Which images" not in page(manager, project)
    first, second = curated(project, {0: 1, 1: 0}), curated(project, {0: 1})
    assert f'value="{second.pk}" selected' in page(manager, project)
    assert f'value="{first.pk}" selected' in page(manager, project, f"?curation={first.pk}")
    for query in ("?curation=x&part=kept", f"?curation={'9' * 30}&part=kept", "?part=all"):
        assert 'aria-current="true">All images' in page(manager, project, query)
    shutil.rmtree(folder(second))
    assert "are not there any more" in page(manager, project)
    Project.objects.filter(pk=project.pk).update(status="running")
    assert "Which images" not in page(manager, project)


def test_a_button_has_a_part_made_and_the_list_names_it(manager, project, curation):
    data = {"format": "coco", "with_images": "1", "curation": curation.pk, "part": "left_out"}
    address = reverse("project_export", args=[project.public_id])
    response = manager.post(address, data, follow=True)
    assert response.redirect_chain == [(f"{address}?curation={curation.pk}&part=left_out", 302)]
    text = response.content.decode()
    assert "Only what the search of" in text
    assert "left out." in text
    record = Export.objects.get()
    assert (record.curation, record.part, record.with_images) == (curation, "left_out", True)
    for wrong in ({"part": "half"}, {"curation": "x"}, {"curation": ""}):
        refused = manager.post(address, data | wrong, follow=True)
        assert "There is no such" in refused.content.decode()
    Project.objects.filter(pk=project.pk).update(status="running")
    refused = manager.post(address, data, follow=True)
    assert "only while the project is finished" in refused.content.decode()
    assert Export.objects.count() == 1


def test_the_csv_of_a_part_comes_at_once_from_page_and_api(cast, manager, project, curation):
    _token, text = tokens.create(user=cast.manager, name="script", scopes=["export"])
    bearer = {"Authorization": f"Bearer {text}"}
    api = f"/api/v1/projects/{project.public_id}"
    for address in (reverse("export_csv", args=[project.public_id]), f"{api}/labels.csv"):
        response, body = fetch(manager, f"{address}?curation={curation.pk}&part=split")
        assert f"search-{curation.pk}-split-labels.csv" in response["Content-Disposition"]
        rows = list(csv.DictReader(io.StringIO(body.decode())))
        assert [row["part"] for row in rows].count("kept") == 4
        for query in ("?curation=x&part=kept", f"?curation={curation.pk + 1}&part=kept"):
            assert manager.get(address + query).status_code == 404
        assert manager.get(f"{address}?curation={curation.pk}&part=x").status_code == 400
    body = {"format": "csv", "curation": curation.pk, "part": "kept"}
    made = manager.post(
        f"{api}/exports/", body, content_type="application/json", headers=bearer
    ).json()
    assert (made["curation"], made["part"], made["state"]) == (curation.pk, "kept", "waiting")
    for wrong, status in (({"curation": "1"}, 400), ({"part": 7}, 400), ({"curation": None}, 404)):
        refused = manager.post(
            f"{api}/exports/", body | wrong, content_type="application/json", headers=bearer
        )
        assert (refused.status_code, refused.json()["ok"]) == (status, False)
