"""The socket of a dashboard: a snapshot with the events since the last one seen, then updates.

    client: /ws/p/<pid>/?since=SEQ
    server: {"type": "snapshot", "seq": N, "events": [...], "html": {...}, "data": {...}}
            {"type": "update", ...}   the same keys, with only what changed
            {"type": "ping"}          nothing happened for a while

Outsiders, and members who may not see costs, are closed with 4404, as if nothing were there.
"""

from __future__ import annotations

import asyncio
import json
import logging
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from labelapp.live import reads
from labelapp.live.listeners import Listener, Message
from labelapp.live.tailer import GONE, tailer

PING = 20.0
BROKEN = 1011

logger = logging.getLogger(__name__)


class DashboardConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """One open dashboard."""

    channel_layer_alias = "none"  # the tailer tells it what it needs; a layer would poll Redis

    listener: Listener | None = None
    sender: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Let in who may see the dashboard, and begin to send."""
        await self.accept()
        user, pid = self.scope["user"], self.scope["url_route"]["kwargs"]["pid"]
        found = await database_sync_to_async(reads.viewable_project)(user, pid)
        if found is None:
            await self.close(GONE)
            return
        session = self.scope.get("session")
        key = session.session_key if session is not None else None
        project_id, role = found
        self.listener = Listener(project_id, user.pk, key, self._language(), role)
        self.sender = asyncio.create_task(self._serve(self.listener))

    async def disconnect(self, code: int) -> None:
        """Stop: the page is gone."""
        if self.listener is not None:
            tailer().unsubscribe(self.listener)
        if self.sender is not None:
            self.sender.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Ignore what pages say: they only listen."""

    async def _serve(self, listener: Listener) -> None:
        try:
            await self._send_all(listener)
        except OSError:
            tailer().unsubscribe(listener)  # the page went away while we spoke
        except Exception:
            # A silent socket would look live: close it, the page comes back.
            logger.exception("a dashboard's socket broke")
            await self.close(BROKEN)

    async def _send_all(self, listener: Listener) -> None:
        snapshot = await tailer().subscribe(listener)
        if snapshot is None:
            await self.close(GONE)
            return
        events = await database_sync_to_async(reads.events_in)(
            listener.language, listener.project_id, self._since(snapshot["seq"]), snapshot["seq"]
        )
        await self._say(snapshot | {"events": events})
        while listener.closed is None:
            message = await listener.next(PING)
            if listener.closed is None:
                await self._say(message or {"type": "ping"})
        await self.close(listener.closed)

    def _language(self) -> str:
        cookie = self.scope.get("cookies", {}).get(settings.LANGUAGE_COOKIE_NAME, "")
        headers = dict(self.scope.get("headers", []))
        accepted = headers.get(b"accept-language", b"").decode("latin-1")
        return reads.language_of(self.scope["user"], cookie, accepted)

    def _since(self, latest: int) -> int:
        """Return the last event that the page has seen; the latest one where it says nothing."""
        given = parse_qs(self.scope.get("query_string", b"").decode("latin-1")).get("since", [""])
        return int(given[0]) if given[0].isdecimal() and len(given[0]) < 19 else latest

    async def _say(self, message: Message) -> None:
        await self.send(text_data=_encoded(message))


_LAST: list[tuple[Message, str]] = []


def _encoded(message: Message) -> str:
    """Return the message as JSON; what goes to many sockets is encoded once."""
    if not _LAST or _LAST[0][0] is not message:
        _LAST[:] = [(message, json.dumps(message, separators=(",", ":")))]
    return _LAST[0][1]
