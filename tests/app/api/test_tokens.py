"""Access tokens on the API: what a program can do with one, and what it cannot."""

from __future__ import annotations

import io
import zipfile

import pytest
from django.test import Client
from django.urls import reverse
from PIL import Image

from labelapp.models import AccessToken, AuditLog, Export, LedgerEntry
from labelapp.services import exports, tokens
from tests.app.conftest import PASSWORD
from tests.app.web.fetching import fetch


@pytest.fixture
def program(cast):
    """Return a function that gives a client with a token of this person."""

    def make(user, *scopes: str, **changes) -> Client:
        _token, text = tokens.create(user=user, name="script", scopes=scopes, **changes)
        return Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {text}"})

    return make


def test_a_program_reads_projects_overview_trainings_and_ledger(cast, project, program):
    LedgerEntry.objects.create(
        project=project, purpose="train", quantity=2, unit_price="0.04", amount="0.08", key="x"
    )
    client = program(cast.manager, "read")
    listed = client.get("/api/v1/projects/").json()["projects"]
    assert [one["id"] for one in listed] == [project.public_id]
    start = f"/api/v1/projects/{project.public_id}"
    assert client.get(f"{start}/overview/").json()["project"]["name"] == "Shapes"
    assert client.get(f"{start}/iterations/").json()["iterations"] == []
    ledger = client.get(f"{start}/ledger/").json()
    assert [(e["purpose"], e["amount"]) for e in ledger["entries"]] == [("train", "0.080000")]
    assert ledger["after"] is None
    assert client.get(f"{start}/ledger/?after=x").status_code == 400


def test_a_program_has_labels_exported_without_a_csrf_token(cast, project, images, program):
    client = program(cast.manager, "export")
    start = f"/api/v1/projects/{project.public_id}"
    made = client.post(f"{start}/exports/", {"format": "csv"}, content_type="application/json")
    assert made.status_code == 202
    assert AuditLog.objects.get(action="export.started").token.startswith("mcal_")
    one = f"{start}/exports/{made.json()['id']}/"
    assert client.get(one).json()["state"] == "waiting"
    assert client.get(f"{one}file/").status_code == 404

    class Control:
        def tick(self, *_args, **_named) -> None:
            pass

    exports.run_export(Export.objects.get().pk, Control())
    done = client.get(one).json()
    assert done["download"] == f"{one}file/"
    header = client.defaults["HTTP_AUTHORIZATION"]
    response, body = fetch(Client(), done["download"], authorization=header)
    assert response.status_code == 200
    assert body.count(b"\n") == len(images) + 1
    response, body = fetch(Client(), f"{start}/labels.csv", authorization=header)
    assert body.startswith(b"image_id,")


def test_a_token_without_the_scope_is_refused(cast, project, program):
    url = reverse("api_overview", args=[project.public_id])
    refused = program(cast.owner, "export").get(url)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "scope" in refused.json()["error"]
    assert program(cast.annotator, "read").get(url).status_code == 403
    assert program(cast.outsider, "read").get(url).status_code == 404


def test_a_bad_token_is_401_with_words_even_beside_a_good_session(cast, project, sign_in):
    client = sign_in(cast.owner)
    answer = client.get("/api/v1/projects/", headers={"Authorization": "Bearer mcal_wrong"})
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_token")
    assert "Bearer" in answer.headers["WWW-Authenticate"]
    assert "access token" in answer.json()["error"]


def test_a_program_of_somebody_without_the_required_second_factor_gets_nothing(
    cast, project, program, settings
):
    client = program(cast.manager, "read", "label", "steer", "export", "import")
    assert client.get("/api/v1/projects/").status_code == 200
    settings.REQUIRE_SECOND_FACTOR = True
    start = f"/api/v1/projects/{project.public_id}/"
    for address in ("/api/v1/projects/", start, f"{start}overview/", f"{start}ledger/"):
        refused = client.get(address)
        assert (refused.status_code, refused.json()["code"]) == (403, "second_factor"), address
        assert project.name not in refused.text


def test_pages_do_not_know_tokens(cast, project, program):
    client = program(cast.owner, "read", "export", "steer")
    pages = ("projects", "me", "my_tokens"), ("project", "project_export", "dashboard_json")
    for name in pages[0]:
        assert client.get(reverse(name)).status_code == 302
    for name in pages[1]:
        assert client.get(reverse(name, args=[project.public_id])).status_code == 302


def test_a_token_is_shown_once_on_its_page_and_revoked_there(cast, project, sign_in):
    client = sign_in(cast.manager)
    form = {"name": "nightly", "scopes": ["read"], "project": "", "days": "90"}
    assert client.get("/me/tokens/").status_code == 200
    asked = client.post("/me/tokens/", form)  # a session alone makes none
    assert asked.url.startswith("/accounts/reauthenticate/?next=")
    assert "a token acts in your name" in client.get(asked.url).text
    wrong = client.post("/accounts/reauthenticate/", {"password": "x", "next": "/me/tokens/"})
    assert "a token acts in your name" in wrong.text
    assert not AccessToken.objects.exists()
    confirm = {"password": PASSWORD, "next": "/me/tokens/"}
    page = client.post("/accounts/reauthenticate/", confirm)  # goes on with what was sent
    assert "no-store" in page.headers["Cache-Control"]
    token = AccessToken.objects.get()
    assert f'value="{token.prefix}' in page.text
    again = client.get("/me/tokens/").text
    assert "nightly" in again
    assert f'value="{token.prefix}' not in again
    assert client.post("/me/tokens/", {**form, "scopes": []}).status_code == 400
    assert sign_in(cast.owner).post(f"/me/tokens/{token.pk}/revoke/").status_code == 404
    client.post(f"/me/tokens/{token.pk}/revoke/")
    token.refresh_from_db()
    assert token.revoked_at


def test_a_program_brings_a_zip_in_by_pieces(cast, project, program, settings):
    client = program(cast.manager, "import")
    start = f"/api/v1/projects/{project.public_id}/imports/"
    made = client.post(start, {"kind": "zip"}, content_type="application/json")
    one = f"{start}{made.json()['id']}/"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        picture = io.BytesIO()
        Image.new("RGB", (8, 8), "red").save(picture, "PNG")
        archive.writestr("a.png", picture.getvalue())
    data = packed.getvalue()
    for offset in range(0, len(data), 64):
        piece = {"data": data[offset : offset + 64], "content_type": "application/octet-stream"}
        reply = client.post(f"{one}piece/?offset={offset}", **piece)
    assert reply.json()["have"] == len(data)
    finish = {"content_type": "application/json"}
    assert client.post(f"{one}finish/", {"expected": 1}, **finish).status_code == 409
    done = client.post(f"{one}finish/", {"expected": len(data)}, **finish)
    assert (done.status_code, done.json()["total"]) == (202, 1)
    assert client.get(one).json()["state"] == "waiting"
    assert client.post(start, {"kind": "demo"}, **finish).status_code == 400
    assert client.post(f"{one}piece/?offset=x", **piece).status_code == 400


def test_a_program_pauses_and_resumes_the_run(cast, project, batch, program):
    client = program(cast.manager, "steer")
    url = f"/api/v1/projects/{project.public_id}/run/"
    answers = [
        client.post(url, {"action": action}, content_type="application/json")
        for action in ("pause", "pause", "resume", "x")
    ]
    assert [answer.status_code for answer in answers] == [200, 409, 200, 400]
    assert answers[0].json()["status"] == "paused"
