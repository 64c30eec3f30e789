"""Sign-in: registration is closed, people come by invitation."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest
from django.urls import URLPattern

urlpatterns: list[URLPattern] = []


class InvitationOnlyAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """Closes allauth's registration."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Nobody registers without an invitation."""
        del request
        return False
