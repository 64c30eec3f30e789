"""The fast lane: the three requests of a labelling page, past most of the web stack.

Each answer is one request, so what surrounds its transaction is most of what it costs: twelve
middlewares, DRF, three thread hops. This ASGI application stands in front of Django and takes
the requests that it fully understands: a POST by somebody signed in, with the CSRF token, from
this site, in JSON, about a project where the person may label.

It never refuses. Whatever it does not recognise, and whatever goes wrong, is passed on to Django
unchanged, so refusals have one implementation. What it accepts is a subset of what Django does.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import parse_cookie
from django.http.request import split_domain_port, validate_host
from django.utils import translation
from django.utils.crypto import constant_time_compare

from labelapp.api import labelling
from labelapp.errors import AppError
from labelapp.rights import Right
from labelapp.selectors.projects import Access
from labelapp.selectors.sessions import access_by_session
from labelapp.sqlite_pool.checkpoints import Checkpoints

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

MAX_BODY = 256 * 1024  # bytes: 200 answers are 60 KiB
ACTIONS: dict[str, Callable[[Access, object], dict[str, Any]]] = {
    "tasks": labelling.next_tasks,
    "answers": labelling.take_answers,
    "heartbeat": labelling.keep_leases,
}

_ADDRESS = re.compile(r"/api/v1/projects/([a-z0-9]{1,16})/(tasks|answers|heartbeat)/")
_TOKEN = re.compile(r"[A-Za-z0-9]{32}")
_ONCE = (b"host", b"origin", b"cookie", b"x-csrftoken", b"content-type", b"content-length")
_HEADERS = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]


@dataclass(frozen=True)
class Asked:
    """A request that the lane may take, if its session and its body allow it too."""

    project: str
    action: str
    session: str
    language: str
    size: int  # bytes of the body


Run = Callable[[Asked, bytes], Awaitable[bytes | None]]


class FastLane:
    """ASGI middleware; `run` calls `serve` where the database may be read and written."""

    def __init__(self, application: Application, run: Run | None = None) -> None:
        self.application = application
        self.run = run or _Threads().run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on as it came."""
        asked = recognise(scope)
        if asked is None:
            await self.application(scope, receive, send)
            return
        body = await _body(receive, asked.size)
        if body is None:  # the client went away
            return
        reply = await self.run(asked, body)
        if reply is None:
            await self.application(scope, _Again(body, receive), send)
            return
        length = (b"content-length", str(len(reply)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS, length]})
        await send({"type": "http.response.body", "body": reply})


class _Threads:
    """Threads that keep their database connections.

    SQLite has one writer, so one thread: first come, first served, and no lock is fought for.
    """

    def __init__(self) -> None:
        self.threads: Executor | None = None  # made by the first request, not by an import
        self.checkpoints: Checkpoints | None = None

    async def run(self, asked: Asked, body: bytes) -> bytes | None:
        if self.threads is None:
            self.threads = self._start()
        reply = await asyncio.get_running_loop().run_in_executor(self.threads, serve, asked, body)
        if self.checkpoints is not None:
            self.checkpoints.wake()
        return reply

    def _start(self) -> Executor:
        if connection.vendor != "sqlite":
            return ThreadPoolExecutor(4, thread_name_prefix="lane")
        self.checkpoints = Checkpoints(str(connection.settings_dict["NAME"]))
        return ThreadPoolExecutor(1, thread_name_prefix="lane")


def recognise(scope: Scope) -> Asked | None:
    """Return what is asked for; None for everything that is not plainly a page of ours."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    address = _ADDRESS.fullmatch(scope["path"])
    if address is None or scope.get("root_path") or scope.get("query_string"):
        return None
    headers = _single(scope["headers"])
    if (
        headers is None
        or b"authorization" in headers
        or not _plain_json(headers)
        or not _from_here(scope, headers)
    ):
        return None
    cookies = parse_cookie(headers.get(b"cookie", ""))
    session = cookies.get(settings.SESSION_COOKIE_NAME)
    token = cookies.get(settings.CSRF_COOKIE_NAME, "")
    sent = headers.get(b"x-csrftoken", "")
    if not session or not _TOKEN.fullmatch(token) or not constant_time_compare(sent, token):
        return None
    language = _language(cookies, headers)
    size = int(headers[b"content-length"])
    return Asked(address[1], address[2], session, language, size)


def _single(pairs: list[tuple[bytes, bytes]]) -> dict[bytes, str] | None:
    """Return the headers; None where one that decides something comes twice."""
    headers: dict[bytes, str] = {}
    for name, value in pairs:
        if name in headers and name in _ONCE:
            return None
        headers[name] = value.decode("latin-1")
    return headers


def _plain_json(headers: dict[bytes, str]) -> bool:
    size = headers.get(b"content-length", "")
    kind = headers.get(b"content-type", "").lower()
    return (
        kind in {"application/json", "application/json; charset=utf-8"}
        and size.isdecimal()
        and len(size) < 8
        and int(size) <= MAX_BODY
        and b"content-encoding" not in headers
        and b"transfer-encoding" not in headers
    )


def _from_here(scope: Scope, headers: dict[bytes, str]) -> bool:
    """Tell whether host and origin are ours: CsrfViewMiddleware's rules, the sure half of them."""
    host = headers.get(b"host", "").lower()
    domain, _ = split_domain_port(host)
    if not domain or not validate_host(domain, settings.ALLOWED_HOSTS):
        return False
    if settings.USE_X_FORWARDED_HOST or settings.SECURE_PROXY_SSL_HEADER:
        return False
    origin = headers.get(b"origin")
    if origin is None:  # then Django looks at the referrer, but only on https
        return bool(scope.get("scheme") == "http")
    return origin == f"{scope.get('scheme')}://{host}" or origin in settings.CSRF_TRUSTED_ORIGINS


class _Browser:
    """The two things of a request by which Django knows the language of a reply."""

    def __init__(self, cookies: dict[str, str], accepts: str) -> None:
        self.COOKIES = cookies
        self.META = {"HTTP_ACCEPT_LANGUAGE": accepts}


def _language(cookies: dict[str, str], headers: dict[bytes, str]) -> str:
    asked: Any = _Browser(cookies, headers.get(b"accept-language", ""))
    return translation.get_language_from_request(asked)


async def _body(receive: Receive, size: int) -> bytes | None:
    """Read the whole body; None when the client goes away before its end."""
    parts, more = [], True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"".join(parts)
    return body if len(body) == size else None


class _Again:
    """Gives Django the body that was read already."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self.body: bytes | None = body
        self.receive = receive

    async def __call__(self) -> Message:
        if self.body is None:
            return await self.receive()
        body, self.body = self.body, None
        return {"type": "http.request", "body": body, "more_body": False}


def serve(asked: Asked, body: bytes) -> bytes | None:
    """Do what is asked and return the reply; None, with nothing changed, leaves it to Django."""
    try:
        data = json.loads(body.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    try:
        found = access_by_session(asked.session, asked.project, Right.LABEL)
        if found is None:
            return None
        with translation.override(asked.language):
            reply = ACTIONS[asked.action](found, data)
    except AppError:  # raised out of the transaction, which is rolled back
        return None
    except DatabaseError:  # Django tries once more, on a connection of its own
        connection.close()
        return None
    return json.dumps(reply, ensure_ascii=False, separators=(",", ":")).encode()


def _no_constant(name: str) -> Any:
    """JSON has no NaN and no Infinity."""
    raise ValueError(name)
