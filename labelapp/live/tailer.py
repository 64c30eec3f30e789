"""One task per web process that watches the projects with open pages and tells those pages.

It asks the counters of all watched projects in one query every half second, reads new events
once, renders once per project and language, and hands the changed parts to every socket: 200 open
dashboards cost what one costs. It runs only while somebody listens.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from time import monotonic
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async

from labelapp.live import reads
from labelapp.live.listeners import Listener, Message

logger = logging.getLogger(__name__)

POLL = 0.5  # seconds; so a page hears at most twice a second
LOOK_AGAIN = 4.0  # without a change: people's pace, a worker that died
CHECK_ACCESS = 30.0
LONGEST_PAUSE = 10.0  # after errors
GONE = 4404


@dataclass
class Feed:
    """One watched project in one language: what its pages show, and who looks."""

    project_id: int
    language: str
    listeners: set[Listener] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    version: reads.Version | None = None
    view: reads.View | None = None
    looked: float = 0.0

    def snapshot(self) -> Message:
        """Return all of the view, for a page that just connected. Events are added by the caller."""
        assert self.view is not None
        seen = self.view
        return {"type": "snapshot", "seq": seen.seq, "html": seen.html, "data": seen.data}

    def replace(self, new: reads.View) -> None:
        """Take the new view and offer what changed to everybody."""
        old, self.view = self.view, new
        if old is None:
            return
        message: Message = {
            "type": "update",
            "seq": new.seq,
            "events": new.events,
            "html": {k: v for k, v in new.html.items() if old.html.get(k) != v},
            "data": {k: v for k, v in new.data.items() if old.data.get(k) != v},
        }
        if message["events"] or message["html"] or message["data"]:
            for listener in self.listeners:
                listener.offer(message)


class Tailer:
    """Watches for one event loop. Use `tailer()`."""

    def __init__(self) -> None:
        self.feeds: dict[tuple[int, str], Feed] = {}
        self._task: asyncio.Task[None] | None = None
        self._checked = 0.0

    @property
    def running(self) -> bool:
        """Whether the task runs."""
        return self._task is not None and not self._task.done()

    async def subscribe(self, listener: Listener) -> Message | None:
        """Start telling this listener; return its snapshot, None if the project is gone."""
        feed = self.feeds.setdefault(_feed(listener), Feed(*_feed(listener)))
        feed.listeners.add(listener)
        self._start()
        if feed.view is None or monotonic() - feed.looked > POLL:
            await self._look(feed)
        if feed.view is None:
            return None
        # No await between these two: nothing can change in between, nothing is lost or told twice.
        listener.begin()
        return feed.snapshot()

    def unsubscribe(self, listener: Listener) -> None:
        """Stop telling this listener."""
        feed = self.feeds.get(_feed(listener))
        if feed is not None:
            feed.listeners.discard(listener)
            if not feed.listeners:
                del self.feeds[_feed(listener)]

    def _start(self) -> None:
        if not self.running:
            self._checked = monotonic()
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        pause = POLL
        while self.feeds:
            try:
                await self.tick()
                pause = POLL
            except Exception:
                # Whatever went wrong, the pages must hear again later.
                logger.exception("the live channel could not read; it tries again")
                pause = min(2 * pause, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def tick(self) -> None:
        """Look once: tell what changed, close whom it no longer concerns."""
        current = await database_sync_to_async(reads.versions)(
            {feed.project_id for feed in self.feeds.values()}
        )
        for feed in list(self.feeds.values()):
            version = current.get(feed.project_id)
            if version is None:
                _close(feed.listeners)
            elif version != feed.version or monotonic() - feed.looked > LOOK_AGAIN:
                feed.version = version
                await self._look(feed)
        if monotonic() - self._checked > CHECK_ACCESS:
            await self.check_access()

    async def _look(self, feed: Feed) -> None:
        async with feed.lock:
            since = feed.view.seq if feed.view else None
            new = await database_sync_to_async(reads.view)(feed.project_id, feed.language, since)
            feed.looked = monotonic()
            if new is not None:
                feed.replace(new)

    async def check_access(self) -> None:
        """Close the sockets of people who left, were deactivated, or signed out."""
        self._checked = monotonic()
        everybody = [listener for feed in self.feeds.values() for listener in feed.listeners]
        allowed = await database_sync_to_async(reads.still_allowed)(_key(one) for one in everybody)
        _close({listener for listener in everybody if _key(listener) not in allowed})


def _key(listener: Listener) -> tuple[int, int, str | None]:
    return listener.project_id, listener.user_id, listener.session_key


def _feed(listener: Listener) -> tuple[int, str]:
    return listener.project_id, listener.language


def _close(listeners: set[Listener]) -> None:
    for listener in listeners:
        listener.close(GONE)


_TAILERS: WeakKeyDictionary[asyncio.AbstractEventLoop, Tailer] = WeakKeyDictionary()


def tailer() -> Tailer:
    """Return the tailer of the running event loop: one per web process."""
    return _TAILERS.setdefault(asyncio.get_running_loop(), Tailer())
