"""What a person can see: every look-up of a project starts here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from labelapp.errors import ForbiddenError, NotFoundError
from labelapp.models import LabelClass, Membership, Project, User
from labelapp.rights import Right, may, rights_of
from labelapp.selectors.second_factor import check_second_factor


@dataclass(frozen=True)
class Access:
    """A project together with what this person may do in it."""

    project: Project
    user: User
    role: str
    paused_at: datetime | None = None  # this person gets no tasks since then
    pause_reason: str = ""
    only: frozenset[Right] | None = None  # what the access token of this request covers

    def may(self, right: Right) -> bool:
        """Tell whether this person has this right here."""
        return may(self.role, right) and (self.only is None or right in self.only)

    @property
    def rights(self) -> set[str]:
        """The names of all rights, for templates: {% if "steer" in access.rights %}."""
        return {right.value for right in Right if self.may(right)}


def visible_projects(user: User) -> QuerySet[Project]:
    """Return the projects that this person is a member of, newest first."""
    found = (
        Project.objects.filter(memberships__user=user)
        .exclude(status=Project.Status.DELETING)
        .order_by("-created")
    )
    token = user.by_token
    return found.filter(pk=token.project_id) if token and token.project_id else found


def access(user: User, public_id: str, right: Right | None = None) -> Access:
    """Return the project with this id as this person may see it.

    Raises NotFoundError for outsiders (and projects that do not exist), ForbiddenError when a
    member, or the access token of the request, lacks `right`.
    """
    check_second_factor(user)
    membership = (
        Membership.objects.select_related("project")
        .filter(user_id=user.pk, user__is_active=True, project__public_id=public_id)
        .exclude(project__status=Project.Status.DELETING)
        .first()
    )
    token = user.by_token
    elsewhere = (
        token and token.project_id and membership and token.project_id != membership.project_id
    )
    if membership is None or elsewhere:
        raise NotFoundError(_("There is no such project, or you are not a member of it."))
    membership.user = user
    found = access_of(membership)
    if right is not None and not found.may(right):
        if may(found.role, right):
            raise ForbiddenError(
                _("The access token does not cover this: make one with the scope for it."),
                right=right.value,
            )
        raise ForbiddenError(_("Your role in this project does not allow this."), right=right.value)
    return found


def access_of(membership: Membership) -> Access:
    """Return what this membership grants; its person and its project must be read already."""
    return Access(
        membership.project,
        membership.user,
        membership.role,
        membership.paused_at,
        membership.pause_reason,
        rights_of(token.scopes) if (token := membership.user.by_token) else None,
    )


def active_classes(project: Project) -> list[LabelClass]:
    """Return the project's classes in the engine's order, archived ones left out."""
    return list(project.classes.filter(archived=False).order_by("index"))
