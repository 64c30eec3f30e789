"""HTTP as a browser does it, with the standard library: cookies, CSRF, signing in, JSON."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from typing import Any

_TIMEOUT_SECONDS = 30


class BrowserError(Exception):
    """The server did not answer, or refused. `status` is 0 when there was no answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Browser:
    """One person's session."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url
        self._jar = CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar))

    def sign_in(self, email: str, password: str) -> None:
        """Fill in the sign-in form; raise BrowserError when it is not accepted."""
        path = "/accounts/login/"
        self.get(path)
        fields = {"login": email, "password": password, "csrfmiddlewaretoken": self._csrf()}
        body = urllib.parse.urlencode(fields).encode()
        self._send(path, body, {"Content-Type": "application/x-www-form-urlencoded"})
        if self._cookie("sessionid") is None:
            raise BrowserError(f"{email} could not sign in", 403)

    def get(self, path: str) -> bytes:
        """Fetch a page."""
        return self._send(path, None, {})

    def post(self, path: str, content: dict[str, object]) -> dict[str, Any]:
        """Send JSON to the API and return its reply; raise BrowserError."""
        headers = {"Content-Type": "application/json", "X-CSRFToken": self._csrf()}
        reply: dict[str, Any] = json.loads(self._send(path, json.dumps(content).encode(), headers))
        return reply

    def _send(self, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        address = self._base + path
        sent = {"Referer": address, "Accept": "*/*", **headers}
        request = urllib.request.Request(address, data=body, headers=sent)  # noqa: S310 - our own server
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise BrowserError(f"{path}: {error.code}", error.code) from error
        except OSError as error:  # URLError, a reset connection, a time-out
            raise BrowserError(f"{path}: {error}") from error

    def _csrf(self) -> str:
        return self._cookie("csrftoken") or ""

    def _cookie(self, name: str) -> str | None:
        return next((cookie.value for cookie in self._jar if cookie.name == name), None)
