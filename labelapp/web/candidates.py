"""What a candidate of the race is called, is for and costs, while somebody chooses one."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe

from labelapp.web.candidate_field import Typed, says, typed_at


@login_required
@require_safe
def candidate_about(request: HttpRequest, prefix: str) -> HttpResponse:
    """Show the sentence under the controls whose names begin with `prefix`, as they stand."""
    typed = typed_at(request.GET, prefix) or Typed()
    return render(request, "candidates/_about.html", {"said": says(typed)})


urlpatterns: list[URLPattern] = [
    path("candidates/<slug:prefix>/about/", candidate_about, name="candidate_about"),
]
