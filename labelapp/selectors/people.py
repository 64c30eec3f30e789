"""Who is in a project, who is invited, who has an account here."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from allauth.mfa.models import Authenticator
from django.db.models import Case, Count, Exists, OuterRef, Q, QuerySet, Subquery, When
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from labelapp.errors import ExpiredError, NotFoundError
from labelapp.models import Answer, Invitation, Membership, PasswordResetLink, User
from labelapp.rights import MAY_INVITE, Right, Role
from labelapp.selectors.projects import Access

ROLE_WORDS: dict[str, str] = {
    Role.OWNER: gettext_noop("owner"),
    Role.MANAGER: gettext_noop("manager"),
    Role.REVIEWER: gettext_noop("reviewer"),
    Role.ANNOTATOR: gettext_noop("annotator"),
    Role.VIEWER: gettext_noop("viewer"),
}
"""In English; pages use the filter `role_words`."""

ROLE_HELP = {
    Role.OWNER: gettext_lazy("do everything, also archive and delete the project"),
    Role.MANAGER: gettext_lazy("do everything but archive and delete the project"),
    Role.REVIEWER: gettext_lazy("label images, and decide where others disagree or cannot tell"),
    Role.ANNOTATOR: gettext_lazy("label images, see the guidelines and their own work"),
    Role.VIEWER: gettext_lazy("see costs, forecasts and every image, and change nothing"),
}

LARGEST_FIRST = (Role.OWNER, Role.MANAGER, Role.VIEWER, Role.REVIEWER, Role.ANNOTATOR)


def token_hash(token: str) -> str:
    """Return what is stored of a secret link: SHA-256 as hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def members(access: Access) -> QuerySet[Membership]:
    """Return the project's people with `last_answer`, owners first."""
    rank = Case(*(When(role=role, then=n) for n, role in enumerate(LARGEST_FIRST)))
    last = Answer.objects.filter(project=access.project, user=OuterRef("user")).order_by("-created")
    return (
        access.project.memberships.select_related("user")
        .annotate(last_answer=Subquery(last.values("created")[:1]))
        .order_by(rank, "user__display_name", "user__email")
    )


def open_invitations(access: Access) -> QuerySet[Invitation]:
    """Return the links that still work, the newest first."""
    return (
        access.project.invitations.filter(_usable(timezone.now()))
        .select_related("created_by")
        .order_by("-created")
    )


def assignable_roles(access: Access) -> list[Role]:
    """Return the roles that this person may give to others, the smallest first."""
    allowed = MAY_INVITE[Role(access.role)] if access.may(Right.MANAGE_PEOPLE) else frozenset()
    return [role for role in reversed(LARGEST_FIRST) if role in allowed]


def invitation_for(token: str) -> Invitation:
    """Return the invitation behind a link.

    Raises NotFoundError for a link that never was, ExpiredError with the reason for one that no
    longer works.
    """
    found = (
        Invitation.objects.select_related("project", "created_by")
        .filter(token_hash=token_hash(token))
        .exclude(project__status="deleting")
        .first()
    )
    if found is None:
        raise NotFoundError(_("There is no such invitation. Was the link copied whole?"))
    if reason := _over(found):
        raise ExpiredError(reason)
    return found


def _over(invitation: Invitation) -> str:
    if invitation.revoked_at:
        return _("This invitation was taken back.")
    if invitation.accepted_at:
        return _("This invitation was used already: a link works for one person.")
    return _("This invitation is too old.") if invitation.expires <= timezone.now() else ""


def _usable(now: datetime) -> Q:
    return Q(accepted_at=None, revoked_at=None, expires__gt=now)


def reset_link_for(token: str) -> PasswordResetLink:
    """Return the reset link behind an address.

    Raises NotFoundError, or ExpiredError when it was used, is too old, or the person left.
    """
    found = PasswordResetLink.objects.select_related("user").filter(token_hash=token_hash(token))
    link = found.first()
    if link is None:
        raise NotFoundError(_("There is no such link. Was it copied whole?"))
    if link.used_at:
        raise ExpiredError(_("This link was used already, or replaced by a newer one."))
    if link.expires <= timezone.now() or not link.user.is_active:
        raise ExpiredError(_("This link no longer works."))
    return link


def mailed_today(access: Access) -> int:
    """Return how many invitations this person has sent by mail in the last 24 hours."""
    since = timezone.now() - timedelta(days=1)
    sent = Invitation.objects.filter(created_by=access.user, created__gt=since)
    return sent.exclude(email="").count()


def all_people() -> QuerySet[User]:
    """Return everyone with an account here, `projects` (how many) and `second_factor`."""
    codes = Authenticator.objects.filter(user=OuterRef("pk"), type=Authenticator.Type.TOTP)
    return User.objects.annotate(
        projects=Count("memberships"), second_factor=Exists(codes)
    ).order_by("-is_active", "display_name", "email")


def may_create_projects(user: User) -> bool:
    """Tell whether this person may make projects: the installation's owner, and managers.

    People who only label may not: a project takes disk and computing time.
    """
    return user.is_superuser or user.memberships.filter(role__in=_MAKERS).exists()


_MAKERS = (Role.OWNER, Role.MANAGER)


def sole_owner_of(user: User) -> QuerySet[Membership]:
    """Return the memberships in which this person is the only active owner."""
    others = Membership.objects.filter(role=Role.OWNER, user__is_active=True).exclude(user=user)
    return (
        Membership.objects.filter(user=user, role=Role.OWNER)
        .exclude(project__in=others.values("project"))
        .exclude(project__status="deleting")
        .select_related("project")
    )
