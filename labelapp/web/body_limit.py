"""How much a request may send, looked at while it arrives.

Django under ASGI writes the whole body to a temporary file before any of our code is asked:
without this, strangers could fill the disk without an account.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings

from labelapp.errors import TooLargeError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

OVERHEAD = 4 * 1024**2  # of a form around its files
_UPLOADS = re.compile(r"/p/[^/]+/images/(upload|uploads/\d+/files)/")


class BodyLimit:
    """ASGI middleware that answers 413 (`too_large`) and drops what is over the limit."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; count what comes in."""
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        limit = limit_of(scope)
        if _announced(scope) > limit:
            await _refuse(scope, send, limit)
            return
        meter = _Meter(receive, limit)
        await self.application(scope, meter.receive, send)
        if meter.over:
            await _refuse(scope, send, limit)


def limit_of(scope: Scope) -> int:
    """Return how many bytes this request may send: much only for somebody's images."""
    cookies = _header(scope, b"cookie")
    if _UPLOADS.fullmatch(scope["path"]) and settings.SESSION_COOKIE_NAME in cookies:
        return int(settings.MAX_UPLOAD_BYTES) + OVERHEAD
    return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE) + OVERHEAD


class _Meter:
    """Counts a body. Over the limit Django hears that the client went away, and answers nothing."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._left = limit
        self.over = False

    async def receive(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.over = True
            return {"type": "http.disconnect"}
        return message


def _announced(scope: Scope) -> int:
    text = _header(scope, b"content-length")
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def _header(scope: Scope, name: bytes) -> str:
    return next((v.decode("latin-1") for k, v in scope["headers"] if k == name), "")


async def _refuse(scope: Scope, send: Send, limit: int) -> None:
    limit_mb = limit // 1024**2
    words = f"This request is larger than {limit_mb:,} MB; nothing of it was kept."
    error = TooLargeError(words, limit_mb=limit_mb)
    kind, body = "text/plain; charset=utf-8", f"{words} ({error.code})"
    if _header(scope, b"accept").startswith("application/json"):
        kind, body = "application/json", json.dumps(error.as_dict())
    headers = [(b"content-type", kind.encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
