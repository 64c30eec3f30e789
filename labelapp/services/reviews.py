"""The reviewers' queue: what people disagree on, skipped, cannot tell, or may have got wrong."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, When
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp.errors import ForbiddenError, InvalidInputError, NotFoundError
from labelapp.models import Answer, Review, Task
from labelapp.rights import Right
from labelapp.selectors.projects import Access
from labelapp.services import audit
from labelapp.services.leases import NO_LEASE, one_writer

HOLD = timedelta(minutes=5)  # so long an image stands on one reviewer's screen
MOST_HELD = 10


def hold(
    *,
    access: Access,
    reason: str = "",
    count: int = 1,
    holding: Sequence[int] = (),
    again: int | None = None,
) -> list[Review]:
    """Give this reviewer the next open reviews, beside those in `holding`, which are renewed.

    Images on other reviewers' screens are left out; a reviewer's own answers come last. The one
    named by `again` comes first, whatever its reason, if this reviewer holds it. Raises
    ForbiddenError, InvalidInputError for an unknown reason.
    """
    _need(access)
    if reason and reason not in Review.Reason.values:
        raise InvalidInputError(_("There is no such reason."), reason=reason)
    now = timezone.now()
    mine = Review.objects.filter(project=access.project, state=Review.State.OPEN)
    with one_writer():
        held = {"held_by": access.user, "held_until": now + HOLD}
        mine.filter(pk__in=holding[:MOST_HELD], held_by=access.user).update(**held)
        free = Q(held_by=None) | Q(held_until__lt=now) | Q(held_by=access.user)
        rows = mine.filter(free).exclude(pk__in=holding)
        if reason:
            rows = rows.filter(reason=reason)
        own = Case(When(person_id=access.user.pk, then=1), default=0)
        found = rows.select_for_update(of=("self",), skip_locked=True).order_by(own, "pk")
        first = [] if again is None else list(mine.filter(pk=again, held_by=access.user))
        found = found.exclude(pk__in=[review.pk for review in first])
        next_ones = first + list(found[: max(0, min(count, MOST_HELD))])
        Review.objects.filter(pk__in=[review.pk for review in next_ones]).update(**held)
    return next_ones


def recall(*, access: Access, task_id: int) -> None:
    """Take back an image that was sent to a person: its answer stands, or reviewers decide.

    Raises ForbiddenError, or NotFoundError where no such image waits.
    """
    if not access.may(Right.STEER):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    with one_writer():
        if not _recall(Task.objects.filter(project=access.project, pk=task_id)):
            raise NotFoundError(_("This image does not wait for anybody."))
        audit.write(
            user=access.user, project=access.project, action="task.recalled", target=str(task_id)
        )


def recall_all(*, user_id: int, project_id: int | None = None) -> None:
    """Take back all that was sent to a person who leaves a project, or all of them.

    Call it inside a transaction.
    """
    tasks = Task.objects.filter(lease_user_id=user_id)
    _recall(tasks if project_id is None else tasks.filter(project_id=project_id))


def recall_tasks(task_ids: Collection[int]) -> None:
    """Take back these tasks of a person who is paused. Call it inside a transaction."""
    _recall(Task.objects.filter(pk__in=task_ids))


def recall_unanswered(*, project_id: int, image_id: int) -> None:
    """Take back the slots of an image that wait for one person: a reviewer gives its class now.

    What that person has answered stays with them for a second look.
    """
    given = Answer.objects.filter(
        task_id=OuterRef("pk"), kind=Answer.Kind.CLASS, extra=False, superseded_by=None
    )
    _recall(Task.objects.filter(~Exists(given), project_id=project_id, image_id=image_id))


def _recall(tasks: QuerySet[Task]) -> int:
    waiting = tasks.filter(state=Task.State.ASSIGNED).exclude(batch__purpose="gold")
    ids = list(waiting.select_for_update(of=("self",)).values_list("pk", flat=True))
    answered = Answer.objects.filter(
        task_id__in=ids, kind=Answer.Kind.CLASS, extra=False, superseded_by=None
    )
    done = set(answered.values_list("task_id", flat=True))
    Task.objects.filter(pk__in=done).update(state=Task.State.DONE, **NO_LEASE)
    Task.objects.filter(pk__in=set(ids) - done).update(state=Task.State.EXPERT, **NO_LEASE)
    return len(ids)


def _need(access: Access) -> None:
    if not access.may(Right.REVIEW):
        raise ForbiddenError(_("Your role in this project does not allow this."))
