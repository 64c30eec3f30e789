from __future__ import annotations

import pytest
from django.urls import reverse

from labelapp.services import audit
from tests.app.web.fetching import fetch


@pytest.fixture
def page(cast, project) -> str:
    changed = {"before": {"role": "annotator"}, "after": {"role": "manager"}}
    audit.write(
        user=cast.owner, project=project, action="role.changed", target="<b>Ann</b>", **changed
    )
    audit.write(user=cast.manager, project=project, action="run.started")
    return reverse("project_audit_log", args=[project.public_id])


def test_the_page_says_who_did_what(cast, page, sign_in, django_assert_max_num_queries):
    client = sign_in(cast.manager)
    with django_assert_max_num_queries(12):
        text = client.get(page).text
    assert "changed a role" in text
    assert "role: annotator → manager" in text
    assert "&lt;b&gt;Ann" in text


def test_the_filter_narrows_page_and_files(cast, page, sign_in):
    client = sign_in(cast.manager)
    text = client.get(page, {"person": cast.owner.pk, "kind": "people", "day": "x"}).text
    assert "changed a role" in text
    assert "started the run" not in text
    assert f"log.csv?person={cast.owner.pk}&amp;kind=people" in text
    _answer, body = fetch(client, f"{page}log.csv?kind=run")
    assert b"run.started" in body
    assert b"role.changed" not in body


@pytest.mark.parametrize("odd", ["before=x", "before=" + "9" * 40, "person=-1", "day=0001-01-01"])
def test_odd_questions_get_an_answer(cast, page, sign_in, odd):
    assert sign_in(cast.manager).get(f"{page}?{odd}").status_code == 200


def test_only_the_owner_of_the_installation_reads_everything(cast, page, sign_in):
    assert sign_in(cast.owner).get(reverse("audit_log")).status_code == 403
    assert sign_in(cast.owner).get(reverse("all_audit_log_json")).status_code == 403
    cast.owner.is_superuser = True
    cast.owner.save()
    text = sign_in(cast.owner).get(reverse("audit_log")).text
    assert "changed a role" in text
    assert "Shapes" in text
