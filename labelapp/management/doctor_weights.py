"""What `manage.py doctor` says of the pre-trained weights: which are there, and are they whole."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from labelapp import choices
from labelapp.management.doctor import Finding, fail, ok, warn

_PUBLISHED = re.compile(r"-([0-9a-f]{8,64})\.pth$")


def weights() -> Iterator[Finding]:
    """Compare each file of MCAL_WEIGHTS_DIR with the SHA-256 that its name, or its note, says."""
    if not settings.WEIGHTS_DIR:
        yield ok("no folder of pre-trained weights is named (MCAL_WEIGHTS_DIR)")
        return
    folder = Path(settings.WEIGHTS_DIR)
    if not folder.is_dir():
        yield fail(f"the folder of pre-trained weights is not there: {folder}")
        return
    files = [path for path in sorted(folder.iterdir()) if path.suffix in {".pt", ".pth"}]
    if not files:
        yield warn(f"the folder of pre-trained weights is empty: {folder}")
    for path in files:
        yield _looked_at(path)


def _looked_at(path: Path) -> Finding:
    try:
        expected = _expected(path)
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, IndexError, ValueError) as error:
        return fail(f"weights {path.name}: its SHA-256 cannot be compared ({error})")
    if not expected:
        return warn(f"weights {path.name}: the name says no SHA-256, so nothing reads it")
    if not found.startswith(expected):
        return fail(f"weights {path.name}: half-written or changed; copy the file anew")
    if path.stem not in choices.ARCHITECTURES and not _known(path.name):
        return warn(f"weights {path.name}: of a network that no project can choose")
    return ok(f"weights {path.name}: whole")


def _expected(path: Path) -> str:
    if path.suffix == ".pt":
        return path.with_name(f"{path.name}.sha256").read_text().split()[0].lower()
    found = _PUBLISHED.search(path.name)
    return found.group(1) if found else ""


def _known(name: str) -> bool:
    return any(name in names for names in choices.WEIGHT_FILES.values())
