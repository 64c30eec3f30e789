"""Who belongs to a project: invitations by link, roles, leaving."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp import events
from labelapp.errors import (
    ConflictError,
    ExpiredError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
)
from labelapp.models import Invitation, Membership, Project, User
from labelapp.rights import MAY_INVITE, RIGHTS, Right, Role, may
from labelapp.selectors.people import invitation_for, token_hash
from labelapp.selectors.projects import Access
from labelapp.services import audit, reviews
from labelapp.services.leases import one_writer, release_leases

INVITATION_DAYS = 14
MAX_INVITATION_DAYS = 90


@dataclass(frozen=True)
class Joined:
    """What accepting an invitation came to. `changed` is False for those who had as much."""

    project: Project
    role: str
    changed: bool


def create_invitation(
    *, access: Access, role: str, note: str = "", days: int = INVITATION_DAYS, email: str = ""
) -> tuple[Invitation, str]:
    """Make a link that lets one person join; return it with its token, which is not stored.

    With `email` only the person of that address may use it.
    """
    may_give(access, role)
    if not 1 <= days <= MAX_INVITATION_DAYS:
        message = _("An invitation lasts 1 to %(most)s days.") % {"most": MAX_INVITATION_DAYS}
        raise InvalidInputError(message, days=message)
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        invitation = Invitation.objects.create(
            project=access.project,
            role=role,
            note=note.strip()[:120],
            email=email,
            token_hash=token_hash(token),
            created_by=access.user,
            expires=timezone.now() + timedelta(days=days),
        )
        target = invitation.email or invitation.note or role
        _log(access, "invitation.created", target, {}, {"role": str(role)})
    return invitation, token


def revoke_invitation(*, access: Access, invitation_id: int) -> None:
    """Make a link stop working. Raises NotFoundError, or ConflictError if somebody used it."""
    _need(access, Right.MANAGE_PEOPLE)
    found = access.project.invitations.filter(pk=invitation_id).first()
    if found is None:
        raise NotFoundError(_("There is no such invitation."))
    may_give(access, found.role)
    with transaction.atomic():
        open_ = Invitation.objects.filter(pk=found.pk, accepted_at=None)
        if not open_.update(revoked_at=timezone.now()):
            raise ConflictError(_("Somebody has used this invitation meanwhile."))
        target = found.email or found.note or found.role
        _log(access, "invitation.revoked", target, {"role": found.role}, {})


def accept_invitation(*, user: User, token: str) -> Joined:
    """Let a person with an account join.

    Nobody loses rights by a link: where the new role lacks one that the person has, nothing
    happens, and the link stays good for somebody else. Of two people who race for one link, one
    wins; the other gets ExpiredError. ForbiddenError: it was mailed to another address.
    """
    invitation = invitation_for(token)
    project = invitation.project
    if invitation.email not in {"", user.email}:
        raise ForbiddenError(
            _("This invitation was sent to %(email)s: sign in with that address.")
            % {"email": invitation.email}
        )
    with transaction.atomic():
        held = Membership.objects.filter(project=project, user=user).first()
        if held and not RIGHTS[Role(held.role)] < RIGHTS[Role(invitation.role)]:
            return Joined(project, held.role, changed=False)
        _use_up(invitation, user)
        Membership.objects.update_or_create(
            project=project, user=user, defaults={"role": invitation.role}
        )
        audit.write(
            user=user,
            project=project,
            action="invitation.accepted",
            target=str(user),
            before={"role": held.role} if held else {},
            after={"role": invitation.role},
        )
        events.record(project.pk, "people.changed")
    return Joined(project, invitation.role, changed=True)


def _use_up(invitation: Invitation, user: User) -> None:
    """Take the link by conditional update, so that it works once."""
    now = timezone.now()
    usable = Invitation.objects.filter(
        pk=invitation.pk, accepted_at=None, revoked_at=None, expires__gt=now
    )
    if not usable.update(accepted_at=now, accepted_by=user):
        raise ExpiredError(_("Somebody else was faster: this invitation works for one person."))


def change_role(*, access: Access, user_id: int, role: str) -> None:
    """Give a member another role. Raises ConflictError for the last owner."""
    may_give(access, role)
    with transaction.atomic():
        membership = _member(access, user_id)
        may_give(access, membership.role)
        if membership.role == role:
            return
        _keep_an_owner(access.project, membership)
        Membership.objects.filter(pk=membership.pk).update(role=role)
        if not may(role, Right.MANAGE_PEOPLE):
            _revoke_links_of(access.project, user_id)
        _log(
            access,
            "role.changed",
            str(membership.user),
            {"role": membership.role},
            {"role": str(role)},
        )
        events.record(access.project.pk, "people.changed")


def remove_member(*, access: Access, user_id: int) -> None:
    """Take a person out: open tasks are freed, answers and earnings stay, their links end.

    Everybody may leave by themselves; the last owner cannot.
    """
    leaving = user_id == access.user.pk
    if not leaving:
        _need(access, Right.MANAGE_PEOPLE)
    with one_writer():
        membership = _member(access, user_id)
        if not leaving:
            may_give(access, membership.role)
        _keep_an_owner(access.project, membership)
        # Tasks before the membership: in the order in which an answer that pauses locks them.
        release_leases(user=membership.user, project=access.project)
        reviews.recall_all(project_id=access.project.pk, user_id=user_id)
        membership.delete()
        _revoke_links_of(access.project, user_id)
        action = "member.left" if leaving else "member.removed"
        _log(access, action, str(membership.user), {"role": membership.role}, {})
        events.record(access.project.pk, "people.changed")


def _member(access: Access, user_id: int) -> Membership:
    """Return the membership, its project locked so that two owners cannot demote each other."""
    Project.objects.select_for_update(no_key=True).get(pk=access.project.pk)
    found = access.project.memberships.select_related("user").filter(user__pk=user_id).first()
    if found is None:
        raise NotFoundError(_("This person is not in the project."))
    return found


def _keep_an_owner(project: Project, membership: Membership) -> None:
    others = project.memberships.filter(role=Role.OWNER, user__is_active=True)
    if membership.role == Role.OWNER and not others.exclude(pk=membership.pk).exists():
        raise ConflictError(_("A project needs an owner: make somebody else one first."))


def _revoke_links_of(project: Project, user_id: int) -> None:
    """End the open links that this person made: nobody comes back by a link in the drawer."""
    project.invitations.filter(created_by_id=user_id, accepted_at=None, revoked_at=None).update(
        revoked_at=timezone.now()
    )


def may_give(access: Access, role: str) -> None:
    """Refuse somebody who may not give this role. Raises ForbiddenError."""
    _need(access, Right.MANAGE_PEOPLE)
    if role not in MAY_INVITE[Role(access.role)]:
        raise ForbiddenError(
            _("Your role does not allow you to give or change this role."), role=role
        )


def _need(access: Access, right: Right) -> None:
    if not access.may(right):
        raise ForbiddenError(_("Your role in this project does not allow this."), right=right.value)


def _log(
    access: Access, action: str, target: str, before: dict[str, str], after: dict[str, str]
) -> None:
    audit.write(
        user=access.user,
        project=access.project,
        action=action,
        target=target,
        before=before,
        after=after,
    )
