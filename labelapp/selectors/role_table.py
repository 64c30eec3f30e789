"""What each role may do, as a table: made from the rights themselves, so it cannot be wrong."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from labelapp.rights import RIGHTS, Right, Role
from labelapp.selectors.people import LARGEST_FIRST

RIGHT_WORDS: dict[Right, str | Promise] = {
    Right.LABEL: gettext_lazy("Label images, read the guidelines, see one's own work"),
    Right.REVIEW: gettext_lazy("Decide where others disagree, cannot tell, or may be wrong"),
    Right.VIEW_DASHBOARD: gettext_lazy("See costs, forecasts and other people's work"),
    Right.BROWSE: gettext_lazy("See every image with its label and its past"),
    Right.MANAGE_IMAGES: gettext_lazy("Bring images in"),
    Right.STEER: gettext_lazy(
        "Start, pause and steer the run; change guidelines, rules and settings"
    ),
    Right.EXPORT: gettext_lazy("Export labels and the certificate"),
    Right.MANAGE_PEOPLE: gettext_lazy("Invite people, change their roles, pause and remove them"),
    Right.AUDIT_LOG: gettext_lazy("Read and export who did what"),
    Right.WEBHOOKS: gettext_lazy("Send events to other systems"),
    Right.DELETE: gettext_lazy("Archive and delete the project"),
}


@dataclass(frozen=True)
class RightRow:
    """One right, and for each role in the order of `ROLES` whether it has it."""

    words: str | Promise
    cells: list[bool]


ROLES: tuple[Role, ...] = tuple(reversed(LARGEST_FIRST))


def role_table() -> list[RightRow]:
    """Return every right in the order of the table of rights."""
    return [RightRow(RIGHT_WORDS[r], [r in RIGHTS[role] for role in ROLES]) for r in Right]
