"""Mails: what a person has not read yet, several news in one, in their language.

The first news goes at once; what comes within five minutes after a mail waits and goes together.
A mail that cannot be sent is tried again for a day. Never a secret, never an image.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import F, QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext, ngettext

from labelapp.models import Membership, Notification, User
from labelapp.selectors.notice_words import Words, words
from labelapp.selectors.notify_links import base_url, page_of

log = logging.getLogger(__name__)

DIGEST = timedelta(minutes=5)
LEASE = timedelta(minutes=3)
TRY_FOR = timedelta(days=1)
MOST_NEWS = 50  # in one mail
SALT = "labelapp.unsubscribe"
WAITING, SENT = Notification.Mail.WAITING, Notification.Mail.SENT


@dataclass(frozen=True)
class _Line:
    """One piece of news in a mail."""

    project: str
    words: Words
    url: str


def due_people(most: int = 20) -> list[int]:
    """Return people to whom a mail is due."""
    if not settings.MAIL_ON:
        return []
    due = Notification.objects.filter(mail=WAITING, next_try__lte=timezone.now())
    rows = due.order_by("next_try").values_list("user_id", flat=True)[:500]
    return list(dict.fromkeys(rows))[:most]


def mail_person(user_id: int) -> bool:
    """Send one person what waits for them; True if a mail went out."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    rows = _claim(user_id, user)
    if user is None or not rows:
        return False
    try:
        _message(user, rows).send()
    except Exception as error:  # noqa: BLE001 - whatever the mail server does, it is tried again
        log.warning("A mail could not be sent: %s", error)
        _failed(rows, f"{type(error).__name__}: {error}"[:300])
        return False
    _rows(rows).update(mail=SENT, error="", next_try=timezone.now())  # when it went
    return True


def _claim(user_id: int, user: User | None) -> list[Notification]:
    """Take what waits for this person, unless a mail went to them a moment ago."""
    now = timezone.now()
    with transaction.atomic():
        mine = Notification.objects.filter(user_id=user_id, mail=WAITING)
        locked = mine.select_for_update(skip_locked=True, of=("self",)).select_related("project")
        rows = list(locked.order_by("pk")[:MOST_NEWS])
        wanted = [row for row in rows if user is not None and not _was_read(row)]
        _rows([row for row in rows if row not in wanted]).update(mail=Notification.Mail.NO)
        later = _not_before(user_id, wanted, now)
        if later is not None:
            _rows(wanted).update(next_try=later)
            return []
        _rows(wanted).update(next_try=now + LEASE, attempts=F("attempts") + 1)
    for row in wanted:
        row.attempts += 1
    return wanted


def _rows(rows: Sequence[Notification]) -> QuerySet[Notification]:
    return Notification.objects.filter(pk__in=[row.pk for row in rows])


def _was_read(row: Notification) -> bool:
    """Tell whether the person saw it in the app already; what is only mailed counts as unread."""
    return row.read_at is not None and row.read_at != row.created


def _not_before(user_id: int, rows: Sequence[Notification], now: datetime) -> datetime | None:
    """Return when the next mail may go, if not now: others are under way, or one went just now."""
    held = [row.next_try for row in rows if row.attempts and row.next_try and row.next_try > now]
    sent = Notification.objects.filter(user_id=user_id, mail=SENT, next_try__gt=now - DIGEST)
    last = sent.order_by("-next_try").values_list("next_try", flat=True).first()
    return max([*held, *([last + DIGEST] if last else [])], default=None)


def _failed(rows: Sequence[Notification], words_: str) -> None:
    """Let the news wait for another attempt; those older than a day are given up."""
    now = timezone.now()
    for row in rows:
        wait = timedelta(seconds=min(3_600, 60 * 2**row.attempts) * random.uniform(1, 1.3))
        over = now + wait > row.created + TRY_FOR
        state = Notification.Mail.FAILED if over else WAITING
        mine = Notification.objects.filter(pk=row.pk, mail=WAITING)
        mine.update(mail=state, next_try=now + wait, error=words_)


def _message(user: User, rows: Sequence[Notification]) -> EmailMultiAlternatives:
    """Write the mail in the person's language."""
    with translation.override(user.language or settings.LANGUAGE_CODE):
        lines = [_line(row) for row in rows]
        subject = _subject(lines)
        stop = base_url() + reverse("unsubscribe", args=[unsubscribe_token(user, rows)])
        context = {
            "lines": lines,
            "subject": subject,
            "stop": stop,
            "all": base_url() + reverse("my_notifications"),
            "language": translation.get_language(),
        }
        text = render_to_string("notifications/mail.txt", context)
        html = render_to_string("notifications/mail.html", context)
    headers = {
        "List-Unsubscribe": f"<{stop}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Auto-Submitted": "auto-generated",
    }
    message = EmailMultiAlternatives(subject, text, to=[user.email], headers=headers)
    message.attach_alternative(html, "text/html")
    return message


def _line(row: Notification) -> _Line:
    pid = row.project.public_id if row.project else ""
    url = base_url() + (page_of(row.kind, pid) if pid else reverse("my_notifications"))
    return _Line(row.project.name if row.project else "", words(row.kind, row.payload), url)


def _subject(lines: Sequence[_Line]) -> str:
    first = lines[0]
    names = {line.project for line in lines}
    if len(lines) == 1:
        return _one_line(f"{first.project}: {first.words.title}")
    count = ngettext("%(n)s piece of news", "%(n)s pieces of news", len(lines)) % {"n": len(lines)}
    if len(names) == 1:
        return _one_line(f"{first.project}: {count}")
    return _one_line(gettext("%(count)s from your projects") % {"count": count})


def _one_line(text: str) -> str:
    return " ".join(text.split())[:180]


# --- unsubscribe ---------------------------------------------------------------------------------


def unsubscribe_token(user: User, rows: Sequence[Notification]) -> str:
    """Return the signed part of a link that ends mails about these projects."""
    projects = sorted({row.project_id for row in rows if row.project_id})
    return signing.dumps({"u": user.pk, "p": projects}, salt=SALT, compress=True)


def read_token(token: str) -> tuple[int, list[int]] | None:
    """Return (person, projects) of a link; None if it is not ours."""
    try:
        found = signing.loads(token, salt=SALT)
        return int(found["u"]), [int(one) for one in found["p"]]
    except (signing.BadSignature, KeyError, TypeError, ValueError):
        return None


def memberships_of(token: str) -> list[Membership] | None:
    """Return the memberships whose mails the link ends; None if it is not ours."""
    found = read_token(token)
    if found is None:
        return None
    rows = Membership.objects.filter(user_id=found[0], project_id__in=found[1])
    return list(rows.select_related("project", "user"))
