"""What people choose to be told, what they have read, and a project's thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp import events
from labelapp.errors import ForbiddenError, InvalidInputError, NotFoundError
from labelapp.models import Membership, Notification, Project, User
from labelapp.rights import Right
from labelapp.selectors.notices import KINDS, MAIL, WAYS, defaults, kinds_of, ways_of
from labelapp.selectors.projects import Access
from labelapp.services import audit, notify_mail


def choose(*, access: Access, ways: Mapping[str, Iterable[str]]) -> None:
    """Keep how this member wants to hear of each kind; only what differs from the role's."""
    chosen: dict[str, list[str]] = {}
    for kind in kinds_of(access.role):
        wanted = set(ways.get(kind.code, ())).intersection(WAYS)
        if wanted != defaults(access.role, kind):
            chosen[kind.code] = sorted(wanted)
    Membership.objects.filter(project=access.project, user=access.user).update(notify=chosen)


def set_thresholds(*, access: Access, move: float, budget: float) -> bool:
    """Set from when on a moved forecast and a spent budget are news; False if nothing changed.

    Shares, 0..1. Raises ForbiddenError, InvalidInputError.
    """
    if not access.may(Right.STEER):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    if not 0.001 <= move <= 10:
        raise InvalidInputError(_("The forecast's limit must be from 0.1 to 1,000 percent."))
    if not 0.01 <= budget <= 1:
        raise InvalidInputError(_("The budget's limit must be from 1 to 100 percent."))
    project = access.project
    before = {"notify_move": project.notify_move, "notify_budget": project.notify_budget}
    after = {"notify_move": move, "notify_budget": budget}
    if before == after:
        return False
    with transaction.atomic():
        Project.objects.filter(pk=project.pk).update(**after)
        audit.write(
            user=access.user,
            project=project,
            action="notifications.changed",
            before=before,
            after=after,
        )
        events.record(project.pk, "project.changed", {"what": "notifications"})
    project.notify_move, project.notify_budget = move, budget
    return True


def mark(*, user: User, notification_id: int, read: bool = True) -> Notification:
    """Mark one piece of one's own news as read or unread. Raises NotFoundError."""
    mine = Notification.objects.filter(user=user, pk=notification_id)
    if read:
        mine.filter(read_at=None).update(read_at=timezone.now())
    else:
        mine.update(read_at=None)
    found = mine.select_related("project").first()
    if found is None:
        raise NotFoundError(_("There is no such notification, or it is not yours."))
    return found


def mark_all(*, user: User, project_id: int | None = None) -> int:
    """Mark all of one's own news as read, of one project or of all; return how many were not."""
    mine = Notification.objects.filter(user=user, read_at=None)
    if project_id is not None:
        mine = mine.filter(project_id=project_id)
    return mine.update(read_at=timezone.now())


def unsubscribe(token: str) -> list[str]:
    """End the mails about the projects of a link; return their names. Harmless if repeated.

    Raises NotFoundError for a link that is not ours.
    """
    members = notify_mail.memberships_of(token)
    if members is None:
        raise NotFoundError(_("This link is incomplete or was changed."))
    for member in members:
        kinds = [
            kind for kind in KINDS.values() if MAIL in ways_of(member.role, member.notify, kind)
        ]
        stopped = {k.code: sorted(ways_of(member.role, member.notify, k) - {MAIL}) for k in kinds}
        Membership.objects.filter(pk=member.pk).update(notify=member.notify | stopped)
        rows = Notification.objects.filter(user_id=member.user_id, project_id=member.project_id)
        rows.filter(mail=Notification.Mail.WAITING).update(mail=Notification.Mail.NO)
    return [member.project.name for member in members]
