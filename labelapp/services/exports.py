"""Make data sets for download, in the background, with memory that does not grow."""

from __future__ import annotations

import errno
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from labelapp import events, queue
from labelapp.errors import AppError, ForbiddenError, InvalidInputError
from labelapp.formats.coco import coco_chunks
from labelapp.formats.csv_labels import PART_COLUMNS, LabelRow, csv_chunks
from labelapp.models import Export, Project
from labelapp.rights import Right
from labelapp.selectors import export_parts as parts
from labelapp.selectors import export_rows as rows
from labelapp.selectors.export_parts import Subsets
from labelapp.selectors.exports import certificate, preview
from labelapp.selectors.projects import Access
from labelapp.services import audit
from labelapp.services.image_files import media_path

T = TypeVar("T")
FORMATS = {"csv": "CSV", "coco": "COCO"}
KEPT = 5  # finished files of one kind; older ones are removed
FOLDERS = {
    parts.KEPT: "train",
    parts.HELD_OUT: "val",
    parts.LEFT_OUT: "left_out",
    parts.OUTSIDE: "other",
}
"""How a COCO zip names the parts of a search: readers take what comes behind `labels_`."""
LIVE = (Export.State.WAITING, Export.State.RUNNING)


class Control(Protocol):
    """What the worker hands to a job: it reports progress and raises when the job has to end."""

    def tick(
        self, progress: float | None = None, message: str = "", seconds_left: float | None = None
    ) -> None:
        """Say that the job lives and how far it is (0..1)."""


def start_export(
    *,
    access: Access,
    format: str,
    with_images: bool = False,
    curation: int | None = None,
    part: str = "",
) -> Export:
    """Have a file made in the background; one of the same kind that is under way is returned.

    `format` is csv or coco; `with_images` puts the originals into the COCO zip. With the number
    of a search for a training set (`curation`) the file holds only what it `kept`, only what it
    `left_out`, or everything with its parts (`split`).
    Raises ForbiddenError, InvalidInputError, NotFoundError, ConflictError.
    """
    if not access.may(Right.EXPORT):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    if format not in FORMATS or (with_images and format == "csv"):
        raise InvalidInputError(_("There is no such format."), format=format)
    kind: dict[str, Any] = {
        "project": access.project,
        "format": format,
        "with_images": with_images,
        "curation_id": curation,
        "part": part,
    }
    with transaction.atomic():
        project = Project.objects.select_for_update(no_key=True).get(pk=access.project.pk)
        parts.subsets(project, curation, part)
        record = Export.objects.filter(**kind, state__in=LIVE).first()
        if record is None:
            record = Export.objects.create(**kind, created_by=access.user)
            queue.enqueue(
                "export", f"export:{record.pk}", project_id=record.project_id, target=record.pk
            )
            followed = {"curation": curation, "part": part} if part else {}
            audit.write(
                user=access.user,
                project=access.project,
                action="export.started",
                target=format,
                after={"with_images": with_images, **followed},
            )
    return record


def csv_stream(project: Project, curation: int | None = None, part: str = "") -> Iterator[bytes]:
    """Yield the CSV as it is now, all of it or a part as `start_export` takes it.

    Raises before the first piece: InvalidInputError, NotFoundError, ConflictError.
    """
    return _csv(project, parts.subsets(project, curation, part), part)


def csv_name(project: Project, curation: int | None = None, part: str = "") -> str:
    """Return the file name of the CSV that is made now."""
    return download_name(project, f"{_prefix(curation, part)}labels.csv")


def _csv(
    project: Project,
    subsets: Subsets | None,
    part: str,
    counted: Callable[[Iterable[LabelRow]], Iterable[LabelRow]] = iter,
) -> Iterator[bytes]:
    if subsets is None:
        return csv_chunks(counted(rows.label_rows(project)))
    if part != parts.SPLIT:
        return csv_chunks(counted(rows.label_rows(project, subsets.chunks(part))))
    return csv_chunks(counted(rows.label_rows(project, subsets=subsets)), columns=PART_COLUMNS)


def _prefix(curation: int | None, part: str) -> str:
    """Return e.g. `search-7-left-out-`: files of one search lie beside each other."""
    if not part:
        return ""
    return f"search-{curation or 0}-{part.replace('_', '-')}-"


def download_name(project: Project, suffix: str, when: datetime | None = None) -> str:
    """Return a file name that says what is inside, e.g. `shapes-20260131-1200-labels.csv`."""
    stem = slugify(project.name) or project.public_id
    return f"{stem[:60]}-{when or timezone.now():%Y%m%d-%H%M}-{suffix}"


def run_export(export_id: int, control: Control) -> None:
    """Make the file of an export; called by the worker, harmless when repeated."""
    Export.objects.filter(pk=export_id, state=Export.State.WAITING).update(
        state=Export.State.RUNNING
    )
    record = Export.objects.select_related("project").filter(pk=export_id).first()
    if record is None or record.state != Export.State.RUNNING:
        return
    try:
        _make(record, control)
    except queue.JobCancelled:
        _end(record, Export.State.FAILED, message="Cancelled.")
        raise
    except AppError as error:  # the search was deleted, or the project is open again
        _end(record, Export.State.FAILED, message=error.message[:500])
    except OSError as error:
        _end(record, Export.State.FAILED, message=_words(error))


def _make(record: Export, control: Control) -> None:
    subsets = parts.subsets(record.project, record.curation_id, record.part)
    suffix = "labels.csv" if record.format == "csv" else "coco.zip"
    prefix = _prefix(record.curation_id, record.part)
    name = download_name(record.project, f"{prefix}{suffix}", record.created)
    key = f"exports/{record.project.public_id}/{record.pk}/{name}"
    path = media_path(key)
    temporary = path.with_name(f".{name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    write = _write_csv if record.format == "csv" else _write_coco
    try:
        count = write(record, subsets, temporary, control)
        _settled_rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    size = path.stat().st_size
    _end(record, Export.State.DONE, file_key=key, file_name=name, rows=count, size=size)
    _prune(record)


def _write_csv(record: Export, subsets: Subsets | None, path: Path, control: Control) -> int:
    progress = _Progress(record, subsets, control, passes=1)
    with path.open("wb") as out:
        out.writelines(_csv(record.project, subsets, record.part, progress.counted))
    return progress.done


def _write_coco(record: Export, subsets: Subsets | None, path: Path, control: Control) -> int:
    """Write the zip that readers expect: annotations/labels_train.json, images/train/...

    With the parts of a search: a file and a folder for each that has images (`FOLDERS`), the
    numbers of images and annotations the same as in a file of everything.
    """
    project = record.project
    ambiguous = rows.ambiguous_names(project)
    progress = _Progress(record, subsets, control, passes=3 if record.with_images else 2)
    with zipfile.ZipFile(path, "w") as archive:
        files = list(_coco_files(subsets, record.part))
        for one in files:
            _write_annotations(archive, record, ambiguous, one, progress)
        entries = progress.done // 2
        if record.with_images:
            for one in files:
                images = rows.image_files(project, ambiguous, one.chunks())
                for name, key in progress.counted(images):
                    archive.write(media_path(key), f"images/{one.folder}/{name}")
    return entries


@dataclass(frozen=True)
class _CocoFile:
    """One annotation file of the zip, and which images it is about."""

    folder: str = "train"
    subsets: Subsets | None = None
    subset: str = ""

    def chunks(self) -> Iterator[list[int]] | None:
        """Return the numbers of its images; None for all."""
        return None if self.subsets is None else self.subsets.chunks(self.subset)

    def about(self) -> dict[str, Any]:
        """Return what the file says of the search, in `info`."""
        if self.subsets is None:
            return {}
        curation = self.subsets.curation
        told = {key: curation.settings.get(key) for key in ("share", "scheme", "model")}
        return {
            "subset": self.subset,
            "search": {"id": curation.pk, "labels_sha256": curation.labels_sha256, **told},
        }


def _coco_files(subsets: Subsets | None, part: str) -> Iterator[_CocoFile]:
    if subsets is None:
        yield _CocoFile()
        return
    counts = subsets.counts()
    for subset in parts.SUBSETS if part == parts.SPLIT else (part,):
        if counts[subset] or subset == part:
            yield _CocoFile(FOLDERS[subset], subsets, subset)


def _write_annotations(
    archive: zipfile.ZipFile,
    record: Export,
    ambiguous: frozenset[str],
    one: _CocoFile,
    progress: _Progress,
) -> None:
    project = record.project
    chunks = coco_chunks(
        info={**_info(project, whole=not record.part), **one.about()},
        class_names=rows.class_names(project),
        rows=lambda: progress.counted(rows.coco_rows(project, ambiguous, one.chunks())),
    )
    name = f"annotations/labels_{one.folder}.json"
    entry = zipfile.ZipInfo(name, timezone.now().timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    with archive.open(entry, "w", force_zip64=True) as out:
        for chunk in chunks:
            out.write(chunk)


def _info(project: Project, *, whole: bool) -> dict[str, Any]:
    """Describe the data set; a finished one carries its certificate, which is about all of it."""
    now = timezone.now()
    return {
        "description": project.name,
        "version": "1.0",
        "year": now.year,
        "contributor": "",
        "url": "",
        "date_created": now.isoformat(timespec="seconds"),
        "certificate": certificate(project) if whole else None,
    }


class _Progress:
    """Counts rows as they pass and tells the worker."""

    def __init__(
        self, record: Export, subsets: Subsets | None, control: Control, *, passes: int
    ) -> None:
        files = preview(record.project)
        images = files.images if subsets is None else subsets.taken(record.part)
        self.total = max(1, (images + files.duplicates) * passes)  # of a part: at most
        self.control = control
        self.done = 0

    def counted(self, items: Iterable[T]) -> Iterator[T]:
        """Pass the items on; the worker hears of every hundredth."""
        for item in items:
            self.done += 1
            if self.done % 100 == 0:
                self.control.tick(self.done / self.total, f"{self.done:,} of {self.total:,} rows")
            yield item


def _settled_rename(temporary: Path, path: Path) -> None:
    with temporary.open("rb") as written:
        os.fsync(written.fileno())
    temporary.replace(path)


def give_up(export_id: int, message: str) -> None:
    """End an export whose job failed for good, and say so. Harmless when it has ended."""
    record = Export.objects.filter(pk=export_id).first()
    if record is not None:
        _end(record, Export.State.FAILED, message=message[:500])


def _end(record: Export, state: str, **changes: Any) -> None:
    running = Export.objects.filter(pk=record.pk, state__in=LIVE)
    with transaction.atomic():
        if running.update(state=state, finished=timezone.now(), **changes):
            payload = {"export": record.pk, "format": record.format, "state": state}
            events.record(record.project_id, "export.finished", payload)


def _prune(record: Export) -> None:
    """Remove older files of the same kind: data sets are large."""
    same: dict[str, Any] = {
        name: getattr(record, name)
        for name in ("project_id", "format", "with_images", "curation_id", "part")
    }
    done = Export.objects.filter(**same, state=Export.State.DONE).order_by("-pk")
    for old in done[KEPT:]:
        shutil.rmtree(media_path(old.file_key).parent, ignore_errors=True)
        old.delete()


def _words(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "The disk is full. Free some space, then export again."
    return f"Writing the file failed: {error.strerror or error}."
