"""`manage.py worker`: do the jobs: imports, steps of the engine, trainings, exports."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connection

from labelapp import queue
from labelapp.management import machine
from labelapp.services import days, notify, reconcile

logger = logging.getLogger(__name__)

_BEAT_SECONDS = 5.0
_TEND_SECONDS = 1.0
_RECONCILE_SECONDS = 60.0
_NOTIFY_SECONDS = 1.0
_DAYS_SECONDS = 600.0
_MORE_SECONDS = 2.0  # when a duty says that there is more of it


class Command(BaseCommand):
    """One worker: django-q2's processes do the jobs, this one watches over them."""

    help = "Do the background jobs. `manage.py up` starts this too."

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the options."""
        parser.add_argument(
            "--parent", type=int, default=0, help="end when this process is no longer the parent"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until told to stop; code 1 when the cluster died, so that `up` starts it again."""
        queue.own_stop()
        reconcile.reconcile_at_start()
        cluster = queue.start_cluster()
        stopper = _Stopper(options["parent"])
        _watch(cluster, stopper)
        died = not stopper.wanted()
        queue.request_stop()
        cluster.stop()
        queue.clear_stop()
        if died:
            sys.exit("The job processes died.")


class _Stopper:
    """Remembers that somebody wants us to stop. Made after the fork: children have their own."""

    def __init__(self, parent: int) -> None:
        self._parent = parent
        self._signalled = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, *_: object) -> None:
        self._signalled = True

    def wanted(self) -> bool:
        """Tell whether a signal came or the process that started us is gone."""
        return self._signalled or (self._parent != 0 and os.getppid() != self._parent)


def _watch(cluster: queue.Cluster, stopper: _Stopper) -> None:
    """Do each duty at its pace in this process' only thread, until told to stop or all is dead."""
    duties = [
        _Duty(_BEAT_SECONDS, lambda: queue.beat(machine.facts())),
        _Duty(_TEND_SECONDS, cluster.tend),
        _Duty(_RECONCILE_SECONDS, reconcile.reconcile),
        _Duty(_NOTIFY_SECONDS, notify.pump),
        _Duty(_DAYS_SECONDS, days.close_days, more=_MORE_SECONDS),
    ]
    while cluster.alive() and not stopper.wanted():
        for duty in duties:
            duty.do_if_due()
        time.sleep(0.2)


@dataclass
class _Duty:
    """Something to do again and again; a database that is busy or away is tried again later."""

    seconds: float
    do: Callable[[], object]
    due: float = 0.0
    more: float = 0.0  # seconds until the next time where it returned something

    def do_if_due(self) -> None:
        """Do it when its time has come."""
        if time.monotonic() < self.due:
            return
        self.due = time.monotonic() + self.seconds
        try:
            if self.do() and self.more:
                self.due = time.monotonic() + self.more
        except Exception as error:
            # Whatever it is: a worker that ends here takes its running training with it.
            logger.exception("The worker could not do one of its duties; it tries again")
            if isinstance(error, DatabaseError):
                connection.close()
