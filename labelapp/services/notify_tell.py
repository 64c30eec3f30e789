"""Tell something: one notification per member who hears of it, one delivery per webhook."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.utils import timezone, translation

from labelapp.models import Delivery, Membership, Notification, Project, Webhook
from labelapp.selectors.notice_words import words
from labelapp.selectors.notices import APP, KINDS, MAIL, Kind, ways_of
from labelapp.selectors.notify_links import base_url


@dataclass(frozen=True)
class News:
    """What is told. `key` is one per happening: the same news is never told twice.

    `besides` is told to people only: webhooks never carry names.
    """

    kind: str
    key: str
    payload: dict[str, Any]
    asker: int | None = None  # who asked for it, where only they are told
    but_not: int | None = None  # who did it, and knows
    besides: dict[str, Any] = field(default_factory=dict)


def tell(project: Project, news: News) -> int:
    """Write who hears of this; return how many people. Call it inside a transaction.

    Idempotent: (person, key) and (webhook, key) are unique.
    """
    kind = KINDS[news.kind]
    made = _tell_people(project, news, kind)
    deliver(project, news.kind, news.key, news.payload)
    return made


def _tell_people(project: Project, news: News, kind: Kind) -> int:
    now = timezone.now()
    rows = [
        Notification(
            user_id=member.user_id,
            project=project,
            kind=kind.code,
            key=news.key,
            payload=news.payload | news.besides,
            created=now,
            read_at=None if APP in ways else now,  # exactly `created`: nobody has read it
            mail=Notification.Mail.WAITING if MAIL in ways else Notification.Mail.NO,
            next_try=now if MAIL in ways else None,
        )
        for member in _hearers(project, news, kind)
        if (ways := _ways(member, kind))
    ]
    if kind.code == "batch_ready":
        _replace_older(project, rows)
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def _hearers(project: Project, news: News, kind: Kind) -> list[Membership]:
    members = Membership.objects.filter(
        project=project, user__is_active=True, user__is_simulated=False
    )
    if kind.asker_only:
        members = members.filter(user_id=news.asker or 0)
    if news.but_not is not None:
        members = members.exclude(user_id=news.but_not)
    if kind.code == "batch_ready":
        members = members.filter(paused_at=None)
    return list(members.only("user_id", "role", "notify"))


def _ways(member: Membership, kind: Kind) -> set[str]:
    """Return how this member hears; mail only where this installation sends any."""
    ways = ways_of(member.role, member.notify, kind)
    return ways if settings.MAIL_ON else ways - {MAIL}


def _replace_older(project: Project, rows: list[Notification]) -> None:
    """Only the newest call for labels counts: older unread ones go."""
    Notification.objects.filter(
        project=project,
        kind="batch_ready",
        read_at=None,
        user_id__in=[row.user_id for row in rows],
    ).exclude(key__in=[row.key for row in rows]).delete()


def deliver(project: Project, kind: str, key: str, payload: dict[str, Any]) -> int:
    """Write a message for each webhook of the project that hears of this kind or event."""
    hooks = [hook for hook in _hooks(project) if kind in hook.kinds]
    if not hooks:
        return 0
    text = body(project, kind, key, payload)
    rows = [Delivery(webhook=hook, key=key, kind=kind, body=text) for hook in hooks]
    Delivery.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def _hooks(project: Project) -> list[Webhook]:
    return list(Webhook.objects.filter(project=project, active=True))


def body(project: Project, kind: str, key: str, payload: dict[str, Any]) -> str:
    """Return a message as JSON, byte for byte what is signed and sent. Its text is English."""
    with translation.override("en"):
        told = words(kind, payload)
    message = {
        "id": key,
        "kind": kind,
        "at": timezone.now().isoformat(timespec="milliseconds"),
        "project": {"id": project.public_id, "name": project.name},
        "text": f"{told.title}: {told.text}" if told.text else told.title,
        "url": f"{base_url()}/p/{project.public_id}/",
        "data": payload,
    }
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
