"""Where no worker runs, the web process says so: a thread that looks once a minute.

Whoever could send the news is missing then, so this thread also sends it. It starts with the
server (ASGI's lifespan), never by an import.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from django.db import connection

from labelapp.queue import worker_alive
from labelapp.services import notify_sending, notify_sweeps

logger = logging.getLogger(__name__)

SECONDS = 60.0
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def lifespan(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Watch from the server's start to its end."""
    del scope
    end = threading.Event()
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            threading.Thread(target=_watch, args=(end,), name="watch", daemon=True).start()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            end.set()
            await send({"type": "lifespan.shutdown.complete"})
            return


def _watch(end: threading.Event) -> None:
    while not end.wait(SECONDS):
        try:
            look()
        except Exception:
            # A database that is away must not end the watch.
            logger.exception("Could not look for workers; looking again in a minute")
        finally:
            connection.close()


def look() -> None:
    """Tell where jobs wait and no worker lives, and send it. One narrow query where one does."""
    if worker_alive():
        return
    notify_sweeps.look_for_workers()
    notify_sending.send_once()
