"""Send mails and webhooks beside the worker's duties: threads of its own, so nothing waits.

One thread looks each second what is due and hands it to others: at most `MOST` webhooks at once,
each with one message under way, and one mail thread. They are daemons: a worker that stops does
not wait for them, and what they had claimed is sent again later.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from django.db import connection

from labelapp.services import notify_mail, webhook_sending

log = logging.getLogger(__name__)

MOST = 8
LOOK_SECONDS = 1.0


class Sender:
    """The threads of one process."""

    def __init__(self) -> None:
        self._busy: set[int] = set()
        self._mailing = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def ensure(self) -> None:
        """Start the thread that looks, unless it runs."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            _guarded(self.look)
            time.sleep(LOOK_SECONDS)

    def look(self) -> list[threading.Thread]:
        """Start what is due; return the threads that do it."""
        with self._lock:
            free = MOST - len(self._busy)
            hooks = webhook_sending.due_hooks(self._busy, free) if free else []
            self._busy.update(hooks)
        started = [_start(partial(self._hook, hook)) for hook in hooks]
        if not self._mailing and (people := notify_mail.due_people()):
            self._mailing = True
            started.append(_start(partial(self._mail, people)))
        return started

    def _hook(self, hook: int) -> None:
        try:
            webhook_sending.send_due(hook)
        finally:
            with self._lock:
                self._busy.discard(hook)

    def _mail(self, people: list[int]) -> None:
        try:
            for user_id in people:
                notify_mail.mail_person(user_id)
        finally:
            self._mailing = False


def _start(do: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=_finishing, args=(do,), daemon=True)
    thread.start()
    return thread


def _finishing(do: Callable[[], object]) -> None:
    """Do it, then give the thread's connection back."""
    _guarded(do)
    connection.close()


def _guarded(do: Callable[[], object]) -> None:
    try:
        do()
    except Exception:
        # A database that is away, a bug in one message: the next second tries again.
        log.exception("Sending failed; it is tried again")
        connection.close()


def send_once() -> None:
    """Send what is due, here and now: for a process without a worker beside it."""
    for hook in webhook_sending.due_hooks(set(), MOST):
        webhook_sending.send_due(hook)
    for user_id in notify_mail.due_people():
        notify_mail.mail_person(user_id)


sender = Sender()
