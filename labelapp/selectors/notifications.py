"""What a person was told, and how the messages to other systems went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from urllib.parse import urlsplit

from django.db.models import Count, Max, Q, QuerySet
from django.utils.translation import gettext, gettext_noop

from labelapp.models import Delivery, Membership, Notification, Project, User, Webhook
from labelapp.selectors.dashboard_words import sentence
from labelapp.selectors.notice_words import Words, trouble, words
from labelapp.selectors.notices import (
    APP,
    HOOK_KINDS,
    KINDS,
    MAIL,
    Kind,
    kinds_of,
    ways_of,
)
from labelapp.selectors.notify_links import page_of
from labelapp.selectors.projects import Access

PAGE = 30
BELL = 7
MOST_UNREAD = 99


@dataclass(frozen=True)
class Notice:
    """A notification as pages show it, in the reader's language."""

    id: int
    project: Project | None
    words: Words
    url: str
    created: datetime
    unread: bool


@dataclass(frozen=True)
class Choice:
    """How a member hears of one kind, for the page where they choose."""

    code: str
    name: str
    help: str
    app: bool
    mail: bool


@dataclass(frozen=True)
class HookRow:
    """A webhook in the list."""

    hook: Webhook
    host: str
    kinds: int
    trouble: str
    waiting: int
    failed: int
    last: datetime | None


@dataclass(frozen=True)
class DeliveryRow:
    """One message to a webhook in the log."""

    delivery: Delivery
    name: str
    error: str
    retries_at: datetime | None


# --- people --------------------------------------------------------------------------------------


def visible(user: User) -> QuerySet[Notification]:
    """Return this person's news of projects that they are in, as far as their role may see it."""
    members = Membership.objects.filter(user=user).exclude(project__status=Project.Status.DELETING)
    pairs = sorted(members.values_list("role", "project_id"))
    allowed = Q(project__isnull=True)
    for role, rows in groupby(pairs, key=lambda pair: pair[0]):
        kinds = [kind.code for kind in kinds_of(role)]
        allowed |= Q(project_id__in=[project for _role, project in rows], kind__in=kinds)
    return Notification.objects.filter(allowed, user=user)


def unread_count(user: User) -> int:
    """Return how many are unread, at most one more than `MOST_UNREAD`."""
    return visible(user).filter(read_at=None)[: MOST_UNREAD + 1].count()


def newest(user: User, most: int = BELL) -> list[Notice]:
    """Return the newest, for the bell."""
    return [notice(row) for row in visible(user).select_related("project").order_by("-pk")[:most]]


def page(
    user: User, *, before: int = 0, project: str = "", unread: bool = False
) -> tuple[list[Notice], int]:
    """Return a page of news, the newest first, and the id to go on from (0: that was all)."""
    rows = visible(user).select_related("project").order_by("-pk")
    if before:
        rows = rows.filter(pk__lt=before)
    if project:
        rows = rows.filter(project__public_id=project)
    if unread:
        rows = rows.filter(read_at=None)
    found = list(rows[: PAGE + 1])
    more = found[PAGE - 1].pk if len(found) > PAGE else 0
    return [notice(row) for row in found[:PAGE]], more


def notice(row: Notification) -> Notice:
    """Put one notification into words."""
    return Notice(
        row.pk,
        row.project,
        words(row.kind, row.payload),
        page_of(row.kind, row.project.public_id) if row.project else "/",
        row.created,
        row.read_at is None,
    )


def choices(access: Access) -> list[Choice]:
    """Return how this member hears of each kind that their role may hear of."""
    notify = access.project.memberships.values_list("notify", flat=True).get(user=access.user)
    return [_choice(kind, ways_of(access.role, notify, kind)) for kind in kinds_of(access.role)]


def _choice(kind: Kind, ways: set[str]) -> Choice:
    return Choice(kind.code, gettext(kind.name), gettext(kind.help), APP in ways, MAIL in ways)


# --- webhooks ------------------------------------------------------------------------------------


def hook_kind_name(kind: str) -> str:
    """Return what a webhook's kind is called."""
    known = KINDS.get(kind)
    if known is not None:
        return gettext(_HOOK_NAMES.get(kind, known.name))
    return gettext("A test") if kind == "test" else sentence(kind, {})


_HOOK_NAMES = {
    "import_finished": gettext_noop("An import ended"),
    "export_finished": gettext_noop("An export ended"),
}


@dataclass(frozen=True)
class HookChoices:
    """(kind, name, chosen) of all that a webhook can hear: news, and the project's events."""

    news: list[tuple[str, str, bool]]
    events: list[tuple[str, str, bool]]

    @property
    def open(self) -> bool:
        """Whether any event is chosen: then the list of events is shown."""
        return any(on for _kind, _name, on in self.events)


def hook_choices(chosen: list[str], events: Sequence[str]) -> HookChoices:
    """Return what a webhook can hear, these events among it, and what of it is chosen."""
    return HookChoices(
        [(kind, hook_kind_name(kind), kind in chosen) for kind in HOOK_KINDS],
        [(kind, hook_kind_name(kind), kind in chosen) for kind in events],
    )


def hooks(project: Project) -> list[HookRow]:
    """Return the project's webhooks with how they do. Their logs are bounded."""
    waiting = Q(deliveries__state=Delivery.State.WAITING)
    failed = Q(deliveries__state=Delivery.State.FAILED)
    rows = Webhook.objects.filter(project=project).annotate(
        waiting=Count("deliveries", filter=waiting),
        failed=Count("deliveries", filter=failed),
        last=Max("deliveries__sent_at"),
    )
    return [
        HookRow(
            hook,
            urlsplit(hook.url).hostname or "",
            len(hook.kinds),
            trouble(hook.trouble) if hook.trouble else "",
            hook.waiting,
            hook.failed,
            hook.last,
        )
        for hook in rows.order_by("pk")
    ]


def deliveries(hook: Webhook, *, before: int = 0) -> tuple[list[DeliveryRow], int]:
    """Return a page of a webhook's log, the newest first, and the id to go on from."""
    rows = Delivery.objects.filter(webhook=hook).order_by("-pk")
    if before:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: PAGE + 1])
    more = found[PAGE - 1].pk if len(found) > PAGE else 0
    return [_delivery(row) for row in found[:PAGE]], more


def _delivery(row: Delivery) -> DeliveryRow:
    again = row.state == Delivery.State.WAITING and row.attempts > 0
    return DeliveryRow(
        row,
        hook_kind_name(row.kind),
        trouble(row.error) if row.error else "",
        row.next_try if again else None,
    )
