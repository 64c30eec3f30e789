"""Gold items for the managers' page. Annotators see none of this."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labelapp.formats.csv_gold import COLUMNS, MAX_BYTES, Problem
from labelapp.models import GoldItem, GoldResult, Label, Project, Review

PAGE = 60

SOURCES = {
    GoldItem.Source.UPLOADED: gettext_lazy("uploaded"),
    GoldItem.Source.AGREED: gettext_lazy("two people agreed"),
    GoldItem.Source.REVIEWED: gettext_lazy("a reviewer confirmed it"),
}


@dataclass(frozen=True)
class Confirmed:
    """A test image whose label more than one person stands behind."""

    image_id: int
    class_index: int
    reviewed: bool


def confirmed_test_images(project: Project) -> Iterator[Confirmed]:
    """Yield the test images that could be gold and are not yet."""
    confirmed = Review.objects.filter(
        image_id=OuterRef("image_id"),
        state=Review.State.DONE,
        before__isnull=False,  # there was somebody's answer to confirm
        outcome__in=[Review.Outcome.ACCEPTED, Review.Outcome.CORRECTED],
    )
    rows = (
        Label.objects.filter(project=project, purpose="test", source=Label.Source.HUMAN)
        .annotate(reviewed=Exists(confirmed))
        .filter(Q(votes__gte=2, agreement__gte=1) | Q(reviewed=True))
        .exclude(Exists(GoldItem.objects.filter(image_id=OuterRef("image_id"))))
    )
    for image_id, index, reviewed in rows.values_list("image_id", "class_index", "reviewed"):
        yield Confirmed(image_id, index, reviewed)


def count_confirmed(project: Project) -> int:
    """Return how many test images `confirmed_test_images` would yield."""
    return sum(1 for _row in confirmed_test_images(project))


def gold_page(project: Project, number: str) -> Page[GoldItem]:
    """Return one page of the items with `asked` and `wrong`, how often people answered them."""
    return Paginator(_items(project), PAGE).get_page(number)


def _items(project: Project) -> QuerySet[GoldItem]:
    return (
        GoldItem.objects.filter(project=project)
        .select_related("image", "label_class")
        .order_by("-active", "-pk")
    )


def asked(project: Project, image_ids: list[int]) -> dict[int, tuple[int, int]]:
    """Return how often each image was answered as gold, and how often wrongly."""
    rows = GoldResult.objects.filter(project=project, image_id__in=image_ids).values("image_id")
    counts = rows.annotate(all=Count("pk"), wrong=Count("pk", filter=Q(right=False)))
    return {row["image_id"]: (row["all"], row["wrong"]) for row in counts}


def problem_words(problem: Problem) -> str:
    """Say what is wrong with a line of an uploaded file."""
    about = problem.about
    words = {
        "not_text": _("This is not a text file in UTF-8. Save it as “CSV UTF-8”."),
        "too_large": _("The file is larger than %(size)s MB.") % {"size": MAX_BYTES // 1024**2},
        "no_columns": _("The first line must name the columns %(wanted)s; it has: %(found)s.")
        % {"wanted": _(" and ").join(COLUMNS), "found": about or _("nothing")},
        "no_rows": _("The file has no rows below its first line."),
        "too_many_rows": _("The file has more than %(rows)s rows.") % {"rows": about},
        "missing_value": _("The file name or the label is missing (%(about)s).") % {"about": about},
        "duplicate": _("This image stands in the file twice: %(name)s") % {"name": about},
        "unknown_file": _("The project has no image of this name: %(name)s") % {"name": about},
        "unknown_class": _("The project has no such class: %(name)s") % {"name": about},
    }
    return words.get(problem.code, problem.code)
