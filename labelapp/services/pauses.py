"""Pausing a person: they get no tasks until somebody resumes them; what they hold is still taken.

What reviewers sent back to them would wait for them alone, so the reviewers get it again.
"""

from __future__ import annotations

from dataclasses import replace

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp import events
from labelapp.errors import ConflictError, ForbiddenError, NotFoundError
from labelapp.models import Membership, Review, Task
from labelapp.rights import MAY_INVITE, Right, Role
from labelapp.selectors.projects import Access
from labelapp.services import audit, questions, reviews
from labelapp.services.leases import one_writer, release_leases


def pause(*, access: Access, user_id: int, reason: str = "") -> None:
    """Give this person no more tasks; those that they hold go to others, or to the reviewers.

    Raises ForbiddenError, NotFoundError, or ConflictError if they are paused already.
    """
    membership = _member(access, user_id)
    reason = " ".join(reason.split())[:200]
    with one_writer():
        # Tasks before the membership: in the order in which an answer that pauses locks them.
        release_leases(user=membership.user, project=access.project)
        _ask_reviewers_again(access.project.pk, user_id)
        rows = Membership.objects.filter(pk=membership.pk, paused_at=None)
        if not rows.update(paused_at=timezone.now(), pause_reason=reason):
            raise ConflictError(_("This person is paused already."))
        audit.write(
            user=access.user,
            project=access.project,
            action="person.paused",
            target=str(membership.user),
            after={"reason": reason},
        )
        events.record(access.project.pk, "person.paused", {"person": user_id, "by": "manager"})


def resume(*, access: Access, user_id: int) -> None:
    """Give this person tasks again; gold that they answered before counts no more for a pause.

    Raises ForbiddenError, NotFoundError, or ConflictError if they are not paused.
    """
    membership = _member(access, user_id)
    with transaction.atomic():
        rows = Membership.objects.filter(pk=membership.pk, paused_at__isnull=False)
        if not rows.update(paused_at=None, pause_reason="", gold_since=timezone.now()):
            raise ConflictError(_("This person is not paused."))
        audit.write(
            user=access.user,
            project=access.project,
            action="person.resumed",
            target=str(membership.user),
            before={"reason": membership.pause_reason},
        )
        events.record(access.project.pk, "person.resumed", {"person": user_id})


def pause_by_rule(*, access: Access, reason: str) -> Access:
    """Pause a person by the project's rule; return their access as it is from now on.

    Call it inside the transaction of the answer that broke the rule, after the last task that it
    may wait for: tasks are locked before the membership. The event follows on commit, in a
    transaction of its own: it locks the counter row, which the answer's transaction may lock only
    as its last act.
    """
    project, user, now = access.project, access.user, timezone.now()
    paused = replace(access, paused_at=now, pause_reason=reason)
    _ask_reviewers_again(project.pk, user.pk)
    rows = Membership.objects.filter(project=project, user=user, paused_at=None)
    if not rows.update(paused_at=now, pause_reason=reason):
        return paused
    audit.write(
        user=None,
        project=project,
        action="person.paused",
        target=str(user),
        after={"reason": reason},
    )
    project_id, user_id = project.pk, user.pk
    transaction.on_commit(lambda: _announce(project_id, user_id), robust=True)
    return paused


def _ask_reviewers_again(project_id: int, user_id: int) -> None:
    """Put what was sent back to this person before the reviewers, for the same reason as before.

    What another request of this person is just answering is left alone: it needs no reviewer, and
    nothing here ever waits for a lock.
    """
    waiting = Task.objects.filter(
        project_id=project_id, lease_user_id=user_id, state=Task.State.ASSIGNED
    ).exclude(batch__purpose="gold")
    found = waiting.select_for_update(of=("self",), skip_locked=True)
    images = dict(found.values_list("pk", "image_id"))
    if not images:
        return
    sent = Review.objects.filter(task_id__in=images, outcome=Review.Outcome.SENT_BACK)
    reasons = dict(sent.order_by("pk").values_list("task_id", "reason"))
    reviews.recall_tasks(images)
    for task_id, reason in reasons.items():
        questions.ask(
            project_id=project_id,
            image_id=images[task_id],
            reason=reason,
            task_id=task_id,
            person_id=user_id,
        )


def _announce(project_id: int, user_id: int) -> None:
    with transaction.atomic():
        events.record(project_id, "person.paused", {"person": user_id, "by": "gold"})


def _member(access: Access, user_id: int) -> Membership:
    if not access.may(Right.MANAGE_PEOPLE):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    found = access.project.memberships.select_related("user").filter(user__pk=user_id).first()
    if found is None:
        raise NotFoundError(_("This person is not in the project."))
    if found.role not in MAY_INVITE[Role(access.role)] and user_id != access.user.pk:
        raise ForbiddenError(_("Your role does not allow you to pause this person."))
    return found
