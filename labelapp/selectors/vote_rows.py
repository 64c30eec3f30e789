"""What several people said of the same images: the columns that consensus and reports read."""

from __future__ import annotations

from array import array

from django.db.models import Count, QuerySet
from django.db.models.functions import Coalesce

from labelapp.models import Answer
from labelapp.people_facts import VoteRows

BECAME = Coalesce("label_class__merged_into__index", "label_class__index")
"""The class of an answer, as it counts today: merged classes are what they became."""


def current_votes(project_id: int) -> QuerySet[Answer]:
    """Return the answers that count: classes that stand, neither extra nor gold."""
    return Answer.objects.filter(
        project_id=project_id, kind=Answer.Kind.CLASS, superseded_by=None, extra=False
    ).exclude(batch__purpose="gold")


def of_several(project_id: int) -> VoteRows:
    """Return the votes of images with two or more, in the order in which they were given.

    Images are named by seq, people by user id. Eight bytes a number: two million votes are usual.
    """
    votes = current_votes(project_id)
    shared = votes.values("image_id").annotate(n=Count("pk")).filter(n__gte=2).order_by()
    columns = ("image__seq", "user_id", "became")
    rows = (
        votes.filter(image_id__in=shared.values("image_id"))
        .annotate(became=BECAME)
        .order_by("created", "pk")
        .values_list(*columns)
    )
    images, people, classes = array("q"), array("q"), array("q")
    for seq, user, index in rows.iterator(chunk_size=10_000):
        images.append(seq)
        people.append(user)
        classes.append(index)
    return VoteRows(images, people, classes)
