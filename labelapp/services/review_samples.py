"""Random samples for the reviewers: what measures the error of the people themselves.

The images are the first ones of one seeded order, so that every sample is a uniform draw, a
larger one holds the smaller, and nobody can choose what is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from labelapp import engine_people, events
from labelapp.errors import ForbiddenError, InvalidInputError
from labelapp.models import Exclusion, Label, ProjectCounter, Review, TestMark
from labelapp.rights import Right
from labelapp.selectors.projects import Access
from labelapp.selectors.reviews import sample_key
from labelapp.services import audit

MOST = 20_000
_CHUNK = 1_000


class Kind(StrEnum):
    """What a sample is drawn from."""

    LABELS = "labels"  # all images that people labelled
    TEST = "test"  # the test set: it stands for all images, those of the machine too


@dataclass(frozen=True)
class Drawn:
    """How large the sample is now, of how many images, and how many of it are new."""

    size: int
    population: int
    added: int


def draw(*, access: Access, kind: str, size: int) -> Drawn:
    """Put a random sample of `size` images before the reviewers; those already drawn count.

    Every image that comes before the last one drawn so far is in the sample, so it can be larger
    than asked for when labels came in meanwhile. Raises ForbiddenError, InvalidInputError.
    """
    if not access.may(Right.STEER):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    if kind not in set(Kind):
        raise InvalidInputError(_("Choose what the sample is drawn from."), kind=kind)
    if not 1 <= size <= MOST:
        message = _("A sample has 1 to %(most)s images.") % {"most": f"{MOST:,}"}
        raise InvalidInputError(message, size=message)
    with transaction.atomic():
        order = _ordered(access, kind)
        drawn = _drawn(access)
        last = max((i for i, row in enumerate(order, 1) if row[1] in drawn), default=0)
        sample = order[: max(size, last)]
        new = [row for row in sample if row[1] not in drawn]
        for start in range(0, len(new), _CHUNK):
            Review.objects.bulk_create(
                [_review(access, row) for row in new[start : start + _CHUNK]],
                ignore_conflicts=True,
            )
        result = Drawn(len(sample), len(order), len(new))
        if new:
            _log(access, kind, result)
    return result


def size_for(*, access: Access, kind: str, half_width: float) -> int:
    """Return how many images to look at so that the error is known to +- `half_width` (a share).

    At the project's confidence, for an error of about 5 %. Raises InvalidInputError.
    """
    if not 0.001 <= half_width <= 0.2:
        message = _("Choose between 0.1 % and 20 %.")
        raise InvalidInputError(message, half_width=message)
    population = population_of(access, kind)
    if not population:
        return 0
    stands_for = population
    if kind == Kind.TEST:  # the interval is of all images: T is itself a draw from them
        stands_for = ProjectCounter.objects.values_list("images", flat=True).get(
            project=access.project
        )
    size = engine_people.review_size(
        population=max(stands_for, population),
        half_width=half_width,
        confidence=access.project.confidence,
    )
    return min(size, population)


def population_of(access: Access, kind: str) -> int:
    """Return how many images a sample of this kind can be drawn from."""
    return _population(access, kind).count()


def _population(access: Access, kind: str) -> QuerySet[Label]:
    excluded = Exclusion.objects.filter(image_id=OuterRef("image_id"))
    rows = Label.objects.filter(
        ~Exists(excluded), project=access.project, source=Label.Source.HUMAN
    )
    if kind == Kind.TEST:
        marks = TestMark.objects.filter(run__project=access.project, image_id=OuterRef("image_id"))
        rows = rows.filter(Exists(marks))
    return rows


def _ordered(access: Access, kind: str) -> list[tuple[bytes, int, int | None]]:
    """Return (key, image, labeller) of the whole population in the order of samples."""
    rows = _population(access, kind).values_list("seq", "image_id", "user_id").iterator()
    project = access.project
    return sorted((sample_key(project, seq), image, user) for seq, image, user in rows)


def _drawn(access: Access) -> set[int]:
    rows = Review.objects.filter(project=access.project, reason=Review.Reason.SAMPLE)
    return set(rows.values_list("image_id", flat=True))


def _review(access: Access, row: tuple[bytes, int, int | None]) -> Review:
    return Review(
        project=access.project, image_id=row[1], reason=Review.Reason.SAMPLE, person_id=row[2]
    )


def _log(access: Access, kind: str, drawn: Drawn) -> None:
    facts = {"kind": str(kind), "size": drawn.size, "of": drawn.population, "new": drawn.added}
    audit.write(
        user=access.user,
        project=access.project,
        action="review.drawn",
        target=access.project.name,
        after=facts,
    )
    events.record(access.project.pk, "review.drawn", facts)
