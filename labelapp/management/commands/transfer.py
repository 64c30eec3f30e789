"""What a found training set is worth to another network: `transfer` on a search of the app.

The packed pixels of a finished project are a cache that the worker drops, so they are packed
anew first; the training itself is `python -m mcal_engine transfer --job`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from labelapp.models import Curation
from labelapp.selectors import curations
from labelapp.services import pool_tensor

PASSED = ("seeds", "threads", "device", "json", "weights")
"""Options that go to the engine as they are."""


class Command(BaseCommand):
    """Train another network on the part that a search kept."""

    help = "Train another network on what a search for the best training set kept."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the number of the search, the network, and options of the engine's `transfer`."""
        parser.add_argument("search", type=int, help="its number, as its page says it")
        parser.add_argument("--arch", required=True, help="candidate to train, e.g. resnet18")
        for name in PASSED:
            parser.add_argument(f"--{name}", help="as of python -m mcal_engine transfer")

    def handle(self, *args: Any, **options: Any) -> None:
        """Pack the pixels if they are gone, then train. Raises CommandError."""
        found = Curation.objects.select_related("project").filter(pk=options["search"]).first()
        if found is None or found.state != Curation.State.DONE:
            raise CommandError("There is no such search that has ended.")
        folder = curations.folder(found)
        try:
            request = json.loads((folder / "request.json").read_text())
            images = int(Path(request["images"]).stem)
            pool_tensor.ensure(found.project, images, lambda share: None)
        except (OSError, ValueError, KeyError, pool_tensor.PoolError) as error:
            raise CommandError(f"The files of this search cannot be used: {error}") from error
        given = [
            text
            for name in PASSED
            if options[name] is not None
            for text in (f"--{name}", options[name])
        ]
        engine = [sys.executable, "-m", "mcal_engine", "transfer", "--job", str(folder)]
        done = subprocess.run([*engine, "--arch", options["arch"], *given], check=False)  # noqa: S603
        if done.returncode:
            raise CommandError("The engine ended with an error.", returncode=done.returncode)
