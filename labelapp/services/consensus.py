"""Labels of images with several answers, by the project's method; reversible at any time.

All answers stay as they are: a method only decides what they come to. The labels of audits stay
by majority, since they prove a certificate, and so do those that a reviewer decided. What changes
here is used from the next training on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp import engine_people, events, queue
from labelapp.errors import ConflictError, ForbiddenError, InvalidInputError
from labelapp.models import Iteration, Label, LabelBatch, PeopleReport, Project, TrainItem
from labelapp.people_facts import Decided, Scored
from labelapp.queue import JobControl
from labelapp.rights import Right
from labelapp.selectors.projects import Access
from labelapp.selectors.vote_rows import BECAME, current_votes, of_several
from labelapp.services import audit, model_files, people_report

CHUNK = 100  # labels per transaction: people who label wait for no more
TRIES = 5  # the method may be changed while a job computes
REVIEW = "review"  # Label.method of what a reviewer decided


@dataclass(frozen=True)
class Outcome:
    """What a recomputation came to. `changed` counts labels that are another class now."""

    method: str
    images: int
    changed: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as the audit log and the event carry it."""
        return {"method": self.method, "images": self.images, "changed": self.changed}


def request(*, access: Access, method: str) -> None:
    """Choose the project's method and have all labels with several answers computed by it.

    Raises ForbiddenError; InvalidInputError for a method that is not there; ConflictError in an
    archived project, and for CROWDLAB before a model has scored the images.
    """
    if not access.may(Right.STEER):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    if method not in Project.Consensus.values:
        text = _("There is no such way to put answers together.")
        raise InvalidInputError(text, consensus=text)
    project = access.project
    if project.archived_at is not None or project.status == Project.Status.DELETING:
        raise ConflictError(_("This project is archived. Bring it back first."))
    if method == Project.Consensus.CROWDLAB and scored_model(project.pk) is None:
        raise ConflictError(
            _("CROWDLAB weighs people against a model, and no model has scored the images yet.")
        )
    with transaction.atomic():
        before = Project.objects.select_for_update(no_key=True).get(pk=project.pk).consensus
        Project.objects.filter(pk=project.pk).update(consensus=method)
        audit.write(
            user=access.user,
            project=project,
            action="consensus.chosen",
            before={"consensus": before},
            after={"consensus": method},
        )
        queue.enqueue(
            "consensus",
            f"consensus:{project.pk}:{method}",
            project_id=project.pk,
            target=project.pk,
        )
    project.consensus = method


def after_batch(batch: LabelBatch) -> None:
    """Have the labels of a closed batch computed where the project does not go by majority.

    Call it inside the transaction that closes the batch; majority is kept up to date by every
    answer anyway.
    """
    if batch.purpose == "audit":
        return
    chosen = Project.objects.filter(pk=batch.project_id).values_list("consensus", flat=True)
    if chosen[0] == Project.Consensus.MAJORITY:
        return
    key = f"consensus:{batch.project_id}:batch:{batch.pk}"
    queue.enqueue("consensus", key, project_id=batch.project_id, target=batch.project_id)


# --- the job -------------------------------------------------------------------------------------


def recompute(project_id: int, control: JobControl | None = None) -> Outcome | None:
    """Bring all labels with several answers in line with the project's method.

    Computes outside of any transaction and writes in small ones; an answer that comes in
    meanwhile keeps what it made of its label. Repeating it changes nothing. A report of the
    people that is there is made anew. None where the project is gone. `control` can cancel it
    until the first label is written, so that labels never follow two methods.

    Raises ConflictError for answers that the method cannot take, JobCancelled.
    """
    for _try in range(TRIES):
        project = Project.objects.filter(pk=project_id).first()
        if project is None or project.status == Project.Status.DELETING:
            return None
        outcome = _by_method(project_id, project.consensus, control)
        if Project.objects.filter(pk=project_id, consensus=outcome.method).exists():
            break
    with transaction.atomic():
        audit.write(
            user=None, project=project, action="consensus.computed", after=outcome.as_dict()
        )
        if PeopleReport.objects.filter(project_id=project_id).exists():
            people_report.enqueue(project_id)
        events.record(project_id, "consensus.computed", outcome.as_dict())
    return outcome


def _by_method(project_id: int, method: str, control: JobControl | None) -> Outcome:
    started = timezone.now()
    if control is not None:
        control.tick(0.05)
    rows = of_several(project_id)
    named = Project.objects.get(pk=project_id).classes.order_by("-index")
    count = (named.values_list("index", flat=True).first() or 0) + 1
    scored = scored_model(project_id) if method == Project.Consensus.CROWDLAB else None
    try:
        decided = engine_people.decide(rows, method=method, class_count=count, scored=scored)
    except engine_people.UnusableError as error:
        raise ConflictError(
            _("The answers cannot be put together in this way: %(why)s.") % {"why": error}
        ) from error
    if control is not None:
        control.tick(0.5)  # the last moment to cancel it
    found = {one.image: one for one in decided}
    images = changed = 0
    # Later ones follow answers that are not in `rows`, or only as they were before a correction.
    for labels in _pages(_changeable(project_id).filter(created__lt=started)):
        chunk = [(label, found[label.seq]) for label in labels if label.seq in found]
        images += len(chunk)
        changed += _write(chunk, method)
    return Outcome(method, images, changed)


def _changeable(project_id: int) -> QuerySet[Label]:
    """Return the labels with several votes that a method may decide."""
    train = TrainItem.objects.filter(run__project_id=project_id).values("image_id")
    return (
        Label.objects.filter(project_id=project_id, source=Label.Source.HUMAN, votes__gte=2)
        .exclude(method=REVIEW)
        .exclude(Q(purpose="audit") & ~Q(image_id__in=train))
        .order_by("seq")
    )


def _pages(labels: QuerySet[Label]) -> Iterator[list[Label]]:
    """Yield the labels in small lists, by seq: nothing stays open while others write."""
    last = -1
    while page := list(labels.filter(seq__gt=last)[:CHUNK]):
        last = page[-1].seq
        yield page


def _write(chunk: list[tuple[Label, Decided]], method: str) -> int:
    """Write what differs, unless an answer or a review came in between; count new classes."""
    different = [pair for pair in chunk if _differs(*pair, method)]
    if not different:
        return 0
    answers = _said(different)
    changed = 0
    with transaction.atomic():
        for label, decided in different:
            values: dict[str, Any] = {"method": method, "agreement": decided.agreement}
            moves = label.class_index != decided.class_index
            if moves:
                values |= {"class_index": decided.class_index, "created": timezone.now()}
                values |= answers.get((label.image_id, decided.class_index), {})
            read: dict[str, Any] = {
                "class_index": label.class_index,
                "answer_id": label.answer_id,
                "votes": label.votes,
                "created": label.created,
                "source": Label.Source.HUMAN,
            }
            unchanged = Label.objects.filter(pk=label.pk, **read).exclude(method=REVIEW)
            written = bool(unchanged.update(**values))
            changed += moves and written
    return changed


def _differs(label: Label, decided: Decided, method: str) -> bool:
    if decided.votes != label.votes:  # an answer came in after the votes were read
        return False
    same = (label.class_index, label.method) == (decided.class_index, method)
    return not same or label.agreement != decided.agreement


def _said(pairs: list[tuple[Label, Decided]]) -> dict[tuple[int, int], dict[str, Any]]:
    """Return the first answer that gave each class, with its author: the label points to it.

    Where nobody gave the class (a model can outweigh people), the label keeps its answer.
    """
    images = [label.image_id for label, _ in pairs]
    rows = (
        current_votes(pairs[0][0].project_id)
        .filter(image_id__in=images)
        .order_by("created", "pk")
        .values_list("image_id", BECAME, "pk", "user_id")
    )
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for image, index, answer, user in rows:
        found.setdefault((image, int(index or 0)), {"answer_id": answer, "user_id": user})
    return found


def scored_model(project_id: int) -> Scored | None:
    """Return the newest leader's probabilities and what it was trained on; None without any."""
    iterations = Iteration.objects.filter(run__project_id=project_id, model__isnull=False)
    newest = iterations.select_related("model").order_by("-number").first()
    if newest is None or newest.model is None:
        return None
    probs = model_files.folder_of(newest.model) / model_files.PROBS
    if not probs.exists():
        return None
    learnt = TrainItem.objects.filter(run_id=newest.run_id, iteration__lte=newest.number)
    return Scored(probs, frozenset(learnt.values_list("seq", flat=True)))
