"""What people and other systems are told of: the kinds, who may hear of each, and by which way.

The one table that services, pages and webhooks read. A person hears only of what their role may
see; within that, `Membership.notify` holds what they chose otherwise than their role's defaults.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext_noop

from labelapp.rights import Right, Role, may

APP, MAIL = "app", "mail"
WAYS = (APP, MAIL)
LEADERS = frozenset({Role.OWNER, Role.MANAGER})
QUIET_EVENTS = frozenset({"training.progress", "import.progress"})
"""Events that only move a progress bar: nobody is told."""


@dataclass(frozen=True)
class Kind:
    """Something worth telling. `app` and `mail` are the roles that hear of it unless they choose."""

    code: str
    name: str
    help: str
    right: Right  # who lacks it never hears of this
    app: frozenset[Role] = LEADERS
    mail: frozenset[Role] = frozenset()
    asker_only: bool = False  # only who asked for it


_KINDS = (
    Kind(
        "batch_ready",
        gettext_noop("Images to label"),
        gettext_noop("People are asked for labels. An older unread one gives way to the new one."),
        Right.LABEL,
        app=LEADERS | {Role.ANNOTATOR},
    ),
    Kind(
        "review_waiting",
        gettext_noop("Images to review"),
        gettext_noop("The reviewers' queue was empty and is not any more."),
        Right.REVIEW,
        app=LEADERS | {Role.REVIEWER},
    ),
    Kind(
        "run_finished",
        gettext_noop("The run is finished"),
        gettext_noop("Every image has its label."),
        Right.VIEW_DASHBOARD,
        app=LEADERS | {Role.VIEWER},
        mail=LEADERS,
    ),
    Kind(
        "forecast_moved",
        gettext_noop("The forecast moved"),
        gettext_noop("The forecast total differs from the one last told by more than your limit."),
        Right.VIEW_DASHBOARD,
    ),
    Kind(
        "budget",
        gettext_noop("The budget runs out"),
        gettext_noop("Spending passed the share of the budget set below, or all of it."),
        Right.VIEW_DASHBOARD,
        mail=LEADERS,
    ),
    Kind(
        "run_steered",
        gettext_noop("The run was steered"),
        gettext_noop(
            "Somebody else stopped or re-opened it, asked for the audit, changed the target, prices "
            "or classes, added images, or took that back."
        ),
        Right.STEER,
    ),
    Kind(
        "training_failed",
        gettext_noop("A training failed"),
        gettext_noop("It is tried again by itself, up to three times."),
        Right.STEER,
    ),
    Kind(
        "run_failed",
        gettext_noop("The run stopped"),
        gettext_noop("The engine cannot go on without you."),
        Right.STEER,
        mail=LEADERS,
    ),
    Kind(
        "worker_missing",
        gettext_noop("No worker runs"),
        gettext_noop("A job has waited for two minutes and no worker gives a sign of life."),
        Right.STEER,
        mail=LEADERS,
    ),
    Kind(
        "import_finished",
        gettext_noop("Your import ended"),
        gettext_noop("Told to whoever started it."),
        Right.MANAGE_IMAGES,
        asker_only=True,
    ),
    Kind(
        "export_finished",
        gettext_noop("Your export ended"),
        gettext_noop("Told to whoever asked for it."),
        Right.EXPORT,
        asker_only=True,
    ),
    Kind(
        "webhook_off",
        gettext_noop("A webhook was switched off"),
        gettext_noop("Its address failed too often, or said that it is gone."),
        Right.WEBHOOKS,
        mail=LEADERS,
    ),
)
KINDS: dict[str, Kind] = {kind.code: kind for kind in _KINDS}

HOOK_KINDS: tuple[str, ...] = tuple(code for code in KINDS if code != "webhook_off")
"""What a webhook can hear; beside these every event (services.webhooks.HOOK_EVENTS)."""

Notify = Mapping[str, Iterable[str]]


def kinds_of(role: str) -> list[Kind]:
    """Return the kinds that this role may hear of, in order."""
    return [kind for kind in _KINDS if may(role, kind.right)]


def defaults(role: str, kind: Kind) -> set[str]:
    """Return the ways in which this role hears of a kind unless somebody chose otherwise."""
    ways = {APP: kind.app, MAIL: kind.mail}
    return {way for way, roles in ways.items() if Role(role) in roles and may(role, kind.right)}


def ways_of(role: str, notify: Notify, kind: Kind) -> set[str]:
    """Return the ways in which this member hears of a kind: "app", "mail"."""
    if not may(role, kind.right):
        return set()
    chosen = notify.get(kind.code)
    return defaults(role, kind) if chosen is None else set(chosen).intersection(WAYS)
