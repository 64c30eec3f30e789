"""What `manage.py doctor` looks at in the data: counters, and files without rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.db.models import Max, Sum

from labelapp.management.doctor import Finding, fail, ok, warn
from labelapp.models import (
    Event,
    Image,
    LedgerEntry,
    Project,
    ProjectCounter,
)
from labelapp.selectors.runs import recount

_SHOWN = 5
_LEDGER_DIGITS = Decimal("0.000001")


def counters() -> Iterator[Finding]:
    """Recompute every project's counters and compare them with the stored ones."""
    projects = Project.objects.exclude(status=Project.Status.DELETING).order_by("pk")
    wrong = 0
    for project in projects:
        for line in counter_problems(project):
            wrong += 1
            yield fail(f"project {project.public_id}: {line}")
    if not wrong:
        yield ok(f"the counters of {projects.count()} projects agree with their rows")


def counter_problems(project: Project) -> list[str]:
    """Return how this project's counters differ from what its rows say."""
    stored = ProjectCounter.objects.get(project=project)
    return [
        f"counter {name} says {getattr(stored, name)}, the rows say {value}"
        for name, value in recomputed(project).items()
        if getattr(stored, name) != value
    ]


def recomputed(project: Project) -> dict[str, int | Decimal]:
    """Count again what ProjectCounter holds (not `answers`, which only ever grows)."""
    last = Event.objects.filter(project=project).aggregate(last=Max("seq"))["last"]
    return {
        **recount(project),
        "event_seq": last or 0,
        "label_spend": _spent(project, compute=False),
        "compute_spend": _spent(project, compute=True),
    }


def _spent(project: Project, *, compute: bool) -> Decimal:
    entries = LedgerEntry.objects.filter(project=project)
    part = entries.filter(purpose="compute") if compute else entries.exclude(purpose="compute")
    total: Decimal | None = part.aggregate(total=Sum("amount"))["total"]
    return (total or Decimal(0)).quantize(_LEDGER_DIGITS)  # SQLite adds up in floats


def files() -> Iterator[Finding]:
    """Compare the files of images with their rows, both ways. Only reports."""
    missing = list(islice(missing_files(), _SHOWN))
    orphans = list(islice(orphan_files(), _SHOWN))
    for name in missing:
        yield fail(f"an image's file is missing: {name}")
    for name in orphans:
        yield warn(f"a file belongs to no image or model: {name}")
    if not missing and not orphans:
        yield ok("every image has its files, and every file its image")


def missing_files() -> Iterator[str]:
    """Yield the storage keys of images whose files are not there."""
    root = Path(settings.MEDIA_ROOT)
    keys = Image.objects.values_list("original_key", "display_key").iterator(chunk_size=2000)
    for pair in keys:
        yield from (key for key in pair if not (root / key).exists())


def orphan_files() -> Iterator[str]:
    """Yield originals and display copies that no image refers to.

    A file is written before its row: during an import some are orphans for a moment.
    """
    root = Path(settings.MEDIA_ROOT)
    for project in sorted((root / "projects").glob("*")):
        for folder in sorted([*project.glob("original/*"), *project.glob("display/*")]):
            by_hash = {path.name.partition(".")[0]: path for path in folder.iterdir()}
            for sha256 in sorted(by_hash.keys() - _known(project.name, by_hash)):
                yield by_hash[sha256].relative_to(root).as_posix()


def _known(public_id: str, hashes: Iterable[str]) -> set[str]:
    rows = Image.objects.filter(project__public_id=public_id, sha256__in=list(hashes))
    return set(rows.values_list("sha256", flat=True))
