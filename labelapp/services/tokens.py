"""Access tokens: keys for programs that act as a person, for a part of what the person may do."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp.errors import BadTokenError, ForbiddenError, InvalidInputError, NotFoundError
from labelapp.models import AccessToken, Project, User
from labelapp.rights import Right, Scope
from labelapp.selectors.people import token_hash
from labelapp.selectors.projects import Access, access
from labelapp.services import audit

START = "mcal_"
SHOWN = 12  # characters of a token that pages and the audit log show
MOST = 50  # live tokens of one person
MOST_DAYS = 366
USED_EVERY = timedelta(minutes=1)  # `last_used` is written no more often


def create(
    *, user: User, name: str, scopes: Collection[str], pid: str = "", days: int | None = 90
) -> tuple[AccessToken, str]:
    """Make a token; return it with its text, which is not stored.

    `pid`: for this project only; `days` None: until it is revoked. Raises InvalidInputError naming
    the wrong fields, NotFoundError for a project that the person does not see.
    """
    name = " ".join(name.split())
    _check(user, name, scopes, days)
    project = access(user, pid).project if pid else None
    text = START + secrets.token_urlsafe(32)
    with transaction.atomic():
        token = AccessToken.objects.create(
            user=user,
            project=project,
            name=name,
            prefix=text[:SHOWN],
            token_hash=token_hash(text),
            scopes=[scope.value for scope in Scope if scope.value in scopes],
            expires=timezone.now() + timedelta(days=days) if days else None,
        )
        audit.write(
            user=user,
            project=project,
            action="token.created",
            target=_target(token),
            after={"scopes": ", ".join(token.scopes), "days": days or ""},
        )
    return token, text


def _check(user: User, name: str, scopes: Collection[str], days: int | None) -> None:
    wrong: dict[str, object] = {}
    if not 1 <= len(name) <= 80:
        wrong["name"] = _("Say what the token is for, in 1 to 80 characters.")
    if not scopes or not set(scopes) <= {scope.value for scope in Scope}:
        wrong["scopes"] = _("Choose at least one thing that the token may be used for.")
    if days is not None and not 1 <= days <= MOST_DAYS:
        wrong["days"] = _("A token lasts 1 to %(most)s days.") % {"most": MOST_DAYS}
    if AccessToken.objects.filter(user=user, revoked_at=None).count() >= MOST:
        wrong["name"] = _("You have %(most)s tokens: revoke some first.") % {"most": MOST}
    if wrong:
        raise InvalidInputError(_("The token could not be made."), **wrong)


def person_of(text: str) -> User:
    """Return the person of a token, with the token on it. Raises BadTokenError, with the reason."""
    now = timezone.now()
    found = AccessToken.objects.select_related("user").filter(token_hash=token_hash(text))
    token = found.first()
    if token is None:
        raise BadTokenError(_("There is no such access token. Was it copied whole?"))
    if token.revoked_at:
        raise BadTokenError(_("This access token was revoked: make a new one."))
    if token.expires and token.expires <= now:
        raise BadTokenError(_("This access token is too old: make a new one."))
    if not token.user.is_active:
        raise BadTokenError(_("The account of this access token is deactivated."))
    stale = Q(last_used=None) | Q(last_used__lt=now - USED_EVERY)
    if token.last_used is None or token.last_used < now - USED_EVERY:
        AccessToken.objects.filter(stale, pk=token.pk).update(last_used=now)
    token.user.by_token = token
    return token.user


def revoke(*, user: User, token_id: int) -> None:
    """End one of one's own tokens, at once. Harmless when it has ended."""
    token = AccessToken.objects.filter(user=user, pk=token_id).first()
    if token is None:
        raise NotFoundError(_("There is no such access token."))
    _end(token, user, token.project)


def revoke_in_project(*, access: Access, token_id: int) -> None:
    """End somebody's token that is bound to this project; for those who manage its people."""
    if not access.may(Right.MANAGE_PEOPLE):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    token = AccessToken.objects.filter(project=access.project, pk=token_id).first()
    if token is None:
        raise NotFoundError(_("There is no such access token."))
    _end(token, access.user, access.project)


def revoke_all(*, user: User) -> None:
    """End all tokens of a person who lost the account, or may have."""
    AccessToken.objects.filter(user=user, revoked_at=None).update(revoked_at=timezone.now())


def _end(token: AccessToken, actor: User, project: Project | None) -> None:
    with transaction.atomic():
        live = AccessToken.objects.filter(pk=token.pk, revoked_at=None)
        if live.update(revoked_at=timezone.now()):
            audit.write(user=actor, project=project, action="token.revoked", target=_target(token))


def _target(token: AccessToken) -> str:
    return f"{token.name} ({token.prefix}…)"
