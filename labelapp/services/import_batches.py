"""One batch of an import: files are written first, then the rows in one short transaction.

A crash between the two leaves files without rows; the next attempt writes the same names again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from labelapp import events
from labelapp.errors import ConflictError
from labelapp.formats.pictures import PictureError, read_picture
from labelapp.models import Image, ImageAlias, Import, ImportProblem, ProjectCounter, Run
from labelapp.services.image_files import may_be_stored, settle, store_picture
from labelapp.services.import_sources import SourceFile

BATCH_FILES = 200
BATCH_SECONDS = 1.0
NAME_LENGTH = 500


class ImportStoppedError(Exception):
    """The import was cancelled, or another worker has taken this batch."""


@dataclass(frozen=True)
class FoundImage:
    """A good file. `row` is None when the project has had these bytes before."""

    name: str
    sha256: str
    row: Image | None


@dataclass
class Batch:
    """Files start..end of the source, looked at; their image files are written."""

    start: int
    end: int
    found: list[FoundImage] = field(default_factory=list)
    problems: list[ImportProblem] = field(default_factory=list)


def batches(record: Import, files: Iterable[SourceFile], start: int) -> Iterator[Batch]:
    """Look at the files and yield them in batches of 200 files or about a second of work."""
    batch, began = Batch(start, start), time.monotonic()
    for file in files:
        _look_at(record, file, batch)
        batch.end += 1
        if batch.end - batch.start >= BATCH_FILES or time.monotonic() - began > BATCH_SECONDS:
            yield batch
            batch, began = Batch(batch.end, batch.end), time.monotonic()
    if batch.end > batch.start:
        yield batch


def _look_at(record: Import, file: SourceFile, batch: Batch) -> None:
    if len(file.name) > NAME_LENGTH:
        words = f"The name is longer than {NAME_LENGTH} characters."
        batch.problems.append(_problem(record, file.name, "name_too_long", words))
        return
    try:
        batch.found.append(_found(record, file.name, file.read()))
    except PictureError as error:
        batch.problems.append(_problem(record, file.name, error.code, error.message))


def _found(record: Import, name: str, data: bytes) -> FoundImage:
    sha256 = hashlib.sha256(data).hexdigest()
    if may_be_stored(record.project.public_id, sha256) and _has_row(record, sha256):
        return FoundImage(name, sha256, None)
    picture = read_picture(data, max_pixels=settings.MAX_IMAGE_PIXELS)
    original, display = store_picture(record.project.public_id, sha256, data, picture)
    row = Image(
        project_id=record.project_id,
        sha256=sha256,
        name=name,
        width=picture.width,
        height=picture.height,
        size=len(data),
        original_key=original,
        display_key=display,
    )
    return FoundImage(name, sha256, row)


def _has_row(record: Import, sha256: str) -> bool:
    return Image.objects.filter(project_id=record.project_id, sha256=sha256).exists()


def _problem(record: Import, name: str, code: str, message: str) -> ImportProblem:
    return ImportProblem(
        record=record, name=name[:NAME_LENGTH], code=code, message=message[:NAME_LENGTH]
    )


def store_batch(record: Import, batch: Batch, *, announce: bool) -> None:
    """Add the rows of a batch, once: the cursor moves in the same transaction.

    Raises ImportStoppedError when the import is not where this batch starts, ConflictError when
    the run takes no images now. `announce` records an `import.progress` event.
    """
    settle()
    with transaction.atomic():
        _move_cursor(record, batch)
        counter = ProjectCounter.objects.select_for_update().get(project_id=record.project_id)
        check_open(record.project_id)
        added, repeats = _add_images(record, batch, counter.images)
        _add_aliases(record, batch, repeats)
        ImportProblem.objects.bulk_create(batch.problems, ignore_conflicts=True)
        rejected = len(batch.problems) - len(repeats)
        Import.objects.filter(pk=record.pk).update(
            added=F("added") + added,
            duplicates=F("duplicates") + len(repeats),
            rejected=F("rejected") + rejected,
        )
        ProjectCounter.objects.filter(pk=counter.pk).update(images=counter.images + added)
        if announce:
            announce_progress(record)


def check_open(project_id: int) -> None:
    """Raise ConflictError while people label what the machine left: its labels are chosen.

    Before that images join the run at its next step, after it they wait until it is opened again.
    """
    going = Run.objects.filter(project_id=project_id, finished=None)
    if going.values_list("state__state__phase", flat=True).first() in {"machine", "residual"}:
        raise ConflictError(
            _(
                "The machine's labels are chosen and people label the rest. Add images when they "
                "are done, then open the project again."
            )
        )


def _move_cursor(record: Import, batch: Batch) -> None:
    moved = Import.objects.filter(
        pk=record.pk, state=Import.State.RUNNING, cursor=batch.start
    ).update(cursor=batch.end)
    if not moved:
        raise ImportStoppedError


def _add_images(record: Import, batch: Batch, first_seq: int) -> tuple[int, list[FoundImage]]:
    """Number and insert the new images; return how many, and the duplicates."""
    known = set(_ids_by_content(record, batch))
    rows: list[Image] = []
    repeats: list[FoundImage] = []
    for item in batch.found:
        if item.row is None or item.sha256 in known:
            repeats.append(item)
            continue
        known.add(item.sha256)
        item.row.seq = first_seq + len(rows)
        rows.append(item.row)
    Image.objects.bulk_create(rows)
    return len(rows), repeats


def _ids_by_content(record: Import, batch: Batch) -> dict[str, tuple[int, str]]:
    rows = Image.objects.filter(
        project_id=record.project_id, sha256__in={item.sha256 for item in batch.found}
    ).values_list("sha256", "id", "name")
    return {sha256: (pk, name) for sha256, pk, name in rows}


def _add_aliases(record: Import, batch: Batch, repeats: list[FoundImage]) -> None:
    """Keep the names of duplicates, and list them as problems with the name they repeat."""
    if not repeats:
        return
    images = _ids_by_content(record, batch)
    for item in repeats:
        _id, name = images[item.sha256]
        words = f"The same image as {name}; it keeps its row in the export and costs nothing."
        batch.problems.append(_problem(record, item.name, "duplicate", words))
    ImageAlias.objects.bulk_create(
        [
            ImageAlias(image_id=images[item.sha256][0], name=item.name)
            for item in repeats
            if item.name != images[item.sha256][1]  # the same file once more: nothing to keep
        ],
        ignore_conflicts=True,
    )


def announce_progress(record: Import) -> None:
    """Record an `import.progress` event; call it last in a transaction."""
    values = Import.objects.values("total", "cursor", "added", "duplicates", "rejected")
    payload = {"import": record.pk, **values.get(pk=record.pk)}
    events.record(record.project_id, "import.progress", payload)
