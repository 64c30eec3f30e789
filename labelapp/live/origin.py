"""Which pages may open a socket: the rule of Django's CSRF check, port and all.

Channels' own validator looks at the host name alone: another program on another port of the same
machine, where browsers send the same cookies, could listen to every dashboard.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import ParseResult

from channels.security.websocket import AllowedHostsOriginValidator, OriginValidator
from django.conf import settings


class SameOriginValidator(OriginValidator):  # type: ignore[misc]  # channels has no types
    """Lets in the page's own origin (host and port asked for) and CSRF_TRUSTED_ORIGINS."""

    def __init__(self, application: Any) -> None:
        super().__init__(application, settings.CSRF_TRUSTED_ORIGINS)
        self._by_host = AllowedHostsOriginValidator(application)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Pass the socket on, or deny it."""
        headers = dict(scope.get("headers", []))
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if host and origin in {f"http://{host}", f"https://{host}"}:
            return await self._by_host(scope, receive, send)  # a host that is allowed here?
        return await super().__call__(scope, receive, send)

    def valid_origin(self, parsed_origin: ParseResult | None) -> bool:
        """Tell whether this is a trusted origin; a socket without one is not from a browser."""
        return parsed_origin is not None and bool(self.validate_origin(parsed_origin))
