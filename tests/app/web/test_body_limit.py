"""How much a request may send, through the real ASGI application."""

from __future__ import annotations

import json

import pytest
from asgiref.testing import ApplicationCommunicator

from labelapp.asgi import application
from labelapp.web import body_limit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]

UPLOAD = "/p/abc/images/upload/"


@pytest.fixture(autouse=True)
def _small(settings, monkeypatch):
    monkeypatch.setattr(body_limit, "OVERHEAD", 0)
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    settings.MAX_UPLOAD_BYTES = 1000


async def post(path: str, chunks: list[bytes], **headers: str) -> tuple[int, bytes]:
    named = {"host": "localhost", "content-type": "application/octet-stream", **headers}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in named.items()],
    }
    talk = ApplicationCommunicator(application, scope)
    for number, chunk in enumerate(chunks, start=1):
        more = number < len(chunks)
        await talk.send_input({"type": "http.request", "body": chunk, "more_body": more})
    status = (await talk.receive_output(5))["status"]
    body = (await talk.receive_output(5))["body"]
    await talk.wait(5)
    return status, body


async def test_a_body_that_is_announced_too_large_is_refused_unread():
    status, body = await post("/accounts/login/", [], content_length="101")
    assert (status, b"too_large" in body) == (413, True)


async def test_a_body_without_a_length_is_cut_off_while_it_comes():
    status, body = await post("/accounts/login/", [b"x" * 60] * 5, accept="application/json")
    assert (status, json.loads(body)["code"]) == (413, "too_large")


async def test_a_body_within_the_limit_passes():
    assert (await post("/accounts/login/", [b"x" * 50] * 2))[0] == 403  # no CSRF token


@pytest.mark.parametrize(
    ("cookie", "size", "status"),
    [("sessionid=x", 900, 403), ("sessionid=x", 1001, 413), ("other=x", 900, 413)],
)
async def test_only_people_who_signed_in_may_send_images(cookie, size, status):
    assert (await post(UPLOAD, [b"x" * 100] * (size // 100) + [b"x"], cookie=cookie))[0] == status
