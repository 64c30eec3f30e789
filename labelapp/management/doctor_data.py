"""What `manage.py doctor` looks at in the data: counters, and files without rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date
from decimal import Decimal
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.db.models import Count, Exists, Max, OuterRef, Q, Sum
from django.db.models.functions import TruncDate

from labelapp.management.doctor import Finding, fail, ok, warn
from labelapp.models import (
    Answer,
    DaysClosed,
    Event,
    Image,
    LedgerDay,
    LedgerEntry,
    Project,
    ProjectCounter,
    WorkDay,
)
from labelapp.selectors.runs import recount
from labelapp.selectors.work_days import span

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


def days() -> Iterator[Finding]:
    """Add up the ledger and the answers of the closed days again, and compare with their sums."""
    wrong = 0
    rows = DaysClosed.objects.exclude(project__status=Project.Status.DELETING)
    for closed in rows.select_related("project").order_by("pk"):
        for line in day_problems(closed):
            wrong += 1
            yield fail(f"project {closed.project.public_id}: {line}")
    if not wrong:
        yield ok(f"the sums of closed days of {rows.count()} projects agree with their rows")


def day_problems(closed: DaysClosed) -> list[str]:
    """Return how the sums of a project's closed days differ from what was booked and answered."""
    found: list[tuple[str, object, object]] = []
    if closed.ledger is not None:
        money, labels = _booked_until(closed)
        sums = LedgerDay.objects.filter(project_id=closed.pk)
        total = sums.aggregate(money=Sum("amount"), n=Sum("entries"))
        summed = (total["money"] or Decimal(0)).quantize(_LEDGER_DIGITS)
        found += [("money", summed, money), ("ledger entries", total["n"] or 0, labels)]
    if closed.work is not None:
        names = ("answers", "skips", "active_ms")
        work = WorkDay.objects.filter(project_id=closed.pk)
        stored = work.aggregate(**{f"of_{name}": Sum(name) for name in names})
        rows = _worked_until(closed)
        found += [(name, stored[f"of_{name}"] or 0, rows[name]) for name in names]
    return [
        f"the closed days say {said} {name}, the rows {value}"
        for name, said, value in found
        if said != value
    ]


def _booked_until(closed: DaysClosed) -> tuple[Decimal, int]:
    entries = LedgerEntry.objects.filter(
        project_id=closed.pk, created__lt=span(closed.ledger or date.min)[1]
    )
    total = entries.aggregate(money=Sum("amount"), n=Count("pk"))
    return (total["money"] or Decimal(0)).quantize(_LEDGER_DIGITS), total["n"]


def _worked_until(closed: DaysClosed) -> dict[str, int]:
    """Count again; a class that was replaced on its own day does not stand."""
    until = span(closed.work or date.min)[1]
    answers = Answer.objects.filter(project_id=closed.pk, created__lt=until)
    total = answers.aggregate(
        given=Count("pk", filter=Q(kind=Answer.Kind.CLASS)),
        skips=Count("pk", filter=Q(kind__in=[Answer.Kind.SKIP, Answer.Kind.UNSURE])),
        ms=Sum("active_ms"),
    )
    later = Answer.objects.annotate(day=TruncDate("created", tzinfo=UTC))
    given = answers.filter(kind=Answer.Kind.CLASS, superseded_by__isnull=False)
    given = given.annotate(day=TruncDate("created", tzinfo=UTC))
    replaced = given.filter(
        Exists(later.filter(pk=OuterRef("superseded_by"), day=OuterRef("day")))
    ).count()
    return {
        "answers": total["given"] - replaced,
        "skips": total["skips"],
        "active_ms": total["ms"] or 0,
    }


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
