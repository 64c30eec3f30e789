"""Page: a person's access tokens, for programs that use the API."""

from __future__ import annotations

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from labelapp.errors import InvalidInputError
from labelapp.rights import Scope
from labelapp.selectors.projects import visible_projects
from labelapp.selectors.tokens import SCOPE_HELP, SCOPE_WORDS, ended_tokens, own_tokens
from labelapp.services import tokens
from labelapp.web.base import person
from labelapp.web.second_factor import can_confirm

LASTS = {"30": 30, "90": 90, "365": 365, "never": None}


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
@reauthentication_required(allow_get=True, enabled=can_confirm)  # type: ignore[untyped-decorator]
def my_tokens(request: HttpRequest) -> HttpResponse:
    """Show one's tokens; POST makes one and shows it, this once.

    A session alone makes none: whoever asks confirms first, by password or code, who they are.
    """
    made: dict[str, object] = {}
    status = 200
    if request.method == "POST":
        try:
            made = _create(request)
        except InvalidInputError as error:
            made, status = {"error": error, "values": request.POST}, error.status
    context = {
        "tokens": own_tokens(person(request)),
        "ended": ended_tokens(person(request)),
        "projects": visible_projects(person(request)),
        "scopes": [(s.value, SCOPE_WORDS[s], SCOPE_HELP[s]) for s in Scope],
        "chosen": request.POST.getlist("scopes") or ["read"],
        "lasts": list(LASTS),
    }
    return render(request, "tokens/page.html", context | made, status=status)


def _create(request: HttpRequest) -> dict[str, object]:
    lasts = request.POST.get("days", "")
    token, text = tokens.create(
        user=person(request),
        name=request.POST.get("name", ""),
        scopes=request.POST.getlist("scopes"),
        pid=request.POST.get("project", ""),
        days=LASTS.get(lasts, 0),
    )
    return {"text": text, "made": token}


@login_required
@require_POST
def my_token_revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    """End one of one's own tokens."""
    tokens.revoke(user=person(request), token_id=token_id)
    messages.success(request, _("The access token no longer works."))
    return redirect("my_tokens")


urlpatterns: list[URLPattern] = [
    path("me/tokens/", my_tokens, name="my_tokens"),
    path("me/tokens/<int:token_id>/revoke/", my_token_revoke, name="my_token_revoke"),
]
