"""Accounts of this installation: new people, deactivation, forgotten passwords."""

from __future__ import annotations

import secrets
from datetime import timedelta

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, validate_email
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp.errors import (
    ConflictError,
    ExpiredError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
)
from labelapp.models import Invitation, PasswordResetLink, User
from labelapp.selectors.people import invitation_for, reset_link_for, sole_owner_of, token_hash
from labelapp.services import audit, reviews, tokens
from labelapp.services.leases import one_writer, release_leases
from labelapp.services.people import Joined, accept_invitation

MAX_EMAIL = 254  # as the database keeps it
RESET_HOURS = 24
THEMES = ("auto", "light", "dark")


def join_with_new_account(
    *, token: str, email: str, display_name: str, password: str
) -> tuple[User, Joined]:
    """Make an account and join the project of the invitation, both or neither.

    Raises InvalidInputError naming the wrong fields, ExpiredError for a link that was used.
    """
    invitation = invitation_for(token)
    if settings.OIDC_ONLY:
        raise ForbiddenError(_("Nobody signs in with a password here: use single sign-on."))
    email, display_name = email.strip().lower(), " ".join(display_name.split())
    _check_new_person(email, display_name, password)
    if invitation.email not in {"", email}:
        problem = _("This invitation was sent to %(email)s.") % {"email": invitation.email}
        raise InvalidInputError(_("The account could not be made."), email=problem)
    with transaction.atomic():
        user = User.objects.create_user(email, password, display_name=display_name)
        joined = accept_invitation(user=user, token=token)
        if invitation.email == email and invitation.mailed_at:  # the link reached that address
            EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user, joined


def _check_new_person(email: str, display_name: str, password: str) -> None:
    wrong: dict[str, object] = {}
    try:
        validate_email(email)
        MaxLengthValidator(MAX_EMAIL)(email)
    except ValidationError:
        wrong["email"] = _("This is not an e-mail address.")
    if User.objects.filter(email=email).exists():
        wrong["email"] = _(
            "There is an account with this address: sign in with it, then open the link again."
        )
    if message := _name_problem(display_name):
        wrong["display_name"] = message
    if messages := _password_problems(password, User(email=email, display_name=display_name)):
        wrong["password"] = " ".join(messages)
    if wrong:
        raise InvalidInputError(_("The account could not be made."), **wrong)


def _name_problem(display_name: str) -> str:
    if not display_name:
        return _("Say how others should call you.")
    return _("A name may have 80 characters.") if len(display_name) > 80 else ""


def _password_problems(password: str, user: User) -> list[str]:
    try:
        validate_password(password, user)
    except ValidationError as error:
        return error.messages
    return []


def update_profile(*, user: User, display_name: str, theme: str, language: str) -> None:
    """Change one's own name, colours and language ("": as the browser wishes)."""
    name = " ".join(display_name.split())
    if message := _name_problem(name):
        raise InvalidInputError(message, display_name=message)
    if language and language not in dict(settings.LANGUAGES):
        problem = _("There is no such language.")
        raise InvalidInputError(problem, language=problem)
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(
            display_name=name, theme=_theme(theme), language=language
        )


def set_theme(*, user: User, theme: str) -> None:
    """Choose light, dark, or what the system wishes (auto)."""
    User.objects.filter(pk=user.pk).update(theme=_theme(theme))


def _theme(theme: str) -> str:
    if theme not in THEMES:
        raise InvalidInputError(
            _("There are no such colours."),
            theme=_("one of %(names)s") % {"names": ", ".join(THEMES)},
        )
    return theme


def deactivate(*, actor: User, user_id: int) -> User:
    """Sign a person out everywhere and for good; tasks are freed, answers and earnings stay.

    Links and access tokens of this person end, too. Raises ConflictError for oneself, and for the
    only owner of a project: nobody could manage its people any more.
    """
    person = _person(actor, user_id)
    if person.pk == actor.pk:
        raise ConflictError(
            _("You cannot deactivate yourself: somebody has to be able to undo it.")
        )
    with one_writer():
        _not_needed(person)
        User.objects.filter(pk=person.pk).update(is_active=False)
        release_leases(user=person)
        reviews.recall_all(user_id=person.pk)
        end_sessions(person)
        now = timezone.now()
        Invitation.objects.filter(created_by=person, accepted_at=None, revoked_at=None).update(
            revoked_at=now
        )
        PasswordResetLink.objects.filter(user=person, used_at=None).update(used_at=now)
        tokens.revoke_all(user=person)
        audit.write(user=actor, project=None, action="person.deactivated", target=person.email)
    return person


def _not_needed(person: User) -> None:
    """Refuse to lose the only owner of a project, or of the installation."""
    owners = User.objects.select_for_update().filter(is_superuser=True, is_active=True)
    if person.is_superuser and not [owner for owner in owners if owner.pk != person.pk]:
        raise ConflictError(_("This is the only owner of the installation."))
    if alone := [m.project.name for m in sole_owner_of(person)]:
        raise ConflictError(
            _("%(who)s is the only owner of: %(names)s. Make somebody else an owner there first.")
            % {"who": person, "names": ", ".join(alone)}
        )


def drop_second_factor(person: User) -> None:
    """Forget a person's authenticator app and recovery codes."""
    Authenticator.objects.filter(user_id=person.pk).delete()


def remove_second_factor(*, actor: User, user_id: int) -> User:
    """Help somebody who lost the phone and the recovery codes; the installation's owner decides."""
    person = _person(actor, user_id)
    with transaction.atomic():
        drop_second_factor(person)
        end_sessions(person)
        audit.write(user=actor, project=None, action="second_factor.removed", target=person.email)
    return person


def end_sessions(person: User) -> None:
    """Delete a person's sessions: brought back, they sign in anew on every device."""
    mine = [
        session.session_key
        for session in Session.objects.filter(expire_date__gt=timezone.now())
        if session.get_decoded().get(SESSION_KEY) == str(person.pk)
    ]
    Session.objects.filter(session_key__in=mine).delete()


def reactivate(*, actor: User, user_id: int) -> User:
    """Let a deactivated person sign in again, with the old password and the old projects."""
    person = _person(actor, user_id)
    with transaction.atomic():
        User.objects.filter(pk=person.pk).update(is_active=True)
        audit.write(user=actor, project=None, action="person.reactivated", target=person.email)
    return person


def create_reset_link(*, actor: User, user_id: int) -> tuple[User, str]:
    """Make a link with which a person sets a new password once; return it with its token.

    It lasts 24 hours, and earlier links of this person end. The token is not stored.
    """
    person = _person(actor, user_id)
    if not person.is_active:
        raise ConflictError(_("This person is deactivated: bring the account back first."))
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        now = timezone.now()
        PasswordResetLink.objects.filter(user=person, used_at=None).update(used_at=now)
        PasswordResetLink.objects.create(
            user=person,
            token_hash=token_hash(token),
            created_by=actor,
            expires=now + timedelta(hours=RESET_HOURS),
        )
        audit.write(user=actor, project=None, action="reset_link.created", target=person.email)
    return person, token


def set_password_by_link(*, token: str, password: str) -> User:
    """Set a new password; every session of this person ends.

    Raises InvalidInputError for a weak password (the link stays good), ExpiredError if the link
    was used meanwhile.
    """
    link = reset_link_for(token)
    if messages := _password_problems(password, link.user):
        raise InvalidInputError(_("This password cannot be used."), password=" ".join(messages))
    with transaction.atomic():
        now = timezone.now()
        usable = PasswordResetLink.objects.filter(pk=link.pk, used_at=None, expires__gt=now)
        if not usable.update(used_at=now):
            raise ExpiredError(_("This link was used already."))
        link.user.set_password(password)
        link.user.save(update_fields=["password"])
        audit.write(user=link.user, project=None, action="reset_link.used", target=link.user.email)
    return link.user


def _person(actor: User, user_id: int) -> User:
    """Return the person; only the installation's owner gets one."""
    if not (actor.is_superuser and actor.is_active):
        raise ForbiddenError(_("Only the owner of this installation may do this."))
    found = User.objects.filter(pk=user_id).first()
    if found is None:
        raise NotFoundError(_("There is no such person."))
    return found
