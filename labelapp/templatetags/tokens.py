"""Words for what access tokens may be used for, and how people sign in here."""

from __future__ import annotations

from django import template
from django.conf import settings
from django.http import HttpRequest
from django.template import Context
from django.urls import Resolver404, resolve

from labelapp.selectors.tokens import SCOPE_WORDS

register = template.Library()


@register.filter
def scope_words(scope: str) -> str:
    """Return a scope in the page's language."""
    return str(SCOPE_WORDS.get(scope, scope))


@register.simple_tag
def sign_on() -> dict[str, object]:
    """Return how people sign in here: `name` of the single sign-on ("" where it is off), `only`."""
    name = settings.OIDC_NAME if settings.OIDC_ON else ""
    return {"name": name, "only": settings.OIDC_ONLY}


_REASONS = {"my_tokens": "token", "webhook_secret": "secret"}


@register.simple_tag(takes_context=True)
def confirm_reason(context: Context) -> str:
    """Return what somebody confirms for who they are: token, secret, or "" for their sign-in."""
    request: HttpRequest = context["request"]
    there = request.POST.get("next") or request.GET.get("next") or ""
    try:
        found = resolve(there.partition("?")[0])
    except Resolver404:
        return ""
    return _REASONS.get(found.url_name or "", "")


@register.simple_tag
def second_factor_required() -> bool:
    """Tell whether this installation wants a second factor of everybody."""
    return bool(settings.REQUIRE_SECOND_FACTOR)
