"""The pages of webhooks."""

from __future__ import annotations

import pytest

from labelapp.models import Delivery, Webhook
from tests.app.conftest import PASSWORD


@pytest.fixture
def address(project) -> str:
    return f"/p/{project.public_id}/webhooks/"


@pytest.fixture
def hook(project, cast) -> Webhook:
    return Webhook.objects.create(
        project=project, url="https://hooks.example.org/x", kinds=["budget"], created_by=cast.owner
    )


def test_a_manager_makes_one_and_sees_its_secret_when_asking(address, cast, sign_in):
    client = sign_in(cast.manager)
    assert "A new webhook" in client.get(address).content.decode()
    wrong = client.post(address, {"url": "http://10.0.0.1/", "kinds": ["budget"]})
    assert wrong.status_code == 400
    assert "MCAL_WEBHOOK_ALLOW" in wrong.content.decode()
    made = client.post(address, {"url": "https://example.org/h", "kinds": ["budget"]})
    assert made.status_code == 302
    assert "whsec_" not in client.get(made.url).content.decode()
    asked = client.post(f"{made.url}secret/")  # a session alone does not see it
    assert asked.url.startswith("/accounts/reauthenticate/?next=")
    assert "this shows a secret" in client.get(asked.url).text
    confirm = {"password": PASSWORD, "next": f"{made.url}secret/"}
    shown = client.post("/accounts/reauthenticate/", confirm)
    assert "whsec_" in shown.content.decode()
    assert "no-store" in shown.headers["Cache-Control"]
    assert client.get(f"{made.url}secret/").url == made.url  # the page of the answer, loaded again
    assert "whsec_" in client.post(f"{made.url}secret/").content.decode()  # for five minutes


def test_the_log_shows_how_it_went_and_sends_again(address, hook, cast, sign_in):
    sent = Delivery.objects.create(
        webhook=hook, key="k", kind="budget", body="{}", state="failed", error="timeout|"
    )
    client, there = sign_in(cast.owner), f"{address}{hook.pk}/"
    page = client.get(there).content.decode()
    assert "no answer within 10 seconds" in page
    assert "No worker runs" in page
    assert client.post(f"{there}again/{sent.pk}/").status_code == 302
    sent.refresh_from_db()
    assert sent.state == "waiting"
    assert client.post(f"{there}test/").status_code == 302
    assert Delivery.objects.filter(kind="test").count() == 1


def test_it_is_changed_and_deleted(address, hook, cast, sign_in):
    client, there = sign_in(cast.owner), f"{address}{hook.pk}/"
    client.post(there, {"url": hook.url, "kinds": ["run_finished", "batch.closed"]})
    hook.refresh_from_db()
    assert (hook.active, hook.kinds) == (False, ["run_finished", "batch.closed"])
    assert client.post(there, {"url": hook.url, "kinds": []}).status_code == 400
    assert client.post(f"{there}delete/").status_code == 302
    assert client.get(there).status_code == 404


def test_other_roles_and_other_projects_are_kept_out(address, hook, cast, sign_in):
    assert sign_in(cast.annotator).get(address).status_code == 403
    assert sign_in(cast.outsider).get(f"{address}{hook.pk}/").status_code == 404
    assert sign_in(cast.owner).get(f"{address}999/").status_code == 404
