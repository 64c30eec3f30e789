"""Tells the web processes that something was committed, so that pages need not wait for a poll.

Polling stays the truth: a call that is lost costs a fifth of a second. In one process the call is
a function call; between processes it goes over Redis, where one is configured.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from redis import Redis

CHANNEL = "mcal:committed"
PATIENCE = 0.2  # seconds: nobody waits for a Redis that is away
TRY_AGAIN = 5.0

logger = logging.getLogger(__name__)

_AWAY = {"until": 0.0}
"""Until when nobody tries: a Redis that is away is asked now and then."""

_HEARERS: dict[Callable[[], None], asyncio.AbstractEventLoop] = {}


def announce(project_id: int) -> None:
    """Say that an event of this project was committed. Never fails, from any thread."""
    for hearer, loop in list(_HEARERS.items()):
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(hearer)
    if url := settings.ENV.redis_url:
        _publish(url, project_id)


def _publish(url: str, project_id: int) -> None:
    from redis.exceptions import RedisError  # noqa: PLC0415 - only where Redis is configured

    if monotonic() < _AWAY["until"]:
        return
    try:
        _client(url).publish(CHANNEL, str(project_id))
    except (RedisError, OSError):
        _AWAY["until"] = monotonic() + TRY_AGAIN


@lru_cache(maxsize=1)
def _client(url: str) -> Redis:
    from redis import Redis  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    once = Retry(NoBackoff(), 0)
    return Redis.from_url(url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=once)


@contextmanager
def heard(hearer: Callable[[], None]) -> Iterator[None]:
    """Call `hearer` in the running loop whenever somebody announces, in any process."""
    _HEARERS[hearer] = asyncio.get_running_loop()
    url = settings.ENV.redis_url
    listening = asyncio.create_task(_listen(url, hearer)) if url else None
    try:
        yield
    finally:
        del _HEARERS[hearer]
        if listening is not None:
            listening.cancel()


async def _listen(url: str, hearer: Callable[[], None]) -> None:
    from redis import asyncio as redis_asyncio  # noqa: PLC0415
    from redis.exceptions import RedisError  # noqa: PLC0415

    while True:
        try:
            # No timeout of reading: hours may pass without a message.
            client = redis_asyncio.from_url(url, socket_timeout=None, health_check_interval=30)
            async with client, client.pubsub() as channel:
                await channel.subscribe(CHANNEL)
                async for message in channel.listen():
                    if message["type"] == "message":
                        hearer()
        except (RedisError, OSError):
            logger.warning("Redis is away: live pages are polled for alone")
        await asyncio.sleep(TRY_AGAIN)
