"""What signing in changes in accounts, and what the audit log says of it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction

from labelapp.errors import AppError
from labelapp.models import User
from labelapp.selectors.people import invitation_for
from labelapp.services import accounts, audit, tokens

_INVITATION = re.compile(r"/invite/([\w-]{20,80})/")
_NOTES = {
    "mfa/email/totp_activated": "second_factor.on",
    "mfa/email/totp_deactivated": "second_factor.off",
    "mfa/email/recovery_codes_generated": "recovery_codes.made",
    "account/email/password_changed": "password.changed",
    "account/email/password_set": "password.changed",
    "socialaccount/email/account_connected": "sign_on.connected",
    "socialaccount/email/account_disconnected": "sign_on.disconnected",
}
_STEPS = {"password": "password", "mfa": "code", "socialaccount": "single sign-on"}


def may_join(*, email: str, next_path: str) -> bool:
    """Tell whether a new person with this verified address gets an account.

    People of the domains that the environment names do; others with an invitation in hand.
    """
    if email.rpartition("@")[2] in settings.OIDC_DOMAINS:
        return True
    found = _INVITATION.fullmatch(next_path)
    if found is None:
        return False
    try:
        invitation = invitation_for(found[1])
    except AppError:
        return False
    return invitation.email in {"", email}


def take_over(*, user: User) -> None:
    """Hand an account to whoever proved to own its address.

    Where nobody had proved that before, whoever made the account may have been somebody else: the
    password, the second factor, all sessions and access tokens end.
    """
    known = EmailAddress.objects.filter(user=user, email=user.email, verified=True)
    if known.exists():
        return
    with transaction.atomic():
        user.set_unusable_password()
        user.save(update_fields=["password"])
        accounts.end_sessions(user)
        accounts.drop_second_factor(user)
        tokens.revoke_all(user=user)
        EmailAddress.objects.filter(user=user).delete()
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        audit.write(user=user, project=None, action="sign_on.took_over", target=user.email)


def joined(*, user: User) -> None:
    """Say in the audit log that single sign-on made an account."""
    audit.write(user=user, project=None, action="person.joined", target=user.email)


def note(*, user: User, what: str) -> None:
    """Say in the audit log what a person did to their own sign-in."""
    if action := _NOTES.get(what):
        audit.write(user=user, project=None, action=action, target=user.email)


def signed_in(*, user: User, steps: Sequence[str]) -> None:
    """Say in the audit log that somebody signed in; `steps` are allauth's names of what it took."""
    how = dict.fromkeys(_STEPS.get(step, step) for step in steps)
    audit.write(
        user=user, project=None, action="sign_in.done", target=user.email, after={"by": list(how)}
    )


def refused(*, user: User | None, email: str, what: str) -> None:
    """Say in the audit log that a password or a code was refused; `what` says which.

    `user` is whose session asked to confirm who they are, or whose code it was. An address without
    an account is not written down: people type their passwords there by mistake.
    """
    known = user or User.objects.filter(email=email.strip().lower()).first()
    target = "" if known is None else known.email
    # Nobody is its author: whoever typed it was not recognised.
    audit.write(
        user=None, project=None, action="sign_in.refused", target=target, after={"by": what}
    )
