"""Rows of an export, in the order of seq, read in chunks: memory does not grow with the project.

Test marks are read only for a finished project: before, they must not leave the engine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from django.db.models import Count, F

from labelapp.formats.coco import CocoRow
from labelapp.formats.csv_labels import LabelRow
from labelapp.models import (
    Answer,
    Exclusion,
    Image,
    ImageAlias,
    Label,
    Project,
    ProjectCounter,
    TestMark,
    TrainItem,
    User,
)
from labelapp.selectors.export_parts import CHUNK, Subsets

Chunks = Iterable[Sequence[int]]  # numbers (seq) of the images to take, ascending
Votes = dict[int, list[tuple[int, int]]]


@dataclass
class Facts:
    """What is known about the images of one chunk, by image id."""

    aliases: dict[int, list[ImageAlias]] = field(default_factory=dict)
    labels: dict[int, Label] = field(default_factory=dict)
    votes: Votes = field(default_factory=dict)  # current answers: (user, class index)
    tests: set[int] = field(default_factory=set)
    excluded: set[int] = field(default_factory=set)
    parts: dict[int, tuple[str, int | None]] = field(default_factory=dict)  # by seq


def label_rows(
    project: Project, only: Chunks | None = None, subsets: Subsets | None = None
) -> Iterator[LabelRow]:
    """Yield one CSV row for each file name: images in order of seq, duplicates behind theirs.

    `only` takes these images alone; with `subsets` each row says its part.
    """
    classes = class_names(project)
    people = _People()
    finished = project.status == Project.Status.FINISHED
    for image, facts in _images(project, only, subsets=subsets):
        label = facts.labels.get(image.pk)
        part, stage = facts.parts.get(image.seq, ("", None))
        common = {
            "image_id": image.seq + 1,
            **_label_cells(label, classes, excluded=finished or image.pk in facts.excluded),
            **_people_cells(label, facts.votes.get(image.pk, []), people),
            "split": _split(label, image, facts, finished=finished),
            "part": part,
            "stage": stage,
        }
        for name in [image.name, *(alias.name for alias in facts.aliases.get(image.pk, []))]:
            yield LabelRow(file_name=name, **common)


def coco_rows(
    project: Project, ambiguous: frozenset[str], only: Chunks | None = None
) -> Iterator[CocoRow]:
    """Yield one row for each file name; names in `ambiguous` get the id appended.

    Ids: seq + 1 of an image; a duplicate's lie above all of those. With `only` these images alone,
    under the same ids and names.
    """
    people = _People()
    above = ProjectCounter.objects.values_list("images", flat=True).get(project=project)
    for image, facts in _images(project, only):
        label = facts.labels.get(image.pk)
        names = [(image.seq + 1, image.name)]
        names += [(above + alias.pk, alias.name) for alias in facts.aliases.get(image.pk, [])]
        for number, name in names:
            yield CocoRow(
                id=number,
                file_name=unique_name(name, number, ambiguous),
                width=image.width,
                height=image.height,
                class_index=label.class_index if label else None,
                source=label.source if label else "",
                confidence=label.confidence if label else None,
                annotator=people.name(label.user_id) if label else "",
                labelled_at=_time(label) if label else "",
                excluded=image.pk in facts.excluded,
            )


def image_files(
    project: Project, ambiguous: frozenset[str], only: Chunks | None = None
) -> Iterator[tuple[str, str]]:
    """Yield (file name, key of the original) with the names of `coco_rows`."""
    above = ProjectCounter.objects.values_list("images", flat=True).get(project=project)
    for image, facts in _images(project, only, only_names=True):
        yield unique_name(image.name, image.seq + 1, ambiguous), image.original_key
        for alias in facts.aliases.get(image.pk, []):
            yield unique_name(alias.name, above + alias.pk, ambiguous), image.original_key


def ambiguous_names(project: Project) -> frozenset[str]:
    """Return the names that more than one file has (the same path in two imports)."""
    images = Image.objects.filter(project=project)
    aliases = ImageAlias.objects.filter(image__project=project)
    found: set[str] = set()
    for rows in (images, aliases):
        repeated = rows.values("name").annotate(files=Count("pk")).filter(files__gt=1)
        found.update(repeated.values_list("name", flat=True))
    found.update(
        aliases.filter(name__in=images.values("name")).values_list("name", flat=True).distinct()
    )
    return frozenset(found)


def unique_name(name: str, number: int, ambiguous: frozenset[str]) -> str:
    """Return the name, with the id before its suffix if other files have the same name."""
    if name not in ambiguous:
        return name
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}__{number}{path.suffix}"))


def class_names(project: Project) -> list[str]:
    """Return the names by class index, archived classes too: labels may name them."""
    return list(project.classes.order_by("index").values_list("name", flat=True))


class _People:
    """Names of annotators: no e-mail addresses leave with a data set."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def name(self, user_id: int | None) -> str:
        """Return e.g. `Ann #3`: readable, and unique by the number of the account."""
        if user_id is None:
            return ""
        if user_id not in self._names:
            shown = User.objects.filter(pk=user_id).values_list("display_name", flat=True).first()
            self._names[user_id] = f"{shown or 'annotator'} #{user_id}"
        return self._names[user_id]


def _images(
    project: Project,
    only: Chunks | None = None,
    *,
    subsets: Subsets | None = None,
    only_names: bool = False,
) -> Iterator[tuple[Image, Facts]]:
    """Yield every image with the facts of its chunk; each chunk costs a handful of queries."""
    finished = project.status == Project.Status.FINISHED
    for images in _all(project) if only is None else _some(project, only):
        facts = _facts(project, images, finished=finished, only_names=only_names)
        if subsets is not None:
            facts.parts = subsets.of([image.seq for image in images])
        for image in images:
            yield image, facts


def _all(project: Project) -> Iterator[list[Image]]:
    following = 0
    while True:
        rows = Image.objects.filter(project=project, seq__gte=following).order_by("seq")
        images = list(rows[:CHUNK])
        if not images:
            return
        following = images[-1].seq + 1
        yield images


def _some(project: Project, only: Chunks) -> Iterator[list[Image]]:
    for seqs in only:
        yield list(Image.objects.filter(project=project, seq__in=seqs).order_by("seq"))


def _facts(project: Project, images: list[Image], *, finished: bool, only_names: bool) -> Facts:
    ids = [image.pk for image in images]
    facts = Facts(aliases=_aliases(ids))
    if only_names:
        return facts
    labels = Label.objects.filter(image_id__in=ids).select_related("batch", "model")
    facts.labels = {label.image_id: label for label in labels}
    facts.votes = _votes(ids)
    excluded = Exclusion.objects.filter(image_id__in=ids)
    facts.excluded = set(excluded.values_list("image_id", flat=True))
    if finished:
        marks = TestMark.objects.filter(run__project=project, image_id__in=ids)
        trained = TrainItem.objects.filter(run__project=project, image_id__in=ids)
        facts.tests = {*marks.values_list("image_id", flat=True)} - {
            *trained.values_list("image_id", flat=True)
        }
    return facts


def _aliases(ids: list[int]) -> dict[int, list[ImageAlias]]:
    found: dict[int, list[ImageAlias]] = defaultdict(list)
    for alias in ImageAlias.objects.filter(image_id__in=ids).order_by("pk"):
        found[alias.image_id].append(alias)
    return found


def _votes(ids: list[int]) -> Votes:
    rows = (
        Answer.objects.filter(image_id__in=ids, kind=Answer.Kind.CLASS, superseded_by__isnull=True)
        .annotate(index=F("label_class__index"))
        .order_by("created", "pk")
        .values_list("image_id", "user_id", "index")
    )
    found: Votes = defaultdict(list)
    for image_id, user_id, index in rows:
        found[image_id].append((user_id, index))
    return found


def _label_cells(label: Label | None, classes: list[str], *, excluded: bool) -> dict[str, Any]:
    """Return the label's columns; one that is missing is `unlabelled`, or was `excluded`."""
    if label is None:
        empty = dict.fromkeys(("label", "source", "created_at"), "")
        nothing = dict.fromkeys(("label_id", "confidence", "round"))
        return {**empty, **nothing, "status": "excluded" if excluded else "unlabelled"}
    origin = label.batch or label.model
    return {
        "label": classes[label.class_index],
        "label_id": label.class_index,
        "source": label.source,
        "confidence": label.confidence,
        "status": "labelled",
        "round": origin.iteration if origin else None,
        "created_at": _time(label),
    }


def _people_cells(
    label: Label | None, votes: list[tuple[int, int]], people: _People
) -> dict[str, Any]:
    """Name who answered; the label's own annotator comes first."""
    if label is None or label.source != Label.Source.HUMAN:
        return {"annotators": "", "agreement": None}
    users = dict.fromkeys([label.user_id, *(user for user, _ in votes)])
    same = sum(index == label.class_index for _, index in votes)
    return {
        "annotators": ";".join(people.name(user) for user in users if user is not None),
        "agreement": same / len(votes) if votes else None,
    }


def _split(label: Label | None, image: Image, facts: Facts, *, finished: bool) -> str:
    if not finished or label is None:
        return ""
    return "test" if image.pk in facts.tests else "train"


def _time(label: Label) -> str:
    return label.created.strftime("%Y-%m-%dT%H:%M:%SZ")
