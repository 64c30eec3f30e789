"""Labelling guidelines: every change is a new version, and answers carry the version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from labelapp import events
from labelapp.errors import ConflictError, ForbiddenError, InvalidInputError
from labelapp.models import Guideline, GuidelineEntry, Image, LabelClass, Project
from labelapp.rights import Right
from labelapp.selectors.dashboard_words import number
from labelapp.selectors.guidelines import current_guideline, entries_by_class
from labelapp.selectors.projects import Access, active_classes
from labelapp.services import audit

MAX_TEXT = 20_000
MAX_EXAMPLES = 12


@dataclass(frozen=True)
class Entry:
    """What one class means: words, and example images by number (seq)."""

    text: str = ""
    examples: tuple[int, ...] = ()


def save_guidelines(
    *, access: Access, text: str, entries: Mapping[int, Entry], base_version: int
) -> Guideline | None:
    """Write a new version if something changed; return it, or None.

    `entries` are by class index. Raises ConflictError if somebody wrote a version after
    `base_version`, InvalidInputError naming fields (`text`, `class_3`).
    """
    if not access.may(Right.STEER):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    project = access.project
    classes = {c.index: c for c in active_classes(project)}
    text = _clean(text)
    entries = {index: Entry(_clean(e.text), e.examples) for index, e in entries.items()}
    images = _check(project, text, entries, classes)
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        current = current_guideline(project)
        version = current.version if current else 0
        if version != base_version:
            raise ConflictError(
                _(
                    "Somebody saved version %(version)s while you wrote: copy your text, load the "
                    "page again, and put it in."
                )
                % {"version": version},
                version=version,
            )
        if not _changed(current, text, entries):
            return None
        new = _write(access, version + 1, text)
        _write_entries(new, entries, classes, images)
        audit.write(
            user=access.user,
            project=project,
            action="guidelines.changed",
            target=f"version {new.version}",
        )
        events.record(project.pk, "project.changed", {"what": "guidelines", "version": new.version})
    return new


def _clean(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _check(
    project: Project,
    text: str,
    entries: Mapping[int, Entry],
    classes: Mapping[int, LabelClass],
) -> dict[int, int]:
    """Return the ids of the example images by number; raise InvalidInputError."""
    images = _images(project, [seq for entry in entries.values() for seq in entry.examples])
    wrong: dict[str, object] = {}
    if len(text) > MAX_TEXT:
        wrong["text"] = _("At most %(most)s characters.") % {"most": number(MAX_TEXT)}
    for index, entry in entries.items():
        missing = [str(seq) for seq in entry.examples if seq not in images]
        if index not in classes:
            wrong[f"class_{index}"] = _("There is no such class.")
        elif len(entry.text) > MAX_TEXT:
            wrong[f"class_{index}"] = _("At most %(most)s characters.") % {"most": number(MAX_TEXT)}
        elif len(entry.examples) > MAX_EXAMPLES:
            wrong[f"class_{index}"] = _("At most %(most)s example images.") % {"most": MAX_EXAMPLES}
        elif missing:
            wrong[f"class_{index}"] = _("There are no images with these numbers: %(numbers)s") % {
                "numbers": ", ".join(missing)
            }
    if wrong:
        raise InvalidInputError(_("The guidelines could not be saved."), **wrong)
    return images


def _images(project: Project, seqs: Sequence[int]) -> dict[int, int]:
    wanted = [seq for seq in set(seqs) if 0 <= seq < 2**31]
    rows = Image.objects.filter(project=project, seq__in=wanted)
    return dict(rows.values_list("seq", "pk"))


def _changed(current: Guideline | None, text: str, entries: Mapping[int, Entry]) -> bool:
    said = {index: (e.text, tuple(sorted(e.examples))) for index, e in entries.items()}
    said = {index: value for index, value in said.items() if any(value)}
    if current is None:
        return bool(text or said)
    known = {
        index: (view.text, tuple(sorted(view.examples)))
        for index, view in entries_by_class(current).items()
    }
    known = {index: value for index, value in known.items() if any(value)}
    return (current.text, known) != (text, said)


def _write(access: Access, version: int, text: str) -> Guideline:
    return Guideline.objects.create(
        project=access.project, version=version, text=text, created_by=access.user
    )


def _write_entries(
    new: Guideline,
    entries: Mapping[int, Entry],
    classes: Mapping[int, LabelClass],
    images: Mapping[int, int],
) -> None:
    filled = {index: e for index, e in entries.items() if e.text or e.examples}
    rows = GuidelineEntry.objects.bulk_create(
        GuidelineEntry(guideline=new, label_class=classes[index], text=e.text)
        for index, e in filled.items()
    )
    through = GuidelineEntry.examples.through
    through.objects.bulk_create(
        through(guidelineentry_id=row.pk, image_id=images[seq])
        for row, entry in zip(rows, filled.values(), strict=True)
        for seq in dict.fromkeys(entry.examples)
    )
