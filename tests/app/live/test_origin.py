"""Which pages may open a socket, through the real ASGI application."""

from __future__ import annotations

import pytest
from asgiref.testing import ApplicationCommunicator

from labelapp.asgi import application
from labelapp.live.origin import SameOriginValidator

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]


async def answer(origin: str, host: str = "localhost:8000", app=application) -> str:
    named = {"host": host, "origin": origin}
    headers = [(key.encode(), value.encode()) for key, value in named.items() if value]
    scope = {"type": "websocket", "path": "/ws/p/x/", "query_string": b"", "headers": headers}
    talk = ApplicationCommunicator(app, {**scope, "subprotocols": []})
    await talk.send_input({"type": "websocket.connect"})
    first = await talk.receive_output(5)
    talk.stop(exceptions=False)
    return first["type"].removeprefix("websocket.")


@pytest.mark.parametrize("origin", ["http://localhost:8000", "https://LOCALHOST:8000"])
async def test_the_own_pages_may(origin):
    assert await answer(origin) == "accept"


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:3000", "localhost:8000"),  # another program, the same cookies
        ("http://evil.example", "localhost:8000"),
        ("http://evil.example:8000", "evil.example:8000"),  # a name turned to this machine
        ("", "localhost:8000"),
        ("null", "localhost:8000"),
        ("http://", ""),
    ],
)
async def test_no_other_page_may(origin, host):
    assert await answer(origin, host) == "close"


async def test_a_trusted_origin_may(settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://labels.example.org"]

    async def inner(scope, receive, send):
        await send({"type": "websocket.accept"})

    behind_proxy = SameOriginValidator(inner)
    assert await answer("https://labels.example.org", "127.0.0.1:8000", behind_proxy) == "accept"
    assert await answer("http://labels.example.org", "127.0.0.1:8000", behind_proxy) == "close"
