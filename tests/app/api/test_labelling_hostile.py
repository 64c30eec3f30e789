"""Bodies that no client of ours sends: refused with a code, the other answers stay."""

from __future__ import annotations

import json
import uuid

import pytest
from django.test import Client
from django.urls import reverse

from labelapp.models import Answer


@pytest.fixture
def ann(cast, batch) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(cast.annotator, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def send(ann, project):
    url = reverse("api_answers", args=[project.public_id])

    def post(body: object):
        raw = body if isinstance(body, str) else json.dumps(body)
        return ann.post(url, raw, content_type="application/json")

    return post


@pytest.fixture
def tasks(ann, project) -> list[dict]:
    url = reverse("api_tasks", args=[project.public_id])
    return ann.post(url, {"count": 2}, content_type="application/json").json()["tasks"]


def answer(leased: dict, **changes: object) -> dict:
    given = {"id": str(uuid.uuid4()), "task": leased["id"], "token": leased["token"]}
    return {**given, "kind": "class", "class": 1, **changes}


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": "\ud800"},
        {"how": "\ud800"},
        {"how": "\x00"},
        {"id": "\ud800"},
        {"id": [[[]]]},
        {"id": None},
        {"kind": "\ud800"},
        {"task": 10**30},
        {"class": 10**30},
        {"class": -1},
        {"active_ms": 10**30},
    ],
)
def test_a_broken_answer_does_not_lose_the_good_one_beside_it(send, tasks, wrong):
    body = {"answers": [answer(tasks[0], **wrong), answer(tasks[1])]}
    bad, good = send(body).json()["results"]
    assert (bad["ok"], bad["code"]) == (False, "invalid_input")
    assert (good["ok"], good["state"]) == (True, "accepted")
    assert Answer.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"answers": ' + '{"a":' * 50_000 + "1" + "}" * 50_000 + "}",
        '{"count": NaN}',
        '{"count": ' + "9" * 5_000 + "}",
        "{",
    ],
)
def test_a_body_that_is_no_json_is_a_parse_error(send, body):
    reply = send(body)
    assert (reply.status_code, reply.json()["code"]) == (400, "parse_error")


def test_a_body_of_any_size_is_not_read_into_memory(send, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1024**2
    reply = send(json.dumps({"answers": [], "padding": "x" * 1024**2}))
    assert (reply.status_code, reply.json()["code"]) == (413, "too_large")
