"""One open page: what is to be sent to it, merged while the connection is slow."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from labelapp.rights import Role

MOST_EVENTS = 200

Message = dict[str, Any]


@dataclass(eq=False)
class Listener:
    """A socket's mailbox. Holds one message at most, however slow the reader: memory is bounded.

    Before `begin` nothing is kept, since the snapshot will hold it. `closed` is the close code
    once this person may no longer look, or the project is gone.
    """

    project_id: int
    user_id: int
    session_key: str | None = None
    language: str = "en"
    role: str = Role.OWNER
    closed: int | None = None
    _begun: bool = False
    _pending: Message | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self) -> None:
        """Keep what is offered from now on."""
        self._begun = True

    def offer(self, message: Message) -> None:
        """Add an update to what is still to be sent."""
        if self._begun:
            self._pending = message if self._pending is None else merge(self._pending, message)
            self._changed.set()

    def close(self, code: int) -> None:
        """Let the reader end."""
        self.closed = code
        self._changed.set()

    async def next(self, patience: float) -> Message | None:
        """Wait for the next message; None when nothing came for `patience` seconds, or closed."""
        try:
            await asyncio.wait_for(self._changed.wait(), patience)
        except TimeoutError:
            return None
        self._changed.clear()
        message, self._pending = self._pending, None
        return message


def merge(first: Message, second: Message) -> Message:
    """Return one update that does what both do."""
    return second | {
        "events": (first["events"] + second["events"])[-MOST_EVENTS:],
        "html": first["html"] | second["html"],
        "data": first["data"] | second["data"],
    }
