"""Images that nobody can label: asked no more, delivered as `excluded`, wrong in every bound."""

from __future__ import annotations

from collections import Counter

from django.utils.translation import gettext as _

from labelapp.errors import ConflictError, ForbiddenError, NotFoundError
from labelapp.models import (
    Answer,
    Exclusion,
    Image,
    Label,
    LabelBatch,
    Review,
    Task,
    TestMark,
    TrainItem,
)
from labelapp.rights import Right
from labelapp.selectors.projects import Access
from labelapp.services import audit
from labelapp.services.leases import NO_LEASE, one_writer
from labelapp.services.machine_corrections import is_corrected
from labelapp.services.settling import settle
from labelapp.services.slots import COUNTER_OF

_WANTED = [Task.State.OPEN, Task.State.EXPERT, Task.State.ASSIGNED]
MAX_REASON = 500


def exclude(
    *, access: Access, image_id: int | None = None, task_id: int | None = None, reason: str = ""
) -> Exclusion:
    """Exclude an image, named itself or by one of its tasks; harmless if repeated.

    Its label goes, its answers stay and stay paid; its open slots are dropped, and a batch that
    misses nothing else closes. Raises ForbiddenError, NotFoundError, or ConflictError for an
    image that the machine has labelled or whose answer belongs to a check of the machine.
    """
    if not access.may(Right.REVIEW):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    image = _image(access, image_id, task_id)
    with one_writer():
        # The batches first, as answers do: whoever answers this image meanwhile waits.
        tasks = Task.objects.filter(project_id=access.project.pk, image=image)
        batch_ids = set(tasks.values_list("batch_id", flat=True))
        rows = LabelBatch.objects.select_for_update().filter(pk__in=batch_ids).order_by("pk")
        batches = list(rows)
        found = Exclusion.objects.filter(image=image).first()
        if found is not None:
            return found
        _check(image)
        counts = _uncount(image)
        excluded = Exclusion.objects.create(
            image=image,
            project_id=image.project_id,
            seq=image.seq,
            reason=" ".join(reason.split())[:MAX_REASON],
            user=access.user,
        )
        changed = [batch for batch in batches if _want_no_more(batch, image)]
        tasks.filter(state__in=_WANTED).update(state=Task.State.DROPPED, **NO_LEASE)
        Review.objects.filter(image=image, state=Review.State.OPEN).update(
            state=Review.State.DONE, outcome=Review.Outcome.EXCLUDED, reviewer=access.user
        )
        audit.write(
            user=access.user,
            project=access.project,
            action="image.excluded",
            target=str(image.seq),
            after={"reason": excluded.reason},
        )
        settle(project_id=image.project_id, batches=changed, counts=counts)
    return excluded


def _image(access: Access, image_id: int | None, task_id: int | None) -> Image:
    rows = Image.objects.filter(project=access.project)
    if image_id is None and task_id is not None:
        task = Task.objects.filter(project=access.project, pk=task_id).first()
        image_id = task.image_id if task is not None else None
    image = rows.filter(pk=image_id).first() if image_id is not None else None
    if image is None:
        raise NotFoundError(_("There is no such image in this project."))
    return image


def _check(image: Image) -> None:
    label = Label.objects.filter(image=image).select_related("batch").first()
    if label is None:
        return
    if label.source == Label.Source.MACHINE or is_corrected(label):
        raise ConflictError(_("The machine has labelled this image; the promise counts on it."))
    judged = label.purpose == "audit" and (
        label.batch is None or label.batch.state == LabelBatch.State.DONE
    )
    if judged and not TrainItem.objects.filter(image=image).exists():
        raise ConflictError(
            _("This answer was part of a check of the machine and stands as it was given.")
        )


def _uncount(image: Image) -> Counter[str]:
    """Delete the label and return the changes of ProjectCounter: half a label counts nowhere."""
    counts = Counter({"excluded": 1})
    label = Label.objects.filter(image=image).first()
    if label is None:
        return counts
    if label.batch is None or missing(label.batch, image) == 0:
        counts[counter_of(image, label)] -= 1
    label.delete()
    return counts


def counter_of(image: Image, label: Label) -> str:
    """Return the count of ProjectCounter that holds this labelled image."""
    if TrainItem.objects.filter(image=image).exists():
        return "train"
    if TestMark.objects.filter(image=image).exists():
        return "test"
    return COUNTER_OF[label.purpose]


def _want_no_more(batch: LabelBatch, image: Image) -> bool:
    """Take the image's missing answers off the batch; tell whether there were any."""
    if batch.state != LabelBatch.State.OPEN or batch.purpose not in COUNTER_OF:
        return False
    lacks = missing(batch, image)
    batch.remaining -= lacks
    return lacks > 0


def missing(batch: LabelBatch, image: Image) -> int:
    """Return how many answers the image still lacks in this batch."""
    asked = Task.objects.filter(batch=batch, image=image)
    wanted = asked.order_by("-wanted").values_list("wanted", flat=True).first() or 0
    given = Answer.objects.filter(
        batch=batch, image=image, kind=Answer.Kind.CLASS, extra=False, superseded_by=None
    ).count()
    return max(0, wanted - given)
