"""A socket's mailbox: one merged message at most, however slow the reader."""

from __future__ import annotations

import pytest

from labelapp.live.listeners import MOST_EVENTS, Listener, merge

pytestmark = pytest.mark.asyncio


def update(seq: int, **html: str) -> dict:
    return {"type": "update", "seq": seq, "events": [{"seq": seq}], "html": html, "data": {}}


@pytest.fixture
def listener() -> Listener:
    listener = Listener(project_id=1, user_id=1)
    listener.begin()
    return listener


async def test_a_slow_reader_gets_one_message_with_all_changes(listener):
    listener.offer(update(1, figures="a", events="x"))
    listener.offer(update(2, figures="b"))
    message = await listener.next(1)
    assert message["html"] == {"figures": "b", "events": "x"}
    assert [event["seq"] for event in message["events"]] == [1, 2]
    assert message["seq"] == 2


async def test_nothing_is_read_twice(listener):
    listener.offer(update(1))
    await listener.next(1)
    assert await listener.next(0.01) is None


async def test_nothing_is_kept_before_the_snapshot():
    listener = Listener(project_id=1, user_id=1)
    listener.offer(update(1))
    assert await listener.next(0.01) is None


async def test_closing_wakes_the_reader(listener):
    listener.close(4404)
    assert await listener.next(1) is None
    assert listener.closed == 4404


async def test_a_backlog_of_events_is_bounded():
    first = update(1) | {"events": [{"seq": n} for n in range(MOST_EVENTS)]}
    assert len(merge(first, update(999))["events"]) == MOST_EVENTS
