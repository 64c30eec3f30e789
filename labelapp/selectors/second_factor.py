"""Who has a second factor, and who still needs one."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext as _

from labelapp.errors import SecondFactorError
from labelapp.models import User


def has_second_factor(user: User) -> bool:
    """Tell whether this person signs in with a code beside the password."""
    return bool(
        Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.TOTP).exists()
    )


def has_sign_on(user: User) -> bool:
    """Tell whether this person's account is connected to the single sign-on."""
    return bool(SocialAccount.objects.filter(user_id=user.pk).exists())


def lacks_second_factor(user: User | AnonymousUser) -> bool:
    """Tell whether this installation wants a second factor of this person, who has none yet.

    People of single sign-on have theirs, if any, where they signed in first; here they need one
    all the same: the setting says "everybody".
    """
    if not settings.REQUIRE_SECOND_FACTOR or not user.is_authenticated:
        return False
    return not has_second_factor(user)


def check_second_factor(user: User) -> None:
    """Raise SecondFactorError where one is required and missing: for what has no pages."""
    if lacks_second_factor(user):
        raise second_factor_error()


def second_factor_error() -> SecondFactorError:
    """Return the error with its words."""
    return SecondFactorError(
        _("This installation wants a second factor: set one up on any page, then try again.")
    )
