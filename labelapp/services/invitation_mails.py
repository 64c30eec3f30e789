"""Invitations by mail: sent after they are stored; what could not be sent can be sent again.

The link's token is not stored, so sending again makes a new one, and the old link ends.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp.errors import ConflictError, InvalidInputError, NotFoundError
from labelapp.models import Invitation
from labelapp.selectors.people import mailed_today, token_hash
from labelapp.selectors.projects import Access
from labelapp.services import audit
from labelapp.services.people import INVITATION_DAYS, create_invitation, may_give

logger = logging.getLogger(__name__)

AT_ONCE = 20
A_DAY = 100  # of one person
AGAIN_AFTER = timedelta(minutes=1)
LinkOf = Callable[[str], str]


@dataclass(frozen=True)
class Sent:
    """What became of one invitation; `link` is there only where no mail went out."""

    email: str
    mailed: bool
    link: str


def addresses_in(text: str) -> list[str]:
    """Return the addresses of a text, each once, in lower case. Raises InvalidInputError."""
    found = list(dict.fromkeys(part.lower() for part in re.split(r"[\s,;]+", text) if part))
    for address in found:
        try:
            validate_email(address)
        except ValidationError as error:
            raise InvalidInputError(
                _("%(address)s is not an e-mail address.") % {"address": address[:80]},
                emails=address[:80],
            ) from error
    return found


def invite_by_mail(
    *, access: Access, role: str, emails: list[str], days: int = INVITATION_DAYS, link_of: LinkOf
) -> list[Sent]:
    """Invite people by mail; where none can be sent, return the links for passing on by hand."""
    may_give(access, role)
    if len(emails) > AT_ONCE or mailed_today(access) + len(emails) > A_DAY:
        raise InvalidInputError(
            _("At most %(once)s addresses at once, and %(day)s invitations a day.")
            % {"once": AT_ONCE, "day": A_DAY}
        )
    with transaction.atomic():
        made = [
            create_invitation(access=access, role=role, days=days, email=email) for email in emails
        ]
    return _send((invitation, link_of(token)) for invitation, token in made)


def send_again(*, access: Access, invitation_id: int, link_of: LinkOf) -> Sent:
    """Mail an open invitation once more, with a new link that lasts as long as a new one."""
    found = access.project.invitations.filter(pk=invitation_id).exclude(email="").first()
    if found is None:
        raise NotFoundError(_("There is no such invitation."))
    may_give(access, found.role)
    now = timezone.now()
    if found.mailed_at and found.mailed_at > now - AGAIN_AFTER:
        raise ConflictError(_("It was sent a moment ago: wait a minute."))
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        open_ = Invitation.objects.filter(pk=found.pk, accepted_at=None, revoked_at=None)
        ends = now + timedelta(days=INVITATION_DAYS)
        if not open_.update(token_hash=token_hash(token), expires=ends, mailed_at=None):
            raise ConflictError(_("Somebody has used this invitation meanwhile."))
        audit.write(
            user=access.user,
            project=access.project,
            action="invitation.sent_again",
            target=found.email,
            after={"role": found.role},
        )
    found.refresh_from_db()
    return _send([(found, link_of(token))])[0]


def _send(items: Iterable[tuple[Invitation, str]]) -> list[Sent]:
    """Send the mails, one by one; after the first that the server refuses none is tried."""
    done: list[Sent] = []
    works = settings.MAIL_ON
    for invitation, link in items:
        mailed = False
        if works:
            try:
                mailed = bool(_message(invitation, link).send())
            except (OSError, SMTPException) as error:
                logger.warning("an invitation could not be mailed: %s", error)
                works = False
        if mailed:
            Invitation.objects.filter(pk=invitation.pk).update(mailed_at=timezone.now())
        done.append(Sent(invitation.email, mailed, "" if mailed else link))
    return done


def _message(invitation: Invitation, link: str) -> mail.EmailMessage:
    context = {"invitation": invitation, "link": link, "project": invitation.project}
    subject = _("Invitation to the project %(name)s") % {"name": invitation.project.name}
    return mail.EmailMessage(
        subject=" ".join(subject.split()),
        body=render_to_string("people/invitation_mail.txt", context),
        to=[invitation.email],
    )
