"""What a label was before a reviewer decided it: its method, and the answer that it points to."""

from __future__ import annotations

from labelapp.models import Answer, Label, LabelBatch, Project, Review

Outcome = Review.Outcome


def was_final(review: Review) -> bool:
    """Tell whether a reviewer had decided the label before this review was closed."""
    earlier = Review.objects.filter(
        image_id=review.image_id,
        state=Review.State.DONE,
        outcome__in=[Outcome.ACCEPTED, Outcome.CORRECTED],
        closed__lt=review.closed,
    ).exclude(pk=review.pk)
    for other in earlier.exclude(reason=Review.Reason.SAMPLE, outcome=Outcome.ACCEPTED):
        said = Answer.objects.filter(image_id=review.image_id, how="review", kind="class")
        if other.before is not None or said.filter(user=other.reviewer).exists():
            return True
    return False


def method_of(project: Project, label: Label) -> str:
    """Return how the votes came to this label, as far as no reviewer decided it."""
    if label.votes < 2 or label.batch is None:
        return ""
    open_still = label.batch.state == LabelBatch.State.OPEN
    if open_still or label.purpose == "audit":
        return Project.Consensus.MAJORITY
    return project.consensus


def vote_for(label: Label, index: int, *, final: bool) -> Answer | None:
    """Return the answer that the label points to: a reviewer's, else the first of its class."""
    votes = Answer.objects.filter(
        image_id=label.image_id,
        batch_id=label.batch_id,
        kind="class",
        superseded_by=None,
        label_class__index=index,
    )
    said = votes.filter(how="review").order_by("-created").first() if final else None
    return said or votes.filter(extra=False).order_by("created", "pk").first()
