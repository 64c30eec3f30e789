"""What reviewers see: the open questions, the votes, who gave them, and what was said."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from django.db.models import Count, Q
from django.utils.translation import gettext_lazy

from labelapp.models import Answer, Comment, Label, Project, Review, Task
from labelapp.selectors.labelling import image_address

REASONS = {
    Review.Reason.DISAGREEMENT: gettext_lazy("People disagree"),
    Review.Reason.SKIPPED: gettext_lazy("Skipped"),
    Review.Reason.UNSURE: gettext_lazy("Cannot tell"),
    Review.Reason.SAMPLE: gettext_lazy("Random sample"),
    Review.Reason.DOUBT: gettext_lazy("In doubt"),
}


def open_counts(project: Project) -> dict[str, int]:
    """Return how many images wait, by reason."""
    rows = Review.objects.filter(project=project, state=Review.State.OPEN).values("reason")
    found = dict(rows.annotate(count=Count("pk")).values_list("reason", "count"))
    return {reason: found.get(reason, 0) for reason in REASONS}


def sample_progress(project: Project) -> dict[str, int]:
    """Return how many images of random samples wait, are decided, and were found wrong."""
    rows = Review.objects.filter(project=project, reason=Review.Reason.SAMPLE)
    done = Q(state=Review.State.DONE)
    right = Q(outcome=Review.Outcome.ACCEPTED)
    return rows.aggregate(
        open=Count("pk", filter=~done),
        done=Count("pk", filter=done),
        wrong=Count("pk", filter=done & ~right),
    )


def sample_key(project: Project, seq: int) -> bytes:
    """Return an image's place in the order in which random samples are drawn (smallest first).

    Fixed for a project, so a sample that grows keeps what it has, and all samples are beginnings
    of one order.
    """
    return hashlib.sha256(f"review:{project.seed}:{project.public_id}:{seq}".encode()).digest()


def describe(
    project: Project, reviews: Sequence[Review], *, blind: bool = True
) -> list[dict[str, Any]]:
    """Return these reviews for the page, in order.

    The people's votes are left out where the reviewer is to look with fresh eyes: of random
    samples while `blind`, and wherever the reviewer's answer is itself one of the votes.
    """
    images = [review.image_id for review in reviews]
    rows = Review.objects.filter(pk__in=[r.pk for r in reviews]).select_related("image")
    whole = {review.pk: review for review in rows}
    labels = dict(
        Label.objects.filter(image_id__in=images, source="human").values_list(
            "image_id", "class_index"
        )
    )
    waiting = set(
        Task.objects.filter(
            project=project, image_id__in=images, state=Task.State.EXPERT
        ).values_list("image_id", flat=True)
    )
    votes, comments = _votes(project, images), _comments(images)
    found = []
    for review in (whole[r.pk] for r in reviews if r.pk in whole):
        image = review.image
        hidden = image.pk in waiting or (blind and review.reason == Review.Reason.SAMPLE)
        found.append(
            {
                "id": review.pk,
                "reason": review.reason,
                "seq": image.seq,
                "name": image.name,
                "image": image_address(project, image.seq),
                "width": image.width,
                "height": image.height,
                "label": None if hidden else labels.get(image.pk),
                "hidden": hidden and image.pk in labels,
                "votes": [] if hidden else votes.get(image.pk, []),
                "comments": comments.get(image.pk, []),
                "person": review.person_id,
            }
        )
    return found


def _votes(project: Project, images: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Return what people said of each image and still stand by, the earliest first."""
    rows = (
        Answer.objects.filter(project=project, image_id__in=images, superseded_by=None)
        .exclude(kind=Answer.Kind.WITHDRAWN)
        .exclude(batch__purpose="gold")
        .select_related("user", "label_class")
        .order_by("created")
    )
    found: dict[int, list[dict[str, Any]]] = {}
    for answer in rows:
        found.setdefault(answer.image_id, []).append(
            {
                "person": answer.user_id,
                "name": str(answer.user),
                "kind": answer.kind,
                "class": None if answer.label_class is None else answer.label_class.index,
                "how": answer.how,
                "at": answer.created.isoformat(),
                "counts": not answer.extra,
            }
        )
    return found


def _comments(images: Sequence[int]) -> dict[int, list[dict[str, str]]]:
    found: dict[int, list[dict[str, str]]] = {}
    rows = Comment.objects.filter(image_id__in=images).select_related("user").order_by("created")
    for comment in rows:
        found.setdefault(comment.image_id, []).append(
            {"name": str(comment.user), "text": comment.text}
        )
    return found
