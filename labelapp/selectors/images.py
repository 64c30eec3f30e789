"""Reads about images: the files behind them, imports and their problems, the gallery."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from labelapp.errors import ForbiddenError, NotFoundError
from labelapp.models import Image, Import, ImportProblem, Project, User
from labelapp.rights import Right, may

GALLERY = 60
PROBLEMS_PER_PAGE = 50
LIVE = frozenset({Import.State.WAITING, Import.State.RUNNING})
SOURCES = {
    Import.Kind.FILES: gettext_noop("Files"),
    Import.Kind.ZIP: gettext_noop("Zip archive"),
    Import.Kind.FOLDER: gettext_noop("Folder of the server"),
    Import.Kind.DEMO: gettext_noop("Demo set"),
}


@dataclass(frozen=True)
class ImageFile:
    """Where the files of an image lie (keys below MEDIA_ROOT), and its name."""

    display_key: str
    original_key: str
    name: str
    sha256: str
    width: int
    height: int


_FILE = ("display_key", "original_key", "name", "sha256", "width", "height")


def image_file(user: User, public_id: str, seq: int, *rights: Right) -> ImageFile:
    """Return an image of a project that this person may see. One query: annotators wait for it.

    Raises NotFoundError for outsiders, ForbiddenError for members who have none of `rights`.
    """
    row = (
        Image.objects.filter(
            seq=seq, project__public_id=public_id, project__memberships__user_id=user.pk
        )
        .exclude(project__status=Project.Status.DELETING)
        .values_list("project__memberships__role", *_FILE)
        .first()
    )
    if row is None:
        raise NotFoundError(_("There is no such image."))
    if not any(may(row[0], right) for right in rights):
        needed = rights[0].value
        raise ForbiddenError(_("Your role in this project does not allow this."), right=needed)
    return ImageFile(*row[1:])


@dataclass(frozen=True)
class ImportView:
    """An import as the page shows it."""

    record: Import
    source: str
    live: bool
    uploading: bool
    can_continue: bool
    percent: int


def import_views(project: Project) -> list[ImportView]:
    """Return the project's latest imports, newest first."""
    records = project.imports.select_related("created_by").order_by("-pk")[:20]
    return [_view(record) for record in records]


def _view(record: Import) -> ImportView:
    state = record.state
    source = _(SOURCES[Import.Kind(record.kind)])
    return ImportView(
        record=record,
        source=f"{source}: {record.source}" if record.kind == Import.Kind.FOLDER else source,
        live=state in LIVE,
        uploading=state == Import.State.UPLOADING,
        can_continue=state == Import.State.FAILED and record.total > 0,
        percent=min(100, 100 * record.cursor // max(record.total, 1)),
    )


def problems(project: Project, import_id: int, number: str) -> tuple[Import, Page[ImportProblem]]:
    """Return an import of this project and one page of its problems; raise NotFoundError."""
    record = Import.objects.filter(project=project, pk=import_id).first()
    if record is None:
        raise NotFoundError(_("There is no such import."))
    rows = record.problems.order_by("pk")
    return record, Paginator(rows, PROBLEMS_PER_PAGE).get_page(number)


def gallery(project: Project, start: int) -> QuerySet[Image]:
    """Return 60 images from this number on."""
    rows = Image.objects.filter(project=project, seq__gte=start).order_by("seq")
    return rows.only("seq", "name", "width", "height")[:GALLERY]
