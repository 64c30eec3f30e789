"""The fast lane takes only what Django would take too, and passes everything else on unchanged."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from labelapp.api import lane
from labelapp.api.lane import MAX_BODY, FastLane, serve
from labelapp.models import Answer, Membership, Project, Task, User
from tests.app.services.labelling_help import answer, entry

CSRF = "c" * 32
BACKEND = "django.contrib.auth.backends.ModelBackend"


async def here(asked, body):
    """Serve in the test's own thread and transaction."""
    return serve(asked, body)


def finish(coroutine) -> None:
    """Run a coroutine that never waits; an event loop would have a database connection of its own."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


class Site:
    """The lane with an application behind it that notes what it is given."""

    def __init__(self, project: Project, session: str) -> None:
        self.project = project
        self.passed_on: list[bytes] = []
        self.lane = FastLane(self.django, here)
        self.headers = {
            "host": "localhost",
            "origin": "http://localhost",
            "content-type": "application/json",
            "cookie": f"sessionid={session}; csrftoken={CSRF}",
            "x-csrftoken": CSRF,
        }

    async def django(self, scope, receive, send) -> None:
        self.passed_on.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    def post(self, what: str = "tasks", body: object = None, *, extra=(), **changes) -> dict:
        """Send a request; header names with "_", a header of None is left out."""
        scope = {name: changes.pop(name) for name in list(changes) if name in SCOPE}
        content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        headers = {**self.headers, "content-length": str(len(content))}
        headers |= {name.replace("_", "-"): value for name, value in changes.items()}
        pairs = [(k.encode(), v.encode()) for k, v in headers.items() if v is not None]
        path = f"/api/v1/projects/{self.project.public_id}/{what}/"
        scope = {**SCOPE, "path": path, "headers": [*pairs, *extra], **scope}
        sent: list[dict] = []

        async def receive():
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message):
            sent.append(message)

        finish(self.lane(scope, receive, send))
        found = dict(sent[0]["headers"])
        return {
            "status": sent[0]["status"],
            "headers": {k.decode(): v.decode() for k, v in found.items()},
            "body": json.loads(sent[1]["body"]),
        }


SCOPE = {
    "type": "http",
    "method": "POST",
    "scheme": "http",
    "root_path": "",
    "query_string": b"",
    "path": "",
}


def session_of(user: User) -> str:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client.cookies["sessionid"].value


@pytest.fixture
def site(cast, project, batch) -> Site:
    return Site(project, session_of(cast.annotator))


def test_tasks_and_answers_need_no_django(site, cast, project):
    (task,) = site.post("tasks", {"count": 1})["body"]["tasks"]
    given = answer(entry(project, cast.annotator), task["id"])
    reply = site.post("answers", {"answers": [given], "count": 1})
    assert reply["status"] == 200
    assert reply["body"]["results"] == [{"id": given["id"], "ok": True, "state": "accepted"}]
    assert len(reply["body"]["tasks"]) == 1
    assert site.passed_on == []


def test_a_heartbeat_needs_no_django(site):
    held = [task["id"] for task in site.post("tasks", {"count": 2})["body"]["tasks"]]
    assert site.post("heartbeat", {"holding": held})["body"] == {"ok": True, "lost": []}


def test_the_lane_replies_as_django_does(site, cast, project):
    client = Client()
    client.force_login(cast.manager, backend=BACKEND)
    address = f"/api/v1/projects/{project.public_id}/tasks/"
    theirs = client.post(address, {"count": 1}, content_type="application/json")
    ours = site.post("tasks", {"count": 1})
    assert ours["body"].keys() == theirs.json().keys()
    assert ours["body"]["tasks"][0].keys() == theirs.json()["tasks"][0].keys()
    protecting = {"x-frame-options", "x-content-type-options", "referrer-policy"}
    protecting |= {"cross-origin-opener-policy", "content-security-policy"}
    assert protecting <= {name.lower() for name in theirs.headers}
    assert protecting <= ours["headers"].keys()


def test_a_german_browser_gets_german_words(site):
    assert site.post("tasks", {"count": 1}, accept_language="de")["status"] == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"cookie": None},
        {"cookie": f"csrftoken={CSRF}"},
        {"x_csrftoken": None},
        {"x_csrftoken": "d" * 32},
        {"x_csrftoken": ""},
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"origin": "https://localhost"},
        {"host": "elsewhere.example", "origin": "http://elsewhere.example"},
        {"host": None},
        {"scheme": "https", "origin": None},
        {"content_type": "text/plain"},
        {"content_type": None},
        {"content_type": "application/json; charset=utf-16"},
        {"content_encoding": "gzip"},
        {"transfer_encoding": "chunked"},
        {"content_length": None},
        {"content_length": "-1"},
        {"content_length": str(MAX_BODY + 1)},
        {"method": "GET"},
        {"query_string": b"format=json"},
        {"root_path": "/labels"},
        {"path": "/api/v1/projects/"},
        {"path": "/api/v1/projects/a/b/tasks/"},
        {"path": "/api/v1/projects/\x00/tasks/"},
        {"extra": [(b"host", b"localhost")]},
        {"extra": [(b"cookie", b"sessionid=another")]},
        {"extra": [(b"x-csrftoken", b"c" * 32)]},
    ],
)
def test_what_is_not_plainly_a_page_of_ours_goes_to_django(site, changes):
    assert site.post("tasks", {"count": 1}, **changes)["status"] == 418
    assert site.passed_on == [b'{"count": 1}']
    assert not Task.objects.exclude(lease_user=None).exists()


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff{}",
        b'{"count": NaN}',
        b"[" * 100_000 + b"]" * 100_000,
        b"[]",
        b'{"count": "1"}',
        b'{"count": 1, "holding": [true]}',
        b'{"count": ' + b"9" * 5_000 + b"}",
        b'{"answers": [], "user": 999999}',
    ],
)
def test_a_body_with_something_wrong_goes_to_django_as_it_came(site, body):
    assert site.post("answers", body)["status"] == 418
    assert site.passed_on == [body]


def test_a_broken_answer_is_refused_in_its_result(site, cast, project):
    (task,) = site.post("tasks", {"count": 1})["body"]["tasks"]
    good = answer(entry(project, cast.annotator), task["id"])
    reply = site.post("answers", {"answers": [{**good, "how": "\ud800"}, good]})
    assert [result["ok"] for result in reply["body"]["results"]] == [False, True]
    assert Answer.objects.count() == 1


@pytest.mark.parametrize("route", ["tasks", "answers", "heartbeat"])
def test_an_outsider_is_left_to_django(project, cast, batch, route):
    site = Site(project, session_of(cast.outsider))
    assert site.post(route)["status"] == 418


@pytest.mark.parametrize("route", ["tasks", "answers", "heartbeat"])
def test_a_stranger_is_left_to_django(project, batch, route):
    assert Site(project, "nobody").post(route)["status"] == 418


def test_signing_out_counts_at_once(site):
    assert site.post()["status"] == 200
    Session.objects.all().delete()
    assert site.post()["status"] == 418


def test_an_expired_session_counts_no_more(site):
    assert site.post()["status"] == 200
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert site.post()["status"] == 418


def test_a_new_password_ends_other_sessions_at_once(site, cast):
    assert site.post()["status"] == 200
    cast.annotator.set_password("another password")
    cast.annotator.save()
    assert site.post()["status"] == 418


def test_a_deactivated_person_is_refused_at_once(site, cast):
    assert site.post()["status"] == 200
    User.objects.filter(pk=cast.annotator.pk).update(is_active=False)
    assert site.post()["status"] == 418


def test_a_removed_member_is_refused_at_once(site, cast, project):
    assert site.post()["status"] == 200
    Membership.objects.filter(project=project, user=cast.annotator).delete()
    assert site.post()["status"] == 418


def test_a_project_that_is_being_deleted_is_left_to_django(site, project):
    Project.objects.filter(pk=project.pk).update(status=Project.Status.DELETING)
    assert site.post()["status"] == 418


def test_a_trusted_origin_behind_a_proxy_may_pass(site, settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://labels.example"]
    assert site.post(origin="https://labels.example")["status"] == 200


def test_behind_a_proxy_that_names_the_host_django_decides(site, settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert site.post()["status"] == 418


def test_a_broken_connection_is_closed_and_django_tries_once_more(site, monkeypatch):
    closed = []
    monkeypatch.setattr(lane, "connection", SimpleNamespace(close=lambda: closed.append(1)))
    monkeypatch.setitem(lane.ACTIONS, "tasks", fail)
    assert site.post("tasks", {"count": 1})["status"] == 418
    assert closed == [1]


def fail(found, data):
    raise OperationalError("server closed the connection unexpectedly")
