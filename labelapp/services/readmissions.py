"""Ask an image again that was excluded a moment ago: `services.exclusions` undone.

Only where the engine cannot have read the exclusion: no job of the run has begun since, and no
batch closed by it. Then labels, slots and counts are what they were.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext as _

from labelapp.errors import ConflictError
from labelapp.models import (
    Answer,
    Exclusion,
    Job,
    Label,
    LabelBatch,
    ModelVersion,
    QueueCursor,
    Review,
    Task,
)
from labelapp.selectors.projects import Access
from labelapp.selectors.vote_rows import BECAME
from labelapp.services import audit, slots, votes
from labelapp.services.exclusions import counter_of, missing
from labelapp.services.label_past import method_of, vote_for, was_final
from labelapp.services.settling import settle
from labelapp.services.slots import COUNTER_OF

_PASSED_ON = [Review.Reason.SKIPPED, Review.Reason.UNSURE]


def readmit(*, access: Access, review: Review) -> None:
    """Take back the exclusion that this review decided.

    Raises ConflictError where the engine may have read it. Call it inside the transaction that
    holds the image's batches.
    """
    exclusion = Exclusion.objects.select_related("image").get(image_id=review.image_id)
    batch = _batch(review, exclusion)
    _check_engine(batch, exclusion.created)
    Exclusion.objects.filter(pk=exclusion.pk).delete()
    lacks = missing(batch, exclusion.image)
    if batch.state == LabelBatch.State.OPEN:
        batch.remaining += lacks
    _reopen_tasks(batch, review)
    counts = Counter({"excluded": -1})
    if review.before is not None:
        label = _label_again(review, exclusion, batch, review.before)
        if lacks == 0:
            counts[counter_of(exclusion.image, label)] += 1
    Review.objects.filter(  # those that the exclusion closed beside the one that decided it
        image_id=review.image_id,
        state=Review.State.DONE,
        outcome=Review.Outcome.EXCLUDED,
        closed=None,
    ).update(state=Review.State.OPEN, outcome="", reviewer=None)
    audit.write(
        user=access.user,
        project=access.project,
        action="image.readmitted",
        target=str(exclusion.seq),
        before={"reason": exclusion.reason},
    )
    settle(project_id=access.project.pk, batches=[batch], counts=counts)


def _batch(review: Review, exclusion: Exclusion) -> LabelBatch:
    """Return the one batch that asked the image, as it was before."""
    asked = Task.objects.filter(image_id=review.image_id).exclude(batch__purpose="gold")
    batches = list(LabelBatch.objects.filter(pk__in=asked.values("batch_id")))
    if len(batches) != 1 or batches[0].purpose not in COUNTER_OF:
        raise ConflictError(_("This image was asked more than once: it stays excluded."))
    [batch] = batches
    if batch.closed is not None and batch.closed >= exclusion.created:
        raise ConflictError(_("The batch of this image is complete by now: it stays excluded."))
    return batch


def _check_engine(batch: LabelBatch, since: datetime) -> None:
    """Raise ConflictError where the engine may know of the exclusion; let waiting jobs wait on."""
    jobs = Job.objects.filter(kind="advance", target=batch.run_id)
    list(jobs.filter(state=Job.State.WAITING).select_for_update().order_by("pk"))
    stepped = jobs.filter(Q(state=Job.State.RUNNING) | Q(started__gte=since)).exists()
    trained = ModelVersion.objects.filter(run_id=batch.run_id, created__gte=since).exists()
    asked = LabelBatch.objects.filter(run_id=batch.run_id, created__gte=since).exists()
    if stepped or trained or asked:
        raise ConflictError(_("The run has moved on with this image left out: it stays excluded."))


def _reopen_tasks(batch: LabelBatch, review: Review) -> None:
    """Give the dropped slots the state that their answers and questions say."""
    about = Review.objects.filter(image_id=review.image_id)
    dropped = Task.objects.filter(
        batch=batch, image_id=review.image_id, state=Task.State.DROPPED
    ).order_by("pk")
    for task in dropped.select_for_update(of=("self",)):
        said = task.answers.filter(kind=Answer.Kind.CLASS, extra=False, superseded_by=None)
        passed_on = about.filter(task=task, reason__in=_PASSED_ON)
        returned = about.filter(task=task, outcome=Review.Outcome.SENT_BACK)
        if said.exists():
            task.state = Task.State.DONE
        elif passed_on.exists() or returned.exists():
            task.state = Task.State.EXPERT
        else:
            task.state = Task.State.OPEN
            if QueueCursor.objects.filter(project_id=batch.project_id).exists():
                task.rank = batch.last_rank = slots.end_of_queue(batch)
        task.save(update_fields=["state", "rank"])


def _label_again(review: Review, exclusion: Exclusion, batch: LabelBatch, index: int) -> Label:
    """Make the label again from the answers, with the class that it had."""
    given = Answer.objects.filter(
        image_id=review.image_id,
        batch=batch,
        kind=Answer.Kind.CLASS,
        extra=False,
        superseded_by=None,
    )
    indexes = list(given.order_by("created", "pk").values_list(BECAME, flat=True))
    if not indexes:
        raise ConflictError(_("The answers to this image are gone: it stays excluded."))
    label = Label(
        image_id=review.image_id,
        project=review.project,
        seq=exclusion.seq,
        class_index=index,
        source=Label.Source.HUMAN,
        batch=batch,
        purpose=batch.purpose,
        votes=len(indexes),
        agreement=votes.majority(indexes).agreement if len(indexes) > 1 else None,
    )
    final = was_final(review)
    label.method = "review" if final else method_of(review.project, label)
    vote = vote_for(label, index, final=final)
    label.answer, label.user_id = vote, None if vote is None else vote.user_id
    label.save(force_insert=True)
    return label
