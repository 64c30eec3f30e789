"""The labelling guidelines, as pages show them."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from labelapp.models import Guideline, LabelClass, Project
from labelapp.selectors.projects import active_classes


@dataclass(frozen=True)
class EntryView:
    """What one class means: words, and the numbers (seq) of its example images."""

    text: str = ""
    examples: tuple[int, ...] = ()


@dataclass(frozen=True)
class ClassView:
    """A class with its entry."""

    label_class: LabelClass
    entry: EntryView


def current_guideline(project: Project) -> Guideline | None:
    """Return the newest version, or None if nobody has written one."""
    return project.guidelines.order_by("-version").first()


def history(project: Project) -> QuerySet[Guideline]:
    """Return all versions, the newest first."""
    return project.guidelines.select_related("created_by").order_by("-version")


def entries_by_class(guideline: Guideline | None) -> dict[int, EntryView]:
    """Return the entries of a version by class index; three queries at any size."""
    if guideline is None:
        return {}
    rows = guideline.entries.select_related("label_class").prefetch_related("examples")
    return {
        row.label_class.index: EntryView(
            row.text, tuple(sorted(image.seq for image in row.examples.all()))
        )
        for row in rows
    }


def classes_with_entries(project: Project, guideline: Guideline | None) -> list[ClassView]:
    """Return every active class with what this version says about it."""
    entries = entries_by_class(guideline)
    return [ClassView(c, entries.get(c.index, EntryView())) for c in active_classes(project)]
