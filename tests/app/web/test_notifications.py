"""The bell, the list, the choices, and the link that ends mails."""

from __future__ import annotations

import pytest
from django.core import signing

from labelapp.models import Membership, Notification, Project
from labelapp.services.notify_mail import SALT, unsubscribe_token


@pytest.fixture
def row(project, cast) -> Notification:
    payload = {"level": 0.8, "spent": 80.0, "budget": 100.0, "currency": "EUR"}
    return Notification.objects.create(
        user=cast.manager, project=project, kind="budget", key="x", payload=payload
    )


def test_the_list_says_it_in_the_readers_language_and_marks_it(row, cast, sign_in):
    client = sign_in(cast.manager)
    page = client.get("/me/notifications/", headers={"Accept-Language": "en"}).content.decode()
    assert "80 % of the budget is spent".replace(" %", "\u00a0%") in page
    assert "€80.00 of €100.00." in page
    found = client.get("/me/notifications/count/").json()
    assert (found["unread"], found["text"]) == (1, "1")
    marked = client.post(f"/me/notifications/{row.pk}/", headers={"HX-Request": "true"})
    assert "Mark as unread" in marked.content.decode()
    assert client.get("/me/notifications/count/").json()["unread"] == 0
    client.post(f"/me/notifications/{row.pk}/", {"read": "0"})
    assert (
        client.post("/me/notifications/read/", {"next": "//evil.example"}).url
        == "/me/notifications/"
    )
    assert "Nothing is unread" in client.get("/me/notifications/?unread=1").content.decode()


def test_each_page_asks_for_the_bell_only_when_it_is_there(row, cast, sign_in):
    client = sign_in(cast.manager)
    assert 'data-bell="/me/notifications/count/"' in client.get("/").content.decode()
    assert "budget is spent" in client.get("/me/notifications/bell/").content.decode()


def test_nobody_reads_or_marks_what_others_were_told(row, cast, project, sign_in):
    client = sign_in(cast.owner)
    assert client.post(f"/me/notifications/{row.pk}/").status_code == 404
    assert "budget" not in client.get("/me/notifications/bell/").content.decode()
    outsider = sign_in(cast.outsider)
    asked = {"project": project.public_id}
    assert outsider.post("/me/notifications/read/", asked).status_code == 404
    assert outsider.get("/me/notifications/", asked).status_code == 200


def test_the_list_costs_few_queries_at_any_length(
    project, cast, sign_in, django_assert_max_num_queries
):
    Notification.objects.bulk_create(
        Notification(user=cast.manager, project=project, kind="run_finished", key=str(n))
        for n in range(100)
    )
    client = sign_in(cast.manager)
    with django_assert_max_num_queries(9):
        page = client.get("/me/notifications/").content.decode()
    assert "Show older ones" in page
    with django_assert_max_num_queries(5):
        client.get("/me/notifications/count/")
    before = Notification.objects.order_by("-pk")[29].pk
    rest = client.get(f"/me/notifications/?before={before}", headers={"HX-Request": "true"})
    assert rest.content.decode().count('<li class="notice ') == 30


def test_a_member_chooses_and_a_manager_sets_the_thresholds(project, cast, sign_in):
    address = f"/p/{project.public_id}/notifications/"
    client = sign_in(cast.manager)
    assert "sends no mails yet" in client.get(address).content.decode()
    asked = {"ways-budget": ["mail"], "move": "7,5", "budget": "90"}
    assert client.post(address, asked).status_code == 302
    assert Membership.objects.get(user=cast.manager).notify["budget"] == ["mail"]
    project.refresh_from_db()
    assert (project.notify_move, project.notify_budget) == (0.075, 0.9)
    assert client.post(address, {**asked, "move": "many"}).status_code == 400
    annotator = sign_in(cast.annotator)
    assert "budget" not in annotator.get(address).content.decode()
    annotator.post(address, {"ways-batch_ready": [], "move": "50", "budget": "50"})
    assert Project.objects.get().notify_move == 0.075


def test_one_click_ends_mails_without_signing_in(row, project, cast, client):
    address = f"/unsubscribe/{unsubscribe_token(cast.manager, [row])}/"
    assert "Shapes" in client.get(address).content.decode()
    assert "run_finished" not in Membership.objects.get(user=cast.manager).notify
    client.handler.enforce_csrf_checks = True
    assert client.post(address, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert Membership.objects.get(user=cast.manager).notify["run_finished"] == ["app"]
    forged = signing.dumps({"u": cast.owner.pk, "p": [project.pk]}, salt=SALT, key="other")
    assert client.post(f"/unsubscribe/{forged}/").status_code == 404
