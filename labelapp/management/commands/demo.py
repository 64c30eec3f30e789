"""`manage.py demo`: the product plus simulated annotators who answer over HTTP."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from labelapp.env import BASE_DIR, child_environment
from labelapp.management.running import Listen, command, environment, run_product
from labelapp.management.supervisor import Child
from labelapp.services import demo, setup


class Command(BaseCommand):
    """Starts the product on a data folder of its own and simulated people beside it."""

    help = "Watch a whole run: the product with simulated annotators (data in var/demo)."
    requires_system_checks = ()  # the database may not exist yet

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the options."""
        parser.add_argument("--host", default=settings.ENV.host, help="0.0.0.0: local network")
        parser.add_argument("--port", type=int, default=settings.ENV.port)
        parser.add_argument("--people", type=int, default=3, help="simulated annotators, 1 to 20")
        parser.add_argument(
            "--pace", type=float, default=0.0, help="seconds per answer; 0 = at once"
        )
        parser.add_argument("--seconds", type=float, default=0.0, help="give up after this long")
        parser.add_argument("--exit", action="store_true", help="stop when the run is finished")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until Ctrl-C, or with --exit until the run is finished."""
        if not 1 <= options["people"] <= 20 or options["pace"] < 0:
            raise CommandError("--people must lie between 1 and 20, --pace must not be negative")
        if settings.DATA_DIR == BASE_DIR / "var":
            _start_again_in(str(BASE_DIR / "var" / "demo"))
        listen = Listen(options["host"], options["port"])
        sys.exit(
            run_product(listen=listen, say=self.say, prepare=lambda: self._prepare(listen, options))
        )

    def _prepare(self, listen: Listen, options: dict[str, Any]) -> list[Child]:
        owner = setup.first_start(with_demo=False).owner
        project, plan = demo.prepare_demo(owner=owner, people=options["people"])
        demo.write_plan(plan)
        self.say(f"Watch it at http://localhost:{listen.port}/p/{project.public_id}/ as")
        self.say(f"    e-mail    {owner.email}")
        self.say(f"    password  {demo.renew_owner_password(owner)}")
        self.say(f"{options['people']} simulated people have accounts of their own.")
        rest = ["--url", listen.url, "--pace", str(options["pace"])]
        rest += ["--seconds", str(options["seconds"]), *(["--exit"] if options["exit"] else [])]
        people = command("demo_people", *rest)
        return [Child("simulated people", people, environment(listen), once=True)]

    def say(self, line: str) -> None:
        """Print one line at once, also into a pipe."""
        self.stdout.write(line)
        self.stdout.flush()


def _start_again_in(data_dir: str) -> None:
    """Replace this program by itself with another data folder: real data stays untouched."""
    arguments = [sys.executable, *sys.argv]
    os.execve(sys.executable, arguments, child_environment(MCAL_DATA_DIR=data_dir))  # noqa: S606
