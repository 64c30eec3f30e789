"""`manage.py demo_people`: the simulated people of `manage.py demo`; started by it."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labelapp.management.demo_director import DemoFailedError, Director, summary
from labelapp.services import demo


class Command(BaseCommand):
    """Leads simulated annotators through a whole run, against a server that runs already."""

    help = "Simulated annotators for the demo; `manage.py demo` starts this."

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the options."""
        parser.add_argument("--url", required=True, help="address of the web server")
        parser.add_argument("--pace", type=float, default=0.0, help="seconds per answer")
        parser.add_argument("--seconds", type=float, default=0.0, help="give up after this long")
        parser.add_argument("--exit", action="store_true", help="end when the run is finished")

    def handle(self, *args: Any, **options: Any) -> None:
        """Play the demo, print the table, and stay unless told to exit."""
        signal.signal(signal.SIGTERM, _leave)
        director = Director(
            plan=demo.read_plan(),
            base_url=options["url"],
            pace=options["pace"],
            limit=options["seconds"],
            say=self.say,
        )
        try:
            result = director.play()
        except DemoFailedError as error:
            raise CommandError(f"The demo ended early. {error}") from None
        for line in summary(result, director.seconds):
            self.say(line)
        if not options["exit"]:
            self.say("The run is finished; look around. Ctrl-C stops the server.")
            while True:
                time.sleep(3600)

    def say(self, line: str) -> None:
        """Print one line at once, also into a pipe."""
        self.stdout.write(line)
        self.stdout.flush()


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once: the people's unsaved answers are repeated by nobody, and none was counted."""
    sys.exit(0)
