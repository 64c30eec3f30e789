"""Reads for the page of a project's exports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from labelapp.errors import AppError, ConflictError, NotFoundError
from labelapp.models import (
    AuditCommitment,
    Certificate,
    Curation,
    Export,
    ImageAlias,
    Label,
    Project,
    ProjectCounter,
    Review,
    Run,
)
from labelapp.selectors import curations
from labelapp.selectors.date_words import moment_words
from labelapp.selectors.export_parts import PARTS, SPLIT, Subsets, of_curation, reopened
from labelapp.selectors.money_words import chosen_share

SEARCHES = 20  # that the page offers, the newest first


def certificate(project: Project) -> dict[str, Any] | None:
    """Return the certificate of a finished run, or None.

    With its hash, what is known of the people's own error (not hashed: it is measured anew when
    somebody asks), and for each audit what was committed to and when: that was written down
    before the first image was looked at. `python -m mcal_engine verify` reads this file.
    """
    found = Certificate.objects.filter(run__project=project).first()
    if found is None or project.status != Project.Status.FINISHED:
        return None
    return {
        "content": found.content,
        "sha256": found.sha256,
        "created": found.created.isoformat(),
        "people": found.people,
        "corrected": _corrected(project, str(found.content.get("model", ""))),
        "commitments": [
            {"content": row.content, "sha256": row.sha256, "created": row.created.isoformat()}
            for row in AuditCommitment.objects.filter(run_id=found.run_id).order_by("pk")
        ],
    }


def _corrected(project: Project, model: str) -> list[dict[str, int]]:
    """Return this model's labels that people corrected since: what was delivered, and what is.

    Those that people corrected before the project was opened again were an earlier model's.
    """
    reviews = Review.objects.filter(
        project=project, state=Review.State.DONE, outcome=Review.Outcome.CORRECTED
    )
    was: dict[int, int] = {}
    rows = reviews.filter(before__isnull=False).order_by("closed")
    for image_id, before in rows.values_list("image_id", "before"):
        was.setdefault(image_id, before or 0)  # the first correction saw the machine's
    labels = Label.objects.filter(
        image_id__in=list(was), source=Label.Source.HUMAN, model__sha256=model
    )
    now = labels.order_by("seq").values_list("image_id", "seq", "class_index")
    return [{"item": seq, "was": was[image_id], "now": index} for image_id, seq, index in now]


@dataclass(frozen=True)
class Preview:
    """What an export made now would hold."""

    images: int
    duplicates: int
    human: int
    machine: int

    @property
    def unlabelled(self) -> int:
        """Images that keep their row without a label."""
        return max(0, self.images - self.human - self.machine)


def preview(project: Project) -> Preview:
    """Count before an export is made: two counts that indexes alone answer.

    The source is part of the statement's text: a parameter makes SQLite read every label's row.
    """
    labels = Label.objects.filter(project=project)
    human = labels.extra(where=["labelapp_label.source = 'human'"]).count()
    return Preview(
        images=ProjectCounter.objects.values_list("images", flat=True).get(project=project),
        duplicates=ImageAlias.objects.filter(image__project=project).count(),
        human=human,
        machine=labels.count() - human,
    )


@dataclass(frozen=True)
class Which:
    """A choice of images for an export."""

    part: str  # one of PARTS; empty: everything
    images: int
    chosen: bool


@dataclass(frozen=True)
class PartChoice:
    """What the page offers where a search for a training set has ended."""

    curation: Curation
    searches: list[tuple[int, str]]  # all that can be chosen and their names, newest first
    which: list[Which]
    outside: int  # images that took no part in it
    part: str
    gone: str  # why its parts cannot be had, in words

    @property
    def query(self) -> str:
        """Return what the CSV's address has to say."""
        return f"?curation={self.curation.pk}&part={self.part}" if self.part else ""


def part_choice(project: Project, curation_id: int | None, part: str) -> PartChoice | None:
    """Return the parts that can be exported, of this search or the newest; None without one.

    Counts come from the search's own files: no statement reads the images. What cannot be chosen
    falls back to everything.
    """
    if project.status != Project.Status.FINISHED:
        return None
    done = list(curations.of_project(project).filter(state=Curation.State.DONE)[:SEARCHES])
    if not done:
        return None
    curation = next((one for one in done if one.pk == curation_id), done[0])
    names = [(one.pk, search_name(one)) for one in done]
    try:
        found = of_curation(curation)
    except AppError as error:
        return PartChoice(curation, names, [], 0, "", error.message)
    chosen = part if part in PARTS and curation.pk == curation_id else ""
    return PartChoice(curation, names, _which(found, chosen), found.counts()[""], chosen, "")


def _which(found: Subsets, chosen: str) -> list[Which]:
    counts = {**found.counts(), "": found.images, SPLIT: found.images}
    return [Which(part, counts[part], part == chosen) for part in ("", *PARTS)]


def search_name(curation: Curation) -> str:
    """Return how a list names a search: "50 % of the images, Nov 22, 2026, 14:05 UTC"."""
    values = {
        "share": chosen_share(float(curation.settings.get("share", 0))),
        "moment": moment_words(curation.created),
    }
    return _("%(share)s of the images, %(moment)s") % values


@dataclass(frozen=True)
class ExportView:
    """An export as the page shows it."""

    record: Export
    title: str
    live: bool
    ready: bool
    hidden: str = ""  # done, but not to be had: why, in words


def export_views(project: Project) -> list[ExportView]:
    """Return the project's latest exports, newest first."""
    records = project.exports.select_related("created_by", "curation").order_by("-pk")[:20]
    ended = _ended(project)
    return [_view(record, project, ended) for record in records]


def _view(record: Export, project: Project, ended: datetime | None) -> ExportView:
    title = {"csv": "CSV", "coco": "COCO"}.get(record.format, record.format)
    done = record.state == Export.State.DONE
    hidden = ""
    if done and _is_open(record, project):
        hidden = _("not while the project is open")
    elif done and _is_outdated(record, ended):
        hidden = _("from before the project was opened again")
    return ExportView(
        record=record,
        title=_("%(format)s with images") % {"format": title} if record.with_images else title,
        live=record.state in {Export.State.WAITING, Export.State.RUNNING},
        ready=done and not hidden,
        hidden=hidden,
    )


def _is_open(record: Export, project: Project) -> bool:
    return bool(record.part) and project.status != Project.Status.FINISHED


def _is_outdated(record: Export, ended: datetime | None) -> bool:
    """Tell whether this is a part from before the project was opened again, as a search is then.

    Other images may be in T by now, and of those no model's word is shown.
    """
    return bool(record.part) and ended is not None and ended > record.created


def _ended(project: Project) -> datetime | None:
    return Run.objects.filter(project=project).values_list("finished", flat=True).first()


def one_export(project: Project, export_id: int) -> Export:
    """Return an export of this project in whatever state; raise NotFoundError."""
    known = Export.objects.filter(project=project)
    record = known.filter(pk=export_id).first() if export_id < 2**63 else None
    if record is None:
        raise NotFoundError(_("There is no such file."))
    return record


def finished_export(project: Project, export_id: int) -> Export:
    """Return an export of this project that can be downloaded.

    Raises NotFoundError; ConflictError for a part of a search while the project is open again, and
    for one from before that.
    """
    record = one_export(project, export_id)
    if record.state != Export.State.DONE:
        raise NotFoundError(_("There is no such file."))
    if _is_open(record, project):
        raise ConflictError(reopened())
    if record.part and _is_outdated(record, _ended(project)):
        raise ConflictError(
            _("The project was opened again since this search: its images are shown no more.")
        )
    return record
