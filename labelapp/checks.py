"""System checks with ids: what would make this installation fail later, said at start."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register()
def data_folder_is_writable(**_: Any) -> list[CheckMessage]:
    """Check that files can be written below DATA_DIR."""
    folder = Path(settings.DATA_DIR)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return [_not_writable(folder, str(error))]
    return [] if os.access(folder, os.W_OK) else [_not_writable(folder, "no write permission")]


def _not_writable(folder: Path, why: str) -> Error:
    return Error(
        f"The data folder {folder} is not writable: {why}.",
        hint="Make it writable, or point MCAL_DATA_DIR to a folder that is.",
        id="labelapp.E001",
    )
