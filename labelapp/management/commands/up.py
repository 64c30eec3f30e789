"""`manage.py up`: what `make run` calls once the virtual environment is ready."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from labelapp.management.running import Listen, run_product, say_first_start
from labelapp.management.supervisor import Child
from labelapp.services import setup


class Command(BaseCommand):
    """Starts web server and worker, and stops both."""

    help = "Start the product: web server and worker, until Ctrl-C."
    requires_system_checks = ()  # the database may not exist yet

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the options."""
        parser.add_argument("--host", default=settings.ENV.host, help="0.0.0.0: local network")
        parser.add_argument("--port", type=int, default=settings.ENV.port)
        parser.add_argument("--no-worker", action="store_true", help="the web server alone")
        parser.add_argument("--no-demo", action="store_true", help="first start: no demo project")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until Ctrl-C."""

        def prepare() -> list[Child]:
            with_demo = not options["no_demo"]
            say_first_start(setup.first_start(with_demo=with_demo), self.say)
            return []

        code = run_product(
            listen=Listen(options["host"], options["port"]),
            say=self.say,
            prepare=prepare,
            with_worker=not options["no_worker"],
        )
        sys.exit(code)

    def say(self, line: str) -> None:
        """Print one line at once, also into a pipe."""
        self.stdout.write(line)
        self.stdout.flush()
