"""The second factor: codes of an authenticator app, for whoever wants it or for everybody."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import lru_cache

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.signals import authentication_failed
from cryptography.fernet import Fernet
from django.conf import settings
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.crypto import salted_hmac

from labelapp.models import User
from labelapp.selectors.second_factor import (
    has_second_factor,
    lacks_second_factor,
    second_factor_error,
)
from labelapp.services import sign_on

OPEN_WITHOUT = ("mfa_", "account_log", "account_reauthenticate", "words", "healthz", "me_theme")
"""Names of what somebody may open who has yet to set up a second factor."""


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth is untyped
    """Keeps the secrets of authenticator apps encrypted: a copy of the database is not enough."""

    def encrypt(self, text: str) -> str:
        """Return what the database keeps."""
        return _fernet(settings.SECRET_KEY).encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Return the secret again."""
        return _fernet(settings.SECRET_KEY).decrypt(encrypted_text.encode()).decode()


@receiver(authentication_failed, dispatch_uid="labelapp.code_refused")
def code_refused(user: User, **_rest: object) -> None:
    """Write into the audit log that a code was refused."""
    sign_on.refused(user=user, email=user.email, what="code")


@lru_cache(maxsize=2)
def _fernet(secret: str) -> Fernet:
    key = salted_hmac("labelapp.second_factor", "", secret=secret, algorithm="sha256").digest()
    return Fernet(base64.urlsafe_b64encode(key))


def can_confirm(request: HttpRequest) -> bool:
    """Tell whether this person can be asked to confirm who they are, for what a session must not do.

    Where passwords are closed (`MCAL_OIDC_ONLY`), only those with an authenticator app can.
    """
    if not request.user.is_authenticated:
        return True
    return not settings.OIDC_ONLY or has_second_factor(request.user)


class SecondFactorMiddleware:
    """Where everybody needs a second factor: leads those without one to set it up."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_rest: object) -> HttpResponse | None:
        """Stop requests of sessions without the factor; cost nothing where it is not required."""
        if not settings.REQUIRE_SECOND_FACTOR:
            return None
        name = request.resolver_match.url_name if request.resolver_match else None
        if (name or "").startswith(OPEN_WITHOUT) or not lacks_second_factor(request.user):
            return None
        if request.path_info.startswith("/api/") or request.headers.get("HX-Request"):
            error = second_factor_error()
            return JsonResponse(error.as_dict(), status=error.status)
        return redirect("mfa_activate_totp")
