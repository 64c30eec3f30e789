"""The list of likely label errors: the most suspicious first, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from labelapp.errors import InvalidInputError
from labelapp.models import Job, Label, LabelClass, LabelIssue, LabelReport, Project, Run
from labelapp.selectors.browse_guess import hidden_of
from labelapp.selectors.money_words import number

PAGE = 24
MOST_PAIRS = 12
SOURCES = ("", "human", "machine")
MAX_INDEX = 2**31 - 1


@dataclass(frozen=True)
class Filter:
    """Which issues: of one source, of one pair of classes."""

    source: str = ""
    given: int | None = None
    suggested: int | None = None

    @property
    def address(self) -> str:
        """The filter as the address has it."""
        named = {"source": self.source, "given": self.given, "suggested": self.suggested}
        return "&".join(f"{k}={v}" for k, v in named.items() if v not in (None, ""))


@dataclass(frozen=True)
class Issue:
    """One contradicted label, with the classes for the page."""

    record: LabelIssue
    given: LabelClass | None
    suggested: LabelClass | None
    who: str  # gave the label

    @property
    def sure(self) -> float:
        """How little the label is believed, as a share."""
        return 1.0 - self.record.score


@dataclass(frozen=True)
class Listed:
    """A page of issues; `cursor` is empty at the end."""

    issues: list[Issue]
    cursor: str


@dataclass(frozen=True)
class Report:
    """The last search, and whether one is under way or due."""

    report: LabelReport | None
    job: Job | None
    stale: bool  # a model was trained since
    pairs: list[dict[str, Any]]
    failed: str = ""
    message: str = ""  # where the search is
    left_out: str = ""  # which labels of people the last search did not judge, and why


def parse(raw: Mapping[str, str]) -> Filter:
    """Return the filter of an address. Raises InvalidInputError."""
    source = raw.get("source", "")
    if source not in SOURCES:
        raise InvalidInputError(_("The request has a wrong value."), source="is not valid")
    return Filter(source, _index(raw, "given"), _index(raw, "suggested"))


def _index(raw: Mapping[str, str], name: str) -> int | None:
    text = raw.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= MAX_INDEX):
        raise InvalidInputError(_("The request has a wrong value."), **{name: "is not valid"})
    return int(text)


def issues(
    project: Project, chosen: Filter, classes: Mapping[int, LabelClass], cursor: str = ""
) -> Listed:
    """Return the next open issues, the most suspicious first.

    Left out: labels that have changed since, and images that measure the machine by now.
    """
    rows = LabelIssue.objects.filter(project=project, state=LabelIssue.State.OPEN)
    if chosen.source:
        rows = rows.filter(source=chosen.source)
    for name in ("given", "suggested"):
        value = getattr(chosen, name)
        if value is not None:
            rows = rows.filter(**{name: value})
    score, pk = _decode(cursor)
    if cursor:
        rows = rows.filter(score__gte=score).exclude(score=score, pk__lte=pk)
    found = list(rows.select_related("image").order_by("score", "pk")[:PAGE])
    images = [row.image_id for row in found]
    labels = {
        label.pk: label
        for label in Label.objects.filter(pk__in=images).select_related("user", "model")
    }
    hidden = hidden_of(project, images)
    shown = [
        _issue(row, labels[row.image_id], classes)
        for row in found
        if row.image_id not in hidden and row.image_id in labels
        if _same(row, labels[row.image_id], classes)
    ]
    last = found[-1] if len(found) == PAGE else None
    return Listed(shown, "" if last is None else f"{last.score!r}_{last.pk}")


def _same(row: LabelIssue, label: Label, classes: Mapping[int, LabelClass]) -> bool:
    """Tell whether the label is still what was found, also where its class was merged."""
    index, steps = label.class_index, 0
    while index != row.given and index in classes and steps < len(classes):
        heir = classes[index].merged_into
        if heir is None:
            return False
        index, steps = heir.index, steps + 1
    return index == row.given


def _issue(row: LabelIssue, label: Label, classes: Mapping[int, LabelClass]) -> Issue:
    by_machine = label.source == Label.Source.MACHINE
    who = _("the machine") if by_machine else str(label.user or _("people"))
    return Issue(row, classes.get(row.given), classes.get(row.suggested), who)


def _decode(cursor: str) -> tuple[float, int]:
    if not cursor:
        return 0.0, 0
    score, _sign, pk = cursor.partition("_")
    try:
        found = float(score), int(pk)
    except ValueError:
        found = (-1.0, 0)
    if not (0.0 <= found[0] <= 1.0 and 0 <= found[1] < 2**63):
        raise InvalidInputError(_("The list cannot go on from there: load the page again."))
    return found


def report(project: Project, classes: Mapping[int, LabelClass]) -> Report:
    """Return what is known of the searches of this project."""
    found = LabelReport.objects.filter(project=project).first()
    jobs = Job.objects.filter(project=project, kind="issues").order_by("-pk")
    last = jobs.first()
    live = (
        last if last is not None and last.state in (Job.State.WAITING, Job.State.RUNNING) else None
    )
    failed = last.message if last is not None and last.state == Job.State.FAILED else ""
    run = Run.objects.filter(project=project).values_list("iteration", flat=True).first()
    stale = found is not None and run is not None and run > found.iteration
    pairs = [] if found is None else found.summary.get("pairs", [])[:MOST_PAIRS]
    named = [
        {**one, "from": classes.get(one["given"]), "to": classes.get(one["suggested"])}
        for one in pairs
    ]
    message = _(live.message) if live is not None and live.message else ""
    left_out = "" if found is None else _left_out(found.summary)
    return Report(found, live, stale, named, failed, message, left_out)


def _left_out(summary: Mapping[str, Any]) -> str:
    """Say which labels of people were not judged; empty for searches of before they were counted."""
    words = {name: int(summary.get(name) or 0) for name in ("human", "measuring", "taught")}
    if not words["measuring"] and not words["taught"]:
        return ""
    shown = {name: number(value) for name, value in words.items()}
    shown["all"] = number(sum(words.values()))
    return (
        _(
            "People gave %(all)s labels: %(human)s are compared. Left out are %(measuring)s that "
            "measure the machine, and %(taught)s that every model has learnt from or has not seen "
            "yet."
        )
        % shown
    )
