"""The one table of who may do what. Every permission check reads it; nothing else decides."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Role(StrEnum):
    """A person's part in one project."""

    OWNER = "owner"
    MANAGER = "manager"
    REVIEWER = "reviewer"
    ANNOTATOR = "annotator"
    VIEWER = "viewer"  # looks on: a customer, an auditor


class Right(StrEnum):
    """What can be done in a project."""

    LABEL = "label"  # answer tasks, see the guidelines and one's own work
    REVIEW = "review"  # decide what others disagree on, cannot tell, or may have got wrong
    VIEW_DASHBOARD = "view_dashboard"  # costs, forecasts, other people's work
    BROWSE = "browse"  # every image with its labels
    MANAGE_IMAGES = "manage_images"  # import
    STEER = "steer"  # start, pause, change the guidelines and settings
    EXPORT = "export"
    MANAGE_PEOPLE = "manage_people"
    AUDIT_LOG = "audit_log"  # who did what, when
    WEBHOOKS = "webhooks"  # send what happens to other systems
    DELETE = "delete"  # archive and delete the project


_ANNOTATOR = frozenset({Right.LABEL})
_REVIEWER = _ANNOTATOR | {Right.REVIEW}
_VIEWER = frozenset({Right.VIEW_DASHBOARD, Right.BROWSE})
_MANAGER = (
    _REVIEWER
    | _VIEWER
    | {
        Right.MANAGE_IMAGES,
        Right.STEER,
        Right.EXPORT,
        Right.MANAGE_PEOPLE,
        Right.AUDIT_LOG,
        Right.WEBHOOKS,
    }
)

RIGHTS: dict[Role, frozenset[Right]] = {
    Role.OWNER: frozenset(Right),
    Role.MANAGER: frozenset(_MANAGER),
    Role.REVIEWER: frozenset(_REVIEWER),
    Role.ANNOTATOR: _ANNOTATOR,
    Role.VIEWER: _VIEWER,
}

MAY_INVITE: dict[Role, frozenset[Role]] = {
    Role.OWNER: frozenset(Role),
    Role.MANAGER: frozenset({Role.MANAGER, Role.REVIEWER, Role.ANNOTATOR, Role.VIEWER}),
    Role.REVIEWER: frozenset(),
    Role.ANNOTATOR: frozenset(),
    Role.VIEWER: frozenset(),
}


class Scope(StrEnum):
    """What an access token may be used for; never more than its person may do."""

    READ = "read"
    LABEL = "label"
    IMPORT = "import"
    STEER = "steer"
    EXPORT = "export"


SCOPES: dict[Scope, frozenset[Right]] = {
    Scope.READ: _VIEWER,
    Scope.LABEL: frozenset({Right.LABEL, Right.REVIEW}),
    Scope.IMPORT: frozenset({Right.MANAGE_IMAGES}),
    Scope.STEER: frozenset({Right.STEER}),
    Scope.EXPORT: frozenset({Right.EXPORT}),
}
"""People, the audit log, webhooks and the end of a project are for people who have signed in."""


def rights_of(scopes: Iterable[str]) -> frozenset[Right]:
    """Return the rights that these scopes cover; unknown scopes cover none."""
    return frozenset().union(*(SCOPES[Scope(s)] for s in scopes if s in set(Scope)))


def may(role: str, right: Right) -> bool:
    """Tell whether this role has this right."""
    return right in RIGHTS[Role(role)]
