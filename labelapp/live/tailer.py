"""One task per web process that watches the projects with open pages and tells those pages.

It asks the counters of all watched projects in one narrow query five times a second, and at once
when `wake` says that something was committed; it reads new events once, renders once per project,
language and role, and hands the changed parts to every socket: 200 open dashboards cost what one
costs. It runs only while somebody listens.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async

from labelapp.live import reads, wake
from labelapp.live.listeners import Listener, Message

logger = logging.getLogger(__name__)

POLL = 0.2  # seconds
ANSWERS = 0.5  # between looks while only answers come in
LOOK_AGAIN = 4.0  # without a change, where something moves: people at work, a training
LOOK_IDLE = 60.0  # where nothing moves: the date drifts
CHECK_WORKER = 4.0
CHECK_ACCESS = 30.0
LONGEST_PAUSE = 10.0  # after errors
RECENT = 1.0  # a view this young is given to who just came
GONE = 4404
AGAIN = 4001  # another role: the page comes back and hears as what it is now


@dataclass
class Feed:
    """One watched project in one language for one role: what its pages show, and who looks."""

    project_id: int
    language: str
    role: str
    listeners: set[Listener] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    version: reads.Version | None = None
    view: reads.View | None = None
    looked: float = 0.0

    def is_due(self, version: reads.Version) -> bool:
        """Tell whether to look now: an event at once, answers not too often, else now and then."""
        age = monotonic() - self.looked
        if self.version is None or version[0] != self.version[0]:
            return True
        if version != self.version:
            return age >= ANSWERS
        return age > (LOOK_AGAIN if self.view is None or self.view.moving else LOOK_IDLE)

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
        self.feeds: dict[tuple[int, str, str], Feed] = {}
        self._task: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._checked = 0.0
        self._worker: tuple[float, bool | None] = (0.0, None)

    @property
    def running(self) -> bool:
        """Whether the task runs."""
        return self._task is not None and not self._task.done()

    async def subscribe(self, listener: Listener) -> Message | None:
        """Start telling this listener; return its snapshot, None if the project is gone."""
        feed = self.feeds.setdefault(_feed(listener), Feed(*_feed(listener)))
        feed.listeners.add(listener)
        self._start()
        if feed.view is None or monotonic() - feed.looked > RECENT:
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

    def wake(self) -> None:
        """Look now: something was committed. Called in the loop."""
        self._woken.set()

    def _start(self) -> None:
        if not self.running:
            self._checked = monotonic()
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        with wake.heard(self.wake):
            await self._watch()

    async def _watch(self) -> None:
        pause = POLL
        while self.feeds:
            self._woken.clear()
            try:
                await self.tick()
                pause = POLL
            except Exception:
                # Whatever went wrong, the pages must hear again later.
                logger.exception("the live channel could not read; it tries again")
                pause = min(2 * pause, LONGEST_PAUSE)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), pause)

    async def tick(self) -> None:
        """Look once: tell what changed, close whom it no longer concerns."""
        feeds = list(self.feeds.values())  # who comes while we read is not among those read
        current = await database_sync_to_async(reads.versions)({feed.project_id for feed in feeds})
        other_worker = await self._worker_changed()
        for feed in feeds:
            version = current.get(feed.project_id)
            if version is None:
                _close(feed.listeners, GONE)
            elif other_worker or feed.is_due(version):
                feed.version = version
                await self._look(feed)
        if monotonic() - self._checked > CHECK_ACCESS:
            await self.check_access()

    async def _look(self, feed: Feed) -> None:
        async with feed.lock:
            since = feed.view.seq if feed.view else None
            new = await database_sync_to_async(reads.view)(
                feed.project_id, feed.language, feed.role, since
            )
            feed.looked = monotonic()
            if new is not None:
                feed.replace(new)

    async def _worker_changed(self) -> bool:
        """Tell whether the last worker has died, or the first one come, since the last look."""
        looked, known = self._worker
        if monotonic() - looked < CHECK_WORKER:
            return False
        alive = await database_sync_to_async(reads.worker_lives)()
        self._worker = monotonic(), alive
        return known is not None and alive != known

    async def check_access(self) -> None:
        """Close the sockets of people who left, were deactivated, signed out, or changed role."""
        self._checked = monotonic()
        everybody = [listener for feed in self.feeds.values() for listener in feed.listeners]
        roles = await database_sync_to_async(reads.still_allowed)(_key(one) for one in everybody)
        _close({one for one in everybody if _key(one) not in roles}, GONE)
        _close({one for one in everybody if roles.get(_key(one), one.role) != one.role}, AGAIN)


def _key(listener: Listener) -> tuple[int, int, str | None]:
    return listener.project_id, listener.user_id, listener.session_key


def _feed(listener: Listener) -> tuple[int, str, str]:
    return listener.project_id, listener.language, listener.role


def _close(listeners: set[Listener], code: int) -> None:
    for listener in listeners:
        listener.close(code)


_TAILERS: WeakKeyDictionary[asyncio.AbstractEventLoop, Tailer] = WeakKeyDictionary()


def tailer() -> Tailer:
    """Return the tailer of the running event loop: one per web process."""
    return _TAILERS.setdefault(asyncio.get_running_loop(), Tailer())
