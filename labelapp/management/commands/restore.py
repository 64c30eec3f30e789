"""`manage.py restore FILE`: put a backup in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from labelapp.errors import AppError
from labelapp.management.instance import AlreadyRunningError, InstanceLock
from labelapp.services.restore import restore_backup


class Command(BaseCommand):
    """Restores a backup into an empty installation."""

    help = "Restore a file that `backup` wrote. The product must not run meanwhile."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the options."""
        parser.add_argument("file", type=Path, help="a file that `manage.py backup` wrote")
        parser.add_argument(
            "--force", action="store_true", help="move the present data aside and restore"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore; nothing changes when the file is no good."""
        source: Path = options["file"].resolve()
        if not source.is_file():
            raise CommandError(f"there is no file {source}")
        try:
            with InstanceLock(Path(settings.DATA_DIR), "restoring a backup"):
                manifest = restore_backup(source, force=options["force"], say=self.stdout.write)
        except AlreadyRunningError as holder:
            raise CommandError(f"the product is running ({holder}): stop it first") from None
        except (AppError, OSError) as error:
            raise CommandError(f"nothing was restored: {error}") from error
        self.stdout.write(f"Restored the backup of {manifest.created}, version {manifest.version}:")
        self.stdout.write(", ".join(f"{count} {name}" for name, count in manifest.counts.items()))
        self.stdout.write("`make run` starts it (and brings the database up to date).")
