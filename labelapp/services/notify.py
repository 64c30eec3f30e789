"""Notifications: events become messages to people and to other systems, once each.

The worker calls `pump` each second. What is told is decided in `notify_events` (events) and
`notify_sweeps` (what no event tells of), written by `notify_tell`, and sent by the threads of
`notify_sending`: `notify_mail` and `webhook_sending`. The kinds are in `selectors.notices`.
"""

from __future__ import annotations

from labelapp.services import notify_events, notify_sweeps
from labelapp.services.notify_sending import sender


def pump() -> int:
    """Make the notifications of new events and have sent what is due; return how many were made.

    Takes milliseconds: one query when nothing happened; sending goes on in threads of its own.
    """
    sender.ensure()
    try:
        return notify_events.make_news()
    finally:
        notify_sweeps.do_due()
