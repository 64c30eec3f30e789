"""`manage.py setup`: the first start without the start: owner and demo project."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from labelapp.management.running import say_first_start
from labelapp.services import setup


class Command(BaseCommand):
    """Migrates, makes the owner and the demo project; doing it twice changes nothing."""

    help = "Make the database, the owner and the demo project (`up` does this by itself)."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the options."""
        parser.add_argument("--no-demo", action="store_true", help="no demo project")

    def handle(self, *args: Any, **options: Any) -> None:
        """Set up what is missing."""
        call_command("migrate", verbosity=0, interactive=False)
        found = setup.first_start(with_demo=not options["no_demo"])
        say_first_start(found, self.stdout.write)
