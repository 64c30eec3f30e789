"""One image as the browser's panel shows it: what was said of it, by whom, when."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from labelapp.errors import NotFoundError
from labelapp.models import (
    Answer,
    Comment,
    Exclusion,
    Image,
    Label,
    LabelClass,
    Project,
    ProjectCounter,
    Review,
)
from labelapp.selectors import browse, similar
from labelapp.selectors.browse import Tile
from labelapp.selectors.browse_page import PLACES
from labelapp.selectors.browse_sql import Found
from labelapp.selectors.reviews import REASONS

ALIKE = 12
MOST_COMPARED = 20_000  # images that "similar" looks at: about a tenth of a second
MOST_LINES = 60


@dataclass(frozen=True)
class Line:
    """Something that happened to an image's label."""

    when: datetime
    who: str
    what: str
    gone: bool = False  # replaced or withdrawn since
    icon: str = "tag"


@dataclass(frozen=True)
class Panel:
    """An image with its label, its votes and its past."""

    tile: Tile
    place: str  # how its label came about, in words
    votes: int
    history: list[Line]
    waiting: str  # the open question about it, in words
    reason: str  # why it is excluded


def image_of(project: Project, seq: int) -> Found:
    """Return an image of this project; raise NotFoundError."""
    pk = Image.objects.filter(project=project, seq=seq).values_list("pk", flat=True).first()
    if pk is None:
        raise NotFoundError(_("There is no such image."))
    return Found(None, seq, pk)


def panel(project: Project, seq: int, classes: dict[int, LabelClass]) -> Panel:
    """Return the panel of one image. Raises NotFoundError."""
    found = image_of(project, seq)
    [tile] = browse.tiles(project, [found])
    label = Label.objects.filter(image_id=found.image_id).select_related("model").first()
    open_ = Review.objects.filter(image_id=found.image_id, state=Review.State.OPEN).first()
    excluded = Exclusion.objects.filter(image_id=found.image_id).select_related("user").first()
    history = [
        *_answers(found.image_id, classes),
        *_decisions(found.image_id, classes),
        *_comments(found.image_id),
    ]
    if label is not None and label.model is not None:
        history.append(_by_machine(label, classes))
    if excluded is not None:
        history.append(Line(excluded.created, str(excluded.user or ""), _("Excluded"), icon="ban"))
    return Panel(
        tile=tile,
        place=str(PLACES.get(tile.purpose, "")),
        votes=0 if label is None or label.source == "machine" else label.votes,
        history=sorted(history, key=lambda line: line.when, reverse=True)[:MOST_LINES],
        waiting="" if open_ is None else str(REASONS[Review.Reason(open_.reason)]),
        reason="" if excluded is None else excluded.reason,
    )


def _name(classes: dict[int, LabelClass], index: int | None) -> str:
    if index is None:
        return "?"
    return classes[index].name if index in classes else str(index)


def _answers(image_id: int, classes: dict[int, LabelClass]) -> list[Line]:
    """Return all answers, replaced ones too; gold questions and withdrawals are left out."""
    rows = (
        Answer.objects.filter(image_id=image_id)
        .exclude(batch__purpose="gold")
        .exclude(kind=Answer.Kind.WITHDRAWN)
        .select_related("user", "label_class")
        .order_by("-created")[:MOST_LINES]
    )
    words = {Answer.Kind.SKIP: _("skipped"), Answer.Kind.UNSURE: _("cannot tell")}
    return [
        Line(
            row.created,
            str(row.user),
            words.get(Answer.Kind(row.kind))
            or _name(classes, None if row.label_class is None else row.label_class.index),
            gone=row.superseded_by is not None,
            icon="user",
        )
        for row in rows
    ]


def _decisions(image_id: int, classes: dict[int, LabelClass]) -> list[Line]:
    rows = Review.objects.filter(image_id=image_id, state=Review.State.DONE, closed__isnull=False)
    words = {
        "accepted": _("Reviewed: right"),
        "corrected": _("Reviewed: %(before)s → %(after)s"),
        "sent_back": _("Sent back"),
        "excluded": _("Reviewed: nobody can tell"),
    }
    lines = []
    for row in rows.select_related("reviewer").order_by("-closed")[:MOST_LINES]:
        names = {"before": _name(classes, row.before), "after": _name(classes, row.after)}
        what = words.get(row.outcome, row.outcome) % names
        lines.append(Line(row.closed or row.created, str(row.reviewer or ""), what, icon="eye"))
    return lines


def _comments(image_id: int) -> list[Line]:
    rows = Comment.objects.filter(image_id=image_id).select_related("user").order_by("-created")
    return [
        Line(row.created, str(row.user), row.text, icon="file-text") for row in rows[:MOST_LINES]
    ]


def _by_machine(label: Label, classes: dict[int, LabelClass]) -> Line:
    model = label.model
    number = "" if model is None else str(model.iteration)
    who = _("Machine, training %(number)s") % {"number": number}
    same = label.source == Label.Source.MACHINE
    what = _name(classes, label.class_index) if same else _("its label was corrected")
    return Line(label.created if same or model is None else model.created, who, what, icon="cpu")


@dataclass(frozen=True)
class Alike:
    """Images that look like one, and among how many they were looked for."""

    tiles: list[Tile]
    searched: int
    total: int


def alike(project: Project, seq: int) -> Alike:
    """Return the images that look most like this one, among some ten thousand of the project."""
    image_of(project, seq)
    total = ProjectCounter.objects.values_list("images", flat=True).get(project=project)
    among: list[int] | range = range(total)
    if total > MOST_COMPARED:
        chance = random.Random(seq)  # the same ones each time somebody looks
        among = sorted(chance.sample(range(total), MOST_COMPARED))
    others = [one for one in among if one != seq]
    near, searched = similar.nearest(project, [seq], others, ALIKE)
    rows = Image.objects.filter(project=project, seq__in=near).values_list("seq", "pk")
    pks = dict(rows)
    found = [Found(None, one, pks[one]) for one in near if one in pks]
    return Alike(browse.tiles(project, found), searched, total)
