"""`manage.py backup FILE`: everything in one file, while the product runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labelapp.errors import AppError
from labelapp.services.backup import write_backup


class Command(BaseCommand):
    """Writes a backup."""

    help = "Write database, images, models and the secret key to one tar file."

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the options."""
        parser.add_argument("file", type=Path, help="the file to write, e.g. mcal-2026-01-31.tar")
        parser.add_argument("--force", action="store_true", help="replace the file if it exists")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the file; refuse to replace one unless told to."""
        target: Path = options["file"].resolve()
        if target.exists() and not options["force"]:
            raise CommandError(f"{target} exists already. Name another file, or use --force.")
        try:
            manifest = write_backup(target, self.stdout.write)
        except (AppError, OSError) as error:
            raise CommandError(f"no backup was written: {error}") from error
        size = target.stat().st_size / 1e6
        self.stdout.write(f"Wrote {target}: {len(manifest.files)} files, {size:.1f} MB")
        self.stdout.write(", ".join(f"{count} {name}" for name, count in manifest.counts.items()))
        self.stdout.write("It holds password hashes and the secret key: keep it safe.")
